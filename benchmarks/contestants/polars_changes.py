"""Change lines as a Polars frame: the latest of each key, with the columns of the table, `operation` and `partition`."""

import json

import polars as pl

TYPES = {"long": pl.Int64, "double": pl.Float64, "decimal(38,9)": pl.Decimal(38, 9)}


def read_definition(folder):
    with open(f"{folder}/definition.json") as file:
        return json.load(file)


def table_columns(definition):
    return [a["name"] for a in definition["attributes"]] + ["_updated_at", "_stream", "_sequence"]


def partition_name(definition):
    return "created_day" if definition["layout"] == "day" else "bucket"


def latest_changes(landing, definition):
    attributes = definition["attributes"]
    by_day = definition["layout"] == "day"
    schema = {
        "stream": pl.String,
        "sequence": pl.String,
        "operation": pl.String,
        "at": pl.Float64,
        "keys": pl.Struct({"pk": pl.Struct({"S": pl.String})}),
        "item": pl.Struct({a["name"]: pl.Struct({dynamodb_type(a): pl.String}) for a in attributes}),
    }
    if by_day:
        schema["old"] = pl.Struct({"created_at": pl.Struct({"N": pl.String})})
    changes = (
        pl.scan_ndjson(f"{landing}/**/*.gz", schema=schema)
        .select(
            pl.col("keys").struct.field("pk").struct.field("S").alias("pk"),
            *[typed(a, by_day).alias(a["name"]) for a in attributes[1:]],
            pl.from_epoch((pl.col("at") * 1e6).cast(pl.Int64), "us").dt.replace_time_zone("UTC").alias("_updated_at"),
            pl.col("stream").alias("_stream"),
            (pl.col("sequence").str.len_bytes().cast(pl.String) + pl.col("sequence")).alias("_sequence"),
            "operation",
        )
        .sort("_stream", "_sequence")
        .unique("pk", keep="last")
    )
    return changes.with_columns(partition(definition).alias("partition")).collect()


def dynamodb_type(attribute):
    return "S" if attribute["type"] == "string" else "N"


def typed(attribute, by_day):
    name, kind = attribute["name"], attribute["type"]
    value = pl.col("item").struct.field(name).struct.field(dynamodb_type(attribute))
    if kind == "string":
        return value
    if kind == "timestamp":
        # Removals have no item, but their partition is that of the old one.
        old = pl.col("old").struct.field(name).struct.field("N") if by_day else value
        return pl.from_epoch(pl.coalesce(value, old).cast(pl.Int64) * 1000, "us").dt.replace_time_zone("UTC")
    return value.cast(TYPES[kind])


def partition(definition):
    if definition["layout"] == "day":
        return pl.col("created_at").dt.date().cast(pl.String)
    if definition["keys"] == "uuid":
        return (pl.col("pk").str.tail(1).str.to_integer(base=16) % 8).cast(pl.String)
    return (pl.col("pk").str.tail(3).cast(pl.Int64) % 8).cast(pl.String)
