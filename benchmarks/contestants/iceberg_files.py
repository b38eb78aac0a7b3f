"""Prints the data files of an Iceberg table's current snapshot as a JSON list of paths: iceberg_files.py <metadata file>"""

import json
import sys

from pyiceberg.table import StaticTable

files = StaticTable.from_metadata(sys.argv[1]).inspect.files().to_pylist()
deletes = [file["file_path"] for file in files if file["content"] != 0]
if deletes:
    sys.exit(f"{sys.argv[1]} has files of deletes, whose rows cannot be read as plain Parquet: {deletes[0]}")
print(json.dumps([file["file_path"].removeprefix("file://").removeprefix("file:") for file in files]))
