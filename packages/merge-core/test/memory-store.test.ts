import { describe, expect, it } from 'vitest'
import { type MemoryStore, memoryStore, SimulatedCrash } from '../src/store/memory.ts'
import { describeObjectStore } from './object-store-contract.ts'

const X = 'memory://lake/x'
const CREATE = { kind: 'create' } as const
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function contents(store: MemoryStore): Record<string, string> {
  return Object.fromEntries(
    [...store.snapshot()].map(([path, object]) => [path, new TextDecoder().decode(object.bytes)]),
  )
}

describeObjectStore('memory', async () => ({ store: memoryStore(), root: 'memory://lake' }))

describe('a memory store with faults', () => {
  it('numbers and logs its calls with what became of them', async () => {
    const store = memoryStore()
    await store.put(X, bytes('1'), CREATE)
    await store.put(X, bytes('1'), CREATE)
    await store.get('s3://other/y')
    await store.list('memory://lake/')
    await store.delete(X)
    expect(store.log).toEqual([
      { number: 1, operation: 'put', path: X, mode: 'create', outcome: 'ok' },
      { number: 2, operation: 'put', path: X, mode: 'create', outcome: 'conflict' },
      { number: 3, operation: 'get', path: 's3://other/y', outcome: 'missing' },
      { number: 4, operation: 'list', path: 'memory://lake/', outcome: 'ok' },
      { number: 5, operation: 'delete', path: X, outcome: 'ok' },
    ])
    expect(store.calls).toBe(5)
  })

  it('fails a call by its number without acting', async () => {
    const failure = { kind: 'throttled', cause: new Error('SlowDown') } as const
    const store = memoryStore({ faults: [{ number: 2, fault: { kind: 'fail', failure } }] })
    await store.get(X)
    expect(await store.put(X, bytes('1'), CREATE)).toBe(failure)
    expect(contents(store)).toEqual({})
    expect((await store.put(X, bytes('1'), CREATE)).kind).toBe('ok')
  })

  it('loses the answer to a put that acted', async () => {
    const store = memoryStore({ faults: [{ operation: 'put', path: /x$/, fault: { kind: 'lose-answer' } }] })
    expect((await store.put(X, bytes('1'), CREATE)).kind).toBe('unknown')
    expect(contents(store)).toEqual({ [X]: '1' })
    expect(await store.put(X, bytes('1'), CREATE)).toEqual({ kind: 'conflict' })
  })

  it('hits the matching calls after those it lets through, as often as it is told', async () => {
    const fault = { kind: 'fail', failure: { kind: 'missing' } } as const
    const store = memoryStore({
      objects: [[X, bytes('1')]],
      faults: [{ operation: 'get', path: '/x', skip: 1, times: 2, fault }],
    })
    const kinds: string[] = []
    for (let i = 0; i < 5; i++) {
      await store.list('memory://lake')
      kinds.push((await store.get(X)).kind)
    }
    expect(kinds).toEqual(['ok', 'missing', 'missing', 'ok', 'ok'])
  })

  it('hits puts of one mode only', async () => {
    const store = memoryStore({ faults: [{ mode: 'overwrite', fault: { kind: 'lose-answer' } }] })
    expect((await store.put(X, bytes('1'), CREATE)).kind).toBe('ok')
    expect((await store.put(X, bytes('1'), { kind: 'overwrite' })).kind).toBe('unknown')
  })

  it('asks a function what shall happen to each call', async () => {
    const store = memoryStore({
      faults: ({ number }) => (number % 2 === 0 ? { kind: 'fail', failure: { kind: 'missing' } } : undefined),
    })
    const results = [await store.list('memory://a'), await store.list('memory://a'), await store.list('memory://a')]
    expect(results.map(({ kind }) => kind)).toEqual(['ok', 'missing', 'ok'])
  })

  it('lets a test plant what another writer commits just before and just after a call', async () => {
    const store = memoryStore()
    const before = (): void => store.plant(X, bytes('foreign'))
    const after = async (): Promise<void> => store.uproot(X)
    store.inject({ mode: 'create', fault: { kind: 'run', before, after } })
    expect(await store.put(X, bytes('ours'), CREATE)).toEqual({ kind: 'conflict' })
    expect(contents(store)).toEqual({})
    expect(store.calls).toBe(1)
  })

  it.each([
    ['before', {}],
    ['after', { [X]: '1' }],
  ] as const)('crashes at a step %s it acted, and at every call from there', async (when, left) => {
    const store = memoryStore({ faults: [{ number: 2, fault: { kind: 'crash', when } }] })
    await store.list('memory://lake')
    await expect(store.put(X, bytes('1'), CREATE)).rejects.toThrow(SimulatedCrash)
    await expect(store.put('memory://lake/y', bytes('2'), CREATE)).rejects.toThrow('at call 3: put memory://lake/y')
    await expect(store.list('memory://lake')).rejects.toThrow(SimulatedCrash)
    expect(contents(store)).toEqual(left)
    expect(store.log.map(({ outcome }) => outcome)).toEqual(['ok', 'crash', 'crash', 'crash'])
  })

  it('gives no answer, once crashed, to calls that were on their way', async () => {
    const store = memoryStore({ faults: [{ number: 3, fault: { kind: 'crash', when: 'before' } }] })
    const calls = ['a', 'b', 'c', 'd'].map((name) => store.put(`memory://lake/${name}`, bytes(name), CREATE))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    expect(contents(store)).toEqual({ 'memory://lake/a': 'a', 'memory://lake/b': 'b' })
  })

  it('clones to what the next process finds: the objects and their tags, no fault, no crash', async () => {
    const store = memoryStore({
      objects: [[X, bytes('1')]],
      faults: [{ number: 1, fault: { kind: 'crash', when: 'before' } }],
    })
    await expect(store.get(X)).rejects.toThrow(SimulatedCrash)
    const next = store.clone()
    expect(next.snapshot()).toEqual(store.snapshot())
    expect((await next.put(X, bytes('2'), { kind: 'replace', etag: store.snapshot().get(X)!.etag })).kind).toBe('ok')
    expect(contents(next)).toEqual({ [X]: '2' })
    expect(contents(store)).toEqual({ [X]: '1' })
  })

  it('overwrites returned buffers when told, never its own', async () => {
    const store = memoryStore({ objects: [[X, bytes('1')]] })
    const got = await store.get(X)
    store.overwriteReturned()
    expect(got.kind === 'ok' && [...got.bytes]).toEqual([0xa5])
    store.snapshot().get(X)!.bytes.fill(0)
    expect(contents(store)).toEqual({ [X]: '1' })
  })

  it('dates objects by the clock that it was given', async () => {
    const store = memoryStore({ nowMs: () => 1_700_000_000_000 })
    await store.put(X, bytes('1'), CREATE)
    expect(await store.list(X)).toMatchObject({ objects: [{ modifiedMs: 1_700_000_000_000 }] })
  })
})
