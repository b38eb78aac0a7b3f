import { describe, expect, it } from 'vitest'
import type { Column, PlainColumn } from '../src/columns/column.ts'
import { columnOf } from '../src/columns/values.ts'
import { holdSameValues } from '../src/files/same-values.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import type { PrimitiveType } from '../src/primitive-type.ts'
import { TYPES } from './columns/models.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

/** Values that all differ. */
function distinctValues(type: PrimitiveType): readonly PartitionValue[] {
  switch (type.kind) {
    case 'boolean':
      return [null, false, true]
    case 'int':
    case 'date':
      return [null, 0, 1, -1, 256]
    case 'float':
      return [null, 0, -0, Number.NaN, 1.5, Number.NEGATIVE_INFINITY]
    case 'double':
      return [null, 0, -0, Number.NaN, 0.1, Number.NEGATIVE_INFINITY]
    case 'string':
      return [null, '', '\u0000', 'a', 'ab', 'b', 'é']
    case 'binary':
      return [null, bytes(), bytes(0), bytes(0, 0), bytes(1, 0), bytes(0, 1)]
    case 'uuid':
      return [null, new Uint8Array(16), new Uint8Array(16).fill(1), new Uint8Array(16).with(15, 1)]
    case 'fixed':
      return [null, bytes(0, 0, 0), bytes(0, 0, 1), bytes(1, 0, 0)]
    default:
      return [null, 0n, 1n, -1n, 2n ** 32n]
  }
}

/** The values in reverse as entries of a dictionary. */
function asDictionary(type: PrimitiveType, values: readonly PartitionValue[]): Column {
  const entries = values.filter((value) => value !== null).reverse()
  const { validity } = columnOf(type, values)
  const indices = Uint32Array.from(values, (value) =>
    Math.max(
      0,
      entries.findIndex((entry) => Object.is(entry, value)),
    ),
  )
  return { kind: 'dictionary', rows: values.length, validity, indices, dictionary: columnOf(type, entries) }
}

function layouts(type: PrimitiveType, values: readonly PartitionValue[]): readonly Column[] {
  const plain = columnOf(type, values)
  return type.kind === 'boolean' ? [plain] : [plain, asDictionary(type, values)]
}

describe('values of two columns', () => {
  for (const type of TYPES) {
    it(`of type ${JSON.stringify(type)} are the same where they are one value, in every layout`, () => {
      const values = distinctValues(type)
      for (const a of layouts(type, values)) {
        for (const b of layouts(type, values)) {
          for (const i of values.keys()) {
            for (const j of values.keys()) {
              const same = holdSameValues(a, Uint32Array.of(i), b, Uint32Array.of(j))
              expect(same, `${a.kind} ${values[i]} and ${b.kind} ${values[j]}`).toBe(i === j)
            }
          }
        }
      }
    })
  }

  it('are compared row by row, to the last', () => {
    const stored = columnOf({ kind: 'string' }, ['a', null, 'b', 'c', null])
    const incoming = columnOf({ kind: 'string' }, ['c', null, 'b'])
    expect(holdSameValues(stored, Uint32Array.of(1, 2, 3), incoming, Uint32Array.of(1, 2, 0))).toBe(true)
    expect(holdSameValues(stored, Uint32Array.of(1, 2, 0), incoming, Uint32Array.of(1, 2, 0))).toBe(false)
    expect(holdSameValues(stored, Uint32Array.of(1, 2, 4), incoming, Uint32Array.of(1, 2, 0))).toBe(false)
    expect(holdSameValues(stored, Uint32Array.of(), incoming, Uint32Array.of())).toBe(true)
  })

  it('are told apart where NaNs have other bits', () => {
    const nan = (bits: bigint): PlainColumn => {
      return { kind: 'double', rows: 1, validity: null, data: new Float64Array(BigUint64Array.of(bits).buffer) }
    }
    const first = Uint32Array.of(0)
    const [quiet, payload] = [nan(0x7ff8000000000000n), nan(0x7ff8000000000001n)]
    expect(holdSameValues(quiet, first, quiet, first)).toBe(true)
    expect(holdSameValues(quiet, first, payload, first)).toBe(false)
  })
})
