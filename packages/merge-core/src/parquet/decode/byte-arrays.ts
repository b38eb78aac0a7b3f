// Byte arrays in the PLAIN layout, which is also how they stay in memory: a page is copied whole, or not at all.

import type { BytesColumn, Validity } from '../../columns/column.ts'
import { unwrittenBytes, unwrittenWords } from '../../columns/memory.ts'
import { malformed } from '../malformed.ts'
import { readUint32 } from './plain.ts'

/** The byte arrays of a chunk while its pages are appended. `bytes` grows; row i starts at starts[i]. */
export interface ByteArrays {
  bytes: Uint8Array
  used: number
  readonly starts: Uint32Array
}

const BYTES_MAX = 2 ** 32 - 1

/** Room for `rows` byte arrays and, to begin with, `capacity` bytes. With none, the first page of PLAIN values is kept as it is. */
export function makeByteArrays(rows: number, capacity: number): ByteArrays {
  return { bytes: unwrittenBytes(capacity), used: 0, starts: unwrittenWords(rows + 1) }
}

/** Makes room for `count` more bytes. */
export function reserveBytes(out: ByteArrays, count: number): void {
  const needed = out.used + count
  if (needed > BYTES_MAX) malformed(`a column chunk of more than ${BYTES_MAX} bytes of values`)
  if (needed <= out.bytes.length) return
  const grown = unwrittenBytes(Math.min(BYTES_MAX, Math.max(needed, out.bytes.length * 2)))
  grown.set(out.bytes.subarray(0, out.used))
  out.bytes = grown
}

/**
 * Appends the PLAIN values in page [start, end) as rows [at, at + rows); a row without its bit in `bits` is null and takes nothing.
 * The first page of an empty `out` is kept as it is, not copied. Throws MalformedError.
 */
export function appendPlainByteArrays(
  page: Uint8Array,
  start: number,
  end: number,
  rows: number,
  bits: Uint8Array | null,
  out: ByteArrays,
  at: number,
): void {
  const base = out.used
  const values = page.subarray(start, end)
  const size =
    bits === null ? walk(values, rows, out.starts, at, base) : walkNullable(values, rows, bits, out.starts, at, base)
  if (size !== values.length) malformed(`${values.length - size} bytes are left after ${rows} byte arrays`)
  if (base === 0 && out.bytes.length === 0) out.bytes = values
  else {
    reserveBytes(out, size)
    out.bytes.set(values, base)
  }
  out.used = base + size
}

function walk(values: Uint8Array, rows: number, starts: Uint32Array, at: number, base: number): number {
  const end = values.length
  const same = walkSameLength(values, rows, starts, at, base)
  let from = same === 0 ? 0 : starts[at + same]! - base
  for (let row = same; row < rows; row++) {
    starts[at + row] = base + from
    if (end - from < 4) malformed(`byte array ${row} of ${rows} runs past its page`)
    const length = readUint32(values, from)
    from += 4
    if (length > end - from)
      malformed(`byte array ${row} of ${rows} claims ${length} bytes where ${end - from} are left`)
    from += length
  }
  starts[at + rows] = base + from
  return from
}

// Keys, hashes and ids have one length throughout. Where the next length is a guess to be confirmed, its address does not wait for
// the load before it. Returns how many rows have the first one's length; the start after them is written too.
function walkSameLength(values: Uint8Array, rows: number, starts: Uint32Array, at: number, base: number): number {
  if (values.length < 4) return 0
  const length = readUint32(values, 0)
  const size = length + 4
  const count = Math.min(rows, Math.floor(values.length / size))
  for (let row = 0, from = 0; row < count; row++, from += size) {
    starts[at + row] = base + from
    if (readUint32(values, from) !== length) return row
  }
  starts[at + count] = base + count * size
  return count
}

function walkNullable(
  values: Uint8Array,
  rows: number,
  bits: Uint8Array,
  starts: Uint32Array,
  at: number,
  base: number,
): number {
  const end = values.length
  let from = 0
  for (let row = 0; row < rows; row++) {
    starts[at + row] = base + from
    if (((bits[row >> 3]! >> (row & 7)) & 1) === 0) continue
    if (end - from < 4) malformed(`byte array ${row} of ${rows} runs past its page`)
    const length = readUint32(values, from)
    from += 4
    if (length > end - from)
      malformed(`byte array ${row} of ${rows} claims ${length} bytes where ${end - from} are left`)
    from += length
  }
  starts[at + rows] = base + from
  return from
}

/** Appends dictionary value indices[i] for each present row. The indices are checked by the caller. */
export function appendLookedUp(
  dictionary: BytesColumn,
  indices: Uint32Array,
  rows: number,
  bits: Uint8Array | null,
  out: ByteArrays,
  at: number,
): void {
  const { starts, bytes } = dictionary
  let next = 0
  for (let row = 0; row < rows; row++) {
    out.starts[at + row] = out.used
    if (bits !== null && ((bits[row >> 3]! >> (row & 7)) & 1) === 0) continue
    const index = indices[next++]!
    const from = starts[index]!
    const size = starts[index + 1]! - from
    reserveBytes(out, size)
    out.bytes.set(bytes.subarray(from, from + size), out.used)
    out.used += size
  }
  out.starts[at + rows] = out.used
}

/** The column of what was appended. */
export function finishByteArrays(values: ByteArrays, rows: number, validity: Validity): BytesColumn {
  return { kind: 'bytes', rows, validity, starts: values.starts, bytes: values.bytes.subarray(0, values.used) }
}
