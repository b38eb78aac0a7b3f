import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BytesColumn, Column, DictionaryColumn } from '../../src/columns/column.ts'
import { nullColumn } from '../../src/columns/constant.ts'
import { concat, expandDictionary, gather, type Selection, sliceRows, takeRows } from '../../src/columns/gather.ts'
import { columnOf, valuesOf } from '../../src/columns/values.ts'
import type { PartitionValue } from '../../src/iceberg/transform.ts'
import { formatPrimitiveType, type PrimitiveType } from '../../src/primitive-type.ts'
import { brokenPromise, dictionaryModel, modelColumn, TYPES } from './models.ts'

type Run = readonly [side: number, start: number, length: number]

const LONG: PrimitiveType = { kind: 'long' }
const STRING: PrimitiveType = { kind: 'string' }

function selectionOf(runs: readonly Run[]): Selection {
  return {
    rows: runs.reduce((sum, [, , length]) => sum + length, 0),
    runs: runs.length,
    side: Uint8Array.from(runs, ([side]) => side),
    start: Uint32Array.from(runs, ([, start]) => start),
    length: Uint32Array.from(runs, ([, , length]) => length),
  }
}

function selectedValues(sides: readonly (readonly PartitionValue[])[], runs: readonly Run[]): PartitionValue[] {
  return runs.flatMap(([side, start, length]) => sides[side]!.slice(start, start + length))
}

function runsOver(storedRows: number, incomingRows: number): fc.Arbitrary<Run[]> {
  const side = (number: number, rows: number) =>
    fc.tuple(fc.nat(rows), fc.nat(rows)).map(([a, b]): Run => [number, Math.min(a, b), Math.abs(a - b)])
  return fc.array(fc.oneof(side(0, storedRows), side(1, incomingRows)), { maxLength: 12 })
}

function expectColumn(column: Column, type: PrimitiveType, values: readonly PartitionValue[]): void {
  expect(valuesOf(column, type)).toEqual(values)
  expect(brokenPromise(column, type)).toBeNull()
}

describe.each(TYPES.map((type) => [formatPrimitiveType(type), type] as const))('columns of %s', (_, type) => {
  const twoSides = fc
    .tuple(modelColumn(type), modelColumn(type))
    .chain(([stored, incoming]) =>
      fc.tuple(fc.constant(stored), fc.constant(incoming), runsOver(stored.values.length, incoming.values.length)),
    )

  it('gathers the rows that the runs name', () => {
    fc.assert(
      fc.property(twoSides, ([stored, incoming, runs]) => {
        const gathered = gather(type, stored.column, incoming.column, selectionOf(runs))
        expectColumn(gathered, type, selectedValues([stored.values, incoming.values], runs))
      }),
      { numRuns: 150 },
    )
  })

  it('takes rows in any order, any number of times', () => {
    const taken = modelColumn(type).chain((model) =>
      fc.tuple(
        fc.constant(model),
        model.values.length === 0 ? fc.constant([]) : fc.array(fc.nat(model.values.length - 1)),
      ),
    )
    fc.assert(
      fc.property(taken, ([model, rows]) => {
        const values = rows.map((row) => model.values[row]!)
        expectColumn(takeRows(model.column, Uint32Array.from(rows)), type, values)
      }),
      { numRuns: 60 },
    )
  })

  it('slices, concatenates and expands like arrays of values', () => {
    fc.assert(
      fc.property(fc.array(modelColumn(type, 20), { maxLength: 4 }), fc.nat(), fc.nat(), (models, a, b) => {
        const values = models.flatMap((model) => model.values)
        const whole = concat(
          type,
          models.map((model) => model.column),
        )
        expectColumn(whole, type, values)
        expectColumn(expandDictionary(whole), type, values)
        const [start, end] = [a % (values.length + 1), b % (values.length + 1)].sort((x, y) => x - y) as [
          number,
          number,
        ]
        const slice = sliceRows(whole, start, end)
        expectColumn(slice, type, values.slice(start, end))
        expectColumn(sliceRows(slice, 0, slice.rows), type, values.slice(start, end))
        expectColumn(concat(type, [sliceRows(whole, 0, start), sliceRows(whole, start, whole.rows)]), type, values)
      }),
      { numRuns: 60 },
    )
  })

  it('makes columns of nulls', () => {
    for (const rows of [0, 1, 8, 13]) expectColumn(nullColumn(type, rows), type, Array(rows).fill(null))
  })
})

it('gathers every pair of runs of small columns, nulls included', () => {
  const values = [
    [1n, null, 3n],
    [null, 5n],
  ] as const
  const columns = [columnOf(LONG, values[0]), columnOf(LONG, values[1])] as const
  const runs: Run[] = [0, 1].flatMap((side) => {
    const rows = values[side]!.length
    return Array.from({ length: rows + 1 }, (_, start) => start).flatMap((start) =>
      Array.from({ length: rows - start + 1 }, (_, length): Run => [side, start, length]),
    )
  })
  for (const first of runs) {
    for (const second of runs) {
      const gathered = gather(LONG, columns[0], columns[1], selectionOf([first, second]))
      expectColumn(gathered, LONG, selectedValues(values, [first, second]))
    }
  }
})

describe('dictionaries', () => {
  const colours = columnOf(STRING, ['red', 'green']) as BytesColumn
  const stored = dictionaryModel(colours, ['red', 'green'], [0, null, 1, 1])

  it('keeps the stored dictionary where both sides share it', () => {
    const incoming = dictionaryModel(colours, ['red', 'green'], [1, 0])
    const gathered = gather(
      STRING,
      stored.column,
      incoming.column,
      selectionOf([
        [0, 0, 4],
        [1, 0, 2],
      ]),
    )
    expect((gathered as DictionaryColumn).dictionary).toBe(colours)
  })

  it('keeps the stored dictionary where plain values are all in it', () => {
    const incoming = columnOf(STRING, ['green', 'violet', null])
    const gathered = gather(
      STRING,
      stored.column,
      incoming,
      selectionOf([
        [0, 0, 2],
        [1, 0, 1],
        [1, 2, 1],
      ]),
    )
    expect((gathered as DictionaryColumn).dictionary).toBe(colours)
    expect(valuesOf(gathered, STRING)).toEqual(['red', null, 'green', null])
  })

  it('adds new values once, behind the stored ones', () => {
    const incoming = columnOf(STRING, ['violet', 'blue', 'violet'])
    const gathered = gather(
      STRING,
      stored.column,
      incoming,
      selectionOf([
        [1, 0, 3],
        [0, 2, 1],
      ]),
    )
    expect(valuesOf((gathered as DictionaryColumn).dictionary, STRING)).toEqual(['red', 'green', 'violet', 'blue'])
    expect(valuesOf(gathered, STRING)).toEqual(['violet', 'blue', 'violet', 'green'])
  })

  it('leaves alone the memory behind a stored dictionary', () => {
    const room = 64
    const bytes = new Uint8Array(colours.bytes.length + room)
    bytes.set(colours.bytes)
    const dictionary = { ...colours, bytes }
    const column: DictionaryColumn = {
      kind: 'dictionary',
      rows: 1,
      validity: null,
      indices: new Uint32Array(1),
      dictionary,
    }
    const runs = selectionOf([
      [0, 0, 1],
      [1, 0, 1],
    ])
    expect(valuesOf(gather(STRING, column, columnOf(STRING, ['violet']), runs), STRING)).toEqual(['red', 'violet'])
    expect(bytes.subarray(-room)).toEqual(new Uint8Array(room))
  })

  it('expands where many values are new', () => {
    const names = Array.from({ length: 400 }, (_, i) => `name ${i}`)
    const gathered = gather(
      STRING,
      stored.column,
      columnOf(STRING, names),
      selectionOf([
        [0, 0, 4],
        [1, 0, 400],
      ]),
    )
    expect(gathered.kind).toBe('bytes')
    expect(valuesOf(gathered, STRING)).toEqual([...stored.values, ...names])
  })

  it('does not read a side that gives no row', () => {
    const gathered = gather(STRING, stored.column, columnOf(STRING, ['violet']), selectionOf([[0, 1, 3]]))
    expect((gathered as DictionaryColumn).dictionary).toBe(colours)
  })

  it('keeps bit patterns apart that compare as equal', () => {
    const zeros = columnOf({ kind: 'double' }, [0])
    const model = dictionaryModel(zeros, [0], [0])
    const gathered = gather(
      { kind: 'double' },
      model.column,
      columnOf({ kind: 'double' }, [-0]),
      selectionOf([
        [0, 0, 1],
        [1, 0, 1],
      ]),
    )
    expect(valuesOf(gathered, { kind: 'double' })).toEqual([0, -0])
  })
})

it('keeps the pattern of a NaN', () => {
  const patterns = Uint32Array.of(0x7fc00001, 0xffa00000, 0x7f800001)
  const column = { kind: 'float', rows: 3, validity: null, data: new Float32Array(patterns.buffer) } as const
  const gathered = gather(
    { kind: 'float' },
    column,
    column,
    selectionOf([
      [0, 0, 2],
      [1, 2, 1],
    ]),
  )
  expect(new Uint32Array((gathered as typeof column).data.buffer)).toEqual(patterns)
})

it('refuses a selection whose runs do not add up', () => {
  const column = columnOf(LONG, [1n, 2n])
  expect(() => gather(LONG, column, column, { ...selectionOf([[0, 0, 2]]), rows: 3 })).toThrow('runs of 2 rows')
})
