// The real engines that the interop tests run against, where they are installed and in which version.
//
// They lie outside the clone, so that another clone finds them. The folder's name holds its content's versions: a folder that
// is there is finished and right, and clones of different versions do not disturb each other.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const SPARK_RUNTIME = { artifact: 'iceberg-spark-runtime-4.1_2.13', version: '1.12.0' }

export const cacheFolder = process.env.LASTWRITE_CACHE || join(homedir(), '.cache', 'lastwrite')

export const pythonRequirements = join(import.meta.dirname, 'parts', 'python.txt')
const requirementsHash = createHash('sha256').update(readFileSync(pythonRequirements)).digest('hex').slice(0, 12)

/** A virtual environment with DuckDB, pyarrow, pyiceberg and PySpark. */
export const pythonFolder = join(cacheFolder, `python-${requirementsHash}`)
export const pythonProgram = join(pythonFolder, 'bin', 'python')

export const sparkRuntimeCoordinates = `org.apache.iceberg:${SPARK_RUNTIME.artifact}:${SPARK_RUNTIME.version}`
export const sparkRuntimeFolder = join(cacheFolder, `${SPARK_RUNTIME.artifact}-${SPARK_RUNTIME.version}`)
export const sparkRuntimeJar = join(sparkRuntimeFolder, `${SPARK_RUNTIME.artifact}-${SPARK_RUNTIME.version}.jar`)

/** Written into a part's folder when it is complete. */
export const stampName = 'installed.json'
