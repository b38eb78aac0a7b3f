"""Writes the Parquet files of other writers that the reader is tested on, and every value they hold.

Needs pyarrow, duckdb and pyspark (with a JDK 17); run it in this folder as `python make_golden.py [pyarrow|duckdb|spark ...]`.
The values are drawn here, from a fixed seed, and written twice: into the files by each writer, and as text to values.json, never
read back from a file. Text forms: integers, days, microseconds and unscaled decimals as decimal digits, floats as the hexadecimal
digits of their bits, bytes as hexadecimal digits, strings as they are.
"""

import datetime
import decimal
import json
import os
import random
import shutil
import struct
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 150
EPOCH = datetime.datetime(1970, 1, 1)
random_ = random.Random(20240229)


def draw_text(i):
    if i % 11 == 0:
        return ""
    alphabet = "abcdefghijklmnopqrstuvwxyz-äß中🙂"
    return "user#" + "".join(random_.choice(alphabet) for _ in range(random_.randrange(0, 14)))


def integers(low, high, sorted_=False):
    values = [low, high, 0, 1, -1 if low < 0 else 2] + [random_.randrange(low, high + 1) for _ in range(ROWS - 5)]
    return sorted(values) if sorted_ else values


def floats(special):
    return special + [random_.uniform(-1e6, 1e6) for _ in range(ROWS - len(special))]


def to_float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


SPECIAL = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1.5, 1e-30]
MICROS_1901, MICROS_2100 = -2177452800_000000, 4102444800_000000

# name: (Iceberg type, values as whole numbers, floats, strings or bytes)
BASE = {
    "bool": ("boolean", [random_.random() < 0.5 for _ in range(ROWS)]),
    "runs": ("boolean", [i // 20 % 2 == 0 for i in range(ROWS)]),
    "i8": ("int", integers(-128, 127)),
    "u16": ("int", integers(0, 65535)),
    "i32": ("int", integers(-(2**31), 2**31 - 1)),
    "i32up": ("int", integers(-1000, 100000, True)),
    "i64": ("long", integers(-(2**63), 2**63 - 1)),
    "i64up": ("long", integers(1_600_000_000_000_000, 1_600_000_900_000_000, True)),
    "f32": ("float", [to_float32(v) for v in floats(SPECIAL)]),
    "f64": ("double", floats(SPECIAL)),
    "dec5": ("decimal(5, 2)", integers(-99999, 99999)),
    "dec12": ("decimal(12, 3)", integers(-(10**12) + 1, 10**12 - 1)),
    "dec18": ("decimal(18, 0)", integers(-(10**18) + 1, 10**18 - 1)),
    "dec38": ("decimal(38, 9)", integers(-(10**38) + 1, 10**38 - 1)),
    "date": ("date", integers(-25000, 47000)),
    "time": ("time", integers(0, 86_399_999_999)),
    "ts": ("timestamp", integers(MICROS_1901, MICROS_2100)),
    "tz": ("timestamptz", integers(MICROS_1901, MICROS_2100)),
    "str": ("string", [draw_text(i) for i in range(ROWS)]),
    "key": ("string", sorted(f"user#{random_.randrange(10**6):012d}" for _ in range(ROWS))),
    "low": ("string", [random_.choice(["new", "paid", "sent", "returned"]) for _ in range(ROWS)]),
    "bin": ("binary", [random_.randbytes(random_.randrange(0, 12)) for _ in range(ROWS)]),
    "uuid": ("uuid", [random_.randbytes(16) for _ in range(ROWS)]),
    "fix5": ("fixed[5]", [random_.randbytes(5) for _ in range(ROWS)]),
}


def with_nulls(values, i):
    # Runs of nulls, single nulls, and a last row that is null.
    return [None if (r + i) % 7 == 0 or 40 <= r < 60 or r == ROWS - 1 else v for r, v in enumerate(values)]


COLUMNS = dict(BASE)
for number, (name, (type_, values)) in enumerate(BASE.items()):
    COLUMNS[f"{name}_n"] = (type_, with_nulls(values, number))
COLUMNS["none"] = ("string", [None] * ROWS)
FIELD_IDS = {name: i + 1 for i, name in enumerate(COLUMNS)}


def to_text(type_, value):
    if value is None:
        return None
    if type_ == "boolean":
        return "true" if value else "false"
    if type_ == "float":
        return struct.pack(">f", value).hex()
    if type_ == "double":
        return struct.pack(">d", value).hex()
    if type_ == "string":
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def to_python(type_, value):
    """The value as Python's own class for it, which pyarrow and pyspark take."""
    if value is None or type_ in ("boolean", "int", "long", "float", "double", "string", "binary", "uuid") or type_.startswith("fixed"):
        return value
    if type_.startswith("decimal"):
        scale = int(type_.split(",")[1].strip(" )"))
        with decimal.localcontext() as context:
            context.prec = 60
            return decimal.Decimal(value).scaleb(-scale)
    if type_ == "date":
        return (EPOCH + datetime.timedelta(days=value)).date()
    if type_ == "time":
        return (EPOCH + datetime.timedelta(microseconds=value)).time()
    moment = EPOCH + datetime.timedelta(microseconds=value)
    return moment.replace(tzinfo=datetime.timezone.utc) if type_ == "timestamptz" else moment


files = {}


def record(file, columns, ids=True, **more):
    """`columns`: names, or pairs of the name in the file and the name in values.json."""
    files[file] = {"columns": [[c, c] if isinstance(c, str) else list(c) for c in columns], "fieldIds": ids, **more}


def path(file):
    return os.path.join(HERE, file)


def make_pyarrow():
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow_types = {
        "i8": pa.int8(),
        "u16": pa.uint16(),
        "boolean": pa.bool_(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "decimal(5, 2)": pa.decimal128(5, 2),
        "decimal(12, 3)": pa.decimal128(12, 3),
        "decimal(18, 0)": pa.decimal128(18, 0),
        "decimal(38, 9)": pa.decimal128(38, 9),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "string": pa.string(),
        "binary": pa.binary(),
        "fixed[5]": pa.binary(5),
    }

    def column(name):
        type_, values = COLUMNS[name]
        python = [to_python(type_, v) for v in values]
        if type_ == "uuid":
            return pa.array(python, pa.uuid())
        return pa.array(python, arrow_types.get(name.removesuffix("_n"), arrow_types.get(type_)))

    def table(names, ids=True):
        arrays = [column(name) for name in names]
        fields = [
            pa.field(name, array.type, nullable=COLUMNS[name][1].count(None) > 0,
                     metadata={"PARQUET:field_id": str(FIELD_IDS[name])} if ids else None)
            for name, array in zip(names, arrays)
        ]
        return pa.table(arrays, schema=pa.schema(fields))

    def write(file, names, ids=True, checksums=False, **options):
        pq.write_table(table(names, ids), path(file), write_page_checksum=checksums, row_group_size=100,
                       store_schema=False, write_batch_size=32, **options)
        record(file, names, ids, checksums=checksums)

    everything = list(FIELD_IDS)
    small = {"data_page_size": 300}
    write("pyarrow-none-v1-plain.parquet", everything, compression="none", use_dictionary=False, **small)
    write("pyarrow-none-v2-dictionary.parquet", everything, compression="none", data_page_version="2.0", checksums=True)
    write("pyarrow-snappy-v1-dictionary.parquet", everything, compression="snappy", checksums=True)
    write("pyarrow-snappy-v2-plain.parquet", everything, compression="snappy", data_page_version="2.0",
          use_dictionary=False)
    write("pyarrow-gzip-v1-plain.parquet", everything, compression="gzip", use_dictionary=False)
    write("pyarrow-zstd-v1-dictionary.parquet", everything, compression="zstd", checksums=True, **small)
    write("pyarrow-zstd-v2-plain.parquet", everything, compression="zstd", data_page_version="2.0",
          use_dictionary=False, checksums=True)
    write("pyarrow-brotli-v1-plain.parquet", everything, compression="brotli", use_dictionary=False)
    write("pyarrow-lz4-v2-dictionary.parquet", everything, ids=False, compression="lz4", data_page_version="2.0")
    write("pyarrow-lz4-v1-plain.parquet", everything, compression="lz4", use_dictionary=False)

    # A dictionary given up midway: its pages, then plain ones.
    some = ["i64", "f64", "str", "uuid", "dec38", "i64_n", "f64_n", "str_n", "uuid_n", "dec38_n"]
    write("pyarrow-zstd-v1-fallback.parquet", some, compression="zstd", dictionary_pagesize_limit=200, checksums=True, **small)

    def encoded(file, encodings, **options):
        chosen = {}
        for name in FIELD_IDS:
            encoding = encodings.get(COLUMNS[name][0])
            if encoding is not None:
                chosen[name] = encoding
        write(file, list(chosen), use_dictionary=False, column_encoding=chosen, **options)

    integers_ = ["int", "long", "date", "time", "timestamp", "timestamptz"]
    delta = {t: "DELTA_BINARY_PACKED" for t in integers_} | {"string": "DELTA_BYTE_ARRAY", "binary": "DELTA_BYTE_ARRAY",
                                                             "uuid": "DELTA_BYTE_ARRAY", "boolean": "RLE"}
    encoded("pyarrow-zstd-v1-delta.parquet", delta, compression="zstd", checksums=True)
    encoded("pyarrow-none-v2-delta.parquet", delta, compression="none", data_page_version="2.0", **small)
    encoded("pyarrow-snappy-v1-delta-length.parquet",
            {"string": "DELTA_LENGTH_BYTE_ARRAY", "binary": "DELTA_LENGTH_BYTE_ARRAY"}, compression="snappy")
    split = {t: "BYTE_STREAM_SPLIT" for t in ["int", "long", "float", "double", "uuid", "fixed[5]", "decimal(38, 9)"]}
    encoded("pyarrow-zstd-v2-byte-stream-split.parquet", split, compression="zstd", data_page_version="2.0")

    decimals = [name for name in FIELD_IDS if name.startswith("dec")]
    write("pyarrow-zstd-v1-integer-decimals.parquet", decimals, compression="zstd", store_decimal_as_integer=True)

    # The same instants in the units that other writers choose, cut to what they can hold.
    moments = ["ts", "tz", "ts_n", "tz_n", "time", "time_n"]
    base = table(moments)
    write_options = {"row_group_size": 100, "store_schema": False, "compression": "zstd"}
    pq.write_table(base.select(moments[:4]), path("pyarrow-zstd-v1-int96.parquet"), use_deprecated_int96_timestamps=True, **write_options)
    record("pyarrow-zstd-v1-int96.parquet", moments[:4])

    def recast(name, unit):
        values = base[name]
        if name.startswith("time"):
            return values.cast(pa.time32("ms") if unit == "ms" else pa.time64("ns"), safe=False)
        return values.cast(pa.timestamp(unit, tz="UTC" if name.startswith("tz") else None), safe=False)

    nanos = pa.table([recast(n, "ns") for n in moments], schema=pa.schema(
        [base.field(n).with_type(recast(n, "ns").type) for n in moments]))
    pq.write_table(nanos, path("pyarrow-zstd-v1-nanos.parquet"), version="2.6", **write_options)
    record("pyarrow-zstd-v1-nanos.parquet", moments)
    millis = pa.table([recast(n, "ms") for n in moments], schema=pa.schema(
        [base.field(n).with_type(recast(n, "ms").type) for n in moments]))
    pq.write_table(millis, path("pyarrow-zstd-v1-millis.parquet"), **write_options)
    record("pyarrow-zstd-v1-millis.parquet", [[n, f"{n}_ms"] for n in moments])

    nested = pa.table({
        "key": column("key"),
        "list": pa.array([[i, None] if i % 3 else None for i in range(ROWS)], pa.list_(pa.int32())),
        "struct": pa.array([{"a": i, "b": str(i)} if i % 4 else None for i in range(ROWS)]),
        "i64_n": column("i64_n"),
    })
    pq.write_table(nested, path("pyarrow-zstd-v1-nested.parquet"), **write_options)
    record("pyarrow-zstd-v1-nested.parquet", ["key", "i64_n"], ids=False)

    pq.write_table(table(everything).slice(0, 0), path("pyarrow-empty.parquet"), **write_options)
    record("pyarrow-empty.parquet", everything, rows=0)


def cut_to_millis():
    for name in ["ts", "tz", "ts_n", "tz_n", "time", "time_n"]:
        type_, values = COLUMNS[name]
        # Toward zero, as pyarrow's cast does.
        COLUMNS[f"{name}_ms"] = (type_, [None if v is None else (abs(v) // 1000 * 1000) * (-1 if v < 0 else 1) for v in values])


DUCKDB_TYPES = {"boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
                "time": "TIME", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "string": "VARCHAR", "binary": "BLOB",
                "uuid": "UUID"}


def make_duckdb():
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # DuckDB has no type of fixed length.
    names = [n for n, (type_, _) in COLUMNS.items() if not type_.startswith("fixed") and not n.endswith("_ms")]
    narrow = {"i8": "TINYINT", "u16": "USMALLINT"}
    columns = []
    for name in names:
        type_ = COLUMNS[name][0]
        sql = narrow.get(name.removesuffix("_n")) or DUCKDB_TYPES.get(type_) or type_
        columns.append(f'"{name}" {sql}{"" if None in COLUMNS[name][1] else " NOT NULL"}')
    connection.execute(f"CREATE TABLE t ({', '.join(columns)})")
    rows = []
    for row in range(ROWS):
        values = []
        for name in names:
            type_, drawn = COLUMNS[name]
            value = to_python(type_, drawn[row])
            values.append(uuid.UUID(bytes=value) if type_ == "uuid" and value is not None else value)
        rows.append(values)
    connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})", rows)
    ids = ", ".join(f"'{n}': {FIELD_IDS[n]}" for n in names)

    def write(file, options, with_ids):
        if with_ids:
            options += f", FIELD_IDS {{{ids}}}"
        connection.execute(f"COPY t TO '{path(file)}' (FORMAT parquet, {options})")
        record(file, names, with_ids)

    write("duckdb-zstd-v1.parquet", "COMPRESSION zstd", True)
    write("duckdb-zstd-v2.parquet", "COMPRESSION zstd, PARQUET_VERSION v2", True)
    write("duckdb-snappy-v1.parquet", "COMPRESSION snappy", False)
    write("duckdb-gzip-v1.parquet", "COMPRESSION gzip", True)
    write("duckdb-lz4-v2.parquet", "COMPRESSION lz4_raw, PARQUET_VERSION v2", False)
    write("duckdb-brotli-v1.parquet", "COMPRESSION brotli", True)
    write("duckdb-none-v1.parquet", "COMPRESSION uncompressed", True)


def make_spark():
    os.environ["TZ"] = "UTC"
    from pyspark.sql import SparkSession
    from pyspark.sql import types as t

    spark_types = {"boolean": t.BooleanType(), "int": t.IntegerType(), "long": t.LongType(), "float": t.FloatType(),
                   "double": t.DoubleType(), "date": t.DateType(), "timestamp": t.TimestampNTZType(), "timestamptz": t.TimestampType(),
                   "string": t.StringType(), "binary": t.BinaryType()}
    # Spark has neither a time nor a uuid nor a fixed type that it writes as Parquet's.
    names = [n for n, (type_, _) in COLUMNS.items()
             if type_ not in ("time", "uuid") and not type_.startswith("fixed") and not n.endswith("_ms")]

    def spark_type(name):
        type_ = COLUMNS[name][0]
        if type_.startswith("decimal"):
            precision, scale = type_[8:-1].split(",")
            return t.DecimalType(int(precision), int(scale))
        if name.removesuffix("_n") == "i8":
            return t.ByteType()
        return spark_types[type_]

    session = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
               .config("spark.sql.session.timeZone", "UTC").config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.driver.host", "127.0.0.1").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    schema = t.StructType([t.StructField(n, spark_type(n), None in COLUMNS[n][1], {"parquet.field.id": FIELD_IDS[n]}) for n in names])
    rows = [tuple(to_python(COLUMNS[n][0], COLUMNS[n][1][row]) for n in names) for row in range(ROWS)]
    frame = session.createDataFrame(rows, schema, verifySchema=False).coalesce(1)

    def write(file, options, settings):
        for key, value in settings.items():
            session.conf.set(key, value)
        folder = path(file) + ".folder"
        frame.write.options(**options).mode("overwrite").parquet(folder)
        part = next(f for f in os.listdir(folder) if f.startswith("part-"))
        shutil.copyfile(os.path.join(folder, part), path(file))
        shutil.rmtree(folder)
        record(file, names)

    session.conf.set("spark.sql.parquet.fieldId.write.enabled", "true")
    micros = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS", "spark.sql.parquet.writeLegacyFormat": "false"}
    write("spark-snappy-v1.parquet", {"compression": "snappy", "parquet.page.row.count.limit": "40"}, micros)
    write("spark-zstd-v2.parquet", {"compression": "zstd", "parquet.writer.version": "PARQUET_2_0"}, micros)
    write("spark-gzip-v2-plain.parquet", {"compression": "gzip", "parquet.writer.version": "PARQUET_2_0",
                                          "parquet.enable.dictionary": "false", "parquet.page.row.count.limit": "40"}, micros)
    legacy = {"spark.sql.parquet.outputTimestampType": "INT96", "spark.sql.parquet.writeLegacyFormat": "true"}
    write("spark-zstd-v1-legacy.parquet", {"compression": "zstd"}, legacy)
    session.stop()


def main():
    cut_to_millis()
    values = {n: {"type": type_, "id": FIELD_IDS.get(n.removesuffix("_ms")), "values": [to_text(type_, v) for v in drawn]}
              for n, (type_, drawn) in COLUMNS.items()}
    with open(path("values.json"), "w") as out:
        out.write("{\n" + ",\n".join(f"{json.dumps(n)}: {json.dumps(v, ensure_ascii=False)}" for n, v in values.items()) + "\n}\n")
    makers = {"pyarrow": make_pyarrow, "duckdb": make_duckdb, "spark": make_spark}
    for name in sys.argv[1:] or list(makers):
        files.clear()
        makers[name]()
        with open(path(f"{name}.json"), "w") as out:
            out.write("{\n" + ",\n".join(f"{json.dumps(f)}: {json.dumps(v)}" for f, v in files.items()) + "\n}\n")


main()
