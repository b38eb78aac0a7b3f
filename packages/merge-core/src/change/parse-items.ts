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
import { stands, type Template, templateOf, viewOf } from './byte-template.ts'
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
  skipName,
  skipSpace,
  skipString,
  skipValue,
} from './json-scan.ts'
import { decodeKeys } from './key-order.ts'

/** Where the items are: item i is texts[text[i]] from start[i] to end[i]. */
export interface ItemStretches {
  readonly count: number
  readonly texts: readonly Uint8Array[]
  readonly text: ArrayLike<number>
  readonly start: ArrayLike<number>
  readonly end: ArrayLike<number>
  /** Each item's key (key-order.ts). Key columns come from it; without it, from the item. Null where nobody asks for key columns. */
  readonly keys?: ByteStrings | null
}

export interface ParsedItems {
  /** One a column of the definition, then `_extra`; `count` rows each, none in key columns that nobody asks for. */
  readonly columns: Column[]
  /** How many values did not fit, by `attribute:tag` (`age:S`; `?` for what is no DynamoDB JSON). */
  readonly misfits: Map<string, number>
  /** Items that are not JSON. Their rows are null but for the key. */
  readonly failed: { readonly row: number; readonly message: string }[]
}

/** Parses items by a table's definition. What is wrong with an item is in the result; nothing is thrown for it. */
export function parseItems(items: ItemStretches, definition: TableDefinition): ParsedItems {
  const { keys } = items
  const parser = makeParser(items.count, definition, keys === undefined)
  const failed = parseRows(parser, items)
  const columns = parser.builders.map((builder) => builder.finish(builder.capacity === 0 ? 0 : items.count))
  if (keys !== undefined && keys !== null) {
    const keyTypes = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
    for (const [part, column] of decodeKeys(keys, keyTypes).entries()) columns[part] = column
  }
  return { columns, misfits: parser.misfits, failed }
}

/** Reads every item into its row; the rows that are null because their items are no JSON. */
function parseRows(parser: Parser, { count, texts, text, start, end }: ItemStretches): ParsedItems['failed'] {
  const failed: { row: number; message: string }[] = []
  const views = texts.map(viewOf)
  for (let row = 0; row < count; row++) {
    const index = text[row]!
    const behind = parseItem(parser, row, texts[index]!, views[index]!, start[row]!, end[row]!)
    if (behind === end[row] || (behind !== INVALID && isEndOfLine(texts[index]!, behind, end[row]!))) continue
    undoItem(parser, row)
    failed.push({ row, message: 'the item is not a valid JSON object in UTF-8, or nested too deeply' })
  }
  return failed
}

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

function makeParser(rows: number, definition: TableDefinition, hasKeyColumns: boolean): Parser {
  const slots = new Map<string, Slot>()
  const builders = definition.columns.map(({ attribute, type, storedType }, index) => {
    const isDropped = !hasKeyColumns && index < definition.keyColumns
    const builder = new ColumnBuilder(builderKind(storedType), isDropped ? 0 : rows)
    slots.set(latin1(Buffer.from(attribute)), slotOf(attribute, type, isDropped ? null : builder, isDropped))
    return builder
  })
  const extra = new ColumnBuilder('bytes', rows)
  const start = undeclaredSlot('')
  return {
    builders: [...builders, extra],
    extra,
    extraMembers: [],
    misfits: new Map(),
    slots,
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
    lastRow: -1,
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
 * Reads the item at text[start … end) into the row; the position behind its closing brace, or INVALID (and the row to be undone)
 * where no JSON object stands there. `view` is the text's (viewOf).
 */
function parseItem(parser: Parser, row: number, text: Uint8Array, view: DataView, start: number, end: number): number {
  let at = skipSpace(text, start, end)
  if (at >= end || text[at] !== OPEN_OBJECT) return INVALID
  at = skipSpace(text, at + 1, end)
  if (at < end && text[at] === CLOSE_OBJECT) return at + 1
  let previous = parser.start
  for (;;) {
    let slot = expectedSlot(previous, view, at, end)
    let behind = slot === null ? -1 : readExpected(parser, slot, row, text, view, at + slot.template.length, end)
    if (behind < 0) {
      behind = readMember(parser, row, text, at, end)
      if (behind === INVALID) return INVALID
      slot = parser.found
      follow(previous, slot)
    }
    if (behind < end && text[behind]! <= 0x20) behind = skipSpace(text, behind, end)
    if (behind >= end) return INVALID
    const byte = text[behind]!
    at = behind + 1
    if (byte === CLOSE_OBJECT) break
    if (byte !== COMMA) return INVALID
    if (text[at] !== QUOTE) at = skipSpace(text, at, end)
    previous = slot!
  }
  if (parser.extraMembers.length > 0) writeExtra(parser, row)
  return at
}

function undoItem(parser: Parser, row: number): void {
  for (const builder of parser.builders) builder.undo(row)
  parser.extraMembers.length = 0
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

function readExpected(
  parser: Parser,
  slot: Slot,
  row: number,
  text: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): number {
  if (slot.lastRow === row) return -1
  if (slot.form === ANY) {
    const valueEnd = skipValue(text, at, end)
    if (valueEnd === INVALID) return -1
    const nameEnd = at - 2
    const nameStart = nameEnd - (slot.template.length - 3)
    take(parser, slot, row, { bytes: text, nameStart, nameEnd, valueStart: at, valueEnd })
    return valueEnd
  }
  const behind = readCommon(slot, row, text, view, at)
  if (behind < 0 || behind > end) return -1
  slot.lastRow = row
  return behind
}

function readCommon(slot: Slot, row: number, text: Uint8Array, view: DataView, at: number): number {
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
  builder.put(row, out.bytes, 0, out.length)
  return true
}

function writeExtra(parser: Parser, row: number): void {
  const { extra, extraMembers } = parser
  const out = new ByteSink(256)
  writeTypedObject(extraMembers, out)
  extraMembers.length = 0
  extra.put(row, out.bytes, 0, out.length)
}
