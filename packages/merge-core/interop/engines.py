"""Reads tables with DuckDB, pyiceberg and Spark for the interop tests, over one process.

Takes one request a line on stdin, {"engine": ..., ...}, and answers each with one line on stdout, {"rows": [...]}, {"value": ...}
or {"error": "..."}. An engine starts at its first request. Values are written the same way whatever engine read them, so that
rows can be compared: decimals as plain text, times in UTC as ISO text with microseconds, bytes as hexadecimal text.
"""

import datetime
import decimal
import json
import math
import os
import sys
import traceback
import uuid

UTC = datetime.timezone.utc


def plain(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return value.isoformat(timespec="microseconds")
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, (datetime.date, uuid.UUID)):
        return value.isoformat() if isinstance(value, datetime.date) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def table_of(rows, names):
    return [dict(zip(names, (plain(value) for value in row))) for row in rows]


def run_code(code, names):
    exec(code, names)
    return {"value": plain(names.get("result"))}


class Duckdb:
    def __init__(self):
        import duckdb

        self.connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        for name in ("httpfs", "avro", "iceberg", "icu"):
            package = __import__(f"duckdb_extension_{name}")
            path = os.path.join(os.path.dirname(package.__file__), "extensions", f"v{duckdb.__version__}")
            self.connection.execute(f"LOAD '{path}/{name}.duckdb_extension'")
        self.connection.execute("SET TimeZone = 'UTC'")

    def sql(self, request):
        result = self.connection.execute(request["sql"])
        return {"rows": table_of(result.fetchall(), [column[0] for column in result.description or []])}


class Pyiceberg:
    def scan(self, request):
        from pyiceberg.table import StaticTable

        table = StaticTable.from_metadata(request["metadata"])
        options = {key: request[key] for key in ("snapshot_id", "row_filter") if request.get(key) is not None}
        arrow = table.scan(**options).to_arrow()
        return {"rows": [{name: plain(value) for name, value in row.items()} for row in arrow.to_pylist()]}

    def run(self, request):
        return run_code(request["code"], {})


class Spark:
    def __init__(self):
        from pyspark.sql import SparkSession

        settings = {
            "spark.jars": os.environ["SPARK_ICEBERG_JAR"],
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.lake.type": "hadoop",
            "spark.sql.catalog.lake.warehouse": os.environ["SPARK_WAREHOUSE"],
            "spark.sql.catalog.lake.cache-enabled": "false",
            "spark.sql.warehouse.dir": os.environ["SPARK_WAREHOUSE"],
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.driver.memory": "1g",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if os.environ.get("SPARK_REST_URI"):
            settings["spark.sql.catalog.rest"] = "org.apache.iceberg.spark.SparkCatalog"
            settings["spark.sql.catalog.rest.type"] = "rest"
            settings["spark.sql.catalog.rest.uri"] = os.environ["SPARK_REST_URI"]
            settings["spark.sql.catalog.rest.cache-enabled"] = "false"
        builder = SparkSession.builder.master("local[2]").appName("interop")
        for key, value in settings.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def sql(self, request):
        return {"rows": self.rows_of(self.session.sql(request["sql"]))}

    def load(self, request):
        reader = self.session.read.format("iceberg")
        if request.get("snapshot_id") is not None:
            reader = reader.option("versionAsOf", request["snapshot_id"])
        return {"rows": self.rows_of(reader.load(request["location"]))}

    def rows_of(self, frame):
        # Spark hands both timestamp types out without a zone, that of the session.
        zoned = [field.dataType.typeName() == "timestamp" for field in frame.schema.fields]
        with_zone = lambda row: (v.replace(tzinfo=UTC) if z and v is not None else v for z, v in zip(zoned, row))
        return table_of(map(with_zone, frame.collect()), frame.columns)

    def run(self, request):
        return run_code(request["code"], {"spark": self.session})


ENGINES = {"duckdb": Duckdb, "pyiceberg": Pyiceberg, "spark": Spark}


def main():
    # Engines print to stdout: answers go out through a copy of it, and theirs to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    started = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            name = request["engine"]
            if name not in started:
                started[name] = ENGINES[name]()
            answer = getattr(started[name], request["call"])(request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        # In ASCII: readers of lines take U+2028 for the end of one.
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
