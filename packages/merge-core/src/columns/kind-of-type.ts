// Which layout of column.ts holds the values of a type.

import type { PrimitiveType } from '../primitive-type.ts'
import type { PlainColumn } from './column.ts'

/** Decimals of more digits are 16 bytes wide. */
const INT64_DIGITS = 18

export function kindOf(type: PrimitiveType): PlainColumn['kind'] {
  switch (type.kind) {
    case 'boolean':
    case 'float':
    case 'double':
      return type.kind
    case 'int':
    case 'date':
      return 'int32'
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return 'int64'
    case 'decimal':
      return type.precision <= INT64_DIGITS ? 'int64' : 'fixed'
    case 'string':
    case 'binary':
      return 'bytes'
    case 'uuid':
    case 'fixed':
      return 'fixed'
  }
}

/** Bytes a row of a column of kind 'fixed'. */
export function fixedWidthOf(type: PrimitiveType): number {
  return type.kind === 'fixed' ? type.bytes : 16
}
