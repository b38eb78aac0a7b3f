// JSON by position: where a value ends, and whether it is one (RFC 8259, in valid UTF-8), without building anything.
//
// A position behind the value means yes, INVALID means no. Nothing here recurses: depth is bounded by JSON_DEPTH_MAX.

import type { ByteSink } from './byte-sink.ts'

export const INVALID = -1

/** DynamoDB nests 32 levels, each two of JSON (`{"M":{…}}`); twice that, and the line around it. */
export const JSON_DEPTH_MAX = 136

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** 0 where a byte of a string stands for itself: printable ASCII but the quote and the backslash. */
const SPECIAL = new Uint8Array(256)
SPECIAL.fill(1, 0, 0x20)
SPECIAL.fill(1, 0x80)
SPECIAL[QUOTE] = 1
SPECIAL[BACKSLASH] = 1

const containers = new Uint8Array(JSON_DEPTH_MAX)

export function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at++
  }
  return at
}

/** Behind the value that starts at `start` (white space before it is passed over), or INVALID. */
export function skipValue(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0
  let at = start
  for (;;) {
    at = skipSpace(bytes, at, end)
    if (at >= end) return INVALID
    const first = bytes[at]!
    if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      at = skipSpace(bytes, at + 1, end)
      const close = first + 2
      if (at < end && bytes[at] === close) {
        at++
      } else {
        if (depth === JSON_DEPTH_MAX) return INVALID
        containers[depth++] = close
        if (first === OPEN_OBJECT) {
          at = skipName(bytes, at, end)
          if (at === INVALID) return INVALID
        }
        continue
      }
    } else {
      at = skipScalar(bytes, at, end)
      if (at === INVALID) return INVALID
    }
    for (;;) {
      if (depth === 0) return at
      at = skipSpace(bytes, at, end)
      if (at >= end) return INVALID
      const close = containers[depth - 1]!
      const byte = bytes[at++]!
      if (byte === close) {
        depth--
        continue
      }
      if (byte !== COMMA) return INVALID
      if (close === CLOSE_OBJECT) {
        at = skipName(bytes, skipSpace(bytes, at, end), end)
        if (at === INVALID) return INVALID
      }
      break
    }
  }
}

/** Behind the colon of the member whose name's quote is at `start`, or INVALID. */
export function skipName(bytes: Uint8Array, start: number, end: number): number {
  const behind = skipString(bytes, start, end)
  if (behind === INVALID) return INVALID
  const at = skipSpace(bytes, behind, end)
  return at < end && bytes[at] === COLON ? at + 1 : INVALID
}

/** Behind the string whose opening quote is at `start`, or INVALID. */
export function skipString(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || bytes[start] !== QUOTE) return INVALID
  let at = start + 1
  while (at < end) {
    const byte = bytes[at]!
    if (SPECIAL[byte] === 0) {
      at++
    } else if (byte === QUOTE) {
      return at + 1
    } else {
      at = byte === BACKSLASH ? skipEscape(bytes, at, end) : skipUtf8(bytes, at, end)
      if (at === INVALID) return INVALID
    }
  }
  return INVALID
}

function skipEscape(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return INVALID
  switch (bytes[at + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2
    case 0x75: // u
      return at + 6 <= end && hex4(bytes, at + 2) >= 0 ? at + 6 : INVALID
    default:
      return INVALID
  }
}

/** Behind one character beyond ASCII, or INVALID (control characters, overlong forms, surrogates, a cut). */
export function skipUtf8(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!
  if (lead < 0xc2 || lead > 0xf4) return INVALID
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (at + length > end) return INVALID
  const second = bytes[at + 1]!
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return INVALID
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return INVALID
  return at + length
}

function skipScalar(bytes: Uint8Array, at: number, end: number): number {
  switch (bytes[at]) {
    case QUOTE:
      return skipString(bytes, at, end)
    case 0x74:
      return skipLiteral(bytes, at, end, 'true')
    case 0x66:
      return skipLiteral(bytes, at, end, 'false')
    case 0x6e:
      return skipLiteral(bytes, at, end, 'null')
    default:
      return skipNumber(bytes, at, end)
  }
}

function skipLiteral(bytes: Uint8Array, at: number, end: number, literal: string): number {
  return isAscii(bytes, at, end, literal) ? at + literal.length : INVALID
}

/** Whether `text`, which is ASCII, stands at `at`. */
export function isAscii(bytes: Uint8Array, at: number, end: number, text: string): boolean {
  if (at + text.length > end) return false
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

function skipNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (at < end && bytes[at] === 0x2d) at++
  const whole = skipDigits(bytes, at, end)
  if (whole === at || (bytes[at] === 0x30 && whole > at + 1)) return INVALID
  at = whole
  if (at < end && bytes[at] === 0x2e) {
    const fraction = skipDigits(bytes, at + 1, end)
    if (fraction === at + 1) return INVALID
    at = fraction
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++
    const exponent = skipDigits(bytes, at, end)
    if (exponent === at) return INVALID
    at = exponent
  }
  return at
}

function skipDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++
  return at
}

/** The value of four hexadecimal digits, or −1. */
function hex4(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i]!
    const letter = byte | 0x20
    if (byte >= 0x30 && byte <= 0x39) value = value * 16 + byte - 0x30
    else if (letter >= 0x61 && letter <= 0x66) value = value * 16 + letter - 0x57
    else return -1
  }
  return value
}

export function hasEscape(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return true
  return false
}

/**
 * Appends the characters of a valid string, without its quotes: bytes[start … end). False where an escape names half a surrogate
 * pair: no UTF-8 can hold it, so it is written in the three bytes that UTF-8 would use (WTF-8), for comparing and for writing it back.
 */
export function decodeString(bytes: Uint8Array, start: number, end: number, out: ByteSink): boolean {
  out.reserve(end - start)
  let isText = true
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte !== BACKSLASH) {
      out.bytes[out.length++] = byte
      at++
      continue
    }
    const letter = bytes[at + 1]!
    if (letter !== 0x75) {
      out.bytes[out.length++] = SIMPLE_ESCAPES[letter]!
      at += 2
      continue
    }
    let code = hex4(bytes, at + 2)
    at += 6
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && isAscii(bytes, at, end, '\\u') ? hex4(bytes, at + 2) : -1
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + low - 0xdc00
        at += 6
      } else {
        isText = false
      }
    }
    pushUtf8(out, code)
  }
  return isText
}

const SIMPLE_ESCAPES = new Uint8Array(128)
for (const [letter, meant] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => [
  pair[0]!,
  pair[1]!,
])) {
  SIMPLE_ESCAPES[letter!.charCodeAt(0)] = meant!.charCodeAt(0)
}

function pushUtf8(out: ByteSink, code: number): void {
  const { bytes } = out
  let at = out.length
  if (code < 0x80) {
    bytes[at++] = code
  } else if (code < 0x800) {
    bytes[at++] = 0xc0 | (code >> 6)
    bytes[at++] = 0x80 | (code & 0x3f)
  } else if (code < 0x10000) {
    bytes[at++] = 0xe0 | (code >> 12)
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
    bytes[at++] = 0x80 | (code & 0x3f)
  } else {
    bytes[at++] = 0xf0 | (code >> 18)
    bytes[at++] = 0x80 | ((code >> 12) & 0x3f)
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
    bytes[at++] = 0x80 | (code & 0x3f)
  }
  out.length = at
}

/** Appends the string with its quotes, escaped as JSON.stringify does, from UTF-8 (or what decodeString made of half a pair). */
export function encodeString(bytes: Uint8Array, start: number, end: number, out: ByteSink): void {
  out.reserve(6 * (end - start) + 2)
  out.pushByte(QUOTE)
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE || byte === BACKSLASH) {
      out.pushByte(BACKSLASH)
      out.pushByte(byte)
    } else if (byte < 0x20) {
      out.pushAscii(JSON.stringify(String.fromCharCode(byte)).slice(1, -1))
    } else if (byte === 0xed && bytes[at + 1]! >= 0xa0) {
      const code = 0xd000 | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f)
      out.pushAscii(`\\u${code.toString(16)}`)
      at += 2
    } else {
      out.pushByte(byte)
    }
  }
  out.pushByte(QUOTE)
}

export { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE }
