// The fault matrix on one call: what the store says of each call that is broken in each way, and what stands afterwards.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ObjectStore } from '../src/store/object-store.ts'
import {
  type CallOutcome,
  CELLS,
  type Cell,
  callOutcome,
  isSentOnce,
  nameOf,
  openFaulty,
  putStands,
} from './fault-matrix.ts'
import { type S3FaultProxy, startS3FaultProxy } from './fault-proxy.ts'
import { describeWithServers, type S3Server, startS3 } from './s3-servers.ts'

const MIB = 1024 * 1024
const ATTEMPTS_MAX = 8
/** Whatever happens a call has ended by then, on a busy machine too: its own deadline is a few seconds. */
const CALL_MS_MAX = 60_000
const CREATE = { kind: 'create' } as const
const cases = CELLS.map((cell, number) => ({ name: nameOf(cell), cell, number }))

describeWithServers(['versitygw'], 'one call', () => {
  let server: S3Server
  let proxy: S3FaultProxy
  let clean: ObjectStore
  let bucket: string
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startS3FaultProxy(server.endpoint)
    clean = server.openStore()
    bucket = await server.newBucket()
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  const before = Buffer.from('what stood before'.repeat(1000))
  const after = Buffer.from('what is put'.repeat(1000))
  const large = randomBytes(6 * MIB)
  let largeTag: string
  beforeAll(async () => {
    largeTag = tagOf(await clean.put(`${bucket}/large`, large, CREATE))
  })

  it.concurrent.each(cases)('$name', async ({ cell, number }) => {
    const folder = `${bucket}/call-${number}`
    const path = `${folder}/object`
    const { operation } = cell
    const isCreate = operation !== 'put-replace' && isPut(operation)
    const etag = isCreate ? '' : tagOf(await clean.put(path, before, CREATE))
    const { store, sent } = openFaulty(server, proxy, cell, folder)
    const parts = [
      { kind: 'copy', from: `${bucket}/large`, etag: largeTag, start: 0, end: large.length } as const,
      { kind: 'bytes', bytes: after } as const,
    ]
    const calls: Record<Cell['operation'], () => Promise<{ kind: CallOutcome }>> = {
      get: () => store.get(path, { etag }),
      range: () => store.get(path, { etag, range: { start: 10, end: 2000 } }),
      list: () => store.list(`${folder}/`),
      'put-create': () => store.put(path, after, CREATE),
      'put-replace': () => store.put(path, after, { kind: 'replace', etag }),
      'upload-part-copy': () => store.put(path, parts, CREATE),
      complete: () => store.put(path, parts, CREATE),
    }
    const startMs = performance.now()
    const result = await calls[operation]().catch((error: Error) => {
      if (error.name !== 'InputError') throw error
      return { kind: 'settings' as const }
    })
    expect(performance.now() - startMs).toBeLessThan(CALL_MS_MAX)
    expect(result.kind).toBe(callOutcome(cell))
    if (result.kind === 'ok' && operation === 'get') expect(result).toMatchObject({ bytes: new Uint8Array(before) })
    if (result.kind === 'ok' && operation === 'range')
      expect(result).toMatchObject({ bytes: new Uint8Array(before.subarray(10, 2000)) })
    if (result.kind === 'ok' && operation === 'list') expect(result).toMatchObject({ objects: [{ path }] })
    expect(sent.length).toBeLessThanOrEqual(isSentOnce(cell) ? 1 : ATTEMPTS_MAX)

    await proxy.settled(folder)
    const stands = await clean.get(path)
    if (!isPut(operation)) return
    const put = isCreate && operation !== 'put-create' ? Buffer.concat([large, after]) : after
    const expected = putStands(cell) ? put : isCreate ? null : before
    expect(stands.kind).toBe(expected === null ? 'missing' : 'ok')
    if (stands.kind === 'ok') expect(Buffer.compare(stands.bytes, expected!)).toBe(0)
  })
})

function isPut(operation: Cell['operation']): boolean {
  return !['get', 'range', 'list'].includes(operation)
}

function tagOf(result: Awaited<ReturnType<ObjectStore['put']>>): string {
  if (result.kind !== 'ok') throw new Error(result.kind)
  return result.etag
}
