import { describe, expect, it } from 'vitest'
import { memoryStore } from '../src/store/memory.ts'
import type { ObjectStore, PutMode } from '../src/store/object-store.ts'
import { probeStore } from '../src/store/probe.ts'
import { createTable } from '../src/table.ts'
import { parseTableDefinition } from '../src/table-definition.ts'

const FOLDER = 's3://lake/_lastwrite/orders-1/probe/1'

/** A server with some other idea of conditions. */
function serverWith(
  put: (real: ObjectStore, ...call: Parameters<ObjectStore['put']>) => ReturnType<ObjectStore['put']>,
) {
  const real = memoryStore()
  return { ...real, put: (...call: Parameters<ObjectStore['put']>) => put(real, ...call) }
}

/** Looks whether the condition holds, and writes a moment later. */
async function inTwoSteps(real: ObjectStore, path: string, mode: PutMode) {
  const standing = await real.get(path)
  if (mode.kind === 'create') return standing.kind === 'missing' ? null : { kind: 'conflict' as const }
  if (standing.kind === 'missing') return { kind: 'missing' as const }
  return standing.kind === 'ok' && mode.kind === 'replace' && standing.etag === mode.etag
    ? null
    : { kind: 'conflict' as const }
}

describe('the probe of a store', () => {
  it('passes one whose conditional writes work, and leaves nothing behind', async () => {
    const store = memoryStore()
    await probeStore(store, 'memory', FOLDER)
    expect(store.snapshot().size).toBe(0)
    expect(new Set(store.log.filter(({ operation }) => operation === 'put').map(({ mode }) => mode))).toEqual(
      new Set(['create', 'replace']),
    )
  })

  it.each([
    [
      'ignores that an object exists',
      serverWith((real, path, content, mode) =>
        real.put(path, content, mode.kind === 'create' ? { kind: 'overwrite' } : mode),
      ),
      'created again',
    ],
    [
      'ignores tags',
      serverWith((real, path, content, mode) =>
        real.put(path, content, mode.kind === 'replace' ? { kind: 'overwrite' } : mode),
      ),
      'stale tag',
    ],
    [
      'creates what is not there to be replaced',
      serverWith(async (real, path, content, mode) => {
        const isThere = (await real.get(path)).kind === 'ok'
        return real.put(path, content, mode.kind === 'replace' && !isThere ? { kind: 'create' } : mode)
      }),
      'does not exist',
    ],
    [
      'does not find what was just created',
      serverWith(async (real, path, content, mode) =>
        mode.kind === 'replace' ? { kind: 'missing' } : real.put(path, content, mode),
      ),
      'just created',
    ],
    [
      'answers ok to a replace and does not write',
      serverWith(async (real, path, content, mode) => {
        const standing = await real.get(path)
        if (mode.kind !== 'replace' || standing.kind !== 'ok' || standing.etag !== mode.etag) {
          return real.put(path, content, mode)
        }
        return { kind: 'ok', etag: standing.etag, objectBytes: 0 }
      }),
      'right tag',
    ],
    [
      'checks and writes in two steps when it creates',
      serverWith(async (real, path, content, mode) => {
        if (mode.kind !== 'create') return real.put(path, content, mode)
        return (await inTwoSteps(real, path, mode)) ?? real.put(path, content, { kind: 'overwrite' })
      }),
      'created one object at once 8 won',
    ],
    [
      'checks and writes in two steps when it replaces',
      serverWith(async (real, path, content, mode) => {
        if (mode.kind !== 'replace') return real.put(path, content, mode)
        return (await inTwoSteps(real, path, mode)) ?? real.put(path, content, { kind: 'overwrite' })
      }),
      'replaced one version at once 8 won',
    ],
  ])('refuses a store that %s, naming it and the check', async (_, store, check) => {
    const probing = probeStore(store, 'http://127.0.0.1:7070', FOLDER)
    await expect(probing).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(new RegExp(`^http://127\\.0\\.0\\.1:7070: .*${check}`)),
    })
    const listed = await store.list('s3://lake/')
    expect(listed).toEqual({ kind: 'ok', objects: [] })
  })

  it('says to try again where no clear answer came', async () => {
    const store = memoryStore({ faults: [{ operation: 'put', skip: 3, fault: { kind: 'lose-answer' } }] })
    await expect(probeStore(store, 'memory', FOLDER)).rejects.toMatchObject({ name: 'TryAgainError' })
  })
})

describe('a table on a store that nobody vouches for', () => {
  const definition = parseTableDefinition(
    JSON.stringify({ table: 'orders', source: '123456789012/eu-west-1', key: ['pk'], columns: { pk: 'string' } }),
  )
  const environmentOf = (store: ObjectStore) => ({
    store: { ...store, unproven: async () => 'http://127.0.0.1:7070' },
    nowMs: () => 1_795_334_400_000,
    random: () => 0.5,
    uuid: () => '7d1c0e0a-6a6c-4c0e-8b43-2b62c8f1d8aa',
    sleep: async () => {},
  })

  it('is not created where conditional writes do not work', async () => {
    const real = memoryStore()
    const broken = {
      ...real,
      put: (path: string, content: Uint8Array) => real.put(path, content, { kind: 'overwrite' }),
    }
    const creating = createTable('s3://lake/orders', definition, environmentOf(broken as ObjectStore))
    await expect(creating).rejects.toThrow('http://127.0.0.1:7070')
    expect(real.snapshot().size).toBe(0)
  })

  it('remembers in its properties that they do', async () => {
    const { catalog } = await createTable('s3://lake/orders', definition, environmentOf(memoryStore()))
    expect((await catalog.load())?.metadata.properties).toMatchObject({ 'lastwrite.probed': '1' })
  })
})
