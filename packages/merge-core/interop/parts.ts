// The real engines as the interop tests see them: Python scripts, and DuckDB, pyiceberg and Spark as readers that stay up.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { describe } from 'vitest'
import {
  lintPython,
  pythonFolder,
  pythonProgram,
  s3aFolder,
  sparkRuntimeFolder,
  sparkRuntimeJar,
  stampName,
  versitygw,
} from '../../../scripts/parts.ts'

const STDOUT_BYTES_MAX = 256 * 1024 * 1024
const STDERR_SHOWN = 4000

const FOLDERS = {
  python: [pythonFolder],
  spark: [pythonFolder, sparkRuntimeFolder],
  s3a: [pythonFolder, s3aFolder, versitygw.folder],
  lint: [lintPython.folder],
} as const
type PartName = keyof typeof FOLDERS

/** Why a part cannot be used, or null where it can. */
function whyMissing(part: PartName): string | null {
  const absent = FOLDERS[part].find((folder) => !existsSync(join(folder, stampName)))
  return absent === undefined ? null : `${absent} is not installed; run: npm run test:interop`
}

/** A group of tests that need a part. Where it is missing they are skipped, and the reason is printed; in CI that throws. */
export function describeWith(part: PartName, name: string, body: () => void): void {
  const missing = whyMissing(part)
  if (missing !== null && process.env.CI === 'true') throw new Error(`${name}: ${missing}`)
  if (missing !== null) console.warn(`${name}: skipped, ${missing}`)
  describe.skipIf(missing !== null)(name, body)
}

/**
 * Runs a Python program with pyarrow, DuckDB, pyiceberg and PySpark at hand and returns what it printed.
 * @param script the program's text, or the path of a `.py` file
 * @throws where it ends with another code than 0, with the end of what it wrote to stderr
 */
export async function python(script: string, args: readonly string[] = []): Promise<string> {
  const program = script.endsWith('.py') ? [script] : ['-c', script]
  const options = { maxBuffer: STDOUT_BYTES_MAX, env: pythonEnvironment() }
  try {
    return (await promisify(execFile)(pythonProgram, [...program, ...args], options)).stdout
  } catch (error) {
    const stderr = String((error as { stderr?: string }).stderr ?? '').slice(-STDERR_SHOWN)
    throw new Error(`python ${program[0]} failed: ${stderr}`, { cause: error })
  }
}

function pythonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, TZ: 'UTC', PYTHONUTF8: '1', PYTHONDONTWRITEBYTECODE: '1' }
}

/**
 * One row, values by column name, written the same way by every engine: integers as `number`, beyond 2^53 as `bigint`; decimals
 * as plain text; times in UTC as ISO text with microseconds (`Z` at the end where the type has a zone); bytes as hexadecimal text;
 * NaN and the infinities as text.
 */
export type Row = Record<string, unknown>

export interface Engines {
  /** DuckDB with its iceberg, httpfs and icu extensions. */
  duckdb(sql: string): Promise<Row[]>
  /** The rows of a table by the location of its metadata file. */
  pyiceberg(metadata: string, options?: { snapshotId?: bigint | number; rowFilter?: string }): Promise<Row[]>
  /** Runs Python code that may leave its answer in `result`. */
  pyicebergRun(code: string): Promise<unknown>
  /**
   * Spark SQL. The catalog `lake` is a Hadoop catalog over `warehouse`: `select * from lake.db.orders`; `rest` is the REST catalog.
   */
  spark(sql: string): Promise<Row[]>
  /** Reads a table by its location through Spark's data source. */
  sparkLoad(location: string, options?: { snapshotId?: bigint | number }): Promise<Row[]>
  /** Runs Python code that finds the session as `spark` and may leave its answer in `result`. */
  sparkRun(code: string): Promise<unknown>
  close(): Promise<void>
}

/**
 * Starts a process that answers one request after the other; each engine in it starts when it is first asked. Close it at the
 * end of the test file.
 * @param warehouse folder of Spark's catalog `lake`
 * @param restUri address of Spark's catalog `rest`
 */
export function openEngines({ warehouse, restUri = '' }: { warehouse: string; restUri?: string }): Engines {
  const child = spawn(pythonProgram, [join(import.meta.dirname, 'engines.py')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...pythonEnvironment(),
      SPARK_ICEBERG_JAR: sparkRuntimeJar,
      SPARK_WAREHOUSE: warehouse,
      SPARK_REST_URI: restUri,
    },
  })
  const ask = questions(child)
  const rows = async (request: object): Promise<Row[]> => (await ask(request)).rows ?? []
  return {
    duckdb: (sql) => rows({ engine: 'duckdb', call: 'sql', sql }),
    pyiceberg: (metadata, { snapshotId, rowFilter } = {}) =>
      rows({ engine: 'pyiceberg', call: 'scan', metadata, snapshot_id: snapshotId, row_filter: rowFilter }),
    pyicebergRun: async (code) => (await ask({ engine: 'pyiceberg', call: 'run', code })).value,
    spark: (sql) => rows({ engine: 'spark', call: 'sql', sql }),
    sparkLoad: (location, { snapshotId } = {}) =>
      rows({ engine: 'spark', call: 'load', location, snapshot_id: snapshotId }),
    sparkRun: async (code) => (await ask({ engine: 'spark', call: 'run', code })).value,
    async close() {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

interface Answer {
  readonly rows?: Row[]
  readonly value?: unknown
  readonly error?: string
}

function questions(child: ChildProcess & { stdin: NodeJS.WritableStream }): (request: object) => Promise<Answer> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_SHOWN)
  })
  const waiting: PromiseWithResolvers<Answer>[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const answer = parseLossless(line) as Answer
    const asked = waiting.shift()
    if (answer.error === undefined) asked?.resolve(answer)
    else asked?.reject(new Error(`${answer.error}\n${stderr}`))
  })
  const fail = (what: string): void => {
    for (const asked of waiting.splice(0)) asked.reject(new Error(`${what}\n${stderr}`))
  }
  child.on('error', (error) => fail(error.message))
  child.on('exit', (code, signal) => fail(`the engines ended with ${code ?? signal}`))
  child.stdin.on('error', (error) => fail(error.message))
  return (request) => {
    const asked = Promise.withResolvers<Answer>()
    if (child.exitCode !== null) asked.reject(new Error(`the engines ended with ${child.exitCode}\n${stderr}`))
    waiting.push(asked)
    child.stdin.write(`${stringifyLossless(request)}\n`)
    return asked.promise
  }
}

type Source = { readonly source: string }

function parseLossless(text: string): unknown {
  const exact = (_: string, value: unknown, context: Source): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source)
      ? BigInt(context.source)
      : value
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown)
}

/** Snapshot ids of others are beyond 2^53. */
function stringifyLossless(request: object): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object }
  return JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? rawJSON(String(value)) : value))
}
