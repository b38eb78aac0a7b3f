"""Merges change lines into a folder of Parquet files with DuckDB: duckdb.merge.py <folder> <landing> <threads> files|partitions

files:      writes only those files again that hold a key that changes, or would hold it, by the bounds of their keys.
partitions: writes every partition again that has a key that changes.

Either finds the changes that win by reading the keys and versions that stand. Files are sorted by key, and replaced by a rename.
"""

import glob
import json
import os
import sys

import duckdb

SQL_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "decimal(38,9)": "DECIMAL(38,9)"}
WRITE = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 100_000"


def main(folder, landing, threads, unit):
    with open(f"{folder}/definition.json") as file:
        definition = json.load(file)
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET TimeZone = 'UTC'; SET temp_directory = '{folder}/spill'")
    read_changes(connection, landing, definition)
    give_homes(connection, f"{folder}/table", definition, unit)
    homes = find_winners(connection, unit)
    written = sum(rewrite(connection, home, unit, definition) for home in homes)
    print(json.dumps({"bytes_encoded": written}))


def read_changes(connection, landing, definition):
    """Table `latest`: the last change of each key."""
    attributes = definition["attributes"]
    item = ", ".join(f"{a['name']} STRUCT({dynamodb_type(a)} VARCHAR)" for a in attributes)
    values = ", ".join(f"{typed(a, definition)} AS {a['name']}" for a in attributes[1:])
    old = "old: 'STRUCT(created_at STRUCT(N VARCHAR))'," if definition["layout"] == "day" else ""
    connection.execute(f"""
      CREATE TEMP TABLE lines AS
      SELECT keys.pk.S AS pk, {values}, to_timestamp("at") AS _updated_at, stream AS _stream,
        length(sequence)::VARCHAR || sequence AS _sequence, operation
      FROM read_json('{landing}/**/*.gz', format = 'newline_delimited', columns = {{
        stream: 'VARCHAR', sequence: 'VARCHAR', operation: 'VARCHAR', "at": 'DOUBLE',
        keys: 'STRUCT(pk STRUCT(S VARCHAR))', {old} item: 'STRUCT({item})'}})""")
    connection.execute(f"""
      CREATE TEMP TABLE latest AS
      SELECT *, ({definition['partition']})::VARCHAR AS partition FROM lines
      WHERE rowid IN (SELECT max_by(rowid, (_stream, _sequence)) FROM lines GROUP BY pk)""")


def dynamodb_type(attribute):
    return "S" if attribute["type"] == "string" else "N"


def typed(attribute, definition):
    name, kind = attribute["name"], attribute["type"]
    if kind == "string":
        return f"item.{name}.S"
    if kind == "timestamp":
        # Removals have no item, but their partition is that of the old one.
        number = f"coalesce(item.{name}.N, old.{name}.N)" if definition["layout"] == "day" else f"item.{name}.N"
        return f"make_timestamp_ms({number}::BIGINT)::TIMESTAMPTZ"
    return f"item.{name}.N::{SQL_TYPES[kind]}"


def give_homes(connection, table, definition, unit):
    """Table `changes`: `latest` with `home`, the file or the folder where the key stands if it does, and goes if it does not."""
    folder = f"'{table}/{'created_day' if definition['layout'] == 'day' else 'bucket'}=' || latest.partition"
    if unit == "partitions":
        connection.execute(f"CREATE TEMP VIEW changes AS SELECT *, {folder} AS home FROM latest")
        return
    files = f"""
      SELECT file_name, min(stats_min_value) AS first FROM parquet_metadata('{table}/*/*.parquet')
      WHERE path_in_schema = 'pk' GROUP BY file_name"""
    if not glob.glob(f"{table}/*/*.parquet"):
        files = "SELECT '' AS file_name, '' AS first WHERE false"
    connection.execute(f"""
      CREATE TEMP TABLE files AS SELECT file_name, regexp_extract(file_name, '=([^/]*)/[^/]*$', 1) AS partition,
        -- The first of a partition takes all keys before it, too.
        CASE WHEN row_number() OVER (PARTITION BY partition ORDER BY first) > 1 THEN first ELSE '' END AS first FROM ({files})""")
    connection.execute(f"""
      CREATE TEMP TABLE changes AS SELECT latest.*, coalesce(file_name, {folder} || '/000.parquet') AS home
      FROM latest ASOF LEFT JOIN files ON latest.partition = files.partition AND latest.pk >= files.first""")


def find_winners(connection, unit):
    """Table `winners`: the changes that are later than what stands. Returns their homes."""
    homes = [home for (home,) in connection.execute("SELECT DISTINCT home FROM changes").fetchall()]
    names = [name for home in homes for name in files_of(home, unit)]
    stored = f"read_parquet({names})" if names else "(FROM latest WHERE false)"
    connection.execute(f"""
      CREATE TEMP TABLE winners AS
      SELECT changes.* FROM changes LEFT JOIN (SELECT pk, _stream, _sequence FROM {stored}) AS stored USING (pk)
      WHERE CASE WHEN stored.pk IS NULL THEN operation <> 'remove'
        ELSE (changes._stream, changes._sequence) > (stored._stream, stored._sequence) END""")
    return [home for (home,) in connection.execute("SELECT DISTINCT home FROM winners ORDER BY home").fetchall()]


def files_of(home, unit):
    if unit == "partitions":
        return glob.glob(f"{home}/*.parquet")
    return [home] if os.path.exists(home) else []


def rewrite(connection, home, unit, definition):
    """Returns the bytes that it wrote."""
    old = files_of(home, unit)
    columns = ", ".join([a["name"] for a in definition["attributes"]] + ["_updated_at", "_stream", "_sequence"])
    changed = f"FROM winners WHERE home = '{home}'"
    kept = f"SELECT {columns} FROM read_parquet({old}, hive_partitioning = false) WHERE pk NOT IN (SELECT pk {changed}) UNION ALL" if old else ""
    target = home if unit == "files" else f"{home}/000.parquet"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    connection.execute(f"""
      COPY ({kept} SELECT {columns} {changed} AND operation <> 'remove' ORDER BY pk) TO '{target}.new' ({WRITE})""")
    os.rename(f"{target}.new", target)
    for name in old:
        if name != target:
            os.remove(name)
    return os.path.getsize(target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
