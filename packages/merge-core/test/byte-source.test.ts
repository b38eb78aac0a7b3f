import { describe, expect, it } from 'vitest'
import { DamagedObjectError, TryAgainError } from '../src/errors.ts'
import { storeSource } from '../src/store/byte-source.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'

const PATH = 'memory://lake/file'
const BYTES = Uint8Array.from({ length: 100 }, (_, at) => at)

function storeOf(bytes: Uint8Array): MemoryStore {
  return memoryStore({ objects: [[PATH, bytes]] })
}

describe('a source over a stored object', () => {
  it('gives every range of its bytes, whatever part of the end is at hand', async () => {
    for (const tailBytes of [1, 40, 100, 1000]) {
      const source = await storeSource(storeOf(BYTES), PATH, { tailBytes })
      expect(source.bytes).toBe(100)
      for (let start = 0; start <= 100; start += 7) {
        for (let end = start; end <= 100; end += 5) {
          expect(await source.read(start, end)).toEqual(BYTES.subarray(start, end))
        }
      }
    }
  })

  it('asks the store once for all that lies in the end', async () => {
    const store = storeOf(BYTES)
    const source = await storeSource(store, PATH, { tailBytes: 40 })
    await source.read(60, 100)
    await source.read(70, 80)
    expect(store.calls).toBe(1)
    await source.read(59, 61)
    expect(store.calls).toBe(2)
  })

  it('never mixes two versions', async () => {
    const store = storeOf(BYTES)
    const source = await storeSource(store, PATH, { tailBytes: 10 })
    store.plant(PATH, new Uint8Array(100))
    expect(await source.read(95, 100)).toEqual(BYTES.subarray(95))
    await expect(source.read(0, 5)).rejects.toThrow(TryAgainError)
    await expect(storeSource(store, PATH, { etag: source.etag })).rejects.toThrow(TryAgainError)
  })

  it('says what to do where the object is gone', async () => {
    const store = storeOf(BYTES)
    const source = await storeSource(store, PATH, { tailBytes: 10 })
    store.uproot(PATH)
    await expect(source.read(0, 5)).rejects.toThrow(DamagedObjectError)
    const errorOf = (path: string) => new TryAgainError(`${path}: reload`)
    await expect(storeSource(store, PATH, { errorOf })).rejects.toThrow(`${PATH}: reload`)
  })

  it('refuses a range outside of the object', async () => {
    const source = await storeSource(storeOf(BYTES), PATH)
    for (const [start, end] of [
      [-1, 5],
      [5, 101],
      [6, 5],
    ] as const) {
      await expect(source.read(start, end)).rejects.toThrow(PATH)
    }
  })
})
