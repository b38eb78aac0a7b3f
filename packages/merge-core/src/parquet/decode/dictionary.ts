// Dictionary indices: a byte with their width, then the RLE/bit-packing hybrid (Parquet format, Encodings.md).

import { malformed } from '../malformed.ts'
import { decodeHybrid } from './rle.ts'

/** Decodes `count` indices from bytes [start, end) to out[at …], each below `dictionaryRows`. Throws MalformedError. */
export function decodeIndices(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  dictionaryRows: number,
  out: Uint32Array,
  at: number,
): void {
  if (count === 0) return
  if (start >= end) malformed('a page of dictionary indices is empty')
  const width = bytes[start]!
  if (width > 32) malformed(`dictionary indices of ${width} bits`)
  decodeHybrid(bytes, start + 1, end, width, count, out, at)
  const highest = maximum(out, at, at + count)
  if (highest >= dictionaryRows) malformed(`dictionary index ${highest} of a dictionary of ${dictionaryRows} values`)
}

function maximum(values: Uint32Array, from: number, to: number): number {
  let highest = 0
  for (let i = from; i < to; i++) if (values[i]! > highest) highest = values[i]!
  return highest
}
