// What is written is read back by DuckDB, by hyparquet and by our own reader.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Column } from '../src/columns/column.ts'
import { columnOf } from '../src/columns/values.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { Codec, Encoding, PageType } from '../src/parquet/footer.ts'
import { type EncodedRowGroup, encodeRowGroup, type WriteOptions } from '../src/parquet/write-row-group.ts'
import type { Field, PrimitiveType } from '../src/primitive-type.ts'
import { asHyparquetTells, fileOf, readDuckdb, readHyparquet, readOurs, type Texts, textOf } from './parquet-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'parquet-write-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ROWS = 600
const PAGE_ROWS = 200

/** A value of each type for each of the numbers from 0 to 10^12, ascending with it. */
const TYPES: readonly { type: PrimitiveType; valueAt: (n: number) => PartitionValue }[] = [
  { type: { kind: 'boolean' }, valueAt: (n) => n % 2 === 1 },
  { type: { kind: 'int' }, valueAt: (n) => n - 700 },
  { type: { kind: 'long' }, valueAt: (n) => BigInt(n) * 5_000_000_003n - 2n ** 53n },
  { type: { kind: 'float' }, valueAt: (n) => Math.fround(n / 3) },
  { type: { kind: 'double' }, valueAt: (n) => n / 3 },
  { type: { kind: 'decimal', precision: 9, scale: 2 }, valueAt: (n) => BigInt(n) - 500n },
  { type: { kind: 'decimal', precision: 18, scale: 4 }, valueAt: (n) => BigInt(n) * 1_000_000_007n - 500n },
  { type: { kind: 'decimal', precision: 20, scale: 0 }, valueAt: (n) => BigInt(n) * 10n ** 10n - 10n ** 12n },
  { type: { kind: 'decimal', precision: 38, scale: 9 }, valueAt: (n) => (BigInt(n) - 500n) * 10n ** 26n },
  { type: { kind: 'date' }, valueAt: (n) => n - 400 },
  { type: { kind: 'time' }, valueAt: (n) => BigInt(n) },
  { type: { kind: 'timestamp' }, valueAt: (n) => BigInt(n) * 1_000_003n - 10n ** 9n },
  { type: { kind: 'timestamptz' }, valueAt: (n) => BigInt(n) * 1_000_003n - 10n ** 9n },
  { type: { kind: 'string' }, valueAt: (n) => `ключ 𝄞 ${String(n).padStart(13, '0')}` },
  { type: { kind: 'binary' }, valueAt: (n) => Uint8Array.of(0, 255, n >> 16, n >> 8, n) },
  { type: { kind: 'uuid' }, valueAt: (n) => bigEndian(n, 16) },
  { type: { kind: 'fixed', bytes: 5 }, valueAt: (n) => bigEndian(n, 5) },
]

function bigEndian(n: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (n / 2 ** (8 * (bytes - 1 - i))) & 0xff)
}

/** Which numbers the rows hold, and so which encoding pays. */
const SHAPES: Record<string, (row: number) => number> = {
  ascending: (row) => row * 3,
  repeating: (row) => ((row * 7919) % 13) * 5,
  'in stretches': (row) => Math.floor(row / 55) * 1001,
  constant: () => 41,
  scattered: (row) => (row * 2_654_435_761) % 30_000,
}
const NULLS: Record<string, (row: number) => boolean> = {
  none: () => false,
  some: (row) => (row * 31) % 7 === 0,
  'whole pages': (row) => row >= 200 && row < 450,
  all: () => true,
}

const allShapes = Object.entries(SHAPES).flatMap(([shape, numberAt]) =>
  Object.entries(NULLS).map(([nulls, isNull]) => ({ name: `${shape}, nulls: ${nulls}`, numberAt, isNull })),
)
/** A column for every type, one group for every shape and kind of nulls. */
const optionalFields: Field[] = TYPES.map(({ type }, i) => ({ id: i + 1, name: `c${i}`, type, required: false }))

function shapeValues({ numberAt, isNull }: (typeof allShapes)[number]): PartitionValue[][] {
  const rows = Array.from({ length: ROWS }, (_, row) => row)
  return TYPES.map(({ valueAt }) => rows.map((row) => (isNull(row) ? null : valueAt(numberAt(row)))))
}

function columnsOf(fields: readonly Field[], values: readonly (readonly PartitionValue[])[]): Column[] {
  return fields.map(({ type }, i) => columnOf(type, values[i]!))
}

function textsOf(groups: readonly (readonly (readonly PartitionValue[])[])[]): Texts {
  return groups[0]!.map((_, i) => groups.flatMap((values) => values[i]!.map(textOf)))
}

function options(over: Partial<WriteOptions> = {}): WriteOptions {
  return { codec: 'zstd', keyColumns: 0, pageRows: PAGE_ROWS, ...over }
}

async function expectReadBack(
  fields: readonly Field[],
  groups: readonly EncodedRowGroup[],
  texts: Texts,
): Promise<void> {
  const file = fileOf(fields, groups)
  const path = join(folder, 'file.parquet')
  writeFileSync(path, file)
  expect(await readOurs(fields, file)).toEqual(texts)
  expect(await readDuckdb(fields, path)).toEqual(texts)
  expect(await readHyparquet(fields, file)).toEqual(asHyparquetTells(fields, texts))
}

describe('a file of every type, shape and kind of nulls', () => {
  for (const codec of ['zstd', 'snappy', 'gzip', 'uncompressed'] as const) {
    it(`is read back by three readers, ${codec}`, async () => {
      const groups = allShapes.map(shapeValues)
      const encoded = groups.map((values) =>
        encodeRowGroup(optionalFields, columnsOf(optionalFields, values), options({ codec })),
      )
      await expectReadBack(optionalFields, encoded, textsOf(groups))
    })
  }

  it('is read back where columns are required', async () => {
    const fields = optionalFields.map((field) => ({ ...field, required: true }))
    const groups = allShapes.filter(({ name }) => name.endsWith('none')).map(shapeValues)
    const encoded = groups.map((values) => encodeRowGroup(fields, columnsOf(fields, values), options()))
    await expectReadBack(fields, encoded, textsOf(groups))
  })

  it('is read back with pages of one row and of all rows', async () => {
    const groups = allShapes.map(shapeValues).map((values) => values.map((column) => column.slice(0, 70)))
    const sizes = [1, 70]
    const encoded = sizes.flatMap((pageRows) =>
      groups.map((values) => encodeRowGroup(optionalFields, columnsOf(optionalFields, values), options({ pageRows }))),
    )
    await expectReadBack(optionalFields, encoded, textsOf(sizes.flatMap(() => groups)))
  })
})

describe('any columns', () => {
  const numbers = fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 3000 }), fc.nat({ max: 10 ** 9 }))
  const rowsOf = fc.array(fc.option(numbers, { nil: null, freq: 6 }), { minLength: 1, maxLength: 150 })

  /** The same rows over a dictionary of what `numbers` name, some of it twice. */
  function dictionaryColumn(type: PrimitiveType, entries: readonly PartitionValue[], rows: (number | null)[]): Column {
    const { validity } = columnOf({ kind: 'int' }, rows)
    const indices = Uint32Array.from(rows, (number) => (number ?? 0) % entries.length)
    return { kind: 'dictionary', rows: rows.length, validity, indices, dictionary: columnOf(type, entries) }
  }

  it('are read back by two readers, plain or over a dictionary, whatever the pages', async () => {
    const columns = fc.tuple(fc.nat({ max: TYPES.length - 1 }), rowsOf, fc.boolean(), fc.integer({ min: 1, max: 12 }))
    await fc.assert(
      fc.asyncProperty(
        columns,
        fc.integer({ min: 1, max: 60 }),
        async ([i, rows, isDictionary, entryCount], pageRows) => {
          const { type, valueAt } = TYPES[i]!
          const fields: Field[] = [{ id: 3, name: 'c', type, required: false }]
          const entries = Array.from({ length: entryCount }, (_, entry) => valueAt(entry * 1009))
          const values = rows.map((number) => {
            if (number === null) return null
            return isDictionary ? entries[number % entryCount]! : valueAt(number)
          })
          const column = isDictionary ? dictionaryColumn(type, entries, rows) : columnOf(type, values)
          const file = fileOf(fields, [encodeRowGroup(fields, [column], options({ pageRows }))])
          const texts = [values.map(textOf)]
          expect(await readOurs(fields, file)).toEqual(texts)
          expect(await readHyparquet(fields, file)).toEqual(asHyparquetTells(fields, texts))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('encodings', () => {
  const long: Field = { id: 1, name: 'n', type: { kind: 'long' }, required: false }
  const text: Field = { id: 1, name: 's', type: { kind: 'string' }, required: false }
  const encodingsOf = (field: Field, values: PartitionValue[]) => {
    const { rowGroup } = encodeRowGroup([field], [columnOf(field.type, values)], options())
    return rowGroup.columns[0]!.metaData!.encodings
  }

  it('writes differences for numbers that ascend, and a dictionary for those that repeat', () => {
    const ascending = Array.from({ length: ROWS }, (_, row) => BigInt(row) * 3n)
    expect(encodingsOf(long, ascending)).toContain(Encoding.DELTA_BINARY_PACKED)
    const repeating = Array.from({ length: ROWS }, (_, row) => BigInt((row * 7919) % 5) * 10n ** 15n)
    expect(encodingsOf(long, repeating)).toContain(Encoding.RLE_DICTIONARY)
  })

  it('writes texts that do not repeat as they are', () => {
    const distinct = Array.from({ length: ROWS }, (_, row) => `text ${row}`)
    expect(encodingsOf(text, distinct)).toEqual([Encoding.RLE, Encoding.PLAIN])
  })

  it('writes the lengths of random texts apart from them', async () => {
    const random = (row: number) => createHash('sha512').update(String(row)).digest('hex')
    const values = Array.from({ length: ROWS }, (_, row) =>
      row % 11 === 0 ? null : random(row).slice(0, row % 7 === 0 ? 24 + (row % 100) : 24),
    )
    const group = encodeRowGroup([text], [columnOf(text.type, values)], options())
    expect(group.rowGroup.columns[0]!.metaData!.encodings).toEqual([Encoding.RLE, Encoding.DELTA_LENGTH_BYTE_ARRAY])
    await expectReadBack([text], [group], [values])
  })

  it('gives up a dictionary that stops paying after the first rows', async () => {
    const values = Array.from({ length: 60_000 }, (_, row) => (row < 20_000 ? `text ${row % 10}` : `text ${row}`))
    const group = encodeRowGroup([text], [columnOf(text.type, values)], { codec: 'zstd', keyColumns: 0 })
    expect(group.rowGroup.columns[0]!.metaData!.encodings).toEqual([Encoding.RLE, Encoding.PLAIN])
    await expectReadBack([text], [group], [values])
  })

  it('writes dictionaries of every width of indices', async () => {
    for (const entries of [2, 3, 17, 300, 3000]) {
      const values = Array.from({ length: 21_003 }, (_, row) => BigInt((row * 7919) % entries) * 10n ** 14n)
      const group = encodeRowGroup([long], [columnOf(long.type, values)], options({ pageRows: 4000 }))
      expect(group.rowGroup.columns[0]!.metaData!.encodings).toContain(Encoding.RLE_DICTIONARY)
      await expectReadBack([long], [group], [values.map(String)])
    }
  })

  it('wraps differences that overflow', async () => {
    const extremes = [2n ** 63n - 1n, -(2n ** 63n), 0n, -1n, 2n ** 63n - 1n, 2n ** 62n, -(2n ** 63n)]
    // Rows that ascend afterwards make differences the shortest encoding.
    const values = [...extremes, ...Array.from({ length: 2000 }, (_, row) => BigInt(row))]
    const group = encodeRowGroup([long], [columnOf(long.type, values)], options())
    expect(group.rowGroup.columns[0]!.metaData!.encodings).toContain(Encoding.DELTA_BINARY_PACKED)
    await expectReadBack([long], [group], [values.map(String)])
    const int: Field = { ...long, type: { kind: 'int' } }
    const ints = [2 ** 31 - 1, -(2 ** 31), 0, -1, ...Array.from({ length: 2000 }, (_, row) => row)]
    const intGroup = encodeRowGroup([int], [columnOf(int.type, ints)], options())
    expect(intGroup.rowGroup.columns[0]!.metaData!.encodings).toContain(Encoding.DELTA_BINARY_PACKED)
    await expectReadBack([int], [intGroup], [ints.map(String)])
  })
})

describe('columns that come with a dictionary', () => {
  const field: Field = { id: 1, name: 's', type: { kind: 'string' }, required: false }
  const words = ['unused', 'pear', 'apple', 'also unused', 'fig']

  it('keep its entries in their order, without those that no row names', async () => {
    const dictionary = columnOf(field.type, words)
    const values = Array.from({ length: 500 }, (_, row) => (row % 9 === 0 ? null : [4, 1, 2][row % 3]!))
    const plain = columnOf({ kind: 'int' }, values)
    const indices = Uint32Array.from(values, (value) => value ?? 0)
    const column: Column = { kind: 'dictionary', rows: 500, validity: plain.validity, indices, dictionary }
    const group = encodeRowGroup([field], [column], options({ codec: 'uncompressed' }))
    const { metaData } = group.rowGroup.columns[0]!
    const page = Buffer.from(group.bytes.subarray(metaData!.dictionaryPageOffset, metaData!.dataPageOffset)).toString(
      'latin1',
    )
    expect(page).toMatch(/pear.*apple.*fig/s)
    expect(page).not.toContain('unused')
    await expectReadBack([field], [group], [values.map((value) => (value === null ? null : words[value]!))])
  })

  it('are read back where every row is null', async () => {
    const nulls = columnOf(field.type, [null, null, null])
    const dictionary = columnOf(field.type, words)
    const column: Column = { ...nulls, kind: 'dictionary', indices: new Uint32Array(3), dictionary }
    await expectReadBack([field], [encodeRowGroup([field], [column], options())], [[null, null, null]])
  })

  it('are written plain where hardly a value repeats', async () => {
    const values = Array.from({ length: 100 }, (_, row) => `value ${row}`)
    const dictionary = columnOf(field.type, values)
    const column: Column = {
      kind: 'dictionary',
      rows: 100,
      validity: null,
      indices: new Uint32Array(100).map((_, row) => 99 - row),
      dictionary,
    }
    const group = encodeRowGroup([field], [column], options())
    expect(group.rowGroup.columns[0]!.metaData!.dictionaryPageOffset).toBeUndefined()
    await expectReadBack([field], [group], [values.toReversed()])
  })
})

describe('pages and chunks', () => {
  const field: Field = { id: 1, name: 's', type: { kind: 'string' }, required: true }

  it('leaves a chunk uncompressed where compressing gains less than an eighth', () => {
    const double: Field = { id: 1, name: 'd', type: { kind: 'double' }, required: true }
    const values = Array.from({ length: 5000 }, (_, row) => Math.sin(row * 1.7) * 1e6)
    const { rowGroup } = encodeRowGroup([double], [columnOf(double.type, values)], options())
    const { metaData } = rowGroup.columns[0]!
    expect(metaData!.codec).toBe(Codec.UNCOMPRESSED)
    expect(metaData!.totalCompressedSize).toBe(metaData!.totalUncompressedSize)
  })

  it('cuts pages of large values', () => {
    const values = Array.from({ length: 40 }, (_, row) => String(row % 10).repeat(400_000))
    const { offsetIndexes } = encodeRowGroup([field], [columnOf(field.type, values)], options())
    const firstRows = offsetIndexes[0]!.pageLocations.map(({ firstRowIndex }) => firstRowIndex)
    expect(firstRows.length).toBeGreaterThan(3)
    expect(firstRows[0]).toBe(0)
  })

  it('counts its pages by encoding', () => {
    const values = Array.from({ length: 1000 }, (_, row) => `text ${row % 5}`)
    const { rowGroup } = encodeRowGroup([field], [columnOf(field.type, values)], options())
    expect(rowGroup.columns[0]!.metaData!.encodingStats).toEqual([
      { pageType: PageType.DICTIONARY_PAGE, encoding: Encoding.PLAIN, count: 1 },
      { pageType: PageType.DATA_PAGE, encoding: Encoding.RLE_DICTIONARY, count: 5 },
    ])
  })

  it('gives the same bytes whatever was encoded before', () => {
    const encode = (rows: number) => {
      const values = Array.from({ length: rows }, (_, row) => `text ${row % 50}`)
      return encodeRowGroup([field], [columnOf(field.type, values)], options())
    }
    const before = encode(777)
    encode(9000)
    encode(3)
    expect(encode(777)).toEqual(before)
  })

  it('refuses rows that are not sorted by the key', () => {
    const column = columnOf(field.type, ['b', 'c', 'a'])
    expect(() => encodeRowGroup([field], [column], options({ keyColumns: 1 }))).toThrow(/sorted by key column s/)
  })
})
