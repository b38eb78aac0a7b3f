// Files of all types and the metadata columns of a table, and merges of changes into them, with rows as lists of values.

import { expect } from 'vitest'
import { EXPIRE, PUT, REMOVE } from '../src/change/scanned-lines.ts'
import { encodeVersion, sequenceForm } from '../src/change/version.ts'
import type { Column } from '../src/columns/column.ts'
import { columnOf } from '../src/columns/values.ts'
import type { IncomingChanges } from '../src/files/incoming.ts'
import type { FileContent } from '../src/files/merge-context.ts'
import { type MergeResult, mergeFiles } from '../src/files/merge-files.ts'
import type { DataFile } from '../src/iceberg/manifest.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { decodeColumnIndex, decodeOffsetIndex, decodePageHeader } from '../src/parquet/footer.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { memoryStore } from '../src/store/memory.ts'
import type { ObjectPart } from '../src/store/object-store.ts'
import { textStrings } from './byte-strings.ts'
import { TYPES } from './columns/models.ts'
import { type Texts, textOf } from './parquet-files.ts'

export type Row = readonly PartitionValue[]

export const attributes: readonly Field[] = TYPES.map((type, i) => ({
  id: i + 2,
  name: `c${i}`,
  type,
  required: false,
}))
export const fields: readonly Field[] = [
  { id: 1, name: 'pk', type: { kind: 'string' }, required: true },
  ...attributes,
  { id: 100, name: '_updated_at', type: { kind: 'timestamptz' }, required: false },
  { id: 101, name: '_stream', type: { kind: 'string' }, required: false },
  { id: 102, name: '_sequence', type: { kind: 'string' }, required: false },
  { id: 103, name: '_expired_at', type: { kind: 'timestamptz' }, required: false },
]
export const position = (name: string) => fields.findIndex((field) => field.name === name)
export const [STREAM, SEQUENCE, EXPIRED] = ['_stream', '_sequence', '_expired_at'].map(position) as [
  number,
  number,
  number,
]
export const PATH = 'memory://lake/orders/stored.parquet'
export const STREAMS = ['2026-11-22T08:00:00.000', '2026-11-23T08:00:00.000'] as const
export const MARK = 1_800_000_000_000_000n

export interface Change {
  readonly key: number
  readonly operation: number
  /** Sets some of the stored row's attributes; a row that does not stand gets them all. */
  readonly set: ReadonlyMap<number, PartitionValue>
  readonly stream: number
  readonly isStale: boolean
}

export const keyText = (key: number) => `key ${String(key).padStart(4, '0')}`
/** Stored keys are even. */
export const keyOf = (row: Row) => Number((row[0] as string).slice(4))

export function storedRow(key: number, values: Row, added: number): Row {
  const known = values.map((value, i) => (i < attributes.length - added ? value : null))
  return [keyText(key), ...known, 1_000_000n, STREAMS[0], sequenceForm('5'), null]
}

/** The row after the change; undefined where none is left. */
export function changedRow(stored: Row | undefined, change: Change, sequence = '7'): Row | undefined {
  const base = stored ?? [keyText(change.key), ...attributes.map(() => null), null, null, null, null]
  if (change.isStale) return stored
  if (change.operation === REMOVE) return undefined
  if (change.operation === EXPIRE) return stored?.with(EXPIRED, MARK)
  const row = base.map((value, i) => (change.set.has(i) ? change.set.get(i)! : value))
  row[STREAM] = STREAMS[change.stream]!
  row[SEQUENCE] = sequenceForm(sequence)
  row[EXPIRED] = null
  return row
}

export function columnIn({ type }: Field, values: readonly PartitionValue[], asDictionary: boolean): Column {
  const plain = columnOf(type, values)
  const present = values.filter((value) => value !== null)
  if (!asDictionary || present.length === 0 || type.kind === 'boolean') return plain
  const distinct = [...new Map(present.map((value) => [textOf(value), value])).values()]
  const indexOf = new Map(distinct.map((value, i) => [textOf(value), i]))
  const indices = Uint32Array.from(values, (value) => (value === null ? 0 : indexOf.get(textOf(value))!))
  return {
    kind: 'dictionary',
    rows: values.length,
    validity: plain.validity,
    indices,
    dictionary: columnOf(type, distinct),
  }
}

/** `changes` ascend by key; `stored` are the rows that stand, by key. */
export function incomingOf(
  stored: ReadonlyMap<number, Row>,
  changes: readonly Change[],
  sequence = '7',
): IncomingChanges {
  const puts = changes.filter(({ operation }) => operation === PUT)
  const rows = puts.map((change) => changedRow(stored.get(change.key), { ...change, isStale: false }, sequence)!)
  const version = ({ stream, isStale }: Change) =>
    encodeVersion(isStale ? STREAMS[0] : STREAMS[stream]!, isStale ? '3' : sequence)
  const none = new Uint8Array(0)
  const ifExpiry = ({ operation }: Change, of: Uint8Array, otherwise: Uint8Array) =>
    operation === EXPIRE ? of : otherwise
  let row = 0
  return {
    count: changes.length,
    operation: Uint8Array.from(changes, ({ operation }) => operation),
    keys: textStrings(changes.map(({ key }) => keyText(key))),
    versions: strings(changes.map((change) => ifExpiry(change, none, version(change)))),
    expiryVersions: strings(changes.map((change) => ifExpiry(change, version(change), none))),
    expiryMicros: BigInt64Array.from(changes, () => MARK),
    row: Int32Array.from(changes, ({ operation }) => (operation === PUT ? row++ : -1)),
    columns: fields.map((field, i) =>
      columnOf(
        field.type,
        rows.map((each) => each[i]!),
      ),
    ),
  }
}

function strings(each: readonly Uint8Array[]) {
  const starts = new Uint32Array(each.length + 1)
  for (const [i, bytes] of each.entries()) starts[i + 1] = starts[i]! + bytes.length
  return { starts, bytes: new Uint8Array(Buffer.concat(each)) }
}

export interface Merged {
  readonly result: MergeResult
  readonly stored: Uint8Array
  /** Null where nothing was written. */
  readonly file: Uint8Array | null
}

/** Merges into the file, whose row groups stay as they are cut while they have 4 to 24 rows of `rowGroupRows` 16, and in proportion. */
export async function mergeInto(stored: Uint8Array, incoming: IncomingChanges, rowGroupRows: number): Promise<Merged> {
  const store = memoryStore({ objects: [[PATH, stored]] })
  const created: Uint8Array[] = []
  const context = {
    fields,
    keyColumns: 1,
    streamColumn: STREAM,
    sequenceColumn: SEQUENCE,
    expiredColumn: EXPIRED,
    fileBytes: 2 ** 27,
    rowGroupRows,
    sortOrderId: 1,
    store,
    createFile: async (content: FileContent) => {
      const bytesOf = (part: ObjectPart | Uint8Array) =>
        part instanceof Uint8Array
          ? part.slice()
          : part.kind === 'bytes'
            ? part.bytes
            : stored.subarray(part.start, part.end)
      const pieces = await Array.fromAsync<ObjectPart | Uint8Array, Uint8Array>(content, bytesOf)
      created.push(new Uint8Array(Buffer.concat(pieces)))
      return 'memory://lake/orders/new.parquet'
    },
  }
  const file = { path: PATH, fileBytes: stored.length } as DataFile
  const storedFile = { file, deletes: [], names: new Map(), constants: new Map() }
  const result = await mergeFiles(context, [], [storedFile], incoming)
  expect(created.length).toBeLessThanOrEqual(1)
  return { result, stored, file: created[0] ?? null }
}

/** Page indexes lead to the pages and tell of their rows what the pages say. */
export async function expectIndexesPoint(file: Uint8Array): Promise<void> {
  const { rowGroups } = await readFooter(bytesSource('new', file))
  for (const { columns } of rowGroups) {
    for (const { metaData, ...chunk } of columns) {
      const indexAt = (offset: number | undefined, length: number | undefined) =>
        file.subarray(offset!, offset! + length!)
      const { pageLocations } = decodeOffsetIndex(indexAt(chunk.offsetIndexOffset, chunk.offsetIndexLength))
      expect(pageLocations[0]!.offset).toBe(metaData!.dataPageOffset)
      const rows: number[] = []
      for (const { offset, compressedPageSize, firstRowIndex } of pageLocations) {
        const { value: header, end } = decodePageHeader(file, offset)
        expect(end - offset + header.compressedPageSize).toBe(compressedPageSize)
        expect(firstRowIndex).toBe(rows.reduce((sum, count) => sum + count, 0))
        rows.push(header.dataPageHeader!.numValues)
      }
      expect(rows.reduce((sum, count) => sum + count, 0)).toBe(metaData!.numValues)
      if (chunk.columnIndexOffset === undefined) continue
      const { nullCounts } = decodeColumnIndex(indexAt(chunk.columnIndexOffset, chunk.columnIndexLength))
      expect(nullCounts).toHaveLength(pageLocations.length)
      expect(nullCounts!.reduce((sum, count) => sum + count, 0)).toBe(metaData!.statistics!.nullCount)
    }
  }
}

export const textsOf = (rows: readonly Row[]): Texts => fields.map((_, i) => rows.map((row) => textOf(row[i]!)))
