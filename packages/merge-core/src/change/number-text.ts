// Numbers of DynamoDB as text: 38 significant digits, magnitudes from 10⁻¹³⁰ to below 10¹²⁶, and never through a double.
//
// Canonical text: an optional `-`, digits without leading zeros, no trailing zeros behind the point; outside 10⁻⁷ … 10²¹ in the
// exponent form `d.ddE±x`. Two numbers are equal exactly where their canonical texts are.

const NUMBER = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/

const DIGITS_MAX = 38
const EXPONENT_MIN = -130
const EXPONENT_MAX = 125
const PLAIN_EXPONENT_MIN = -7
const PLAIN_EXPONENT_MAX = 20

/** The number is ± digits × 10^exponent; digits have no zero at either end and are empty for zero. */
export interface DecimalNumber {
  readonly negative: boolean
  readonly digits: string
  readonly exponent: number
}

/** Null where DynamoDB has no such number: other characters, too many digits, too large, too small. */
export function parseNumber(text: string): DecimalNumber | null {
  const match = NUMBER.exec(text)
  if (match === null) return null
  const fraction = match[3] ?? match[4] ?? ''
  const all = (match[2] ?? '') + fraction
  const from = firstNonZero(all)
  const to = behindLastNonZero(all)
  if (from >= to) return { negative: false, digits: '', exponent: 0 }
  const digits = all.slice(from, to)
  const exponent = Number(match[5] ?? 0) - fraction.length + (all.length - to)
  const magnitude = digits.length + exponent - 1
  if (digits.length > DIGITS_MAX || magnitude < EXPONENT_MIN || magnitude > EXPONENT_MAX) return null
  return { negative: match[1] === '-', digits, exponent }
}

/** The canonical text of an N, or null where it is no number of DynamoDB's. */
export function canonicalNumber(text: string): string | null {
  const number = parseNumber(text)
  return number === null ? null : formatNumber(number)
}

export function formatNumber({ negative, digits, exponent }: DecimalNumber): string {
  if (digits === '') return '0'
  const sign = negative ? '-' : ''
  const magnitude = digits.length + exponent - 1
  if (magnitude < PLAIN_EXPONENT_MIN || magnitude > PLAIN_EXPONENT_MAX) {
    const point = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${point}E${magnitude < 0 ? '-' : '+'}${Math.abs(magnitude)}`
  }
  if (exponent >= 0) return sign + digits + '0'.repeat(exponent)
  if (magnitude < 0) return `${sign}0.${'0'.repeat(-magnitude - 1)}${digits}`
  return `${sign}${digits.slice(0, magnitude + 1)}.${digits.slice(magnitude + 1)}`
}

/** The number × 10^scale, or null where that is no integer: a digit would be lost. */
export function unscaledOf({ negative, digits, exponent }: DecimalNumber, scale: number): bigint | null {
  if (digits === '') return 0n
  if (exponent + scale < 0) return null
  const magnitude = BigInt(digits) * 10n ** BigInt(exponent + scale)
  return negative ? -magnitude : magnitude
}

/** By value: negative, 0 or positive. */
export function compareNumbers(a: DecimalNumber, b: DecimalNumber): number {
  const signA = signOf(a)
  const signB = signOf(b)
  if (signA !== signB) return signA - signB
  if (signA === 0) return 0
  const magnitude = a.digits.length + a.exponent - (b.digits.length + b.exponent)
  if (magnitude !== 0) return signA * magnitude
  return signA * (a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0)
}

function signOf({ negative, digits }: DecimalNumber): number {
  return digits === '' ? 0 : negative ? -1 : 1
}

function firstNonZero(digits: string): number {
  let at = 0
  while (digits.charCodeAt(at) === 0x30) at++
  return at
}

function behindLastNonZero(digits: string): number {
  let at = digits.length
  while (at > 0 && digits.charCodeAt(at - 1) === 0x30) at--
  return at
}
