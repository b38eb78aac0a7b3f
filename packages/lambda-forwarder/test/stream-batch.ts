// Records as Lambda delivers them, and a Firehose in memory.

import type { AttributeMap } from '@lastwrite/merge-core/change-lines'
import type { AttributeValue, DynamoDBRecord } from 'aws-lambda'
import type { ForwardSettings } from '../src/forward.ts'
import type { PutRecords } from '../src/send-records.ts'

const STREAM = '2026-11-22T08:00:00.000'
/** The numbers of a batch lie around a power of ten: they ascend as integers, not as texts. */
const FIRST_SEQUENCE = 99_999_999_999_999_999_999_995n

export interface RecordSpec {
  readonly eventName?: 'INSERT' | 'MODIFY' | 'REMOVE'
  readonly item?: AttributeMap
  readonly old?: AttributeMap
  readonly userIdentity?: object
}

export function sequenceOf(index: number): string {
  return String(FIRST_SEQUENCE + BigInt(index))
}

/** The batch's record number `index`, counted from 0. */
export function streamRecord(index: number, spec: RecordSpec = {}): DynamoDBRecord {
  const { eventName = 'INSERT', item = { pk: { S: `k#${index}` }, note: { S: 'a' } }, old, userIdentity } = spec
  return {
    eventID: String(index),
    eventName,
    eventVersion: '1.1',
    eventSource: 'aws:dynamodb',
    awsRegion: 'eu-west-1',
    eventSourceARN: `arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/${STREAM}`,
    dynamodb: {
      ApproximateCreationDateTime: 1_795_334_400 + index,
      Keys: { pk: item.pk as AttributeValue },
      ...(eventName !== 'REMOVE' && { NewImage: item as { [name: string]: AttributeValue } }),
      ...(old !== undefined && { OldImage: old as { [name: string]: AttributeValue } }),
      SequenceNumber: sequenceOf(index),
      SizeBytes: 100,
      StreamViewType: 'NEW_AND_OLD_IMAGES',
    },
    ...(userIdentity !== undefined && { userIdentity }),
  }
}

/** Settings that take and store everything, in a minute. */
export function settingsWith(changed: Partial<ForwardSettings>): ForwardSettings {
  return {
    oldAttributes: [],
    passThrough: false,
    storeItem: async () => ({ kind: 'failed', reason: 'no item was expected to be stored' }),
    putRecords: async (data) => data.map(() => true),
    remainingMs: () => 60_000,
    random: () => 0,
    onCallFailed: () => {},
    ...changed,
  }
}

/** What a Firehose took, whose answers `answer` decides: of each call, counted from 0, which of its records are taken. */
export function firehoseOf(answer: (call: number, records: number) => readonly boolean[] | 'taken, no answer') {
  const calls: (readonly Uint8Array[])[] = []
  const taken: Uint8Array[] = []
  const putRecords: PutRecords = async (data) => {
    const answered = answer(calls.length, data.length)
    calls.push(data)
    if (answered === 'taken, no answer') {
      taken.push(...data)
      throw new Error('socket hang up')
    }
    taken.push(...data.filter((_, i) => answered[i]))
    return answered
  }
  /** The lines of all that was taken, in the order of arrival. */
  const lines = () => {
    const text = Buffer.concat(taken).toString('utf8')
    return text === ''
      ? []
      : text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line))
  }
  return { putRecords, calls, lines }
}

export const allTaken = (_: number, records: number) => Array.from({ length: records }, () => true)
export const noneTaken = (_: number, records: number) => Array.from({ length: records }, () => false)
