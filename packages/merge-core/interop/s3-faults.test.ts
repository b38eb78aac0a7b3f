// The S3 store on a real server behind a proxy that cuts, delays and resets connections.

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { createObject } from '../src/store/stored-object.ts'
import { describeWithServers, type FaultProxy, type S3Server, startFaultProxy, startS3 } from './s3-servers.ts'

const CREATE = { kind: 'create' } as const
const MIB = 1024 * 1024

describeWithServers(['versitygw', 'toxiproxy'], 'the S3 store behind a proxy that fails', () => {
  let server: S3Server
  let proxy: FaultProxy
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startFaultProxy(server.endpoint)
  })
  afterEach(() => proxy.reset())
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  const openStore = () => server.openStore({ endpoint: proxy.endpoint, idleMsMax: 1000, callMsMax: 5000 })
  const lostAnswers = { type: 'limit_data', stream: 'downstream', attributes: { bytes: 0 } }

  it('does not know whether a put acted whose answer is lost, and finds its own bytes when it looks', async () => {
    const store = openStore()
    const bucket = await server.newBucket()
    await proxy.add(lostAnswers)
    const put = await store.put(`${bucket}/a`, new Uint8Array(1000), CREATE)
    expect(put.kind).toBe('unknown')
    expect(store.traffic!.requests.put).toBe(1)
    await proxy.reset()
    expect(await store.get(`${bucket}/a`)).toMatchObject({ kind: 'ok', objectBytes: 1000 })
    await createObject(store, `${bucket}/a`, new Uint8Array(1000))
    await expect(createObject(store, `${bucket}/a`, new Uint8Array(999))).rejects.toThrow('other content')
  })

  it('leaves no object, and none that is torn, where a put is cut on its way', async () => {
    const store = openStore()
    const bucket = await server.newBucket()
    await proxy.add({ type: 'limit_data', stream: 'upstream', attributes: { bytes: 100_000 } })
    expect((await store.put(`${bucket}/small`, new Uint8Array(MIB), CREATE)).kind).toBe('unknown')
    expect((await store.put(`${bucket}/large`, new Uint8Array(17 * MIB), CREATE)).kind).toBe('unknown')
    await proxy.reset()
    expect(await store.list(`${bucket}/`)).toEqual({ kind: 'ok', objects: [] })
  })

  it('reads the whole object or says that it cannot, never less, however answers are cut', async () => {
    const store = openStore()
    const path = `${await server.newBucket()}/a`
    const bytes = new Uint8Array(4 * MIB).map((_, i) => i % 251)
    await store.put(path, bytes, CREATE)
    await proxy.add({
      type: 'limit_data',
      stream: 'downstream',
      toxicity: 0.5,
      attributes: { bytes: MIB },
    })
    let whole = 0
    for (let read = 0; read < 20; read++) {
      const got = await store.get(path)
      if (got.kind === 'ok') {
        whole++
        expect(Buffer.compare(got.bytes, bytes)).toBe(0)
      } else expect(got.kind).toBe('unknown')
    }
    expect(whole).toBeGreaterThan(10)
  })

  it('ends a call on a server that has gone silent', async () => {
    const store = openStore()
    const path = `${await server.newBucket()}/a`
    await store.put(path, new Uint8Array(10), CREATE)
    await proxy.add({ type: 'timeout', stream: 'downstream', attributes: { timeout: 0 } })
    const startMs = performance.now()
    expect((await store.get(path)).kind).toBe('unknown')
    expect((await store.list(path)).kind).toBe('unknown')
    expect(performance.now() - startMs).toBeLessThan(20_000)
  })
})
