import { describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import { storeByScheme } from '../src/store/by-scheme.ts'
import { memoryStore } from '../src/store/memory.ts'
import { meteredStore } from '../src/store/metered.ts'

const CREATE = { kind: 'create' } as const
const bytes = new Uint8Array(10)

function twoStores() {
  const [file, s3] = [memoryStore(), memoryStore()]
  const opened: string[] = []
  const store = storeByScheme({
    file: async () => {
      opened.push('file')
      return file
    },
    s3: async () => {
      opened.push('s3')
      return { ...s3, unproven: async () => 'http://127.0.0.1:7070' }
    },
  })
  return { file, s3, store, opened }
}

describe('a store by schemes', () => {
  it('sends each call to the store of its location, opened once, when it is first needed', async () => {
    const { file, s3, store, opened } = twoStores()
    expect(opened).toEqual([])
    await Promise.all(['a', 'b'].map((name) => store.put(`s3://lake/${name}`, bytes, CREATE)))
    expect(opened).toEqual(['s3'])
    await store.put('/lake/c', bytes, CREATE)
    await store.put('file:///lake/d', bytes, CREATE)
    expect(opened).toEqual(['s3', 'file'])
    expect([...s3.snapshot().keys()]).toEqual(['s3://lake/a', 's3://lake/b'])
    expect([...file.snapshot().keys()]).toEqual(['/lake/c', 'file:///lake/d'])
    await store.delete('s3://lake/a')
    expect(await store.get('s3://lake/a')).toEqual({ kind: 'missing' })
    expect(await store.list('s3://lake/')).toMatchObject({ kind: 'ok', objects: [{ path: 's3://lake/b' }] })
  })

  it('refuses a location of any other scheme', async () => {
    const { store } = twoStores()
    await expect(store.get('gs://lake/a')).rejects.toThrow(InputError)
    await expect(store.get('constructor://lake/a')).rejects.toThrow('no store for "constructor:"')
  })

  it('knows which of its stores has to be proven', async () => {
    const { store } = twoStores()
    expect(await store.unproven?.('s3://lake/orders')).toBe('http://127.0.0.1:7070')
    expect(await store.unproven?.('/lake/orders')).toBeNull()
  })

  it('counts what goes through all of them, and a meter what goes through from its start on', async () => {
    const { store } = twoStores()
    await store.put('s3://lake/a', bytes, CREATE)
    const meter = meteredStore(store)
    await meter.store.get('s3://lake/a')
    const [got] = await Promise.all([store.get('s3://lake/a'), store.list('/lake')])
    const etag = got.kind === 'ok' ? got.etag : ''
    const copied = { kind: 'copy', from: 's3://lake/a', etag, start: 0, end: 7 } as const
    await store.put('s3://lake/b', [copied, { kind: 'bytes', bytes }], CREATE)
    const { requests, ...traffic } = meter.traffic
    expect(traffic).toEqual({ read: 20, written: 10, copied: 7 })
    expect(requests).toEqual({ get: 2, put: 1, copyPart: 0, list: 1, delete: 0 })
    expect(store.traffic).toMatchObject({ written: 20, requests: { put: 2 } })
  })
})
