// Stream records to the lines that land.
//
// A line is a change line, or in pass-through mode the record as it came. Where that is too large for a Firehose record it is a change
// line either way, whose item lies in S3 if it is still too large: an item of 400 KB takes up to 2.3 MB as JSON.

import { type Change, changeOfStreamRecord, encodeChangeLine, InputError } from '@lastwrite/merge-core/change-lines'
import type { DynamoDBRecord } from 'aws-lambda'
import type { StoreItem } from './oversize.ts'
import { type Line, RECORD_BYTES_MAX } from './pack-lines.ts'

/** Of a key in S3 (1,024 bytes of UTF-8), JSON escapes, a bucket's name and a hash. */
const ITEM_AT_BYTES_MAX = 8 * 1024
const LINE_BYTES_MAX = RECORD_BYTES_MAX - ITEM_AT_BYTES_MAX

export interface EncodeSettings {
  /** Attributes whose old values a change line tells: those that the table is partitioned by. */
  readonly oldAttributes: readonly string[]
  /** Whether records that are small enough are forwarded as they came. */
  readonly passThrough: boolean
  readonly storeItem: StoreItem
}

/** A record that has no line: what a change needs is missing, or its item could not be stored. */
export interface Refusal {
  readonly sequence: string
  /** Holds nothing of an item. */
  readonly reason: string
}

export interface EncodedRecords {
  /** In the order of the records. */
  readonly lines: readonly Line[]
  readonly refused: readonly Refusal[]
  /** Lines whose item lies in S3. */
  readonly oversize: number
}

/** A record that is refused does not stop the others. */
export async function encodeRecords(
  records: readonly DynamoDBRecord[],
  settings: EncodeSettings,
): Promise<EncodedRecords> {
  const lines: Line[] = []
  const refused: Refusal[] = []
  // Few need S3: a batch has 6 MB.
  for (const encoded of await Promise.all(records.map((record) => encodeRecord(record, settings)))) {
    if ('reason' in encoded) refused.push(encoded)
    else lines.push(encoded)
  }
  return { lines, refused, oversize: lines.filter((line) => line.oversize).length }
}

async function encodeRecord(record: DynamoDBRecord, settings: EncodeSettings): Promise<Line | Refusal> {
  const sequence = record.dynamodb?.SequenceNumber ?? ''
  let change: Change
  try {
    change = changeOfStreamRecord(record, settings)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { sequence, reason: error.message }
  }
  const line = settings.passThrough ? lineOf(sequence, JSON.stringify(record)) : changeLine(change)
  return fits(line) ? line : encodeLarge(change, settings.storeItem)
}

async function encodeLarge(change: Change, storeItem: StoreItem): Promise<Line | Refusal> {
  const { sequence } = change
  const whole = changeLine(change)
  if (fits(whole)) return whole
  const rest = changeLine({ ...change, item: {} })
  if (change.item === undefined || !fits(rest)) {
    const reason = `without its item the change takes ${rest.bytes} bytes, a line may take ${LINE_BYTES_MAX}`
    return { sequence, reason }
  }
  const stored = await storeItem(change)
  return stored.kind === 'ok'
    ? { ...changeLine({ ...change, itemAt: stored.itemAt }), oversize: true }
    : { sequence, reason: stored.reason }
}

function changeLine(change: Change): Line {
  return lineOf(change.sequence, encodeChangeLine(change))
}

function lineOf(sequence: string, text: string): Line {
  return { sequence, text, bytes: Buffer.byteLength(text) + 1, oversize: false }
}

function fits(line: Line): boolean {
  return line.bytes <= LINE_BYTES_MAX
}
