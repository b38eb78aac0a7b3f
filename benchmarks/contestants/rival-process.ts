// What the rivals in other languages share: how their processes start, and how they get to know the table.

import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pythonFolder, pythonProgram } from '../../scripts/parts.ts'
import type { BaseData, Run } from './contestant.ts'

const DEFINITION = 'definition.json'
const FILE_ROWS = 640_000
const ROW_BYTES = 74
const STDERR_SHOWN = 4000
const STDOUT_BYTES_MAX = 64 * 1024 * 1024

const script = (name: string): string => join(import.meta.dirname, name)

/** A job as Spark's users start it; the JVM is the process itself, so that its memory and time are counted. */
export function sparkRun(name: string, args: readonly string[], threads: number, jars: readonly string[] = []): Run {
  const settings = [
    ['--master', `local[${threads}]`],
    ['--driver-memory', '4g'],
    ...jars.map((jar) => ['--jars', jar]),
    ['--conf', 'spark.log.level=ERROR'],
    ['--conf', 'spark.driver.host=127.0.0.1'],
    ['--conf', 'spark.driver.bindAddress=127.0.0.1'],
  ]
  const argv = [join(pythonFolder, 'bin', 'spark-submit'), ...settings.flat(), script(name), ...args]
  return { argv, env: { PYSPARK_PYTHON: pythonProgram, PYTHONDONTWRITEBYTECODE: '1' } }
}

/** @throws where the process ends with another code than 0, with the end of what it wrote to stderr */
export async function runToEnd({ argv: [program, ...args], env }: Run): Promise<string> {
  try {
    const options = { env: { ...process.env, ...env }, maxBuffer: STDOUT_BYTES_MAX }
    return (await promisify(execFile)(program!, args, options)).stdout
  } catch (error) {
    const stderr = String((error as { stderr?: string }).stderr ?? '').slice(-STDERR_SHOWN)
    throw new Error(`${args.find((arg) => arg.endsWith('.py')) ?? program} failed: ${stderr}`, { cause: error })
  }
}

/** Leaves `definition.json` in the table's folder, from which the rivals' programs take columns and layout. */
export function writeDefinition(base: BaseData, folder: string): void {
  const definition = { ...base, fileRows: FILE_ROWS, fileBytes: FILE_ROWS * ROW_BYTES }
  writeFileSync(join(folder, DEFINITION), JSON.stringify(definition))
}

/** A relation over the data files of an Iceberg table's metadata file. */
export async function icebergRelation(folder: string, metadata: string): Promise<string> {
  const files = await runToEnd({ argv: [pythonProgram, script('iceberg_files.py'), metadata] })
  return parquetRelation(folder, JSON.parse(files) as string[])
}

/**
 * A relation over Parquet files. Times are without a zone, in UTC, and decimals are decimals, whatever the writer called their types.
 * @param microseconds SQL of a time's epoch microseconds
 */
export function parquetRelation(
  folder: string,
  files: readonly string[],
  microseconds = (column: string) => `epoch_us(${column})`,
): string {
  const { attributes } = JSON.parse(readFileSync(join(folder, DEFINITION), 'utf8')) as BaseData
  const columns = attributes.map(({ name, type }) => {
    if (type === 'timestamp') return `make_timestamp(${microseconds(name)}) AS ${name}`
    return type === 'decimal(38,9)' ? `${name}::DECIMAL(38, 9) AS ${name}` : name
  })
  const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ')
  return `(SELECT ${columns.join(', ')}, _stream, _sequence FROM read_parquet([${list}]))`
}

/** Versions of packages of Python, by name. */
export async function pythonVersions(program: string, packages: readonly string[]): Promise<Record<string, string>> {
  const code = 'import sys, json, importlib.metadata as m; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))'
  return JSON.parse(await runToEnd({ argv: [program, '-c', code, ...packages] })) as Record<string, string>
}
