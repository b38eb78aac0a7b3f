// Byte strings as keys and versions come to the steps of a merge.

import type { ByteStrings } from '../src/change/byte-strings.ts'

export function byteStrings(strings: readonly Uint8Array[]): ByteStrings {
  const starts = new Uint32Array(strings.length + 1)
  for (const [i, string] of strings.entries()) starts[i + 1] = starts[i]! + string.length
  return { starts, bytes: Buffer.concat(strings) }
}

export function textStrings(strings: readonly string[]): ByteStrings {
  const bytes = Buffer.from(strings.join(''))
  if (bytes.length > strings.reduce((sum, string) => sum + string.length, 0)) {
    return byteStrings(strings.map((string) => Buffer.from(string)))
  }
  const starts = new Uint32Array(strings.length + 1)
  for (let i = 0; i < strings.length; i++) starts[i + 1] = starts[i]! + strings[i]!.length
  return { starts, bytes }
}

/** Every way to choose one of each list. */
export function* combinations<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  if (lists.length === 0) yield []
  else for (const rest of combinations(lists.slice(0, -1))) for (const last of lists.at(-1)!) yield [...rest, last]
}

/** Every sequence of at most `lengthMax` of these. */
export function* sequences<T>(of: readonly T[], lengthMax: number): Generator<T[]> {
  for (let length = 0; length <= lengthMax; length++) yield* combinations(Array.from({ length }, () => of))
}
