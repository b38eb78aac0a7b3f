# Count and order-independent checksum of a relation, over all attributes and the version: python checksum.py '<attributes as JSON>' '<SQL>'
#
# Two tables are taken for equal if both agree. Types are made one first, since each engine has its own for a time or a text.

import json
import sys

import duckdb

CANONICAL = {
    "string": "{}::VARCHAR",
    "long": "{}::BIGINT",
    "double": "{}::DOUBLE",
    "decimal(38,9)": "{}::DECIMAL(38,9)",
    "timestamp": "epoch_us({}::TIMESTAMPTZ)",
}


def checksum(connection, attributes, relation):
    names = [(a["name"], a["type"]) for a in attributes] + [("_stream", "string"), ("_sequence", "string")]
    values = ", ".join(f'"{name}" := ' + CANONICAL[kind].format(f'"{name}"') for name, kind in names)
    rows, total = connection.execute(f"SELECT count(*), sum(hash(struct_pack({values}))::HUGEINT) FROM {relation}").fetchall()[0]
    return {"rows": rows, "checksum": str(total)}


def connect():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


if __name__ == "__main__":
    print(json.dumps(checksum(connect(), json.loads(sys.argv[1]), sys.argv[2])))
