// Spark on this machine, as spark-submit starts it.

import { dirname, join } from 'node:path'
import { pythonProgram } from '../../../scripts/parts.ts'

/** The words of a command that takes a job's script and its arguments behind them. */
export const LOCAL_SPARK = [
  ...(['env', `PYSPARK_PYTHON=${pythonProgram}`, 'PYTHONDONTWRITEBYTECODE=1'] as const),
  join(dirname(pythonProgram), 'spark-submit'),
  ...['--master', 'local[2]', '--driver-memory', '1g', '--conf', 'spark.ui.enabled=false'],
  ...['--conf', 'spark.driver.host=127.0.0.1', '--conf', 'spark.driver.bindAddress=127.0.0.1'],
] as const
