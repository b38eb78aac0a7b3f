// What was written to the table and when, and the stream's records as DynamoDB itself would give them.
//
// DynamoDB Local differs where it matters: its sequence numbers count from 1 in 21 digits, with zeros in front, and its times are cut to
// the minute; real numbers differ in length, and times are cut to the second. Its streams show an empty map as no value at all. Each item carries the number of its last write in the
// attribute `w`, so a record tells which write it is of: the new image's, or the removal of the old image's.

import type { AttributeMap } from '@lastwrite/merge-core/change-lines'
import type { AttributeValue, DynamoDBRecord } from 'aws-lambda'
import { canonicalExtra } from '../../merge-core/test/model-values.ts'

/** The attribute of every item that numbers its last write. */
export const WRITE_ATTRIBUTE = 'w'

export interface LoggedChange {
  readonly key: string
  /** As the stream tells it after rewriting. */
  readonly sequence: string
  /** When the write was acknowledged, epoch milliseconds. */
  readonly timeMs: number
  /** Null: the key was removed. */
  readonly item: AttributeMap | null
}

export interface WriteLog {
  /** Numbers a write that is about to be sent. */
  nextWrite(): number
  /** A write was acknowledged. */
  wrote(write: number): void
  /** The removal of an item whose last write was `write` was acknowledged. */
  removed(write: number, by: 'user' | 'ttl'): void
  /** The record as DynamoDB would give it, of the stream `streamArn`. Waits for the acknowledgement of its write. */
  rewrite(record: DynamoDBRecord, streamArn: string): Promise<DynamoDBRecord>
  /** Acknowledged writes and removals that changed an item: as many records as the stream will have. */
  readonly acknowledged: number
  /** Changes that were rewritten, in the stream's order. */
  readonly changes: readonly LoggedChange[]
  /** The items at a point in time. */
  itemsAt(timeMs: number): AttributeMap[]
}

interface Time {
  readonly timeMs: number
  readonly by: 'user' | 'ttl'
}

/** @param nowMs epoch milliseconds */
export function writeLog(nowMs: () => number, random: () => number): WriteLog {
  let writes = 0
  let acknowledged = 0
  const written = new Map<number, PromiseWithResolvers<Time>>()
  const removals = new Map<number, PromiseWithResolvers<Time>>()
  const changes: LoggedChange[] = []
  const numberOf = sequenceNumbers(random)
  const timeOf = (times: typeof written, write: number) => {
    const known = times.get(write) ?? Promise.withResolvers<Time>()
    times.set(write, known)
    return known
  }
  const acknowledge = (times: typeof written, write: number, by: Time['by']) => {
    acknowledged++
    timeOf(times, write).resolve({ timeMs: nowMs(), by })
  }
  return {
    nextWrite: () => ++writes,
    wrote: (write) => acknowledge(written, write, 'user'),
    removed: (write, by) => acknowledge(removals, write, by),
    get acknowledged() {
      return acknowledged
    },
    changes,
    async rewrite(record, streamArn) {
      const { Keys, SequenceNumber, ...dynamodb } = record.dynamodb!
      const NewImage = withEmptyMaps(dynamodb.NewImage)
      const OldImage = withEmptyMaps(dynamodb.OldImage)
      const write = Number((NewImage ?? OldImage)![WRITE_ATTRIBUTE]!.N)
      const { timeMs, by } = await timeOf(NewImage === undefined ? removals : written, write).promise
      const sequence = numberOf(BigInt(SequenceNumber!))
      changes.push({ key: keyText(Keys as AttributeMap), sequence, timeMs, item: (NewImage as AttributeMap) ?? null })
      return {
        ...record,
        eventSourceARN: streamArn,
        ...(by === 'ttl' && { userIdentity: { type: 'Service', principalId: 'dynamodb.amazonaws.com' } }),
        dynamodb: {
          ...record.dynamodb,
          ...(NewImage !== undefined && { NewImage }),
          ...(OldImage !== undefined && { OldImage }),
          SequenceNumber: sequence,
          ApproximateCreationDateTime: Math.floor(timeMs / 1000),
        },
      }
    },
    itemsAt(timeMs) {
      const items = new Map<string, AttributeMap | null>()
      for (const change of changes) if (change.timeMs <= timeMs) items.set(change.key, change.item)
      return [...items.values()].filter((item) => item !== null)
    },
  }
}

type Image = NonNullable<NonNullable<DynamoDBRecord['dynamodb']>['NewImage']>

function withEmptyMaps(image: Image | undefined): Image | undefined {
  return image && Object.fromEntries(Object.entries(image).map(([name, value]) => [name, withEmptyMap(value)]))
}

function withEmptyMap(value: AttributeValue): AttributeValue {
  if (value.M !== undefined) return { M: withEmptyMaps(value.M)! }
  if (value.L !== undefined) return { L: value.L.map(withEmptyMap) }
  return Object.keys(value).length === 0 ? { M: {} } : value
}

/** Ascending with what DynamoDB Local counts, over all tables, and soon of more digits. */
function sequenceNumbers(random: () => number): (count: bigint) => string {
  const first = 10n ** 20n + BigInt(Math.floor(random() * 1e15))
  let countBefore: bigint | null = null
  return (count) => {
    countBefore ??= count - 1n
    // The 100th has 22 digits, the 100,000th 40, which is as many as there are.
    return String(first + (count - countBefore) ** 6n * 10n ** 9n)
  }
}

/** Equal for equal keys, however their numbers are spelled. */
export function keyText(keys: { readonly [name: string]: AttributeValue | object }): string {
  return canonicalExtra(JSON.stringify(keys))
}
