// What was written to the table and when, and the stream's records as DynamoDB itself would give them.
//
// DynamoDB Local differs where it matters: its sequence numbers count from 1 in 21 digits, with zeros in front, and its times are cut to
// the minute. Real numbers differ in length, and times are cut to the second. Each item carries the number of its last write in the
// attribute `w`, so a record tells which write it is of: the new image's, or the removal of the old image's.

import type { AttributeMap } from '@lastwrite/merge-core/change-lines'
import type { AttributeValue, DynamoDBRecord } from 'aws-lambda'

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
  const written = new Map<number, PromiseWithResolvers<Time>>()
  const removals = new Map<number, PromiseWithResolvers<Time>>()
  const changes: LoggedChange[] = []
  const numberOf = sequenceNumbers(random)
  const timeOf = (times: typeof written, write: number) => {
    const known = times.get(write) ?? Promise.withResolvers<Time>()
    times.set(write, known)
    return known
  }
  return {
    nextWrite: () => ++writes,
    wrote: (write) => timeOf(written, write).resolve({ timeMs: nowMs(), by: 'user' }),
    removed: (write, by) => timeOf(removals, write).resolve({ timeMs: nowMs(), by }),
    changes,
    async rewrite(record, streamArn) {
      const { Keys, NewImage, OldImage, SequenceNumber } = record.dynamodb!
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

/** Ascending with what DynamoDB Local counts, and soon of more digits: 21 at first, then 22, 23 … */
function sequenceNumbers(random: () => number): (count: bigint) => string {
  const first = 10n ** 20n + BigInt(Math.floor(random() * 1e15))
  return (count) => String(first + count ** 6n * 10n ** 4n + count)
}

/** Equal for equal keys, whatever the order of their attributes. */
export function keyText(keys: { readonly [name: string]: AttributeValue | object }): string {
  return JSON.stringify(
    Object.keys(keys)
      .sort()
      .map((name) => [name, keys[name]]),
  )
}
