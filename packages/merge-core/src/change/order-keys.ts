// Sorts byte strings without comparing them, as far as that goes.
//
// The strings lose their common prefix; each position behind it ranks the byte values that occur there (and "ended before"), and the
// ranks of as many positions as fit make one number, most significant position first. Numbers in ascending order are strings in
// ascending order; equal numbers are told apart by their bytes. A number and the string's index share the 53 bits of a double, so
// that one native sort of a Float64Array does the work.

import { compareBytes } from './key-order.ts'
import type { ByteStrings } from './scanned-lines.ts'

/** The indices of `strings` in ascending byte order; equal strings in ascending order of `tie` (a comparison of two indices). */
export function orderByBytes(strings: ByteStrings, tie: (a: number, b: number) => number): Uint32Array {
  const count = strings.starts.length - 1
  const code = denseCode(strings, Math.floor(Number.MAX_SAFE_INTEGER / Math.max(count, 1)))
  const packed = new Float64Array(count)
  for (let i = 0; i < count; i++) packed[i] = code[i]! * count + i
  packed.sort()
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = packed[i]! % count
  sortEqualCodes(order, code, strings, tie)
  return order
}

function sortEqualCodes(
  order: Uint32Array,
  code: Float64Array,
  strings: ByteStrings,
  tie: (a: number, b: number) => number,
): void {
  const { starts, bytes } = strings
  const compare = (a: number, b: number) =>
    compareBytes(bytes, starts[a]!, starts[a + 1]!, bytes, starts[b]!, starts[b + 1]!) || tie(a, b)
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && code[order[to]!] === code[order[from]!]) to++
    if (to - from > 1) order.subarray(from, to).sort(compare)
    from = to
  }
}

/** A number for each string, below `codeMax`, that orders strings as far as the positions it covers tell them apart. */
function denseCode({ starts, bytes }: ByteStrings, codeMax: number): Float64Array {
  const count = starts.length - 1
  const code = new Float64Array(count)
  const prefix = commonPrefix({ starts, bytes })
  const rank = new Float64Array(257)
  let radix = 1
  for (let position = prefix; ; position++) {
    rank.fill(-1)
    let longer = false
    for (let i = 0; i < count; i++) {
      const at = starts[i]! + position
      if (at < starts[i + 1]!) {
        rank[bytes[at]! + 1] = 0
        longer = true
      } else rank[0] = 0
    }
    if (!longer) return code
    let values = 0
    for (let value = 0; value < 257; value++) if (rank[value] === 0) rank[value] = values++
    if (radix * values > codeMax) return code
    radix *= values
    for (let i = 0; i < count; i++) {
      const at = starts[i]! + position
      code[i] = code[i]! * values + rank[at < starts[i + 1]! ? bytes[at]! + 1 : 0]!
    }
  }
}

function commonPrefix({ starts, bytes }: ByteStrings): number {
  const count = starts.length - 1
  if (count === 0) return 0
  let prefix = starts[1]! - starts[0]!
  for (let i = 1; i < count && prefix > 0; i++) {
    prefix = Math.min(prefix, starts[i + 1]! - starts[i]!)
    let same = 0
    while (same < prefix && bytes[starts[i]! + same] === bytes[starts[0]! + same]) same++
    prefix = same
  }
  return prefix
}
