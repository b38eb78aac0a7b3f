// DELTA_LENGTH_BYTE_ARRAY (Parquet format, Encodings.md): all lengths as differences, then all bytes.
//
// Of random texts a compressor is spared the search for what the lengths between them repeat, which is most of its time.

import type { BytesColumn } from '../../columns/column.ts'
import { deltaBytesMax, encodeDeltaInt32 } from './delta.ts'

/** Longer values are copied by a call of `set`. */
const LOOP_BYTES_MAX = 96

let lengths = new Int32Array(0)

/** No page of rows [from, to) takes more. */
export function deltaLengthBytesMax(column: BytesColumn, from: number, to: number): number {
  return deltaBytesMax(to - from, 4) + column.starts[to]! - column.starts[from]!
}

/** Writes rows [from, to) of a column without nulls; answers where they end in `out`. */
export function encodeDeltaLength(column: BytesColumn, from: number, to: number, out: Uint8Array, at: number): number {
  const { starts, bytes } = column
  const rows = to - from
  if (lengths.length < rows) lengths = new Int32Array(rows)
  for (let row = 0; row < rows; row++) lengths[row] = starts[from + row + 1]! - starts[from + row]! - 4
  at = encodeDeltaInt32(lengths, 0, rows, out, at)
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = new DataView(out.buffer, out.byteOffset, out.byteLength)
  for (let row = 0; row < rows; row++) {
    const start = starts[from + row]! + 4
    const length = lengths[row]!
    if (length > LOOP_BYTES_MAX) out.set(bytes.subarray(start, start + length), at)
    else {
      let byte = 0
      for (; byte + 4 <= length; byte += 4) target.setInt32(at + byte, source.getInt32(start + byte))
      for (; byte < length; byte++) target.setUint8(at + byte, source.getUint8(start + byte))
    }
    at += length
  }
  return at
}
