// Bounds of pages after few changes follow from those of the stored pages, and are those that looking at all rows gives.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gather, INCOMING, type Selection, STORED } from '../src/columns/gather.ts'
import { columnOf } from '../src/columns/values.ts'
import { movedRows } from '../src/files/moved-rows.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { boundsOfPages } from '../src/parquet/encode/spliced-bounds.ts'
import type { ColumnIndex } from '../src/parquet/footer.ts'
import { encodeRowGroup, type ValuesLikeBefore } from '../src/parquet/write-row-group.ts'
import type { PrimitiveType } from '../src/primitive-type.ts'
import { arbitraryValue, TYPES } from './columns/models.ts'
import { randomFrom } from './random-from.ts'
import { compare } from './value-order.ts'

const PAGE_ROWS = 40
const ROWS = 5 * PAGE_ROWS

interface Case {
  readonly stored: readonly PartitionValue[]
  readonly incoming: readonly PartitionValue[]
  readonly seed: number
  /** Of a thousand rows, those that change. */
  readonly changed: number
}

/** Values from a pool: a small one has its bounds in many rows. Some columns ascend, as those that go with the key do. */
function cases(type: PrimitiveType): fc.Arbitrary<Case> {
  const value = fc.option(arbitraryValue(type), { nil: null, freq: 20 })
  const pool = fc.integer({ min: 1, max: ROWS }).chain((size) => fc.array(value, { minLength: size, maxLength: size }))
  return fc
    .record({ pool, ascends: fc.boolean(), seed: fc.nat(), changed: fc.constantFrom(5, 20, 60, 300) })
    .map(({ pool, ascends, seed, changed }) => {
      const random = randomFrom(seed)
      const drawn = () => Array.from({ length: ROWS }, () => pool[Math.floor(random() * pool.length)]!)
      const stored = drawn()
      if (ascends) stored.sort((a, b) => (a === null ? -1 : b === null ? 1 : compare(a, b)))
      return { stored, incoming: drawn(), seed, changed }
    })
}

/** Replaces, removes and inserts rows. */
function selectionOf({ seed, changed }: Case): Selection {
  const random = randomFrom(seed + 1)
  const side: number[] = []
  const start: number[] = []
  let arrived = 0
  const take = (from: number, row: number) => {
    side.push(from)
    start.push(row)
  }
  for (let row = 0; row < ROWS; row++) {
    const isChanged = random() * 1000 < changed
    const kind = random()
    if (!isChanged) take(STORED, row)
    else if (kind < 0.4) take(INCOMING, arrived++)
    else if (kind < 0.7) {
      take(INCOMING, arrived++)
      take(STORED, row)
    }
  }
  const rows = side.length
  return {
    rows,
    runs: rows,
    side: Uint8Array.from(side),
    start: Uint32Array.from(start),
    length: new Uint32Array(rows).fill(1),
  }
}

/** The page index that all rows, looked at anew, give. */
function indexOf(type: PrimitiveType, values: readonly PartitionValue[]): ColumnIndex | null {
  return encode(type, columnOf(type, values)).columnIndexes[0]!
}

function encode(
  type: PrimitiveType,
  column: Parameters<typeof encodeRowGroup>[1] extends Iterable<infer C> ? C : never,
) {
  const field = { id: 7, name: 'c', type, required: false }
  return encodeRowGroup([field], [column], { codec: 'uncompressed', keyColumns: 0, pageRows: PAGE_ROWS })
}

describe('bounds of pages with few changes', () => {
  let carried = 0

  for (const type of TYPES) {
    it(`are those of all their rows: ${JSON.stringify(type)}`, () => {
      fc.assert(
        fc.property(cases(type), (of) => {
          const column = columnOf(type, of.stored)
          const selection = selectionOf(of)
          const bounds = boundsOfPages(encode(type, column).columnIndexes[0]!, ROWS / PAGE_ROWS)
          if (bounds === null || selection.rows === 0) return
          const values = Array.from({ length: selection.rows }, (_, run) =>
            selection.side[run] === STORED ? of.stored[selection.start[run]!]! : of.incoming[selection.start[run]!]!,
          )
          const pages = bounds.map((_, page) => ({ firstRow: page * PAGE_ROWS, values: PAGE_ROWS }))
          const source: ValuesLikeBefore = {
            kind: 'like before',
            column: gather(type, column, columnOf(type, of.incoming), selection),
            encoding: 0,
            earlier: {
              column,
              bounds,
              moved: (cut) => {
                const moved = movedRows(pages, cut, selection)
                carried += moved.filter((rows) => rows !== null).length
                return moved
              },
            },
          }
          const { rowGroup, columnIndexes } = encode(type, source)
          const expected = indexOf(type, values)
          expect(columnIndexes[0]).toEqual(expected)
          const { minValue, maxValue, nullCount } = rowGroup.columns[0]!.metaData!.statistics!
          expect(nullCount).toBe(values.filter((value) => value === null).length)
          const all = encode(type, columnOf(type, values)).rowGroup.columns[0]!.metaData!.statistics!
          expect({ minValue, maxValue }).toEqual({ minValue: all.minValue, maxValue: all.maxValue })
        }),
        { numRuns: 150 },
      )
    })
  }

  it('followed from stored pages in thousands of pages', () => {
    expect(carried).toBeGreaterThan(2000)
  })
})
