import { describe, expect, it } from 'vitest'
import { type MergeReport, mergeLanding, openTable } from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf, type LandedLine, type LandedObject, type TableSpec } from './change-sets.ts'
import { type HandChange, handTable, line, objectOf } from './hand-changes.ts'
import { expectedRows } from './model.ts'
import { rowsById } from './read-rows.ts'
import { currentMetadata, LOCATION, setProperties } from './stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLedger,
  expectLines,
  expectOnlyCreated,
  expectSortedAndDisjoint,
  inOrder,
  land,
  storedRows,
} from './table-run.ts'

const OURS = 'memory://landing/ours/'
const THEIRS = 'memory://landing/theirs/'

const byRegion = handTable(['identity(region)'])
const unpartitioned = handTable([])

interface Race {
  readonly store: MemoryStore
  readonly ours: MergeReport
  readonly theirs: MergeReport
  /** Data files that each run wrote. */
  readonly dataFiles: { readonly ours: number; readonly theirs: number }
}

/**
 * Both runs plan on the snapshot of `before`; theirs is committed right before our commit is written. Then the table must be the
 * model's, whichever run's lines are `ours`.
 */
async function race(
  spec: TableSpec,
  before: readonly LandedLine[],
  ours: readonly LandedLine[],
  theirs: readonly LandedLine[],
  options: { readonly sameObjects?: boolean } = {},
): Promise<Race> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store, 1))
  const objects = {
    before: before.length === 0 ? [] : [objectOf('before.ndjson', before)],
    ours: [objectOf('ours.ndjson', ours)],
    theirs: [objectOf('theirs.ndjson', theirs)],
  }
  await land(store, objects.before, 'memory://landing/before/')
  await mergeLanding(table, ['memory://landing/before/'])
  await land(store, objects.ours, OURS)
  const theirPrefix = options.sameObjects ? OURS : THEIRS
  if (!options.sameObjects) await land(store, objects.theirs, THEIRS)

  let theirReport: MergeReport | undefined
  let theirFiles = 0
  const dataPuts = () =>
    store.log.filter(({ operation, path }) => operation === 'put' && path.includes('/data/')).length
  const before0 = dataPuts()
  store.inject({
    operation: 'put',
    path: /\/metadata\/v\d+\.metadata\.json$/,
    fault: {
      kind: 'run',
      before: async () => {
        const from = dataPuts()
        theirReport = await mergeLanding(await openTable(LOCATION, environmentOver(store, 2)), [theirPrefix])
        theirFiles = dataPuts() - from
      },
    },
  })
  const ourReport = await mergeLanding(table, [OURS])
  if (theirReport === undefined) throw new Error('our run committed nothing')

  const landed: LandedObject[][] = options.sameObjects
    ? [objects.before, objects.ours]
    : [objects.before, objects.theirs, objects.ours]
  const files = await storedRows(spec, store)
  expectSortedAndDisjoint(spec, files)
  expect(inOrder(rowsById(spec, files))).toEqual(inOrder(expectedRows(arrivalsOf(landed))))
  await expectLedger(store, [
    ...objects.before.map(({ name }) => `memory://landing/before/${name}`),
    ...objects.ours.map(({ name }) => OURS + name),
    ...(options.sameObjects ? [] : objects.theirs.map(({ name }) => THEIRS + name)),
  ])
  expectOnlyCreated(store)
  return {
    store,
    ours: ourReport,
    theirs: theirReport,
    dataFiles: { ours: dataPuts() - before0 - theirFiles, theirs: theirFiles },
  }
}

/** The race, and the race with the two runs' lines exchanged. */
async function raceInEitherOrder(
  spec: TableSpec,
  before: readonly HandChange[],
  one: readonly HandChange[],
  other: readonly HandChange[],
): Promise<void> {
  const lines = (changes: readonly HandChange[]) => changes.map((change) => line(spec, change))
  for (const [ours, theirs] of [
    [one, other],
    [other, one],
  ] as const) {
    const { ours: report, theirs: theirReport } = await race(spec, lines(before), lines(ours), lines(theirs))
    expectLines(report, [objectOf('', lines(ours))])
    expectLines(theirReport, [objectOf('', lines(theirs))])
  }
}

describe('two runs planned on one snapshot', () => {
  it('agree that a key stays removed which one removes and the other inserts with an older version', async () => {
    await raceInEitherOrder(
      unpartitioned,
      [],
      [{ pk: 'k', sequence: 20, from: 'A' }],
      [{ pk: 'k', sequence: 10, to: 'A' }],
    )
    await raceInEitherOrder(byRegion, [], [{ pk: 'k', sequence: 20, from: 'A' }], [{ pk: 'k', sequence: 10, to: 'A' }])
    await raceInEitherOrder(
      byRegion,
      [
        { pk: 'a', sequence: 1, to: 'A' },
        { pk: 'z', sequence: 1, to: 'A' },
      ],
      [{ pk: 'k', sequence: 20, from: 'A' }],
      [{ pk: 'k', sequence: 10, to: 'A' }],
    )
  })

  it('agree on a key whose older version goes to another partition than the one it was removed from', async () => {
    await raceInEitherOrder(
      byRegion,
      [],
      [{ pk: 'k', sequence: 20, from: 'B' }],
      [
        { pk: 'k', sequence: 10, to: 'A' },
        { pk: 'k', sequence: 11, from: 'A', to: 'B' },
      ],
    )
    await raceInEitherOrder(
      byRegion,
      [{ pk: 'k', sequence: 10, to: 'A' }],
      [{ pk: 'k', sequence: 20, from: 'A', to: 'B' }],
      [{ pk: 'k', sequence: 15, from: 'A', to: 'A' }],
    )
  })

  it('both keep their rows in a partition whose first file both create', async () => {
    await raceInEitherOrder(
      unpartitioned,
      [],
      [{ pk: 'k', sequence: 10, to: 'A' }],
      [{ pk: 'l', sequence: 10, to: 'A' }],
    )
    await raceInEitherOrder(
      byRegion,
      [],
      [
        { pk: 'k', sequence: 10, to: 'A' },
        { pk: 'm', sequence: 10, to: 'A' },
      ],
      [{ pk: 'l', sequence: 10, to: 'A' }],
    )
  })

  it('both keep their changes of one file', async () => {
    const before = ['a', 'b', 'c', 'd'].map((pk) => ({ pk, sequence: 1, to: 'A' }))
    await raceInEitherOrder(
      unpartitioned,
      before,
      [
        { pk: 'a', sequence: 2, from: 'A', to: 'B' },
        { pk: 'b', sequence: 5, from: 'A', to: 'C' },
      ],
      [
        { pk: 'b', sequence: 3, from: 'A', to: 'B' },
        { pk: 'd', sequence: 3, from: 'A' },
      ],
    )
  })

  it('merge the same objects once', async () => {
    const lines = [
      { pk: 'k', sequence: 10, to: 'A' },
      { pk: 'l', sequence: 10, to: 'B' },
    ].map((change) => line(byRegion, change))
    const { ours, theirs, store } = await race(byRegion, [], lines, lines, { sameObjects: true })
    expect(theirs.lines).toMatchObject({ read: 2, applied: 2 })
    expect(ours).toMatchObject({ exitCode: 0, lines: { applied: 0 } })
    const rows = await mergeLanding(await openTable(LOCATION, environmentOver(store, 3)), [OURS])
    expect(rows.snapshot).toBeNull()
  })

  it('keep what they made where the other touched other partitions: nothing is encoded twice', async () => {
    const before = ['A', 'B'].map((region) => line(byRegion, { pk: `k${region}`, sequence: 1, to: region }))
    const { dataFiles, ours } = await race(
      byRegion,
      before,
      [line(byRegion, { pk: 'kA', sequence: 2, from: 'A', to: 'A' })],
      [line(byRegion, { pk: 'kB', sequence: 2, from: 'B', to: 'B' })],
    )
    expect(dataFiles).toEqual({ ours: 1, theirs: 1 })
    expect(ours.files).toMatchObject({ added: 1, removed: 1 })
  })

  it('fold again where the floor rose in between', async () => {
    const store = memoryStore()
    const table = await createTestTable(unpartitioned, environmentOver(store))
    const start = 1_795_334_400
    const lines = [
      line(unpartitioned, { pk: 'old', sequence: 10, to: 'A', at: start }),
      line(unpartitioned, { pk: 'young', sequence: 10, to: 'A', at: start + 10 }),
    ]
    await land(store, [objectOf('ours.ndjson', lines)], OURS)
    store.inject({
      operation: 'put',
      path: /\/metadata\/v\d+\.metadata\.json$/,
      fault: { kind: 'run', before: () => setProperties(store, { 'lastwrite.floor': String(start + 10) }) },
    })
    const report = await mergeLanding(table, [OURS])
    expect(report.lines).toMatchObject({ read: 2, applied: 1, stale: 1 })
    expect([...rowsById(unpartitioned, await storedRows(unpartitioned, store)).values()]).toMatchObject([
      { pk: 'young' },
    ])
  })

  it('know their own commit whose answer was lost while the other committed on top of it', async () => {
    let step: 'before' | 'lost' | 'after' = 'after'
    let theirs: MergeReport | undefined
    const store = memoryStore({
      faults: ({ operation, path }) => {
        if (step === 'before' && operation === 'put' && /\/v\d+\.metadata\.json$/.test(path)) {
          step = 'lost'
          return { kind: 'lose-answer' }
        }
        if (step !== 'lost') return undefined
        step = 'after'
        const run = async () => {
          theirs = await mergeLanding(await openTable(LOCATION, environmentOver(store, 2)), [THEIRS])
        }
        return { kind: 'run', before: run }
      },
    })
    const table = await createTestTable(unpartitioned, environmentOver(store))
    await land(store, [objectOf('ours.ndjson', [line(unpartitioned, { pk: 'k', sequence: 10, to: 'A' })])], OURS)
    await land(store, [objectOf('theirs.ndjson', [line(unpartitioned, { pk: 'l', sequence: 10, to: 'A' })])], THEIRS)
    step = 'before'
    const ours = await mergeLanding(table, [OURS])
    expect(theirs).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 } })
    expect(ours).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 }, commits: [{ snapshot: ours.snapshot }] })
    const rows = [...rowsById(unpartitioned, await storedRows(unpartitioned, store)).values()]
    expect(rows.map(({ pk }) => pk).sort()).toEqual(['k', 'l'])
  })

  it('gives up with exit 10 where the other is first every time, and loses nothing', async () => {
    const store = memoryStore()
    const table = await createTestTable(unpartitioned, environmentOver(store))
    await land(store, [objectOf('ours.ndjson', [line(unpartitioned, { pk: 'k', sequence: 10, to: 'A' })])], OURS)
    let rounds = 0
    store.inject({
      operation: 'put',
      path: /\/metadata\/v\d+\.metadata\.json$/,
      times: 1000,
      fault: {
        kind: 'run',
        before: async () => {
          const { path, version } = await currentMetadata(store)
          const bytes = store.snapshot().get(path)?.bytes as Uint8Array
          rounds++
          store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, bytes)
        },
      },
    })
    const outcome = await mergeLanding(table, [OURS]).then(
      (report) => report.exitCode as number,
      (error: Error) => error.name,
    )
    expect([10, 'TryAgainError']).toContain(outcome)
    expect(rounds).toBeLessThan(100)
    const later = store.clone()
    const again = await openTable(LOCATION, environmentOver(later, 2))
    await mergeLanding(again, [OURS])
    expect([...rowsById(unpartitioned, await storedRows(unpartitioned, later)).values()]).toMatchObject([{ pk: 'k' }])
  })
})
