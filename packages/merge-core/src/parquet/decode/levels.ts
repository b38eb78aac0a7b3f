// Definition levels of flat optional columns: one bit a row, 1 = present, in the RLE/bit-packing hybrid.
//
// They go straight into the bits of a validity map, and most pages have no null at all: one run of ones, no map.

import { nullCount } from '../../columns/column.ts'
import { copyBits, setBits } from '../../columns/validity.ts'
import { malformed } from '../malformed.ts'
import { readVarint } from './rle.ts'

/** The rows of one page that are present. `bits` is null where all are. */
export interface PageValidity {
  readonly bits: Uint8Array | null
  readonly present: number
}

/** Decodes the levels of `rows` rows from bytes [start, end). Throws MalformedError. */
export function decodeDefinitionLevels(bytes: Uint8Array, start: number, end: number, rows: number): PageValidity {
  if (rows === 0) return { bits: null, present: 0 }
  const first = readVarint(bytes, start, end)
  if (first.value === rows * 2 && bytes[first.end] === 1 && first.end + 1 === end) return { bits: null, present: rows }
  const bits = new Uint8Array((rows + 7) >> 3)
  let at = start
  for (let done = 0; done < rows; ) {
    const run = readVarint(bytes, at, end)
    at = run.end
    if ((run.value & 1) === 1) {
      const groups = run.value >>> 1
      const values = Math.min(groups * 8, rows - done)
      if ((values + 7) >> 3 > end - at) malformed('definition levels run past their page')
      copyBits(bytes.subarray(at), 0, bits, done, values)
      at = Math.min(end, at + groups)
      done += values
      continue
    }
    const repeats = run.value >>> 1
    if (repeats > rows - done) malformed(`a run of ${repeats} definition levels where ${rows - done} are left`)
    if (at >= end) malformed('definition levels run past their page')
    const level = bytes[at++]!
    if (level > 1) malformed(`a definition level of ${level} in a flat column`)
    if (level === 1) setBits(bits, done, repeats)
    done += repeats
  }
  if (at !== end) malformed(`${end - at} bytes are left after the definition levels`)
  const nulls = nullCount(bits, rows)
  return { bits: nulls === 0 ? null : bits, present: rows - nulls }
}
