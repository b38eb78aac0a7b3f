// Definition levels of a flat optional column: 1 = present, 0 = null, as RLE/bit-packing hybrid of one bit.
//
// The validity bitmap has the bit order of a bit-packed run, so levels are its bytes, with repeated runs where whole bytes repeat.

import { copyBits } from '../../columns/validity.ts'
import { writeRepeatedRun } from './rle.ts'
import { writeVarint } from './varint.ts'

/** Fewer equal bytes are not worth leaving the bit-packed run. */
const REPEATED_BYTES_MIN = 6
const ALL_PRESENT = 0xff

let bits = new Uint8Array(0)

export function levelsBytesMax(rows: number): number {
  return (rows >> 3) * 2 + 32
}

/** Writes the levels of rows [from, to), without a length before them; answers where they end. */
export function encodeLevels(
  validity: Uint8Array | null,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  const rows = to - from
  if (validity === null) return writeRepeatedRun(1, rows, 1, out, at)
  const bytes = (rows + 7) >> 3
  if (bits.length < bytes + 1) bits = new Uint8Array(bytes * 2 + 1)
  bits.fill(0, 0, bytes)
  copyBits(validity, from, bits, 0, rows)

  let packedFrom = 0
  let byte = 0
  const wholeBytes = rows >> 3
  while (byte < wholeBytes) {
    const end = endOfRepeated(byte, wholeBytes)
    if (end - byte >= REPEATED_BYTES_MIN) {
      at = writePackedRun(packedFrom, byte, out, at)
      at = writeRepeatedRun(bits[byte]! & 1, (end - byte) * 8, 1, out, at)
      packedFrom = end
    }
    byte = end
  }
  return writePackedRun(packedFrom, bytes, out, at)
}

/** The end of the bytes that are all present or all null from `byte` on; the next byte where it is neither. */
function endOfRepeated(byte: number, bytes: number): number {
  const value = bits[byte]!
  let end = byte + 1
  if (value === 0 || value === ALL_PRESENT) while (end < bytes && bits[end] === value) end++
  return end
}

function writePackedRun(from: number, to: number, out: Uint8Array, at: number): number {
  if (from === to) return at
  at = writeVarint(((to - from) << 1) | 1, out, at)
  for (let byte = from; byte < to; byte++) out[at++] = bits[byte]!
  return at
}
