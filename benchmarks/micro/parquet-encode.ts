// Rows a second from columns in memory to a Parquet file on disk: ours, DuckDB, hyparquet-writer, parquetjs-lite.
//
// Each has one thread, zstd level 1 and groups of 100,000 rows where it can. The JavaScript rivals write fewer rows, with snappy,
// which both have built in, parquetjs-lite also with gzip, which comes nearest to the same size. They run after the others: their
// millions of objects would slow down every collection of garbage in this process. Contestants take turns, the median of five
// counts, and DuckDB checks that the files hold the same rows before a figure is printed. CPU time is shown beside wall time, since
// it depends less on what else runs. It does not show: nulls, reading, several threads.

import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writevSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { Column } from '../../packages/merge-core/src/columns/column.ts'
import { valuesOf } from '../../packages/merge-core/src/columns/values.ts'
import { assembleFile } from '../../packages/merge-core/src/parquet/assemble-file.ts'
import { encodeRowGroup, type WriteOptions } from '../../packages/merge-core/src/parquet/write-row-group.ts'
import { ITEM_FIELDS, itemColumns } from './item-rows.ts'

const ROWS = Number(process.argv[2] ?? 2_000_000)
const GROUP_ROWS = 100_000
const RIVAL_ROWS = Math.min(ROWS, 200_000)
const REPETITIONS = 5
const OPTIONS: WriteOptions = { codec: 'zstd', level: 1, keyColumns: 1 }

/** It ships no types. */
interface ParquetJs {
  readonly ParquetSchema: new (columns: object) => object
  readonly ParquetWriter: {
    openFile(
      schema: object,
      file: string,
    ): Promise<{
      setRowGroupSize(rows: number): void
      appendRow(row: object): Promise<void>
      close(): Promise<void>
    }>
  }
}
const parquetjs = createRequire(import.meta.url)('parquetjs-lite') as ParquetJs

interface Contestant {
  readonly name: string
  readonly rows: number
  readonly file: string
  readonly write: () => void | Promise<void>
}

const folder = mkdtempSync(join(tmpdir(), 'parquet-encode-'))
try {
  await run(folder)
} finally {
  rmSync(folder, { recursive: true })
}

async function run(folder: string): Promise<void> {
  const groups = Array.from({ length: Math.ceil(ROWS / GROUP_ROWS) }, (_, group) =>
    itemColumns(group * GROUP_ROWS, Math.min(GROUP_ROWS, ROWS - group * GROUP_ROWS)),
  )
  const file = (name: string) => join(folder, `${name}.parquet`)
  const duckdb = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  writeOurs(groups, file('lastwrite'))
  await duckdb.run(`CREATE TABLE items AS SELECT * FROM read_parquet('${file('lastwrite')}')`)
  const copyOptions = `FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${GROUP_ROWS}`
  const overTypedColumns: Contestant[] = [
    { name: 'lastwrite', rows: ROWS, file: file('lastwrite'), write: () => writeOurs(groups, file('lastwrite')) },
    {
      name: 'duckdb',
      rows: ROWS,
      file: file('duckdb'),
      write: async () => void (await duckdb.run(`COPY items TO '${file('duckdb')}' (${copyOptions})`)),
    },
  ]
  const times = await measure(overTypedColumns)
  const hyparquetColumns = hyparquetColumnData(groups, RIVAL_ROWS)
  const parquetjsRows = rowObjects(hyparquetColumns, RIVAL_ROWS)
  const overJavaScriptValues: Contestant[] = [
    {
      name: 'hyparquet-writer',
      rows: RIVAL_ROWS,
      file: file('hyparquet'),
      write: () => writeHyparquet(hyparquetColumns, file('hyparquet')),
    },
    ...['SNAPPY', 'GZIP'].map((compression) => ({
      name: `parquetjs-lite ${compression}`,
      rows: RIVAL_ROWS,
      file: file(`parquetjs-${compression}`),
      write: () => writeParquetjs(parquetjsRows, compression, file(`parquetjs-${compression}`)),
    })),
  ]
  for (const [name, time] of await measure(overJavaScriptValues)) times.set(name, time)
  const contestants = [...overTypedColumns, ...overJavaScriptValues]
  await checkSameRows(duckdb, contestants)
  print(contestants, times)
}

function writeOurs(groups: readonly Column[][], file: string): void {
  const encoded = groups.map((columns) => encodeRowGroup(ITEM_FIELDS, columns, OPTIONS))
  const { parts } = assembleFile(ITEM_FIELDS, encoded, OPTIONS)
  const handle = openSync(file, 'w')
  writevSync(
    handle,
    parts.flatMap((part) => (part.kind === 'bytes' ? [part.bytes] : [])),
  )
  closeSync(handle)
}

type ColumnData = { name: string; type: 'STRING' | 'INT64' | 'DOUBLE'; data: unknown[] }

/** The decimal and the time as integers: neither rival writes them otherwise without losing digits. */
function hyparquetColumnData(groups: readonly Column[][], rows: number): ColumnData[] {
  return ITEM_FIELDS.map((field, i) => {
    const data = groups.slice(0, Math.ceil(rows / GROUP_ROWS)).flatMap((columns) => valuesOf(columns[i]!, field.type))
    const type = field.type.kind === 'string' ? 'STRING' : field.type.kind === 'double' ? 'DOUBLE' : 'INT64'
    return { name: field.name, type, data: data.slice(0, rows) }
  })
}

function writeHyparquet(columnData: ColumnData[], file: string): void {
  const columns = columnData.map((column) => ({ ...column, data: column.data as bigint[] }))
  writeFileSync(file, new Uint8Array(parquetWriteBuffer({ columnData: columns, rowGroupSize: GROUP_ROWS })))
}

function rowObjects(columns: readonly ColumnData[], rows: number): Record<string, unknown>[] {
  const plain = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(columns.map(({ name, data }) => [name, plain(data[row])])),
  )
}

async function writeParquetjs(
  rows: readonly Record<string, unknown>[],
  compression: string,
  file: string,
): Promise<void> {
  const typeOf = { STRING: 'UTF8', INT64: 'INT64', DOUBLE: 'DOUBLE' }
  const columns = ITEM_FIELDS.map(({ name, type }) => {
    const physical = type.kind === 'string' ? 'STRING' : type.kind === 'double' ? 'DOUBLE' : 'INT64'
    return [name, { type: typeOf[physical], compression }]
  })
  const writer = await parquetjs.ParquetWriter.openFile(new parquetjs.ParquetSchema(Object.fromEntries(columns)), file)
  writer.setRowGroupSize(GROUP_ROWS)
  for (const row of rows) await writer.appendRow(row)
  await writer.close()
}

interface Times {
  readonly wall: number[]
  readonly cpu: number[]
}

async function measure(contestants: readonly Contestant[]): Promise<Map<string, Times>> {
  const times = new Map(contestants.map(({ name }): [string, Times] => [name, { wall: [], cpu: [] }]))
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    for (const { name, write } of contestants) {
      const start = performance.now()
      const startCpu = process.cpuUsage()
      await write()
      const { user, system } = process.cpuUsage(startCpu)
      times.get(name)!.wall.push((performance.now() - start) / 1000)
      times.get(name)!.cpu.push((user + system) / 1e6)
    }
  }
  return times
}

/** An order-independent checksum of all columns, of as many rows as each wrote. */
async function checkSameRows(duckdb: DuckDBConnection, contestants: readonly Contestant[]): Promise<void> {
  for (const { name, rows, file } of contestants) {
    const isExact = name === 'lastwrite' || name === 'duckdb'
    const columns = ITEM_FIELDS.filter(({ type }) => isExact || type.kind === 'string' || type.kind === 'double')
    const names = columns.map((field) => field.name).join(', ')
    const checksum = async (source: string) => {
      const query = `SELECT count(*) AS rows, bit_xor(hash(${names})) AS hash FROM ${source}`
      return JSON.stringify((await duckdb.runAndReadAll(query)).getRowsJson())
    }
    const expected = await checksum(`(SELECT * FROM items ORDER BY pk LIMIT ${rows})`)
    const actual = await checksum(`read_parquet('${file}')`)
    if (actual !== expected) throw new Error(`${name} wrote other rows: ${actual} instead of ${expected}`)
  }
}

function print(contestants: readonly Contestant[], times: ReadonlyMap<string, Times>): void {
  const rate = ({ name, rows }: Contestant, clock: keyof Times) => rows / median(times.get(name)![clock])
  const [ours] = contestants
  for (const contestant of contestants) {
    const { name, rows, file } = contestant
    const ratio = (clock: keyof Times) => (rate(ours!, clock) / rate(contestant, clock)).toFixed(2)
    const { wall } = times.get(name)!
    console.log(
      `${name}: ${Math.round(rate(contestant, 'wall'))} rows/s, ${Math.round(rate(contestant, 'cpu'))} rows/CPU s ` +
        `(${rows} rows, ${Math.min(...wall).toFixed(2)}–${Math.max(...wall).toFixed(2)} s, ` +
        `${(statSync(file).size / rows).toFixed(1)} bytes a row); ` +
        `lastwrite is ${ratio('wall')} × as fast, ${ratio('cpu')} × by CPU`,
    )
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
