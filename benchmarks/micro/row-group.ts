// Nanoseconds a row of rewriting one row group, stage by stage, in one thread: what a merge does with a row group that a change touches.
//
// The row group holds 100,000 rows of the workload table (orders.ts: 12 attributes and four metadata columns), three in ten of them of a
// later version than their neighbours, as a table looks after some merges. 1 % and 20 % of its rows are changed at random places, nine
// updates to one removal. All in memory; the median of the repetitions counts, each stage works on what the stage before gave.
// `keys` and `join` decide what changes, as files/decide-row-group.ts does, `decode`, `gather` and `encode` make the new row group of it.
//
// usage: node [--cpu-prof] benchmarks/micro/row-group.ts [repetitions, default 21] [--columns]

import { gzipSync } from 'node:zlib'
import { createTable, mergeLanding, nodeEnvironment, parseTableDefinition } from '@lastwrite/merge-core'
import { memoryStore } from '@lastwrite/merge-core/store/memory'
import { NO_STRINGS } from '../../packages/merge-core/src/change/byte-strings.ts'
import { encodeKeys } from '../../packages/merge-core/src/change/key-order.ts'
import { PUT, REMOVE } from '../../packages/merge-core/src/change/scanned-lines.ts'
import { encodeVersions } from '../../packages/merge-core/src/change/version.ts'
import type { Column } from '../../packages/merge-core/src/columns/column.ts'
import { expandDictionary, gather, takeRows } from '../../packages/merge-core/src/columns/gather.ts'
import type { IncomingChanges } from '../../packages/merge-core/src/files/incoming.ts'
import { findRows, selectRows } from '../../packages/merge-core/src/files/select-rows.ts'
import { assembleFile } from '../../packages/merge-core/src/parquet/assemble-file.ts'
import { Codec, Encoding, enumName } from '../../packages/merge-core/src/parquet/footer.ts'
import { type Footer, readFooter } from '../../packages/merge-core/src/parquet/read-footer.ts'
import { decodeRowGroup, planRowGroup } from '../../packages/merge-core/src/parquet/read-row-group.ts'
import { encodeRowGroup, type WriteOptions } from '../../packages/merge-core/src/parquet/write-row-group.ts'
import type { Field } from '../../packages/merge-core/src/primitive-type.ts'
import { bytesSource } from '../../packages/merge-core/src/store/byte-source.ts'
import { orderLine, orders } from '../orders.ts'

const ROWS = 100_000
/** With eight buckets a partition holds every eighth key. */
const ORDER_STEP = 8
const REPETITIONS = Number(process.argv.slice(2).find((word) => word !== '--columns') ?? 21)
const OPTIONS: WriteOptions = { codec: 'zstd', level: 1, keyColumns: 1 }

interface StoredRows {
  readonly bytes: Uint8Array
  readonly footer: Footer
}

const definition = parseTableDefinition(JSON.stringify({ ...orders, partition_by: [] }))
const { fields } = definition
const position = (name: string) => fields.findIndex((field) => field.name === name)
const VERSION_FIELDS = [fields[position('_stream')]!, fields[position('_sequence')]!]

await run()

async function run(): Promise<void> {
  const stored = await asFile(await columnsOfLines(storedLines()))
  report('1 % changed', stored, await changes(0.01))
  report('20 % changed', stored, await changes(0.2))
  if (process.argv.includes('--columns')) reportColumns(stored, await changes(0.01))
}

/** mulberry32: uniform in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function storedLines(): string[] {
  const random = randomFrom(1)
  const version = (order: number) => (random() < 0.3 ? Math.floor((1 + random()) * ROWS * ORDER_STEP) : order)
  return Array.from({ length: ROWS }, (_, row) => orderLine('insert', row * ORDER_STEP, version(row * ORDER_STEP)))
}

/** The rows that a table holds after these lines. */
async function columnsOfLines(lines: readonly string[]): Promise<Column[]> {
  const store = memoryStore()
  const environment = nodeEnvironment(store)
  const table = await createTable('memory://lake/orders', definition, environment)
  await store.put('memory://landing/lines.gz', gzipSync(lines.join('\n'), { level: 1 }), { kind: 'create' })
  await mergeLanding(table, ['memory://landing/'])
  const listed = await store.list('memory://lake/orders/data/')
  if (listed.kind !== 'ok' || listed.objects.length !== 1) throw new Error('the merge did not write one file')
  const got = await store.get(listed.objects[0]!.path)
  if (got.kind !== 'ok') throw new Error(`the file that the merge wrote is ${got.kind}`)
  return decode(fields, { bytes: got.bytes, footer: await readFooter(bytesSource('merged', got.bytes)) })
}

/** The bytes of a file that holds the columns as its only row group. */
async function asFile(columns: readonly Column[]): Promise<StoredRows> {
  const { parts } = assembleFile(fields, [encodeRowGroup(fields, columns, OPTIONS)], { keyColumns: 1 })
  const bytes = Buffer.concat(parts.map((part) => (part.kind === 'bytes' ? part.bytes : Buffer.alloc(0))))
  return { bytes, footer: await readFooter(bytesSource('stored', bytes)) }
}

/** Changes as a merge has them: parsed values are plain columns, the labels of streams a dictionary. */
async function changes(share: number): Promise<IncomingChanges> {
  const random = randomFrom(2)
  const lines: string[] = []
  const operations: number[] = []
  const newestVersion = 3 * ROWS * ORDER_STEP
  for (let row = 0; row < ROWS; row++) {
    if (random() >= share) continue
    const isRemoval = random() < 0.1
    operations.push(isRemoval ? REMOVE : PUT)
    lines.push(orderLine('insert', row * ORDER_STEP, newestVersion + Math.floor(random() * ROWS)))
  }
  const columns = (await columnsOfLines(lines)).map((column, i) =>
    fields[i]!.name === '_stream' ? column : expandDictionary(column),
  )
  const count = lines.length
  return {
    count,
    operation: Uint8Array.from(operations),
    keys: encodeKeys([columns[0]!], [fields[0]!.type]),
    versions: encodeVersions(columns[position('_stream')]!, columns[position('_sequence')]!),
    expiryVersions: { starts: new Uint32Array(count + 1), bytes: NO_STRINGS.bytes },
    expiryMicros: new BigInt64Array(count),
    row: Int32Array.from(operations, (_, row) => row),
    columns,
  }
}

function decode(wanted: readonly Field[], { bytes, footer }: StoredRows): Column[] {
  return decodeRowGroup(planRowGroup(footer, 0, wanted), [{ start: 0, bytes }])
}

type Stage = 'keys' | 'join' | 'decode' | 'gather' | 'encode' | 'whole'

function rewrite(stored: StoredRows, incoming: IncomingChanges): { times: Record<Stage, number>; bytes: number } {
  const start = performance.now()
  const keys = encodeKeys(decode([fields[0]!], stored), [fields[0]!.type])
  const keysEnd = performance.now()
  const found = findRows(keys, incoming.keys, 0, incoming.count)
  const matched = Uint32Array.from(found.filter((row) => row >= 0))
  const [stream, sequence] = decode(VERSION_FIELDS, stored).map((column) => takeRows(column, matched))
  const versions = encodeVersions(stream!, sequence!)
  const outcomes = new Uint8Array(incoming.count)
  const { selection } = selectRows(ROWS, found, versions, null, incoming, 0, incoming.count, outcomes)
  if (selection === null) throw new Error('no change applied')
  const joinEnd = performance.now()
  const columns = decode(fields, stored)
  const decodeEnd = performance.now()
  const gathered = fields.map((field, i) => gather(field.type, columns[i]!, incoming.columns[i]!, selection))
  const gatherEnd = performance.now()
  const { bytes } = encodeRowGroup(fields, gathered, OPTIONS)
  const end = performance.now()
  const times = {
    keys: keysEnd - start,
    join: joinEnd - keysEnd,
    decode: decodeEnd - joinEnd,
    gather: gatherEnd - decodeEnd,
    encode: end - gatherEnd,
    whole: end - start,
  }
  return { times, bytes: bytes.length }
}

function report(name: string, stored: StoredRows, incoming: IncomingChanges): void {
  const runs = Array.from({ length: REPETITIONS }, () => rewrite(stored, incoming))
  const stages = Object.keys(runs[0]!.times) as Stage[]
  const figures = stages.map((stage) => `${stage} ${perRow(runs.map(({ times }) => times[stage]))}`)
  console.log(`${name}: ${figures.join(', ')} ns a row; ${(runs[0]!.bytes / ROWS).toFixed(2)} bytes a row`)
}

function reportColumns(stored: StoredRows, incoming: IncomingChanges): void {
  const { selection } = selectRows(
    ROWS,
    findRows(encodeKeys(decode([fields[0]!], stored), [fields[0]!.type]), incoming.keys, 0, incoming.count),
    { starts: new Uint32Array(incoming.count + 1), bytes: NO_STRINGS.bytes },
    null,
    incoming,
    0,
    incoming.count,
    new Uint8Array(incoming.count),
  )
  for (const [i, field] of fields.entries()) {
    const times: [number, number, number][] = []
    let bytes = 0
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      const start = performance.now()
      const [column] = decode([field], stored)
      const decodeEnd = performance.now()
      const gathered = gather(field.type, column!, incoming.columns[i]!, selection!)
      const gatherEnd = performance.now()
      bytes = encodeRowGroup([field], [gathered], { ...OPTIONS, keyColumns: i === 0 ? 1 : 0 }).bytes.length
      times.push([decodeEnd - start, gatherEnd - decodeEnd, performance.now() - gatherEnd])
    }
    const [decoding, gathering, encoding] = [0, 1, 2].map((stage) => perRow(times.map((time) => time[stage]!)))
    console.log(
      `  ${field.name} (${storedAs(stored.footer, i)}): decode ${decoding}, gather ${gathering}, encode ${encoding} ns a row; ` +
        `${(bytes / ROWS).toFixed(2)} bytes a row`,
    )
  }
}

function storedAs(footer: Footer, column: number): string {
  const { codec, encodings } = footer.rowGroups[0]!.columns[column]!.metaData!
  const names = encodings
    .filter((encoding) => encoding !== Encoding.RLE)
    .map((encoding) => enumName(Encoding, encoding))
  return `${names.join(' ')}, ${enumName(Codec, codec)}`
}

function perRow(milliseconds: readonly number[]): string {
  const median = milliseconds.toSorted((a, b) => a - b)[milliseconds.length >> 1]!
  return ((median * 1e6) / ROWS).toFixed(0)
}
