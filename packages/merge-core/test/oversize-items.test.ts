import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { TryAgainError } from '../src/errors.ts'
import { mergeLanding } from '../src/index.ts'
import { memoryStore } from '../src/store/memory.ts'
import { handTable, landedChange } from './hand-changes.ts'
import { rowsById } from './read-rows.ts'
import { createTestTable, environmentOver, LANDING, land, storedRows } from './table-run.ts'

const ITEM = { pk: { S: 'big' }, region: { S: 'A' }, note: { S: 'x'.repeat(300_000) } }
const BYTES = Buffer.from(JSON.stringify(ITEM))
const WHERE = { bucket: 'oversize', key: 'orders/1.json', sha256: sha256(BYTES), bytes: BYTES.length }

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A line as the forwarder writes it for an item that is too large for a record. */
function oversizeLine(spec: ReturnType<typeof handTable>, itemAt: object): string {
  const { byTtl: _, item: __, old: ___, ...change } = landedChange(spec, { pk: 'big', sequence: 7, to: 'A' })
  return JSON.stringify({ format: 'lastwrite/1', ...change, itemAt })
}

function smallLine(spec: ReturnType<typeof handTable>): string {
  const { byTtl: _, old: __, ...change } = landedChange(spec, { pk: 'small', sequence: 8, to: 'B' })
  return JSON.stringify({ format: 'lastwrite/1', ...change })
}

async function bench(partitionBy: string, stored: Uint8Array | null = BYTES, itemBuckets = ['oversize']) {
  const spec = handTable([partitionBy])
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  if (stored !== null) await store.put('s3://oversize/orders/1.json', stored, { kind: 'create' })
  return {
    store,
    merge: async (itemAt: object) => {
      const text = `${oversizeLine(spec, itemAt)}\n${smallLine(spec)}\n`
      await land(store, [{ name: 'a.ndjson', bytes: Buffer.from(text), lines: [] }])
      return mergeLanding(table, [LANDING], { itemBuckets })
    },
    rows: async () =>
      [...rowsById(spec, await storedRows(spec, store)).values()].map(({ pk, note }) => [pk, note]).sort(),
  }
}

describe.each(['bucket(pk, 4)', 'identity(region)'])(
  'an item in an object of its own, in a table by %s',
  (partitionBy) => {
    it('is merged as if the line carried it', async () => {
      const { merge, rows } = await bench(partitionBy)
      expect(await merge(WHERE)).toMatchObject({ lines: { applied: 2, quarantined: 0 }, exitCode: 0 })
      expect(await rows()).toEqual([
        ['big', ITEM.note.S],
        ['small', 'change 8'],
      ])
    })

    const garbage = Buffer.from('[1, 2]')
    it.each<[string, Uint8Array | null, object]>([
      ['is missing', null, WHERE],
      ['has another checksum', BYTES, { ...WHERE, sha256: sha256(Buffer.from('other')) }],
      ['has another length', BYTES, { ...WHERE, bytes: BYTES.length - 1 }],
      ['is no item', garbage, { ...WHERE, sha256: sha256(garbage), bytes: garbage.length }],
    ])('that %s has no effect: its line is quarantined, the others are merged', async (_, stored, itemAt) => {
      const { merge, rows } = await bench(partitionBy, stored)
      expect(await merge(itemAt)).toMatchObject({ lines: { read: 2, applied: 1, quarantined: 1 }, exitCode: 0 })
      expect(await rows()).toEqual([['small', 'change 8']])
    })

    it('that the store does not give now leaves everything for the next run', async () => {
      const { store, merge, rows } = await bench(partitionBy)
      const failure = { kind: 'throttled', cause: new Error('slow down') } as const
      store.inject({ operation: 'get', path: 'orders/1.json', times: 1, fault: { kind: 'fail', failure } })
      await expect(merge(WHERE)).rejects.toThrow(TryAgainError)
      expect(await rows()).toEqual([])
    })
  },
)

describe('the bucket of an item in an object of its own', () => {
  const spec = handTable([])
  const line = Buffer.from(oversizeLine(spec, WHERE))

  async function mergeFrom(landing: string, location: string, itemBuckets: readonly string[] = []) {
    const store = memoryStore()
    const table = await createTestTable(spec, environmentOver(store), location)
    store.plant('s3://oversize/orders/1.json', BYTES)
    await land(store, [{ name: 'a.ndjson', bytes: line, lines: [] }], landing)
    const from = store.calls
    const report = await mergeLanding(table, [landing], { itemBuckets })
    return { report, isRead: store.log.slice(from).some(({ path }) => path.startsWith('s3://oversize/orders/')) }
  }

  it.each([
    ['that of its landing object', 's3://oversize/landing/', 's3://lake/orders', []],
    ["the table's", 's3://landing/orders/', 's3://oversize/lake/orders', []],
    ['named by the operator', 's3://landing/orders/', 's3://lake/orders', ['oversize']],
  ])('is read where it is %s', async (_, landing, location, itemBuckets) => {
    const { report } = await mergeFrom(landing, location, itemBuckets)
    expect(report.lines).toMatchObject({ applied: 1, quarantined: 0 })
  })

  it.each([
    ['s3://landing/orders/', []],
    ['s3://oversize-2/landing/', ['other']],
    [LANDING, []],
  ])('is not asked where it is any other: the line is quarantined (%s)', async (landing, itemBuckets) => {
    const { report, isRead } = await mergeFrom(landing, 's3://lake/orders', itemBuckets)
    expect(report.lines).toMatchObject({ applied: 0, quarantined: 1 })
    expect(isRead).toBe(false)
  })
})
