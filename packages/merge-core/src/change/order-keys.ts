// Sorts byte strings without comparing them, as far as that goes.
//
// The strings lose their common prefix; each position behind it ranks the byte values that occur there (and "ended before"), and the
// ranks of as many positions as fit make one number, most significant position first. Numbers in ascending order are strings in
// ascending order. A number and the string's place share the 53 bits of a double, so that one native sort of a Float64Array does the
// work. Strings of equal numbers are sorted again in the same way from the next position on; few of them by comparing bytes.

import { type ByteStrings, compareBytes } from './byte-strings.ts'

/** Up to so many strings are compared: counting what occurs at a position would cost more. */
const COMPARED_MAX = 48

/** Groups of equal strings, ascending. */
export interface OrderedGroups {
  /** The indices of all strings: group g is order[starts[g] … starts[g + 1]). */
  readonly order: Uint32Array
  /** One entry more than there are groups. */
  readonly starts: Uint32Array
}

/** A comparison of the indices of two equal strings. */
type Tie = (a: number, b: number) => number

/** The indices of `strings` in ascending byte order; equal strings in ascending order of `tie`. */
export function orderByBytes(strings: ByteStrings, tie: Tie): Uint32Array {
  return groupByBytes(strings, tie).order
}

/** The same, and where a string is another than the one before it: sorting has found out. */
export function groupByBytes(strings: ByteStrings, tie: Tie): OrderedGroups {
  const order = new Uint32Array(strings.starts.length - 1)
  for (let i = 0; i < order.length; i++) order[i] = i
  const starts = new Uint32Array(order.length + 1)
  let groups = 0
  sortFrom(0, order.length, 0)
  starts[groups] = order.length
  return { order, starts: starts.slice(0, groups + 1) }

  /** Sorts the strings of order[from … to), in place, which are equal up to `position`. */
  function sortFrom(from: number, to: number, position: number): void {
    const part = order.subarray(from, to)
    if (part.length <= COMPARED_MAX) {
      part.sort((a, b) => compareFrom(strings, position, a, b) || tie(a, b))
      for (let i = from; i < to; i++)
        if (i === from || compareFrom(strings, position, order[i - 1]!, order[i]!) !== 0) starts[groups++] = i
      return
    }
    const { code, end } = denseCode(part, strings, position + commonPrefix(part, strings, position))
    if (end === position) {
      part.sort(tie)
      starts[groups++] = from
      return
    }
    sortByCode(part, code)
    for (let first = 0; first < part.length; ) {
      let behind = first + 1
      while (behind < part.length && code[behind] === code[first]) behind++
      if (behind - first === 1) starts[groups++] = from + first
      else sortFrom(from + first, from + behind, end)
      first = behind
    }
  }
}

/** Brings `order` and `code` into ascending order of `code`. */
function sortByCode(order: Uint32Array, code: Float64Array): void {
  const count = order.length
  const before = order.slice()
  for (let i = 0; i < count; i++) code[i] = code[i]! * count + i
  code.sort()
  for (let i = 0; i < count; i++) {
    const place = code[i]! % count
    order[i] = before[place]!
    code[i] = (code[i]! - place) / count
  }
}

/** A number for each string that orders them as far as the positions up to `end` tell them apart; `end` = `start` where all end there. */
function denseCode(order: Uint32Array, strings: ByteStrings, start: number): { code: Float64Array; end: number } {
  const count = order.length
  const code = new Float64Array(count)
  const codeMax = Math.floor(Number.MAX_SAFE_INTEGER / count)
  const rank = new Float64Array(257)
  let radix = 1
  for (let position = start; ; position++) {
    const values = rankValues(order, strings, position, rank)
    if (values === 0 || radix * values > codeMax) return { code, end: position }
    radix *= values
    for (let i = 0; i < count; i++) code[i] = code[i]! * values + rank[byteAt(strings, order[i]!, position) + 1]!
  }
}

/** Ranks the byte values at a position, and their absence; answers how many there are, 0 where every string has ended. */
function rankValues(order: Uint32Array, strings: ByteStrings, position: number, rank: Float64Array): number {
  rank.fill(-1)
  for (let i = 0; i < order.length; i++) rank[byteAt(strings, order[i]!, position) + 1] = 0
  let values = 0
  for (let value = 0; value < 257; value++) if (rank[value] === 0) rank[value] = values++
  return values === 1 && rank[0] === 0 ? 0 : values
}

/** −1 behind the end. */
function byteAt({ starts, bytes }: ByteStrings, string: number, position: number): number {
  const at = starts[string]! + position
  return at < starts[string + 1]! ? bytes[at]! : -1
}

/** How many bytes from `position` on all strings share. */
function commonPrefix(order: Uint32Array, { starts, bytes }: ByteStrings, position: number): number {
  const first = starts[order[0]!]! + position
  let prefix = starts[order[0]! + 1]! - first
  for (let i = 1; i < order.length && prefix > 0; i++) {
    const start = starts[order[i]!]! + position
    prefix = Math.min(prefix, starts[order[i]! + 1]! - start)
    let same = 0
    while (same < prefix && bytes[start + same] === bytes[first + same]) same++
    prefix = same
  }
  return prefix
}

function compareFrom({ starts, bytes }: ByteStrings, position: number, a: number, b: number): number {
  return compareBytes(bytes, starts[a]! + position, starts[a + 1]!, bytes, starts[b]! + position, starts[b + 1]!)
}
