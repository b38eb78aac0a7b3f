import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeLanding, mergeShard, openTable } from '../../src/index.ts'
import { type Fault, type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { arrivalsOf, changeSet, type LandedObject, type TableSpec } from '../change-sets.ts'
import { handTable, line, objectOf } from '../hand-changes.ts'
import { rowsOf } from '../merge-scenarios.ts'
import { expectedRows } from '../model.ts'
import { snapshotIds } from '../named-by-table.ts'
import { currentFiles, LOCATION } from '../stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLedger,
  expectOnlyCreated,
  inOrder,
  LANDING,
  land,
} from '../table-run.ts'
import { commit, merge, plan } from './shard-runs.ts'

const SHARDS = 3
const spec = handTable(['identity(region)'], { row_group_rows: 2 })
const before = [
  objectOf('0.ndjson', [
    ...['a', 'b', 'c'].map((pk) => line(spec, { pk, sequence: 1, to: 'A' })),
    ...['d', 'e'].map((pk) => line(spec, { pk, sequence: 1, to: 'B' })),
    ...['h', 'i'].map((pk) => line(spec, { pk, sequence: 1, to: 'C' })),
  ]),
]
const landed = [
  objectOf('1.ndjson', [
    line(spec, { pk: 'a', sequence: 20, from: 'A', to: 'A' }),
    line(spec, { pk: 'b', sequence: 20, from: 'A', to: 'B' }),
    line(spec, { pk: 'gone', sequence: 20, from: 'A' }),
  ]),
  objectOf('2.ndjson', [
    line(spec, { pk: 'd', sequence: 20, from: 'B' }),
    line(spec, { pk: 'f', sequence: 20, to: 'C' }),
    line(spec, { pk: 'gone', sequence: 10, to: 'A' }),
  ]),
]

/** A store where `before` is merged and `landed` has landed. */
async function start(): Promise<MemoryStore> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  await land(store, before)
  await mergeLanding(table, [LANDING])
  await land(store, landed)
  return store
}

async function expectMerged(of: TableSpec, store: MemoryStore, commits: readonly (readonly LandedObject[])[]) {
  expect(await rowsOf(of, store)).toEqual(inOrder(expectedRows(arrivalsOf(commits))))
  const paths = commits.flat().map(({ name }) => LANDING + name)
  await expectLedger(store, paths)
  expectOnlyCreated(store)
}

describe('a plan and its shards', () => {
  it('leave the table of the model in one snapshot a plan, for any changes and shards in any order, each twice', async () => {
    const property = fc.asyncProperty(fc.gen(), fc.integer({ min: 1, max: 5 }), fc.nat(), async (g, shards, order) => {
      const { table: of, merges } = changeSet(g)
      const store = memoryStore()
      await createTestTable(of, environmentOver(store))
      for (const [number, objects] of merges.entries()) {
        await land(store, objects)
        const seed = 100 * (number + 1)
        const snapshots = (await snapshotIds(store)).length
        const planned = await plan(store, shards, seed)
        if (planned === null) continue
        const indices = [...planned.shards.keys(), ...planned.shards.keys()]
        for (const [turn, index] of indices.entries())
          await merge(store, planned.path, (index + order) % planned.shards.length, seed + 1 + turn)
        expect((await snapshotIds(store)).length).toBe(snapshots + 1)
        await expectMerged(of, store, merges.slice(0, number + 1))
      }
      expect(await plan(store, shards, 7)).toBeNull()
    })
    await fc.assert(property, { numRuns: 60, endOnFailure: true })
  })

  it('take the results of shards at the commit: nothing is encoded twice, and no file is left over', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    expect(planned.shards.length).toBe(SHARDS)
    const reports = []
    for (const index of planned.shards.keys()) reports.push(await merge(store, planned.path, index, 20 + index))
    const puts = store.log.filter(({ operation, path }) => operation === 'put' && path.startsWith(`${LOCATION}/data/`))
    const files = (await currentFiles(store)).map(({ path }) => path)
    // `before` has three files, each of which was replaced.
    expect(puts.length - 3).toBe(files.length)
    expect(reports.map(({ commit }) => commit === null)).toEqual([true, true, false])
    expect(reports.at(-1)!.commit).toMatchObject({ exitCode: 0, lines: { read: 6, applied: 5, superseded: 1 } })
  })

  it('are nothing where nothing has landed, and one shard without tasks where only tombstones are left', async () => {
    const store = await start()
    const first = (await plan(store, 1, 10))!
    await merge(store, first.path, 0, 11)
    expect(await plan(store, SHARDS, 12)).toBeNull()
    const removal = objectOf('3.ndjson', [line(spec, { pk: 'never', sequence: 30, from: 'D' })])
    await land(store, [removal])
    const planned = (await plan(store, SHARDS, 13))!
    expect(planned.shards.map(({ tasks }) => tasks.length)).toEqual([0])
    expect((await merge(store, planned.path, 0, 14)).commit).toMatchObject({ lines: { applied: 1 } })
    await expectMerged(spec, store, [before, landed, [removal]])
  })

  it('leave the commit to another process where they may not commit, and take no memory for it then', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    const table = await openTable(LOCATION, environmentOver(store, 20))
    const snapshots = await snapshotIds(store)
    const memoryBytes = planned.memoryBytes / 2
    for (const shard of planned.shards.keys())
      expect(await mergeShard(table, planned, shard, { commits: false, memoryBytes })).toMatchObject({
        isMerged: true,
        commit: null,
        exitCode: 0,
      })
    expect(await snapshotIds(store)).toEqual(snapshots)
    const anHourLater = 3_600_000
    // What it commits is unmerged no more.
    expect(await commit(store, planned.path, anHourLater)).toMatchObject({
      files: { added: SHARDS },
      objects: { merged: 2, oldestUnmergedS: 0 },
    })
    await expectMerged(spec, store, [before, landed])
  })

  it('have nothing to do in a child beyond the shards', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    expect(await merge(store, planned.path, SHARDS, 11)).toMatchObject({ exitCode: 0, isMerged: false, commit: null })
  })
})

describe('a commit of a plan', () => {
  it('is refused by the name of a shard that has no result', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    await merge(store, planned.path, 0, 11)
    await merge(store, planned.path, 2, 12)
    await expect(commit(store, planned.path, 13)).rejects.toMatchObject({
      name: 'TryAgainError',
      message: expect.stringMatching(/shard 1 of 3 has no result; run "lastwrite merge --shard .* --index 1"/),
    })
  })

  it('is refused where the plan is older than its files may be, and where the process may take less memory', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    await expect(commit(store, planned.path, 10 + 13 * 3_600_000)).rejects.toThrow(/over 12 hours ago.*plan again/)
    const table = await openTable(LOCATION, environmentOver(store, 11))
    await expect(mergeShard(table, planned, 0, { memoryBytes: 1024 ** 2 })).rejects.toThrow(/raise --memory/)
  })

  const others: readonly [string, LandedObject[], (store: MemoryStore) => Promise<unknown>][] = [
    ['a merge of the same objects', [], (store) => mergeOf(store, LANDING)],
    ['a merge of one of the objects', [], (store) => mergeOf(store, `${LANDING}1.`)],
    [
      'a merge of other changes of the same keys',
      [
        objectOf('3.ndjson', [
          line(spec, { pk: 'a', sequence: 15, from: 'A', to: 'A' }),
          line(spec, { pk: 'g', sequence: 9, to: 'A' }),
        ]),
      ],
      (store) => mergeOf(store, `${LANDING}3.`),
    ],
    [
      'a removal that beats a put of the plan',
      [objectOf('3.ndjson', [line(spec, { pk: 'f', sequence: 25, from: 'C' })])],
      (store) => mergeOf(store, `${LANDING}3.`),
    ],
  ]
  async function mergeOf(store: MemoryStore, prefix: string) {
    const report = await mergeLanding(await openTable(LOCATION, environmentOver(store, 50)), [prefix])
    expect(report.commits.length).toBe(1)
  }

  it.each(others)('comes right after %s, before the shards or after them', async (_, more, other) => {
    for (const when of ['before', 'after']) {
      const store = await start()
      const planned = (await plan(store, SHARDS, 10))!
      await land(store, more)
      if (when === 'before') await other(store)
      for (const index of [0, 1]) await merge(store, planned.path, index, 20 + index)
      if (when === 'after') await other(store)
      expect(await merge(store, planned.path, 2, 22)).toMatchObject({ exitCode: 0 })
      await expectMerged(spec, store, [before, more, landed])
      const snapshots = await snapshotIds(store)
      expect(await commit(store, planned.path, 30)).toMatchObject({ exitCode: 0, snapshot: null })
      expect(await snapshotIds(store)).toEqual(snapshots)
    }
  })

  it('defers the keys of a data file that a shard found damaged, and merges the others', async () => {
    const store = await start()
    const planned = (await plan(store, SHARDS, 10))!
    const [damaged] = (await currentFiles(store)).filter(({ partition }) => partition[0] === 'B')
    const whole = store.snapshot().get(damaged!.path)!.bytes
    store.plant(damaged!.path, whole.slice(0, whole.length - 3))
    const reports = []
    for (const index of planned.shards.keys()) reports.push(await merge(store, planned.path, index, 20 + index))
    expect(reports.flatMap((report) => report.damaged.map(({ path }) => path))).toEqual([damaged!.path])
    const reads = store.log.length
    expect(reports.at(-1)!.commit).toMatchObject({ exitCode: 21, damaged: [{ path: damaged!.path }] })
    expect(store.log.slice(reads).filter(({ path }) => path === damaged!.path)).toEqual([])
    store.plant(damaged!.path, whole)
    await mergeLanding(await openTable(LOCATION, environmentOver(store, 60)), [LANDING])
    expect(await rowsOf(spec, store)).toEqual(inOrder(expectedRows(arrivalsOf([before, landed]))))
  })
})

const faults: readonly [string, (call: number) => Fault][] = [
  ['stopped before the call', () => ({ kind: 'crash', when: 'before' })],
  ['stopped after the call acted', () => ({ kind: 'crash', when: 'after' })],
  ['told nothing of a call that acted', () => ({ kind: 'lose-answer' })],
]

/** The last step, its fault at each of its calls in turn; then what a scheduler does: the same again until it ends well. */
async function atEveryCall(
  prepare: () => Promise<MemoryStore>,
  step: (store: MemoryStore, seed: number) => Promise<unknown>,
  faultOf: (call: number) => Fault,
  check: (store: MemoryStore) => Promise<void>,
) {
  const stands = await prepare()
  const untouched = stands.clone()
  await step(untouched, 40)
  expect(untouched.calls).toBeGreaterThan(5)
  for (let number = 1; number <= untouched.calls; number++) {
    const store = stands.clone()
    store.inject({ number, fault: faultOf(number) })
    const outcome = await step(store, 40).catch((error: Error) => error)
    const place = `call ${number}: ${JSON.stringify(untouched.log[number - 1])}`
    if (outcome instanceof Error)
      expect(['SimulatedCrash', 'TryAgainError'], `${place}: ${outcome.stack}`).toContain(outcome.name)
    const left = store.clone()
    await step(left, 41)
    await check(left)
  }
}

describe.each(faults)('a process that is %s, at every call, and started again', (_, faultOf) => {
  const snapshotsAfter = async (store: MemoryStore) => {
    expect(await rowsOf(spec, store)).toEqual(inOrder(expectedRows(arrivalsOf([before, landed]))))
    expect(await snapshotIds(store)).toHaveLength(2)
  }

  it('plans, and its plan serves', async () => {
    const step = (store: MemoryStore, seed: number) => plan(store, SHARDS, seed)
    await atEveryCall(start, step, faultOf, async (store) => {
      const planned = (await plan(store, SHARDS, 42))!
      for (const index of planned.shards.keys()) await merge(store, planned.path, index, 50 + index)
      await snapshotsAfter(store)
    })
  })

  it('merges the last shard and commits: one snapshot', async () => {
    const prepare = async () => {
      const store = await start()
      const planned = (await plan(store, SHARDS, 10))!
      for (const index of [0, 1]) await merge(store, planned.path, index, 20 + index)
      return store
    }
    await atEveryCall(prepare, (store, seed) => merge(store, planPath(store), 2, seed), faultOf, snapshotsAfter)
  })
})

function planPath(store: MemoryStore): string {
  return [...store.snapshot().keys()].find((path) => path.endsWith('/plan.json'))!
}
