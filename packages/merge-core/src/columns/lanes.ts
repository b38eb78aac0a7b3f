// Fixed-width data as bit patterns of 1, 4 or 8 bytes: three kinds of loops serve all types, a NaN keeps its pattern.

import type { BytesColumn, DictionaryColumn, PlainColumn, Validity } from './column.ts'
import { unwrittenBytes } from './memory.ts'

export type FixedWidthColumn = Exclude<PlainColumn, BytesColumn>
export type Lanes = Uint8Array | Uint32Array | BigUint64Array

/** A view of the data. Kind 'fixed' has `width` lanes of one byte a row, every other kind one lane a row. */
export function lanesOf(column: FixedWidthColumn | DictionaryColumn): Lanes {
  if (column.kind === 'dictionary') return column.indices
  const { data, kind } = column
  if (kind === 'boolean' || kind === 'fixed') return data as Uint8Array
  if (data.BYTES_PER_ELEMENT === 4) return new Uint32Array(data.buffer, data.byteOffset, data.length)
  return new BigUint64Array(data.buffer, data.byteOffset, data.length)
}

/** Of any content, as unwrittenBytes. */
export function newLanes(like: Lanes, length: number): Lanes {
  const { buffer, byteOffset } = unwrittenBytes(length * like.BYTES_PER_ELEMENT)
  if (like instanceof Uint8Array) return new Uint8Array(buffer, byteOffset, length)
  return like instanceof Uint32Array
    ? new Uint32Array(buffer, byteOffset, length)
    : new BigUint64Array(buffer, byteOffset, length)
}

/** A column of the kind of `like` over lanes. */
export function columnOverLanes<C extends FixedWidthColumn | DictionaryColumn>(
  like: C,
  rows: number,
  validity: Validity,
  lanes: Lanes,
): C {
  if (like.kind === 'dictionary') return { ...like, rows, validity, indices: lanes as Uint32Array }
  const { buffer, byteOffset, length } = lanes
  switch (like.kind) {
    case 'int32':
      return { ...like, rows, validity, data: new Int32Array(buffer, byteOffset, length) }
    case 'int64':
      return { ...like, rows, validity, data: new BigInt64Array(buffer, byteOffset, length) }
    case 'float':
      return { ...like, rows, validity, data: new Float32Array(buffer, byteOffset, length) }
    case 'double':
      return { ...like, rows, validity, data: new Float64Array(buffer, byteOffset, length) }
    default:
      return { ...like, rows, validity, data: lanes as Uint8Array }
  }
}

/** A column without nulls, of the kind of `like`, over bytes that start at a multiple of eight of their buffer. */
export function columnOverBytes(like: FixedWidthColumn, rows: number, bytes: Uint8Array): FixedWidthColumn {
  const { buffer, byteOffset, byteLength } = bytes
  const laneBytes = lanesOf(like).BYTES_PER_ELEMENT
  if (laneBytes === 1) return columnOverLanes(like, rows, null, bytes)
  if (laneBytes === 4) return columnOverLanes(like, rows, null, new Uint32Array(buffer, byteOffset, byteLength / 4))
  return columnOverLanes(like, rows, null, new BigUint64Array(buffer, byteOffset, byteLength / 8))
}

/** Elements a row. */
export function lanesPerRow(column: FixedWidthColumn | DictionaryColumn): number {
  return column.kind === 'fixed' ? column.width : 1
}
