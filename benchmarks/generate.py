# Rows, change lines and the expected result, from a seed and SQL alone: this is the benchmark's own definition of right, and
# shares nothing with any contestant. Everything random is a hash of the number of a row or of a change.
#
#   python generate.py describe '<table>'                                its attributes and SQL of its partition, as JSON
#   python generate.py base     '<table>' <folder>                       Parquet files of the rows that stand
#   python generate.py lines    '<table>' <folder> <first row> <rows>    the same rows as change lines
#   python generate.py changes  '<table>' <folder> '<workload>' <base>   change lines, and what the table must be after them
#   python generate.py removals '<table>' <folder> <keys>                removals of keys that never were
#
# <table> and <workload> are JSON of `TableShape` and `Workload` (workloads.ts). Row i of the table has the version i, change k the
# version k: with a digit more, so whoever compares them as text is found out. Stale lines have versions before all rows.

import concurrent.futures
import json
import os
import sys
import zlib

from checksum import checksum, connect

FIRST_MS = 1_700_000_000_000
STREAM = "2026-11-22T08:00:00.000"
STATUS = ["new", "paid", "packed", "sent", "delivered", "returned", "lost", "void"]
FILE_ROWS = 640_000
GROUP_ROWS = 100_000
OBJECT_LINES = 25_000
JITTER_LINES = 5_000
PARTITIONS = 8
# Of the change lines of a workload, beside the changes themselves.
STALE_PERCENT = 1
DUPLICATE_PERCENT = 2


def random(seed, salt, bound):
    """A whole number below `bound`, of row `number`."""
    return f"(hash(number, {seed}, {salt}) % {bound})"


def attributes(table, changed=None):
    """(name, type, SQL) of all attributes. A row is made of its `number` and `seed` (0 as it first stood); only the attributes
    `changed` follow the seed, if given."""
    columns = [
        ("pk", "string", key(table, "number")),
        ("status", "string", lambda seed: f"{STATUS}[{random(seed, 1, 8)}::BIGINT + 1]"),
        ("customer", "string", lambda seed: f"'customer-' || {random(seed, 2, 10_000)}"),
        ("token", "string", lambda seed: f"md5(number || ' ' || {seed})[1:24]"),
        ("quantity", "long", lambda seed: f"{random(seed, 3, 100)}::BIGINT"),
        ("cents", "long", lambda seed: f"{random(seed, 4, 1_000_000)}::BIGINT"),
        ("revision", "long", lambda seed: f"(number + {seed})::BIGINT"),
        ("weight", "double", lambda seed: f"{random(seed, 5, 100_000)}::DOUBLE / 1000"),
        ("score", "double", lambda seed: f"{random(seed, 6, 2**32)}::DOUBLE / {2**32} + 1"),
        (
            "price",
            "decimal(38,9)",
            lambda seed: f"({random(seed, 7, 10**15)}::DECIMAL(38,0)::DECIMAL(38,9) / 1000000000)::DECIMAL(38,9)",
        ),
        ("created_at", "timestamp", lambda _: f"make_timestamp_ms({FIRST_MS} + number * 1000)::TIMESTAMPTZ"),
        (
            "note",
            "string",
            lambda seed: f"""'{{"channel":"web","step":' || {random(seed, 8, 10)}
              || ',"ref":"' || lpad(lower(to_hex(hash(number, {seed}, 9))), 16, '0') || '"}}'""",
        ),
    ]
    wide = [
        ("string", lambda salt: lambda seed: f"'value ' || {random(seed, salt, 5_000)}"),
        ("long", lambda salt: lambda seed: f"{random(seed, salt, 2**40)}::BIGINT"),
        ("double", lambda salt: lambda seed: f"{random(seed, salt, 2**32)}::DOUBLE / {2**32} + 1"),
    ]
    for salt in range(len(columns), table["columns"]):
        kind, expression = wide[salt % len(wide)]
        columns.append((f"field_{salt:03}", kind, expression(salt)))
    return [
        (name, kind, expression if name == "pk" else expression("seed" if changed is None or name in changed else "0"))
        for name, kind, expression in columns
    ]


def key(table, number):
    if table["keys"] == "uuid":
        return f"md5('key ' || {number})::UUID::VARCHAR"
    return f"'user#' || lpad(({number})::VARCHAR, 12, '0')"


def partition(table):
    """SQL of the partition, over the attributes."""
    if table["layout"] == "day":
        return "created_at::DATE"
    return f"('0x' || pk[-1:])::INT % {PARTITIONS}" if table["keys"] == "uuid" else f"pk[-3:]::INT % {PARTITIONS}"


def row_sequence(number):
    return f"'4' || lpad(({number} * 1000)::VARCHAR, 20, '0')"


def change_sequence(number):
    return f"'1' || lpad(({number} * 1000)::VARCHAR, 21, '0')"


def stale_sequence(number):
    return f"'399' || lpad(({number})::VARCHAR, 18, '0')"


def sortable(sequence):
    return f"length({sequence})::VARCHAR || {sequence}"


# ---- rows ----


def write_base(table, folder):
    connection = connect()
    if table["layout"] == "day":
        days = (table["rows"] * 1000 + FIRST_MS % 86_400_000) // 86_400_000 + 1
        first_day = FIRST_MS // 86_400_000
        for day in range(first_day, first_day + days):
            first = max(0, (day * 86_400_000 - FIRST_MS + 999) // 1000)
            end = min(table["rows"], ((day + 1) * 86_400_000 - FIRST_MS + 999) // 1000)
            if first < end:
                name = connection.execute("SELECT (to_timestamp(?))::DATE::VARCHAR", [day * 86_400]).fetchall()[0][0]
                write_file(connection, table, f"{folder}/created_day={name}/000.parquet", f"range({first}, {end})")
        return
    for bucket in range(PARTITIONS):
        per_bucket = table["rows"] / PARTITIONS
        files = max(1, round(per_bucket / FILE_ROWS))
        for file in range(files):
            name = f"{folder}/bucket={bucket}/{file:03}.parquet"
            if table["keys"] == "uuid":
                # Neighbours in the order of the keys, as equal in number as the keys are random.
                bounds = [f"{i * 256 // files:02x}" for i in range(files + 1)]
                end = f" AND pk < '{bounds[file + 1]}'" if file + 1 < files else ""
                condition = f"{partition(table)} = {bucket} AND pk >= '{bounds[file]}'{end}"
                numbers = f"(SELECT range FROM (SELECT range, {key(table, 'range')} AS pk FROM range({table['rows']})) WHERE {condition})"
            else:
                first, end = (int(per_bucket * part / files) * PARTITIONS + bucket for part in (file, file + 1))
                numbers = f"range({first}, {min(end, table['rows'])}, {PARTITIONS})"
            write_file(connection, table, name, numbers)


def write_file(connection, table, name, numbers):
    os.makedirs(os.path.dirname(name), exist_ok=True)
    values = ", ".join(f"{sql} AS {column}" for column, _, sql in attributes(table))
    connection.execute(f"""
      COPY (
        SELECT {values}, {UPDATED_AT_OF_ROW} AS _updated_at, '{STREAM}' AS _stream, {sortable(row_sequence('number'))} AS _sequence
        FROM (SELECT range AS number, 0 AS seed FROM {numbers})
        {'ORDER BY pk' if table['keys'] == 'uuid' else ''}
      ) TO '{name}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {GROUP_ROWS})""")


UPDATED_AT_OF_ROW = "to_timestamp(1795334400 + number // 1000)"


# ---- changes ----


def make_changes(connection, table, workload):
    """Table `changes`: place, number, seed, operation, sequence, epoch. One line each, but for the duplicates."""
    rows, changes = table["rows"], workload["changes"]
    if workload["load"]:
        changes = rows
        connection.execute(f"CREATE TABLE changes AS SELECT *, number AS place FROM ({row_changes(0, rows)})")
        connection.execute(f"INSERT INTO changes BY NAME ({stale_changes(rows * STALE_PERCENT // 100, rows, 'NULL', rows)})")
        return
    candidates(connection, table, workload)
    updates, inserts = workload["updates"], workload["inserts"]
    everywhere = f"OR hash(k, 'where') % 100 >= {workload['recentPercent']}"
    count = connection.execute("SELECT count(*) FROM recent").fetchall()[0][0]
    # Changes that hit rows by chance hit some twice: then the later wins.
    connection.execute(f"""
      CREATE TABLE changes AS
      WITH kinds AS (
        SELECT range AS k, CASE WHEN hash(range, 'kind') % 100 < {updates} THEN 'modify'
          WHEN hash(range, 'kind') % 100 < {updates + inserts} THEN 'insert' ELSE 'remove' END AS operation
        FROM range({changes})
      ), placed AS (
        SELECT k, operation, CASE
          WHEN operation = 'insert' THEN NULL
          WHEN {count} = 0 {everywhere} THEN hash(k, 'row') % {rows}
          END::BIGINT AS number,
          (hash(k, 'recent') % {max(1, count)})::BIGINT AS i,
          row_number() OVER (PARTITION BY operation = 'insert' ORDER BY k) - 1 AS fresh
        FROM kinds
      )
      SELECT k AS place, CASE WHEN operation = 'insert' THEN fresh_row.number ELSE coalesce(placed.number, recent.number) END AS number,
        k + 1 AS seed, operation, {change_sequence('k')} AS sequence, 1795400000 + k // 1000 AS epoch
      FROM placed LEFT JOIN recent USING (i) LEFT JOIN fresh_row ON operation = 'insert' AND fresh_row.i = fresh
      UNION ALL BY NAME
      {stale_changes(changes * STALE_PERCENT // 100, changes, 'recent.number', rows)}
      LEFT JOIN recent ON i = hash(range, 'recent') % {max(1, count)}""")


def row_changes(first, rows):
    """The rows themselves as changes."""
    return f"""
      SELECT range AS number, 0 AS seed, 'insert' AS operation, {row_sequence('range')} AS sequence, 1795334400 + range // 1000 AS epoch
      FROM range({first}, {first + rows})"""


def stale_changes(count, changes, number, rows):
    """Changes that came before all rows, somewhere among `changes` others; of any row where `number` is null."""
    return f"""
      SELECT (hash(range, 'place') % {changes})::BIGINT AS place, coalesce({number}, hash(range, 'row') % {rows})::BIGINT AS number,
        {changes} + range AS seed, 'modify' AS operation, {stale_sequence('range')} AS sequence, 1795334000 AS epoch
      FROM range({count})"""


def candidates(connection, table, workload):
    """Tables `recent` (i, number) of rows to change and `fresh_row` (i, number) of rows to insert."""
    rows, recent = table["rows"], workload["recentRows"]
    inserts = workload["changes"]
    if not workload["onePartition"]:
        # Without `recent` every row is equally likely.
        connection.execute(f"CREATE TABLE recent AS SELECT range - {rows - recent} AS i, range AS number FROM range({rows - recent}, {rows})")
        connection.execute(f"CREATE TABLE fresh_row AS SELECT range AS i, {rows} + range AS number FROM range({inserts})")
        return
    # One partition for contestants that partition as the base does, and one for those that hash keys as Iceberg does.
    of_one_partition = lambda number: number % PARTITIONS == 3 and iceberg_bucket(f"user#{number:012}".encode()) == 5
    numbers = [number for number in range(rows - recent, rows) if of_one_partition(number)]
    fresh = [number for number in range(rows, rows + 128 * inserts) if of_one_partition(number)]
    for name, values in (("recent", numbers), ("fresh_row", fresh)):
        connection.execute(f"CREATE TABLE {name} AS SELECT generate_subscripts(v, 1) - 1 AS i, unnest(v) AS number FROM (SELECT ?::BIGINT[] AS v)", [values])


def iceberg_bucket(text):
    """Iceberg's bucket(8, key): murmur3 x86 32 of the text (table spec, appendix B)."""
    mask = 0xFFFFFFFF
    rotate = lambda value, bits: ((value << bits) | (value >> (32 - bits))) & mask
    mix = lambda word: rotate(word * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask
    h = 0
    whole = len(text) // 4 * 4
    for at in range(0, whole, 4):
        h = (rotate(h ^ mix(int.from_bytes(text[at : at + 4], "little")), 13) * 5 + 0xE6546B64) & mask
    if whole < len(text):
        h ^= mix(int.from_bytes(text[whole:], "little"))
    h ^= len(text)
    h = (h ^ (h >> 16)) * 0x85EBCA6B & mask
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & mask
    return ((h ^ (h >> 16)) & 0x7FFFFFFF) % PARTITIONS


def line(table, columns):
    """SQL of a change line."""
    dynamodb = {
        "string": lambda sql: f"""{{"S":"' || replace({sql}, '"', '\\"') || '"}}""",
        "long": lambda sql: f"""{{"N":"' || {sql} || '"}}""",
        "double": lambda sql: f"""{{"N":"' || {sql} || '"}}""",
        "decimal(38,9)": lambda sql: f"""{{"N":"' || {sql} || '"}}""",
        "timestamp": lambda sql: f"""{{"N":"' || epoch_ms({sql}) || '"}}""",
    }
    item = ",".join(f'"{name}":' + dynamodb[kind](sql) for name, kind, sql in columns)
    old = ""
    if table["layout"] == "day":
        # An item's day never changes, so its old image has it too.
        created_at = next(dynamodb[kind](sql) for name, kind, sql in columns if name == "created_at")
        old = f"""|| CASE WHEN operation = 'insert' THEN '' ELSE ',"old":{{"created_at":{created_at}}}' END"""
    return f"""
      '{{"format":"lastwrite/1","table":"orders","source":"123456789012/eu-west-1","stream":"{STREAM}","sequence":"' || sequence
      || '","operation":"' || operation || '","at":' || epoch || ',"keys":{{"pk":{{"S":"' || {key(table, 'number')} || '"}}}}'
      || CASE WHEN operation = 'remove' THEN '' ELSE ',"item":{{{item}}}' END {old} || '}}' || chr(10)"""


def write_lines(connection, select, landing, level):
    """Objects of 25,000 lines, gzip, named as Firehose names them."""
    folder = f"{landing}/2026/11/22/09"
    os.makedirs(folder)
    reader = connection.sql(select).to_arrow_reader(OBJECT_LINES)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting, count = [], 0
        for text in objects(reader):
            waiting.append(pool.submit(write_object, f"{folder}/orders-1-2026-11-22-09-00-{count // 60:02}-{count:06}.gz", text, level))
            count += 1
            while len(waiting) > 4:
                waiting.pop(0).result()
        for one in waiting:
            one.result()


def objects(reader):
    pending, lines = [], 0
    for batch in reader:
        texts = batch.column(0).to_pylist()
        while lines + len(texts) >= OBJECT_LINES:
            taken = OBJECT_LINES - lines
            yield "".join([*pending, *texts[:taken]])
            pending, lines, texts = [], 0, texts[taken:]
        pending += texts
        lines += len(texts)
    if lines > 0:
        yield "".join(pending)


def write_object(name, text, level):
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    with open(name, "wb") as file:
        file.write(compressor.compress(text.encode()) + compressor.flush())


def write_changes(table, folder, workload, base):
    connection = connect()
    connection.execute(f"SET temp_directory = '{folder}/spill'")
    make_changes(connection, table, workload)
    columns = attributes(table, workload["changed"])
    duplicates = connection.execute("SELECT count(*) FROM changes").fetchall()[0][0] * DUPLICATE_PERCENT // 100
    select = f"""
      WITH twice AS (SELECT * FROM changes UNION ALL SELECT * FROM (SELECT * FROM changes ORDER BY hash(place, seed, 'twice') LIMIT {duplicates}))
      SELECT {line(table, columns)}
      FROM (SELECT *, place + hash(place, seed, 'jitter', row_number() OVER ()) % {JITTER_LINES} AS at_line FROM twice ORDER BY at_line, seed)"""
    write_lines(connection, select, f"{folder}/landing", 6)
    stored = "(FROM latest WHERE false)" if workload["load"] else f"read_parquet('{base}/*/*.parquet', hive_partitioning = false)"
    write_expected(connection, table, folder, columns, stored)


def write_expected(connection, table, folder, columns, base):
    names = ", ".join([name for name, _, _ in columns] + ["_stream", "_sequence"])
    values = ", ".join(f"{sql} AS {name}" for name, _, sql in columns)
    connection.execute(f"""
      CREATE TABLE latest AS
      SELECT {values}, '{STREAM}' AS _stream, {sortable('sequence')} AS _sequence, operation
      FROM changes QUALIFY row_number() OVER (PARTITION BY number ORDER BY length(sequence) DESC, sequence DESC) = 1""")
    relation = f"""(
      SELECT {names} FROM {base} AS stored
      WHERE NOT EXISTS (FROM latest WHERE latest.pk = stored.pk AND latest._sequence > stored._sequence)
      UNION ALL
      SELECT {names} FROM latest WHERE operation <> 'remove'
        AND NOT EXISTS (SELECT 1 FROM {base} AS stored WHERE stored.pk = latest.pk AND stored._sequence >= latest._sequence)
    )"""
    expected = checksum(connection, [{"name": name, "type": kind} for name, kind, _ in columns], relation)
    lines = connection.execute("SELECT count(*), count(DISTINCT number) FROM changes").fetchall()[0]
    with open(f"{folder}/expected.json", "w") as file:
        json.dump({**expected, "changes": lines[0], "keys": lines[1]}, file)


def write_row_lines(table, folder, first, rows):
    select = f"""
      SELECT {line(table, attributes(table))}
      FROM ({row_changes(first, rows)})"""
    write_lines(connect(), select, folder, 1)


def write_removals(table, folder, keys):
    """Keys between those of the rows: each tombstone stands among keys that are asked for."""
    select = f"""
      SELECT '{{"format":"lastwrite/1","table":"orders","source":"123456789012/eu-west-1","stream":"{STREAM}","sequence":"' || {change_sequence('range')}
        || '","operation":"remove","at":1795399000,"keys":{{"pk":{{"S":"' || {key(table, f"(range * {table['rows']}) // {keys}")} || '-' || range || '"}}}}}}' || chr(10)
      FROM range({keys})"""
    write_lines(connect(), select, folder, 1)


if __name__ == "__main__":
    action, table, *rest = sys.argv[1:]
    table = json.loads(table)
    folder = rest.pop(0) if rest else None
    if action == "describe":
        columns = [{"name": name, "type": kind} for name, kind, _ in attributes(table)]
        print(json.dumps({"attributes": columns, "partition": partition(table)}))
    elif action == "base":
        write_base(table, folder)
    elif action == "lines":
        write_row_lines(table, folder, int(rest[0]), int(rest[1]))
    elif action == "removals":
        write_removals(table, folder, int(rest[0]))
    else:
        write_changes(table, folder, json.loads(rest[0]), rest[1])
