// DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY (Parquet format, Encodings.md).
//
// 64-bit values are added as two halves of 32 bits with a carry; sums wrap, as the format says. A 32-bit column needs the lower
// halves only.

import { isPresent } from '../../columns/column.ts'
import { copyStretch, viewOf } from '../../columns/copy-bytes.ts'
import { unwrittenWords } from '../../columns/memory.ts'
import { malformed } from '../malformed.ts'
import { unpackBits } from './bit-packed.ts'
import { type ByteArrays, reserveBytes } from './byte-arrays.ts'
import { readVarint } from './rle.ts'

// Writers use 128 (parquet-java, Arrow) or 2048 values a block.
const BLOCK_VALUES_MAX = 1 << 16
const PAGE_BYTES_MAX = 1 << 28
/** Longer values are copied by a call of `set`. */
const LOOP_BYTES_MAX = 96

/** A zigzag varint of 64 bits. Reused: read it before the next call. */
const zigzag = { low: 0, high: 0, end: 0 }

function readZigzag(bytes: Uint8Array, at: number, end: number): typeof zigzag {
  let low = 0
  let high = 0
  for (let i = 0; i < 10; i++) {
    if (at + i >= end) malformed('a varint runs past its page')
    const byte = bytes[at + i]!
    const bits = byte & 0x7f
    if (i < 4) low |= bits << (7 * i)
    else if (i === 4) {
      low |= bits << 28
      high |= bits >> 4
    } else high |= bits << (7 * i - 32)
    if (byte < 0x80) {
      const sign = -(low & 1)
      zigzag.low = ((low >>> 1) | (high << 31)) ^ sign
      zigzag.high = (high >>> 1) ^ sign
      zigzag.end = at + i + 1
      return zigzag
    }
  }
  return malformed('a varint exceeds 64 bits')
}

interface DeltaHead {
  readonly blockValues: number
  readonly miniblocks: number
  readonly low: number
  readonly high: number
  readonly end: number
}

function readDeltaHead(bytes: Uint8Array, start: number, end: number, count: number): DeltaHead {
  const blockValues = readVarint(bytes, start, end).value
  const miniblocks = readVarint(bytes, readVarint(bytes, start, end).end, end)
  const miniblockCount = miniblocks.value
  const total = readVarint(bytes, miniblocks.end, end)
  if (total.value !== count) malformed(`a delta page holds ${total.value} values instead of ${count}`)
  if (blockValues === 0 || blockValues > BLOCK_VALUES_MAX || miniblockCount === 0) {
    malformed(`delta blocks of ${blockValues} values in ${miniblockCount} miniblocks`)
  }
  const values = blockValues / miniblockCount
  if (!Number.isInteger(values) || values % 8 !== 0) malformed(`delta miniblocks of ${values} values`)
  const first = readZigzag(bytes, total.end, end)
  return { blockValues, miniblocks: miniblockCount, low: first.low, high: first.high, end: first.end }
}

let lows = new Uint32Array(256)
let highs = new Uint32Array(256)

/**
 * Decodes `count` integers from bytes [start, end). With `wide`, value i goes to out[2 (at + i)] and the element after it (lower
 * half first); otherwise its lower half goes to out[at + i]. Returns where the last block ends. Throws MalformedError.
 */
export function decodeDelta(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  wide: boolean,
  out: Uint32Array,
  at: number,
): number {
  const head = readDeltaHead(bytes, start, end, count)
  if (count === 0) return head.end
  const miniblockValues = head.blockValues / head.miniblocks
  if (lows.length < miniblockValues) {
    lows = new Uint32Array(miniblockValues)
    highs = new Uint32Array(miniblockValues)
  }
  const scale = wide ? 2 : 1
  out[at * scale] = head.low
  if (wide) out[at * 2 + 1] = head.high
  let from = head.end
  for (let done = 1; done < count; ) {
    const min = readZigzag(bytes, from, end)
    const minLow = min.low
    const minHigh = min.high
    const widths = min.end
    from = widths + head.miniblocks
    if (from > end) malformed('a delta block runs past its page')
    for (let i = 0; i < head.miniblocks && done < count; i++) {
      const width = bytes[widths + i]!
      const values = Math.min(miniblockValues, count - done)
      unpackDeltas(bytes, from, end, width, values)
      from = Math.min(end, from + (miniblockValues / 8) * width)
      if (!wide) addLow(out, at + done, values, minLow)
      else if (width <= 32) addWide(out, (at + done) * 2, values, minLow, minHigh)
      else addWidest(out, (at + done) * 2, values, minLow, minHigh)
      done += values
    }
  }
  return from
}

function unpackDeltas(bytes: Uint8Array, at: number, end: number, width: number, count: number): void {
  if (width <= 32) {
    unpackBits(bytes, at, end, width, count, lows, 0)
    return
  }
  if (width > 64) malformed(`deltas of ${width} bits`)
  if (Math.ceil((count * width) / 8) > end - at) malformed(`${count} deltas of ${width} bits run past their page`)
  const highMask = width === 64 ? 0xffffffff : 2 ** (width - 32) - 1
  for (let i = 0; i < count; i++) {
    const byte = at + ((i * width) >> 3)
    const shift = (i * width) & 7
    lows[i] = bitsAt(bytes, byte, shift)
    highs[i] = bitsAt(bytes, byte + 4, shift) & highMask
  }
}

// 32 bits from bit `shift` (0–7) of bytes[at]; past the end of the buffer they are 0.
function bitsAt(bytes: Uint8Array, at: number, shift: number): number {
  const word = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> shift
  return shift === 0 ? word : word | (bytes[at + 4]! << (32 - shift))
}

function addLow(out: Uint32Array, at: number, count: number, min: number): void {
  let value = out[at - 1]!
  for (let i = 0; i < count; i++) {
    value = (value + min + lows[i]!) | 0
    out[at + i] = value
  }
}

// value += min + delta, where the delta has no higher half.
function addWide(out: Uint32Array, at: number, count: number, minLow: number, minHigh: number): void {
  const minimum = minLow >>> 0
  let low = out[at - 2]!
  let high = out[at - 1]! | 0
  for (let i = 0, to = at; i < count; i++, to += 2) {
    // At most three times 2^32: exact, and the carry is 0, 1 or 2.
    const sum = low + minimum + lows[i]!
    low = sum >>> 0
    high = (high + minHigh + (sum - low) / 0x100000000) | 0
    out[to] = low
    out[to + 1] = high
  }
}

function addWidest(out: Uint32Array, at: number, count: number, minLow: number, minHigh: number): void {
  const minimum = minLow >>> 0
  let low = out[at - 2]!
  let high = out[at - 1]! | 0
  for (let i = 0, to = at; i < count; i++, to += 2) {
    const sum = low + minimum + lows[i]!
    low = sum >>> 0
    high = (high + minHigh + highs[i]! + (sum - low) / 0x100000000) | 0
    out[to] = low
    out[to + 1] = high
  }
}

// Lengths of `count` values and their sum; each is checked to be below 2^31, so a sum of many stays exact.
function decodeLengths(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): { lengths: Uint32Array; end: number; sum: number } {
  const lengths = unwrittenWords(count)
  const next = decodeDelta(bytes, start, end, count, false, lengths, 0)
  let sum = 0
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!
    if (length > 0x7fffffff) malformed(`a byte array of ${length | 0} bytes`)
    sum += length
  }
  return { lengths, end: next, sum }
}

/** Appends `present` values (all lengths, then all bytes) as rows [at, at + rows) in the PLAIN layout. Throws MalformedError. */
export function appendDeltaLengthByteArrays(
  page: Uint8Array,
  start: number,
  end: number,
  rows: number,
  present: number,
  bits: Uint8Array | null,
  out: ByteArrays,
  at: number,
): void {
  const { lengths, end: values, sum } = decodeLengths(page, start, end, present)
  if (sum !== end - values) malformed(`byte arrays of ${sum} bytes where ${end - values} are left`)
  reserveBytes(out, sum + present * 4)
  const { starts, bytes } = out
  const source = viewOf(page)
  const target = viewOf(bytes)
  let used = out.used
  let from = values
  let next = 0
  for (let row = 0; row < rows; row++) {
    starts[at + row] = used
    if (bits !== null && ((bits[row >> 3]! >> (row & 7)) & 1) === 0) continue
    const length = lengths[next++]!
    target.setUint32(used, length, true)
    used += 4
    if (length > LOOP_BYTES_MAX) bytes.set(page.subarray(from, from + length), used)
    else {
      // In place of a call: half of the time of a value of 24 bytes.
      let byte = 0
      for (; byte + 4 <= length; byte += 4) target.setInt32(used + byte, source.getInt32(from + byte))
      for (; byte < length; byte++) target.setUint8(used + byte, source.getUint8(from + byte))
    }
    used += length
    from += length
  }
  starts[at + rows] = used
  out.used = used
}

/** Appends `present` values (lengths of shared prefixes, then suffixes) as rows [at, at + rows). Throws MalformedError. */
export function appendDeltaByteArrays(
  page: Uint8Array,
  start: number,
  end: number,
  rows: number,
  present: number,
  bits: Uint8Array | null,
  out: ByteArrays,
  at: number,
): void {
  const prefixes = decodeLengths(page, start, end, present)
  const suffixes = decodeLengths(page, prefixes.end, end, present)
  if (suffixes.sum !== end - suffixes.end)
    malformed(`suffixes of ${suffixes.sum} bytes where ${end - suffixes.end} are left`)
  // A few bytes can repeat a long prefix many times.
  const size = prefixes.sum + suffixes.sum + present * 4
  if (size > PAGE_BYTES_MAX) malformed(`a page of ${size} bytes of values`)
  reserveBytes(out, size)
  const { starts, bytes } = out
  const source = viewOf(page)
  const target = viewOf(bytes)
  let used = out.used
  let from = suffixes.end
  let next = 0
  let previous = 0
  let previousLength = 0
  for (let row = 0; row < rows; row++) {
    starts[at + row] = used
    if (!isPresent(bits, row)) continue
    const prefix = prefixes.lengths[next]!
    const suffix = suffixes.lengths[next++]!
    if (prefix > previousLength) malformed(`a prefix of ${prefix} bytes of a value of ${previousLength}`)
    target.setUint32(used, prefix + suffix, true)
    used += 4
    copyStretch(target, bytes, previous, target, bytes, used, prefix)
    copyStretch(source, page, from, target, bytes, used + prefix, suffix)
    previous = used
    previousLength = prefix + suffix
    used += previousLength
    from += suffix
  }
  starts[at + rows] = used
  out.used = used
}
