// The RLE/bit-packing hybrid of dictionary indices and booleans (Parquet format, Encodings.md).
//
// A run's head is a varint: with its lowest bit set, groups of eight bit-packed values follow; otherwise one value, repeated. Every
// run is checked against the values still wanted and the bytes still there before anything is written.

import { malformed } from '../malformed.ts'
import { unpackBits } from './bit-packed.ts'

/** Where a run's head ends and what it says. Reused: read it before the next call. */
const head = { value: 0, end: 0 }

/** Reads an unsigned varint of at most 32 bits at bytes[at]. The result object is the same at every call. */
export function readVarint(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly value: number; readonly end: number } {
  let value = 0
  let from = at
  for (let shift = 0; shift < 35; shift += 7) {
    if (from >= end) malformed('a varint runs past its page')
    const byte = bytes[from++]!
    if (shift === 28 && byte > 15) break
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      head.value = value >>> 0
      head.end = from
      return head
    }
  }
  return malformed('a varint exceeds 32 bits')
}

/** Decodes `count` values of `width` bits, which must fill bytes [start, end), to out[to …]. Throws MalformedError. */
export function decodeHybrid(
  bytes: Uint8Array,
  start: number,
  end: number,
  width: number,
  count: number,
  out: Uint32Array,
  to: number,
): void {
  let at = start
  for (let done = 0; done < count; ) {
    const run = readVarint(bytes, at, end)
    at = run.end
    if ((run.value & 1) === 1) {
      const values = Math.min((run.value >>> 1) * 8, count - done)
      unpackBits(bytes, at, end, width, values, out, to + done)
      at = Math.min(end, at + (run.value >>> 1) * width)
      done += values
      continue
    }
    const repeats = run.value >>> 1
    if (repeats > count - done) malformed(`a run of ${repeats} values where ${count - done} are left`)
    const valueBytes = (width + 7) >> 3
    if (valueBytes > end - at) malformed('a run runs past its page')
    out.fill(readLittleEndian(bytes, at, valueBytes), to + done, to + done + repeats)
    at += valueBytes
    done += repeats
  }
  if (at !== end) malformed(`${end - at} bytes are left after ${count} values`)
}

function readLittleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}
