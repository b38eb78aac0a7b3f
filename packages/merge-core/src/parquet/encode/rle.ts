// RLE/bit-packing hybrid (Parquet format, Encodings.md): dictionary indices and levels.
//
// Values go bit-packed in groups of eight. A stretch of equal values leaves as a repeated run where that is shorter than its bits
// and the headers around it. Only the last bit-packed run may end inside a group; it is padded with zeros.

import { packerOf } from './bit-packing.ts'
import { writeVarint } from './varint.ts'

const GROUP = 8
const BLOCK = 32
const NO_HIGH = new Uint32Array(0)
const tail = new Uint32Array(BLOCK)
const packedTail = new Uint8Array(BLOCK * 4)

/** No run of `values` values takes more bytes. */
export function hybridBytesMax(values: number, width: number): number {
  // Bits of every value, and at worst a header and a repeated value for each group.
  return Math.ceil((values + GROUP) / GROUP) * (width + 14) + 16
}

/** Writes values [from, to) in `width` bits each (1 to 32; higher bits are 0); answers where they end in `out`. */
export function encodeHybrid(
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
  out: Uint8Array,
  at: number,
): number {
  const repeatedMin = repeatedRunMin(width)
  let packedFrom = from
  let row = from
  while (row + GROUP <= to) {
    if (!isGroupEqual(values, row)) {
      row += GROUP
      continue
    }
    const end = endOfEqual(values, row, to)
    if (end - row < repeatedMin) {
      row += (end - row) & -GROUP
      continue
    }
    at = writePackedRun(values, packedFrom, row, width, out, at)
    at = writeRepeatedRun(values[row]!, end - row, width, out, at)
    packedFrom = end
    row = end
  }
  return writePackedRun(values, packedFrom, to, width, out, at)
}

export function writeRepeatedRun(value: number, length: number, width: number, out: Uint8Array, at: number): number {
  at = writeVarint(length << 1, out, at)
  for (let bit = 0; bit < width; bit += 8) out[at++] = value >>> bit
  return at
}

/** The shortest stretch that is worth a repeated run: its bits against both headers and the value. */
function repeatedRunMin(width: number): number {
  const runBytes = 5 + ((width + 7) >> 3)
  return Math.max(GROUP, Math.ceil((runBytes * 8) / width))
}

function isGroupEqual(values: Uint32Array, row: number): boolean {
  const value = values[row]
  return (
    values[row + 1] === value &&
    values[row + 2] === value &&
    values[row + 3] === value &&
    values[row + 4] === value &&
    values[row + 5] === value &&
    values[row + 6] === value &&
    values[row + 7] === value
  )
}

function endOfEqual(values: Uint32Array, from: number, to: number): number {
  const value = values[from]
  let end = from + GROUP
  while (end < to && values[end] === value) end++
  return end
}

function writePackedRun(
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
  out: Uint8Array,
  at: number,
): number {
  if (from === to) return at
  const groups = Math.ceil((to - from) / GROUP)
  at = writeVarint((groups << 1) | 1, out, at)
  const pack = packerOf(width)
  let row = from
  for (; row + BLOCK <= to; row += BLOCK, at += BLOCK * (width / 8)) pack(values, NO_HIGH, row, out, at)
  if (row === to) return at
  tail.fill(0)
  for (let value = 0; row + value < to; value++) tail[value] = values[row + value]!
  pack(tail, NO_HIGH, 0, packedTail, 0)
  const tailBytes = Math.ceil((to - row) / GROUP) * width
  for (let byte = 0; byte < tailBytes; byte++) out[at++] = packedTail[byte]!
  return at
}
