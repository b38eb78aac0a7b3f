// Columns of one value, or of none.

import type { PartitionValue } from '../iceberg/transform.ts'
import type { PrimitiveType } from '../primitive-type.ts'
import type { Column, PlainColumn } from './column.ts'
import { fixedWidthOf, kindOf } from './kind-of-type.ts'
import { columnOf } from './values.ts'

/** `rows` times the value. */
export function constantColumn(type: PrimitiveType, value: PartitionValue, rows: number): Column {
  if (value === null || rows === 0) return nullColumn(type, rows)
  const dictionary = columnOf(type, [value])
  return { kind: 'dictionary', rows, validity: null, indices: new Uint32Array(rows), dictionary }
}

/** `rows` nulls. */
export function nullColumn(type: PrimitiveType, rows: number): PlainColumn {
  const validity = rows === 0 ? null : new Uint8Array((rows + 7) >> 3)
  const kind = kindOf(type)
  switch (kind) {
    case 'boolean':
      return { kind, rows, validity, data: new Uint8Array(rows) }
    case 'int32':
      return { kind, rows, validity, data: new Int32Array(rows) }
    case 'int64':
      return { kind, rows, validity, data: new BigInt64Array(rows) }
    case 'float':
      return { kind, rows, validity, data: new Float32Array(rows) }
    case 'double':
      return { kind, rows, validity, data: new Float64Array(rows) }
    case 'bytes':
      return { kind, rows, validity, starts: new Uint32Array(rows + 1), bytes: new Uint8Array(0) }
    case 'fixed': {
      const width = fixedWidthOf(type)
      return { kind, rows, validity, width, data: new Uint8Array(rows * width) }
    }
  }
}
