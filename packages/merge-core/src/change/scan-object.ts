// One landing object to the changes in it: where each line's key, version, time, operation and item are.
//
// A line in the forwarder's own form is met by its head, byte by byte as we would write it, and its item is taken to reach to the
// line's end: nothing of it is looked at until it has won. Every other line goes through the whole of JSON (json-scan.ts) and gives
// the same row: so does every line of a table whose partitions come from the images, and every raw stream record.
// An item that is no JSON shows when it is parsed, and where further members stand behind it, parsing ends before them (parse-items.ts).
//
// Every line that is not blank ends in exactly one of three ways: a row, a quarantined line, another table's.

import { invariant } from '../invariant.ts'
import type { TableDefinition } from '../table-definition.ts'
import { CHANGE_FORMAT, CHANGE_LINE_FIELDS, rawText, readChangeLine, stringField } from './change-line.ts'
import { type Member, membersOf } from './dynamodb-json.ts'
import { inflateObject } from './inflate-object.ts'
import { type FieldStretches, fieldStretches, readFields } from './json-fields.ts'
import { CLOSE_OBJECT, skipSpace, skipValue } from './json-scan.ts'
import { LineColumns } from './line-columns.ts'
import { excerpt, type LineOutcome, type LineParts, type Rejection, reject } from './line-parts.ts'
import { makePartitioner, type Partitioner } from './partition.ts'
import { type KeyReader, makeKeyReader } from './read-key.ts'
import { EXPIRE, type ItemLocation, PUT, type QuarantinedLine, REMOVE, type ScannedObject } from './scanned-lines.ts'
import { readStreamRecord, STREAM_RECORD_FIELDS } from './stream-record.ts'
import { SEQUENCE_DIGITS_MAX, sequenceForm } from './version.ts'

export const LINE_BYTES_MAX = 16 * 1024 * 1024
const INFLATED_BYTES_MAX = 1024 * 1024 * 1024

export interface ScanOptions {
  /** Text beyond this makes the object `broken`; default 1 GiB. */
  readonly inflatedBytesMax?: number
}

/** Scans the bytes of a landing object (NDJSON, gzip or plain). What is wrong with them is in the result; nothing is thrown for it. */
export function scanObject(bytes: Uint8Array, definition: TableDefinition, options: ScanOptions = {}): ScannedObject {
  const { text, broken } = inflateObject(bytes, options.inflatedBytesMax ?? INFLATED_BYTES_MAX)
  const scan = makeScan(text, definition)
  const buffer = Buffer.from(text.buffer, text.byteOffset, text.length)
  let lineNumber = 0
  let linesRead = 0
  for (let start = 0; start < text.length; ) {
    const newline = buffer.indexOf(0x0a, start)
    const end = newline < 0 ? text.length : newline
    lineNumber++
    // What a broken object ends with may be part of a line, so no template is enough for it.
    const isWhole = newline >= 0 || broken === null
    if (isWhole && scan.isPlain(start, end) && readOwnLine(scan, lineNumber, start, end)) {
      linesRead++
    } else if (skipSpace(text, start, end) < end) {
      linesRead++
      readAnyLine(scan, lineNumber, start, end)
    }
    start = end + 1
  }
  const { lines, quarantined, otherTable, partitioner } = scan
  invariant(
    linesRead === lines.count + quarantined.length + otherTable,
    'every line is a row, quarantined, or of another table',
  )
  return { lines: lines.finish(text, partitioner.partitions), linesRead, otherTable, quarantined, broken }
}

interface Scan {
  readonly text: Uint8Array
  readonly view: DataView
  readonly definition: TableDefinition
  readonly lines: LineColumns
  readonly quarantined: QuarantinedLine[]
  otherTable: number
  readonly fields: FieldStretches
  readonly keyReader: KeyReader
  readonly partitioner: Partitioner
  /** Our own line up to the sequence number's digits, for the stream of the latest line; null before the first one. */
  head: Head | null
  headStream: string
  /** Whether the line may be read by its head: what stands behind the item, if anything does, says nothing. */
  readonly isPlain: (start: number, end: number) => boolean
}

interface Head {
  readonly bytes: Uint8Array
  /** The bytes four by four, little-endian, without the one to three that are left over. */
  readonly words: Int32Array
}

const FORMAT = CHANGE_LINE_FIELDS.indexOf('format')
const FIRST_OF_RECORD = CHANGE_LINE_FIELDS.length
const DYNAMODB = FIRST_OF_RECORD + STREAM_RECORD_FIELDS.indexOf('dynamodb')
const BYTES_PER_LINE_GUESS = 400

function makeScan(text: Uint8Array, definition: TableDefinition): Scan {
  const buffer = Buffer.from(text.buffer, text.byteOffset, text.length)
  const isPlain = definition.partitionedByKey ? absentFrom(buffer, ACCEPTED) : () => false
  return {
    text,
    view: new DataView(text.buffer, text.byteOffset, text.length),
    definition,
    lines: new LineColumns(Math.ceil(text.length / BYTES_PER_LINE_GUESS) + 16),
    quarantined: [],
    otherTable: 0,
    fields: fieldStretches([...CHANGE_LINE_FIELDS, ...STREAM_RECORD_FIELDS]),
    keyReader: makeKeyReader(definition),
    partitioner: makePartitioner(definition),
    head: null,
    headStream: '',
    isPlain,
  }
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

const INSERT_TO_AT = Buffer.from('","operation":"insert","at":')
const MODIFY_TO_AT = Buffer.from('","operation":"modify","at":')
const REMOVE_TO_AT = Buffer.from('","operation":"remove","at":')
const KEYS = Buffer.from(',"keys":')
const ITEM = Buffer.from(',"item":{')

/** Reads a line in exactly the form of encodeChangeLine, without `by`, `accept`, `old` and `itemAt`; false (and no row) for others. */
function readOwnLine(scan: Scan, lineNumber: number, start: number, end: number): boolean {
  const { text, head, lines } = scan
  if (head === null || start + head.bytes.length > end || !headStands(scan.view, start, head)) return false
  const sequenceStart = start + head.bytes.length
  let at = sequenceStart
  while (at < end && isDigit(text[at]!)) at++
  const sequenceEnd = at
  let isPut = true
  if (stands(text, at, end, MODIFY_TO_AT) || stands(text, at, end, INSERT_TO_AT)) isPut = true
  else if (stands(text, at, end, REMOVE_TO_AT)) isPut = false
  else return false
  at += MODIFY_TO_AT.length
  let seconds = 0
  const secondsStart = at
  while (at < end && isDigit(text[at]!)) seconds = seconds * 10 + text[at++]! - 0x30
  const secondsDigits = at - secondsStart
  if (secondsDigits < 1 || secondsDigits > 11 || (secondsDigits > 1 && text[secondsStart] === 0x30)) return false
  if (!stands(text, at, end, KEYS)) return false
  if (!appendOwnVersion(scan, sequenceStart, sequenceEnd)) return false
  at = scan.keyReader.readCompact(text, at + KEYS.length, end, lines.keys)
  const isEnded = isPut
    ? stands(text, at, end, ITEM) && text[end - 1] === CLOSE_OBJECT && text[end - 2] === CLOSE_OBJECT
    : at + 1 === end && text[at] === CLOSE_OBJECT
  if (at === 0 || !isEnded) {
    lines.dropPending()
    return false
  }
  const row = lines.add(lineNumber, start, end, isPut ? PUT : REMOVE, seconds)
  lines.itemStart[row] = isPut ? at + ITEM.length - 1 : 0
  lines.itemEnd[row] = isPut ? end - 1 : 0
  lines.partition[row] = scan.partitioner.ofKey(lines.keys.bytes, lines.keyStarts[row]!, lines.keys.length)
  lines.oldPartition[row] = -1
  return true
}

function headStands(view: DataView, start: number, { bytes, words }: Head): boolean {
  for (let i = 0; i < words.length; i++) if (view.getInt32(start + 4 * i, true) !== words[i]) return false
  for (let i = words.length * 4; i < bytes.length; i++) if (view.getUint8(start + i) !== bytes[i]) return false
  return true
}

function stands(text: Uint8Array, at: number, end: number, template: Uint8Array): boolean {
  if (at + template.length > end) return false
  for (let i = 0; i < template.length; i++) if (text[at + i] !== template[i]) return false
  return true
}

/** Appends the version of the head's stream and text[start … end), which are digits; false where they are no sequence number. */
function appendOwnVersion(scan: Scan, start: number, end: number): boolean {
  if (end === start || end - start > SEQUENCE_DIGITS_MAX) return false
  let first = start
  while (first < end - 1 && scan.text[first] === 0x30) first++
  const { versions } = scan.lines
  const { headStream } = scan
  versions.reserve(headStream.length + 3 + end - first)
  const { bytes } = versions
  let at = versions.length
  for (let i = 0; i < headStream.length; i++) bytes[at++] = headStream.charCodeAt(i)
  bytes[at++] = 0
  const digits = end - first
  const tens = digits < 10 ? 0 : digits < 20 ? 1 : digits < 30 ? 2 : digits < 40 ? 3 : 4
  bytes[at++] = 0x30 + tens
  bytes[at++] = 0x30 + digits - 10 * tens
  for (let i = first; i < end; i++) bytes[at++] = scan.text[i]!
  versions.length = at
  return true
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
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
  const { text, lines, definition, partitioner } = scan
  const badVersion = appendVersion(scan, parts)
  if (badVersion !== null) return reject('bad-version', badVersion)
  const badKey = scan.keyReader.read(text, parts.keysStart, parts.keysEnd, lines.keys)
  if (badKey !== null) return reject('bad-key', badKey)
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

/** A label as DynamoDB gives it. Labels are compared as text, so all have one width. */
const STREAM_LABEL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/

/** Appends the version; what is wrong with it, or null. */
function appendVersion(scan: Scan, { stream, sequence }: LineParts): string | null {
  if (stream !== scan.headStream) {
    if (!STREAM_LABEL.test(stream)) {
      return `the stream's label is ${JSON.stringify(excerpt(stream))}, not of the form 2026-11-22T08:00:00.000`
    }
    scan.headStream = stream
    scan.head = headOf(scan.definition, stream)
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

function headOf({ table, source }: TableDefinition, stream: string): Head {
  const head = JSON.stringify({ format: CHANGE_FORMAT, table, source, stream, sequence: '' })
  const bytes = Buffer.from(head.slice(0, -2))
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readInt32LE(4 * index))
  return { bytes, words }
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
