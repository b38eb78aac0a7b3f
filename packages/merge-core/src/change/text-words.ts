// Four bytes of text as one number, little-endian: what they are, told for all four at once.

/**
 * Not 0 where a byte of the word is none that stands for itself in a string: a control character, a quote, a backslash, or beyond ASCII.
 * The lowest bit that is set is the highest of the first such byte.
 */
export function specialOf(word: number): number {
  const isControl = word - 0x20202020
  const isQuote = (word ^ 0x22222222) - 0x01010101
  const isBackslash = (word ^ 0x5c5c5c5c) - 0x01010101
  return (word | isControl | isQuote | isBackslash) & 0x80808080
}

/** How many bytes stand before the first one that `flags` marks by its highest bit. */
export function bytesBefore(flags: number): number {
  // Subtracted, not negated: the one is done in integers, whatever overflows.
  return (31 - Math.clz32(flags & (0 - flags))) >> 3
}

/** What turns four digits into their values, by exclusive or. */
export const ZEROS = 0x30303030

/** Not 0 where a byte of the word is no value of a digit. The lowest bit that is set is the highest of the first such byte. */
export function othersOf(word: number): number {
  return ((word + 0x76767676) | word) & 0x80808080
}

/** The number of the four digits whose values are the bytes of `word`, the first one lowest. */
export function fourDigits(word: number): number {
  const pairs = Math.imul(word, 10) + (word >>> 8)
  return (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff)
}
