// DynamoDB JSON: `{"S":"x"}`, `{"N":"1"}`, `{"M":{"a":{"NULL":true}}}` … read from bytes that are known to be valid JSON.
//
// One value has one form: numbers canonical, the names of a map and the elements of a set sorted (names, strings and binary by
// bytes, numbers by value), strings escaped as JSON.stringify does. So the same item gives the same bytes whoever wrote it.
// Of a repeated name the first stands. Names stay bytes throughout: none becomes a property of an object.
// What is valid JSON but no DynamoDB JSON (another tag, two tags, an N that is no number) is kept as it stands, without white space.

import { ByteSink } from './byte-sink.ts'
import { compareBytes } from './byte-strings.ts'
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  decodeString,
  encodeString,
  hasEscape,
  INVALID,
  isAscii,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipSpace,
  skipString,
  skipValue,
} from './json-scan.ts'
import { canonicalNumber, compareNumbers, type DecimalNumber, formatNumber, parseNumber } from './number-text.ts'

export type Tag = 'S' | 'N' | 'B' | 'BOOL' | 'NULL' | 'M' | 'L' | 'SS' | 'NS' | 'BS'

const TAGS: readonly Tag[] = ['S', 'N', 'B', 'BOOL', 'NULL', 'M', 'L', 'SS', 'NS', 'BS']

/** The one member of a value `{"S":…}`: its tag and the stretch of its JSON value. */
export interface TaggedValue {
  readonly tag: Tag
  readonly start: number
  readonly end: number
}

/** Null where the JSON value at bytes[start … end) is not an object of exactly one member named by a tag. What it holds is not checked. */
export function taggedValue(bytes: Uint8Array, start: number, end: number): TaggedValue | null {
  let at = skipSpace(bytes, start, end)
  if (bytes[at] !== OPEN_OBJECT) return null
  at = skipSpace(bytes, at + 1, end)
  if (bytes[at] !== QUOTE) return null
  const behindName = skipString(bytes, at, end)
  const tag = tagAt(bytes, at, behindName)
  if (tag === undefined) return null
  at = skipSpace(bytes, behindName, end)
  at = skipSpace(bytes, at + 1, end)
  const valueEnd = skipValue(bytes, at, end)
  if (bytes[skipSpace(bytes, valueEnd, end)] !== CLOSE_OBJECT) return null
  return { tag, start: at, end: valueEnd }
}

/** The tag that the string bytes[start … end) is, quotes included. */
function tagAt(bytes: Uint8Array, start: number, end: number): Tag | undefined {
  return TAGS.find((name) => name.length === end - start - 2 && isAscii(bytes, start + 1, end - 1, name))
}

/** A member of an item or a map: name and value as they stand in `bytes`. */
export interface Member {
  readonly bytes: Uint8Array
  /** The name between its quotes. */
  readonly nameStart: number
  readonly nameEnd: number
  readonly valueStart: number
  readonly valueEnd: number
}

/**
 * Appends the value as plain JSON: `{"M":{"a":{"N":"1.0"}}}` becomes `{"a":1}`, sets become sorted arrays, binary stays base64 text.
 * False (and nothing appended) where it is not DynamoDB JSON in every part.
 */
export function writePlainJson(bytes: Uint8Array, start: number, end: number, out: ByteSink): boolean {
  return writeWhole(bytes, start, end, out, false)
}

/** Appends the value as DynamoDB JSON in its one form, or as it stands (without white space) where it is not DynamoDB JSON. */
export function writeTypedJson(bytes: Uint8Array, start: number, end: number, out: ByteSink): void {
  if (!writeWhole(bytes, start, end, out, true)) writeCompact(bytes, start, end, out)
}

/** Appends `{"name":value,…}`, sorted, the first of each name, values as writeTypedJson gives them. */
export function writeTypedObject(members: readonly Member[], out: ByteSink): void {
  out.pushByte(OPEN_OBJECT)
  let isFirst = true
  for (const { member, name } of sortedByName(members)) {
    if (!isFirst) out.pushByte(COMMA)
    isFirst = false
    encodeString(name.bytes, name.start, name.end, out)
    out.pushByte(COLON)
    writeTypedJson(member.bytes, member.valueStart, member.valueEnd, out)
  }
  out.pushByte(CLOSE_OBJECT)
}

/** The whole item `{"pk":{"S":"x"},…}` in its one form. What follows its closing brace is ignored. */
export function canonicalItem(bytes: Uint8Array): Uint8Array {
  const out = new ByteSink(bytes.length + 64)
  const end = skipValue(bytes, 0, bytes.length)
  if (end === INVALID) return bytes.slice()
  const members = membersOf(bytes, 0, end)
  if (members === null) writeCompact(bytes, 0, end, out)
  else writeTypedObject(members, out)
  return out.toBytes()
}

/** The members of the object at bytes[start … end), in their order, repeated names included; null where it is no object. */
export function membersOf(bytes: Uint8Array, start: number, end: number): Member[] | null {
  let at = skipSpace(bytes, start, end)
  if (bytes[at] !== OPEN_OBJECT) return null
  const members: Member[] = []
  at = skipSpace(bytes, at + 1, end)
  while (bytes[at] === QUOTE) {
    const nameStart = at + 1
    const behindName = skipString(bytes, at, end)
    const valueStart = skipSpace(bytes, skipSpace(bytes, behindName, end) + 1, end)
    const valueEnd = skipValue(bytes, valueStart, end)
    members.push({ bytes, nameStart, nameEnd: behindName - 1, valueStart, valueEnd })
    at = skipSpace(bytes, valueEnd, end)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end)
  }
  return members
}

/** Base64 (RFC 4648, section 4) with its padding and no stray bits: what one value has exactly one text of. */
export function isBase64(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if ((length & 3) !== 0) return false
  if (length === 0) return true
  const padding = bytes[end - 1] !== 0x3d ? 0 : bytes[end - 2] !== 0x3d ? 1 : 2
  for (let at = start; at < end - padding; at++) if (BASE64[bytes[at]!] === 0xff) return false
  if (padding === 1) return (BASE64[bytes[end - 2]!]! & 3) === 0
  return padding === 0 || (BASE64[bytes[end - 3]!]! & 15) === 0
}

/** Writes the bytes that valid base64 stands for to `target` from `to` on; behind them. */
export function decodeBase64(bytes: Uint8Array, start: number, end: number, target: Uint8Array, to: number): number {
  let length = to
  for (let at = start; at < end; at += 4) {
    const group =
      (BASE64[bytes[at]!]! << 18) |
      (BASE64[bytes[at + 1]!]! << 12) |
      ((BASE64[bytes[at + 2]!]! & 63) << 6) |
      (BASE64[bytes[at + 3]!]! & 63)
    target[length++] = group >>> 16
    if (bytes[at + 2] !== 0x3d) target[length++] = group >>> 8
    if (bytes[at + 3] !== 0x3d) target[length++] = group
  }
  return length
}

/** The value of each character of base64, 0xff for others. */
const BASE64 = new Uint8Array(256).fill(0xff)
for (const [value, character] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  BASE64[character.charCodeAt(0)] = value
}

/** The characters of the string whose quotes are at `start` and `end` − 1, as JavaScript text. */
export function stringText(bytes: Uint8Array, start: number, end: number): string {
  if (!hasEscape(bytes, start + 1, end - 1)) {
    return Buffer.prototype.utf8Slice.call(bytes, start + 1, end - 1)
  }
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8'))
}

function writeWhole(bytes: Uint8Array, start: number, end: number, out: ByteSink, typed: boolean): boolean {
  const before = out.length
  if (writeValue(bytes, skipSpace(bytes, start, end), end, out, typed) !== INVALID) return true
  out.length = before
  return false
}

// What follows reads and writes in one pass, so that no byte is read again for each level that it lies in. Each function begins at a token
// and gives the position behind what it wrote, or INVALID (and something written) where that is no DynamoDB JSON.

function writeValue(bytes: Uint8Array, start: number, end: number, out: ByteSink, typed: boolean): number {
  if (bytes[start] !== OPEN_OBJECT) return INVALID
  const nameStart = skipSpace(bytes, start + 1, end)
  if (bytes[nameStart] !== QUOTE) return INVALID
  const behindName = skipString(bytes, nameStart, end)
  const tag = tagAt(bytes, nameStart, behindName)
  if (tag === undefined) return INVALID
  if (typed) out.pushAscii(`{"${tag}":`)
  const content = skipSpace(bytes, skipSpace(bytes, behindName, end) + 1, end)
  const behind = writeContent(bytes, content, end, tag, out, typed)
  if (behind === INVALID) return INVALID
  const close = skipSpace(bytes, behind, end)
  if (bytes[close] !== CLOSE_OBJECT) return INVALID
  if (typed) out.pushByte(CLOSE_OBJECT)
  return close + 1
}

function writeContent(bytes: Uint8Array, start: number, end: number, tag: Tag, out: ByteSink, typed: boolean): number {
  if (tag === 'M') return writeMap(bytes, start, end, out, typed)
  if (tag === 'L') return writeList(bytes, start, end, out, typed)
  const behind = skipValue(bytes, start, end)
  return writeLeaf(bytes, start, behind, tag, out, typed) ? behind : INVALID
}

function writeLeaf(
  bytes: Uint8Array,
  start: number,
  end: number,
  tag: Exclude<Tag, 'M' | 'L'>,
  out: ByteSink,
  typed: boolean,
): boolean {
  switch (tag) {
    case 'S':
      return bytes[start] === QUOTE && writeString(bytes, start, end, out)
    case 'N':
      return bytes[start] === QUOTE && writeNumber(canonicalNumber(stringText(bytes, start, end)), out, typed)
    case 'B':
      return bytes[start] === QUOTE && writeBase64(bytes, start, end, out)
    case 'BOOL':
      if (bytes[start] !== 0x74 && bytes[start] !== 0x66) return false
      out.push(bytes, start, end)
      return true
    case 'NULL':
      if (bytes[start] !== 0x74) return false
      out.pushAscii(typed ? 'true' : 'null')
      return true
    default:
      return writeSet(bytes, start, end, tag, out, typed)
  }
}

function writeList(bytes: Uint8Array, start: number, end: number, out: ByteSink, typed: boolean): number {
  if (bytes[start] !== OPEN_ARRAY) return INVALID
  out.pushByte(OPEN_ARRAY)
  let at = skipSpace(bytes, start + 1, end)
  while (bytes[at] !== CLOSE_ARRAY) {
    const behind = writeValue(bytes, at, end, out, typed)
    if (behind === INVALID) return INVALID
    at = skipSpace(bytes, behind, end)
    if (bytes[at] !== COMMA) continue
    out.pushByte(COMMA)
    at = skipSpace(bytes, at + 1, end)
  }
  out.pushByte(CLOSE_ARRAY)
  return at + 1
}

/** Sorted by name, the first of each name. Members that come in that order, as most do, stay where they were written. */
function writeMap(bytes: Uint8Array, start: number, end: number, out: ByteSink, typed: boolean): number {
  if (bytes[start] !== OPEN_OBJECT) return INVALID
  const written: WrittenMember[] = []
  let isSorted = true
  out.pushByte(OPEN_OBJECT)
  let at = skipSpace(bytes, start + 1, end)
  while (bytes[at] === QUOTE) {
    if (written.length > 0) out.pushByte(COMMA)
    const behindName = skipString(bytes, at, end)
    const name = decodedName({ bytes, nameStart: at + 1, nameEnd: behindName - 1 })
    const from = out.length
    encodeString(name.bytes, name.start, name.end, out)
    out.pushByte(COLON)
    const valueStart = skipSpace(bytes, skipSpace(bytes, behindName, end) + 1, end)
    const behind = writeValue(bytes, valueStart, end, out, typed)
    if (behind === INVALID) return INVALID
    const member = { name, from, to: out.length }
    isSorted &&= written.length === 0 || byName(written[written.length - 1]!, member) < 0
    written.push(member)
    at = skipSpace(bytes, behind, end)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end)
  }
  if (!isSorted) sortWritten(written, out)
  out.pushByte(CLOSE_OBJECT)
  return at + 1
}

/** A member that stands in a sink from `from` to `to`. */
interface WrittenMember {
  readonly name: Name
  readonly from: number
  readonly to: number
}

function sortWritten(written: WrittenMember[], out: ByteSink): void {
  const start = written[0]!.from
  const copy = out.bytes.slice(start, out.length)
  out.length = start
  for (const [index, { from, to }] of firstOfEachName(written).entries()) {
    if (index > 0) out.pushByte(COMMA)
    out.push(copy, from - start, to - start)
  }
}

function writeString(bytes: Uint8Array, start: number, end: number, out: ByteSink): boolean {
  if (!hasEscape(bytes, start + 1, end - 1)) {
    out.push(bytes, start, end)
    return true
  }
  const characters = new ByteSink(end - start)
  decodeString(bytes, start + 1, end - 1, characters)
  encodeString(characters.bytes, 0, characters.length, out)
  return true
}

function writeBase64(bytes: Uint8Array, start: number, end: number, out: ByteSink): boolean {
  const before = out.length
  writeString(bytes, start, end, out)
  return isBase64(out.bytes, before + 1, out.length - 1)
}

function writeNumber(canonical: string | null, out: ByteSink, quoted: boolean): boolean {
  if (canonical === null) return false
  out.pushAscii(quoted ? `"${canonical}"` : canonical)
  return true
}

interface Stretch {
  readonly start: number
  readonly end: number
}

/** The elements of the array at bytes[start … end), or null where it is none. */
function elementsOf(bytes: Uint8Array, start: number, end: number): Stretch[] | null {
  if (bytes[start] !== OPEN_ARRAY) return null
  const elements: Stretch[] = []
  let at = skipSpace(bytes, start + 1, end)
  while (bytes[at] !== CLOSE_ARRAY) {
    const behind = skipValue(bytes, at, end)
    elements.push({ start: at, end: behind })
    at = skipSpace(bytes, behind, end)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end)
  }
  return elements
}

function writeSet(bytes: Uint8Array, start: number, end: number, tag: Tag, out: ByteSink, typed: boolean): boolean {
  const elements = elementsOf(bytes, start, end)
  if (elements === null || elements.some((element) => bytes[element.start] !== QUOTE)) return false
  const texts = tag === 'NS' ? sortedNumbers(bytes, elements, typed) : sortedStrings(bytes, elements, tag)
  if (texts === null) return false
  out.pushByte(OPEN_ARRAY)
  for (const [index, text] of texts.entries()) {
    if (index > 0) out.pushByte(COMMA)
    out.push(text, 0, text.length)
  }
  out.pushByte(CLOSE_ARRAY)
  return true
}

function sortedNumbers(bytes: Uint8Array, elements: readonly Stretch[], quoted: boolean): Uint8Array[] | null {
  const numbers = elements.map(({ start, end }) => parseNumber(stringText(bytes, start, end)))
  if (numbers.includes(null)) return null
  return (numbers as DecimalNumber[])
    .sort(compareNumbers)
    .map((number) => Buffer.from(quoted ? `"${formatNumber(number)}"` : formatNumber(number)))
}

function sortedStrings(bytes: Uint8Array, elements: readonly Stretch[], tag: Tag): Uint8Array[] | null {
  const entries: { readonly order: Uint8Array; readonly text: Uint8Array }[] = []
  for (const { start, end } of elements) {
    const order = new ByteSink(end - start)
    const text = new ByteSink(end - start)
    if (tag === 'SS') {
      decodeString(bytes, start + 1, end - 1, order)
      writeString(bytes, start, end, text)
    } else {
      if (!writeBase64(bytes, start, end, text)) return null
      order.length = decodeBase64(text.bytes, 1, text.length - 1, order.bytes, 0)
    }
    entries.push({ order: order.toBytes(), text: text.toBytes() })
  }
  entries.sort((a, b) => Buffer.compare(a.order, b.order))
  return entries.map((entry) => entry.text)
}

/** Characters of a name, decoded. */
interface Name {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

function byName({ name: a }: { readonly name: Name }, { name: b }: { readonly name: Name }): number {
  return compareBytes(a.bytes, a.start, a.end, b.bytes, b.start, b.end)
}

/** Sorted by name. The sort is stable, so the first of a repeated name stays in front. */
function firstOfEachName<T extends { readonly name: Name }>(named: T[]): T[] {
  named.sort(byName)
  return named.filter((entry, index) => index === 0 || byName(named[index - 1]!, entry) !== 0)
}

function sortedByName(members: readonly Member[]): { readonly member: Member; readonly name: Name }[] {
  return firstOfEachName(members.map((member) => ({ member, name: decodedName(member) })))
}

function decodedName({ bytes, nameStart, nameEnd }: Pick<Member, 'bytes' | 'nameStart' | 'nameEnd'>): Name {
  if (!hasEscape(bytes, nameStart, nameEnd)) return { bytes, start: nameStart, end: nameEnd }
  const characters = new ByteSink(nameEnd - nameStart)
  decodeString(bytes, nameStart, nameEnd, characters)
  return { bytes: characters.bytes, start: 0, end: characters.length }
}

/** Appends valid JSON as it stands, without the white space between its tokens. */
function writeCompact(bytes: Uint8Array, start: number, end: number, out: ByteSink): void {
  let at = skipSpace(bytes, start, end)
  while (at < end) {
    const behind = bytes[at] === QUOTE ? skipString(bytes, at, end) : at + 1
    out.push(bytes, at, behind)
    at = skipSpace(bytes, behind, end)
  }
}
