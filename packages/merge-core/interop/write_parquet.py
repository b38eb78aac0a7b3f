"""Writes Parquet files with field ids for the interop tests.

Takes the path of a JSON file: [{"path": ..., "rows": [{"id": ..., "name": ..., ...}]}], values as text; a null is a null. Prints the
size of each file in bytes, as a JSON list.
"""

import datetime
import decimal
import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

COLUMNS = [
    ("id", pa.int64(), False, int),
    ("name", pa.string(), True, str),
    ("amount", pa.decimal128(12, 2), True, lambda text: decimal.Decimal(text).scaleb(-2)),
    ("happened", pa.timestamp("us", tz="UTC"), True, lambda text: EPOCH + datetime.timedelta(microseconds=int(text))),
    ("born", pa.date32(), True, lambda text: EPOCH.date() + datetime.timedelta(days=int(text))),
    ("small", pa.int32(), True, int),
    ("raw", pa.binary(), True, bytes.fromhex),
]

schema = pa.schema(
    pa.field(name, type, nullable, metadata={"PARQUET:field_id": str(i + 1)})
    for i, (name, type, nullable, _) in enumerate(COLUMNS)
)
sizes = []
for file in json.load(open(sys.argv[1], encoding="utf-8")):
    columns = [
        pa.array([None if row[name] is None else parse(row[name]) for row in file["rows"]], type)
        for name, type, _, parse in COLUMNS
    ]
    os.makedirs(os.path.dirname(file["path"]), exist_ok=True)
    pq.write_table(pa.table(columns, schema=schema), file["path"])
    sizes.append(os.path.getsize(file["path"]))
print(json.dumps(sizes))
