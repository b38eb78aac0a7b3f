// One landing object to the changes in it: where each line's key, version, time, operation and item are.
//
// A line in the forwarder's own form is met by its head, byte by byte as we would write it. Where items are parsed too, its item is
// parsed at once, and must end where the line ends; else it is taken to reach to the line's end, and nothing of it is looked at: an item
// that is no JSON shows when it is parsed, and where further members stand behind it, parsing ends before them (parse-items.ts).
// Every other line goes through the whole of JSON (json-scan.ts) and gives the same row: so does every raw stream record, and every line
// of a table whose partitions come from images where those are not parsed.
//
// Every line that is not blank ends in exactly one of three ways: a row, a quarantined line, another table's.

import { invariant } from '../invariant.ts'
import type { TableDefinition } from '../table-definition.ts'
import { stands, type Template, templateOf, viewOf } from './byte-template.ts'
import { CHANGE_FORMAT, CHANGE_LINE_FIELDS, rawText, readChangeLine, stringField } from './change-line.ts'
import type { ColumnBuilder } from './column-builder.ts'
import { type Member, membersOf } from './dynamodb-json.ts'
import type { InflatedObject } from './inflate-object.ts'
import { dropItem, type ItemParser, keepItem, makeItemParser, namesEveryColumn, parseItem } from './item-parser.ts'
import { type FieldStretches, fieldStretches, readFields } from './json-fields.ts'
import { CLOSE_OBJECT, INVALID, skipSpace, skipValue } from './json-scan.ts'
import { LineColumns } from './line-columns.ts'
import { excerpt, type LineOutcome, type LineParts, type Rejection, reject } from './line-parts.ts'
import { finishItems } from './parse-items.ts'
import { makePartitioner, type Partitioner } from './partition.ts'
import { type KeyReader, makeKeyReader } from './read-key.ts'
import { makeRowPartitioner, type RowPartitioner } from './row-partition.ts'
import { EXPIRE, type ItemLocation, PUT, type QuarantinedLine, REMOVE, type ScannedObject } from './scanned-lines.ts'
import { readStreamRecord, STREAM_RECORD_FIELDS } from './stream-record.ts'
import { bytesBefore, fourDigits, othersOf, ZEROS } from './text-words.ts'
import { SEQUENCE_DIGITS_MAX, sequenceForm } from './version.ts'

export const LINE_BYTES_MAX = 16 * 1024 * 1024
/** Of an item, a key or an old image. DynamoDB's items have at most 400 KB; the worst of their characters takes six bytes of JSON. */
export const OBJECT_BYTES_MAX = 4 * 1024 * 1024

export interface ScanOptions {
  /** Whether the items are parsed in the same pass; default false. */
  readonly parsesItems?: boolean
}

/** Scans the text of a landing object (NDJSON). What is wrong with it is in the result; nothing is thrown for it. */
export function scanObject(
  { text, broken }: InflatedObject,
  definition: TableDefinition,
  options: ScanOptions = {},
): ScannedObject {
  const scan = makeScan(text, definition, options.parsesItems ?? false)
  const linesRead = readLines(scan, broken === null)
  const { lines, quarantined, otherTable, partitioner, items } = scan
  invariant(
    linesRead === lines.count + quarantined.length + otherTable,
    'every line is a row, quarantined, or of another table',
  )
  return {
    lines: lines.finish(text, partitioner.partitions),
    linesRead,
    otherTable,
    quarantined,
    broken,
    items: items === null ? null : finishItems(items, []),
  }
}

/** How many lines there were that are not blank. */
function readLines(scan: Scan, isWholeObject: boolean): number {
  const { text, items } = scan
  const { length } = text
  let lineNumber = 0
  let linesRead = 0
  for (let start = 0; start < length; ) {
    lineNumber++
    // With its item the line shows where it ends.
    let end = items === null ? 0 : readOwnLine(scan, lineNumber, start, length)
    if (end > 0) {
      linesRead++
    } else {
      const newline = text.indexOf(NEWLINE, start)
      end = newline < 0 ? length : newline
      // What a broken object ends with may be part of a line, so no template is enough for it.
      const isWhole = newline >= 0 || isWholeObject
      if (items === null && isWhole && scan.isPlain(start, end) && readOwnLine(scan, lineNumber, start, end) > 0) {
        linesRead++
      } else if (skipSpace(text, start, end) < end) {
        linesRead++
        readAnyLine(scan, lineNumber, start, end)
      }
    }
    start = end + 1
  }
  return linesRead
}

interface Scan {
  readonly text: Buffer
  /** Of the text (viewOf). */
  readonly view: DataView
  readonly definition: TableDefinition
  readonly lines: LineColumns
  readonly quarantined: QuarantinedLine[]
  otherTable: number
  readonly fields: FieldStretches
  readonly keyReader: KeyReader
  readonly partitioner: Partitioner
  /** Null where items are not parsed. */
  readonly items: ItemParser | null
  /** Null where items are not parsed, or partitions do not come from images. */
  readonly images: Images | null
  /** Our own line up to the sequence number's digits, for the stream of the latest line; null before the first one, and where
   *  partitions come from images that are not parsed. */
  head: Template | null
  headStream: string
  /** The stream's label and a zero byte, eight by eight: what a version begins with. */
  readonly headVersion: Float64Array
  /** Whether the line may be read by its head: what stands behind the item, if anything does, says nothing. */
  readonly isPlain: (start: number, end: number) => boolean
}

/** A label, the zero byte, two digits of length, and words of digits up to one beyond the longest. */
const VERSION_BYTES_MAX = 24 + 2 + SEQUENCE_DIGITS_MAX + 8
interface Images {
  /** Of old images: the partition attributes that are not of the key. It keeps nothing. */
  readonly parser: ItemParser
  readonly partitionOf: RowPartitioner
  /** One a partition field, null for key attributes. */
  readonly oldBuilders: readonly (ColumnBuilder | null)[]
  readonly newBuilders: readonly (ColumnBuilder | null)[]
}

const NEWLINE = 0x0a
const FORMAT = CHANGE_LINE_FIELDS.indexOf('format')
const FIRST_OF_RECORD = CHANGE_LINE_FIELDS.length
const DYNAMODB = FIRST_OF_RECORD + STREAM_RECORD_FIELDS.indexOf('dynamodb')
function makeScan(inflated: Uint8Array, definition: TableDefinition, parsesItems: boolean): Scan {
  const text = Buffer.from(inflated.buffer, inflated.byteOffset, inflated.length)
  const isPlain = absentFrom(text, ACCEPTED)
  const linesGuess = guessLines(text)
  const partitioner = makePartitioner(definition)
  const items = parsesItems ? makeItemParser(linesGuess, definition.columns, definition.keyColumns) : null
  return {
    text,
    view: viewOf(text),
    definition,
    lines: new LineColumns(linesGuess),
    quarantined: [],
    otherTable: 0,
    fields: fieldStretches([...CHANGE_LINE_FIELDS, ...STREAM_RECORD_FIELDS]),
    keyReader: makeKeyReader(definition),
    partitioner,
    items,
    images: items === null || definition.partitionedByKey ? null : makeImages(items, definition, partitioner),
    head: null,
    headStream: '',
    headVersion: new Float64Array((STREAM_LABEL_BYTES + 1) / 8),
    isPlain,
  }
}

function makeImages(items: ItemParser, definition: TableDefinition, partitioner: Partitioner): Images {
  const { columns, keyColumns, partitionBy } = definition
  const named = [...new Set(partitionBy.map(({ column }) => column))].filter((column) => column >= keyColumns)
  const parser = makeItemParser(
    1,
    named.map((column) => columns[column]!),
    0,
  )
  return {
    parser,
    partitionOf: makeRowPartitioner(definition, partitioner),
    oldBuilders: partitionBy.map(({ column }) => parser.builders[named.indexOf(column)] ?? null),
    newBuilders: partitionBy.map(({ column }) => (column < keyColumns ? null : items.builders[column]!)),
  }
}

const LINES_TELLING = 32

/** About how many lines the text has, rather more than fewer, if they are all like its first ones. */
function guessLines(text: Buffer): number {
  let lines = 0
  let at = 0
  while (lines < LINES_TELLING && at < text.length) {
    const newline = text.indexOf(NEWLINE, at)
    at = newline < 0 ? text.length : newline + 1
    lines++
  }
  return Math.ceil((text.length / Math.max(at, 1)) * lines * 1.05) + 16
}

/**
 * Part of `"accept":"below-watermark"`, the only thing behind an item that is read where images say nothing of partitions. Cut so
 * that it begins with a rare letter and is short: then it is searched at the speed of memory.
 */
const ACCEPTED = 'waterm'

/** Whether `word` is nowhere in [start, end), for stretches asked in ascending order: each byte is searched once. */
function absentFrom(buffer: Buffer, word: string): (start: number, end: number) => boolean {
  let next = -1
  return (start, end) => {
    if (next < start) {
      const found = buffer.indexOf(word, start, 'latin1')
      next = found < 0 ? Number.POSITIVE_INFINITY : found
    }
    return next >= end
  }
}

const INSERT_TO_AT = templateOf('","operation":"insert","at":')
const MODIFY_TO_AT = templateOf('","operation":"modify","at":')
const REMOVE_TO_AT = templateOf('","operation":"remove","at":')
const KEYS = templateOf(',"keys":')
const OLD = templateOf(',"old":{')
const ITEM = templateOf(',"item":{')

/**
 * Reads the line at `start` in exactly the form of encodeChangeLine, without `by`, `accept` and `itemAt`; the line's end, or 0 (and no row)
 * for others. `end` is the line's, or the text's where the item is parsed: then the line ends behind the item, and with a newline.
 */
function readOwnLine(scan: Scan, lineNumber: number, start: number, end: number): number {
  const { text, view, head, lines, items, images } = scan
  if (head === null || !stands(view, start, end, head)) return 0
  let at = appendOwnVersion(scan, start + head.length)
  if (at === 0) return dropped(scan)
  const isInsert = stands(view, at, end, INSERT_TO_AT)
  const isPut = isInsert || stands(view, at, end, MODIFY_TO_AT)
  if (!isPut && !stands(view, at, end, REMOVE_TO_AT)) return dropped(scan)
  at = readSeconds(text, view, at + MODIFY_TO_AT.length)
  if (at === 0 || !stands(view, at, end, KEYS)) return dropped(scan)
  at = scan.keyReader.readCompact(text, view, at + KEYS.length, end, lines.keys)
  if (at === 0) return dropped(scan)
  const hasOld = stands(view, at, end, OLD)
  if (hasOld) {
    at = behindOld(scan, at + OLD.length - 1, end)
    if (at === INVALID) return dropped(scan)
  } else if (images !== null && !isInsert) {
    return dropped(scan)
  }
  let itemStart = 0
  if (isPut) {
    if (!stands(view, at, end, ITEM)) return dropped(scan)
    itemStart = at + ITEM.length - 1
    at = items === null ? itemEndBefore(text, end) : parseItem(items, text, view, itemStart, end, true)
    if (at <= 0 || at - itemStart > OBJECT_BYTES_MAX) return dropped(scan)
  }
  const lineEnd = at + 1
  const isEnd = items === null ? lineEnd === end : text[lineEnd] === NEWLINE
  if (text[at] !== CLOSE_OBJECT || !isEnd) return dropped(scan)
  const row = lines.add(lineNumber, start, lineEnd, isPut ? PUT : REMOVE, seconds)
  lines.itemStart[row] = itemStart
  lines.itemEnd[row] = isPut ? at : 0
  addPartitions(scan, row, isPut, isInsert)
  if (isPut && items !== null) keepItem(items)
  return lineEnd
}

/** Undoes what was read of a line. */
function dropped({ lines, items, images }: Scan): 0 {
  lines.dropPending()
  if (items !== null) dropItem(items)
  if (images !== null) dropItem(images.parser)
  return 0
}

/** Behind the old image at `start`, whose partition attributes then are in `images`; INVALID where it does not name them all. */
function behindOld({ text, view, images }: Scan, start: number, end: number): number {
  if (images === null) {
    const newline = text.indexOf(NEWLINE, start)
    return skipValue(text, start, newline < 0 ? end : Math.min(newline, end))
  }
  const behind = parseItem(images.parser, text, view, start, end, true)
  return namesEveryColumn(images.parser) && behind - start <= OBJECT_BYTES_MAX ? behind : INVALID
}

/** The partitions of the row, whose item and old image are read but not kept. */
function addPartitions(
  { lines, partitioner, items, images }: Scan,
  row: number,
  isPut: boolean,
  isInsert: boolean,
): void {
  const { bytes, length } = lines.keys
  const keyStart = lines.keyStarts[row]!
  lines.partition[row] = -1
  lines.oldPartition[row] = -1
  if (images === null) {
    lines.partition[row] = partitioner.ofKey(bytes, keyStart, length)
    return
  }
  if (!isInsert) lines.oldPartition[row] = images.partitionOf(images.oldBuilders, 0, bytes, keyStart, length)
  if (isPut) lines.partition[row] = images.partitionOf(images.newBuilders, items!.rows, bytes, keyStart, length)
  dropItem(images.parser)
}

/** Where an item ends that is the last member of a line that ends at `end`; 0 where there can be none. */
function itemEndBefore(text: Uint8Array, end: number): number {
  return text[end - 1] === CLOSE_OBJECT && text[end - 2] === CLOSE_OBJECT ? end - 1 : 0
}

/** What readSeconds read. */
let seconds = 0

/** Behind the whole number of seconds at `start`, or 0 where there is none in canonical form of at most 11 digits. */
function readSeconds(text: Uint8Array, view: DataView, start: number): number {
  let at = start
  seconds = 0
  while (at <= view.byteLength - 4) {
    const word = view.getInt32(at, true) ^ ZEROS
    const others = othersOf(word)
    const digits = others === 0 ? 4 : bytesBefore(others)
    if (digits === 4) seconds = seconds * 10_000 + fourDigits(word)
    else if (digits > 0) seconds = seconds * 10 ** digits + fourDigits(word << (32 - 8 * digits))
    at += digits
    if (digits < 4) break
  }
  const digits = at - start
  return digits < 1 || digits > 11 || (digits > 1 && text[start] === 0x30) ? 0 : at
}

/**
 * Appends the version of the head's stream and the digits at `start`; behind them, or 0 where they are no sequence number, or one with
 * leading zeros.
 */
function appendOwnVersion({ text, view, lines, headVersion }: Scan, start: number): number {
  const { versions } = lines
  const lastWord = view.byteLength - 4
  versions.reserve(VERSION_BYTES_MAX)
  const target = versions.view
  let out = versions.length
  for (let i = 0; i < headVersion.length; i++, out += 8) target.setFloat64(out, headVersion[i]!, true)
  const lengthAt = out
  out += 2
  let at = start
  let digits = 4
  while (digits === 4 && at <= lastWord && at - start <= SEQUENCE_DIGITS_MAX) {
    const word = view.getInt32(at, true)
    target.setInt32(out, word, true)
    const others = othersOf(word ^ ZEROS)
    digits = others === 0 ? 4 : bytesBefore(others)
    at += digits
    out += digits
  }
  const length = at - start
  if (length === 0 || length > SEQUENCE_DIGITS_MAX || (length > 1 && text[start] === 0x30)) return 0
  const tens = length < 10 ? 0 : length < 20 ? 1 : length < 30 ? 2 : length < 40 ? 3 : 4
  target.setUint8(lengthAt, 0x30 + tens)
  target.setUint8(lengthAt + 1, 0x30 + length - 10 * tens)
  versions.length = out
  return at
}

function readAnyLine(scan: Scan, lineNumber: number, start: number, end: number): void {
  const outcome = outcomeOf(scan, start, end)
  if (outcome === 'other-table') {
    scan.otherTable++
    return
  }
  const rejection = 'reason' in outcome ? outcome : appendLine(scan, outcome, lineNumber, start, end)
  if (rejection === null) return
  scan.lines.dropPending()
  scan.quarantined.push({ line: lineNumber, ...rejection, text: scan.text.subarray(start, end) })
}

function outcomeOf({ text, fields, definition }: Scan, start: number, end: number): LineOutcome {
  if (end - start > LINE_BYTES_MAX) {
    return reject('line-too-long', `the line has ${end - start} bytes, at most ${LINE_BYTES_MAX} are read`)
  }
  if (!readFields(text, start, end, fields)) {
    const valueEnd = skipValue(text, start, end)
    return valueEnd >= 0 && skipSpace(text, valueEnd, end) === end
      ? reject('unknown-format', 'the line is JSON but no object')
      : reject('invalid-json', 'the line is not valid JSON in UTF-8, or nested too deeply')
  }
  if (fields.starts[FORMAT]! >= 0) return readChangeLine(text, fields, definition)
  if (fields.starts[DYNAMODB]! >= 0) return readStreamRecord(text, fields, FIRST_OF_RECORD, definition)
  return reject('unknown-format', 'the line is neither a change line ("format") nor a stream record ("dynamodb")')
}

/** Makes the row of a line; a rejection, with the pending key and version to be dropped, where something in it is wrong. */
function appendLine(scan: Scan, parts: LineParts, lineNumber: number, start: number, end: number): Rejection | null {
  const { text, view, lines, definition, partitioner, items } = scan
  const tooLong =
    tooLongObject('item', parts.itemStart, parts.itemEnd) ??
    tooLongObject('old image', parts.oldStart, parts.oldEnd) ??
    tooLongObject('key', parts.keysStart, parts.keysEnd)
  if (tooLong !== null) return tooLong
  const badVersion = appendVersion(scan, parts)
  if (badVersion !== null) return reject('bad-version', badVersion)
  const { keysStart, keysEnd } = parts
  if (scan.keyReader.readCompact(text, view, keysStart, keysEnd, lines.keys) === 0) {
    const badKey = scan.keyReader.read(text, keysStart, keysEnd, lines.keys)
    if (badKey !== null) return reject('bad-key', badKey)
  }
  const isPut = parts.operation !== 'remove'
  const hasItem = isPut && parts.itemStart >= 0
  const location = isPut && !hasItem ? itemLocation(text, parts.itemAtStart, parts.itemAtEnd) : undefined
  if (location === null) return reject('missing-item', '"itemAt" needs bucket, key, sha256 and bytes')

  const keyStart = lines.keyStarts[lines.count]!
  let partition = -1
  let oldPartition = -1
  if (definition.partitionedByKey) {
    partition = partitioner.ofKey(lines.keys.bytes, keyStart, lines.keys.length)
  } else {
    if (parts.operation !== 'insert') {
      const old = oldImage(scan, parts)
      if ('reason' in old) return old
      oldPartition = partitioner.ofImage(lines.keys.bytes, keyStart, lines.keys.length, old)
    }
    if (hasItem) {
      const image = membersOf(text, parts.itemStart, parts.itemEnd)!
      partition = partitioner.ofImage(lines.keys.bytes, keyStart, lines.keys.length, image)
    }
  }

  if (items !== null && hasItem) {
    const behind = parseItem(items, text, view, parts.itemStart, parts.itemEnd, false)
    invariant(behind === parts.itemEnd, 'an item in a line of valid JSON is valid JSON')
    keepItem(items)
  }
  const removal = parts.isTtl && definition.onTtl === 'keep' ? EXPIRE : REMOVE
  const row = lines.add(lineNumber, start, end, isPut ? PUT : removal, parts.at)
  lines.itemStart[row] = hasItem ? parts.itemStart : 0
  lines.itemEnd[row] = hasItem ? parts.itemEnd : 0
  if (location !== undefined) lines.itemAt.set(row, location)
  lines.partition[row] = partition
  lines.oldPartition[row] = oldPartition
  lines.accepted[row] = parts.accepted ? 1 : 0
  return null
}

function tooLongObject(name: string, start: number, end: number): Rejection | null {
  if (start < 0 || end - start <= OBJECT_BYTES_MAX) return null
  return reject('line-too-long', `the ${name} has ${end - start} bytes of JSON, at most ${OBJECT_BYTES_MAX} are read`)
}

/** A label as DynamoDB gives it. Labels are compared as text, so all have one width. */
const STREAM_LABEL_BYTES = 23
const STREAM_LABEL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/

/** Appends the version; what is wrong with it, or null. */
function appendVersion(scan: Scan, { stream, sequence }: LineParts): string | null {
  if (stream !== scan.headStream) {
    if (!STREAM_LABEL.test(stream)) {
      return `the stream's label is ${JSON.stringify(excerpt(stream))}, not of the form 2026-11-22T08:00:00.000`
    }
    scan.headStream = stream
    scan.head = scan.definition.partitionedByKey || scan.images !== null ? headOf(scan.definition, stream) : null
    Buffer.from(scan.headVersion.buffer).write(`${stream}\0`, 'latin1')
  }
  if (!SEQUENCE.test(sequence)) {
    return `the sequence number is ${JSON.stringify(excerpt(sequence))}, not 1 to ${SEQUENCE_DIGITS_MAX} digits`
  }
  const { versions } = scan.lines
  versions.pushAscii(stream)
  versions.pushByte(0)
  versions.pushAscii(sequenceForm(sequence))
  return null
}

const SEQUENCE = new RegExp(`^\\d{1,${SEQUENCE_DIGITS_MAX}}$`)

function headOf({ table, source }: TableDefinition, stream: string): Template {
  return templateOf(JSON.stringify({ format: CHANGE_FORMAT, table, source, stream, sequence: '' }).slice(0, -2))
}

function oldImage({ text, partitioner }: Scan, parts: LineParts): readonly Member[] | Rejection {
  if (parts.oldStart < 0) {
    return reject(
      'missing-old-image',
      `a ${parts.operation} without an old image, and the table is partitioned by attributes that can change`,
    )
  }
  const image = membersOf(text, parts.oldStart, parts.oldEnd)!
  const missing = parts.oldIsWhole ? null : partitioner.missingFrom(image)
  if (missing === null) return image
  return reject(
    'missing-old-image',
    `"old" does not name the partition attribute ${missing}; name it in OLD_ATTRIBUTES`,
  )
}

/** Null where the object lacks something. */
function itemLocation(text: Uint8Array, start: number, end: number): ItemLocation | null {
  const fields = fieldStretches(['bucket', 'key', 'sha256', 'bytes'])
  readFields(text, start, end, fields)
  const bucket = stringField(text, fields, 0)
  const key = stringField(text, fields, 1)
  const sha256 = stringField(text, fields, 2)
  const bytes = fields.starts[3]! < 0 ? Number.NaN : Number(rawText(text, fields, 3))
  if (!bucket || !key || !sha256 || !Number.isSafeInteger(bytes) || bytes < 0) return null
  return { bucket, key, sha256, bytes }
}
