// DynamoDB values in pairs: how a writer may spell one, and what a table must then show.
//
// A cell is text: numbers in their canonical form, timestamps as microseconds and dates as days since the epoch, binary in
// hexadecimal, booleans as true or false, JSON with sorted names. What does not fit its column is expected in `_extra`.

import fc from 'fast-check'

export type AttributeValue = Readonly<Record<string, unknown>>

export interface Value {
  /** DynamoDB JSON as the writer spelled it. */
  readonly raw: AttributeValue
  /** The same value, its numbers canonical and its sets sorted. */
  readonly typed: AttributeValue
  /** As plain JSON: what a `json` column shows. */
  readonly plain: unknown
}

/** What a declared attribute is to become: its cell, and its value in `_extra` where it does not fit. */
export interface Attribute {
  readonly raw: AttributeValue
  readonly cell: string | null
  readonly extra: AttributeValue | null
}

/** A number as plain JSON shows it: a token, so that no digit goes through a JavaScript number. */
export class NumberToken {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

// Numbers

/** `digits` times ten to `exponent`; no zeros at either end of the digits, '0' for zero. */
export interface Decimal {
  readonly negative: boolean
  readonly digits: string
  readonly exponent: number
}

export function parseNumber(text: string): Decimal {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)
  if (match === null) throw new Error(`not a number: ${text}`)
  const [, sign, whole = '', fraction = '', power = '0'] = match
  const significant = (whole + fraction).replace(/^0+/, '')
  const digits = significant.replace(/0+$/, '')
  if (digits === '') return { negative: false, digits: '0', exponent: 0 }
  return {
    negative: sign === '-',
    digits,
    exponent: Number(power) - fraction.length + significant.length - digits.length,
  }
}

/** Optional minus, no needless zeros, `d.ddE±x` outside 10⁻⁷ … 10²¹. */
export function canonicalNumber({ negative, digits, exponent }: Decimal): string {
  const sign = negative ? '-' : ''
  const power = digits.length - 1 + exponent
  if (digits === '0') return '0'
  if (power < -7 || power >= 21) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${fraction}E${power < 0 ? '-' : '+'}${Math.abs(power)}`
  }
  return sign + plainNumber(digits, exponent)
}

function plainNumber(digits: string, exponent: number): string {
  if (exponent >= 0) return digits === '0' ? '0' : digits + '0'.repeat(exponent)
  const padded = digits.padStart(1 - exponent, '0')
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`
}

/** One of the texts that DynamoDB holds to be the same number. */
function spellNumber({ negative, digits, exponent }: Decimal, spelling: number): string {
  const sign = negative ? '-' : ''
  const power = exponent + digits.length - 1
  const plain = plainNumber(digits, exponent)
  if (spelling === 0 || digits === '0') return sign + plain
  if (spelling === 1) return `${sign}${plain}${plain.includes('.') ? '' : '.'}00`
  if (spelling === 2) return `${sign}${digits}E${exponent}`
  if (spelling === 3) return `${sign}${digits}0E${exponent - 1}`
  return `${sign}${digits[0]}.${digits.slice(1) || '0'}e${power < 0 ? '' : '+'}${power}`
}

const digits = (max: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.nat(999).map(String) },
    { weight: 2, arbitrary: fc.bigInt({ min: 1n, max: 10n ** BigInt(max) - 1n }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom('9'.repeat(max), `1${'0'.repeat(max - 2)}1`) },
  )

/** Any number that DynamoDB takes: 38 digits, powers of the first digit from −130 to 125. */
export const decimals: fc.Arbitrary<Decimal> = fc
  .tuple(
    fc.boolean(),
    digits(38),
    fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -12, max: 22 }) }, fc.integer({ min: -130, max: 125 })),
  )
  .map(([negative, text, power]) => {
    const { digits: significant } = parseNumber(text)
    const exponent = power - significant.length + 1
    return significant === '0' ? parseNumber('0') : { negative, digits: significant, exponent }
  })

export interface SpelledNumber {
  readonly raw: string
  readonly canonical: string
  readonly decimal: Decimal
}

export function spelled(numbers: fc.Arbitrary<Decimal>): fc.Arbitrary<SpelledNumber> {
  return fc.tuple(numbers, fc.nat(4)).map(([decimal, spelling]) => ({
    raw: spellNumber(decimal, spelling),
    canonical: canonicalNumber(decimal),
    decimal,
  }))
}

const integers = (bits: number) =>
  fc
    .oneof(
      fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n }),
      fc.bigInt({ min: -20n, max: 20n }),
    )
    .map((value) => parseNumber(value.toString()))

const beyond = (bits: number) =>
  fc.bigInt({ min: 2n ** BigInt(bits - 1), max: 2n ** BigInt(bits + 20) }).map((value) => parseNumber(value.toString()))

const fractions = fc
  .tuple(fc.boolean(), fc.nat(1000), fc.integer({ min: 1, max: 9 }))
  .map(([negative, whole, last]): Decimal => ({ ...parseNumber(`${whole}.${last}`), negative }))

// Any value, as `json` columns and `_extra` take it

/** Any text of Unicode: beyond the BMP, U+0000, quotes and backslashes. */
export const texts = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.constantFrom(
    '',
    '\u0000',
    '"\\/\b\f\n\r\t',
    '\u{1F600}\uFFFF\u{10FFFF}',
    '\uE000',
    '\u2028',
    '__proto__',
    '1E5',
    'null',
  ),
)

/** Attribute names, the hostile ones among them. */
export const attributeNames = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'note',
    'Status',
    'S',
    'M',
    '0',
    '__proto__',
    'constructor',
    'toString',
    'a.b',
    'é',
    '\u{1F600}',
    'q"\\',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
)

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

const bytes = fc.uint8Array({ maxLength: 6 })

function value(raw: AttributeValue, plain: unknown, typed: AttributeValue = raw): Value {
  return { raw, typed, plain }
}

export const numberValues = spelled(decimals).map(({ raw, canonical }) =>
  value({ N: raw }, new NumberToken(canonical), { N: canonical }),
)

export const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value; leaf: Value }>((tie) => ({
  leaf: fc.oneof(
    texts.map((text) => value({ S: text }, text)),
    numberValues,
    fc.boolean().map((flag) => value({ BOOL: flag }, flag)),
    fc.constant(value({ NULL: true }, null)),
    bytes.map((content) => value({ B: base64(content) }, base64(content))),
    fc.uniqueArray(texts, { minLength: 1, maxLength: 4 }).map((members) => {
      const sorted = members.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      return value({ SS: members }, sorted, { SS: sorted })
    }),
    fc.uniqueArray(spelled(decimals), { minLength: 1, maxLength: 4, selector: (n) => n.canonical }).map((members) => {
      const sorted = members.toSorted((a, b) => compareDecimals(a.decimal, b.decimal)).map((n) => n.canonical)
      return value(
        { NS: members.map((n) => n.raw) },
        sorted.map((text) => new NumberToken(text)),
        { NS: sorted },
      )
    }),
    fc.uniqueArray(bytes, { minLength: 1, maxLength: 4, selector: hex }).map((members) => {
      const sorted = members.toSorted((a, b) => Buffer.compare(a, b)).map(base64)
      return value({ BS: members.map(base64) }, sorted, { BS: sorted })
    }),
  ),
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 3 }).map((list) =>
      value(
        { L: list.map((member) => member.raw) },
        list.map((member) => member.plain),
        { L: list.map((member) => member.typed) },
      ),
    ),
    fc
      .uniqueArray(fc.tuple(attributeNames, tie('value')), { maxLength: 3, selector: ([name]) => name })
      .map((entries) => {
        const each = (pick: (member: Value) => unknown) =>
          Object.fromEntries(entries.map(([name, member]) => [name, pick(member)]))
        return value(
          { M: each((v) => v.raw) },
          each((v) => v.plain),
          { M: each((v) => v.typed) },
        )
      }),
  ),
})).value

function compareDecimals(a: Decimal, b: Decimal): number {
  const low = Math.min(a.exponent, b.exponent)
  const scaled = (n: Decimal) => BigInt(n.digits) * 10n ** BigInt(n.exponent - low) * (n.negative ? -1n : 1n)
  const difference = scaled(a) - scaled(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** JSON text with sorted names and canonical numbers: the same text for the same value, however it was written. */
export function canonicalJson(json: unknown): string {
  if (json instanceof NumberToken) return canonicalNumber(parseNumber(json.text))
  if (Array.isArray(json)) return `[${json.map(canonicalJson).join(',')}]`
  if (typeof json !== 'object' || json === null) return JSON.stringify(json)
  const entries = Object.entries(json).map(([name, member]): [string, string] => [name, canonicalJson(member)])
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, member]) => `${JSON.stringify(name)}:${member}`).join(',')}}`
}

/** JSON text as a value whose numbers keep their digits. */
export function parseJson(text: string): unknown {
  type WithSource = (key: string, value: unknown, context: { source?: string }) => unknown
  const keepDigits: WithSource = (_, parsed, { source }) =>
    typeof parsed === 'number' ? new NumberToken(source as string) : parsed
  return JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown)
}

// Declared columns: an arbitrary of attributes for each declared type

function fits(raw: AttributeValue, cell: string): Attribute {
  return { raw, cell, extra: null }
}

function misfit({ raw, typed }: Value): Attribute {
  return { raw, cell: null, extra: typed }
}

function fittingNumbers(numbers: fc.Arbitrary<Decimal>, cell: (n: SpelledNumber) => string): fc.Arbitrary<Attribute> {
  return spelled(numbers).map((n) => fits({ N: n.raw }, cell(n)))
}

function misfittingNumbers(numbers: fc.Arbitrary<Decimal>): fc.Arbitrary<Attribute> {
  return spelled(numbers).map(({ raw, canonical }) => misfit(value({ N: raw }, null, { N: canonical })))
}

const EPOCH_YEAR_1 = -62_135_596_800
const EPOCH_YEAR_9999 = 253_402_300_799

const instants = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 4_000_000_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: EPOCH_YEAR_1 + 90_000, max: EPOCH_YEAR_9999 - 90_000 }) },
)

const isoTimestamps: fc.Arbitrary<Attribute> = fc
  .tuple(instants, fc.stringMatching(/^[0-9]{0,6}$/), fc.constantFrom('Z', '+00:00', '+05:30', '-11:00'))
  .map(([seconds, fraction, zone]) => {
    const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(zone) ?? [zone, '+', '0', '0']
    const offset = (Number(hours) * 60 + Number(minutes)) * 60 * (sign === '-' ? -1 : 1)
    const local = new Date((seconds + offset) * 1000).toISOString().slice(0, 19)
    const text = `${local}${fraction === '' ? '' : `.${fraction}`}${zone}`
    return fits({ S: text }, (BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))).toString())
  })

const dates: fc.Arbitrary<Attribute> = instants.map((seconds) => {
  const day = Math.floor(seconds / 86400)
  return fits({ S: new Date(day * 86_400_000).toISOString().slice(0, 10) }, String(day))
})

const strings = texts.map((text) => fits({ S: text }, text))
const wrongText = fc
  .constantFrom('', 'no', '1970-13-01', '2024-02-30T00:00:00Z')
  .map((text) => misfit(value({ S: text }, null)))

function fitting(type: string): fc.Arbitrary<Attribute> {
  switch (type) {
    case 'string':
      return strings
    case 'number':
      return fittingNumbers(decimals, (n) => n.canonical)
    case 'long':
      return fittingNumbers(integers(64), (n) => integerText(n.decimal))
    case 'int':
      return fittingNumbers(integers(32), (n) => integerText(n.decimal))
    case 'double':
      return fittingNumbers(decimals, (n) => String(Number(n.canonical)))
    case 'boolean':
      return fc.boolean().map((flag) => fits({ BOOL: flag }, String(flag)))
    case 'timestamptz':
      return isoTimestamps
    case 'timestamptz(s)':
      return fittingNumbers(instants.map(epoch(0)), (n) => integerText(n.decimal, 6))
    case 'timestamptz(ms)':
      return fittingNumbers(instants.map(epoch(3)), (n) => integerText(n.decimal, 3))
    case 'timestamptz(us)':
      return fittingNumbers(instants.map(epoch(6)), (n) => integerText(n.decimal, 0))
    case 'date':
      return dates
    case 'binary':
      return bytes.map((content) => fits({ B: base64(content) }, hex(content)))
    case 'json':
      return values.filter(({ raw }) => !('NULL' in raw)).map(({ raw, plain }) => fits(raw, canonicalJson(plain)))
  }
  const { precision, scale } = decimalType(type)
  const unscaled = fc.oneof(
    fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }),
    fc.bigInt({ min: -2000n, max: 2000n }).filter((n) => precision > 4 || n === 0n),
  )
  return fittingNumbers(
    unscaled.map((n) => parseNumber(`${n}E-${scale}`)),
    (n) => decimalText(n.decimal, scale),
  )
}

function epoch(power: number): (seconds: number) => Decimal {
  return (seconds) => parseNumber(`${seconds}E${power}`)
}

export function decimalType(type: string): { precision: number; scale: number } {
  const match = /^decimal\((\d+),(\d+)\)$/.exec(type)
  if (match === null) throw new Error(`unknown type ${type}`)
  return { precision: Number(match[1]), scale: Number(match[2]) }
}

/** A whole number, moved by so many powers of ten. */
function integerText({ negative, digits, exponent }: Decimal, power = 0): string {
  return (BigInt(negative ? `-${digits}` : digits) * 10n ** BigInt(exponent + power)).toString()
}

/** A number with exactly `scale` digits after the point. */
function decimalText({ negative, digits, exponent }: Decimal, scale: number): string {
  const unscaled = digits + '0'.repeat(exponent + scale)
  const padded = unscaled.padStart(scale + 1, '0')
  const sign = negative && /[1-9]/.test(digits) ? '-' : ''
  const whole = padded.slice(0, padded.length - scale).replace(/^0+(?=\d)/, '')
  return scale === 0 ? sign + whole : `${sign}${whole}.${padded.slice(-scale)}`
}

function misfitting(type: string): fc.Arbitrary<Attribute> {
  const ofOtherTypes = (...kinds: string[]) =>
    values.filter(({ raw }) => !('NULL' in raw) && kinds.every((kind) => !(kind in raw))).map(misfit)
  switch (type) {
    case 'string':
      return ofOtherTypes('S')
    case 'number':
    case 'double':
      return ofOtherTypes('N')
    case 'long':
      return fc.oneof(ofOtherTypes('N'), misfittingNumbers(beyond(64)), misfittingNumbers(fractions))
    case 'int':
      return fc.oneof(ofOtherTypes('N'), misfittingNumbers(beyond(32)), misfittingNumbers(fractions))
    case 'boolean':
      return ofOtherTypes('BOOL')
    case 'timestamptz':
    case 'date':
      return fc.oneof(ofOtherTypes('S'), wrongText)
    case 'timestamptz(s)':
    case 'timestamptz(ms)':
    case 'timestamptz(us)':
      return ofOtherTypes('N')
    case 'binary':
      return ofOtherTypes('B')
    case 'json':
      return fc.constant({ raw: { NULL: true }, cell: null, extra: { NULL: true } })
  }
  const { precision, scale } = decimalType(type)
  return fc.oneof(
    ofOtherTypes('N'),
    misfittingNumbers(fc.constantFrom(parseNumber(`1E${precision - scale}`), parseNumber(`1E-${scale + 1}`))),
  )
}

/** Values for a declared column: most fit; some are of another type or range; some are NULL. */
export const attributesOf = onceForEach((type) =>
  fc.oneof(
    { weight: 8, arbitrary: fitting(type) },
    { weight: 1, arbitrary: misfitting(type) },
    { weight: 1, arbitrary: fc.constant({ raw: { NULL: true }, cell: null, extra: { NULL: true } }) },
  ),
)

/** Values for a key column: they fit, and DynamoDB takes neither empty text nor empty bytes there. */
export const keysOf = onceForEach((type) => fitting(type).filter(({ raw }) => raw.S !== '' && raw.B !== ''))

/** Making an arbitrary costs more than drawing from it. */
function onceForEach(make: (type: string) => fc.Arbitrary<Attribute>): (type: string) => fc.Arbitrary<Attribute> {
  const made = new Map<string, fc.Arbitrary<Attribute>>()
  return (type) => {
    const known = made.get(type) ?? make(type)
    made.set(type, known)
    return known
  }
}

/** An `_extra` text as `canonicalJson` would have written it from typed values. */
export function canonicalExtra(text: string): string {
  const item = parseJson(text) as Record<string, unknown>
  return canonicalJson(mapEntries(item, canonicalTyped))
}

function canonicalTyped(typed: unknown): unknown {
  const members = Object.entries((typed ?? {}) as Record<string, unknown>)
  // No DynamoDB value: kept as it came.
  if (members.length !== 1) return typed
  const [kind, inner] = members[0] as [string, unknown]
  if (kind === 'N') return { N: canonicalText(inner) }
  if (kind === 'NS') return { NS: (inner as unknown[]).map(canonicalText) }
  if (kind === 'L') return { L: (inner as unknown[]).map(canonicalTyped) }
  if (kind === 'M') return { M: mapEntries(inner as Record<string, unknown>, canonicalTyped) }
  return { [kind]: inner }
}

function canonicalText(number: unknown): unknown {
  return typeof number === 'string' && /^[+-]?[\d.]+([eE][+-]?\d+)?$/.test(number)
    ? canonicalNumber(parseNumber(number))
    : number
}

function mapEntries(of: Record<string, unknown>, each: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(of).map(([name, member]) => [name, each(member)]))
}
