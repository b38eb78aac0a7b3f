import { createHash } from 'node:crypto'
import { decodeChangeLine } from '@lastwrite/merge-core/change-lines'
import { memoryStore } from '@lastwrite/merge-core/store/memory'
import { describe, expect, it } from 'vitest'
import { encodeRecords } from '../src/encode-records.ts'
import { itemStore } from '../src/oversize.ts'
import { RECORD_BYTES_MAX } from '../src/pack-lines.ts'
import { type RecordSpec, sequenceOf, settingsWith, streamRecord } from './stream-batch.ts'

async function encode(specs: readonly RecordSpec[], settings = {}) {
  const records = specs.map((spec, i) => streamRecord(i, spec))
  const { lines, refused, oversize } = await encodeRecords(records, settingsWith(settings))
  return {
    records,
    changes: lines.flatMap(({ text }) => (text.startsWith('{"format"') ? [decodeChangeLine(text)] : [])),
    lines,
    refused,
    oversize,
  }
}

const item = { pk: { S: 'k' }, note: { S: 'ü' } }

describe('a stream record', () => {
  it('becomes a change line with its whole new image', async () => {
    const { changes } = await encode([{ eventName: 'MODIFY', item, old: { pk: { S: 'k' } } }])
    expect(changes).toEqual([
      {
        table: 'orders',
        source: '123456789012/eu-west-1',
        stream: '2026-11-22T08:00:00.000',
        sequence: sequenceOf(0),
        operation: 'modify',
        at: 1_795_334_400,
        keys: { pk: { S: 'k' } },
        item,
      },
    ])
  })

  it('tells the old value of every attribute that is named, null for one that was absent, in an update and in a removal', async () => {
    const old = { pk: { S: 'k' }, region: { S: 'eu' }, other: { N: '1' } }
    const oldAttributes = ['region', 'day']
    const { changes } = await encode(
      [
        { eventName: 'INSERT', item },
        { eventName: 'MODIFY', item, old },
        { eventName: 'REMOVE', item, old },
      ],
      { oldAttributes },
    )
    const told = { region: { S: 'eu' }, day: null }
    expect(changes.map((change) => change.old)).toEqual([undefined, told, told])
    expect(changes.map((change) => change.item)).toEqual([item, item, undefined])
  })

  it.each([
    { type: 'Service', principalId: 'dynamodb.amazonaws.com' },
    { Type: 'Service', PrincipalId: 'dynamodb.amazonaws.com' },
  ])('of a removal by TTL is marked, not dropped: %o', async (userIdentity) => {
    const { changes } = await encode([
      { eventName: 'REMOVE', item, userIdentity },
      { eventName: 'REMOVE', item },
    ])
    expect(changes.map((change) => change.by)).toEqual(['ttl', undefined])
  })

  it('keeps attribute names that mean something to JavaScript', async () => {
    const odd = JSON.parse('{"pk":{"S":"k"},"__proto__":{"N":"1"},"constructor":{"NULL":true}}')
    const { lines } = await encode([{ item: odd }])
    expect(lines[0]!.text).toContain('"item":{"pk":{"S":"k"},"__proto__":{"N":"1"},"constructor":{"NULL":true}}')
  })

  it('without a new image is refused, and does not stop the others', async () => {
    const records = [
      streamRecord(0),
      { ...streamRecord(1), dynamodb: { SequenceNumber: sequenceOf(1) } },
      streamRecord(2),
    ]
    const { lines, refused } = await encodeRecords(records, settingsWith({}))
    expect(lines.map((line) => line.sequence)).toEqual([sequenceOf(0), sequenceOf(2)])
    expect(refused).toMatchObject([{ sequence: sequenceOf(1) }])
  })
})

describe('an item that is too large for a line', () => {
  // As JSON six times as long.
  const large = { pk: { S: 'k' }, region: { S: 'eu' }, text: { S: '\u0001'.repeat(390_000) } }
  const spec: RecordSpec = { eventName: 'MODIFY', item: large, old: { pk: { S: 'k' }, region: { S: 'us' } } }

  async function encodeWithStore(specs: readonly RecordSpec[], settings = {}) {
    const store = memoryStore()
    const storeItem = itemStore(store, { bucket: 'b', prefix: 'oversize/' })
    return { store, ...(await encode(specs, { storeItem, oldAttributes: ['region'], ...settings })) }
  }

  it.each([false, true])('goes to S3 whole, and the line says where, with pass-through %s', async (passThrough) => {
    const { store, changes, lines, oversize } = await encodeWithStore([spec], { passThrough })
    expect(oversize).toBe(1)
    expect(lines[0]!.bytes).toBeLessThan(RECORD_BYTES_MAX)
    const { itemAt, ...change } = changes[0]!
    expect(change).toMatchObject({ operation: 'modify', old: { region: { S: 'us' } }, keys: { pk: { S: 'k' } } })
    expect(change).not.toHaveProperty('item')
    const got = await store.get(`s3://${itemAt!.bucket}/${itemAt!.key}`)
    if (got.kind !== 'ok') throw new Error(got.kind)
    expect(JSON.parse(Buffer.from(got.bytes).toString())).toEqual(large)
    expect(itemAt).toEqual({
      bucket: 'b',
      key: `oversize/2026/11/22/${sequenceOf(0)}-${itemAt!.sha256}.json`,
      sha256: createHash('sha256').update(got.bytes).digest('hex'),
      bytes: got.bytes.length,
    })
  })

  it('is stored once however often it comes', async () => {
    const store = memoryStore()
    const storeItem = itemStore(store, { bucket: 'b', prefix: '' })
    const first = await encode([spec], { storeItem })
    const again = await encode([spec], { storeItem })
    expect(again.changes).toEqual(first.changes)
    expect(await store.list('s3://b/')).toMatchObject({ objects: [{}] })
  })

  it('that cannot be stored is refused, without a word of it', async () => {
    const storeItem = itemStore(
      { put: async () => ({ kind: 'denied', cause: new Error(large.text.S) }) },
      { bucket: 'b', prefix: 'oversize/' },
    )
    const { refused, changes } = await encode([spec, {}], { storeItem })
    expect(refused).toEqual([
      { sequence: sequenceOf(0), reason: 'its item could not be stored in s3://b/oversize/: denied' },
    ])
    expect(changes).toHaveLength(1)
  })

  it('is no remedy for a removal whose old attributes are too large: that is refused', async () => {
    const { refused, oversize } = await encodeWithStore([
      { eventName: 'REMOVE', item, old: { pk: { S: 'k' }, region: large.text } },
    ])
    expect(refused).toMatchObject([{ sequence: sequenceOf(0) }])
    expect(oversize).toBe(0)
  })

  it('is one by the bytes of its line: a few more, and it goes to S3', async () => {
    const bytesOf = async (characters: number) => {
      const { lines, oversize } = await encodeWithStore([
        { item: { pk: { S: 'k' }, text: { S: 'ü'.repeat(characters) } } },
      ])
      return { bytes: lines[0]!.bytes, oversize }
    }
    let [fits, large] = [100_000, 200_000]
    while (large - fits > 1) {
      const middle = (fits + large) >> 1
      if ((await bytesOf(middle)).oversize === 0) fits = middle
      else large = middle
    }
    const { bytes } = await bytesOf(fits)
    expect(bytes).toBeLessThanOrEqual(RECORD_BYTES_MAX)
    expect(bytes).toBeGreaterThan(0.95 * RECORD_BYTES_MAX)
  })
})

describe('in pass-through mode', () => {
  it('a record is forwarded as it came', async () => {
    const { records, lines } = await encode([{ eventName: 'MODIFY', item, old: item }], { passThrough: true })
    expect(JSON.parse(lines[0]!.text)).toEqual(records[0])
  })

  it('a record that only its old image makes too large becomes a change line with its item', async () => {
    const old = { pk: { S: 'k' }, text: { S: 'x'.repeat(300_000) } }
    const { changes, oversize } = await encode([{ eventName: 'MODIFY', item, old }], { passThrough: true })
    expect(changes[0]!.item).toEqual(item)
    expect(oversize).toBe(0)
  })
})
