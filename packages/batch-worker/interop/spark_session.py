"""Does task files of lastwrite one after the other, in one Spark session.

Takes one list of task files a line on stdin, and answers each with a line on stdout: null, or what went wrong.
"""

import json
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "spark"))
sys.dont_write_bytecode = True

import merge_task  # noqa: E402

# For tables of a few rows: code that is compiled for each, and planned again while it runs, costs more than it saves.
SETTINGS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.parquet.enableVectorizedReader": "false",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
TASKS_AT_A_TIME = 4


def main():
    # Spark prints to stdout: answers go out through a copy of it, and the rest to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    builder = SparkSession.builder.master("local[2]").appName("lastwrite")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    with ThreadPoolExecutor(TASKS_AT_A_TIME) as threads:
        for line in sys.stdin:
            try:
                list(threads.map(lambda path: merge_task.merge_tasks(spark, path), json.loads(line)))
                answer = None
            except Exception as error:
                traceback.print_exc()
                answer = f"{type(error).__name__}: {error}"
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


main()
