// Runs of bits of a validity bitmap. Bits past the last row stay 0, so two equal bitmaps are equal byte for byte.

import { nullCount, type Validity } from './column.ts'

/** Sets `length` bits of `target` from bit `start` on. */
export function setBits(target: Uint8Array, start: number, length: number): void {
  let bit = start
  const end = start + length
  while (bit < end && (bit & 7) !== 0) setBit(target, bit++)
  const wholeBytes = (end - bit) >> 3
  if (wholeBytes > 0) {
    target.fill(0xff, bit >> 3, (bit >> 3) + wholeBytes)
    bit += wholeBytes << 3
  }
  while (bit < end) setBit(target, bit++)
}

/** Copies `length` bits; the target's bits there must be 0. */
export function copyBits(
  source: Uint8Array,
  sourceStart: number,
  target: Uint8Array,
  targetStart: number,
  length: number,
): void {
  let from = sourceStart
  let to = targetStart
  const end = targetStart + length
  while (to < end && (to & 7) !== 0) copyBit(source, from++, target, to++)
  const shift = from & 7
  for (; to + 8 <= end; to += 8, from += 8) {
    const byte = from >> 3
    target[to >> 3] = shift === 0 ? source[byte]! : (source[byte]! >> shift) | (source[byte + 1]! << (8 - shift))
  }
  while (to < end) copyBit(source, from++, target, to++)
}

export function setBit(target: Uint8Array, bit: number): void {
  target[bit >> 3]! |= 1 << (bit & 7)
}

/** The bits of rows [start, end), or null where none of them is null. */
export function sliceValidity(validity: Validity, start: number, end: number): Validity {
  if (validity === null) return null
  const bits = new Uint8Array((end - start + 7) >> 3)
  copyBits(validity, start, bits, 0, end - start)
  return nullIfAllPresent(bits, end - start)
}

export function nullIfAllPresent(validity: Uint8Array, rows: number): Validity {
  return nullCount(validity, rows) === 0 ? null : validity
}

function copyBit(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  target[to >> 3]! |= ((source[from >> 3]! >> (from & 7)) & 1) << (to & 7)
}
