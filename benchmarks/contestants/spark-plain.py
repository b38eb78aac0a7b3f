"""Merges change lines into plain Parquet files with Spark: read all, union, latest of each key, write all.

spark-submit spark-plain.py <folder> <landing>
"""

import json
import os
import shutil
import sys

from pyspark.sql import functions as F
from pyspark.sql.window import Window
from spark_changes import data_bytes, read_definition, session, typed_changes


def main(folder, landing):
    table = os.path.join(folder, "table")
    spark = session(folder)
    rows = typed_changes(spark, landing, read_definition(folder))
    if os.path.exists(table):
        stored = spark.read.parquet(table).withColumn("_operation", F.lit("put"))
        rows = stored.unionByName(rows)
    newest_first = Window.partitionBy("pk").orderBy(F.desc("_stream"), F.desc("_sequence"))
    latest = (
        rows.withColumn("_rank", F.row_number().over(newest_first))
        .where("_rank = 1 and _operation <> 'remove'")
        .drop("_rank", "_operation")
    )
    # Spark cannot overwrite what it is reading.
    latest.write.option("compression", "zstd").parquet(f"{table}.new")
    if os.path.exists(table):
        os.rename(table, f"{table}.old")
    os.rename(f"{table}.new", table)
    shutil.rmtree(f"{table}.old", ignore_errors=True)
    print(json.dumps({"bytes_encoded": sum(data_bytes(table).values())}))
    spark.stop()


main(*sys.argv[1:])
