import { describe, expect, it } from 'vitest'
import { forwardBatch } from '../src/forward.ts'
import type { PutRecords } from '../src/send-records.ts'
import { allTaken, firehoseOf, noneTaken, sequenceOf, settingsWith, streamRecord } from './stream-batch.ts'

/** Records of which each nearly fills a Firehose record, so that ten of them make a call. */
const wide = (index: number) =>
  streamRecord(index, { item: { pk: { S: `k#${index}` }, text: { S: 'x'.repeat(240_000) } } })
const batchOf = (count: number, record = streamRecord) => Array.from({ length: count }, (_, i) => record(i))

/** A time in which so many calls end; what is left for the answer then is not theirs. */
function timeFor(calls: number, firehose: { readonly calls: readonly unknown[] }) {
  return () => 1_000 + 20 * (calls - firehose.calls.length)
}

describe('a batch', () => {
  it('is delivered in few records, and nothing is reported', async () => {
    const firehose = firehoseOf(allTaken)
    const { response, counts } = await forwardBatch(batchOf(3000), settingsWith(firehose))
    expect(response).toEqual({ batchItemFailures: [] })
    expect(firehose.lines().map((line) => line.sequence)).toEqual(Array.from({ length: 3000 }, (_, i) => sequenceOf(i)))
    expect(firehose.calls.flat().length).toBeLessThan(5)
    expect(counts).toMatchObject({ records: 3000, failed: 0, resent: 0, oversize: 0 })
  })

  it('that is empty needs no call', async () => {
    const firehose = firehoseOf(allTaken)
    expect((await forwardBatch([], settingsWith(firehose))).response).toEqual({ batchItemFailures: [] })
    expect(firehose.calls).toEqual([])
  })

  it('is sent again only where it failed', async () => {
    const firehose = firehoseOf((call, records) => allTaken(call, records).map((_, i) => call > 0 || i % 3 !== 1))
    const { response, counts } = await forwardBatch(batchOf(10, wide), settingsWith(firehose))
    expect(response).toEqual({ batchItemFailures: [] })
    expect(firehose.calls.map((call) => call.length)).toEqual([10, 3])
    expect(
      firehose
        .lines()
        .map((line) => line.sequence)
        .sort(),
    ).toEqual(
      batchOf(10)
        .map((_, i) => sequenceOf(i))
        .sort(),
    )
    expect(counts).toMatchObject({ resent: 3, failed: 0 })
  })

  it('is sent again where no answer came: it may arrive twice, and is never lost', async () => {
    const firehose = firehoseOf((call, records) => (call === 0 ? 'taken, no answer' : allTaken(call, records)))
    const { response } = await forwardBatch(batchOf(2), settingsWith(firehose))
    expect(response).toEqual({ batchItemFailures: [] })
    expect(firehose.lines().map((line) => line.sequence)).toEqual([0, 1, 0, 1].map(sequenceOf))
  })

  it('reports the lowest sequence number that was not delivered, by value and not by text, and delivers the rest', async () => {
    // Records 2 and 7 are refused for good. The numbers from record 5 on have one digit more, so as texts they would come first.
    const firehose = firehoseOf((call, records) =>
      allTaken(call, records).map((_, i) => call === 0 && i !== 2 && i !== 7),
    )
    const { response, counts } = await forwardBatch(
      batchOf(10, wide),
      settingsWith({ ...firehose, remainingMs: timeFor(3, firehose) }),
    )
    expect(sequenceOf(7) < sequenceOf(2)).toBe(true)
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(2) }] })
    expect(firehose.lines().map((line) => line.sequence)).toEqual([0, 1, 3, 4, 5, 6, 8, 9].map(sequenceOf))
    expect(firehose.calls.map((call) => call.length)).toEqual([10, 2, 2])
    expect(counts.failed).toBe(2)
  })

  it('counts every line of a Firehose record that failed, and reports the first of them', async () => {
    const firehose = firehoseOf(noneTaken)
    const settings = settingsWith({ ...firehose, remainingMs: timeFor(2, firehose) })
    const { response, counts } = await forwardBatch(batchOf(100), settings)
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(0) }] })
    expect(counts.failed).toBe(100)
  })

  it('with a record that can never be forwarded reports that one, and delivers all others', async () => {
    const firehose = firehoseOf(allTaken)
    const records = batchOf(5)
    records[3] = { ...records[3]!, eventName: 'MODIFY', dynamodb: { SequenceNumber: sequenceOf(3) } }
    const { response, refused } = await forwardBatch(records, settingsWith(firehose))
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(3) }] })
    expect(firehose.lines().map((line) => line.sequence)).toEqual([0, 1, 2, 4].map(sequenceOf))
    expect(refused).toHaveLength(1)
  })

  it('with a record that has no sequence number fails as a whole: an unknown name in the answer would do so without a word', async () => {
    const records = [streamRecord(0), { ...streamRecord(1), dynamodb: {} }]
    await expect(forwardBatch(records, settingsWith({}))).rejects.toThrow('without a sequence number')
  })
})

describe('within its time', () => {
  it.each([
    [
      'fails one record in each call',
      (_: number, records: number) => Array.from({ length: records }, (_, i) => i !== 0),
    ],
    ['fails all', noneTaken],
    ['never answers', () => 'taken, no answer' as const],
  ])('a batch ends although Firehose %s, and reports what was not delivered', async (_, answer) => {
    const firehose = firehoseOf(answer)
    const settings = settingsWith({ ...firehose, remainingMs: timeFor(20, firehose) })
    const { response } = await forwardBatch(batchOf(30, wide), settings)
    expect(response.batchItemFailures).toHaveLength(1)
    expect(firehose.calls.length).toBe(20)
  })

  it('a call that hangs is given up', async () => {
    let left = 1_100
    const putRecords: PutRecords = (_, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          left = 1_000
          reject(signal.reason)
        })
      })
    const { response } = await forwardBatch(batchOf(2), settingsWith({ putRecords, remainingMs: () => left }))
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(0) }] })
  })

  it('nothing is sent when the time is up already', async () => {
    const firehose = firehoseOf(allTaken)
    const { response } = await forwardBatch(batchOf(2), settingsWith({ ...firehose, remainingMs: () => 500 }))
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(0) }] })
    expect(firehose.calls).toEqual([])
  })
})
