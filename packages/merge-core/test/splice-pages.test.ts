// Pages whose rows stay together go to the new chunk as they stand, whatever the column's pages, encoding and codec; what the file says of
// its pages and chunks is true of the rows that the changes make.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { PUT, REMOVE } from '../src/change/scanned-lines.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { assembleFile } from '../src/parquet/assemble-file.ts'
import {
  BoundaryOrder,
  Codec,
  type ColumnChunk,
  decodeColumnIndex,
  decodeOffsetIndex,
  decodePageHeader,
  Encoding,
  PageType,
  type RowGroup,
  type Statistics,
} from '../src/parquet/footer.ts'
import { keyRangesEntry } from '../src/parquet/key-ranges.ts'
import { chunkStart, type KeptChunk } from '../src/parquet/move-chunk.ts'
import { type Footer, readFooter } from '../src/parquet/read-footer.ts'
import { rowGroupBounds } from '../src/parquet/statistics.ts'
import { encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { asHyparquetTells, bytesOf, readDuckdb, readHyparquet, readOurs } from './parquet-files.ts'
import { randomFrom } from './random-from.ts'
import {
  attributes,
  type Change,
  changedRow,
  columnIn,
  expectIndexesPoint,
  fields,
  incomingOf,
  type Merged,
  mergeInto,
  type Row,
  storedRow,
  textsOf,
} from './row-group-merges.ts'
import { compare } from './value-order.ts'

const folder = mkdtempSync(join(tmpdir(), 'splice-pages-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

/** A value of each type for each number, ascending with it as far as the type goes. */
function valueNumbered({ type }: Field, n: number): PartitionValue {
  switch (type.kind) {
    case 'boolean':
      return n % 2 === 1
    case 'int':
    case 'date':
      return n - 700
    case 'float':
    case 'double':
      return (n - 300) / 4
    case 'string':
      return n % 5 === 0 ? `${'ключ 𝄞 '.repeat(20)}${n}` : `a${n}`
    case 'binary':
      // Of long values of the highest byte no short upper bound is.
      return Buffer.concat([Buffer.alloc(n % 5 === 4 ? 70 : 3, n % 15 === 14 ? 255 : 254), Uint8Array.of(n >> 8, n)])
    case 'uuid':
      return new Uint8Array(16).fill(n, 8)
    case 'fixed':
      return new Uint8Array(type.bytes).fill(n)
    default:
      return (BigInt(n) - 300n) * 1_000_003n
  }
}

interface ColumnForm {
  readonly asDictionary: boolean
  readonly codec: 'zstd' | 'uncompressed'
  readonly pageRows: number
}

/** One row group, each column with pages of its own. */
function fileOf(rows: readonly Row[], forms: readonly ColumnForm[]): Uint8Array {
  const chunks = fields.map((field, i): KeptChunk => {
    const { asDictionary, codec, pageRows } = forms[i]!
    const keys = columnIn(
      fields[0]!,
      rows.map((row) => row[0]!),
      false,
    )
    const column = columnIn(
      field,
      rows.map((row) => row[i]!),
      asDictionary && i > 0,
    )
    // The key goes first, so that no dictionary page lies at 0, and is bounded as one.
    const [of, at] = i === 0 ? [[field], 0] : [[fields[0]!, field], 1]
    const columns = i === 0 ? [column] : [keys, column]
    const group = encodeRowGroup(of, columns, { codec, keyColumns: 1, pageRows })
    const chunk = group.rowGroup.columns[at]!
    const start = chunkStart(chunk)
    return {
      kind: 'kept',
      bytes: group.bytes.slice(start, start + chunk.metaData!.totalCompressedSize),
      chunk,
      columnIndex: group.columnIndexes[at]!,
      offsetIndex: group.offsetIndexes[at]!,
    }
  })
  const key = (row: Row) => new TextEncoder().encode(row[0] as string)
  const ranges = [{ first: key(rows[0]!), last: key(rows.at(-1)!) }]
  const group = encodeRowGroup(fields, chunks, { codec: 'zstd', keyColumns: 1 })
  return bytesOf(assembleFile(fields, [group], { keyColumns: 0, keyValueMetadata: [keyRangesEntry(ranges)] }))
}

type Rows = ReadonlyMap<number, Row>

const inOrder = (rows: Rows): Row[] => [...rows].sort(([a], [b]) => a - b).map(([, row]) => row)

function afterChanges(rows: Rows, changes: readonly Change[], sequence: string): Rows {
  const after = new Map(rows)
  for (const change of changes) {
    const row = changedRow(after.get(change.key), change, sequence)
    if (row === undefined) after.delete(change.key)
    else after.set(change.key, row)
  }
  return after
}

// What a file says

interface PageOfChunk {
  readonly encoding: number
  readonly bytes: Buffer
  readonly firstRow: number
  readonly rows: number
}

function cut(file: Uint8Array, offset: number | undefined, length: number | undefined): Uint8Array {
  return file.subarray(offset!, offset! + length!)
}

function pagesOf(file: Uint8Array, { offsetIndexOffset, offsetIndexLength }: ColumnChunk): PageOfChunk[] {
  return decodeOffsetIndex(cut(file, offsetIndexOffset, offsetIndexLength)).pageLocations.map((location) => {
    const header = decodePageHeader(file, location.offset).value.dataPageHeader!
    return {
      encoding: header.encoding,
      bytes: Buffer.from(cut(file, location.offset, location.compressedPageSize)),
      firstRow: location.firstRowIndex,
      rows: header.numValues,
    }
  })
}

async function expectTrueOfRows(file: Uint8Array, rows: readonly Row[]): Promise<void> {
  const footer = await readFooter(bytesSource('new', file))
  const [group] = footer.rowGroups
  let end = chunkStart(group!.columns[0]!)
  for (const [i, chunk] of group!.columns.entries()) {
    const field = fields[i]!
    const metaData = chunk.metaData!
    const pages = pagesOf(file, chunk)
    expect(chunkStart(chunk), field.name).toBe(end)
    end += metaData.totalCompressedSize
    expectSizes(file, chunk, pages)
    const values = rows.map((row) => row[i]!)
    const bounds = (statistics: Statistics) => boundsBy(footer, group!, i, statistics)
    expectBounded(field, values, metaData.statistics!, bounds(metaData.statistics!))
    if (chunk.columnIndexOffset === undefined) continue
    const index = decodeColumnIndex(cut(file, chunk.columnIndexOffset, chunk.columnIndexLength))
    const ofPages = pages.map(({ firstRow, rows }, page) => {
      const statistics = {
        nullCount: index.nullCounts![page]!,
        minValue: index.minValues[page]!,
        maxValue: index.maxValues[page]!,
      }
      const own = values.slice(firstRow, firstRow + rows)
      expect(index.nullPages[page]).toBe(own.every((value) => value === null))
      const found = bounds(index.nullPages[page] ? { nullCount: rows } : statistics)
      expectBounded(field, own, statistics, found)
      return found
    })
    if (index.boundaryOrder === BoundaryOrder.UNORDERED) continue
    const bounded = ofPages.filter(({ lower }) => lower !== null)
    for (const [p, page] of bounded.slice(1).entries()) {
      expect(compare(bounded[p]!.lower, page.lower)).toBeLessThanOrEqual(0)
      expect(compare(bounded[p]!.upper, page.upper)).toBeLessThanOrEqual(0)
    }
  }
}

/** Reads bounds as those of the chunk. */
function boundsBy(footer: Footer, group: RowGroup, column: number, statistics: Statistics) {
  const columns = group.columns.map((chunk, i) =>
    i === column ? { ...chunk, metaData: { ...chunk.metaData!, statistics } } : chunk,
  )
  return rowGroupBounds(footer, { ...group, columns }, fields[column]!)
}

function expectBounded(
  field: Field,
  values: readonly PartitionValue[],
  statistics: Statistics,
  { lower, upper }: { lower: PartitionValue; upper: PartitionValue },
): void {
  const present = values.filter((value) => value !== null)
  expect(statistics.nullCount, field.name).toBe(values.length - present.length)
  if (lower !== null) for (const value of present) expect(compare(lower, value), field.name).toBeLessThanOrEqual(0)
  if (upper !== null) for (const value of present) expect(compare(upper, value), field.name).toBeGreaterThanOrEqual(0)
  const isHeld = (bound: PartitionValue) => present.some((value) => compare(value, bound) === 0)
  if (statistics.isMinValueExact === true) expect(isHeld(lower), field.name).toBe(true)
  if (statistics.isMaxValueExact === true) expect(isHeld(upper), field.name).toBe(true)
  if (field.id === 1) expect([lower, upper]).toEqual([values[0], values.at(-1)])
}

function expectSizes(file: Uint8Array, { metaData }: ColumnChunk, pages: readonly PageOfChunk[]): void {
  const { encodingStats, encodings, dictionaryPageOffset, totalCompressedSize, totalUncompressedSize } = metaData!
  const starts = dictionaryPageOffset === undefined ? [] : [dictionaryPageOffset]
  let offset = metaData!.dataPageOffset
  for (const { bytes } of pages) {
    starts.push(offset)
    offset += bytes.length
  }
  const headers = starts.map((start) => ({ start, ...decodePageHeader(file, start) }))
  const sum = (of: (header: (typeof headers)[number]) => number) => headers.reduce((all, each) => all + of(each), 0)
  expect(totalCompressedSize).toBe(sum(({ start, end, value }) => end - start + value.compressedPageSize))
  expect(totalUncompressedSize).toBe(sum(({ start, end, value }) => end - start + value.uncompressedPageSize))
  const counted = new Map<string, number>()
  for (const { value } of headers) {
    const encoding = value.dataPageHeader?.encoding ?? value.dictionaryPageHeader!.encoding
    counted.set(`${value.type} ${encoding}`, (counted.get(`${value.type} ${encoding}`) ?? 0) + 1)
    expect(encodings).toContain(encoding)
  }
  expect(new Map(encodingStats!.map(({ pageType, encoding, count }) => [`${pageType} ${encoding}`, count]))).toEqual(
    counted,
  )
}

/** Pages that stand in both files, of columns whose chunk is another one. */
async function pagesCopied({ stored, file }: Merged): Promise<number> {
  const [before, after] = await Promise.all(
    [stored, file!].map(async (bytes) => (await readFooter(bytesSource('file', bytes))).rowGroups[0]!.columns),
  )
  return after!.reduce((copied, chunk, i) => {
    const was = new Set(pagesOf(stored, before![i]!).map(({ bytes }) => bytes.toString('latin1')))
    const is = pagesOf(file!, chunk).map(({ bytes }) => bytes.toString('latin1'))
    return is.every((bytes) => was.has(bytes)) ? copied : copied + is.filter((bytes) => was.has(bytes)).length
  }, 0)
}

// Random merges, one after another

const GROUP_ROWS = 48

interface Story {
  readonly rows: Rows
  readonly forms: readonly ColumnForm[]
  readonly merges: readonly (readonly Change[])[]
}

function storyOf(seed: number): Story {
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  const chance = (p: number) => random() < p
  let fresh = 1000
  const withNaN = chance(0.1)
  const nullPart = [0, 0.2, 0.95][below(3)]!
  const valueFor = (field: Field): PartitionValue => {
    if (chance(nullPart)) return null
    if (withNaN && field.type.kind === 'double' && chance(0.02)) return Number.NaN
    return valueNumbered(field, chance(0.7) ? below(12) : fresh++)
  }
  const values = () => attributes.map(valueFor)
  const rows = new Map(Array.from({ length: GROUP_ROWS }, (_, i) => [2 * i, storedRow(2 * i, values(), 0)]))
  const forms = fields.map((): ColumnForm => {
    return { asDictionary: chance(0.5), codec: chance(0.8) ? 'zstd' : 'uncompressed', pageRows: 3 + below(12) }
  })
  const merges = Array.from({ length: 1 + below(4) }, () => {
    const keys = 2 * GROUP_ROWS + 12
    const width = 2 + below(24)
    const from = [0, below(keys - width), keys - width][below(3)]!
    const changes: Change[] = []
    for (let key = from; key < from + width; key++) {
      if (chance(0.4)) continue
      const all = new Map(values().map((value, i) => [i + 1, value]))
      const set = chance(0.3) ? new Map([...all].filter(() => chance(0.2))) : all
      changes.push({ key, operation: chance(0.25) ? REMOVE : PUT, set, stream: 1, isStale: false })
    }
    return changes
  })
  return { rows, forms, merges }
}

let copied = 0

async function expectStory(seed: number, byDuckdb: boolean): Promise<void> {
  const { rows, forms, merges } = storyOf(seed)
  let stored = fileOf(inOrder(rows), forms)
  let now: Rows = rows
  for (const [i, changes] of merges.entries()) {
    const sequence = String(10 + i)
    const next = afterChanges(now, changes, sequence)
    if (next.size < GROUP_ROWS / 4 || next.size > GROUP_ROWS * 1.5) return
    const merged = await mergeInto(stored, incomingOf(now, changes, sequence), GROUP_ROWS)
    now = next
    if (merged.file === null) continue
    const after = inOrder(now)
    const texts = textsOf(after)
    expect(await readOurs(fields, merged.file), `merge ${i}`).toEqual(texts)
    expect(await readHyparquet(fields, merged.file)).toEqual(asHyparquetTells(fields, texts))
    await expectIndexesPoint(merged.file)
    await expectTrueOfRows(merged.file, after)
    if (byDuckdb) {
      // DuckDB keeps what it has read of a path.
      const path = join(folder, `${files++}.parquet`)
      writeFileSync(path, merged.file)
      expect(await readDuckdb(fields, path)).toEqual(texts)
    }
    copied += await pagesCopied(merged)
    stored = merged.file
  }
}

describe('merges of near changes into a row group, one after another', () => {
  it('give files of the right rows, pages, sizes and bounds', { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), (seed) => expectStory(seed, false)),
      { numRuns: 120 },
    )
    expect(copied).toBeGreaterThan(1000)
  })

  it('give files that DuckDB reads the same', { timeout: 180_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), (seed) => expectStory(seed, true)),
      { numRuns: 30 },
    )
  })
})

// What is kept

const uniform = (form: ColumnForm) => fields.map(() => form)
const filled = (key: number, n: (column: number) => number): Row =>
  storedRow(
    key,
    attributes.map((field, i) => valueNumbered(field, n(i))),
    0,
  )

function put(key: number, n: number): Change {
  const set = new Map(attributes.map((field, i) => [i + 1, valueNumbered(field, n)]))
  return { key, operation: PUT, set, stream: 1, isStale: false }
}

async function chunksOf(file: Uint8Array): Promise<readonly ColumnChunk[]> {
  return (await readFooter(bytesSource('file', file))).rowGroups[0]!.columns
}

describe('a merge into the last of twelve pages', () => {
  const rows: Rows = new Map(Array.from({ length: 60 }, (_, i) => [2 * i, filled(2 * i, () => Math.floor(i / 7))]))

  for (const asDictionary of [false, true]) {
    for (const [name, n] of [
      ['values that the columns hold', 5],
      ['new values', 77],
    ] as const) {
      it(`copies eleven and encodes one, ${asDictionary ? 'over dictionaries' : 'plain'}, of ${name}`, async () => {
        const stored = fileOf(inOrder(rows), uniform({ asDictionary, codec: 'zstd', pageRows: 5 }))
        const changes = [put(116, n), put(117, n), { ...put(118, n), operation: REMOVE }, put(121, n)]
        const merged = await mergeInto(stored, incomingOf(rows, changes), 60)
        expect(await readOurs(fields, merged.file!)).toEqual(textsOf(inOrder(afterChanges(rows, changes, '7'))))
        expect(merged.result).toMatchObject({ chunksCopied: 0, chunksEncoded: fields.length })
        const [before, after] = await Promise.all([chunksOf(stored), chunksOf(merged.file!)])
        for (const [i, chunk] of after.entries()) {
          const [was, is] = [pagesOf(stored, before[i]!), pagesOf(merged.file!, chunk)]
          expect(is.length, fields[i]!.name).toBe(12)
          for (let page = 0; page < 11; page++) {
            expect(is[page]!.bytes.equals(was[page]!.bytes), `${fields[i]!.name}, page ${page}`).toBe(true)
          }
        }
        const encodedChunks = after.reduce((sum, { metaData }) => sum + metaData!.totalCompressedSize, 0)
        expect(merged.result.bytesEncoded).toBeLessThan(encodedChunks)
      })
    }
  }

  it('keeps a dictionary page as it stands where no value is new, and its entries in front where some are', async () => {
    const stored = fileOf(inOrder(rows), uniform({ asDictionary: true, codec: 'zstd', pageRows: 5 }))
    const before = await chunksOf(stored)
    for (const n of [5, 77]) {
      const changes = [put(121, n), put(123, n)]
      const { file } = await mergeInto(stored, incomingOf(rows, changes), 60)
      for (const [i, chunk] of (await chunksOf(file!)).entries()) {
        if (i === 0 || i > attributes.length || attributes[i - 1]!.type.kind === 'boolean') continue
        const dictionary = (of: Uint8Array, { metaData }: ColumnChunk) => {
          const start = metaData!.dictionaryPageOffset!
          const { value, end } = decodePageHeader(of, start)
          expect(value.type).toBe(PageType.DICTIONARY_PAGE)
          const bytes = Buffer.from(of.subarray(start, end + value.compressedPageSize))
          return { bytes, entries: value.dictionaryPageHeader!.numValues }
        }
        const [was, is] = [dictionary(stored, before[i]!), dictionary(file!, chunk)]
        if (n === 5) expect(is.bytes.equals(was.bytes), fields[i]!.name).toBe(true)
        else expect(is.entries, fields[i]!.name).toBe(was.entries + 1)
        expect(chunk.metaData!.encodings).toContain(Encoding.RLE_DICTIONARY)
      }
    }
  })

  it('compresses all pages of an uncompressed chunk where the new ones gain by it', async () => {
    const few: Rows = new Map(
      [...rows].map(([key]) => [
        key,
        storedRow(
          key,
          attributes.map(() => null),
          0,
        ),
      ]),
    )
    const stored = fileOf(inOrder(few), uniform({ asDictionary: false, codec: 'uncompressed', pageRows: 5 }))
    const changes = Array.from({ length: 20 }, (_, i) => put(120 + i, 5))
    const { file } = await mergeInto(stored, incomingOf(few, changes), 60)
    expect(await readOurs(fields, file!)).toEqual(textsOf(inOrder(afterChanges(few, changes, '7'))))
    const texts = fields.findIndex(({ name, type }) => name.startsWith('c') && type.kind === 'string')
    const chunk = (await chunksOf(file!))[texts]!
    expect(chunk.metaData!.codec).toBe(Codec.ZSTD)
    expect(pagesOf(file!, chunk).length).toBe(13)
  })

  it('is refused where a page that would be copied is damaged', async () => {
    const stored = fileOf(inOrder(rows), uniform({ asDictionary: false, codec: 'zstd', pageRows: 5 }))
    const chunk = (await chunksOf(stored))[3]!
    const [first] = pagesOf(stored, chunk)
    const flipped = stored.slice()
    flipped[chunk.metaData!.dataPageOffset + first!.bytes.length - 1]! ^= 1
    await expect(mergeInto(flipped, incomingOf(rows, [put(121, 5)]), 60)).rejects.toThrow(
      /stored\.parquet: row group 0, column "c2": .* does not match its checksum/,
    )
  })
})

it('stays of bounded size while each of many merges brings values that no row had', async () => {
  const forms = uniform({ asDictionary: true, codec: 'zstd', pageRows: 10 })
  let now: Rows = new Map(Array.from({ length: 100 }, (_, i) => [2 * i, filled(2 * i, () => i % 9)]))
  let stored = fileOf(inOrder(now), forms)
  for (let merge = 0; merge < 25; merge++) {
    const sequence = String(10 + merge)
    const changes = Array.from({ length: 6 }, (_, i) => put(2 * (90 + i), 100 + 6 * merge + i))
    const { file } = await mergeInto(stored, incomingOf(now, changes, sequence), 100)
    now = afterChanges(now, changes, sequence)
    stored = file!
    expect(await readOurs(fields, stored)).toEqual(textsOf(inOrder(now)))
    const anew = fileOf(inOrder(now), uniform({ asDictionary: true, codec: 'zstd', pageRows: 10 }))
    expect(stored.length).toBeLessThan(anew.length * 1.5)
    for (const chunk of await chunksOf(stored)) expect(pagesOf(stored, chunk).length).toBeLessThanOrEqual(12)
  }
})
