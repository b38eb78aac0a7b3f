// Keys and versions in bulk: byte strings that compare as what they stand for compares.

import { takeBytesFromAll } from '../columns/take-bytes.ts'

/** Byte strings one after the other: number i is bytes[starts[i] … starts[i + 1]); `starts` has one entry more than there are strings,
 *  and its first is 0 but where the strings are a stretch of others. */
export interface ByteStrings {
  readonly starts: Uint32Array
  readonly bytes: Uint8Array
}

export const NO_STRINGS: ByteStrings = { starts: new Uint32Array(1), bytes: new Uint8Array(0) }

/** Like memcmp: negative, 0 or positive; where one is a prefix of the other the shorter comes first. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

/** Orders string i of `a` against string j of `b`; an empty one (no version) is below all. */
export function compareAt(a: ByteStrings, i: number, b: ByteStrings, j: number): number {
  return compareBytes(a.bytes, a.starts[i]!, a.starts[i + 1]!, b.bytes, b.starts[j]!, b.starts[j + 1]!)
}

/** The strings of these indices, in their order. */
export function takeStrings(strings: ByteStrings, indices: Uint32Array): ByteStrings {
  return takeBytesFromAll([strings], null, indices)
}

/** The strings [from, to); their bytes are shared. */
export function sliceStrings(strings: ByteStrings, from: number, to: number): ByteStrings {
  const first = strings.starts[from]!
  return {
    starts: strings.starts.slice(from, to + 1).map((start) => start - first),
    bytes: strings.bytes.subarray(first, strings.starts[to]!),
  }
}

/** Gives so many bytes, whatever they hold, for values of any width. */
export type TakeMemory = (bytes: number) => Uint8Array

export const ownMemory: TakeMemory = (bytes) => new Uint8Array(bytes)

export function takeWords(words: number, take: TakeMemory): Uint32Array {
  const { buffer, byteOffset } = take(4 * words)
  return new Uint32Array(buffer, byteOffset, words)
}

/** The strings of all parts, one part after the other. */
export function concatStrings(parts: readonly ByteStrings[], take: TakeMemory = ownMemory): ByteStrings {
  const strings = parts.reduce((sum, part) => sum + part.starts.length - 1, 0)
  const bytes = parts.reduce((sum, { starts }) => sum + starts[starts.length - 1]! - starts[0]!, 0)
  const whole = {
    starts: takeWords(strings + 1, take),
    bytes: take(bytes),
  }
  let string = 0
  let offset = 0
  for (const { starts, bytes: source } of parts) {
    const count = starts.length - 1
    const first = starts[0]!
    for (let i = 0; i < count; i++) whole.starts[string++] = offset + starts[i]! - first
    whole.bytes.set(source.subarray(first, starts[count]!), offset)
    offset += starts[count]! - first
  }
  whole.starts[strings] = offset
  return whole
}
