"""Merges tasks of lastwrite with Spark: the files of a partition and the changes to its keys become new files.

    spark-submit merge_task.py <tasks.json> [<tasks.json> …]

What a task file holds, and what is written for it, stands in README.md beside this file. Stored rows and changes come together by key, in
one shuffle. A window over each key has its change first, if there is one, then the stored rows, newest first: so each of them sees in its
neighbour what it is merged with, and both come to the same outcome. Nothing is committed here: nobody names the files and the result until
lastwrite has checked them.

Only what Spark 3.5 to 4.1 have in common is used.
"""

import json
import posixpath
import re
import sys
import uuid

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

FORMAT = 1
# The exit code of lastwrite for what no other run would do either.
FIX_INPUT = 20

# What becomes of a change (merge-core, files/incoming.ts).
INSERTED, REPLACED, REMOVED_ROW, ABSENT, STORED_IS_NEWER, MARKED = range(1, 7)

# A row is one of the table, or a change.
STORED, CHANGE = 0, 1

SETTINGS = {
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.fieldId.read.enabled": "true",
    "spark.sql.parquet.fieldId.write.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Days and microseconds are those of the proleptic Gregorian calendar, whoever wrote them.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}


class Refused(Exception):
    """A task that cannot be done, however often it is tried."""


def main(paths):
    spark = SparkSession.builder.appName("lastwrite").getOrCreate()
    try:
        for path in paths:
            merge_tasks(spark, path)
    except Refused as refused:
        print(f"lastwrite: {refused}", file=sys.stderr)
        sys.exit(FIX_INPUT)
    finally:
        spark.stop()


def merge_tasks(spark, path):
    """Does the tasks of a file and writes their result beside it."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    text = json.loads(read_text(spark, path))
    if text["format"] != FORMAT:
        raise Refused(f"{path}: of format {text['format']}, this job does {FORMAT}; take both from one version of lastwrite")
    staging = posixpath.dirname(path)
    # A job that is started a second time writes beside the first.
    attempt = f"{posixpath.basename(staging)}-{uuid.uuid4().hex[:8]}"
    tasks = [Task(text, number, staging, attempt) for number in range(len(text["tasks"]))]
    results = [merge_task(spark, task) for task in tasks]
    create_text(spark, f"{staging}/result.json", json.dumps({"format": FORMAT, "results": results}))


def merge_task(spark, task):
    rows = stored_rows(spark, task).unionByName(changed_rows(spark, task))
    outcomes = write_outcomes(decided(rows, task), task)
    added = []
    if changes_rows(spark, outcomes):
        ranges = rows.repartitionByRange(files_out(spark, task), *task.keys)
        added = write_rows(decided(ranges, task), task)
    return {"id": task.id, "added": added, "outcomes": outcomes}


def files_out(spark, task):
    """As many files as there are target sizes in what comes in."""
    changes = file_system(spark, task.changes).getFileStatus(path_of(spark, task.changes)).getLen()
    return max(1, round((changes + sum(file["bytes"] for file in task.files)) / task.file_bytes))


class Task:
    """A task of a file. Its columns are called by their field ids, so that no two are alike and a rename changes nothing."""

    def __init__(self, text, number, staging, attempt):
        table, task = text["table"], text["tasks"][number]
        layout = table["layout"]
        self.id = task["id"]
        self.files = task["files"]
        self.changes, self.first, self.end = text["changes"], task["from"], task["to"]
        self.fields = table["fields"]
        self.columns = [column_of(field) for field in self.fields]
        self.keys = self.columns[: layout["keyColumns"]]
        self.stream, self.sequence = self.columns[layout["streamColumn"]], self.columns[layout["sequenceColumn"]]
        self.expired = self.columns[layout["expiredColumn"]] if layout["expiredColumn"] >= 0 else None
        self.row_group_rows = layout["rowGroupRows"]
        self.file_bytes = layout["fileBytes"]
        self.data = f"{task['folder']}/{attempt}-{number:05}"
        self.outcomes = f"{staging}/{attempt}-{number:05}"


def column_of(field):
    return f"f{field['id']}"


def asked(name, type, id):
    """A column as it is asked of a Parquet file, which has it by its field id, in any place, or lacks it."""
    return T.StructField(name, type, True, field_id(id))


def field_id(id):
    return {"parquet.field.id": id}


def spark_type(text):
    decimal = re.fullmatch(r"decimal\((\d+), ?(\d+)\)", text)
    if decimal:
        return T.DecimalType(int(decimal[1]), int(decimal[2]))
    plain = {
        "boolean": T.BooleanType,
        "int": T.IntegerType,
        "long": T.LongType,
        "float": T.FloatType,
        "double": T.DoubleType,
        "date": T.DateType,
        "timestamptz": T.TimestampType,
        "string": T.StringType,
        "binary": T.BinaryType,
    }
    if text not in plain:
        raise Refused(f"Spark does not write a column of type {text} as Iceberg has it; use --engine node")
    return plain[text]()


def table_columns(task):
    return [asked(column_of(field), spark_type(field["type"]), field["id"]) for field in task.fields]


# Where a row stands: the number of its file, and its own in that file.
PLACE = [T.StructField("file", T.IntegerType()), T.StructField("position", T.LongType())]


def stored_rows(spark, task):
    """What stands in the files, but for rows that a delete file names by their position."""
    if task.files:
        rows = read_parquet(spark, [file["path"] for file in task.files], table_columns(task))
    else:
        rows = spark.range(0).select(*[F.lit(None).cast(c.dataType).alias(c.name) for c in [*table_columns(task), *PLACE]])
    deletes = sorted({path for file in task.files for path in file["deletes"]})
    if deletes:
        rows = rows.join(deleted_rows(spark, task, deletes), ["file", "position"], "left_anti")
    return rows.select(
        *task.columns,
        "file",
        "position",
        F.lit(STORED).alias("side"),
        F.lit(None).cast("string").alias("operation"),
        F.lit(None).cast("struct<stream: string, sequence: string>").alias("expiry_version"),
        F.lit(None).cast("timestamp").alias("expiry_at"),
    )


def changed_rows(spark, task):
    """The changes: each has its key and version, a put the whole new row (merge-core, shards/folded-changes.ts)."""
    after = max(field["id"] for field in task.fields)
    own = [
        asked("operation", T.StringType(), after + 1),
        asked("expiry_stream", T.StringType(), after + 2),
        asked("expiry_sequence", T.StringType(), after + 3),
        asked("expiry_at", T.TimestampType(), after + 4),
        asked("position", T.IntegerType(), after + 5),
    ]
    rows = spark.read.schema(T.StructType([*table_columns(task), *own])).parquet(literal(task.changes))
    rows = rows.where((F.col("position") >= task.first) & (F.col("position") < task.end))
    return rows.select(
        *task.columns,
        F.lit(0).alias("file"),
        F.col("position").cast("bigint"),
        F.lit(CHANGE).alias("side"),
        "operation",
        version_of("expiry_stream", "expiry_sequence").alias("expiry_version"),
        "expiry_at",
    )


def read_parquet(spark, paths, columns):
    """The rows of files, each with the number of its file in `paths` and its position in it."""
    # Names of folders, such as region=eu, say nothing of a file's columns.
    reader = spark.read.schema(T.StructType(columns)).option("recursiveFileLookup", "true")
    rows = reader.parquet(*map(literal, paths)).select(
        "*", uri_form(F.col("_metadata.file_path")).alias("path"), F.col("_metadata.row_index").alias("position")
    )
    if len(paths) == 1:
        return rows.withColumn("file", F.lit(0)).drop("path")
    numbers = numbered(spark, [(uri_of(spark, path), number) for number, path in enumerate(paths)])
    unknown = F.raise_error(F.concat(F.lit("not a file of the task: "), F.col("path"))).cast("int")
    return rows.join(numbers, "path", "left").withColumn("file", F.coalesce("file", unknown)).drop("path")


# Reserved field ids of the Iceberg table spec.
DELETED_PATH, DELETED_POSITION = 2147483546, 2147483545


def deleted_rows(spark, task, paths):
    columns = [asked("path", T.StringType(), DELETED_PATH), asked("position", T.LongType(), DELETED_POSITION)]
    deletes = spark.read.schema(T.StructType(columns)).option("recursiveFileLookup", "true").parquet(*map(literal, paths))
    numbers = {store_location(file["path"]): i for i, file in enumerate(task.files)}
    written = [row.path for row in deletes.select("path").distinct().collect()]
    known = [(path, numbers[store_location(path)]) for path in written if store_location(path) in numbers]
    return deletes.join(numbered(spark, known), "path").drop("path")


def numbered(spark, paths):
    """Paths and their numbers as a table for joins. As literals: no process of Python takes part in the work."""
    pairs = [F.struct(F.lit(path).alias("path"), F.lit(number).alias("file")) for path, number in paths]
    none = F.lit(None).cast("array<struct<path: string, file: int>>")
    return F.broadcast(spark.range(1).select(F.inline(F.array(*pairs) if pairs else none)))


def store_location(path):
    """One text for the ways in which engines write a location (merge-core, store/stored-object.ts)."""
    return re.sub(r"^s3[an]://", "s3://", re.sub(r"^(file:)?/(?!/)", "file:///", path))


def version_of(stream, sequence):
    """Labels compare first, then sequence numbers, whose text begins with its length. A row that lacks either has no version."""
    stream, sequence = F.col(stream), F.col(sequence)
    version = F.struct(stream.alias("stream"), sequence.alias("sequence"))
    return F.when(stream.isNotNull() & sequence.isNotNull(), version)


def is_newer(version, other):
    """No version is below all others."""
    return version.isNotNull() & F.coalesce(version > other, other.isNull())


def decided(rows, task):
    """Adds to each row its key's `change` and the `outcome` of it, null where there is none, and whether the row `stays`."""
    rows = rows.withColumn("version", version_of(task.stream, task.sequence))
    newest_first = [F.desc("side"), F.desc_nulls_last("version"), F.asc("file"), F.asc("position")]
    key = Window.partitionBy(*task.keys).orderBy(*newest_first)
    is_change, above = F.col("side") == CHANGE, F.lag("side").over(key)
    change = F.struct("operation", "version", "expiry_version", "expiry_at")
    stored = F.struct("version", (F.col(task.expired) if task.expired else F.lit(None)).alias("expired_at"))
    rows = rows.select(
        "*",
        F.when(is_change, change).when(above == CHANGE, F.lag(change).over(key)).alias("change"),
        F.when(is_change, F.lead(stored).over(key)).otherwise(stored).alias("stored"),
        # Of rows that another engine wrote twice the first here is the newest.
        F.coalesce(above == CHANGE, F.lit(True)).alias("is_first"),
    )
    outcome = F.when(F.col("change").isNotNull(), outcome_of(F.col("change"), F.col("stored"), task))
    rows = rows.withColumn("outcome", outcome)
    is_written, is_gone = is_one_of("outcome", INSERTED, REPLACED), is_one_of("outcome", REPLACED, REMOVED_ROW)
    return rows.withColumn("stays", F.when(is_change, is_written).otherwise(F.col("is_first") & ~is_gone))


def is_one_of(column, *values):
    return F.coalesce(F.col(column).isin(*values), F.lit(False))


def outcome_of(change, stored, task):
    is_found = stored.isNotNull()
    wins = ~is_found | is_newer(change["version"], stored["version"])
    is_put, is_removal = change["operation"] == "put", change["operation"].isin("remove", "remove-from-partition")
    outcome = (
        F.when(is_put & wins, F.when(is_found, REPLACED).otherwise(INSERTED))
        .when(~is_found, ABSENT)
        .when(is_removal & wins, REMOVED_ROW)
    )
    if task.expired:
        expires = is_newer(change["expiry_version"], stored["version"])
        outcome = outcome.when(expires & ~stored["expired_at"].eqNullSafe(change["expiry_at"]), MARKED)
    return outcome.otherwise(STORED_IS_NEWER)


def write_outcomes(rows, task):
    """Writes the outcomes in the order of the changes; gives the file's path."""
    outcomes = rows.where(F.col("side") == CHANGE).repartition(1).sortWithinPartitions("position").select("outcome")
    [file] = write_files(outcomes, task.outcomes)
    return file["path"]


def changes_rows(spark, outcomes):
    return not spark.read.parquet(literal(outcomes)).where(F.col("outcome").isin(INSERTED, REPLACED, REMOVED_ROW, MARKED)).isEmpty()


def write_rows(rows, task):
    # Ranges of keys do not overlap, and the window has sorted each by key.
    rows = rows.where("stays").sortWithinPartitions(*task.keys)
    columns = [written_column(task, field) for field in task.fields]
    return write_files(rows.select(*columns), task.data, **{"parquet.block.row.count.limit": task.row_group_rows})


def written_column(task, field):
    value = F.col(column_of(field))
    if column_of(field) == task.expired:
        is_marked = (F.col("side") == STORED) & (F.col("outcome") == MARKED)
        value = F.when(is_marked, F.col("change")["expiry_at"]).otherwise(value)
    if field["required"]:
        value = present(value, field)
    return value.alias(field["name"], metadata=field_id(field["id"]))


def present(value, field):
    """The value, as a column that Spark knows to be without nulls: so Parquet and Iceberg want keys."""
    type = spark_type(field["type"])
    missing = F.raise_error(F.lit(f"key column {field['name']} is null in a stored row")).cast(type)
    never = F.lit("" if isinstance(type, (T.StringType, T.BinaryType)) else 0).cast(type)
    return F.coalesce(value, missing, never)


def write_files(rows, folder, **options):
    """Writes Parquet files to a folder that nobody has written to; gives their paths and bytes."""
    writer = rows.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false").options(**options)
    writer.parquet(folder, mode="errorifexists", compression="zstd")
    spark = rows.sparkSession
    found = file_system(spark, folder).listStatus(path_of(spark, folder))
    files = sorted((status.getPath().getName(), status.getLen()) for status in found if status.isFile())
    return [{"path": f"{folder}/{name}", "bytes": bytes} for name, bytes in files]


def create_text(spark, path, text):
    """Writes a file that nobody has written."""
    overwrite = False
    stream = file_system(spark, path).create(path_of(spark, path), overwrite)
    stream.write(bytearray(text.encode()))
    stream.close()


def read_text(spark, path):
    stream = file_system(spark, path).open(path_of(spark, path))
    try:
        return spark.sparkContext._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()


def literal(path):
    """A path for Spark's readers, which take it for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


LOCAL_URI = "^file:/(?!/)", "file:///"


def uri_of(spark, path):
    """As Spark says where a row was read, qualified and escaped, in one form."""
    return re.sub(*LOCAL_URI, file_system(spark, path).makeQualified(path_of(spark, path)).toUri().toString())


def uri_form(path):
    return F.regexp_replace(path, *LOCAL_URI)


def file_system(spark, path):
    return path_of(spark, path).getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())


def path_of(spark, path):
    return spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path)


if __name__ == "__main__":
    main(sys.argv[1:])
