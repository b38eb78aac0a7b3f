"""Merges change lines into an Iceberg table with pyiceberg: what is newer than its stored row is deleted or upserted.

pyiceberg.upsert.py prepare <folder> | merge <folder> <landing>
"""

import glob
import json
import os
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.json
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import In
from pyiceberg.transforms import BucketTransform, DayTransform

NAME = "db.orders"
ARROW_TYPES = {
    "string": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "decimal(38,9)": pa.decimal128(38, 9),
    "timestamp": pa.timestamp("us"),
}


def main(step, folder, landing=None):
    with open(os.path.join(folder, "definition.json"), encoding="utf-8") as file:
        definition = json.load(file)
    catalog = SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    if step == "prepare":
        prepare(catalog, definition)
    else:
        merge(catalog.load_table(NAME), attributes_of(definition), folder, landing)


def attributes_of(definition):
    return [(a["name"], a["type"]) for a in definition["attributes"]]


def prepare(catalog, definition):
    time, text = pa.timestamp("us"), pa.string()
    columns = [(name, ARROW_TYPES[type]) for name, type in attributes_of(definition)]
    schema = pa.schema([*columns, ("_updated_at", time), ("_stream", text), ("_sequence", text)])
    catalog.create_namespace("db")
    table = catalog.create_table(
        NAME,
        schema,
        properties={"write.parquet.compression-codec": "zstd", "write.parquet.compression-level": "1"},
    )
    with table.update_spec() as spec:
        if definition["layout"] == "day":
            spec.add_field("created_at", DayTransform())
        else:
            spec.add_field("pk", BucketTransform(8))
    if definition["rows"] > 0:
        files = glob.glob(os.path.join(definition["parquet"], "**", "*.parquet"), recursive=True)
        table.append(pa.dataset.dataset(sorted(files)).to_table().select(schema.names).cast(schema))


def merge(table, attributes, folder, landing):
    before = data_bytes(folder)
    changes = newer_than_stored(table, latest(read_changes(landing, attributes)))
    is_removal = pc.equal(changes["_operation"], "remove")
    puts = changes.filter(pc.invert(is_removal)).drop_columns("_operation")
    removed = changes.filter(is_removal)["pk"].to_pylist()
    with table.transaction() as transaction:
        if removed:
            transaction.delete(In("pk", removed))
        if len(puts) > 0:
            transaction.upsert(puts, join_cols=["pk"])
    added = {path: size for path, size in data_bytes(folder).items() if path not in before}
    print(json.dumps({"bytes_encoded": sum(added.values())}))


def read_changes(landing, attributes):
    objects = glob.glob(os.path.join(landing, "**", "*.gz"), recursive=True)
    return pa.concat_tables([typed(read_lines(path, attributes), attributes) for path in objects])


def read_lines(path, attributes):
    value = lambda type: pa.struct([("S" if type == "string" else "N", pa.string())])
    item = pa.struct([(name, value(type)) for name, type in attributes])
    text = [(name, pa.string()) for name in ("stream", "sequence", "operation")]
    schema = pa.schema([*text, ("at", pa.float64()), ("keys", pa.struct([("pk", value("string"))])), ("item", item)])
    options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    with pa.input_stream(path, compression="gzip") as stream:
        return pa.json.read_json(stream, parse_options=options)


def typed(lines, attributes):
    columns = {"pk": pc.struct_field(lines["keys"], ["pk", "S"])}
    for name, type in attributes[1:]:
        text = pc.struct_field(lines["item"], [name, "S" if type == "string" else "N"])
        if type == "timestamp":
            columns[name] = text.cast(pa.int64()).cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
        else:
            columns[name] = text.cast(ARROW_TYPES[type])
    columns["_updated_at"] = pc.multiply(lines["at"], 1e6).cast(pa.int64(), safe=False).cast(pa.timestamp("us"))
    columns["_stream"] = lines["stream"]
    # The length first: sequence numbers differ in length, and so their texts compare as the numbers do.
    length = pc.utf8_length(lines["sequence"]).cast(pa.string())
    columns["_sequence"] = pc.binary_join_element_wise(length, lines["sequence"], "")
    columns["_operation"] = lines["operation"]
    return pa.table(columns)


def latest(changes):
    order = [("pk", "ascending"), ("_stream", "descending"), ("_sequence", "descending")]
    changes = changes.sort_by(order).combine_chunks()
    rows = changes.select(["pk"]).append_column("_row", pa.array(range(len(changes)), pa.int64()))
    return changes.take(rows.group_by("pk").aggregate([("_row", "min")])["_row_min"])


def newer_than_stored(table, changes):
    version = ("pk", "_stream", "_sequence")
    stored = table.scan(row_filter=In("pk", changes["pk"].to_pylist()), selected_fields=version).to_arrow()
    both = changes.join(stored, keys="pk", right_suffix="_stored")
    later_stream = pc.greater(both["_stream"], both["_stream_stored"])
    same_stream = pc.equal(both["_stream"], both["_stream_stored"])
    later_sequence = pc.greater(both["_sequence"], both["_sequence_stored"])
    newer = pc.or_(later_stream, pc.and_(same_stream, later_sequence))
    # Null where the table has no such key: a put inserts it, a removal has nothing to remove.
    applies = pc.coalesce(newer, pc.not_equal(both["_operation"], "remove"))
    return both.filter(applies).select(changes.column_names)


def data_bytes(folder):
    """Bytes of each Parquet file below a folder, by path."""
    files = glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True)
    return {path: os.path.getsize(path) for path in files}


main(*sys.argv[1:])
