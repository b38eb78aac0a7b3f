"""Merges change lines into a Delta table with delta-rs: delta-rs.merge.py merge <folder> <landing>

delta-rs.merge.py prepare <folder> makes the table from the files that `definition.json` names, delta-rs.merge.py files <folder> lists
those that make it up.
"""

import glob
import json
import os
import sys

import polars as pl
import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable, WriterProperties, write_deltalake

from polars_changes import latest_changes, partition_name, read_definition, table_columns

PROPERTIES = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=100_000)


def merge(folder, landing):
    definition = read_definition(folder)
    name = partition_name(definition)
    changes = latest_changes(landing, definition).rename({"partition": name})
    location = f"{folder}/table"
    if not DeltaTable.is_deltatable(location):
        rows = changes.filter(pl.col("operation") != "remove").drop("operation").sort("pk")
        write_deltalake(location, rows.to_arrow(), partition_by=[name], writer_properties=PROPERTIES)
        print(json.dumps({"bytes_encoded": data_bytes(DeltaTable(location).file_uris())}))
        return
    table = DeltaTable(location)
    before = set(table.file_uris())
    columns = {column: f"s.{column}" for column in [*table_columns(definition), name]}
    newer = "(s._stream > t._stream OR (s._stream = t._stream AND s._sequence > t._sequence))"
    (
        # Not streamed, so that files whose keys lie outside of the changes' are not read.
        table.merge(
            changes.to_arrow(),
            f"s.pk = t.pk AND s.{name} = t.{name}",
            source_alias="s",
            target_alias="t",
            writer_properties=PROPERTIES,
            streamed_exec=False,
        )
        .when_matched_delete(f"{newer} AND s.operation = 'remove'")
        .when_matched_update(columns, newer)
        .when_not_matched_insert(columns, "s.operation <> 'remove'")
        .execute()
    )
    print(json.dumps({"bytes_encoded": data_bytes(set(table.file_uris()) - before)}))


def data_bytes(uris):
    return sum(os.path.getsize(uri.removeprefix("file://")) for uri in uris)


def prepare(folder):
    """File by file, so that those of the table hold the same rows."""
    definition = read_definition(folder)
    name = partition_name(definition)
    for file in sorted(glob.glob(f"{definition['parquet']}/*/*.parquet")):
        rows = pa.parquet.ParquetFile(file).read()
        value = os.path.basename(os.path.dirname(file)).split("=")[1]
        rows = rows.append_column(name, pa.array([value] * len(rows), pa.string()))
        write_deltalake(
            f"{folder}/table",
            rows,
            mode="append",
            partition_by=[name],
            writer_properties=PROPERTIES,
            target_file_size=1 << 30,
        )


def files(folder):
    print(json.dumps([uri.removeprefix("file://") for uri in DeltaTable(f"{folder}/table").file_uris()]))


{"merge": merge, "prepare": prepare, "files": files}[sys.argv[1]](*sys.argv[2:])
