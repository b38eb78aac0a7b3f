// Items to typed columns: the values of the changes that won, in DynamoDB JSON, one row an item.
//
// Items of a table look alike. The attribute that followed another one last time is expected to follow it again, in the same form,
// and is met by comparing bytes; its value goes from the text straight into its column. What is not as expected (another order, a
// misfit, an escape, white space, a long number) goes through declared-value.ts, which knows every form, to the same result.
//
// An attribute that is not declared, a NULL, and a value that does not fit go into `_extra` with their DynamoDB type. Of a repeated
// name the first stands. `aws:rep:*` attributes, which old global tables add, are dropped unless declared.

import type { Column } from '../columns/column.ts'
import type { DeclaredType, TableDefinition } from '../table-definition.ts'
import { ByteSink } from './byte-sink.ts'
import type { ByteStrings } from './byte-strings.ts'
import { builderKind, ColumnBuilder } from './column-builder.ts'
import { declaredValue, tagOfType } from './declared-value.ts'
import { decodeBase64, isBase64, type Member, taggedValue, writePlainJson, writeTypedObject } from './dynamodb-json.ts'
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  decodeString,
  hasEscape,
  INVALID,
  OPEN_OBJECT,
  QUOTE,
  skipName,
  skipSpace,
  skipString,
  skipUtf8,
  skipValue,
} from './json-scan.ts'
import { decodeKeys } from './key-order.ts'

import { daysOfDate, microsOfSecond, secondsOfTimestamp } from './time-text.ts'

/** Where the items are: item i is texts[text[i]] from start[i] to end[i]. */
export interface ItemStretches {
  readonly count: number
  readonly texts: readonly Uint8Array[]
  readonly text: ArrayLike<number>
  readonly start: ArrayLike<number>
  readonly end: ArrayLike<number>
  /** Each item's key (key-order.ts). Key columns come from it; without it, from the item. */
  readonly keys?: ByteStrings
}

export interface ParsedItems {
  /** One a column of the definition, then `_extra`; `count` rows each. */
  readonly columns: Column[]
  /** How many values did not fit, by `attribute:tag` (`age:S`; `?` for what is no DynamoDB JSON). */
  readonly misfits: Map<string, number>
  /** Items that are not JSON. Their rows are null but for the key. */
  readonly failed: { readonly row: number; readonly message: string }[]
}

/** Parses items by a table's definition. What is wrong with an item is in the result; nothing is thrown for it. */
export function parseItems(items: ItemStretches, definition: TableDefinition): ParsedItems {
  const parser = makeParser(items.count, definition, items.keys !== undefined)
  const failed: { row: number; message: string }[] = []
  for (let row = 0; row < items.count; row++) {
    const text = items.texts[items.text[row]!]!
    if (parseItem(parser, row, text, items.start[row]!, items.end[row]!)) continue
    for (const builder of parser.builders) builder.undo(row)
    parser.extraMembers.length = 0
    failed.push({ row, message: 'the item is not a valid JSON object in UTF-8, or nested too deeply' })
  }
  const columns = parser.builders.map((builder) => builder.finish())
  if (items.keys !== undefined) {
    const keyTypes = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
    for (const [part, column] of decodeKeys(items.keys, keyTypes).entries()) columns[part] = column
  }
  return { columns, misfits: parser.misfits, failed }
}

/** How the value of an attribute is read where it has the common form. */
type Way = (slot: Slot, row: number, text: Uint8Array, at: number, end: number) => number

/** An attribute that was met or is declared. */
interface Slot {
  readonly attribute: string
  /** What stands before the value in the common form: `"name":{"N":"`, or `"name":` where any value is read alike. */
  readonly template: Uint8Array
  /** Reads what follows the template; behind the value's closing brace, or −1 (and nothing read) where it is not of the common form. */
  readonly way: Way | null
  /** Null where the value belongs to no column. */
  readonly builder: ColumnBuilder | null
  readonly type: DeclaredType | null
  /** A declared decimal's, or what an epoch number is short of microseconds. */
  readonly scale: number
  /** Integers of the column are below it. */
  readonly limit: number
  /** Neither a column nor `_extra` holds it: a key's part, or `aws:rep:*`. */
  readonly isDropped: boolean
  lastRow: number
  /** The attribute that came after this one last time. */
  next: Slot | null
}

interface Parser {
  readonly builders: ColumnBuilder[]
  readonly extra: ColumnBuilder
  readonly extraMembers: Member[]
  readonly misfits: Map<string, number>
  readonly slots: Map<string, Slot>
  /** Stands before the first attribute. */
  readonly start: Slot
  /** For attributes beyond SLOTS_MAX: expected never, met by name each time. */
  readonly unknown: Slot
  /** The slot of the member that readMember read. */
  found: Slot
}

/** Beyond these, attributes that are not declared are not learned: names are the users' data and may be without number. */
const SLOTS_MAX = 4096
/** So many attributes may be left out in a row before one is looked up by its name. */
const SKIPPED_MAX = 4

function makeParser(rows: number, definition: TableDefinition, hasKeys: boolean): Parser {
  const slots = new Map<string, Slot>()
  const builders = definition.columns.map((column, index) => {
    const isDropped = hasKeys && index < definition.keyColumns
    const builder = new ColumnBuilder(builderKind(column.storedType), isDropped ? 0 : rows)
    slots.set(latin1(Buffer.from(column.attribute)), declaredSlot(column.attribute, column.type, builder, isDropped))
    return builder
  })
  const extra = new ColumnBuilder('bytes', rows)
  const start = emptySlot('')
  return {
    builders: [...builders, extra],
    extra,
    extraMembers: [],
    misfits: new Map(),
    slots,
    start,
    unknown: emptySlot(''),
    found: start,
  }
}

function emptySlot(attribute: string): Slot {
  return {
    attribute,
    template: Buffer.from(`${JSON.stringify(attribute)}:`),
    way: null,
    builder: null,
    type: null,
    scale: 0,
    limit: 0,
    isDropped: attribute.startsWith('aws:rep:'),
    lastRow: -1,
    next: null,
  }
}

function declaredSlot(attribute: string, type: DeclaredType, builder: ColumnBuilder, isDropped: boolean): Slot {
  const slot = { ...emptySlot(attribute), type, isDropped, builder: isDropped ? null : builder }
  const way = isDropped ? null : wayOf(type)
  if (way === null) return slot
  const tag = tagOfType(type)
  const template = Buffer.from(`${JSON.stringify(attribute)}:{"${tag}":${tag === 'BOOL' ? '' : '"'}`)
  return { ...slot, way, template, scale: scaleOf(type), limit: limitOf(type) }
}

function wayOf(type: DeclaredType): Way | null {
  switch (type.kind) {
    case 'string':
      return readString
    case 'number':
      return readNumberText
    case 'int':
    case 'long':
    case 'decimal':
      return readInteger
    case 'double':
      return readDouble
    case 'boolean':
      return readBoolean
    case 'timestamptz':
      return type.unit === 'iso' ? readTimestamp : readInteger
    case 'date':
      return readDate
    case 'binary':
      return readBinary
    case 'json':
      return null
  }
}

function scaleOf(type: DeclaredType): number {
  if (type.kind === 'decimal') return type.scale
  if (type.kind !== 'timestamptz') return 0
  return type.unit === 's' ? 6 : type.unit === 'ms' ? 3 : 0
}

function limitOf(type: DeclaredType): number {
  if (type.kind === 'int') return 0x80000000
  return type.kind === 'decimal' && type.precision < 16 ? 10 ** type.precision : Number.MAX_SAFE_INTEGER
}

/** False where text[start … end) does not begin with a JSON object that only members of its line follow. */
function parseItem(parser: Parser, row: number, text: Uint8Array, start: number, end: number): boolean {
  let at = skipSpace(text, start, end)
  if (at >= end || text[at] !== OPEN_OBJECT) return false
  at = skipSpace(text, at + 1, end)
  if (at < end && text[at] === CLOSE_OBJECT) return isEndOfLine(text, at + 1, end)
  let previous = parser.start
  for (;;) {
    let slot = expectedSlot(previous, text, at, end)
    let behind = slot === null ? -1 : readExpected(parser, slot, row, text, at + slot.template.length, end)
    if (behind < 0) {
      behind = readMember(parser, row, text, at, end)
      if (behind === INVALID) return false
      slot = parser.found
      follow(previous, slot)
    }
    if (behind < end && text[behind]! <= 0x20) behind = skipSpace(text, behind, end)
    if (behind >= end) return false
    const byte = text[behind]!
    if (byte === CLOSE_OBJECT) {
      at = behind + 1
      break
    }
    if (byte !== COMMA) return false
    at = behind + 1
    if (text[at] !== QUOTE) at = skipSpace(text, at, end)
    previous = slot!
  }
  if (at !== end && !isEndOfLine(text, at, end)) return false
  if (parser.extraMembers.length > 0) writeExtra(parser, row)
  return true
}

/** Further members of the line may stand behind an item that was taken to reach to the line's end. */
function isEndOfLine(text: Uint8Array, start: number, end: number): boolean {
  let at = skipSpace(text, start, end)
  while (at < end) {
    if (text[at] !== COMMA) return false
    at = skipName(text, skipSpace(text, at + 1, end), end)
    if (at === INVALID) return false
    at = skipValue(text, at, end)
    if (at === INVALID) return false
    at = skipSpace(text, at, end)
  }
  return true
}

function expectedSlot(previous: Slot, text: Uint8Array, at: number, end: number): Slot | null {
  let slot = previous.next
  for (let skipped = 0; slot !== null && skipped <= SKIPPED_MAX; skipped++) {
    if (stands(text, at, end, slot.template)) return slot
    slot = slot.next
  }
  return null
}

function stands(text: Uint8Array, at: number, end: number, template: Uint8Array): boolean {
  const length = template.length
  if (at + length > end) return false
  for (let i = 0; i < length; i++) if (text[at + i] !== template[i]) return false
  return true
}

function follow(previous: Slot, slot: Slot): void {
  if (slot.next === null && previous.next !== slot) slot.next = previous.next
  previous.next = slot
}

function readExpected(parser: Parser, slot: Slot, row: number, text: Uint8Array, at: number, end: number): number {
  if (slot.lastRow === row) return -1
  if (slot.way !== null) {
    const behind = slot.way(slot, row, text, at, end)
    if (behind < 0 || behind > end) return -1
    slot.lastRow = row
    return behind
  }
  const valueEnd = skipValue(text, at, end)
  if (valueEnd === INVALID) return -1
  const nameEnd = at - 2
  const nameStart = nameEnd - (slot.template.length - 3)
  take(parser, slot, row, { bytes: text, nameStart, nameEnd, valueStart: at, valueEnd })
  return valueEnd
}

/** Reads any member whose name starts at `at`; behind its value, with its slot in `found`, or INVALID. */
function readMember(parser: Parser, row: number, text: Uint8Array, at: number, end: number): number {
  const behindName = skipString(text, at, end)
  if (behindName === INVALID) return INVALID
  const colon = skipSpace(text, behindName, end)
  if (colon >= end || text[colon] !== COLON) return INVALID
  const valueStart = skipSpace(text, colon + 1, end)
  const valueEnd = skipValue(text, valueStart, end)
  if (valueEnd === INVALID) return INVALID
  const slot = slotNamed(parser, text, at + 1, behindName - 1)
  parser.found = slot
  take(parser, slot, row, { bytes: text, nameStart: at + 1, nameEnd: behindName - 1, valueStart, valueEnd })
  return valueEnd
}

function slotNamed(parser: Parser, text: Uint8Array, start: number, end: number): Slot {
  const name = nameBytes(text, start, end)
  const key = latin1(name)
  const known = parser.slots.get(key)
  if (known !== undefined) return known
  const slot = emptySlot(name.toString())
  if (parser.slots.size >= SLOTS_MAX) return slot.isDropped ? slot : parser.unknown
  parser.slots.set(key, slot)
  return slot
}

function nameBytes(text: Uint8Array, start: number, end: number): Buffer {
  if (!hasEscape(text, start, end)) return Buffer.from(text.buffer, text.byteOffset + start, end - start)
  const characters = new ByteSink(end - start)
  decodeString(text, start, end, characters)
  return Buffer.from(characters.bytes.buffer, 0, characters.length)
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** Puts a member's value where it belongs, by way of declared-value.ts. */
function take(parser: Parser, slot: Slot, row: number, member: Member): void {
  if (slot.isDropped || (slot.lastRow === row && slot !== parser.unknown)) return
  slot.lastRow = row
  const { builder, type } = slot
  if (builder === null || type === null) {
    parser.extraMembers.push(member)
    return
  }
  const { bytes, valueStart, valueEnd } = member
  if (type.kind === 'json' && takeJson(builder, row, member)) return
  const value = declaredValue(bytes, valueStart, valueEnd, type)
  if (value !== undefined && value !== null) {
    builder.set(row, value)
    return
  }
  parser.extraMembers.push(member)
  if (value === null) return
  const misfit = `${slot.attribute}:${taggedValue(bytes, valueStart, valueEnd)?.tag ?? '?'}`
  parser.misfits.set(misfit, (parser.misfits.get(misfit) ?? 0) + 1)
}

/** False where the value is a NULL or no DynamoDB JSON. */
function takeJson(builder: ColumnBuilder, row: number, { bytes, valueStart, valueEnd }: Member): boolean {
  if (taggedValue(bytes, valueStart, valueEnd)?.tag === 'NULL') return false
  const out = new ByteSink(valueEnd - valueStart)
  if (!writePlainJson(bytes, valueStart, valueEnd, out)) return false
  builder.begin(row, out.length)
  builder.sink.bytes.set(out.bytes.subarray(0, out.length), builder.sink.length + 4)
  builder.end(row, builder.sink.length + 4 + out.length)
  return true
}

function writeExtra(parser: Parser, row: number): void {
  const { extra, extraMembers } = parser
  const out = new ByteSink(256)
  writeTypedObject(extraMembers, out)
  extraMembers.length = 0
  extra.begin(row, out.length)
  extra.sink.bytes.set(out.bytes.subarray(0, out.length), extra.sink.length + 4)
  extra.end(row, extra.sink.length + 4 + out.length)
}

// The common forms. Each reads from behind the opening quote and gives the position behind the closing brace. A loop over the text
// needs no bound of its own: it stops at the latest at the line's end or where the text ends, and what lies beyond `end` is refused.

/** 0 where a byte of a string stands for itself. */
const SPECIAL = new Uint8Array(256)
SPECIAL.fill(1, 0, 0x20)
SPECIAL.fill(1, 0x80)
SPECIAL[QUOTE] = 1
SPECIAL[0x5c] = 1

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

function readString({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  builder!.begin(row, end - start)
  const { bytes, length } = builder!.sink
  let out = length + 4
  let at = start
  for (;;) {
    let byte = text[at]!
    while (SPECIAL[byte] === 0) {
      bytes[out++] = byte
      byte = text[++at]!
    }
    if (byte === QUOTE) break
    if (byte === 0x5c) {
      const meant = ESCAPES[text[at + 1]!]!
      if (at + 1 >= end || meant === 0) return -1
      bytes[out++] = meant
      at += 2
    } else {
      const behind = at < end ? skipUtf8(text, at, end) : INVALID
      if (behind === INVALID) return -1
      while (at < behind) bytes[out++] = text[at++]!
    }
  }
  if (at + 1 >= end || text[at + 1] !== CLOSE_OBJECT) return -1
  builder!.end(row, out)
  return at + 2
}

/** Any number of so many digits, without an exponent, is one of DynamoDB's. */
const NUMBER_DIGITS_MAX = 38

function latin1Slice(text: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(text, start, end)
}

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent)

/** Behind the digits that plainDigits read, how many there were, and how many of them stood behind the point. */
let digitsEnd = 0
let digitsRead = 0
let fractionDigits = 0

/** The digits of `-?d*.?d*` at `at` as one integer of at most 15 digits; NaN where there are none or more. */
function plainDigits(text: Uint8Array, start: number): number {
  const isNegative = text[start] === 0x2d
  const first = isNegative ? start + 1 : start
  let at = first
  let value = 0
  let digit = text[at]! - 0x30
  while (digit >= 0 && digit <= 9) {
    value = value * 10 + digit
    digit = text[++at]! - 0x30
  }
  let digits = at - first
  fractionDigits = 0
  if (text[at] === 0x2e) {
    const point = at
    digit = text[++at]! - 0x30
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit
      digit = text[++at]! - 0x30
    }
    fractionDigits = at - point - 1
    digits += fractionDigits
  }
  digitsEnd = at
  digitsRead = digits
  if (digits === 0 || digits > 15) return Number.NaN
  return isNegative ? -value : value
}

function isNumberEnd(text: Uint8Array, at: number, end: number): boolean {
  return at + 1 < end && text[at] === QUOTE && text[at + 1] === CLOSE_OBJECT
}

function readInteger(slot: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const digits = plainDigits(text, start)
  const shift = slot.scale - fractionDigits
  if (!isNumberEnd(text, digitsEnd, end) || shift < 0 || shift > 22) return -1
  const value = digits * POWERS_OF_TEN[shift]!
  const { limit } = slot
  // Also false for NaN. The smallest int goes the other way.
  if (!(value < limit && value > -limit)) return -1
  slot.builder!.setSafeInteger(row, value)
  return digitsEnd + 2
}

function readDouble({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const digits = plainDigits(text, start)
  if (!isNumberEnd(text, digitsEnd, end) || digitsRead === 0 || digitsRead > NUMBER_DIGITS_MAX) return -1
  // Up to 15 digits both are exact and the division rounds once, so this is the nearest double. DynamoDB has no negative zero.
  const value = digitsRead <= 15 ? digits / POWERS_OF_TEN[fractionDigits]! : Number(latin1Slice(text, start, digitsEnd))
  builder!.doubles[row] = value === 0 ? 0 : value
  builder!.mark(row)
  return digitsEnd + 2
}

/** Digits without leading zeros, with a fraction that does not end in zero: text that is canonical already. */
function readNumberText({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const digits = plainDigits(text, start)
  const first = text[start] === 0x2d ? start + 1 : start
  const whole = digitsEnd - first - (fractionDigits > 0 ? fractionDigits + 1 : 0)
  const hasLeadingZero = text[first] === 0x30 && (whole > 1 || fractionDigits > 6 || first > start)
  const hasTrailingZero = fractionDigits > 0 && text[digitsEnd - 1] === 0x30
  const isCanonical = whole > 0 && !hasLeadingZero && !hasTrailingZero && text[digitsEnd - 1] !== 0x2e
  if (Number.isNaN(digits) || !isCanonical || !isNumberEnd(text, digitsEnd, end)) return -1
  builder!.begin(row, digitsEnd - start)
  const { bytes, length } = builder!.sink
  let out = length + 4
  for (let at = start; at < digitsEnd; at++) bytes[out++] = text[at]!
  builder!.end(row, out)
  return digitsEnd + 2
}

function readBoolean({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const isTrue = text[start] === 0x74
  const behind = start + (isTrue ? 4 : 5)
  if (skipValue(text, start, behind) !== behind || behind >= end || text[behind] !== CLOSE_OBJECT) return -1
  if (!isTrue && text[start] !== 0x66) return -1
  builder!.booleans[row] = isTrue ? 1 : 0
  builder!.mark(row)
  return behind + 1
}

/** Where the string's closing quote is, if it is one of plain characters and the value ends behind it; else −1. */
function plainEnd(text: Uint8Array, start: number, end: number): number {
  let at = start
  while (SPECIAL[text[at]!] === 0) at++
  return isNumberEnd(text, at, end) ? at : -1
}

const MICROS_SAFE_SECONDS = 9_000_000_000

function readTimestamp({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const quote = plainEnd(text, start, end)
  if (quote < 0) return -1
  const seconds = secondsOfTimestamp(text, start, quote)
  // Also false for NaN.
  if (!(seconds < MICROS_SAFE_SECONDS && seconds > -MICROS_SAFE_SECONDS)) return -1
  builder!.setSafeInteger(row, seconds * 1_000_000 + microsOfSecond)
  return quote + 2
}

function readDate({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const quote = plainEnd(text, start, end)
  const days = quote < 0 ? Number.NaN : daysOfDate(text, start, quote)
  if (Number.isNaN(days)) return -1
  builder!.setSafeInteger(row, days)
  return quote + 2
}

function readBinary({ builder }: Slot, row: number, text: Uint8Array, start: number, end: number): number {
  const quote = plainEnd(text, start, end)
  if (quote < 0 || !isBase64(text, start, quote)) return -1
  builder!.begin(row, quote - start)
  const { sink } = builder!
  const { length } = sink
  sink.length = length + 4
  decodeBase64(text, start, quote, sink)
  const valueEnd = sink.length
  sink.length = length
  builder!.end(row, valueEnd)
  return quote + 2
}
