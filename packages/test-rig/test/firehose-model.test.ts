import { gunzipSync } from 'node:zlib'
import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose'
import { afterEach, describe, expect, it } from 'vitest'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { type FirehoseModel, type FirehoseSettings, NO_FAULTS, startFirehose } from '../src/firehose-model.ts'

const START = Date.UTC(2026, 10, 22, 8, 59, 58)

let firehose: FirehoseModel
afterEach(() => firehose.stop())

/** A model with its clock, what it delivered by name, and a client as an application has it. */
async function open(changed: Partial<FirehoseSettings> = {}) {
  const clock = { ms: START }
  const objects = new Map<string, Buffer>()
  firehose = await startFirehose({
    deliveryStream: 'orders',
    prefix: 'landing/',
    errorPrefix: 'errors/!{firehose:error-output-type}/',
    bufferBytes: 1024 * 1024,
    bufferMs: 60_000,
    putObject: async (key, content) => void objects.set(key, Buffer.from(content)),
    nowMs: () => clock.ms,
    random: randomFrom(7),
    faults: NO_FAULTS,
    ...changed,
  })
  const client = new FirehoseClient({
    endpoint: firehose.endpoint,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    maxAttempts: 1,
  })
  const put = (data: readonly (string | Buffer)[], DeliveryStreamName = 'orders') =>
    client.send(
      new PutRecordBatchCommand({ DeliveryStreamName, Records: data.map((one) => ({ Data: Buffer.from(one) })) }),
    )
  const lines = () => [...objects.values()].flatMap((body) => gunzipSync(body).toString().trimEnd().split('\n'))
  return { clock, objects, put, lines }
}

const many = (count: number) => Array.from({ length: count }, (_, i) => `${i}\n`)

describe('the Firehose model', () => {
  it('delivers what the SDK sent when its oldest record is old enough, named by that record', async () => {
    const { clock, objects, put, lines } = await open()
    expect(await put(['a\n', 'b\nc\n'])).toMatchObject({ FailedPutCount: 0, RequestResponses: [{}, {}] })
    clock.ms += 59_000
    await put(['d\n'])
    await firehose.deliverDue()
    expect(objects.size).toBe(0)
    clock.ms += 1_000
    await firehose.deliverDue()
    expect(lines().sort()).toEqual(['a', 'b', 'c', 'd'])
    expect([...objects.keys()]).toEqual([
      expect.stringMatching(/^landing\/2026\/11\/22\/08\/orders-1-2026-11-22-08-59-58-[0-9a-f-]{36}\.gz$/),
    ])
  })

  it('cuts an object by size, too', async () => {
    const { objects, put } = await open({ bufferBytes: 1000 })
    await put(['x'.repeat(600)])
    await put(['x'.repeat(600)])
    await firehose.deliverDue()
    expect(objects.size).toBe(1)
  })

  it.each<[string, readonly (string | Buffer)[]]>([
    ['501 records', many(501)],
    ['no record', []],
    ['a record of more than 1,000 KiB', [Buffer.alloc(1_024_001)]],
    ['more than 4 MiB', Array.from({ length: 5 }, () => Buffer.alloc(1_000_000))],
  ])('refuses a call with %s as a whole', async (_, data) => {
    const { put } = await open()
    await expect(put(data)).rejects.toMatchObject({ name: 'InvalidArgumentException' })
    await firehose.flush()
    expect(firehose.delivered).toEqual([])
  })

  it('knows one delivery stream', async () => {
    const { put } = await open()
    await expect(put(['a\n'], 'other')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })

  it('fails single records of a call, by position, and delivers the others', async () => {
    const { put, lines } = await open({ faults: { ...NO_FAULTS, failedRecords: 0.3 } })
    const { FailedPutCount, RequestResponses } = await put(many(200))
    await firehose.flush()
    const taken = RequestResponses!.flatMap(({ ErrorCode }, i) => (ErrorCode === undefined ? [String(i)] : []))
    expect(FailedPutCount).toBe(200 - taken.length)
    expect(taken.length).toBeGreaterThan(100)
    expect(lines().sort()).toEqual(taken.sort())
  })

  it('takes a call and does not answer it', async () => {
    const { put, lines } = await open({ faults: { ...NO_FAULTS, ambiguousCalls: 1 } })
    await expect(put(['a\n'])).rejects.toThrow()
    await firehose.flush()
    expect(lines()).toEqual(['a'])
  })

  it('keeps no order, delivers objects twice and late', async () => {
    const faults = { ...NO_FAULTS, duplicateObjects: 1, lateObjects: 1, lateMsMax: 600_000 }
    const { clock, objects, put, lines } = await open({ faults })
    await put(many(100))
    clock.ms += 60_000
    await firehose.deliverDue()
    expect(objects.size).toBe(0)
    clock.ms += 1_200_000
    await firehose.deliverDue()
    expect(objects.size).toBe(2)
    expect([...objects.keys()].every((key) => key.startsWith('landing/2026/11/22/08/'))).toBe(true)
    const found = lines()
    expect(found.slice(0, 100)).toEqual(found.slice(100))
    expect(found.slice(0, 100)).not.toEqual(many(100).map((line) => line.trim()))
    expect(found.slice(0, 100).sort()).toEqual(
      many(100)
        .map((line) => line.trim())
        .sort(),
    )
  })

  it('writes what it cannot deliver under the error prefix, in base64', async () => {
    const { objects, put, lines } = await open({ faults: { ...NO_FAULTS, errorObjects: 1 } })
    await put(['a\nb\n', 'c\n'])
    await firehose.flush()
    expect([...objects.keys()][0]).toMatch(/^errors\/(processing|format-conversion)-failed\/2026\/11\/22\/08\//)
    const raw = lines().map((line) => Buffer.from(JSON.parse(line).rawData, 'base64').toString())
    expect(raw.sort()).toEqual(['a\nb\n', 'c\n'])
    expect(firehose.delivered).toMatchObject([{ isError: true }])
  })

  it('does the same for the same seed', async () => {
    const faults = { ...NO_FAULTS, failedRecords: 0.5, duplicateObjects: 0.5 }
    const run = async () => {
      const { objects, put } = await open({ faults })
      await put(many(50))
      await firehose.flush()
      return [...objects].map(([key, body]) => [key, gunzipSync(body).toString()])
    }
    const first = await run()
    await firehose.stop()
    expect(await run()).toEqual(first)
  })
})
