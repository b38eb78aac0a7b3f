// Bounds of chunks and pages hold what they bound, and say nothing where they cannot.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnOf } from '../src/columns/values.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { assembleFile } from '../src/parquet/assemble-file.ts'
import { BoundaryOrder, type ColumnIndex, type Statistics } from '../src/parquet/footer.ts'
import { fileStatistics, rowGroupBounds } from '../src/parquet/statistics.ts'
import { encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field, PrimitiveType } from '../src/primitive-type.ts'
import { compare } from './value-order.ts'

function fieldOf(type: PrimitiveType): Field {
  return { id: 7, name: 'c', type, required: false }
}

function encode(type: PrimitiveType, values: readonly PartitionValue[], keyColumns = 0, pageRows = 4) {
  const field = fieldOf(type)
  const group = encodeRowGroup([field], [columnOf(type, values)], { codec: 'zstd', keyColumns, pageRows })
  const { footer } = assembleFile([field], [group], { keyColumns })
  return {
    statistics: group.rowGroup.columns[0]!.metaData!.statistics!,
    columnIndex: group.columnIndexes[0]!,
    bounds: rowGroupBounds(footer, footer.rowGroups[0]!, field),
    ofFile: fileStatistics(footer, [field]).get(field.id)!,
  }
}

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())
const string: PrimitiveType = { kind: 'string' }
const binary: PrimitiveType = { kind: 'binary' }
const double: PrimitiveType = { kind: 'double' }

const VALUES: readonly [PrimitiveType, fc.Arbitrary<PartitionValue>][] = [
  [{ kind: 'boolean' }, fc.boolean()],
  [{ kind: 'int' }, fc.integer()],
  [{ kind: 'long' }, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [{ kind: 'double' }, fc.double({ noNaN: true })],
  [{ kind: 'float' }, fc.float({ noNaN: true })],
  [{ kind: 'date' }, fc.integer({ min: -100_000, max: 100_000 })],
  [{ kind: 'timestamptz' }, fc.bigInt({ min: -(2n ** 50n), max: 2n ** 50n })],
  [{ kind: 'decimal', precision: 9, scale: 2 }, fc.bigInt({ min: -999_999_999n, max: 999_999_999n })],
  [{ kind: 'decimal', precision: 30, scale: 2 }, fc.bigInt({ min: -(10n ** 30n) + 1n, max: 10n ** 30n - 1n })],
  [string, fc.string({ unit: 'binary', maxLength: 100 })],
  [binary, fc.uint8Array({ maxLength: 100 })],
  [{ kind: 'uuid' }, fc.uint8Array({ minLength: 16, maxLength: 16 })],
]

describe('bounds', () => {
  for (const [type, value] of VALUES) {
    it(`lie around every value: ${JSON.stringify(type)}`, () => {
      const rows = fc.array(fc.option(value, { nil: null }), { minLength: 1, maxLength: 20 })
      fc.assert(
        fc.property(rows, fc.boolean(), (values, repeated) => {
          const all = repeated ? [...values, ...values, ...values] : values
          const { bounds, ofFile, columnIndex, statistics } = encode(type, all)
          const present = all.filter((one) => one !== null)
          expect(statistics.nullCount).toBe(all.length - present.length)
          expect(ofFile).toMatchObject({ ...bounds, values: all.length, nulls: all.length - present.length })
          if (present.length === 0) expect(bounds).toEqual({ lower: null, upper: null })
          for (const one of present) {
            expect(compare(bounds.lower, one)).toBeLessThanOrEqual(0)
            if (bounds.upper !== null) expect(compare(bounds.upper, one)).toBeGreaterThanOrEqual(0)
          }
          if (columnIndex !== null) expectPagesBounded(type, all, columnIndex)
        }),
        { numRuns: 60 },
      )
    })
  }

  /** Reads the bounds of a page as those of a chunk. */
  function expectPagesBounded(type: PrimitiveType, values: readonly PartitionValue[], index: ColumnIndex): void {
    for (const [page, isNull] of index.nullPages.entries()) {
      const present = values.slice(page * 4, page * 4 + 4).filter((one) => one !== null)
      expect(isNull).toBe(present.length === 0)
      expect(index.nullCounts![page]).toBe(values.slice(page * 4, page * 4 + 4).length - present.length)
      if (isNull) continue
      const bounds = { minValue: index.minValues[page]!, maxValue: index.maxValues[page]! }
      const { lower, upper } = boundsOf(type, bounds)
      for (const one of present) {
        expect(compare(lower, one)).toBeLessThanOrEqual(0)
        expect(compare(upper, one)).toBeGreaterThanOrEqual(0)
      }
    }
  }

  function boundsOf(type: PrimitiveType, statistics: Statistics) {
    const field = fieldOf(type)
    const group = encodeRowGroup([field], [columnOf(type, [null])], { codec: 'zstd', keyColumns: 0 })
    const { footer } = assembleFile([field], [group], { keyColumns: 0 })
    const [rowGroup] = footer.rowGroups
    const metaData = { ...rowGroup!.columns[0]!.metaData!, statistics }
    return rowGroupBounds(footer, { ...rowGroup!, columns: [{ fileOffset: 0, metaData }] }, field)
  }

  it('are those of unsigned bytes for texts, not of code units', () => {
    const { bounds } = encode(string, ['\u{1f600}', '\uffee', 'z'])
    expect(bounds).toEqual({ lower: 'z', upper: '\u{1f600}' })
  })

  it('are signed for wide decimals', () => {
    const { bounds } = encode({ kind: 'decimal', precision: 38, scale: 0 }, [-1n, 5n, -(10n ** 37n)])
    expect(bounds).toEqual({ lower: -(10n ** 37n), upper: 5n })
  })

  it('are absent where a value is NaN, in the chunk and in the column index', () => {
    const { statistics, columnIndex } = encode(double, [1, 2, 3, 4, 5, Number.NaN])
    expect(statistics).toEqual({ nullCount: 0 })
    expect(columnIndex).toBeNull()
  })

  it('are −0 below and 0 above where the value is either zero', () => {
    for (const zero of [0, -0]) {
      const { bounds } = encode(double, [zero])
      expect(Object.is(bounds.lower, -0)).toBe(true)
      expect(Object.is(bounds.upper, 0)).toBe(true)
    }
  })

  it('say that pages ascend only where both bounds do', () => {
    const order = (values: number[]) => encode({ kind: 'int' }, values).columnIndex!.boundaryOrder
    expect(order([1, 2, 3, 4, 4, 6, 7, 8])).toBe(BoundaryOrder.ASCENDING)
    expect(order([1, 2, 3, 9, 4, 6, 7, 8])).toBe(BoundaryOrder.UNORDERED)
  })
})

describe('long texts', () => {
  const a64 = 'a'.repeat(64)

  it('are shortened to 64 bytes, the upper bound raised, and both marked', () => {
    const { statistics, columnIndex } = encode(string, [`${a64}m`])
    expect(text(statistics.minValue)).toBe(a64)
    expect(text(statistics.maxValue)).toBe(`${'a'.repeat(63)}b`)
    expect(statistics).toMatchObject({ isMinValueExact: false, isMaxValueExact: false })
    expect(text(columnIndex!.minValues[0])).toBe(a64)
    expect(text(columnIndex!.maxValues[0])).toBe(`${'a'.repeat(63)}b`)
  })

  it('are shortened beside the values, wherever these lie', () => {
    const values = [new Uint8Array(70).fill(254), new Uint8Array(70).fill(253)]
    const column = columnOf(binary, values)
    if (column.kind !== 'bytes') throw new Error(`a binary column comes as ${column.kind}`)
    const inBuffer = { ...column, bytes: Buffer.from(column.bytes) }
    const group = encodeRowGroup([fieldOf(binary)], [inBuffer], { codec: 'zstd', keyColumns: 0, pageRows: 1 })
    expect(Buffer.compare(inBuffer.bytes, column.bytes)).toBe(0)
    expect(group.columnIndexes[0]!.minValues).toEqual([new Uint8Array(64).fill(254), new Uint8Array(64).fill(253)])
    expect(group.columnIndexes[0]!.maxValues.map((bound) => bound[63])).toEqual([255, 254])
  })

  it('of 64 bytes are whole and exact', () => {
    const { statistics } = encode(string, [a64])
    expect(text(statistics.maxValue)).toBe(a64)
    expect(statistics).toMatchObject({ isMinValueExact: true, isMaxValueExact: true })
  })

  it('are cut between code points', () => {
    const { statistics } = encode(string, [`${'a'.repeat(62)}€€`])
    expect(text(statistics.minValue)).toBe('a'.repeat(62))
    expect(text(statistics.maxValue)).toBe(`${'a'.repeat(61)}b`)
  })

  it('step over the surrogates and over the highest code point', () => {
    expect(text(encode(string, [`${'a'.repeat(61)}\ud7ffxyz`]).statistics.maxValue)).toBe(`${'a'.repeat(61)}\ue000`)
    const highest = `${'a'.repeat(60)}\u{10ffff}xyz`
    expect(text(encode(string, [highest]).statistics.maxValue)).toBe(`${'a'.repeat(59)}b`)
  })

  it('have no upper bound, and no column index, where nothing short lies above', () => {
    for (const [type, value] of [
      [string, '\u{10ffff}'.repeat(20)],
      [binary, new Uint8Array(80).fill(255)],
    ] as const) {
      const { statistics, columnIndex, bounds, ofFile } = encode(type, [value])
      expect(statistics.maxValue).toBeUndefined()
      expect(bounds.lower).not.toBeNull()
      expect([bounds.upper, ofFile.upper, columnIndex]).toEqual([null, null, null])
    }
  })

  it('are whole and exact in key columns', () => {
    const long = 'k'.repeat(500)
    const { statistics, columnIndex } = encode(string, [long], 1)
    expect(text(statistics.minValue)).toBe(long)
    expect(text(statistics.maxValue)).toBe(long)
    expect(statistics).toMatchObject({ isMinValueExact: true, isMaxValueExact: true })
    expect(text(columnIndex!.maxValues[0])).toBe(long)
  })
})

describe('statistics of a file', () => {
  const field = fieldOf({ kind: 'long' })
  const groupOf = (values: PartitionValue[]) =>
    encodeRowGroup([field], [columnOf(field.type, values)], { codec: 'zstd', keyColumns: 0 })
  const statisticsOf = (...groups: PartitionValue[][]) => {
    const { footer } = assembleFile([field], groups.map(groupOf), { keyColumns: 0 })
    return { footer, of: fileStatistics(footer, [field]).get(field.id)! }
  }

  it('join those of its groups, and groups of nulls bound nothing', () => {
    const { of } = statisticsOf([5n, null], [null, null], [-3n, 2n, 9n])
    expect(of).toMatchObject({ values: 7, nulls: 3, lower: -3n, upper: 9n })
  })

  it('have no bounds where one group lacks them', () => {
    const { footer } = statisticsOf([5n], [7n])
    const [first, second] = footer.rowGroups
    const metaData = { ...second!.columns[0]!.metaData!, statistics: undefined }
    const foreign = { ...footer, rowGroups: [first!, { ...second!, columns: [{ fileOffset: 0, metaData }] }] }
    expect(fileStatistics(foreign, [field]).get(field.id)).toMatchObject({ nulls: null, lower: null, upper: null })
  })

  it('count the bytes of the column, headers included', () => {
    const group = groupOf([1n, 2n])
    expect(statisticsOf([1n, 2n]).of.columnBytes).toBe(group.bytes.length)
  })

  it('leave out fields that the file does not have', () => {
    const { footer } = statisticsOf([1n])
    expect(fileStatistics(footer, [{ ...field, id: 8 }]).size).toBe(0)
  })
})
