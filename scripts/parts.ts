// The real engines that the interop tests and the benchmark run against, where they are installed and in which version.
//
// They lie outside the clone, so that another clone finds them. The folder's name holds its content's versions: a folder that
// is there is finished and right, and clones of different versions do not disturb each other.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'

const SPARK_RUNTIME = { artifact: 'iceberg-spark-runtime-4.1_2.13', version: '1.12.0' }

export const cacheFolder = process.env.LASTWRITE_CACHE || join(homedir(), '.cache', 'lastwrite')

export interface PythonPart {
  /** File that pins the whole tree of packages. */
  readonly requirements: string
  readonly folder: string
  readonly program: string
}

/** A virtual environment with DuckDB, pyarrow, pyiceberg and PySpark. */
export const enginesPython = pythonPart('python')
export const { folder: pythonFolder, program: pythonProgram } = enginesPython
/** One with what the benchmark's rivals import: another DuckDB, Polars, deltalake, pyiceberg. */
export const rivalsPython = pythonPart('rivals')

/** A second S3 server, in memory. */
export const ministackPython = pythonPart('ministack')

/** AWS Glue, and pyiceberg as its reader. */
export const motoPython = pythonPart('moto')
export const glueServer = join(import.meta.dirname, 'parts', 'glue_server.py')

/** cfn-lint for templates, sqlglot for SQL. */
export const lintPython = pythonPart('lint')

function pythonPart(name: string): PythonPart {
  const requirements = join(import.meta.dirname, 'parts', `${name}.txt`)
  const folder = join(cacheFolder, `${name}-${hashOf(requirements)}`)
  return { requirements, folder, program: join(folder, 'bin', 'python') }
}

export interface GoPart {
  /** What `go install` takes, with the version. */
  readonly module: string
  readonly folder: string
  readonly program: string
}

/** An S3 server over a local folder. */
export const versitygw = goPart('github.com/versity/versitygw/cmd/versitygw', 'v1.8.0', 'versitygw')
/** A proxy that delays, cuts and resets connections. */
export const toxiproxy = goPart('github.com/Shopify/toxiproxy/v2/cmd/server', 'v2.5.0', 'toxiproxy')

/** Go names a program for the last step of its path, so each lies in a folder of its own. */
function goPart(path: string, version: string, name: string): GoPart {
  const folder = join(cacheFolder, `${name}-${version}`)
  return { module: `${path}@${version}`, folder, program: join(folder, basename(path)) }
}

export const sparkRuntimeCoordinates = `org.apache.iceberg:${SPARK_RUNTIME.artifact}:${SPARK_RUNTIME.version}`
export const sparkRuntimeFolder = join(cacheFolder, `${SPARK_RUNTIME.artifact}-${SPARK_RUNTIME.version}`)
export const sparkRuntimeJar = join(sparkRuntimeFolder, `${SPARK_RUNTIME.artifact}-${SPARK_RUNTIME.version}.jar`)

const REST_CATALOG = { artifact: 'iceberg-open-api', version: '1.10.0' }

/** Iceberg's own REST catalog. Its class path is the folder of its launcher and the jar. */
export const restCatalogCoordinates = `org.apache.iceberg:${REST_CATALOG.artifact}:${REST_CATALOG.version}`
export const restCatalogLauncher = join(import.meta.dirname, 'parts', 'LoopbackRest.java')
export const restCatalogFolder = join(
  cacheFolder,
  `${REST_CATALOG.artifact}-${REST_CATALOG.version}-${hashOf(restCatalogLauncher)}`,
)
export const restCatalogJar = join(restCatalogFolder, `${REST_CATALOG.artifact}-${REST_CATALOG.version}.jar`)

/** DynamoDB Local: a folder of jars, native libraries among them. */
export const dynamodbLocalPom = join(import.meta.dirname, 'parts', 'dynamodb-local.pom.xml')
export const dynamodbLocalFolder = join(cacheFolder, `dynamodb-local-${hashOf(dynamodbLocalPom)}`)

/** Hadoop's S3A: a folder of jars for the class path of Spark. */
export const s3aPom = join(import.meta.dirname, 'parts', 's3a.pom.xml')
export const s3aFolder = join(cacheFolder, `s3a-${hashOf(s3aPom)}`)

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 12)
}

/** Written into a part's folder when it is complete. */
export const stampName = 'installed.json'
