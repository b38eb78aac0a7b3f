// Items whose values are hard to keep: numbers of 38 digits, every type of DynamoDB, all of Unicode, names that mean something elsewhere.

import type { AttributeMap, AttributeValue } from '@lastwrite/merge-core/change-lines'

/** Declared columns of the table, but its key. */
export const COLUMNS = {
  region: 'string',
  note: 'string',
  exact: 'number',
  amount: 'decimal(20,4)',
  count: 'long',
  flag: 'boolean',
  blob: 'binary',
  seen: 'timestamptz',
  doc: 'json',
} as const

/** In every item, and never in a log. */
export const CANARY = 'canary-4f1c'

/** So that a batch takes several Firehose records. */
const PADDING_MAX = 4_000

const UNDECLARED = ['anything', '__proto__', 'constructor', 'näme \u{1f600}', 'a"b\\c']

/** What an update may set or remove. */
export const SET_ATTRIBUTES = [...Object.keys(COLUMNS), ...UNDECLARED]

type Random = () => number

export function randomItem(random: Random, isLarge: boolean): AttributeMap {
  const entries = SET_ATTRIBUTES.filter(() => random() < 0.6).map((name) => [name, randomValue(name, random)] as const)
  entries.push(['padding', { S: 'x'.repeat(random() * PADDING_MAX) }])
  if (isLarge) entries.push(['large', largeText(random)])
  return Object.fromEntries([...entries, ['canary', { S: CANARY }]])
}

/** Mostly a value of the declared type, and now and then one that does not fit it. */
export function randomValue(name: string, random: Random): AttributeValue {
  const type = Object.hasOwn(COLUMNS, name) ? COLUMNS[name as keyof typeof COLUMNS] : 'json'
  // The column by which tables are partitioned.
  if (name === 'region') return { S: pick(['eu', 'us', 'ap'], random) }
  if (random() < 0.1) return anyValue(random, 1)
  switch (type) {
    case 'string':
      return { S: text(random) }
    case 'number':
      return { N: number(random) }
    case 'decimal(20,4)':
      return {
        N: `${sign(random)}${digits(1 + Math.floor(random() * 16), random)}.${digits(1 + Math.floor(random() * 4), random)}`,
      }
    case 'long':
      return { N: `${sign(random)}${digits(1 + Math.floor(random() * 18), random)}` }
    case 'boolean':
      return { BOOL: random() < 0.5 }
    case 'binary':
      return { B: bytes(random) }
    case 'timestamptz':
      return {
        S: `20${digits(2, random)}-0${1 + Math.floor(random() * 9)}-1${digits(1, random)}T1${digits(1, random)}:30:00.${digits(6, random)}Z`,
      }
    case 'json':
      return anyValue(random, 3)
  }
}

function anyValue(random: Random, depth: number): AttributeValue {
  const kind = pick(['S', 'N', 'B', 'BOOL', 'NULL', 'SS', 'NS', 'BS', ...(depth > 0 ? ['L', 'M', 'M'] : [])], random)
  const several = <T>(make: () => T) => Array.from({ length: Math.floor(random() * 4) }, make)
  switch (kind) {
    case 'S':
      return { S: text(random) }
    case 'N':
      return { N: number(random) }
    case 'B':
      return { B: bytes(random) }
    case 'BOOL':
      return { BOOL: random() < 0.5 }
    case 'SS':
      return { SS: [...new Set(['b', ...several(() => text(random) || 'a')])] }
    case 'NS':
      // Distinct as numbers, whatever their digits.
      return { NS: ['0', ...several(() => '').map((_, i) => `${i + 1}${digits(5, random)}`)] }
    case 'BS':
      return { BS: ['AQI=', ...(random() < 0.5 ? ['/w=='] : [])] }
    case 'L':
      return { L: several(() => anyValue(random, depth - 1)) }
    case 'M':
      return { M: Object.fromEntries(several(() => [text(random) || 'k', anyValue(random, depth - 1)])) }
  }
  return { NULL: true }
}

const TEXTS = [
  '',
  ' ',
  'plain',
  'ünïcödé',
  '日本語',
  '\u{1f469}\u200d\u{1f4bb}',
  '\u0000\u0001\u001f',
  '"\\/\n\r\t',
  '\ufffe\uffff',
  '\u2028',
]

function text(random: Random): string {
  return Array.from({ length: Math.floor(random() * 4) }, () => pick(TEXTS, random)).join('')
}

/** Of up to 38 digits, anywhere from 1E-130 to 9.9E+125, spelled in one of several ways. */
function number(random: Random): string {
  const length = 1 + Math.floor(random() * 38)
  const significant = `${1 + Math.floor(random() * 9)}${digits(length - 1, random)}`
  const chance = random()
  if (chance < 0.1) return '0'
  if (chance < 0.4) return `${sign(random)}${significant}`
  const point = 1 + Math.floor(random() * (length - 1))
  if (chance < 0.7)
    return length === 1
      ? `${significant}.0`
      : `${sign(random)}${significant.slice(0, point)}.${significant.slice(point)}`
  const power = Math.floor(random() * 254) - 129 - (length - 1)
  return `${sign(random)}${significant}E${Math.min(power, 125 - (length - 1))}`
}

function largeText(random: Random): AttributeValue {
  const kind = pick(['ascii', 'control', 'wide', 'binary'], random)
  if (kind === 'control') return { S: '\u0001'.repeat(380_000) }
  if (kind === 'wide') return { S: '\u{1f980}'.repeat(95_000) }
  if (kind === 'binary') return { B: Buffer.alloc(380_000, digits(8, random)).toString('base64') }
  return { S: digits(10, random).repeat(38_000) }
}

function bytes(random: Random): string {
  return Buffer.from(Array.from({ length: Math.floor(random() * 12) }, () => Math.floor(random() * 256))).toString(
    'base64',
  )
}

function digits(count: number, random: Random): string {
  return Array.from({ length: count }, () => Math.floor(random() * 10)).join('')
}

function sign(random: Random): string {
  return random() < 0.3 ? '-' : ''
}

export function pick<T>(all: readonly T[], random: Random): T {
  return all[Math.floor(random() * all.length)]!
}
