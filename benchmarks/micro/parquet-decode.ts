// Rows a second from a Parquet file on disk to columns in memory: ours, DuckDB, hyparquet, parquetjs-lite.
//
// DuckDB writes the file (zstd, groups of 100,000 rows) and reads it with one thread under sums over every column (lengths of strings),
// so that each value is decoded and nothing is kept; ours decodes every column of every group and drops it. hyparquet reads the first
// rows of the same file, parquetjs-lite a smaller file of the same rows that it wrote itself, because it
// reads neither zstd nor DuckDB's encodings (once in groups of
// 100,000 rows like the others, once in its default groups of 4,096, which suit it far better). Contestants take turns, and the median of five counts. Before a figure is printed, the sums of what we
// decoded are compared with DuckDB's. It does not show: nulls, writing, several threads, cold files.

import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { asyncBufferFromFile, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import type { Column } from '../../packages/merge-core/src/columns/column.ts'
import { type ByteSource, readFooter } from '../../packages/merge-core/src/parquet/read-footer.ts'
import { readRowGroup } from '../../packages/merge-core/src/parquet/read-row-group.ts'
import { ITEM_FIELDS } from './item-rows.ts'

const ROWS = Number(process.argv[2] ?? 2_000_000)
const GROUP_ROWS = 100_000
const HYPARQUET_ROWS = Math.min(ROWS, 200_000)
const PARQUETJS_GROUP_ROWS = 4096
const PARQUETJS_ROWS = Math.min(ROWS, 100_000)
const REPETITIONS = 5

// parquetjs-lite leaves hundreds of megabytes of objects, which would be collected at the next one's cost.
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** It ships no types. */
interface ParquetJs {
  readonly ParquetSchema: new (columns: object) => object
  readonly ParquetWriter: {
    openFile(
      schema: object,
      file: string,
    ): Promise<{ setRowGroupSize(rows: number): void; appendRow(row: object): Promise<void>; close(): Promise<void> }>
  }
  readonly ParquetReader: {
    openFile(file: string): Promise<{ getCursor(): { next(): Promise<object | null> }; close(): Promise<void> }>
  }
}
const parquetjs = createRequire(import.meta.url)('parquetjs-lite') as ParquetJs

interface Contestant {
  readonly name: string
  readonly rows: number
  readonly read: () => Promise<unknown>
}

const folder = join(tmpdir(), 'lastwrite-parquet-decode')
mkdirSync(folder, { recursive: true })
const file = join(folder, `items-${ROWS}.parquet`)
const parquetjsFile = (groupRows: number) => join(folder, `parquetjs-${PARQUETJS_ROWS}-${groupRows}.parquet`)
async function run(): Promise<void> {
  const duckdb = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  await writeOnce(file, (path) => writeWithDuckdb(duckdb, path))
  for (const groupRows of [GROUP_ROWS, PARQUETJS_GROUP_ROWS]) {
    await writeOnce(parquetjsFile(groupRows), (path) => writeWithParquetjs(duckdb, path, groupRows))
  }
  const expected = await sumWithDuckdb(duckdb)
  const actual = await sumOurs()
  if (expected.join() !== actual.join()) throw new Error(`the sums differ: DuckDB ${expected}, ours ${actual}`)
  print(
    await measure([
      { name: 'lastwrite', rows: ROWS, read: () => readOurs(() => {}) },
      { name: 'duckdb', rows: ROWS, read: () => sumWithDuckdb(duckdb) },
      { name: 'hyparquet', rows: HYPARQUET_ROWS, read: readWithHyparquet },
      { name: 'parquetjs-lite', rows: PARQUETJS_ROWS, read: () => readWithParquetjs(GROUP_ROWS) },
      {
        name: 'parquetjs-lite, small groups',
        rows: PARQUETJS_ROWS,
        read: () => readWithParquetjs(PARQUETJS_GROUP_ROWS),
      },
    ]),
  )
}

async function writeOnce(path: string, write: (path: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return
  await write(`${path}.new`)
  renameSync(`${path}.new`, path)
}

const draw = (salt: number, below: number) => `(hash(i * 31 + ${salt}) % ${below})::BIGINT`
const COLUMNS_SQL = `
  printf('user#%012d', i) AS pk,
  'status-' || ${draw(1, 8)} AS status,
  'city of ' || ${draw(2, 10_000)} AS city,
  substr(md5(i::VARCHAR), 1, 24) AS token,
  ${draw(3, 50)} AS revision,
  ${draw(4, 1_000_000)} AS points,
  i * 10 + ${draw(5, 10)} AS serial,
  ${draw(6, 100_000)} / 100.0 AS price,
  ${draw(7, 2 ** 48)} / ${2 ** 38}::DOUBLE AS weight,
  (${draw(8, 2 ** 45)}::DECIMAL(38, 0) * 0.000000001)::DECIMAL(38, 9) AS balance,
  to_timestamp(1760000000) + to_milliseconds(i * 40 + ${draw(9, 600_000)}) AS changed_at,
  '{"source":"app-' || ${draw(10, 40)} || '","attempt":' || ${draw(11, 9)} || ',"reference":"' || substr(md5(i::VARCHAR), 25) || '"}'
    AS details
FROM range(${ROWS}) AS rows(i)`

async function writeWithDuckdb(duckdb: DuckDBConnection, path: string): Promise<void> {
  const ids = ITEM_FIELDS.map((field) => `${field.name}: ${field.id}`).join(', ')
  await duckdb.run(
    `COPY (SELECT ${COLUMNS_SQL}) TO '${path}'
     (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${GROUP_ROWS}, FIELD_IDS {${ids}})`,
  )
}

/** The decimal and the time as integers: it writes them no other way without losing digits. */
async function writeWithParquetjs(duckdb: DuckDBConnection, path: string, groupRows: number): Promise<void> {
  const result = await duckdb.runAndReadAll(
    `SELECT * REPLACE ((balance * 1000000000)::BIGINT AS balance, epoch_us(changed_at) AS changed_at)
     FROM '${file}' LIMIT ${PARQUETJS_ROWS}`,
  )
  const rows = result.getRowObjectsJson()
  const columns = ITEM_FIELDS.map(({ name, type }) => {
    const stored = type.kind === 'string' ? 'UTF8' : type.kind === 'double' ? 'DOUBLE' : 'INT64'
    return [name, { type: stored, compression: 'SNAPPY' }] as const
  })
  const writer = await parquetjs.ParquetWriter.openFile(new parquetjs.ParquetSchema(Object.fromEntries(columns)), path)
  writer.setRowGroupSize(groupRows)
  for (const row of rows) {
    const typed = columns.map(([name, { type }]) => [name, type === 'INT64' ? Number(row[name]) : row[name]])
    await writer.appendRow(Object.fromEntries(typed))
  }
  await writer.close()
}

/** One number a column: the sum of integers, unscaled decimals, microseconds, hundredths of doubles, bytes of strings. */
async function sumWithDuckdb(duckdb: DuckDBConnection): Promise<string[]> {
  const sums = ITEM_FIELDS.map(({ name, type }) => {
    if (type.kind === 'string') return `sum(strlen(${name}))`
    if (type.kind === 'double') return `sum(${name})`
    return type.kind === 'timestamptz' ? `sum(epoch_us(${name}))` : `sum(${name})`
  })
  const result = await duckdb.runAndReadAll(`SELECT ${sums.join(', ')} FROM read_parquet('${file}')`)
  return result.getRowsJson()[0]!.map((sum, i) => {
    if (ITEM_FIELDS[i]!.type.kind === 'double') return Number(sum).toPrecision(9)
    return String(sum).replace('.', '')
  })
}

async function sumOurs(): Promise<string[]> {
  const sums: (bigint | number)[] = ITEM_FIELDS.map(({ type }) => (type.kind === 'double' ? 0 : 0n))
  await readOurs((columns) => {
    columns.forEach((column, i) => {
      for (let row = 0; row < column.rows; row++) sums[i] = add(sums[i]!, numberOf(column, row))
    })
  })
  return sums.map((sum) => (typeof sum === 'number' ? sum.toPrecision(9) : String(sum)))
}

function add(sum: bigint | number, value: bigint | number): bigint | number {
  return typeof sum === 'number' ? sum + Number(value) : sum + BigInt(value)
}

function numberOf(column: Column, row: number): bigint | number {
  switch (column.kind) {
    case 'dictionary':
      return numberOf(column.dictionary, column.indices[row]!)
    case 'bytes':
      return column.starts[row + 1]! - column.starts[row]! - 4
    case 'fixed':
      return BigInt(`0x${Buffer.from(column.data.subarray(row * 16, row * 16 + 16)).toString('hex')}`)
    default:
      return column.data[row]!
  }
}

async function readOurs(take: (columns: Column[]) => void): Promise<void> {
  const handle = await open(file)
  const { size } = await handle.stat()
  const source: ByteSource = {
    path: file,
    bytes: size,
    async read(start, end) {
      const bytes = Buffer.allocUnsafeSlow(end - start)
      await handle.read(bytes, 0, end - start, start)
      return bytes
    },
  }
  const footer = await readFooter(source)
  for (let group = 0; group < footer.rowGroups.length; group++) {
    take(await readRowGroup(source, footer, group, ITEM_FIELDS))
  }
  await handle.close()
}

async function readWithHyparquet(): Promise<void> {
  const buffer = await asyncBufferFromFile(file)
  await parquetRead({ file: buffer, compressors, rowEnd: HYPARQUET_ROWS, onChunk: () => {} })
}

async function readWithParquetjs(groupRows: number): Promise<void> {
  const reader = await parquetjs.ParquetReader.openFile(parquetjsFile(groupRows))
  const cursor = reader.getCursor()
  while ((await cursor.next()) !== null);
  await reader.close()
}

interface Measured extends Contestant {
  readonly seconds: readonly number[]
}

async function measure(contestants: readonly Contestant[]): Promise<Measured[]> {
  const measured = contestants.map((contestant) => ({ ...contestant, seconds: [] as number[] }))
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    for (const { read, seconds } of measured) {
      collectGarbage()
      const start = performance.now()
      await read()
      seconds.push((performance.now() - start) / 1000)
    }
  }
  return measured
}

function print(measured: readonly Measured[]): void {
  const rowsPerSecond = ({ rows, seconds }: Measured) => rows / seconds.toSorted((a, b) => a - b)[seconds.length >> 1]!
  const ours = rowsPerSecond(measured[0]!)
  for (const contestant of measured) {
    const own = rowsPerSecond(contestant)
    const range = `${Math.min(...contestant.seconds).toFixed(3)}–${Math.max(...contestant.seconds).toFixed(3)} s`
    const ratio = contestant === measured[0] ? '' : `, lastwrite is ${(ours / own).toFixed(2)} ×`
    console.log(
      `${contestant.name}: ${Math.round(own).toLocaleString('en')} rows/s (${contestant.rows} rows in ${range})${ratio}`,
    )
  }
}

await run()
