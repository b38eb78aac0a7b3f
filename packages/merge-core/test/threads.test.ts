// Merging in threads: the same files as in one thread, and a thread that fails or dies takes its run along, with the cause.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  DamagedObjectError,
  type MergeOptions,
  type MergeReport,
  mergeLanding,
  parseTableDefinition,
  TryAgainError,
} from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { lineMemory } from '../src/threads/line-memory.ts'
import { threadPool } from '../src/threads/pool.ts'
import { movable, shared } from '../src/threads/transfer.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { currentFiles, readObject } from './stored-table.ts'
import { createTestTable, environmentOver, LANDING, land } from './table-run.ts'

const spec = handTable(['identity(region)'])
const THREADS: MergeOptions = { threads: 2, eagerThreads: true }
const REGIONS = ['A', 'B', 'C', 'D']

/** Objects for two threads: inserts of 1,500 keys, or changes of them that move, remove and replace. */
function objects(round: number) {
  const regionOf = (key: number) => REGIONS[key % REGIONS.length]!
  return Array.from({ length: 3 }, (_, object) => {
    const lines = Array.from({ length: 500 }, (_, i) => {
      const key = object * 500 + i
      const change = { pk: `key ${key}`, sequence: 1_000 * round + i + 1, note: `note ${key} ${'x'.repeat(40)}` }
      if (round === 0) return line(spec, { ...change, to: regionOf(key) })
      if (key % 7 === 0) return line(spec, { ...change, from: regionOf(key) })
      return line(spec, { ...change, from: regionOf(key), to: regionOf(key % 5 === 0 ? key + 1 : key) })
    })
    return objectOf(`${round}-${object}.ndjson`, lines)
  })
}

async function mergeTwice(
  options: MergeOptions,
): Promise<{ store: MemoryStore; reports: MergeReport[]; hashes: string[] }> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  const reports: MergeReport[] = []
  for (const round of [0, 1]) {
    await land(store, objects(round))
    reports.push(await mergeLanding(table, [LANDING], options))
  }
  const files = await currentFiles(store)
  const hashes = await Promise.all(
    files.map(async ({ path }) =>
      createHash('sha256')
        .update(await readObject(store, path))
        .digest('hex'),
    ),
  )
  return { store, reports, hashes: hashes.sort() }
}

describe('a merge in two threads', () => {
  it('writes the files that one thread writes, and counts the same', async () => {
    const one = await mergeTwice({})
    const two = await mergeTwice(THREADS)
    expect(two.hashes).toEqual(one.hashes)
    expect(two.hashes).toHaveLength(REGIONS.length)
    const counts = ({ lines, rows, rowGroups, files }: MergeReport) => ({ lines, rows, rowGroups, files })
    expect(two.reports.map(counts)).toEqual(one.reports.map(counts))
    expect(two.reports[1]!.lines.applied).toBe(1_500)
  })

  it('takes no more objects into a commit than its budget, though it reads two at a time', async () => {
    for (const options of [{}, THREADS]) {
      const { reports } = await mergeTwice({ ...options, commitBytes: 1 })
      expect(reports.map(({ commits }) => commits.length)).toEqual([3, 3])
    }
  })

  it('writes the same, too, where one commit has its lines where those of the commit before were', async () => {
    const one = await mergeTwice({ commitBytes: 1 })
    const two = await mergeTwice({ ...THREADS, commitBytes: 1 })
    expect(two.hashes).toEqual(one.hashes)
  })

  it('gives them changes that were read in its own thread, as few as they were', async () => {
    const store = memoryStore()
    const table = await createTestTable(spec, environmentOver(store))
    const lines = REGIONS.flatMap((to, region) =>
      Array.from({ length: 500 }, (_, i) => line(spec, { pk: `${region} ${i}`, sequence: i + 1, to })),
    )
    await land(store, [objectOf('few.ndjson', lines)])
    const report = await mergeLanding(table, [LANDING], THREADS)
    expect(report.rows.inserted).toBe(2_000)
  })

  it('gives a profile of each thread that was started', async () => {
    const store = memoryStore()
    const table = await createTestTable(spec, environmentOver(store))
    await land(store, objects(0))
    const profiles = new Map<number, object>()
    await mergeLanding(table, [LANDING], {
      ...THREADS,
      onProfile: (profile, thread) => profiles.set(thread, profile),
    })
    expect([...profiles.keys()]).toEqual([1, 2])
    for (const profile of profiles.values()) expect(profile).toHaveProperty('nodes')
  })

  it('ends with the error of the store that a task met, and goes on where it was the next time', async () => {
    const fault = { kind: 'fail', failure: { kind: 'throttled', cause: new Error('slow down') } } as const
    let isThrottled = true
    const store = memoryStore({
      faults: ({ operation, path }) =>
        isThrottled && operation === 'put' && path.endsWith('.parquet') ? fault : undefined,
    })
    const table = await createTestTable(spec, environmentOver(store))
    await land(store, objects(0))
    const failed = mergeLanding(table, [LANDING], THREADS)
    await expect(failed).rejects.toThrow(TryAgainError)
    await expect(failed).rejects.toThrow(/slow down/)
    isThrottled = false
    const report = await mergeLanding(table, [LANDING], THREADS)
    expect(report.lines.applied).toBe(1_500)
  })

  it('defers the changes of a damaged file, and names it', async () => {
    const store = memoryStore()
    const table = await createTestTable(spec, environmentOver(store))
    await land(store, objects(0))
    await mergeLanding(table, [LANDING], THREADS)
    const [file] = await currentFiles(store)
    const bytes = await readObject(store, file!.path)
    store.plant(file!.path, bytes.fill(0xff, 10, 2_000))
    await land(store, objects(1))
    const report = await mergeLanding(table, [LANDING], THREADS)
    expect(report.exitCode).toBe(21)
    expect(report.damaged.map(({ path }) => path)).toEqual([file!.path])
  })
})

describe('a thread', () => {
  it('that dies fails its task with the cause', async () => {
    const store = memoryStore()
    const refused = Buffer.from('{}\n'.repeat(400_000))
    await store.put('memory://landing/bad', refused, { kind: 'create' })
    const pool = threadPool(store, { threads: 1, resourceLimits: { maxOldGenerationSizeMb: 24 } })
    const [object] = [{ path: 'memory://landing/bad', etag: '', objectBytes: refused.length, modifiedMs: 0 }]
    try {
      await expect(pool.readLanding(object, parseTableDefinition(spec.text))).rejects.toThrow(/memory limit/)
    } finally {
      await pool.close()
    }
  })
})

describe('data on its way to a thread', () => {
  it('takes no neighbours along, and leaves them whole', () => {
    const whole = Uint8Array.from({ length: 100_000 }, (_, i) => i)
    const { value, transferList } = movable({ part: whole.subarray(10_000, 20_000), map: new Map([['x', whole]]) })
    const there = structuredClone(value, { transfer: transferList })
    expect(there.part).toEqual(Uint8Array.from({ length: 10_000 }, (_, i) => i + 10_000))
    expect(there.part.buffer.byteLength).toBe(10_000)
    expect(there.map.get('x')).toHaveLength(100_000)
  })

  it('moves one buffer once, though two views are of it', () => {
    const words = new Uint32Array(5_000).fill(7)
    const { value, transferList } = movable([words, new Uint8Array(words.buffer)])
    const [first, second] = structuredClone(value, { transfer: transferList })
    expect(first).toHaveLength(5_000)
    expect(second).toHaveLength(20_000)
  })

  it('lies in one stretch of shared memory, whatever was there', async () => {
    const value = {
      bytes: Uint8Array.of(1, 2, 3),
      none: null,
      longs: [BigInt64Array.of(-5n, 6n)],
      text: Buffer.from('abc'),
    }
    const there = await shared(value, (bytes) => {
      const memory = new SharedArrayBuffer(bytes + 8)
      return new Uint8Array(memory, 8).fill(0xff)
    })
    expect(there).toEqual({ ...value, text: new Uint8Array(value.text) })
    expect(there.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(new Set([there.bytes.buffer, there.longs[0]!.buffer, there.text.buffer]).size).toBe(1)
  })
})

describe('memory for lines', () => {
  it('is given out once until it is released, and then again', () => {
    const { take, release } = lineMemory()
    const sizes = [1_001, 3, 100 << 20, 5_000, 0]
    const taken = sizes.map((bytes) => take(bytes))
    for (const [i, bytes] of taken.entries()) bytes.fill(i + 1)
    for (const [i, bytes] of taken.entries()) {
      expect(bytes.byteOffset % 8).toBe(0)
      expect(bytes).toHaveLength(sizes[i]!)
      expect(bytes.every((byte) => byte === i + 1)).toBe(true)
    }
    release()
    const again = sizes.map((bytes) => take(bytes))
    expect(again.map(({ buffer }) => buffer)).toEqual(taken.map(({ buffer }) => buffer))
    expect(again[0]![0]).toBe(1)
  })
})

it('keeps the class of an error that says what to do', async () => {
  const { packError, unpackError } = await import('../src/threads/packed-error.ts')
  const cause = new Error('inner')
  for (const error of [new TryAgainError('again', { cause }), new DamagedObjectError('memory://x', 'is broken')]) {
    const there = unpackError(structuredClone(packError(error)))
    expect(there).toBeInstanceOf(error.constructor)
    expect(there.message).toBe(error.message)
    expect((there.cause as Error | undefined)?.message).toBe((error.cause as Error | undefined)?.message)
  }
  expect(unpackError(packError(new DamagedObjectError('memory://x', 'y')))).toMatchObject({ path: 'memory://x' })
})
