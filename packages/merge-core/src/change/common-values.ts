// Values in the forms that are common, from the text straight into their column.
//
// Each function reads from behind the value's opening quote (or colon) and gives the position behind its closing brace, or −1 (and
// nothing written) where the value has another form: declared-value.ts knows them all, and what is read here must be what it says.
// Where a value ends shows in the text; none reaches over a control character, so none leaves its line. The text is read in words of
// four bytes, little-endian, never beyond what `view` shows: what stands in the last few bytes of that is left to the other way.

import type { ColumnBuilder } from './column-builder.ts'
import { decodeBase64, isBase64 } from './dynamodb-json.ts'
import { CLOSE_OBJECT, INVALID, QUOTE, skipUtf8 } from './json-scan.ts'
import { bytesBefore, fourDigits, othersOf, specialOf, ZEROS } from './text-words.ts'
import { daysOfDate, microsOfSecond, secondsOfTimestamp } from './time-text.ts'

const BACKSLASH = 0x5c
const MINUS = 0x2d
const POINT = 0x2e

/** What the character behind a backslash stands for, 0 for none or `u`. */
const ESCAPES = new Uint8Array(256)
for (const [letter, meant] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})) {
  ESCAPES[letter.charCodeAt(0)] = meant.charCodeAt(0)
}

export function readString(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  const lastWord = view.byteLength - 4
  let out = builder.begin(row)
  let at = start
  for (;;) {
    const target = builder.view
    const stop = Math.min(lastWord, at + target.byteLength - 8 - out)
    let special = 0
    while (at <= stop) {
      const word = view.getInt32(at, true)
      target.setInt32(out, word, true)
      special = specialOf(word)
      if (special !== 0) break
      at += 4
      out += 4
    }
    if (special === 0) {
      if (at > lastWord) return -1
      builder.reserve(out, out - builder.length)
      continue
    }
    const plain = bytesBefore(special)
    at += plain
    out += plain
    const byte = text[at]!
    if (byte === QUOTE) break
    if (byte === BACKSLASH) {
      const meant = ESCAPES[text[at + 1]!]!
      if (meant === 0) return -1
      target.setUint8(out++, meant)
      at += 2
    } else {
      const behind = skipUtf8(text, at, text.length)
      if (behind === INVALID) return -1
      while (at < behind) target.setUint8(out++, text[at++]!)
    }
  }
  if (text[at + 1] !== CLOSE_OBJECT) return -1
  builder.end(row, out)
  return at + 2
}

/** Behind a string or number that no column holds. */
export function skipPlain(text: Uint8Array, view: DataView, start: number): number {
  const quote = plainEnd(text, view, start)
  return quote < 0 ? -1 : quote + 2
}

/** Where the closing quote is, if the string is one of plain characters and the value ends behind it; else −1. */
export function plainEnd(text: Uint8Array, view: DataView, start: number): number {
  const lastWord = view.byteLength - 4
  let at = start
  while (at <= lastWord) {
    const special = specialOf(view.getInt32(at, true))
    if (special !== 0) {
      at += bytesBefore(special)
      return isNumberEnd(text, at) ? at : -1
    }
    at += 4
  }
  return -1
}

function isNumberEnd(text: Uint8Array, at: number): boolean {
  return text[at] === QUOTE && text[at + 1] === CLOSE_OBJECT
}

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent)

/** So many digits a double holds exactly. */
const DIGITS_SAFE = 15

/**
 * What readDigits read: the first of the digits, at most 15, as one integer, and those behind them as another. In memory, because a
 * double that a function returns is boxed.
 */
const mantissa = new Float64Array(2)
/** Behind the digits, how many there were, how many of them are in the second integer, and how many stood behind the point. */
let digitsEnd = 0
let digitsRead = 0
let restDigits = 0
let fractionDigits = 0

/** Reads digits from `start` on, behind those that were read. */
function appendDigits(view: DataView, start: number): void {
  const lastWord = view.byteLength - 4
  let head = mantissa[0]!
  let at = start
  let room = restDigits > 0 ? 0 : DIGITS_SAFE - digitsRead
  while (at <= lastWord) {
    const word = view.getInt32(at, true) ^ ZEROS
    const others = othersOf(word)
    const digits = others === 0 ? 4 : bytesBefore(others)
    if (digits > 0) {
      const value = fourDigits(word << (32 - 8 * digits))
      at += digits
      room -= digits
      if (room >= 0) {
        head = head * POWERS_OF_TEN[digits]! + value
      } else {
        room = 0
        restDigits += digits
        mantissa[1] = mantissa[1]! * POWERS_OF_TEN[digits]! + value
      }
    }
    if (digits < 4) break
  }
  mantissa[0] = head
  digitsRead += at - start
  digitsEnd = at
}

/** Reads `-?d*.?d*`; false where no value ends behind it. The sign is not in the mantissa. */
function readDigits(text: Uint8Array, view: DataView, start: number): boolean {
  mantissa[0] = 0
  mantissa[1] = 0
  digitsRead = 0
  restDigits = 0
  fractionDigits = 0
  appendDigits(view, text[start] === MINUS ? start + 1 : start)
  if (text[digitsEnd] === POINT) {
    const fraction = digitsEnd + 1
    appendDigits(view, fraction)
    fractionDigits = digitsEnd - fraction
  }
  return digitsRead > 0 && isNumberEnd(text, digitsEnd)
}

/** An integer of the column; `scale` more digits belong to it than to the number, and its magnitude is below `limit`. */
export function readInteger(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
  scale: number,
  limit: number,
): number {
  if (!readDigits(text, view, start) || restDigits > 0) return -1
  const shift = scale - fractionDigits
  if (shift < 0 || shift > 22) return -1
  const magnitude = mantissa[0]! * POWERS_OF_TEN[shift]!
  const value = text[start] === MINUS ? -magnitude : magnitude
  // The smallest int goes the other way.
  if (value >= limit || value <= -limit) return -1
  builder.setSafeInteger(row, value)
  return digitsEnd + 2
}

/** Any number of so many digits, without an exponent, is one of DynamoDB's. */
const NUMBER_DIGITS_MAX = 38

export function readDouble(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  if (!readDigits(text, view, start) || digitsRead > NUMBER_DIGITS_MAX) return -1
  // Without a rest both are exact and the division rounds once, so this is the nearest double.
  const power = POWERS_OF_TEN[Math.min(fractionDigits, 22)]!
  let value = restDigits === 0 ? mantissa[0]! / power : nearestDouble(power)
  if (text[start] === MINUS) value = -value
  if (Number.isNaN(value)) value = Number(Buffer.prototype.latin1Slice.call(text, start, digitsEnd))
  // DynamoDB has no negative zero.
  builder.doubles[row] = value === 0 ? 0 : value
  builder.mark(row)
  return digitsEnd + 2
}

/** With up to so many digits the mantissa is below 2 ** 64, and a power of ten that the fraction needs is exact. */
const DIGITS_NEAREST_MAX = 19

/**
 * The double nearest to the mantissa over a power of ten, or NaN where it is too near to the middle between two. The mantissa is made the
 * sum of two doubles: the quotient of the first is corrected by the remainder, which a double holds exactly
 * (T. J. Dekker, A floating-point technique for extending the available precision, 1971).
 */
function nearestDouble(power: number): number {
  if (digitsRead > DIGITS_NEAREST_MAX) return Number.NaN
  const head = mantissa[0]!
  const scale = POWERS_OF_TEN[restDigits]!
  const scaled = head * scale
  const behind = productError(head, scale, scaled) + mantissa[1]!
  const high = scaled + behind
  const low = behind - (high - scaled)
  const quotient = high / power
  const product = quotient * power
  const correction = (high - product - productError(quotient, power, product) + low) / power
  // The correction is right to some 50 bits: where that much decides, nothing is decided.
  const value = quotient + correction * (1 - 2 ** -45)
  return value === quotient + correction * (1 + 2 ** -45) ? value : Number.NaN
}

/** a × b − product, exactly, where product is a × b rounded. */
function productError(a: number, b: number, product: number): number {
  const aWide = a * 134_217_729
  const aHigh = aWide - (aWide - a)
  const aLow = a - aHigh
  const bWide = b * 134_217_729
  const bHigh = bWide - (bWide - b)
  const bLow = b - bHigh
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}

/** Numbers of more whole digits are written with an exponent. */
const PLAIN_DIGITS_MAX = 21

/** Digits without leading zeros, with a fraction that does not end in zero: text that is canonical already. */
export function readNumberText(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  if (!readDigits(text, view, start) || digitsRead > NUMBER_DIGITS_MAX) return -1
  const first = text[start] === MINUS ? start + 1 : start
  const whole = digitsRead - fractionDigits
  const hasLeadingZero = text[first] === 0x30 && (whole > 1 || fractionDigits > 6 || first > start)
  const hasTrailingZero = fractionDigits > 0 && text[digitsEnd - 1] === 0x30
  if (whole === 0 || whole > PLAIN_DIGITS_MAX || hasLeadingZero || hasTrailingZero) return -1
  if (text[digitsEnd - 1] === POINT) return -1
  let out = builder.begin(row)
  builder.reserve(out, digitsEnd - start)
  const { bytes } = builder
  for (let at = start; at < digitsEnd; at++) bytes[out++] = text[at]!
  builder.end(row, out)
  return digitsEnd + 2
}

/** The letters `true` and `fals`, as words. */
const TRUE = 0x65757274
const FALS = 0x736c6166

export function readBoolean(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  if (start > view.byteLength - 4) return -1
  const word = view.getInt32(start, true)
  const isTrue = word === TRUE
  if (!isTrue && (word !== FALS || text[start + 4] !== 0x65)) return -1
  const behind = start + (isTrue ? 4 : 5)
  if (text[behind] !== CLOSE_OBJECT) return -1
  builder.booleans[row] = isTrue ? 1 : 0
  builder.mark(row)
  return behind + 1
}

const MICROS_SAFE_SECONDS = 9_000_000_000

export function readTimestamp(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  const quote = plainEnd(text, view, start)
  if (quote < 0) return -1
  const seconds = secondsOfTimestamp(text, start, quote)
  // Also false for NaN.
  if (!(seconds < MICROS_SAFE_SECONDS && seconds > -MICROS_SAFE_SECONDS)) return -1
  builder.setSafeInteger(row, seconds * 1_000_000 + microsOfSecond)
  return quote + 2
}

export function readDate(builder: ColumnBuilder, row: number, text: Uint8Array, view: DataView, start: number): number {
  const quote = plainEnd(text, view, start)
  const days = quote < 0 ? Number.NaN : daysOfDate(text, start, quote)
  if (Number.isNaN(days)) return -1
  builder.setSafeInteger(row, days)
  return quote + 2
}

export function readBinary(
  builder: ColumnBuilder,
  row: number,
  text: Uint8Array,
  view: DataView,
  start: number,
): number {
  const quote = plainEnd(text, view, start)
  if (quote < 0 || !isBase64(text, start, quote)) return -1
  const out = builder.begin(row)
  builder.reserve(out, quote - start)
  builder.end(row, decodeBase64(text, start, quote, builder.bytes, out))
  return quote + 2
}
