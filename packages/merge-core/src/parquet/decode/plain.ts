// PLAIN and BYTE_STREAM_SPLIT values of one width (Parquet format, Encodings.md).

import { malformed } from '../malformed.ts'
import type { FixedValues } from './fixed-width.ts'
import { decodeHybrid } from './rle.ts'

/** Copies `count` values from bytes [start, end) to row `at`. Throws MalformedError where they are not that many. */
export function decodePlain(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  out: FixedValues,
  at: number,
): void {
  const size = count * out.width
  if (size !== end - start) malformed(`${count} values of ${out.width} bytes in ${end - start} bytes`)
  out.bytes.set(bytes.subarray(start, start + size), at * out.width)
}

/** Byte k of every value lies in stream k. */
export function decodeByteStreamSplit(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  out: FixedValues,
  at: number,
): void {
  const { width } = out
  if (count * width !== end - start) malformed(`${count} values of ${width} bytes in ${end - start} bytes`)
  for (let k = 0; k < width; k++) {
    const stream = start + k * count
    let to = at * width + k
    for (let i = 0; i < count; i++, to += width) out.bytes[to] = bytes[stream + i]!
  }
}

/** Booleans of one bit each. */
export function decodePlainBooleans(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  out: Uint8Array,
  at: number,
): void {
  if ((count + 7) >> 3 !== end - start) malformed(`${count} booleans in ${end - start} bytes`)
  for (let i = 0; i < count; i++) out[at + i] = (bytes[start + (i >> 3)]! >> (i & 7)) & 1
}

/** Booleans in the RLE/bit-packing hybrid behind four bytes of length. */
export function decodeRleBooleans(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  out: Uint8Array,
  at: number,
): void {
  if (end - start < 4) malformed('RLE booleans without their length')
  const length = readUint32(bytes, start)
  if (length !== end - start - 4) malformed(`RLE booleans claim ${length} bytes of ${end - start - 4}`)
  const values = new Uint32Array(count)
  decodeHybrid(bytes, start + 4, start + 4 + length, 1, count, values, 0)
  for (let i = 0; i < count; i++) {
    if (values[i]! > 1) malformed(`a boolean of ${values[i]}`)
    out[at + i] = values[i]!
  }
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
