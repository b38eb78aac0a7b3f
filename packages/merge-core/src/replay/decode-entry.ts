// What did not reach the landing area, back to the lines that it was: one entry, which is a line of an object under an error prefix, or
// the whole of one.
//
//   Firehose            {"rawData":"<base64>",…}: what could not be delivered, many lines in one. Kinds of failure differ in their other
//                       fields and in their casing (errorCode, ErrorCode, lastErrorCode), and say nothing that is needed here.
//                       Amazon Data Firehose Developer Guide: "Handle failure in data transformation", "Handling errors for data format
//                       conversion", "Understand data delivery in Amazon Data Firehose"
//   Lambda              {"requestContext":…,"DDBStreamBatchInfo":…,"payload":"{\"Records\":[…]}"}: the stream records of a failed
//                       invocation; requestPayload where it was asynchronous. AWS Lambda Developer Guide: "Retain discarded records for
//                       a DynamoDB event source", "Capturing records of Lambda asynchronous invocations"
//   quarantine          {"reason":…,"object":…,"line":…,"text" or "base64":…}: a line that a merge kept (protected/quarantine.ts)
//   a line as it landed a change line, or a raw stream record
//
// Bytes inside rawData and quarantine pass as they are: what they say is judged by the merge. Stream records pass as they are too, whole
// images and all: merges read them, and nothing limits their size here.

import { CHANGE_FORMAT } from '../change/change-line.ts'
import { type Change, changeOfStreamRecord, decodeChangeLine, encodeChangeLine } from '../change/change-lines.ts'
import { inflateObject } from '../change/inflate-object.ts'
import type { QuarantineReason } from '../change/scanned-lines.ts'
import { parseStreamArn } from '../change/stream-record.ts'
import { InputError } from '../errors.ts'
import type { TableDefinition } from '../table-definition.ts'

export interface DecodeSettings {
  readonly definition: TableDefinition
  readonly acceptBelowWatermark: boolean
}

export interface DecodedEntry {
  readonly kind: 'firehose' | 'lambda' | 'quarantine' | 'landed' | 'unknown'
  /** For the landing area, without newlines. */
  readonly lines: readonly Uint8Array[]
  /** Name of the landing object that a quarantined line is of; null for other entries. */
  readonly object: string | null
  /** Lines below the watermark that nobody accepted. */
  readonly heldBack: number
  /** Stream records of other tables. */
  readonly otherTable: number
  readonly undecodable: readonly Undecodable[]
}

/** What nothing could be made of: to be kept whole in quarantine. */
export type Undecodable =
  | { readonly message: string; readonly text: Uint8Array }
  /** An entry of quarantine, to be kept there as it is. */
  | { readonly entry: Uint8Array }

/** The reason under which it is kept. */
export const UNDECODABLE = 'undecodable'

/** A record that Firehose takes has 1,000 KiB; its Lambda transformation may return 6 MB. */
const RAW_DATA_BYTES_MAX = 64 * 1024 * 1024
const NEWLINE = 0x0a

export async function decodeEntry(text: Uint8Array, settings: DecodeSettings): Promise<DecodedEntry> {
  const fields = parseFields(text)
  if (typeof fields === 'string') return undecodable(text, fields)
  const { rawdata, payload, requestpayload = payload } = lowerCased(fields)
  if (typeof rawdata === 'string') return decodeRawData(text, rawdata)
  if (requestpayload !== undefined) return decodePayload(text, requestpayload, settings)
  if (typeof fields.reason === 'string' && (typeof fields.text === 'string' || typeof fields.base64 === 'string')) {
    return decodeQuarantined(text, fields, settings)
  }
  if (isRecord(fields) || String(fields.format).startsWith(CHANGE_FORMAT.split('/')[0]!)) {
    return { ...nothing('landed'), lines: [text] }
  }
  return undecodable(text, whatItLacks(fields))
}

type Fields = Readonly<Record<string, unknown>>

/** The object's members, or what is wrong. */
function parseFields(text: Uint8Array): Fields | string {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
    return isObject(value) ? value : 'is no JSON object'
  } catch (error) {
    return `is no JSON: ${(error as Error).message}`
  }
}

function lowerCased(fields: Fields): Fields {
  const named: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(fields)) named[name.toLowerCase()] ??= value
  return named
}

async function decodeRawData(text: Uint8Array, base64: string): Promise<DecodedEntry> {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) return undecodable(text, '"rawData" is not base64')
  const { text: raw, broken } = await inflateObject(bytes, RAW_DATA_BYTES_MAX)
  if (broken !== null) return undecodable(text, `"rawData": ${broken}`)
  return { ...nothing('firehose'), lines: linesOf(raw) }
}

/** Without blank ones. */
function linesOf(text: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf(NEWLINE, start)
    const end = newline < 0 ? text.length : newline
    if (!isBlank(text, start, end)) lines.push(text.subarray(start, end))
    start = end + 1
  }
  return lines
}

export function isBlank(text: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text[at]! > 0x20) return false
  return true
}

function decodePayload(text: Uint8Array, payload: unknown, settings: DecodeSettings): DecodedEntry {
  const event = typeof payload === 'string' ? parseFields(Buffer.from(payload)) : payload
  const records = isObject(event) ? event.Records : undefined
  if (!Array.isArray(records)) return undecodable(text, 'its payload holds no "Records" of a stream')
  const lines: Uint8Array[] = []
  const failed: Undecodable[] = []
  let otherTable = 0
  for (const record of records) {
    const line = orTooDeep(() => lineOfRecord(record, settings))
    if (line === 'too-deep') return undecodable(text, 'its records are nested too deeply')
    if (line === 'other-table') otherTable++
    else if (line instanceof Uint8Array) lines.push(line)
    else failed.push(line)
  }
  return { ...nothing('lambda'), lines, otherTable, undecodable: failed }
}

function lineOfRecord(record: unknown, { definition }: DecodeSettings): Uint8Array | Undecodable | 'other-table' {
  const text = Buffer.from(JSON.stringify(record))
  if (!isObject(record) || !isRecord(record)) return { message: 'is no record of a DynamoDB stream', text }
  const arn = parseStreamArn(String(record.eventSourceARN))
  if (arn === null) return { message: `"eventSourceARN" is ${JSON.stringify(record.eventSourceARN)}`, text }
  return arn.table === definition.table ? text : 'other-table'
}

async function decodeQuarantined(text: Uint8Array, fields: Fields, settings: DecodeSettings): Promise<DecodedEntry> {
  const { reason, object, text: kept, base64 } = fields
  const line = typeof kept === 'string' ? Buffer.from(kept) : Buffer.from(String(base64), 'base64')
  if (reason === UNDECODABLE) {
    const again = await decodeEntry(line, settings)
    return { ...again, undecodable: again.undecodable.length === 0 ? [] : [{ entry: text }] }
  }
  const decoded = { ...nothing('quarantine'), object: typeof object === 'string' ? object : '' }
  if (reason !== ('below-watermark' satisfies QuarantineReason)) return { ...decoded, lines: [line] }
  if (!settings.acceptBelowWatermark) return { ...decoded, heldBack: 1 }
  const accepted = orTooDeep(() => acceptedLine(line, settings.definition))
  if (accepted instanceof Uint8Array) return { ...decoded, lines: [accepted] }
  const message = accepted === 'too-deep' ? 'the line is nested too deeply' : accepted.message
  return { ...decoded, undecodable: [{ message, text }] }
}

/** JSON is parsed to any depth, but written and walked to that of the stack. */
function orTooDeep<T>(work: () => T): T | 'too-deep' {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) return 'too-deep'
    throw error
  }
}

function acceptedLine(line: Uint8Array, definition: TableDefinition): Uint8Array | InputError {
  try {
    return Buffer.from(encodeChangeLine({ ...changeOfLine(line, definition), accept: 'below-watermark' }))
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
}

/** The change that a line in either form says. */
function changeOfLine(line: Uint8Array, { table, columns, keyColumns, partitionBy }: TableDefinition): Change {
  const record = parseFields(line)
  if (!isObject(record) || !isRecord(record)) return decodeChangeLine(line)
  const named = partitionBy.filter(({ column }) => column >= keyColumns).map(({ column }) => columns[column]!.attribute)
  return changeOfStreamRecord(record, { table, oldAttributes: [...new Set(named)] })
}

function whatItLacks(fields: Fields): string {
  const { DDBStreamBatchInfo: batch } = fields
  if (!isObject(batch)) return 'is neither of Firehose nor of Lambda, nor quarantined, nor a change'
  const { shardId, startSequenceNumber, endSequenceNumber, streamArn } = batch
  return (
    `has no payload: it only says that records ${startSequenceNumber} to ${endSequenceNumber} of ${shardId} failed. ` +
    `For 24 hours they are in ${streamArn}. Let the on-failure destination be an S3 bucket, which gets the records too`
  )
}

function undecodable(text: Uint8Array, message: string): DecodedEntry {
  return { ...nothing('unknown'), undecodable: [{ message, text }] }
}

function nothing<Kind extends DecodedEntry['kind']>(kind: Kind) {
  return { kind, lines: [], object: null, heldBack: 0, otherTable: 0, undecodable: [] }
}

function isRecord(fields: Fields): boolean {
  return isObject(fields.dynamodb) && typeof fields.eventSourceARN === 'string'
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
