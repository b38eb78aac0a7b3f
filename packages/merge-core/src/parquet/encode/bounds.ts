// Which rows hold the least and the greatest value: bounds are found as rows and become bytes only once.
//
// Order is Parquet's type-defined order: integers signed, strings, binary and uuid by unsigned bytes, decimals in fixed bytes as big-endian
// two's complement. A NaN leaves a stretch without bounds (parquet.thrift, ColumnOrder).

import type { BytesColumn, FixedColumn, PlainColumn } from '../../columns/column.ts'
import { viewOf } from '../../columns/copy-bytes.ts'

export interface BoundRows {
  readonly min: number
  readonly max: number
}

/** Bounds of rows[from … to) of a column without nulls. Null where there are none: no rows, or a NaN among them. */
export function boundRows(
  column: PlainColumn,
  isDecimal: boolean,
  rows: Uint32Array,
  from: number,
  to: number,
): BoundRows | null {
  if (from === to) return null
  switch (column.kind) {
    case 'boolean':
    case 'int32':
      return boundsOfIntegers(column.data, rows, from, to)
    case 'int64': {
      const { data } = column
      return boundsOfLongs(new Int32Array(data.buffer, data.byteOffset, data.length * 2), rows, from, to)
    }
    case 'float':
    case 'double':
      return boundsOfFloats(column.data, rows, from, to)
    case 'bytes':
      return boundsOfBytes(column, rows, from, to)
    case 'fixed':
      return boundsOfFixed(column, isDecimal, rows, from, to)
  }
}

/** Below 0, 0 or above 0 as row `a` sorts before, with or after row `b`. */
export function compareRows(column: PlainColumn, isDecimal: boolean, a: number, b: number): number {
  switch (column.kind) {
    case 'bytes': {
      const { starts } = column
      return compareBytes(viewOf(column.bytes), starts[a]! + 4, starts[a + 1]!, starts[b]! + 4, starts[b + 1]!)
    }
    case 'fixed':
      return compareFixed(viewOf(column.data), column.width, isDecimal, a, b)
    default: {
      const { data } = column
      return data[a]! < data[b]! ? -1 : data[a]! > data[b]! ? 1 : 0
    }
  }
}

function boundsOfIntegers(data: Uint8Array | Int32Array, rows: Uint32Array, from: number, to: number): BoundRows {
  let min = rows[from]!
  let max = min
  let least = data[min]!
  let greatest = least
  for (let at = from + 1; at < to; at++) {
    const value = data[rows[at]!]!
    if (value < least) {
      least = value
      min = rows[at]!
    } else if (value > greatest) {
      greatest = value
      max = rows[at]!
    }
  }
  return { min, max }
}

function boundsOfLongs(halves: Int32Array, rows: Uint32Array, from: number, to: number): BoundRows {
  let min = rows[from]!
  let max = min
  let leastHigh = halves[min * 2 + 1]!
  let leastLow = halves[min * 2]! >>> 0
  let greatestHigh = leastHigh
  let greatestLow = leastLow
  for (let at = from + 1; at < to; at++) {
    const row = rows[at]!
    const high = halves[row * 2 + 1]!
    const low = halves[row * 2]! >>> 0
    if (high < leastHigh || (high === leastHigh && low < leastLow)) {
      leastHigh = high
      leastLow = low
      min = row
    } else if (high > greatestHigh || (high === greatestHigh && low > greatestLow)) {
      greatestHigh = high
      greatestLow = low
      max = row
    }
  }
  return { min, max }
}

function boundsOfFloats(
  data: Float32Array | Float64Array,
  rows: Uint32Array,
  from: number,
  to: number,
): BoundRows | null {
  let min = rows[from]!
  let max = min
  let least = data[min]!
  let greatest = least
  for (let at = from; at < to; at++) {
    const value = data[rows[at]!]!
    if (Number.isNaN(value)) return null
    if (value < least) {
      least = value
      min = rows[at]!
    } else if (value > greatest) {
      greatest = value
      max = rows[at]!
    }
  }
  return { min, max }
}

/**
 * Bounds share a prefix, and most values share it too: it is compared once for both, and the word after it tells most of the rest. The
 * first and the last row are the bounds to begin with, as they stay where rows ascend.
 */
function boundsOfBytes(column: BytesColumn, rows: Uint32Array, from: number, to: number): BoundRows {
  const { starts } = column
  const bytes = viewOf(column.bytes)
  const descends = compareRows(column, false, rows[from]!, rows[to - 1]!) > 0
  let min = rows[descends ? to - 1 : from]!
  let max = rows[descends ? from : to - 1]!
  let minStart = starts[min]! + 4
  let minEnd = starts[min + 1]!
  let maxStart = starts[max]! + 4
  let maxEnd = starts[max + 1]!
  let prefix = sharedPrefix(bytes, minStart, maxStart, Math.min(minEnd - minStart, maxEnd - maxStart))
  let minWord = wordAt(bytes, minStart + prefix, minEnd)
  let maxWord = wordAt(bytes, maxStart + prefix, maxEnd)
  for (let at = from + 1; at < to - 1; at++) {
    const row = rows[at]!
    const start = starts[row]! + 4
    const end = starts[row + 1]!
    const same = sharedPrefix(bytes, start, minStart, Math.min(prefix, end - start))
    if (same === prefix && start + prefix + 4 <= end) {
      const word = bytes.getUint32(start + prefix)
      if (word > minWord && word < maxWord) continue
    }
    if (compareBytes(bytes, start + same, end, minStart + same, minEnd) < 0) {
      min = row
      minStart = start
      minEnd = end
    } else if (compareBytes(bytes, start + same, end, maxStart + same, maxEnd) > 0) {
      max = row
      maxStart = start
      maxEnd = end
    } else continue
    prefix = sharedPrefix(bytes, minStart, maxStart, Math.min(minEnd - minStart, maxEnd - maxStart))
    minWord = wordAt(bytes, minStart + prefix, minEnd)
    maxWord = wordAt(bytes, maxStart + prefix, maxEnd)
  }
  return { min, max }
}

/** Four bytes in the order of bytes; what lies past the end counts as 0, below any byte. */
function wordAt(bytes: DataView, at: number, end: number): number {
  if (at + 4 <= end) return bytes.getUint32(at)
  let word = 0
  for (let byte = at; byte < at + 4; byte++) word = word * 256 + (byte < end ? bytes.getUint8(byte) : 0)
  return word
}

function sharedPrefix(bytes: DataView, a: number, b: number, length: number): number {
  let same = 0
  while (same + 4 <= length && bytes.getInt32(a + same) === bytes.getInt32(b + same)) same += 4
  while (same < length && bytes.getUint8(a + same) === bytes.getUint8(b + same)) same++
  return same
}

function compareBytes(bytes: DataView, aStart: number, aEnd: number, bStart: number, bEnd: number): number {
  let a = aStart
  let b = bStart
  while (a < aEnd && b < bEnd) {
    const difference = bytes.getUint8(a++) - bytes.getUint8(b++)
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

/** As boundsOfBytes: the words that both bounds share are compared with one of them, and the word after them tells most of the rest. */
function boundsOfFixed(
  column: FixedColumn,
  isDecimal: boolean,
  rows: Uint32Array,
  from: number,
  to: number,
): BoundRows {
  const { width } = column
  const data = viewOf(column.data)
  const words = width >> 2
  let min = rows[from]!
  let max = min
  let shared = words
  let minWord = 0
  let maxWord = 0
  for (let at = from + 1; at < to; at++) {
    const row = rows[at]!
    const same = sharedWords(data, row * width, min * width, shared)
    if (same === shared && shared < words) {
      const word = fixedWord(data, row * width, shared, isDecimal)
      if (word > minWord && word < maxWord) continue
    }
    if (compareFixed(data, width, isDecimal, row, min) < 0) min = row
    else if (compareFixed(data, width, isDecimal, row, max) > 0) max = row
    else continue
    shared = sharedWords(data, min * width, max * width, words)
    if (shared === words) continue
    minWord = fixedWord(data, min * width, shared, isDecimal)
    maxWord = fixedWord(data, max * width, shared, isDecimal)
  }
  return { min, max }
}

function sharedWords(data: DataView, a: number, b: number, words: number): number {
  let same = 0
  while (same < words && data.getInt32(a + same * 4) === data.getInt32(b + same * 4)) same++
  return same
}

/** Word number `word` of the value at `start`, in the order of values. Of a decimal the first carries the sign. */
function fixedWord(data: DataView, start: number, word: number, isDecimal: boolean): number {
  return isDecimal && word === 0 ? data.getInt32(start) : data.getUint32(start + word * 4)
}

function compareFixed(data: DataView, width: number, isDecimal: boolean, a: number, b: number): number {
  const aStart = a * width
  const bStart = b * width
  // Of a decimal the first byte alone carries the sign.
  if (isDecimal) {
    const first = data.getInt8(aStart) - data.getInt8(bStart)
    if (first !== 0) return first
  }
  let byte = 0
  for (; byte + 4 <= width; byte += 4) {
    const aWord = data.getUint32(aStart + byte)
    const bWord = data.getUint32(bStart + byte)
    if (aWord !== bWord) return aWord < bWord ? -1 : 1
  }
  for (; byte < width; byte++) {
    const difference = data.getUint8(aStart + byte) - data.getUint8(bStart + byte)
    if (difference !== 0) return difference
  }
  return 0
}
