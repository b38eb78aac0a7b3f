// Values of one width: where they are decoded to, how nulls are opened between them, how dictionary values are looked up.
//
// A page's present values are decoded without gaps to where the page's rows begin, then spread to their rows from the last to the
// first: no second buffer. Whole elements are moved, so that no bit pattern of a NaN is touched.

import { unwrittenBytes } from '../../columns/memory.ts'
import { PhysicalType } from '../footer.ts'
import { malformed } from '../malformed.ts'

/** Room for `rows` values of `width` bytes, all to be written, seen as bytes and, where the width allows, as whole elements. */
export interface FixedValues {
  readonly width: number
  readonly bytes: Uint8Array
  /** With a width of 4 or 8; two for each value of 8 bytes, the lower half first. */
  readonly words: Uint32Array
  /** With a width of 8 or 16; two for each value of 16 bytes. */
  readonly longs: BigUint64Array
}

const NO_WORDS = new Uint32Array(0)
const NO_LONGS = new BigUint64Array(0)

export function makeFixedValues(rows: number, width: number): FixedValues {
  const bytes = unwrittenBytes(rows * width)
  const { buffer, byteOffset, length } = bytes
  return {
    width,
    bytes,
    words: width === 4 || width === 8 ? new Uint32Array(buffer, byteOffset, length / 4) : NO_WORDS,
    longs: width === 8 || width === 16 ? new BigUint64Array(buffer, byteOffset, length / 8) : NO_LONGS,
  }
}

/** Bytes of a value in memory; a boolean takes one. 0 for BYTE_ARRAY. */
export function physicalWidth(type: number, typeLength: number | undefined): number {
  switch (type) {
    case PhysicalType.BOOLEAN:
      return 1
    case PhysicalType.INT32:
    case PhysicalType.FLOAT:
      return 4
    case PhysicalType.INT64:
    case PhysicalType.DOUBLE:
      return 8
    case PhysicalType.INT96:
      return 12
    case PhysicalType.BYTE_ARRAY:
      return 0
    case PhysicalType.FIXED_LEN_BYTE_ARRAY:
      if (typeLength === undefined || typeLength < 1) malformed(`a fixed length of ${typeLength}`)
      return typeLength
    default:
      return malformed(`physical type ${type} does not exist`)
  }
}

/** Moves the dense values at rows [at, …) to the rows whose bit is set; the others become 0. */
export function spread(values: FixedValues, at: number, rows: number, present: number, bits: Uint8Array): void {
  switch (values.width) {
    case 1:
      spreadElements(values.bytes, at, rows, present, bits)
      break
    case 4:
      spreadElements(values.words, at, rows, present, bits)
      break
    case 8:
      spreadLongs(values.longs, at, rows, present, bits)
      break
    case 16:
      spreadLongPairs(values.longs, at, rows, present, bits)
      break
    default:
      spreadBytes(values, at, rows, present, bits)
  }
}

export function spreadElements(
  elements: Uint32Array | Uint8Array,
  at: number,
  rows: number,
  present: number,
  bits: Uint8Array,
): void {
  let from = at + present
  for (let row = rows - 1; row >= 0; row--) {
    elements[at + row] = ((bits[row >> 3]! >> (row & 7)) & 1) === 1 ? elements[--from]! : 0
  }
}

function spreadLongs(longs: BigUint64Array, at: number, rows: number, present: number, bits: Uint8Array): void {
  let from = at + present
  for (let row = rows - 1; row >= 0; row--) {
    longs[at + row] = ((bits[row >> 3]! >> (row & 7)) & 1) === 1 ? longs[--from]! : 0n
  }
}

function spreadLongPairs(longs: BigUint64Array, at: number, rows: number, present: number, bits: Uint8Array): void {
  let from = (at + present) * 2
  for (let row = rows - 1; row >= 0; row--) {
    const to = (at + row) * 2
    if (((bits[row >> 3]! >> (row & 7)) & 1) === 1) {
      from -= 2
      longs[to] = longs[from]!
      longs[to + 1] = longs[from + 1]!
    } else {
      longs[to] = 0n
      longs[to + 1] = 0n
    }
  }
}

function spreadBytes(values: FixedValues, at: number, rows: number, present: number, bits: Uint8Array): void {
  const { bytes, width } = values
  let from = (at + present) * width
  for (let row = rows - 1; row >= 0; row--) {
    const to = (at + row) * width
    if (((bits[row >> 3]! >> (row & 7)) & 1) === 1) {
      from -= width
      bytes.copyWithin(to, from, from + width)
    } else bytes.fill(0, to, to + width)
  }
}

/** Writes dictionary value indices[i] to row at + i. The indices are checked by the caller. */
export function lookUp(
  dictionary: FixedValues,
  indices: Uint32Array,
  count: number,
  out: FixedValues,
  at: number,
): void {
  if (out.width === 4) for (let i = 0; i < count; i++) out.words[at + i] = dictionary.words[indices[i]!]!
  else if (out.width === 8) for (let i = 0; i < count; i++) out.longs[at + i] = dictionary.longs[indices[i]!]!
  else {
    const { width } = out
    for (let i = 0; i < count; i++) {
      const from = indices[i]! * width
      out.bytes.set(dictionary.bytes.subarray(from, from + width), (at + i) * width)
    }
  }
}
