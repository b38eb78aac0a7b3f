"""Merges change lines into a folder of Parquet files with Polars: polars.merge.py <folder> <landing>

Writes every partition again that has a key that changes.
"""

import glob
import json
import os
import sys

import polars as pl

from polars_changes import latest_changes, partition_name, read_definition, table_columns


def main(folder, landing):
    definition = read_definition(folder)
    changes = latest_changes(landing, definition)
    written = 0
    for (value,), of_partition in changes.group_by("partition"):
        written += merge_partition(f"{folder}/table/{partition_name(definition)}={value}", of_partition, definition)
    print(json.dumps({"bytes_encoded": written}))


def merge_partition(home, changes, definition):
    """Returns the bytes that it wrote."""
    columns = table_columns(definition)
    old = glob.glob(f"{home}/*.parquet")
    stored = pl.scan_parquet(old, hive_partitioning=False) if old else pl.LazyFrame(schema=changes.select(columns).schema)
    keys = stored.select("pk", pl.struct("_stream", "_sequence").alias("stored_version"))
    winners = (
        changes.lazy()
        .join(keys, on="pk", how="left")
        .filter(
            pl.when(pl.col("stored_version").is_null())
            .then(pl.col("operation") != "remove")
            .otherwise(newer())
        )
        .collect()
    )
    if winners.height == 0:
        return 0
    put = winners.lazy().filter(pl.col("operation") != "remove").select(columns)
    kept = stored.select(columns).join(winners.lazy().select("pk"), on="pk", how="anti")
    target = f"{home}/000.parquet"
    os.makedirs(home, exist_ok=True)
    merged = pl.concat([kept, put]).sort("pk").collect()
    merged.write_parquet(f"{target}.new", compression="zstd", compression_level=1, row_group_size=100_000)
    os.rename(f"{target}.new", target)
    for name in old:
        if name != target:
            os.remove(name)
    return os.path.getsize(target)


def newer():
    stream, sequence = (pl.col("stored_version").struct.field(name) for name in ("_stream", "_sequence"))
    return (pl.col("_stream") > stream) | ((pl.col("_stream") == stream) & (pl.col("_sequence") > sequence))


main(sys.argv[1], sys.argv[2])
