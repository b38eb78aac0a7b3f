// DELTA_BINARY_PACKED (Parquet format, Encodings.md): integers as packed differences, in blocks of 128 = 4 miniblocks of 32.
//
// Differences wrap at the width of the type, as readers' sums do. 64-bit values are two Int32 halves (low first, as BigInt64Array lies
// in memory): no BigInt is made.

import type { Int32Column, Int64Column } from '../../columns/column.ts'
import { bitWidth, packerOf } from './bit-packing.ts'
import { writeVarint, writeZigzagVarint } from './varint.ts'

const BLOCK = 128
const MINIBLOCK = 32
const MINIBLOCKS = BLOCK / MINIBLOCK

const low = new Uint32Array(BLOCK)
const high = new Uint32Array(BLOCK)

/** No `values` values of `width` bytes take more. */
export function deltaBytesMax(values: number, width: number): number {
  return 30 + Math.ceil(values / BLOCK) * (BLOCK * width + 10 + MINIBLOCKS)
}

/** Writes values [from, to) of a column of integers, none being only the header; answers where they end in `out`. */
export function encodeDelta(
  column: Int32Column | Int64Column,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  const { data } = column
  if (column.kind === 'int32') return encodeDeltaInt32(column.data, from, to, out, at)
  return encodeDeltaInt64(new Int32Array(data.buffer, data.byteOffset, data.length * 2), from, to, out, at)
}

/** As encodeDelta, of integers at hand. */
export function encodeDeltaInt32(values: Int32Array, from: number, to: number, out: Uint8Array, at: number): number {
  if (from === to) return writeHeader(0, 0, 0, out, at)
  const first = values[from]!
  at = writeHeader(to - from, first, first >> 31, out, at)
  for (let row = from + 1; row < to; row += BLOCK) {
    const count = Math.min(BLOCK, to - row)
    const least = subtractNeighbours32(values, row, count)
    at = writeZigzagVarint(least, least >> 31, out, at)
    for (let i = 0; i < count; i++) low[i] = low[i]! - least
    at = writeMiniblocks(count, false, out, at)
  }
  return at
}

function encodeDeltaInt64(halves: Int32Array, from: number, to: number, out: Uint8Array, at: number): number {
  if (from === to) return writeHeader(0, 0, 0, out, at)
  at = writeHeader(to - from, halves[from * 2]!, halves[from * 2 + 1]!, out, at)
  for (let row = from + 1; row < to; row += BLOCK) {
    const count = Math.min(BLOCK, to - row)
    subtractNeighbours64(halves, row, count)
    const least = leastOfBlock(count)
    const leastLow = low[least]! | 0
    const leastHigh = high[least]! | 0
    at = writeZigzagVarint(leastLow, leastHigh, out, at)
    const anyHigh = subtractLeast(count, leastLow, leastHigh)
    at = writeMiniblocks(count, anyHigh, out, at)
  }
  return at
}

function writeHeader(values: number, firstLow: number, firstHigh: number, out: Uint8Array, at: number): number {
  at = writeVarint(BLOCK, out, at)
  at = writeVarint(MINIBLOCKS, out, at)
  at = writeVarint(values, out, at)
  return writeZigzagVarint(firstLow, firstHigh, out, at)
}

/** Differences to the row before into `low`; answers the least of them. */
function subtractNeighbours32(values: Int32Array, row: number, count: number): number {
  let previous = values[row - 1]!
  let least = 0x7fffffff
  for (let i = 0; i < count; i++) {
    const value = values[row + i]!
    const delta = (value - previous) | 0
    low[i] = delta
    if (delta < least) least = delta
    previous = value
  }
  return least
}

/** Differences to the row before into `low` and `high`. */
function subtractNeighbours64(halves: Int32Array, row: number, count: number): void {
  let previousLow = halves[row * 2 - 2]!
  let previousHigh = halves[row * 2 - 1]!
  for (let i = 0; i < count; i++) {
    const valueLow = halves[(row + i) * 2]!
    const valueHigh = halves[(row + i) * 2 + 1]!
    const borrow = valueLow >>> 0 < previousLow >>> 0 ? 1 : 0
    low[i] = valueLow - previousLow
    high[i] = valueHigh - previousHigh - borrow
    previousLow = valueLow
    previousHigh = valueHigh
  }
}

function leastOfBlock(count: number): number {
  let least = 0
  let leastHigh = high[0]! | 0
  let leastLow = low[0]!
  for (let i = 1; i < count; i++) {
    const valueHigh = high[i]! | 0
    if (valueHigh > leastHigh || (valueHigh === leastHigh && low[i]! >= leastLow)) continue
    least = i
    leastHigh = valueHigh
    leastLow = low[i]!
  }
  return least
}

/** Answers whether any difference to the least one needs more than 32 bits. */
function subtractLeast(count: number, leastLow: number, leastHigh: number): boolean {
  let orHigh = 0
  for (let i = 0; i < count; i++) {
    const valueLow = low[i]! | 0
    const borrow = valueLow >>> 0 < leastLow >>> 0 ? 1 : 0
    const valueHigh = (high[i]! - leastHigh - borrow) | 0
    low[i] = valueLow - leastLow
    high[i] = valueHigh
    orHigh |= valueHigh
  }
  return orHigh !== 0
}

/** Widths, then the packed miniblocks. Those past the last value have width 0 and no bytes; the last one is padded. */
function writeMiniblocks(count: number, anyHigh: boolean, out: Uint8Array, at: number): number {
  if (count < BLOCK) {
    low.fill(0, count)
    high.fill(0, count)
  }
  let widthAt = at
  at += MINIBLOCKS
  for (let from = 0; from < BLOCK; from += MINIBLOCK) {
    const width = from < count ? widthOfMiniblock(from, anyHigh) : 0
    out[widthAt++] = width
    if (width === 0) continue
    packerOf(width)(low, high, from, out, at)
    at += width * (MINIBLOCK / 8)
  }
  return at
}

function widthOfMiniblock(from: number, anyHigh: boolean): number {
  let orLow = 0
  for (let i = from; i < from + MINIBLOCK; i++) orLow |= low[i]!
  if (!anyHigh) return bitWidth(orLow)
  let orHigh = 0
  for (let i = from; i < from + MINIBLOCK; i++) orHigh |= high[i]!
  return bitWidth(orLow, orHigh)
}
