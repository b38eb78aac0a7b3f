// Columns as arrays of values: what the tests compare with, and arbitrary columns in every layout.

import fc from 'fast-check'
import type { Column } from '../../src/columns/column.ts'
import { columnOf, valuesOf } from '../../src/columns/values.ts'
import type { PartitionValue } from '../../src/iceberg/transform.ts'
import type { PrimitiveType } from '../../src/primitive-type.ts'

export const TYPES: readonly PrimitiveType[] = [
  { kind: 'boolean' },
  { kind: 'int' },
  { kind: 'long' },
  { kind: 'float' },
  { kind: 'double' },
  { kind: 'decimal', precision: 12, scale: 2 },
  { kind: 'decimal', precision: 38, scale: 5 },
  { kind: 'date' },
  { kind: 'time' },
  { kind: 'timestamp' },
  { kind: 'timestamptz' },
  { kind: 'string' },
  { kind: 'binary' },
  { kind: 'uuid' },
  { kind: 'fixed', bytes: 3 },
]

export function arbitraryValue(type: PrimitiveType): fc.Arbitrary<PartitionValue> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean()
    case 'int':
    case 'date':
      return fc.integer()
    case 'float':
      return fc.float()
    case 'double':
      return fc.double()
    case 'decimal': {
      const max = 10n ** BigInt(type.precision) - 1n
      return fc.bigInt({ min: -max, max })
    }
    case 'string':
      return fc.string({ unit: 'binary', maxLength: 80 })
    case 'binary':
      return fc.uint8Array({ maxLength: 80 })
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 })
    case 'fixed':
      return fc.uint8Array({ minLength: type.bytes, maxLength: type.bytes })
    default:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  }
}

export interface ModelColumn {
  readonly values: readonly PartitionValue[]
  readonly column: Column
}

export function plainModel(type: PrimitiveType, values: readonly PartitionValue[]): ModelColumn {
  return { values, column: columnOf(type, values) }
}

/** `picks`: for each row an index into `distinct`, or null. */
export function dictionaryModel(
  dictionary: ReturnType<typeof columnOf>,
  distinct: readonly PartitionValue[],
  picks: readonly (number | null)[],
): ModelColumn {
  const indices = Uint32Array.from(picks, (pick) => pick ?? 0)
  const { validity } = columnOf(
    { kind: 'boolean' },
    picks.map((pick) => (pick === null ? null : true)),
  )
  const values = picks.map((pick) => (pick === null ? null : distinct[pick]!))
  return { values, column: { kind: 'dictionary', rows: picks.length, validity, indices, dictionary } }
}

/** Plain or dictionary, with and without nulls, few repeated values or many. */
export function modelColumn(type: PrimitiveType, rowsMax = 40): fc.Arbitrary<ModelColumn> {
  const value = fc.oneof({ weight: 4, arbitrary: arbitraryValue(type) }, { weight: 1, arbitrary: fc.constant(null) })
  const plain = fc.array(value, { maxLength: rowsMax }).map((values) => plainModel(type, values))
  const full = fc.array(arbitraryValue(type), { maxLength: rowsMax }).map((values) => plainModel(type, values))
  return fc.oneof(plain, full, dictionaryColumn(type, rowsMax))
}

function dictionaryColumn(type: PrimitiveType, rowsMax: number): fc.Arbitrary<ModelColumn> {
  return fc.array(arbitraryValue(type), { minLength: 1, maxLength: 8 }).chain((distinct) => {
    const pick = fc.option(fc.nat({ max: distinct.length - 1 }), { freq: 6 })
    return fc
      .array(pick, { maxLength: rowsMax })
      .map((picks) => dictionaryModel(columnOf(type, distinct), distinct, picks))
  })
}

/** What column.ts promises of every column, whoever made it. */
export function brokenPromise(column: Column, type: PrimitiveType): string | null {
  const { validity, rows } = column
  if (validity !== null) {
    if (validity.length !== (rows + 7) >> 3) return `${validity.length} bytes of validity for ${rows} rows`
    if (rows % 8 !== 0 && validity.at(-1)! >> (rows % 8) !== 0) return 'a bit past the last row'
    if (!valuesOf(column, type).includes(null)) return 'a bitmap without a null'
  }
  for (let row = 0; row < rows; row++) {
    if (validity === null || (validity[row >> 3]! >> (row & 7)) & 1) continue
    if (!isEmptyAt(column, row)) return `data at the null row ${row}`
  }
  if (column.kind === 'bytes' && column.starts.length !== rows + 1) return 'one start too few or too many'
  if (column.kind === 'dictionary') return brokenPromise(column.dictionary, type)
  return null
}

function isEmptyAt(column: Column, row: number): boolean {
  if (column.kind === 'bytes') return column.starts[row] === column.starts[row + 1]
  if (column.kind === 'dictionary') return column.indices[row] === 0
  if (column.kind === 'fixed') {
    return column.data.subarray(row * column.width, (row + 1) * column.width).every((byte) => byte === 0)
  }
  return Object.is(Number(column.data[row]), 0)
}
