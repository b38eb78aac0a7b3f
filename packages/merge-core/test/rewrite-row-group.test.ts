// Where rows of a row group are replaced and none comes or goes, columns that stay the same keep their bytes; whatever happens, the new
// file holds the rows that the changes make. What has to stay is told from the rows as texts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { EXPIRE, PUT, REMOVE } from '../src/change/scanned-lines.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { assembleFile } from '../src/parquet/assemble-file.ts'
import type { PageLocation } from '../src/parquet/footer.ts'
import { keyRangesEntry } from '../src/parquet/key-ranges.ts'
import { chunkStart } from '../src/parquet/move-chunk.ts'
import { type Footer, readFooter } from '../src/parquet/read-footer.ts'
import { encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { asHyparquetTells, bytesOf, readDuckdb, readHyparquet, readOurs, textOf } from './parquet-files.ts'
import {
  attributes,
  type Change,
  changedRow,
  columnIn,
  expectIndexesPoint,
  fields,
  incomingOf,
  keyOf,
  type Merged,
  mergeInto,
  position,
  type Row,
  storedRow,
  textsOf,
} from './row-group-merges.ts'

const EXPIRED = position('_expired_at')
const folder = mkdtempSync(join(tmpdir(), 'rewrite-row-group-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

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

interface Group {
  readonly rows: readonly Row[]
  /** Of each column whether it comes as a dictionary. */
  readonly asDictionary: boolean
}
interface Case {
  readonly groups: readonly Group[]
  readonly changes: readonly Change[]
  /** The last so many attributes came after the file; every other column had another name. */
  readonly added: number
}

const attributeValues = fc.tuple(...attributes.map((field) => fc.constantFrom(...poolOf(field))))
const someAttributes = fc
  .tuple(attributeValues, fc.subarray(attributes.map((_, i) => i)))
  .map(([values, chosen]) => new Map(chosen.map((i) => [i + 1, values[i]!])))

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

async function merge(of: Case, damage?: Damage, stored = storedFileOf(of, damage)): Promise<Merged> {
  const rows = new Map(of.groups.flatMap(({ rows }) => rows.map((row) => [keyOf(row), row])))
  return mergeInto(stored, incomingOf(rows, of.changes), 16)
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
  // DuckDB keeps what it has read of a path.
  const path = join(folder, `${files++}.parquet`)
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

  it('marks rows as expired in a column of marks that repeat', async () => {
    const nulls = attributes.map(() => null)
    const rows = Array.from({ length: 12 }, (_, row) => storedRow(2 * row, nulls, 0).with(EXPIRED, row < 9 ? 7n : null))
    const expire = { operation: EXPIRE, set: new Map(), stream: 1, isStale: false }
    const changes = [2, 20].map((key) => ({ ...expire, key }))
    const of = { groups: [{ rows, asDictionary: true }], changes, added: 0 }
    const { file } = await merge(of)
    expect(await readOurs(fields, file!)).toEqual(textsOf(expectedOf(of).rows))
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
