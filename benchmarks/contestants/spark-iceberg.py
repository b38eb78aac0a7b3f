"""Merges change lines into an Iceberg table with Spark's MERGE INTO, copy-on-write.

spark-submit spark-iceberg.py prepare <folder> | merge <folder> <landing>
"""

import json
import sys

from spark_changes import data_bytes, latest_changes, read_base, read_definition, session, table_columns

MERGE = """
  MERGE INTO lake.db.orders t USING changes c ON t.pk = c.pk
  WHEN MATCHED AND {newer} AND c._operation = 'remove' THEN DELETE
  WHEN MATCHED AND {newer} THEN UPDATE SET *
  WHEN NOT MATCHED AND c._operation <> 'remove' THEN INSERT *
""".format(newer="(c._stream > t._stream OR (c._stream = t._stream AND c._sequence > t._sequence))")

PARTITION = {"bucket": "bucket(8, pk)", "day": "days(created_at)"}


def main(step, folder, landing=None):
    definition = read_definition(folder)
    spark = session(
        folder,
        [
            ("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"),
            ("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog"),
            ("spark.sql.catalog.lake.type", "hadoop"),
            ("spark.sql.catalog.lake.warehouse", folder),
        ],
    )
    if step == "prepare":
        prepare(spark, definition)
    else:
        merge(spark, definition, folder, landing)
    spark.stop()


def prepare(spark, definition):
    columns = ", ".join(f"{name} {type}" for name, type in table_columns(definition))
    spark.sql(f"""
      CREATE TABLE lake.db.orders ({columns}) USING iceberg PARTITIONED BY ({PARTITION[definition["layout"]]})
      TBLPROPERTIES (
        'format-version' = '2',
        'write.merge.mode' = 'copy-on-write',
        'write.parquet.compression-codec' = 'zstd',
        'write.parquet.compression-level' = '1',
        'write.target-file-size-bytes' = '{definition["fileBytes"]}'
      )""")
    # Rows that lie by key within a file let a merge skip the files whose keys it does not touch.
    spark.sql("ALTER TABLE lake.db.orders WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY pk")
    if definition["rows"] > 0:
        read_base(spark, definition).writeTo("lake.db.orders").append()


def merge(spark, definition, folder, landing):
    before = data_bytes(folder)
    latest_changes(spark, landing, definition).createOrReplaceTempView("changes")
    spark.sql(MERGE)
    added = {path: size for path, size in data_bytes(folder).items() if path not in before}
    print(json.dumps({"bytes_encoded": sum(added.values())}))


main(*sys.argv[1:])
