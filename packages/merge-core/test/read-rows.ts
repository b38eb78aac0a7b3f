// The rows of a table's current snapshot, read by hyparquet, by DuckDB and by the library, as cells of model-values.ts.

import { DuckDBInstance } from '@duckdb/node-api'
import type { RecordBatch } from 'apache-arrow'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { keyText, partitionTuple, type TableSpec } from './change-sets.ts'
import { type Cells, rowId } from './model.ts'
import { partitionText } from './model-partitions.ts'
import { canonicalExtra, canonicalJson, decimalType, parseJson } from './model-values.ts'

export interface DataFile {
  readonly path: string
  readonly partition: readonly unknown[]
}

interface CellColumn {
  readonly name: string
  readonly type: string
}

/** All columns of the table in their order. */
function cellColumns(table: TableSpec): CellColumn[] {
  return [
    ...table.columns,
    { name: '_updated_at', type: 'timestamptz' },
    { name: '_stream', type: 'string' },
    { name: '_sequence', type: 'string' },
    { name: '_extra', type: 'extra' },
    ...(table.keepsExpired ? [{ name: '_expired_at', type: 'timestamptz' }] : []),
  ]
}

/** The cells of each file's rows in their order. */
export type FileRows = { readonly file: DataFile; readonly rows: readonly Cells[] }[]

/** Rows by partition and key. A row that lies in another file's partition than its values say, or twice, is an error. */
export function rowsById(table: TableSpec, files: FileRows): Map<string, Cells> {
  const rows = new Map<string, Cells>()
  for (const { file, rows: cells } of files) {
    for (const row of cells) {
      const partition = partitionText(partitionTuple(table, row))
      const id = rowId(partition, rowKey(table, row))
      if (partition !== partitionText(file.partition)) {
        throw new Error(`${file.path} of partition ${partitionText(file.partition)} holds ${id}`)
      }
      if (rows.has(id)) throw new Error(`${file.path} holds ${id}, which another row is already`)
      rows.set(id, row)
    }
  }
  return rows
}

export function rowKey(table: TableSpec, row: Cells): string {
  return keyText(table.columns.slice(0, table.keyColumns).map(({ name }) => row[name] as string | null))
}

function textCell(type: string, text: string): string {
  if (type === 'json') return canonicalJson(parseJson(text))
  return type === 'extra' ? canonicalExtra(text) : text
}

// hyparquet

export async function readByHyparquet(
  table: TableSpec,
  files: readonly DataFile[],
  read: (path: string) => Promise<Uint8Array>,
): Promise<FileRows> {
  const columns = cellColumns(table)
  return Promise.all(
    files.map(async (file) => {
      const rows = await readParquet(await read(file.path))
      return {
        file,
        rows: rows.map((row) => Object.fromEntries(columns.map((column) => [column.name, cell(column, row)]))),
      }
    }),
  )
}

// Its own decoder drops a byte order mark at the start of a text.
const decodeText = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')

/** A Parquet file's rows by hyparquet: timestamps as microseconds, dates as days, decimals unscaled. */
export async function readParquet(
  bytes: Uint8Array,
  decode: (text: Uint8Array) => string = decodeText,
): Promise<Record<string, unknown>[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
  const metadata = await parquetMetadataAsync(file)
  // hyparquet makes JavaScript numbers of decimals; without the annotation it gives what is stored.
  for (const element of metadata.schema) {
    if (element.converted_type === 'DECIMAL') delete element.converted_type
    if (element.logical_type?.type === 'DECIMAL') delete element.logical_type
  }
  const parsers = {
    timestampFromMicroseconds: (micros: bigint) => micros,
    dateFromDays: (days: number) => days,
    stringFromBytes: (text: Uint8Array) => text && decode(text),
  }
  return parquetReadObjects({ file, metadata, compressors, utf8: false, parsers }) as Promise<Record<string, unknown>[]>
}

function cell({ name, type }: CellColumn, row: Record<string, unknown>): string | null {
  const value = row[name] ?? null
  if (value === null) return null
  if (type.startsWith('decimal')) return scaled(unscaledValue(value), decimalType(type).scale)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return textCell(type, String(value))
}

function unscaledValue(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value as number)
  return BigInt.asIntN(8 * value.length, BigInt(`0x${Buffer.from(value).toString('hex')}`))
}

function scaled(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  return `${unscaled < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`
}

// DuckDB

/** Needs the files as local paths. */
export async function readByDuckDB(
  table: TableSpec,
  files: readonly DataFile[],
  localPath: (path: string) => string,
): Promise<FileRows> {
  const connection = await (await DuckDBInstance.create()).connect()
  try {
    const found: FileRows = []
    for (const file of files) {
      const columns = cellColumns(table)
      const path = localPath(file.path).replaceAll("'", "''")
      const query = `SELECT ${columns.map(duckdbCell).join(', ')} FROM read_parquet('${path}', hive_partitioning = false)`
      const rows = (await connection.runAndReadAll(query)).getRows()
      found.push({
        file,
        rows: rows.map((row) =>
          Object.fromEntries(
            columns.map(({ name, type }, i) => {
              const value = row[i] ?? null
              return [name, value === null ? null : textCell(type, String(value))]
            }),
          ),
        ),
      })
    }
    return found
  } finally {
    connection.closeSync()
  }
}

/** An expression that gives the cell as text; a double as it is. */
function duckdbCell({ name, type }: CellColumn): string {
  if (type === 'double' || type === 'string' || type === 'number' || type === 'json' || type === 'extra')
    return `"${name}"`
  if (type.startsWith('timestamptz')) return `epoch_us("${name}")::VARCHAR`
  if (type === 'date') return `("${name}" - DATE '1970-01-01')::VARCHAR`
  if (type === 'binary') return `lower(hex("${name}"))`
  return `"${name}"::VARCHAR`
}

// The library

/** The cells of record batches, in their order. */
export function cellsOfBatches(table: TableSpec, batches: readonly RecordBatch[]): Cells[] {
  return batches.flatMap((batch) => {
    const columns = cellColumns(table).map(({ name, type }): [string, (string | null)[]] => {
      const vector = batch.getChild(name)
      if (vector === null) throw new Error(`the batch lacks column ${name}`)
      return [name, Array.from({ length: batch.numRows }, (_, row) => arrowCell(type, vector, row))]
    })
    return Array.from({ length: batch.numRows }, (_, row) =>
      Object.fromEntries(columns.map(([name, cells]) => [name, cells[row] as string | null])),
    )
  })
}

type ArrowVector = NonNullable<ReturnType<RecordBatch['getChild']>>

/** Where a value lies: in the vector itself, or in its dictionary. */
function plainVector(vector: ArrowVector, row: number): [ArrowVector, number] {
  const [data] = vector.data
  if (data === undefined || vector.data.length !== 1 || data.offset !== 0)
    throw new Error('a record batch has one chunk a column')
  return data.dictionary === undefined ? [vector, row] : [data.dictionary, data.values[row]]
}

function arrowCell(type: string, vector: ArrowVector, row: number): string | null {
  if (vector.get(row) === null) return null
  const [plain, index] = plainVector(vector, row)
  const value = plain.get(index)
  // Arrow makes JavaScript milliseconds of them.
  if (type.startsWith('timestamptz') || type === 'date') return String(plain.data[0]?.values[index])
  if (type.startsWith('decimal')) {
    const words = Array.from(value as Uint32Array, BigInt)
    const unscaled = BigInt.asIntN(
      128,
      words.reduceRight((sum, word) => (sum << 32n) | word, 0n),
    )
    return scaled(unscaled, decimalType(type).scale)
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return textCell(type, String(value))
}
