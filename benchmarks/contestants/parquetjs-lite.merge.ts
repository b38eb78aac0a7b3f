// Merges change lines into one Parquet file the way a Node program does that knows no more than this library: every row into a map
// by key, every change applied to it, every row written again.
//
// usage: node parquetjs-lite.merge.ts load <folder> <rows as JSON lines> | merge <folder> <landing>

import { createReadStream, existsSync, globSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gunzipSync } from 'node:zlib'
import type { Attribute } from './contestant.ts'

type Row = Record<string, unknown> & { pk: string; _stream: string; _sequence: string }

interface Change {
  readonly stream: string
  readonly sequence: string
  readonly operation: 'insert' | 'modify' | 'remove'
  readonly at: number
  readonly keys: { readonly pk: { readonly S: string } }
  readonly item?: Readonly<Record<string, { readonly S?: string; readonly N?: string }>>
}

interface ParquetJs {
  ParquetSchema: new (fields: Record<string, { type: string; compression: string; optional?: boolean }>) => object
  ParquetReader: {
    openFile(path: string): Promise<{ getCursor(): { next(): Promise<Row | null> }; close(): Promise<void> }>
  }
  ParquetWriter: {
    openFile(schema: object, path: string): Promise<{ appendRow(row: Row): Promise<void>; close(): Promise<void> }>
  }
}
const parquetjs = createRequire(import.meta.url)('parquetjs-lite') as ParquetJs

/**
 * The library has no decimals: text keeps their digits. It writes TIMESTAMP_MILLIS but fails to read it: times are epoch
 * milliseconds.
 */
const TYPES = {
  string: 'UTF8',
  long: 'INT64',
  double: 'DOUBLE',
  'decimal(38,9)': 'UTF8',
  timestamp: 'INT64',
}

const [step, folder, input] = process.argv.slice(2) as ['load' | 'merge', string, string]
const table = join(folder, 'table.parquet')
const { attributes } = JSON.parse(readFileSync(join(folder, 'definition.json'), 'utf8')) as {
  attributes: readonly Attribute[]
}
await (step === 'load' ? load() : merge())

async function load(): Promise<void> {
  const writer = await openWriter()
  for await (const line of createInterface({ input: createReadStream(input) })) await writer.appendRow(JSON.parse(line))
  await writer.close()
}

async function merge(): Promise<void> {
  const rows = await readRows()
  for (const [pk, change] of latestChanges()) {
    const stored = rows.get(pk)
    if (stored !== undefined && !isAfter(change, stored._stream, stored._sequence.slice(2))) continue
    if (change.operation === 'remove') rows.delete(pk)
    else rows.set(pk, rowOf(pk, change))
  }
  const writer = await openWriter(`${table}.new`)
  for (const row of rows.values()) await writer.appendRow(row)
  await writer.close()
  renameSync(`${table}.new`, table)
  console.log(JSON.stringify({ bytes_encoded: statSync(table).size }))
}

async function readRows(): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>()
  if (!existsSync(table)) return rows
  const reader = await parquetjs.ParquetReader.openFile(table)
  const cursor = reader.getCursor()
  for (let row = await cursor.next(); row !== null; row = await cursor.next()) rows.set(row.pk, row)
  await reader.close()
  return rows
}

function latestChanges(): Map<string, Change> {
  const latest = new Map<string, Change>()
  for (const path of globSync('**/*.gz', { cwd: input })) {
    for (const line of gunzipSync(readFileSync(join(input, path)))
      .toString()
      .split('\n')) {
      if (line === '') continue
      const change = JSON.parse(line) as Change
      const { S: pk } = change.keys.pk
      const other = latest.get(pk)
      if (other === undefined || isAfter(change, other.stream, other.sequence)) latest.set(pk, change)
    }
  }
  return latest
}

function isAfter(change: Change, stream: string, sequence: string): boolean {
  return change.stream === stream ? BigInt(change.sequence) > BigInt(sequence) : change.stream > stream
}

function rowOf(pk: string, { item, stream, sequence, at }: Change): Row {
  const row: Row = {
    pk,
    _updated_at: Math.round(at * 1000),
    _stream: stream,
    _sequence: `${sequence.length}${sequence}`,
  }
  for (const { name, type } of attributes.slice(1)) {
    const value = item![name]
    if (value === undefined) continue
    if (type === 'long' || type === 'timestamp') row[name] = BigInt(value.N!)
    else if (type === 'double') row[name] = Number(value.N)
    else row[name] = value.S ?? value.N
  }
  return row
}

function openWriter(path = table): ReturnType<ParquetJs['ParquetWriter']['openFile']> {
  const field = (type: string) => ({ type, compression: 'SNAPPY', optional: true })
  const fields = {
    ...Object.fromEntries(attributes.map(({ name, type }) => [name, field(TYPES[type])])),
    _updated_at: field('INT64'),
    _stream: field('UTF8'),
    _sequence: field('UTF8'),
  }
  return parquetjs.ParquetWriter.openFile(new parquetjs.ParquetSchema(fields), path)
}
