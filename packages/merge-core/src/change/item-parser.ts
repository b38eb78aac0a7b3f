// One item to one row of typed columns, from DynamoDB JSON.
//
// Items of a table look alike. The attribute that followed another one last time is expected to follow it again, in the same form,
// and is met by comparing bytes; its value goes from the text straight into its column. What is not as expected (another order, a
// misfit, an escape, white space, a long number) goes through declared-value.ts, which knows every form, to the same result.
//
// An attribute that is not declared, a NULL, and a value that does not fit go into `_extra` with their DynamoDB type. Of a repeated
// name the first stands. `aws:rep:*` attributes, which old global tables add, are dropped unless declared.

import type { DeclaredColumn, DeclaredType } from '../table-definition.ts'
import { ByteSink } from './byte-sink.ts'
import { stands, type Template, templateOf } from './byte-template.ts'
import { builderKind, ColumnBuilder } from './column-builder.ts'
import {
  readBinary,
  readBoolean,
  readDate,
  readDouble,
  readInteger,
  readNumberText,
  readString,
  readTimestamp,
  skipPlain,
} from './common-values.ts'
import { declaredValue, tagOfType } from './declared-value.ts'
import { type Member, taggedValue, writePlainJson, writeTypedObject } from './dynamodb-json.ts'
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  decodeString,
  hasEscape,
  INVALID,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
  skipString,
  skipValue,
} from './json-scan.ts'

// How the value of an attribute is read where it has the common form.
const ANY = 0
const STRING = 1
const NUMBER_TEXT = 2
const INTEGER = 3
const DOUBLE = 4
const BOOLEAN = 5
const TIMESTAMP = 6
const DATE = 7
const BINARY = 8
const DROPPED = 9

/** An attribute that was met or is declared. All slots have the same shape, whatever they hold. */
interface Slot {
  readonly attribute: string
  /** What stands before the value in the common form: `"name":{"N":"`, or `"name":` where any value is read alike. */
  readonly template: Template
  readonly form: number
  /** Null where the value belongs to no column. */
  readonly builder: ColumnBuilder | null
  readonly type: DeclaredType | null
  /** A declared decimal's, or what an epoch number is short of microseconds. */
  readonly scale: number
  /** Integers of the column are below it. */
  readonly limit: number
  /** Neither a column nor `_extra` holds it: a key's part, or `aws:rep:*`. */
  readonly isDropped: boolean
  /** The parse of an item that met it last. */
  readAs: number
  /** The attribute that came after this one last time. */
  next: Slot | null
}

export interface ItemParser {
  /** One a column of the definition, then `_extra`. */
  readonly builders: readonly ColumnBuilder[]
  /** How many values did not fit in the rows that were kept, by `attribute:tag`. */
  readonly misfits: Map<string, number>
  /** How many rows were kept. The item that is being read goes into the row behind them. */
  rows: number
  capacity: number
  /** Counts parses: one that came to nothing must not be taken for the row's. */
  parses: number
  readonly extra: ColumnBuilder
  readonly extraMembers: Member[]
  readonly misfitsOfItem: string[]
  readonly slots: Map<string, Slot>
  /** Those of the columns. */
  readonly declared: readonly Slot[]
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

/**
 * @param capacity how many rows there may be; more come as they are needed
 * @param dropped of so many columns, the first ones, nothing is kept
 */
export function makeItemParser(capacity: number, columns: readonly DeclaredColumn[], dropped: number): ItemParser {
  const slots = new Map<string, Slot>()
  const declared: Slot[] = []
  const builders = columns.map(({ attribute, type, storedType }, index) => {
    const isDropped = index < dropped
    const builder = new ColumnBuilder(builderKind(storedType), isDropped ? 0 : capacity)
    const slot = slotOf(attribute, type, isDropped ? null : builder, isDropped)
    slots.set(latin1(Buffer.from(attribute)), slot)
    declared.push(slot)
    return builder
  })
  const extra = new ColumnBuilder('bytes', capacity)
  const start = undeclaredSlot('')
  return {
    builders: [...builders, extra],
    misfits: new Map(),
    rows: 0,
    capacity,
    parses: 0,
    extra,
    extraMembers: [],
    misfitsOfItem: [],
    slots,
    declared,
    start,
    unknown: undeclaredSlot(''),
    found: start,
  }
}

function undeclaredSlot(attribute: string): Slot {
  return slotOf(attribute, null, null, attribute.startsWith('aws:rep:'))
}

function slotOf(attribute: string, type: DeclaredType | null, builder: ColumnBuilder | null, isDropped: boolean): Slot {
  const form = type === null ? ANY : isDropped ? DROPPED : formOf(type)
  const tag = form === ANY ? null : tagOfType(type!)
  const before = tag === null ? '' : tag === 'BOOL' ? '{"BOOL":' : `{"${tag}":"`
  return {
    attribute,
    template: templateOf(`${JSON.stringify(attribute)}:${before}`),
    form,
    builder,
    type,
    scale: type === null ? 0 : scaleOf(type),
    limit: type === null ? 0 : limitOf(type),
    isDropped,
    readAs: -1,
    next: null,
  }
}

function formOf(type: DeclaredType): number {
  switch (type.kind) {
    case 'string':
      return STRING
    case 'number':
      return NUMBER_TEXT
    case 'int':
    case 'long':
    case 'decimal':
      return INTEGER
    case 'double':
      return DOUBLE
    case 'boolean':
      return BOOLEAN
    case 'timestamptz':
      return type.unit === 'iso' ? TIMESTAMP : INTEGER
    case 'date':
      return DATE
    case 'binary':
      return BINARY
    case 'json':
      return ANY
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

/**
 * Reads the item at text[start … end) into the row behind the kept ones; the position behind its closing brace, or INVALID where no JSON
 * object stands there. `view` is the text's (viewOf). Then it is kept, or dropped, or dropped and kept: that leaves a row of nulls.
 *
 * @param isOpen the item must end before the next newline, and `end` is the text's
 */
export function parseItem(
  parser: ItemParser,
  text: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  isOpen: boolean,
): number {
  if (parser.rows === parser.capacity) growRows(parser)
  parser.parses++
  // Common values do not reach over a newline. Before anything else is read, the line's end must be known.
  let isBound = !isOpen
  let bound = end
  let at = start
  if (text[at] !== OPEN_OBJECT || text[at + 1] !== QUOTE) {
    if (!isBound) bound = endOfLine(text, at, end)
    isBound = true
    at = skipSpace(text, at, bound)
    if (at >= bound || text[at] !== OPEN_OBJECT) return INVALID
    at = skipSpace(text, at + 1, bound)
    if (at < bound && text[at] === CLOSE_OBJECT) return at + 1
  } else {
    at++
  }
  let previous = parser.start
  for (;;) {
    let slot = expectedSlot(previous, view, at, bound)
    let behind = slot === null ? -1 : readCommon(parser, slot, text, view, at + slot.template.length, bound)
    if (behind < 0) {
      if (!isBound) bound = endOfLine(text, at, end)
      isBound = true
      behind = slot === null ? -1 : readAny(parser, slot, text, at + slot.template.length, bound)
      if (behind < 0) behind = readMember(parser, text, at, bound)
      if (behind === INVALID) return INVALID
      slot = parser.found
      follow(previous, slot)
    }
    if (text[behind]! <= 0x20) {
      if (!isBound) bound = endOfLine(text, behind, end)
      isBound = true
      behind = skipSpace(text, behind, bound)
    }
    if (behind >= bound) return INVALID
    const byte = text[behind]!
    at = behind + 1
    if (byte === CLOSE_OBJECT) break
    if (byte !== COMMA) return INVALID
    if (text[at] !== QUOTE) {
      if (!isBound) bound = endOfLine(text, at, end)
      isBound = true
      at = skipSpace(text, at, bound)
    }
    previous = slot!
  }
  if (parser.extraMembers.length > 0) writeExtra(parser)
  return at
}

/** Whether the item that was read last names the attribute of every column, whatever its value. */
export function namesEveryColumn({ declared, parses }: ItemParser): boolean {
  for (const slot of declared) if (slot.readAs !== parses) return false
  return true
}

/** Makes the row that was read last one of the result. */
export function keepItem(parser: ItemParser): void {
  parser.rows++
  const { misfits, misfitsOfItem } = parser
  if (misfitsOfItem.length === 0) return
  for (const misfit of misfitsOfItem) misfits.set(misfit, (misfits.get(misfit) ?? 0) + 1)
  misfitsOfItem.length = 0
}

/** Makes nothing of what was read last. */
export function dropItem(parser: ItemParser): void {
  for (const builder of parser.builders) if (builder.capacity > 0) builder.undo(parser.rows)
  parser.extraMembers.length = 0
  parser.misfitsOfItem.length = 0
}

function growRows(parser: ItemParser): void {
  parser.capacity = parser.capacity * 2 + 64
  for (const builder of parser.builders) if (builder.capacity > 0) builder.reserveRows(parser.capacity)
}

function endOfLine(text: Uint8Array, at: number, end: number): number {
  const newline = text.indexOf(0x0a, at)
  return newline < 0 || newline > end ? end : newline
}

function expectedSlot(previous: Slot, view: DataView, at: number, end: number): Slot | null {
  let slot = previous.next
  for (let skipped = 0; slot !== null && skipped <= SKIPPED_MAX; skipped++) {
    if (stands(view, at, end, slot.template)) return slot
    slot = slot.next
  }
  return null
}

function follow(previous: Slot, slot: Slot): void {
  if (slot.next === null && previous.next !== slot) slot.next = previous.next
  previous.next = slot
}

/** Behind the value of the common form at `at`, or −1 where it has another one. */
function readCommon(parser: ItemParser, slot: Slot, text: Uint8Array, view: DataView, at: number, end: number): number {
  if (slot.form === ANY || slot.readAs === parser.parses) return -1
  const behind = readForm(slot, parser.rows, text, view, at)
  if (behind < 0 || behind > end) return -1
  slot.readAs = parser.parses
  return behind
}

function readForm(slot: Slot, row: number, text: Uint8Array, view: DataView, at: number): number {
  const builder = slot.builder!
  switch (slot.form) {
    case STRING:
      return readString(builder, row, text, view, at)
    case INTEGER:
      return readInteger(builder, row, text, view, at, slot.scale, slot.limit)
    case DOUBLE:
      return readDouble(builder, row, text, view, at)
    case NUMBER_TEXT:
      return readNumberText(builder, row, text, view, at)
    case BOOLEAN:
      return readBoolean(builder, row, text, view, at)
    case TIMESTAMP:
      return readTimestamp(builder, row, text, view, at)
    case DATE:
      return readDate(builder, row, text, view, at)
    case BINARY:
      return readBinary(builder, row, text, view, at)
    default:
      return skipPlain(text, view, at)
  }
}

/** Behind the value, of any form, of an attribute whose name stands before `at`; or −1. */
function readAny(parser: ItemParser, slot: Slot, text: Uint8Array, at: number, end: number): number {
  if (slot.form !== ANY) return -1
  const valueEnd = skipValue(text, at, end)
  if (valueEnd === INVALID) return -1
  const nameEnd = at - 2
  const nameStart = nameEnd - (slot.template.length - 3)
  parser.found = slot
  take(parser, slot, { bytes: text, nameStart, nameEnd, valueStart: at, valueEnd })
  return valueEnd
}

/** Reads any member whose name starts at `at`; behind its value, with its slot in `found`, or INVALID. */
function readMember(parser: ItemParser, text: Uint8Array, at: number, end: number): number {
  const behindName = skipString(text, at, end)
  if (behindName === INVALID) return INVALID
  const colon = skipSpace(text, behindName, end)
  if (colon >= end || text[colon] !== COLON) return INVALID
  const valueStart = skipSpace(text, colon + 1, end)
  const valueEnd = skipValue(text, valueStart, end)
  if (valueEnd === INVALID) return INVALID
  const slot = slotNamed(parser, text, at + 1, behindName - 1)
  parser.found = slot
  take(parser, slot, { bytes: text, nameStart: at + 1, nameEnd: behindName - 1, valueStart, valueEnd })
  return valueEnd
}

function slotNamed(parser: ItemParser, text: Uint8Array, start: number, end: number): Slot {
  const name = nameBytes(text, start, end)
  const key = latin1(name)
  const known = parser.slots.get(key)
  if (known !== undefined) return known
  const slot = undeclaredSlot(name.toString())
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
function take(parser: ItemParser, slot: Slot, member: Member): void {
  if (slot.isDropped || (slot.readAs === parser.parses && slot !== parser.unknown)) return
  slot.readAs = parser.parses
  const row = parser.rows
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
  parser.misfitsOfItem.push(`${slot.attribute}:${taggedValue(bytes, valueStart, valueEnd)?.tag ?? '?'}`)
}

/** False where the value is a NULL or no DynamoDB JSON. */
function takeJson(builder: ColumnBuilder, row: number, { bytes, valueStart, valueEnd }: Member): boolean {
  if (taggedValue(bytes, valueStart, valueEnd)?.tag === 'NULL') return false
  const out = new ByteSink(valueEnd - valueStart)
  if (!writePlainJson(bytes, valueStart, valueEnd, out)) return false
  builder.put(row, out.bytes, 0, out.length)
  return true
}

function writeExtra({ extra, extraMembers, rows }: ItemParser): void {
  const out = new ByteSink(256)
  writeTypedObject(extraMembers, out)
  extraMembers.length = 0
  extra.put(rows, out.bytes, 0, out.length)
}
