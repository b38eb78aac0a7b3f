// Dates and times as text: ISO 8601 in the extended form, years 0001 to 9999, always with an offset from UTC.
//
//   date       2026-11-22
//   timestamp  2026-11-22T08:00[:00[.123456]](Z | +05:30 | +0530)
//
// A time without an offset is no point in time, and more than six digits of fraction would be lost: neither is read.

const NONE = Number.NaN
const SECONDS_PER_DAY = 86_400
/** Seconds of 0001-01-01T00:00:00Z and of 10000-01-01T00:00:00Z. */
export const SECONDS_MIN = -62_135_596_800
export const SECONDS_END = 253_402_300_800

/** Days since 1970-01-01 of the date at bytes[start … end), or NaN. */
export function daysOfDate(bytes: Uint8Array, start: number, end: number): number {
  return end - start === 10 ? daysAt(bytes, start) : NONE
}

/** The microseconds behind the second that secondsOfTimestamp returned last. */
export let microsOfSecond = 0

/** Whole epoch seconds (floored) of the timestamp at bytes[start … end), with its fraction in microsOfSecond; or NaN. */
export function secondsOfTimestamp(bytes: Uint8Array, start: number, end: number): number {
  microsOfSecond = 0
  if (end - start < 17 || bytes[start + 10] !== 0x54 || bytes[start + 13] !== 0x3a) return NONE
  const hour = twoDigits(bytes, start + 11)
  const minute = twoDigits(bytes, start + 14)
  if (!(hour < 24 && minute < 60)) return NONE
  let at = start + 16
  let second = 0
  if (bytes[at] === 0x3a) {
    second = twoDigits(bytes, at + 1)
    if (!(second < 60)) return NONE
    at += 3
    if (at < end && bytes[at] === 0x2e) {
      at = readFraction(bytes, at + 1, end)
      if (at === 0) return NONE
    }
  }
  const offset = offsetSeconds(bytes, at, end)
  const seconds = daysAt(bytes, start) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset
  return seconds >= SECONDS_MIN && seconds < SECONDS_END ? seconds : NONE
}

/** Behind one to six digits, read into microsOfSecond; 0 where there are none or more. */
function readFraction(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  let micros = 0
  while (at < end && isDigit(bytes[at]!)) micros = micros * 10 + bytes[at++]! - 0x30
  const digits = at - start
  if (digits === 0 || digits > 6) return 0
  microsOfSecond = micros * 10 ** (6 - digits)
  return at
}

function offsetSeconds(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === 0x5a) return end === at + 1 ? 0 : NONE
  const sign = bytes[at] === 0x2b ? 1 : bytes[at] === 0x2d ? -1 : NONE
  const hasColon = bytes[at + 3] === 0x3a
  if (end - at !== (hasColon ? 6 : 5)) return NONE
  const hours = twoDigits(bytes, at + 1)
  const minutes = twoDigits(bytes, hasColon ? at + 4 : at + 3)
  return hours < 24 && minutes < 60 ? sign * (hours * 3600 + minutes * 60) : NONE
}

const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** Days of a common year before each month. */
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
const DAYS_BEFORE_1970 = 719_162

function daysAt(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d) return NONE
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2)
  const month = twoDigits(bytes, at + 5)
  const day = twoDigits(bytes, at + 8)
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return NONE
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  if (day > DAYS_OF_MONTH[month - 1]! + (isLeap && month === 2 ? 1 : 0)) return NONE
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  const ofYear = DAYS_BEFORE_MONTH[month - 1]! + (isLeap && month > 2 ? 1 : 0) + day - 1
  return before * 365 + leapDays + ofYear - DAYS_BEFORE_1970
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]!
  const ones = bytes[at + 1]!
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + ones - 0x30 : NONE
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
