// Files made for tests, and the ways to read them that share no code with the writer. Values are compared as texts: exact, and
// telling −0 from 0 and NaN from null.

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { valuesOf } from '../src/columns/values.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { type AssembledFile, assembleFile } from '../src/parquet/assemble-file.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { readRowGroup } from '../src/parquet/read-row-group.ts'
import type { EncodedRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field, PrimitiveType } from '../src/primitive-type.ts'

/** One a field, each one text a row. */
export type Texts = (string | null)[][]

/** The bytes of a file of encoded groups. */
export function fileOf(fields: readonly Field[], groups: readonly EncodedRowGroup[], keyColumns = 0): Uint8Array {
  return bytesOf(assembleFile(fields, groups, { keyColumns }))
}

/** The bytes of the parts; those that are copied come from `files` by path. */
export function bytesOf({ parts }: AssembledFile, files: ReadonlyMap<string, Uint8Array> = new Map()): Uint8Array {
  const pieces = parts.map((part) =>
    part.kind === 'bytes' ? part.bytes : files.get(part.from)!.subarray(part.start, part.end),
  )
  return new Uint8Array(Buffer.concat(pieces))
}

export function textOf(value: PartitionValue): string | null {
  if (value === null) return null
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return Object.is(value, -0) ? '-0' : String(value)
}

export async function readOurs(fields: readonly Field[], file: Uint8Array): Promise<Texts> {
  const source = {
    path: 'test',
    bytes: file.length,
    read: async (start: number, end: number) => file.slice(start, end),
  }
  const footer = await readFooter(source)
  const texts: Texts = fields.map(() => [])
  for (const group of footer.rowGroups.keys()) {
    const columns = await readRowGroup(source, footer, group, fields)
    for (const [i, column] of columns.entries()) {
      for (const value of valuesOf(column, fields[i]!.type)) texts[i]!.push(textOf(value))
    }
  }
  return texts
}

export async function readHyparquet(fields: readonly Field[], file: Uint8Array): Promise<Texts> {
  const rows = await parquetReadObjects({
    file: { byteLength: file.length, slice: (start, end) => file.slice(start, end).buffer as ArrayBuffer },
    compressors,
    utf8: false,
    parsers: {
      timestampFromMicroseconds: (value) => value,
      dateFromDays: (value) => value,
      uuidFromBytes: (value) => value,
    },
  })
  return fields.map(({ name, type }) => rows.map((row) => hyparquetText(row[name], type)))
}

/** It makes doubles of decimals: as many digits as those have are told from it. */
function hyparquetText(value: unknown, type: PrimitiveType): string | null {
  if (value === null || value === undefined) return null
  if (type.kind === 'decimal') return String(value)
  if (type.kind === 'fixed' && typeof value === 'string') return Buffer.from(value, 'latin1').toString('hex')
  return textOf(value as PartitionValue)
}

/** What hyparquet makes of the expected texts. */
export function asHyparquetTells(fields: readonly Field[], texts: Texts): Texts {
  return texts.map((column, i) => {
    const { type } = fields[i]!
    if (type.kind !== 'decimal') return column
    return column.map((text) => (text === null ? null : String(Number(text) * 10 ** -type.scale)))
  })
}

let connection: DuckDBConnection | undefined

export async function duckdb(): Promise<DuckDBConnection> {
  connection ??= await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  return connection
}

/** Reads a file on disk, its rows in the order of the file. */
export async function readDuckdb(fields: readonly Field[], path: string): Promise<Texts> {
  const names = fields.map(({ name, type }) => `${duckdbText(`"${name}"`, type)} AS "${name}"`).join(', ')
  const result = await (await duckdb()).runAndReadAll(`SELECT ${names} FROM read_parquet('${path}')`)
  return result
    .getColumnsJson()
    .map((column, i) => column.map((value) => duckdbNumber(value as string | null, fields[i]!)))
}

function duckdbText(name: string, type: PrimitiveType): string {
  switch (type.kind) {
    case 'date':
      return `(${name} - DATE '1970-01-01')::VARCHAR`
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return `epoch_us(${name})::VARCHAR`
    case 'binary':
    case 'fixed':
      return `lower(hex(${name}))`
    case 'uuid':
      return `replace(${name}::VARCHAR, '-', '')`
    default:
      return `${name}::VARCHAR`
  }
}

function duckdbNumber(text: string | null, { type }: Field): string | null {
  if (text === null) return null
  if (type.kind === 'decimal') return String(BigInt(text.replace('.', '')))
  if (type.kind === 'float' || type.kind === 'double') {
    const words: Record<string, number> = {
      nan: Number.NaN,
      inf: Number.POSITIVE_INFINITY,
      '-inf': Number.NEGATIVE_INFINITY,
    }
    const value = words[text] ?? Number(text)
    return textOf(type.kind === 'float' ? Math.fround(value) : value)
  }
  return text
}
