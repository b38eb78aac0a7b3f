// PLAIN (Parquet format, Encodings.md) of columns without nulls: in all layouts but booleans the bytes as they lie in memory.

import type { PlainColumn } from '../../columns/column.ts'

/** The bytes of a fixed-width column, `width` a row. */
export interface RowBytes {
  readonly bytes: Uint8Array
  readonly width: number
}

/** Bytes that rows [from, to) take. */
export function plainBytes(column: PlainColumn, from: number, to: number): number {
  if (column.kind === 'bytes') return column.starts[to]! - column.starts[from]!
  if (column.kind === 'boolean') return (to - from + 7) >> 3
  return (to - from) * rowBytes(column).width
}

/** Writes rows [from, to); answers where they end in `out`. */
export function encodePlain(column: PlainColumn, from: number, to: number, out: Uint8Array, at: number): number {
  if (column.kind === 'boolean') return encodeBooleans(column.data, from, to, out, at)
  const bytes = bytesOfRows(column, from, to)
  out.set(bytes, at)
  return at + bytes.length
}

function bytesOfRows(column: Exclude<PlainColumn, { kind: 'boolean' }>, from: number, to: number): Uint8Array {
  if (column.kind === 'bytes') return column.bytes.subarray(column.starts[from]!, column.starts[to]!)
  const { bytes, width } = rowBytes(column)
  return bytes.subarray(from * width, to * width)
}

export function rowBytes(column: Exclude<PlainColumn, { kind: 'bytes' }>): RowBytes {
  const { data } = column
  const width = column.kind === 'fixed' ? column.width : data.BYTES_PER_ELEMENT
  return { bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width }
}

function encodeBooleans(data: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  for (let row = from; row < to; row += 8) {
    let byte = 0
    for (let bit = Math.min(8, to - row) - 1; bit >= 0; bit--) byte = (byte << 1) | data[row + bit]!
    out[at++] = byte
  }
  return at
}
