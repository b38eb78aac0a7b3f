import type { AttributeValue, DynamoDBRecord } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { writeLog } from '../src/write-log.ts'

type Image = Record<string, AttributeValue>

/** As DynamoDB Local gives it: a number of 21 digits, a time that is cut to the minute. */
function local(count: number, newImage?: Image, oldImage?: Image): DynamoDBRecord {
  return {
    eventName: newImage === undefined ? 'REMOVE' : 'MODIFY',
    dynamodb: {
      Keys: { pk: { S: 'k' } },
      ...(newImage && { NewImage: newImage }),
      ...(oldImage && { OldImage: oldImage }),
      SequenceNumber: String(count).padStart(21, '0'),
      ApproximateCreationDateTime: 60,
    },
  }
}

const image = (write: number, more: Image = {}): Image => ({ pk: { S: 'k' }, w: { N: String(write) }, ...more })

function logWithClock() {
  const clock = { ms: 100_500 }
  return { clock, log: writeLog(() => clock.ms, randomFrom(1)) }
}

describe('the log of writes', () => {
  it('gives records their own second, and the stream that they are of', async () => {
    const { log } = logWithClock()
    log.wrote(log.nextWrite())
    const { eventSourceARN, dynamodb } = await log.rewrite(local(1, image(1)), 'arn:stream')
    expect(eventSourceARN).toBe('arn:stream')
    expect(dynamodb).toMatchObject({ ApproximateCreationDateTime: 100, NewImage: image(1) })
  })

  it('gives sequence numbers that ascend and differ in length, up to 40 digits', async () => {
    const { log } = logWithClock()
    const numbers: string[] = []
    for (const count of [1, 2, 3, 50, 200, 1000, 5000, 50_000, 100_000]) {
      log.wrote(log.nextWrite())
      const { dynamodb } = await log.rewrite(local(700_000 + count, image(numbers.length + 1)), 'arn')
      numbers.push(dynamodb!.SequenceNumber!)
    }
    expect(numbers.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))).toEqual(numbers)
    expect(numbers.toSorted()).not.toEqual(numbers)
    expect(numbers.map((number) => number.length)).toSatisfy((lengths: number[]) => Math.min(...lengths) === 21)
    expect(Math.max(...numbers.map((number) => number.length))).toBe(40)
  })

  it('waits for the acknowledgement of a write that the stream shows first', async () => {
    const { clock, log } = logWithClock()
    const record = log.rewrite(local(1, image(log.nextWrite())), 'arn')
    clock.ms = 200_999
    log.wrote(1)
    expect((await record).dynamodb!.ApproximateCreationDateTime).toBe(200)
  })

  it('tells removals by TTL', async () => {
    const { log } = logWithClock()
    log.removed(1, 'user')
    log.removed(2, 'ttl')
    const records = [
      await log.rewrite(local(1, undefined, image(1)), 'arn'),
      await log.rewrite(local(2, undefined, image(2)), 'arn'),
    ]
    const service = { type: 'Service', principalId: 'dynamodb.amazonaws.com' }
    expect(records.map((record) => record.userIdentity)).toEqual([undefined, service])
  })

  it('puts empty maps back, which streams of DynamoDB Local leave out', async () => {
    const { log } = logWithClock()
    log.wrote(log.nextWrite())
    const shown = image(1, {
      map: {} as AttributeValue,
      list: { L: [{ M: { inner: {} as AttributeValue } }, { S: '' }] },
    })
    const { dynamodb } = await log.rewrite(local(1, shown), 'arn')
    expect(dynamodb!.NewImage).toEqual(
      image(1, { map: { M: {} }, list: { L: [{ M: { inner: { M: {} } } }, { S: '' }] } }),
    )
  })

  it('knows the items of any time', async () => {
    const { clock, log } = logWithClock()
    log.wrote(log.nextWrite())
    await log.rewrite(local(1, image(1)), 'arn')
    clock.ms = 200_000
    log.wrote(log.nextWrite())
    await log.rewrite(local(2, image(2), image(1)), 'arn')
    clock.ms = 300_000
    log.removed(2, 'user')
    await log.rewrite(local(3, undefined, image(2)), 'arn')
    expect([100_000, 100_500, 199_999, 200_000, 300_000].map((ms) => log.itemsAt(ms))).toEqual([
      [],
      [image(1)],
      [image(1)],
      [image(2)],
      [],
    ])
    expect(log.acknowledged).toBe(3)
  })
})
