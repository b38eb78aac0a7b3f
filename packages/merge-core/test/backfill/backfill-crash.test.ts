import { describe, expect, it } from 'vitest'
import { type BackfillOptions, type BackfillSource, backfillTable, mergeLanding, openTable } from '../../src/index.ts'
import { type Fault, type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { EXPORT_TIME_MS, plantExport } from '../export/planted-export.ts'
import { type HandChange, handTable, line, objectOf, STREAM } from '../hand-changes.ts'
import { rowsById } from '../read-rows.ts'
import { currentFiles, currentMetadata, LOCATION, setProperties } from '../stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectOnlyCreated,
  expectSortedAndDisjoint,
  LANDING,
  land,
  storedRows,
} from '../table-run.ts'
import { exportLines } from './world.ts'

const AT = EXPORT_TIME_MS / 1000
const spec = handTable(['identity(region)'], { row_group_rows: 2 })
const SMALL = { runBytes: 1, rangeBytes: 150 }

const EXPORTED = new Map([
  ['a', { region: 'A', note: 'export' }],
  ['b', { region: 'B', note: 'export' }],
  ['c', { region: 'B', note: 'export' }],
  ['d', { region: 'A', note: 'export' }],
  ['r', { region: 'A', note: 'export' }],
])
/**
 * Of before the export: a lies where it was, b has moved since, c is gone by the stream's word, x is gone and the stream does not say so,
 * r is gone by the stream's word and has come back since, of which the stream says nothing.
 */
const BEFORE: HandChange[] = [
  { pk: 'a', sequence: 1, to: 'A', note: 'old', at: AT - 100 },
  { pk: 'b', sequence: 2, to: 'A', note: 'old', at: AT - 100 },
  { pk: 'x', sequence: 3, to: 'C', note: 'old', at: AT - 100 },
  { pk: 'c', sequence: 4, from: 'B', at: AT + 1 },
  { pk: 'r', sequence: 5, from: 'A', at: AT - 50, stream: STREAM },
]
const OLD_STREAM = '2026-01-01T00:00:00.000'
const PLAIN = ['a A export', 'b B export', 'd A export', 'x C old']
const REPAIRED = ['a A export', 'b B export', 'd A export', 'r A export']

async function start(): Promise<{ store: MemoryStore; prefix: string }> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  const { location } = plantExport(store, exportLines(EXPORTED), { files: 4 })
  const lines = BEFORE.map((change) => line(spec, { stream: change.at! < AT ? OLD_STREAM : STREAM, ...change }))
  await land(store, [objectOf('before.ndjson', lines)])
  await mergeLanding(table, [LANDING])
  return { store, prefix: location }
}

async function run(store: MemoryStore, source: BackfillSource, seed: number, more: BackfillOptions = {}) {
  return backfillTable(await openTable(LOCATION, environmentOver(store, seed)), source, { ...SMALL, ...more })
}

async function rowsOf(store: MemoryStore): Promise<string[]> {
  const files = await storedRows(spec, store)
  expectSortedAndDisjoint(spec, files)
  return [...rowsById(spec, files).values()].map(({ pk, region, note }) => `${pk} ${region} ${note}`).sort()
}

function sourceOf(prefix: string, authoritative = false): BackfillSource {
  return { kind: 'export', prefix, stream: STREAM, authoritative }
}

const UNKNOWN: Fault = { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset before it acted') } }
const faults: readonly { name: string; fault: Fault }[] = [
  { name: 'stopped before the call', fault: { kind: 'crash', when: 'before' } },
  { name: 'stopped after the call acted', fault: { kind: 'crash', when: 'after' } },
  { name: 'told nothing of a call that acted', fault: { kind: 'lose-answer' } },
  { name: 'told nothing of a call that did not act', fault: UNKNOWN },
]

describe.each([
  { name: 'a backfill', authoritative: false, rows: PLAIN },
  { name: 'an authoritative backfill', authoritative: true, rows: REPAIRED },
])('$name', ({ authoritative, rows }) => {
  it.each(faults)(
    'is completed by the next run when it is $name, at every call',
    { timeout: 120_000 },
    async ({ fault }) => {
      const { store: stands, prefix } = await start()
      const source = sourceOf(prefix, authoritative)
      const untouched = stands.clone()
      const { commits } = await run(untouched, source, 2)
      expect(commits.made).toBeGreaterThan(1)
      for (let number = 1; number <= untouched.calls; number++) {
        const place = `call ${number}: ${JSON.stringify(untouched.log[number - 1])}`
        const store = stands.clone()
        store.inject({ number, fault })
        const outcome = await run(store, source, 2).catch((error: Error) => error)
        if (outcome instanceof Error) {
          expect(['SimulatedCrash', 'TryAgainError'], `${place}: ${outcome.stack}`).toContain(outcome.name)
        }
        const left = store.clone()
        const before = JSON.parse((await currentMetadata(left)).properties['lastwrite.backfill'] ?? '{"done":0}').done
        const second = await run(left, source, 4)
        expect(second.commits.before, place).toBe(before)
        expect(await rowsOf(left), place).toEqual(rows)
        expectOnlyCreated(left)
        expect((await currentMetadata(left)).properties, place).not.toHaveProperty('lastwrite.backfill')
      }
    },
  )

  it('is completed by the next run when it is stopped by its signal, before any call', async () => {
    const { store: stands, prefix } = await start()
    const source = sourceOf(prefix, authoritative)
    const untouched = stands.clone()
    const { commits } = await run(untouched, source, 2)
    const said = new Set<string>()
    for (let number = 1; number <= untouched.calls; number++) {
      const place = `call ${number}: ${JSON.stringify(untouched.log[number - 1])}`
      const store = stands.clone()
      const stop = new AbortController()
      store.inject({ number, fault: { kind: 'run', before: () => stop.abort(new Error('stopped by a test')) } })
      const outcome = await run(store, source, 2, { signal: stop.signal }).catch((error: Error) => error)
      if (outcome instanceof Error) {
        expect(outcome.name, `${place}: ${outcome.stack}`).toBe('TryAgainError')
        said.add(outcome.message)
      }
      const left = store.clone()
      const before = JSON.parse((await currentMetadata(left)).properties['lastwrite.backfill'] ?? '{"done":0}').done
      expect((await run(left, source, 4)).commits.before, place).toBe(before)
      expect(await rowsOf(left), place).toEqual(rows)
      expectOnlyCreated(left)
    }
    expect(said).toContain(
      `stopped by a test; 1 of ${commits.total} commits stand, run the same command again and it goes on there`,
    )
  })

  it('takes in what ticks bring between its commits, and just before each of them', async () => {
    const { store, prefix } = await start()
    let ticks = 0
    let isTicking = false
    let attempts = 0
    const tick = async () => {
      // Before the first attempt of each commit: the second one goes through.
      if (isTicking || attempts++ % 2 === 1) return
      isTicking = true
      const changes: HandChange[] = [
        { pk: 'a', sequence: 100 + ticks, from: 'A', to: 'A', note: `tick ${ticks}`, at: AT + 10 },
        { pk: 'n', sequence: 200 + ticks, to: 'B', note: `tick ${ticks}`, at: AT + 10 },
        { pk: 'd', sequence: 300, from: 'A', at: AT + 10 },
      ]
      const name = `tick-${ticks++}.ndjson`
      await land(store, [
        objectOf(
          name,
          changes.map((change) => line(spec, change)),
        ),
      ])
      await mergeLanding(await openTable(LOCATION, environmentOver(store, 1000 + ticks)), [LANDING])
      isTicking = false
    }
    store.inject({ operation: 'put', path: /v\d+\.metadata\.json$/, times: 100, fault: { kind: 'run', before: tick } })
    const { commits } = await run(store, sourceOf(prefix, authoritative), 2)
    expect(commits.total).toBeGreaterThan(1)
    expect(ticks).toBeGreaterThanOrEqual(commits.made)
    const last = `tick ${ticks - 1}`
    const others = authoritative ? ['r A export'] : ['x C old']
    expect(await rowsOf(store)).toEqual([`a A ${last}`, 'b B export', `n B ${last}`, ...others].sort())
  })

  it('is done once by two processes at a time, and changes nothing when it is run again', async () => {
    const { store, prefix } = await start()
    const source = sourceOf(prefix, authoritative)
    await Promise.all([run(store, source, 2), run(store, source, 3)])
    expect(await rowsOf(store)).toEqual(rows)
    const files = await currentFiles(store)
    expect((await run(store, source, 4)).snapshot).toBeNull()
    expect(await currentFiles(store)).toEqual(files)
  })

  it('begins again where its runs and its plan are gone', async () => {
    const { store, prefix } = await start()
    const source = sourceOf(prefix, authoritative)
    store.inject({ operation: 'put', path: /v\d+\.metadata\.json$/, fault: { kind: 'crash', when: 'after' } })
    await expect(run(store, source, 2)).rejects.toThrow()
    const left = store.clone()
    expect((await currentMetadata(left)).properties).toHaveProperty('lastwrite.backfill')
    for (const path of left.snapshot().keys()) if (path.includes('/staging/')) left.uproot(path)
    const { commits } = await run(left, source, 4, { rangeBytes: 1e6 })
    expect(commits.before).toBe(0)
    expect(await rowsOf(left)).toEqual(rows)
  })

  it('comes to the same in threads', async () => {
    const { store, prefix } = await start()
    await run(store, sourceOf(prefix, authoritative), 2, { threads: 2 })
    expect(await rowsOf(store)).toEqual(rows)
  })

  it('leaves late lines of before it without effect where it was authoritative', async () => {
    const { store, prefix } = await start()
    await run(store, sourceOf(prefix, authoritative), 2)
    const late = line(spec, { pk: 'x', sequence: 9, to: 'C', note: 'late', at: AT - 50 })
    await land(store, [objectOf('late.ndjson', [late])])
    const { lines } = await mergeLanding(await openTable(LOCATION, environmentOver(store, 9)), [LANDING])
    expect(lines).toMatchObject(authoritative ? { stale: 1, applied: 0 } : { stale: 0, applied: 1 })
  })
})

describe('an authoritative export without items', () => {
  it('empties the table of what was there before it', async () => {
    const { store } = await start()
    const { location } = plantExport(store, [], { files: 1, at: 'memory://exports/AWSDynamoDB/empty' })
    await run(store, sourceOf(location, true), 2)
    expect(await rowsOf(store)).toEqual([])
  })
})

describe('a backfill is refused', () => {
  it.each<[string, Parameters<typeof plantExport>[2], Partial<BackfillSource>, Record<string, string>, string]>([
    [
      'of another table',
      { changes: { tableArn: 'arn:aws:dynamodb:eu-west-1:123456789012:table/x' } },
      {},
      {},
      'of table x',
    ],
    ['by a label of after it', {}, { stream: '2026-12-01T00:00:00.000' }, {}, 'before stream 2026-12-01'],
    ['by no label', {}, { stream: 'latest' }, {}, 'not of the form'],
    ['at a floor', {}, {}, { 'lastwrite.floor': String(AT) }, 'stands on an authoritative export'],
    ['before a floor', {}, { authoritative: true }, { 'lastwrite.floor': String(AT + 1) }, 'use a later export'],
    ['near a watermark', {}, {}, { 'lastwrite.watermark': String(AT - 3600) }, 'removed items would come back'],
    ['while another is unfinished', {}, {}, { 'lastwrite.backfill': 'exports/7' }, 'the backfill of exports/7 is not'],
  ])('%s', async (_, planted, more, properties, message) => {
    const { store } = await start()
    await setProperties(store, properties)
    const { location } = plantExport(store, exportLines(EXPORTED), {
      ...planted,
      at: 'memory://exports/AWSDynamoDB/other',
    })
    const source = { ...sourceOf(location), ...more } as BackfillSource
    const files = await currentFiles(store)
    await expect(run(store, source, 2)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringContaining(message),
    })
    expect(await currentFiles(store)).toEqual(files)
  })

  it('where an incremental export is to be authoritative', async () => {
    const { store } = await start()
    const changes = {
      exportType: 'INCREMENTAL_EXPORT',
      exportFromTime: '2026-11-24T00:00:00Z',
      exportToTime: '2026-11-24T12:00:00Z',
    }
    const { location } = plantExport(store, [], { changes, at: 'memory://exports/AWSDynamoDB/other' })
    await expect(run(store, sourceOf(location, true), 2)).rejects.toThrow('make a full one')
  })

  it('where a data file is missing, is not the one of the manifest, or holds no items of the table: nothing is committed', async () => {
    const { store, prefix } = await start()
    const { version } = await currentMetadata(store)
    const file = `${prefix}/data/1.json.gz`
    const whole = store.clone()
    store.uproot(file)
    await expect(run(store, sourceOf(prefix), 2)).rejects.toThrow(`${file}: the manifest of the export names it`)
    store.plant(file, Buffer.from('{"Item":{"pk":{"S":"z"}}}\n{"Item":{"pk":{"S":"y"}}}\n'))
    await expect(run(store, sourceOf(prefix), 3)).rejects.toMatchObject({ name: 'DamagedObjectError', path: file })
    const { location } = plantExport(whole, [{ Item: { pk: { S: 'a' } } }, { Item: { pk: { N: '1' } } }], {
      files: 1,
      at: 'memory://exports/AWSDynamoDB/other',
    })
    await expect(run(whole, sourceOf(location), 2)).rejects.toThrow(
      /0\.json\.gz line 2: the item's "pk" is missing, or no value/,
    )
    for (const each of [store, whole]) expect((await currentMetadata(each)).version).toBe(version)
  })
})
