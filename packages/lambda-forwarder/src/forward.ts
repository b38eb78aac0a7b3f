// START HERE. One batch of a table's stream to Firehose.
//
//   encode   each stream record to a line; an item that is too large for a line goes to S3 first
//   pack     lines to Firehose records, newline-ended
//   send     records to Firehose, those that fail again until the time is up
//
// What could be delivered is delivered, whatever failed beside it. The answer names the lowest sequence number that was not: Lambda
// takes the stream up again from there, and what comes twice is harmless to the merge.

import type { DynamoDBBatchResponse, DynamoDBRecord } from 'aws-lambda'
import { type EncodeSettings, encodeRecords, type Refusal } from './encode-records.ts'
import { packLines } from './pack-lines.ts'
import { type SendSettings, sendRecords } from './send-records.ts'

export interface ForwardSettings extends EncodeSettings, SendSettings {}

export interface Forwarded {
  readonly response: DynamoDBBatchResponse
  readonly refused: readonly Refusal[]
  readonly counts: ForwardCounts
}

/** What became of a batch, in numbers. */
export interface ForwardCounts {
  /** Stream records of the batch. */
  readonly records: number
  /** Stream records among them that were not delivered. */
  readonly failed: number
  /** Of the lines, delivered or not. */
  readonly bytes: number
  /** Firehose records that were sent again. */
  readonly resent: number
  /** Items that went to S3. */
  readonly oversize: number
}

/** Forwards the records of a batch, which stand in the stream's order, in about `remainingMs()`. */
export async function forwardBatch(records: readonly DynamoDBRecord[], settings: ForwardSettings): Promise<Forwarded> {
  const { lines, refused, oversize } = await encodeRecords(records, settings)
  const { undelivered, resent } = await sendRecords(packLines(lines), settings)
  const failed = [...refused, ...undelivered].map((one) => one.sequence)
  return {
    response: { batchItemFailures: failed.length === 0 ? [] : [{ itemIdentifier: lowest(failed) }] },
    refused,
    counts: {
      records: records.length,
      failed: refused.length + undelivered.reduce((sum, record) => sum + record.lines, 0),
      bytes: lines.reduce((sum, line) => sum + line.bytes, 0),
      resent,
      oversize,
    },
  }
}

/** Of sequence numbers, which are compared as numbers: they differ in length. */
function lowest(sequences: readonly string[]): string {
  // Lambda fails the whole batch where the response names a number that it does not know; an error says so itself.
  const nameless = sequences.find((sequence) => !/^\d+$/.test(sequence))
  if (nameless !== undefined) throw new Error('a stream record without a sequence number cannot be reported by it')
  return sequences.reduce((low, one) => (BigInt(one) < BigInt(low) ? one : low))
}
