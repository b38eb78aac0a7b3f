// Where rows of a row group are replaced and none comes or goes, columns that stay the same keep their bytes; whatever happens, the new
// file holds the rows that the changes make. What has to stay is told from the rows as texts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { EXPIRE, PUT, REMOVE } from '../src/change/scanned-lines.ts'
import { encodeVersion, sequenceForm } from '../src/change/version.ts'
import type { Column } from '../src/columns/column.ts'
import { columnOf } from '../src/columns/values.ts'
import type { IncomingChanges } from '../src/files/incoming.ts'
import { type MergeResult, mergeFiles } from '../src/files/merge-files.ts'
import type { DataFile } from '../src/iceberg/manifest.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { assembleFile } from '../src/parquet/assemble-file.ts'
import { decodeColumnIndex, decodeOffsetIndex, decodePageHeader, type PageLocation } from '../src/parquet/footer.ts'
import { keyRangesEntry } from '../src/parquet/key-ranges.ts'
import { chunkStart } from '../src/parquet/move-chunk.ts'
import { type Footer, readFooter } from '../src/parquet/read-footer.ts'
import { encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { memoryStore } from '../src/store/memory.ts'
import type { ObjectPart } from '../src/store/object-store.ts'
import { textStrings } from './byte-strings.ts'
import { TYPES } from './columns/models.ts'
import { asHyparquetTells, bytesOf, readDuckdb, readHyparquet, readOurs, type Texts, textOf } from './parquet-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'rewrite-row-group-'))
afterAll(() => rmSync(folder, { recursive: true }))

const attributes: readonly Field[] = TYPES.map((type, i) => ({ id: i + 2, name: `c${i}`, type, required: false }))
const fields: readonly Field[] = [
  { id: 1, name: 'pk', type: { kind: 'string' }, required: true },
  ...attributes,
  { id: 100, name: '_updated_at', type: { kind: 'timestamptz' }, required: false },
  { id: 101, name: '_stream', type: { kind: 'string' }, required: false },
  { id: 102, name: '_sequence', type: { kind: 'string' }, required: false },
  { id: 103, name: '_expired_at', type: { kind: 'timestamptz' }, required: false },
]
const position = (name: string) => fields.findIndex((field) => field.name === name)
const [STREAM, SEQUENCE, EXPIRED] = ['_stream', '_sequence', '_expired_at'].map(position) as [number, number, number]
const PATH = 'memory://lake/orders/stored.parquet'
const STREAMS = ['2026-11-22T08:00:00.000', '2026-11-23T08:00:00.000'] as const
const MARK = 1_800_000_000_000_000n

/** Few values of each type, so that a change often brings what stands; the hard ones among them. */
function poolOf({ type }: Field): readonly PartitionValue[] {
  const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill)
  switch (type.kind) {
    case 'boolean':
      return [null, true, false]
    case 'int':
    case 'date':
      return [null, 0, -1, 20_000]
    case 'float':
      return [null, 0, -0, Number.NaN, 1.5]
    case 'double':
      return [null, 0, -0, Number.NaN, 0.1, Number.POSITIVE_INFINITY]
    case 'string':
      return [null, '', 'a', 'a\u0000', 'é'.repeat(3000)]
    case 'binary':
      return [null, bytes(0, 0), bytes(1, 0), bytes(2, 0), bytes(5000, 7)]
    case 'uuid':
      return [null, bytes(16, 0), bytes(16, 255)]
    case 'fixed':
      return [null, bytes(type.bytes, 0), bytes(type.bytes, 255)]
    case 'decimal':
      return [null, 0n, -1n, 10n ** BigInt(type.precision) - 1n]
    default:
      return [null, 0n, -1n, 1_000_000n]
  }
}

type Row = readonly PartitionValue[]
interface Group {
  readonly rows: readonly Row[]
  /** Of each column whether it comes as a dictionary. */
  readonly asDictionary: boolean
}
interface Change {
  readonly key: number
  readonly operation: number
  /** Sets some of the stored row's attributes; a row that does not stand gets them all. */
  readonly set: ReadonlyMap<number, PartitionValue>
  readonly stream: number
  readonly isStale: boolean
}
interface Case {
  readonly groups: readonly Group[]
  readonly changes: readonly Change[]
  /** The last so many attributes came after the file; every other column had another name. */
  readonly added: number
}

const keyText = (key: number) => `key ${String(key).padStart(4, '0')}`
/** Stored keys are even. */
const keyOf = (row: Row) => Number((row[0] as string).slice(4))

const attributeValues = fc.tuple(...attributes.map((field) => fc.constantFrom(...poolOf(field))))
const someAttributes = fc
  .tuple(attributeValues, fc.subarray(attributes.map((_, i) => i)))
  .map(([values, chosen]) => new Map(chosen.map((i) => [i + 1, values[i]!])))

function storedRow(key: number, values: Row, added: number): Row {
  const known = values.map((value, i) => (i < attributes.length - added ? value : null))
  return [keyText(key), ...known, 1_000_000n, STREAMS[0], sequenceForm('5'), null]
}

const cases: fc.Arbitrary<Case> = fc.constantFrom(0, 0, 1, 2).chain((added) => {
  // Row groups neither small nor large: none is joined or split.
  const sizes = fc.array(fc.integer({ min: 8, max: 14 }), { minLength: 1, maxLength: 3 })
  return sizes.chain((sizes) => {
    const keys = sizes.reduce((sum, size) => sum + size, 0)
    const groups = fc
      .tuple(
        fc.array(attributeValues, { minLength: keys, maxLength: keys }),
        fc.array(fc.boolean(), { minLength: sizes.length, maxLength: sizes.length }),
      )
      .map(([rows, dictionaries]) => {
        let key = 0
        return sizes.map((size, i) => {
          const own = Array.from({ length: size }, () => storedRow(2 * key, rows[key++] as Row, added))
          return { rows: own, asDictionary: dictionaries[i]! }
        })
      })
    const update = fc.record({
      key: fc.nat(keys - 1).map((row) => 2 * row),
      operation: fc.constantFrom(PUT, PUT, PUT, EXPIRE),
      set: someAttributes,
      stream: fc.constantFrom(0, 1),
      isStale: fc.constantFrom(false, false, false, true),
    })
    const moving = fc.record({
      key: fc.nat(2 * keys),
      operation: fc.constantFrom(PUT, REMOVE),
      set: someAttributes,
      stream: fc.constant(1),
      isStale: fc.constant(false),
    })
    const unique = { selector: ({ key }: Change) => key, maxLength: 12 }
    const changes = fc
      .tuple(
        fc.uniqueArray(update, { ...unique, minLength: 1 }),
        fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.uniqueArray(moving, unique) }),
      )
      .map(([updates, others]) => {
        const byKey = new Map<number, Change>([...updates, ...others].map((change) => [change.key, change]))
        return [...byKey.values()].sort((a, b) => a.key - b.key)
      })
    return fc.record({ groups, changes, added: fc.constant(added) })
  })
})

// The definition

function changedRow(stored: Row | undefined, change: Change): Row | undefined {
  const base = stored ?? [keyText(change.key), ...attributes.map(() => null), null, null, null, null]
  if (change.isStale) return stored
  if (change.operation === REMOVE) return undefined
  if (change.operation === EXPIRE) return stored?.with(EXPIRED, MARK)
  const row = base.map((value, i) => (change.set.has(i) ? change.set.get(i)! : value))
  row[STREAM] = STREAMS[change.stream]!
  row[SEQUENCE] = sequenceForm('7')
  row[EXPIRED] = null
  return row
}

interface Expected {
  readonly rows: readonly Row[]
  /** Of each row group that is changed: whether rows come or go, and which columns stay the same. */
  readonly changed: readonly { readonly group: number; readonly moves: boolean; readonly same: readonly number[] }[]
}

function expectedOf({ groups, changes }: Case): Expected {
  const ends = groups.map((_, i) => (groups[i + 1] === undefined ? Infinity : keyOf(groups[i + 1]!.rows[0]!)))
  const rows: Row[] = []
  const changed: Expected['changed'][number][] = []
  for (const [group, { rows: stored }] of groups.entries()) {
    const own = changes.filter(({ key }) => key < ends[group]! && (group === 0 || key >= ends[group - 1]!))
    const byKey = new Map(stored.map((row) => [keyOf(row), row]))
    for (const change of own) {
      const row = changedRow(byKey.get(change.key), change)
      if (row === undefined) byKey.delete(change.key)
      else byKey.set(change.key, row)
    }
    const after = [...byKey].sort(([a], [b]) => a - b).map(([, row]) => row)
    const texts = (of: readonly Row[]) => fields.map((_, i) => JSON.stringify(of.map((row) => textOf(row[i]!))))
    const [was, is] = [texts(stored), texts(after)]
    const same = fields.flatMap((_, i) => (was[i] === is[i] ? [i] : []))
    rows.push(...after)
    if (same.length < fields.length) changed.push({ group, moves: was[0] !== is[0], same })
  }
  return { rows, changed }
}

// What is merged

/** The fields as they were when the file was written. */
function fieldsThen(added: number): readonly Field[] {
  const missing = attributes.slice(attributes.length - added).map(({ id }) => id)
  const known = fields.filter(({ id }) => !missing.includes(id))
  return known.map((field, i) => (i % 2 === 0 || field.id > 99 ? field : { ...field, name: `old ${field.name}` }))
}

function columnIn({ type }: Field, values: readonly PartitionValue[], asDictionary: boolean): Column {
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

type Damage = (location: PageLocation, page: number) => PageLocation

/** `damage` is done to every offset index. */
function storedFileOf({ groups, added }: Case, damage: Damage = (location) => location): Uint8Array {
  const then = fieldsThen(added)
  const encoded = groups.map(({ rows, asDictionary }) => {
    const columns = then.map((field) => {
      const at = fields.findIndex(({ id }) => id === field.id)
      const values = rows.map((row) => row[at]!)
      return columnIn(field, values, asDictionary)
    })
    const encoded = encodeRowGroup(then, columns, { codec: 'zstd', keyColumns: 1, pageRows: 3 })
    const offsetIndexes = encoded.offsetIndexes.map((index) => ({ pageLocations: index!.pageLocations.map(damage) }))
    return { ...encoded, offsetIndexes }
  })
  const key = (row: Row) => new TextEncoder().encode(row[0] as string)
  const ranges = groups.map(({ rows }) => ({ first: key(rows[0]!), last: key(rows.at(-1)!) }))
  return bytesOf(assembleFile(then, encoded, { keyColumns: 0, keyValueMetadata: [keyRangesEntry(ranges)] }))
}

function incomingOf({ groups, changes }: Case): IncomingChanges {
  const stored = new Map(groups.flatMap(({ rows }) => rows.map((row) => [keyOf(row), row])))
  const puts = changes.filter(({ operation }) => operation === PUT)
  const rows = puts.map((change) => changedRow(stored.get(change.key), { ...change, isStale: false })!)
  const version = ({ stream, isStale }: Change) =>
    encodeVersion(isStale ? STREAMS[0] : STREAMS[stream]!, isStale ? '3' : '7')
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

interface Merged {
  readonly result: MergeResult
  readonly stored: Uint8Array
  /** Null where nothing was written. */
  readonly file: Uint8Array | null
}

async function merge(of: Case, damage?: Damage, stored = storedFileOf(of, damage)): Promise<Merged> {
  const store = memoryStore({ objects: [[PATH, stored]] })
  const created: Uint8Array[] = []
  const context = {
    fields,
    keyColumns: 1,
    streamColumn: STREAM,
    sequenceColumn: SEQUENCE,
    expiredColumn: EXPIRED,
    fileBytes: 2 ** 27,
    rowGroupRows: 16,
    sortOrderId: 1,
    store,
    createFile: async (parts: readonly ObjectPart[]) => {
      const pieces = parts.map((part) => (part.kind === 'bytes' ? part.bytes : stored.subarray(part.start, part.end)))
      created.push(new Uint8Array(Buffer.concat(pieces)))
      return 'memory://lake/orders/new.parquet'
    },
  }
  const file = { path: PATH, fileBytes: stored.length } as DataFile
  const storedFile = { file, deletes: [], names: new Map(), constants: new Map() }
  const result = await mergeFiles(context, [], [storedFile], incomingOf(of))
  expect(created.length).toBeLessThanOrEqual(1)
  return { result, stored, file: created[0] ?? null }
}

/** The bytes of a column's chunk; null where the file has no such column. */
function chunkOf(file: Uint8Array, { rowGroups, schema }: Footer, group: number, { id }: Field): Uint8Array | null {
  const column = schema.findIndex(({ fieldId }) => fieldId === id) - 1
  if (column < 0) return null
  const chunk = rowGroups[group]!.columns[column]!
  return file.slice(chunkStart(chunk), chunkStart(chunk) + chunk.metaData!.totalCompressedSize)
}

async function expectKeptBytes({ stored, file, result }: Merged, { changed }: Expected): Promise<void> {
  const before = await readFooter(bytesSource('stored', stored))
  const after = await readFooter(bytesSource('new', file!))
  let copied = 0
  for (const { group, same } of changed.filter(({ moves }) => !moves)) {
    for (const column of same) {
      const chunk = chunkOf(stored, before, group, fields[column]!)
      if (chunk === null) continue
      expect(Buffer.compare(chunk, chunkOf(file!, after, group, fields[column]!)!), fields[column]!.name).toBe(0)
      copied++
    }
  }
  expect(result).toMatchObject({
    rowGroupsEncoded: changed.length,
    chunksCopied: copied,
    chunksEncoded: changed.length * fields.length - copied,
  })
}

/** Page indexes lead to the pages and tell of their rows what the pages say. */
async function expectIndexesPoint(file: Uint8Array): Promise<void> {
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

const textsOf = (rows: readonly Row[]): Texts => fields.map((_, i) => rows.map((row) => textOf(row[i]!)))

async function expectMerged(of: Case, byDuckdb: boolean): Promise<void> {
  const expected = expectedOf(of)
  const merged = await merge(of)
  if (expected.changed.length === 0) {
    expect(merged.file).toBeNull()
    expect(merged.result).toMatchObject({ rowGroupsEncoded: 0, chunksCopied: 0, chunksEncoded: 0, bytesEncoded: 0 })
    return
  }
  // A row group without rows is left out, and its neighbours may be joined with what is left of it.
  fc.pre(expected.changed.every(({ group }) => expectedRowsOf(of, group) >= 4 && expectedRowsOf(of, group) <= 24))
  const texts = textsOf(expected.rows)
  expect(await readOurs(fields, merged.file!)).toEqual(texts)
  expect(await readHyparquet(fields, merged.file!)).toEqual(asHyparquetTells(fields, texts))
  await expectKeptBytes(merged, expected)
  await expectIndexesPoint(merged.file!)
  if (!byDuckdb) return
  const path = join(folder, 'file.parquet')
  writeFileSync(path, merged.file!)
  expect(await readDuckdb(fields, path)).toEqual(texts)
}

function expectedRowsOf({ groups, changes, added }: Case, group: number): number {
  const firsts = groups.map(({ rows }) => keyOf(rows[0]!))
  const own = changes.filter(
    ({ key }) => (group === 0 || key >= firsts[group]!) && key < (firsts[group + 1] ?? Number.POSITIVE_INFINITY),
  )
  return expectedOf({ groups: [groups[group]!], changes: own, added }).rows.length
}

describe('a merge into row groups of one of our files', () => {
  it('gives the rows that the changes make, and keeps each chunk of a column that no replaced row changes', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(cases, (of) => expectMerged(of, false)),
      { numRuns: 150 },
    )
  })

  it('gives files that DuckDB reads the same', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(cases, (of) => expectMerged(of, true)),
      { numRuns: 30 },
    )
  })

  it('compares by the pages themselves, whatever an offset index says', async () => {
    const values = attributes.map((field) => poolOf(field).at(-1)!)
    const nulls = attributes.map(() => null)
    const rows = Array.from({ length: 12 }, (_, row) => storedRow(2 * row, row === 4 ? values : nulls, 0))
    const change = {
      key: 8,
      operation: PUT,
      set: new Map(nulls.entries().map(([i, value]) => [i + 1, value])),
      stream: 1,
      isStale: false,
    }
    const of = { groups: [{ rows, asDictionary: false }], changes: [change], added: 0 }
    const { file } = await merge(of, (location, page) => ({
      ...location,
      firstRowIndex: page === 0 ? 0 : 3 * page + 2,
    }))
    expect(await readOurs(fields, file!)).toEqual(textsOf(expectedOf(of).rows))
  })

  it('is refused where a chunk that would be kept is damaged', async () => {
    const nulls = attributes.map(() => null)
    const rows = Array.from({ length: 12 }, (_, row) => storedRow(2 * row, nulls, 0))
    const change = { key: 8, operation: PUT, set: new Map(), stream: 1, isStale: false }
    const of = { groups: [{ rows, asDictionary: false }], changes: [change], added: 0 }
    const { stored } = await merge(of)
    const { rowGroups } = await readFooter(bytesSource('stored', stored))
    const { dataPageOffset, totalCompressedSize } = rowGroups[0]!.columns[position('c5')]!.metaData!
    const flipped = stored.slice()
    flipped[dataPageOffset + totalCompressedSize - 1]! ^= 1
    await expect(merge(of, undefined, flipped)).rejects.toThrow(
      /row group 0, column "c5": .* does not match its checksum/,
    )
  })
})
