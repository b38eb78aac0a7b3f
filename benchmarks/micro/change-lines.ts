// Change lines a second from gzip landing objects in memory (ours, JSON.parse) or on disk (DuckDB) to typed columns, one thread.
//
// Lines are inserts in the form of encodeChangeLine, 25,000 an object, with the twelve attributes of item-rows.ts as DynamoDB JSON.
// Ours scans each object with its items and splits the versions into columns. DuckDB reads the same objects with read_json, every
// column named and typed in advance, and casts each attribute to its type under sums over all of them, so that nothing is skipped and
// nothing is kept. The JSON.parse way is a loop over lines into arrays by type. Contestants take turns, the median of five counts, and
// the sums of what was read are compared before a figure is printed. It does not show: duplicates, removals, misfits, several threads.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { type AttributeMap, encodeChangeLine } from '../../packages/merge-core/src/change/change-lines.ts'
import { inflateObject } from '../../packages/merge-core/src/change/inflate-object.ts'
import { decodeKeys } from '../../packages/merge-core/src/change/key-order.ts'
import { scanObject } from '../../packages/merge-core/src/change/scan-object.ts'
import { versionColumns } from '../../packages/merge-core/src/change/version.ts'
import type { Column } from '../../packages/merge-core/src/columns/column.ts'
import { parseTableDefinition, type TableDefinition } from '../../packages/merge-core/src/table-definition.ts'
import { ITEM_FIELDS, itemColumns } from './item-rows.ts'

const OBJECTS = Number(process.argv[2] ?? 8)
const LINES_PER_OBJECT = 25_000
const REPETITIONS = 5
const SOURCE = '123456789012/eu-west-1'
const STREAM = '2026-11-22T08:00:00.000'

const TYPES: Record<string, string> = {
  long: 'long',
  double: 'double',
  decimal: 'decimal(38,9)',
  timestamptz: 'timestamptz(ms)',
  string: 'string',
}
const definition = parseDefinition(['bucket(pk, 8)'])

function parseDefinition(partitionBy: readonly string[]): TableDefinition {
  return parseTableDefinition(
    JSON.stringify({
      table: 'orders',
      source: SOURCE,
      key: ['pk'],
      columns: Object.fromEntries(ITEM_FIELDS.map(({ name, type }) => [name, TYPES[type.kind]])),
      partition_by: partitionBy,
    }),
  )
}

const folder = join(tmpdir(), 'lastwrite-change-lines')
mkdirSync(folder, { recursive: true })
const files = Array.from({ length: OBJECTS }, (_, index) => join(folder, `lines-${index}.ndjson.gz`))

async function run(): Promise<void> {
  let textBytes = 0
  for (const [index, file] of files.entries()) {
    const text = linesOfObject(index)
    textBytes += Buffer.byteLength(text)
    writeFileSync(file, gzipSync(text))
  }
  const objects = files.map((file) => readFileSync(file))
  const duckdb = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()

  const contestants = [
    { name: 'lastwrite', read: () => readOurs(objects) },
    { name: 'duckdb', read: () => readWithDuckdb(duckdb) },
    { name: 'JSON.parse', read: async () => readWithJsonParse(objects) },
  ]
  const seconds = contestants.map((): number[] => [])
  for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
    const results: string[] = []
    for (const [index, contestant] of contestants.entries()) {
      const started = performance.now()
      const columns = await contestant.read()
      if (repetition > 0) seconds[index]!.push((performance.now() - started) / 1000)
      results.push(columns)
    }
    if (new Set(results).size > 1) throw new Error(`the sums differ:\n${results.join('\n')}`)
  }

  const lines = OBJECTS * LINES_PER_OBJECT
  const medians = seconds.map((values) => values.sort((a, b) => a - b)[values.length >> 1]!)
  console.log(`${lines} lines of ${Math.round(textBytes / lines)} bytes, 12 typed columns, one thread`)
  for (const [index, { name }] of contestants.entries()) {
    const perSecond = Math.round(lines / medians[index]!)
    const ratio = (medians[index]! / medians[0]!).toFixed(2)
    console.log(`${name.padEnd(12)} ${String(perSecond).padStart(9)} lines/s   lastwrite is ${ratio} x as fast`)
  }
  await printStages(objects, lines)
}

/** What of our way is what: each stage alone, and all of it in one pass, in turns. */
async function printStages(objects: readonly Uint8Array[], lines: number): Promise<void> {
  const texts = await Promise.all(objects.map(async (object) => (await inflateObject(object)).text))
  const byDay = parseDefinition(['day(changed_at)'])
  const stages = [
    { name: 'inflate', of: objects, run: (bytes: Uint8Array) => inflateObject(bytes) },
    { name: 'scan', of: texts, run: (text: Uint8Array) => scanObject({ text, broken: null }, definition) },
    {
      name: 'scan and parse',
      of: texts,
      run: (text: Uint8Array) => scanObject({ text, broken: null }, definition, { parsesItems: true }),
    },
    {
      name: 'the same by day',
      of: texts,
      run: (text: Uint8Array) => scanObject({ text, broken: null }, byDay, { parsesItems: true }),
    },
    {
      name: 'all in one',
      of: objects,
      run: async (bytes: Uint8Array) => scanObject(await inflateObject(bytes), definition, { parsesItems: true }),
    },
  ]
  const best = stages.map(() => Number.POSITIVE_INFINITY)
  for (let repetition = 0; repetition < 3 * REPETITIONS; repetition++) {
    for (const [index, { of, run }] of stages.entries()) {
      const started = performance.now()
      for (const bytes of of) await run(bytes)
      best[index] = Math.min(best[index]!, performance.now() - started)
    }
  }
  for (const [index, { name }] of stages.entries()) {
    console.log(`${name.padEnd(16)} ${String(Math.round((best[index]! * 1e6) / lines)).padStart(6)} ns a line`)
  }
}

function linesOfObject(index: number): string {
  const first = index * LINES_PER_OBJECT
  const columns = itemColumns(first, LINES_PER_OBJECT)
  const texts = columns.map((column, field) => (row: number) => textAt(column, ITEM_FIELDS[field]!.name, row))
  const lines: string[] = []
  for (let row = 0; row < LINES_PER_OBJECT; row++) {
    const item = Object.fromEntries(
      ITEM_FIELDS.map(({ name, type }, field) => [name, { [type.kind === 'string' ? 'S' : 'N']: texts[field]!(row) }]),
    ) as AttributeMap
    lines.push(
      encodeChangeLine({
        table: 'orders',
        source: SOURCE,
        stream: STREAM,
        sequence: String(400000000024465870661n + BigInt(first + row) * 7919n),
        operation: 'insert',
        at: 1_795_334_400 + (row >> 8),
        keys: { pk: item.pk! },
        item,
      }),
    )
  }
  return `${lines.join('\n')}\n`
}

function textAt(column: Column, name: string, row: number): string {
  switch (column.kind) {
    case 'bytes':
      return Buffer.from(column.bytes.subarray(column.starts[row]! + 4, column.starts[row + 1]!)).toString()
    case 'fixed': {
      const unscaled = BigInt(`0x${Buffer.from(column.data.subarray(row * 16, row * 16 + 16)).toString('hex')}`)
      return (Number(unscaled) / 1e9).toFixed(9).replace(/\.?0+$/, '')
    }
    case 'int64':
      return String(name === 'changed_at' ? column.data[row]! / 1000n : column.data[row]!)
    case 'double':
      return String(column.data[row]!)
    default:
      throw new Error(`a column of kind ${column.kind}`)
  }
}

/** Sums by which the contestants' results are compared: integers exactly, doubles to ten digits. */
function sumsText(sums: readonly (bigint | number)[]): string {
  return sums.map((sum) => (typeof sum === 'bigint' ? String(sum) : sum.toPrecision(10))).join(' ')
}

async function readOurs(objects: readonly Uint8Array[]): Promise<string> {
  const sums: (bigint | number)[] = []
  for (const object of objects) {
    const { lines, items } = scanObject(await inflateObject(object), definition, { parsesItems: true })
    const keys = decodeKeys(lines.keys, [{ kind: 'string' }])
    const columns = [...keys, ...items!.columns.slice(keys.length)]
    const { sequence } = versionColumns(lines.versions)
    // Each form of the sequence number has two digits of length in front.
    const sequenceDigits = lengthSum(sequence) - BigInt(2 * lines.count)
    const of = [...columns.slice(0, 12).map(columnSum), sequenceDigits]
    for (const [index, sum] of of.entries()) {
      const before = sums[index] ?? (typeof sum === 'bigint' ? 0n : 0)
      sums[index] = typeof sum === 'bigint' ? (before as bigint) + sum : (before as number) + sum
    }
  }
  return sumsText(sums)
}

function columnSum(column: Column): bigint | number {
  switch (column.kind) {
    case 'bytes':
      return lengthSum(column)
    case 'int64': {
      // 15 decimal digits a value at most: halves are summed as doubles, exactly.
      const halves = new Int32Array(column.data.buffer)
      let low = 0
      let high = 0
      for (let i = 0; i < halves.length; i += 2) {
        low += halves[i]! >>> 0
        high += halves[i + 1]!
      }
      return BigInt(high) * 2n ** 32n + BigInt(low)
    }
    case 'fixed': {
      const view = new DataView(column.data.buffer, column.data.byteOffset)
      let low = 0
      let high = 0
      for (let row = 0; row < column.rows; row++) {
        high += view.getUint32(row * 16 + 8)
        low += view.getUint32(row * 16 + 12)
      }
      return BigInt(high) * 2n ** 32n + BigInt(low)
    }
    case 'double': {
      let sum = 0
      for (let row = 0; row < column.rows; row++) sum += column.data[row]!
      return sum
    }
    default:
      throw new Error(`a column of kind ${column.kind}`)
  }
}

function lengthSum(column: Column): bigint {
  if (column.kind !== 'bytes') throw new Error(`a column of kind ${column.kind}`)
  return BigInt(column.bytes.length - 4 * column.rows)
}

async function readWithDuckdb(duckdb: DuckDBConnection): Promise<string> {
  const item = ITEM_FIELDS.map(({ name, type }) => `${name} STRUCT(${type.kind === 'string' ? 'S' : 'N'} VARCHAR)`)
  const sums = ITEM_FIELDS.map(({ name, type }) => {
    switch (type.kind) {
      case 'string':
        return name === 'pk' ? 'sum(strlen(keys.pk.S))' : `sum(strlen(item.${name}.S))`
      case 'double':
        return `sum(item.${name}.N::DOUBLE)`
      case 'decimal':
        return `sum(item.${name}.N::DECIMAL(38, 9))`
      case 'timestamptz':
        return `sum(epoch_us(make_timestamp(item.${name}.N::BIGINT * 1000)))`
      default:
        return `sum(item.${name}.N::BIGINT)`
    }
  })
  const query = `SELECT ${sums.map((sum, index) => `(${sum})::VARCHAR AS c${index}`).join()},
      sum(strlen(sequence))::VARCHAR, sum(strlen(stream)), sum("at"), count(operation)
    FROM read_json([${files.map((file) => `'${file}'`).join()}], format = 'newline_delimited', compression = 'gzip',
      columns = { stream: 'VARCHAR', sequence: 'VARCHAR', operation: 'VARCHAR', "at": 'BIGINT',
        keys: 'STRUCT(pk STRUCT(S VARCHAR))', item: 'STRUCT(${item.join()})' })`
  const row = (await duckdb.runAndReadAll(query)).getRows()[0]!
  return sumsText(
    row.slice(0, 13).map((value, index) => {
      const text = String(value)
      if (ITEM_FIELDS[index]?.type.kind === 'double') return Number(text)
      return BigInt(ITEM_FIELDS[index]?.type.kind === 'decimal' ? text.replace('.', '') : text)
    }),
  )
}

interface ParsedLine {
  readonly sequence: string
  readonly keys: { readonly pk: { readonly S: string } }
  readonly item: Record<string, { readonly S?: string; readonly N?: string }>
}

function readWithJsonParse(objects: readonly Uint8Array[]): string {
  const sums: (bigint | number)[] = ITEM_FIELDS.map(({ type }) => (type.kind === 'double' ? 0 : 0n))
  let sequenceDigits = 0n
  for (const object of objects) {
    const parsed = gunzipSync(object)
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as ParsedLine)
    for (const [index, { name, type }] of ITEM_FIELDS.entries()) {
      const texts = parsed.map((line) => (name === 'pk' ? line.keys.pk.S : (line.item[name]!.S ?? line.item[name]!.N!)))
      sums[index] = addColumn(sums[index]!, type.kind, texts)
    }
    sequenceDigits += BigInt(parsed.reduce((sum, line) => sum + line.sequence.length, 0))
  }
  return sumsText([...sums, sequenceDigits])
}

function addColumn(before: bigint | number, kind: string, texts: readonly string[]): bigint | number {
  switch (kind) {
    case 'string':
      return (before as bigint) + BigInt(texts.reduce((sum, text) => sum + text.length, 0))
    case 'double':
      return Float64Array.from(texts, Number).reduce((sum, value) => sum + value, before as number)
    case 'decimal':
      return BigInt64Array.from(texts, unscaledBillionths).reduce((sum, value) => sum + value, before as bigint)
    default: {
      const factor = kind === 'timestamptz' ? 1000n : 1n
      return BigInt64Array.from(texts, (text) => BigInt(text) * factor).reduce(
        (sum, value) => sum + value,
        before as bigint,
      )
    }
  }
}

function unscaledBillionths(text: string): bigint {
  const [whole, fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(9, '0'))
}

await run()
