import { describe, expect, it } from 'vitest'
import { type FaultRule, memoryStore } from '../src/store/memory.ts'
import type { ObjectPart } from '../src/store/object-store.ts'
import { createObject } from '../src/store/stored-object.ts'

const PATH = 'memory://lake/data/new.parquet'
const SOURCE = 'memory://lake/data/old.parquet'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const CONFLICT: FaultRule = { operation: 'put', fault: { kind: 'fail', failure: { kind: 'conflict' } } }
const LOST: FaultRule = { operation: 'put', fault: { kind: 'lose-answer' } }

async function start() {
  const store = memoryStore()
  const source = await store.put(SOURCE, bytes('kept and replaced'), { kind: 'create' })
  if (source.kind !== 'ok') throw new Error(source.kind)
  const parts: ObjectPart[] = [
    { kind: 'copy', from: SOURCE, etag: source.etag, start: 0, end: 5 },
    { kind: 'bytes', bytes: bytes('encoded') },
    { kind: 'bytes', bytes: bytes('footer') },
  ]
  const stands = () => Buffer.from(store.snapshot().get(PATH)?.bytes ?? []).toString()
  return { store, parts, stands }
}

describe('an object made of parts, under a name that nobody else uses', () => {
  it('is sent again where a conflict was told and nothing stands there', async () => {
    const { store, parts, stands } = await start()
    store.inject(CONFLICT)
    await createObject(store, PATH, parts)
    expect(stands()).toBe('kept encodedfooter')
  })

  it('says try again where it is told of a conflict every time', async () => {
    const { store, parts } = await start()
    store.inject({ ...CONFLICT, times: Number.POSITIVE_INFINITY })
    await expect(createObject(store, PATH, parts)).rejects.toMatchObject({ name: 'TryAgainError' })
  })

  it('is found where every answer is lost', async () => {
    const { store, parts, stands } = await start()
    store.inject({ ...LOST, times: Number.POSITIVE_INFINITY })
    await createObject(store, PATH, parts)
    expect(stands()).toBe('kept encodedfooter')
    expect(store.log.filter(({ operation }) => operation === 'put')).toHaveLength(2)
  })

  it.each([
    ['another length', 'kept  encodedfooter'],
    ['another end', 'kept encodedFooter'],
  ])('is not taken for one that has %s', async (_, text) => {
    const { store, parts } = await start()
    store.plant(PATH, bytes(text))
    await expect(createObject(store, PATH, parts)).rejects.toThrow(`${PATH}: exists with other content`)
  })

  it('names the object that it was to copy from, where that is gone', async () => {
    const { store, parts } = await start()
    store.uproot(SOURCE)
    await expect(createObject(store, PATH, parts)).rejects.toMatchObject({ name: 'DamagedObjectError', path: SOURCE })
  })
})
