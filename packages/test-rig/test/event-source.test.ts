import type { DynamoDBBatchResponse, DynamoDBRecord } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { type EventSourceSettings, type InvocationRecord, type Shard, startEventSource } from '../src/event-source.ts'

type Outcome = DynamoDBBatchResponse | undefined

const report = (...numbers: string[]): Outcome => ({
  batchItemFailures: numbers.map((itemIdentifier) => ({ itemIdentifier })),
})

function record(number: number, key = 'k'): DynamoDBRecord {
  return { dynamodb: { Keys: { pk: { S: key } }, SequenceNumber: String(number), ApproximateCreationDateTime: 1000 } }
}

function shardOf(id: string, parent: string | null, records: readonly DynamoDBRecord[]): Shard {
  return { id, parent, read: async () => ({ records, closed: true }) }
}

/** Runs the shards to their end; `answer` gets the sequence numbers of each call. Returns the calls, and what was given up. */
async function run(
  shards: readonly Shard[],
  answer: (numbers: string[], call: number) => Outcome | Promise<Outcome>,
  changed: Partial<EventSourceSettings> = {},
) {
  const calls: string[][] = []
  const givenUp: InvocationRecord[] = []
  const source = startEventSource(
    { arn: 'arn:stream', shards: async () => shards },
    {
      invoke: async (event) => {
        const numbers = event.Records.map((one) => one.dynamodb!.SequenceNumber!)
        calls.push(numbers)
        return answer(numbers, calls.length - 1)
      },
      onFailure: async (_, invocation) => void givenUp.push(invocation),
      functionArn: 'arn:function',
      batchSize: 4,
      batchWindowMs: 0,
      parallelization: 1,
      retriesMax: 2,
      recordAgeMsMax: Infinity,
      bisect: false,
      retryDelayMs: 0,
      nowMs: () => 2_000_000,
      ...changed,
    },
  )
  const total = (await Promise.all(shards.map((shard) => shard.read()))).flatMap((read) => read.records).length
  while (source.done < total) await new Promise((resolve) => setTimeout(resolve, 1))
  await source.stop()
  expect(source.done).toBe(total)
  return { calls, givenUp }
}

const one = (count: number) => [
  shardOf(
    's',
    null,
    Array.from({ length: count }, (_, i) => record(i)),
  ),
]
const numbersOf = (invocation: InvocationRecord) =>
  JSON.parse(invocation.payload).Records.map((each: DynamoDBRecord) => each.dynamodb!.SequenceNumber)

describe('the event source', () => {
  it('calls with batches in the order of the stream', async () => {
    const { calls } = await run(one(10), () => undefined)
    expect(calls).toEqual([
      ['0', '1', '2', '3'],
      ['4', '5', '6', '7'],
      ['8', '9'],
    ])
  })

  it('calls again from the lowest number that was reported', async () => {
    const { calls } = await run(one(4), (_, call) => (call === 0 ? report('3', '1') : report()))
    expect(calls).toEqual([
      ['0', '1', '2', '3'],
      ['1', '2', '3'],
    ])
  })

  it.each([
    ['is empty', () => report('')],
    ['is unknown', () => report('77', '3')],
    ['is missing, for it threw', () => Promise.reject(new Error('out of memory'))],
  ])('calls again with the whole batch where the number %s', async (_, failure) => {
    const { calls } = await run(one(3), (_, call) => (call === 0 ? failure() : report()))
    expect(calls).toEqual([
      ['0', '1', '2'],
      ['0', '1', '2'],
    ])
  })

  it('halves a batch that fails, which costs no retry, until the one record that fails goes to the destination', async () => {
    const { calls, givenUp } = await run(
      one(4),
      (numbers) => {
        if (numbers.includes('2')) throw new Error('poison')
        return undefined
      },
      { bisect: true, retriesMax: 1 },
    )
    expect(calls).toEqual([['0', '1', '2', '3'], ['0', '1'], ['2', '3'], ['2'], ['2'], ['3']])
    expect(givenUp.map(numbersOf)).toEqual([['2']])
    expect(givenUp[0]).toMatchObject({
      requestContext: { condition: 'RetryAttemptsExhausted', functionArn: 'arn:function' },
      DDBStreamBatchInfo: { shardId: 's', startSequenceNumber: '2', endSequenceNumber: '2', batchSize: 1 },
    })
  })

  it('gives a batch up whole after its retries, and goes on', async () => {
    const { calls, givenUp } = await run(one(6), (numbers) => (numbers.includes('1') ? report('1') : report()))
    expect(givenUp.map(numbersOf)).toEqual([['1', '2', '3']])
    expect(calls.at(-1)).toEqual(['4', '5'])
    expect(calls).toHaveLength(4)
  })

  it('gives up what has become too old', async () => {
    const { calls, givenUp } = await run(one(2), () => report(), { recordAgeMsMax: 999_999 })
    expect(calls).toEqual([])
    expect(givenUp[0]!.requestContext.condition).toBe('EventAgeExceeded')
  })

  it('reads a shard when its parent is done, to its last record', async () => {
    const family = [
      shardOf('child', 'parent', [record(3), record(4)]),
      shardOf('parent', 'gone', [record(1), record(2)]),
      shardOf('other', null, [record(9)]),
    ]
    const { calls } = await run(family, (numbers, call) => (numbers.includes('1') && call < 2 ? report('2') : report()))
    const flat = calls.flat()
    expect(flat.indexOf('3')).toBeGreaterThan(flat.lastIndexOf('2'))
  })

  it('keeps the order of each key, whatever else runs at the same time', async () => {
    const records = Array.from({ length: 200 }, (_, i) => record(i, `k${i % 7}`))
    let running = 0
    let most = 0
    const seen = new Map<number, number>()
    await run(
      [shardOf('s', null, records)],
      async (numbers) => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 1))
        running--
        for (const number of numbers.map(Number)) {
          expect(number).toBeGreaterThan(seen.get(number % 7) ?? -1)
          seen.set(number % 7, number)
        }
        return undefined
      },
      { parallelization: 4 },
    )
    expect(most).toBeGreaterThan(1)
  })

  it('calls with no more than 6 MB', async () => {
    const large = Array.from({ length: 4 }, (_, i) => record(i))
    for (const each of large) each.dynamodb!.NewImage = { text: { S: 'x'.repeat(2_500_000) } }
    const { calls } = await run([shardOf('s', null, large)], () => undefined)
    expect(calls).toEqual([
      ['0', '1'],
      ['2', '3'],
    ])
  })
})
