"""Change lines as a Spark job reads them: JSON with an explicit schema, typed columns, the latest change of each key."""

import json
import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from pyspark.sql.window import Window


def session(folder, settings=()):
    """A session in UTC. `folder`: where Spark may put what it wants beside its tables."""
    builder = (
        SparkSession.builder.appName("benchmark")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", os.path.join(folder, "warehouse"))
        .config("spark.hadoop.parquet.compression.codec.zstd.level", "1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
    )
    for name, value in settings:
        builder = builder.config(name, value)
    return builder.getOrCreate()


def read_definition(folder):
    """What the TypeScript side wrote into the table's folder: attributes, layout, rows, fileBytes, parquet."""
    with open(os.path.join(folder, "definition.json"), encoding="utf-8") as file:
        return json.load(file)


def table_columns(definition):
    """(name, Spark's type) of all columns."""
    attributes = [(a["name"], "bigint" if a["type"] == "long" else a["type"]) for a in definition["attributes"]]
    return [*attributes, ("_updated_at", "timestamp"), ("_stream", "string"), ("_sequence", "string")]


def read_base(spark, definition):
    # Files without a zone are read as timestamp_ntz, which is another type.
    files = spark.read.option("recursiveFileLookup", "true").parquet(definition["parquet"])
    return files.select([F.col(name).cast(type).alias(name) for name, type in table_columns(definition)])


def latest_changes(spark, landing, definition):
    """The columns of the table and `_operation`, one row a key."""
    changes = typed_changes(spark, landing, definition)
    newest_first = Window.partitionBy("pk").orderBy(F.desc("_stream"), F.desc("_sequence"))
    return changes.withColumn("_rank", F.row_number().over(newest_first)).where("_rank = 1").drop("_rank")


def typed_changes(spark, landing, definition):
    lines = (
        spark.read.schema(line_schema(definition))
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", "*.gz")
        .json(landing)
    )
    columns = [F.col("keys.pk.S").alias("pk")]
    for attribute in definition["attributes"][1:]:
        columns.append(typed_attribute(attribute["name"], attribute["type"]))
    return lines.select(
        *columns,
        F.timestamp_micros((F.col("at") * 1_000_000).cast("bigint")).alias("_updated_at"),
        F.col("stream").alias("_stream"),
        # The length first: sequence numbers differ in length, and so their texts compare as the numbers do.
        F.concat(F.length("sequence").cast("string"), "sequence").alias("_sequence"),
        F.col("operation").alias("_operation"),
    )


def typed_attribute(name, type):
    if type == "string":
        return F.col(f"item.{name}.S").alias(name)
    number = F.col(f"item.{name}.N")
    if type == "timestamp":
        return F.timestamp_millis(number.cast("bigint")).alias(name)
    return number.cast("bigint" if type == "long" else type).alias(name)


def line_schema(definition):
    def typed_value(type):
        return StructType([StructField("S" if type == "string" else "N", StringType())])

    item = StructType([StructField(a["name"], typed_value(a["type"])) for a in definition["attributes"]])
    return StructType(
        [
            StructField("stream", StringType()),
            StructField("sequence", StringType()),
            StructField("operation", StringType()),
            StructField("at", DoubleType()),
            StructField("keys", StructType([StructField("pk", typed_value("string"))])),
            StructField("item", item),
        ]
    )


def data_bytes(folder):
    """Bytes of each Parquet file below a folder, by path."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {path: os.path.getsize(path) for path in paths if path.endswith(".parquet")}
