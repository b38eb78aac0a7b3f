import { describe, expect, it } from 'vitest'
import { type MergeOptions, type MergeReport, mergeLanding, openTable, rollbackTable } from '../src/index.ts'
import { DAY, HOUR, type Lake, newLake, START } from './maintain/lake.ts'
import { snapshotIds } from './named-by-table.ts'
import { currentMetadata, LOCATION, ledger, setProperties } from './stored-table.ts'
import { LANDING } from './table-run.ts'

const DENIED = { kind: 'denied', cause: new Error('no') } as const
/** What one request lists. */
const PAGE = 1000

/** Objects with one change each, an equal number in each of the hours that end with the clock's. */
async function landOverHours(lake: Lake, objects: number, hours: number): Promise<void> {
  const endMs = lake.clock.ms
  for (let i = 0; i < objects; i++) {
    lake.clock.ms = endMs - (hours - 1 - Math.floor((i * hours) / objects)) * HOUR
    await lake.land(`object-${i}`, { pk: `k${i}`, sequence: 1, to: 'A' })
  }
  lake.clock.ms = endMs
}

/** A thousand objects that landed four days ago, merged a minute ago. */
async function lakeWithClosedHours(): Promise<Lake> {
  const lake = await newLake()
  await landOverHours(lake, PAGE, 1)
  lake.wait(4 * DAY)
  expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE, openSince: null, merged: PAGE } })
  lake.wait(60_000)
  return lake
}

const merge = async (lake: Lake, options: MergeOptions): Promise<MergeReport> =>
  mergeLanding(await lake.open(), [LANDING], options)

/** Lands an object under the hour that the clock showed so long ago. */
async function landLate(lake: Lake, name: string, agoMs: number): Promise<void> {
  lake.clock.ms -= agoMs
  await lake.land(name, { pk: name, sequence: 1, to: 'A' })
  lake.clock.ms += agoMs
}

const hourFolder = (ms: number) => new Date(ms).toISOString().slice(0, 13).replaceAll(/[-T]/g, '/')

const listsOfLanding = (lake: Lake, from: number) =>
  lake.store.log.slice(from).filter(({ operation, path }) => operation === 'list' && path.startsWith(LANDING)).length

describe('closed hours of the landing area', () => {
  it('are not listed by a run with nothing to do: of 50,000 objects it asks 20 times at most', async () => {
    const lake = await newLake()
    // As many in each hour, for the fourteen days that objects stay.
    const hours = Array.from({ length: 14 * 24 }, (_, i) => hourFolder(START - i * HOUR))
    await landOverHours(lake, 500, 1)
    for (let i = 500; i < 50_000; i++) {
      lake.store.plant(`${LANDING}${hours[i % hours.length]}/${i}`, lake.landed[i % 500]!.bytes)
    }
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: 50_000, merged: 50_000 } })
    lake.wait(60_000)
    const from = lake.store.calls
    const report = await lake.mergeAgain()
    const { listed, openSince } = report.objects
    expect(openSince).toBe('2027/02/08/08')
    expect(report).toMatchObject({ snapshot: null, exitCode: 0, warnings: [], objects: { alreadyMerged: listed } })
    // The store answers a list of any length at once, S3 a thousand objects at a time.
    const pages = Math.ceil(listed / PAGE) - 1
    expect(pages).toBeGreaterThan(4)
    const calls = lake.store.log.slice(from)
    expect(calls.length + pages).toBeLessThanOrEqual(20)
    expect(calls.filter(({ operation }) => operation === 'put' || operation === 'delete')).toEqual([])
  })

  it('are listed once a day, and hold what came late into them', async () => {
    const lake = await lakeWithClosedHours()
    await landLate(lake, 'late', 3 * DAY)
    expect(await lake.mergeAgain()).toMatchObject({
      snapshot: null,
      objects: { listed: 0, openSince: '2027/02/12/08' },
    })
    lake.wait(DAY - 61_000)
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, objects: { listed: 0 } })
    lake.wait(1000)
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE + 1, openSince: null, merged: 1 } })
    expect(await lake.rows()).toEqual(lake.modelRows())
    lake.wait(1000)
    expect(await lake.mergeAgain()).toMatchObject({
      snapshot: null,
      objects: { listed: 0, openSince: '2027/02/13/08' },
    })
  })

  it('are remembered as listed by a run that finds nothing new, which makes no snapshot', async () => {
    const lake = await lakeWithClosedHours()
    const ids = await snapshotIds(lake.store)
    lake.wait(DAY)
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, objects: { listed: PAGE, openSince: null } })
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, objects: { listed: 0 } })
    expect(await snapshotIds(lake.store)).toEqual(ids)
  })

  it('are those that began 49 hours ago: what lands later than that is found at once', async () => {
    const lake = await lakeWithClosedHours()
    await landLate(lake, 'in-time', 48 * HOUR)
    await landLate(lake, 'too-late', 49 * HOUR)
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: 1, merged: 1 } })
    expect(await lake.known()).toContain('in-time')
  })

  it('are listed when they are asked for', async () => {
    const lake = await lakeWithClosedHours()
    await landLate(lake, 'late', 3 * DAY)
    expect(await merge(lake, { allHours: true })).toMatchObject({ objects: { listed: PAGE + 1, merged: 1 } })
  })

  it('are listed each time where there are too few objects in them to save a request', async () => {
    const lake = await newLake()
    await landOverHours(lake, PAGE - 1, 1)
    lake.wait(4 * DAY)
    await lake.mergeAgain()
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE - 1, openSince: null } })
    expect((await currentMetadata(lake.store)).properties).not.toHaveProperty('lastwrite.landing-listed')
  })

  it.each(['1.gz', '2027/02/10/1.gz', '2027-02-10-08/1.gz', '2027/02/10/8/1.gz'])(
    'are none of a prefix that has other names among its hours: %s',
    async (name) => {
      const lake = await newLake()
      await landOverHours(lake, PAGE, 1)
      await landNamed(lake, name)
      lake.wait(4 * DAY)
      await lake.mergeAgain()
      expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE + 1, openSince: null } })
    },
  )

  it('are left out beside names that sort behind all hours, which are listed each time', async () => {
    const lake = await lakeWithClosedHours()
    await landNamed(lake, 'by-hand/1.gz')
    lake.wait(DAY)
    expect(await lake.mergeAgain()).toMatchObject({ objects: { merged: 1 } })
    await landNamed(lake, 'by-hand/2.gz')
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: 2, merged: 1 } })
  })

  it('are those of each prefix by itself', async () => {
    const lake = await lakeWithClosedHours()
    const other = 'memory://landing/others/'
    const from = lake.store.calls
    await lake.store.put(`${other}2027/02/01/00/x.gz`, lake.landed[0]!.bytes, { kind: 'create' })
    const report = await mergeLanding(await lake.open(), [LANDING, other])
    expect(report).toMatchObject({ objects: { listed: 1, merged: 1 } })
    expect(listsOfLanding(lake, from)).toBe(1)
  })

  it('are listed again while an object in them could not be read', async () => {
    const lake = await newLake()
    await landOverHours(lake, PAGE, 1)
    lake.wait(4 * DAY)
    lake.store.inject({ operation: 'get', path: 'object-7', times: 1, fault: { kind: 'fail', failure: DENIED } })
    expect(await lake.mergeAgain()).toMatchObject({ exitCode: 20, objects: { merged: PAGE - 1 } })
    expect(await lake.mergeAgain()).toMatchObject({ exitCode: 0, objects: { listed: PAGE, merged: 1 } })
  })

  it('are listed again after a run that died between its commits', async () => {
    const lake = await newLake()
    await landOverHours(lake, PAGE, 1)
    lake.wait(4 * DAY)
    // The second commit's metadata.
    lake.store.inject({ operation: 'put', path: '/v3.metadata.json', fault: { kind: 'crash', when: 'before' } })
    await expect(merge(lake, { commitBytes: 10_000 })).rejects.toThrow()
    const next = lake.clone()
    expect(await next.mergeAgain()).toMatchObject({ objects: { listed: PAGE, openSince: null } })
    expect(await next.rows()).toEqual(next.modelRows())
  })

  it('are listed again after a rollback', async () => {
    const lake = await newLake()
    await lake.merge('first', { pk: 'a', sequence: 1, to: 'A' })
    const [target] = await snapshotIds(lake.store)
    await landOverHours(lake, PAGE, 1)
    lake.wait(4 * DAY)
    await lake.mergeAgain()
    await rollbackTable(await lake.open(), { to: target!, ledger: 'reapply' })
    expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE + 1, merged: PAGE } })
  })

  it.each([['before it looks again', 'list'] as const, ['before it says so', 'put'] as const])(
    'are listed again where a rollback came while a run ended, %s',
    async (_, operation) => {
      const lake = await newLake()
      await lake.merge('first', { pk: 'a', sequence: 1, to: 'A' })
      const [target] = await snapshotIds(lake.store)
      await landOverHours(lake, PAGE, 1)
      lake.wait(4 * DAY)
      await lake.mergeAgain()
      lake.wait(DAY)
      const rollback = async () => {
        const table = await openTable(LOCATION, { ...(await lake.open()).environment, store: lake.store })
        await rollbackTable(table, { to: target!, ledger: 'reapply' })
      }
      // The run only takes note: it has nothing to merge.
      const path = operation === 'put' ? '/v5.metadata.json' : `${LOCATION}/metadata/v`
      const skip = operation === 'put' ? 0 : 3
      lake.store.inject({ operation, path, skip, fault: { kind: 'run', before: rollback } })
      await lake.mergeAgain()
      expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE + 1, merged: PAGE } })
    },
  )

  it('are listed where the note is of a time to come, or nobody can read it', async () => {
    for (const note of [JSON.stringify({ [LANDING]: START / 1000 + 30 * 86_400 }), '[', 'null', '{"a":"b"}']) {
      const lake = await newLake()
      await landOverHours(lake, PAGE, 1)
      lake.wait(4 * DAY)
      await setProperties(lake.store, { 'lastwrite.landing-listed': note })
      expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: PAGE, openSince: null } })
      expect(await lake.mergeAgain()).toMatchObject({ objects: { listed: 0, openSince: '2027/02/12/08' } })
    }
  })

  it('hold nothing that stays unmerged for longer than a day, whatever lands where and whenever runs are made', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const lake = await lakeWithClosedHours()
      let drawn = seed
      const draw = (below: number) => {
        drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0
        return Math.floor((drawn / 2 ** 32) * below)
      }
      const landedMs = new Map<string, number>()
      for (let step = 0; step < 40; step++) {
        lake.wait(draw(6 * HOUR))
        const name = `late-${step}`
        await landLate(lake, name, draw(5) * draw(30) * HOUR)
        landedMs.set(name, lake.clock.ms)
        if (draw(3) === 0) continue
        await lake.mergeAgain()
        const known = new Set(await lake.known())
        const waiting = [...landedMs].filter(([late, ms]) => !known.has(late) && lake.clock.ms - ms >= DAY)
        expect(waiting, `seed ${seed}, step ${step}`).toEqual([])
      }
      lake.wait(DAY)
      await lake.mergeAgain()
      expect((await ledger(lake.store)).length, `seed ${seed}`).toBe(PAGE + landedMs.size)
    }
  })
})

async function landNamed(lake: Lake, name: string): Promise<void> {
  await lake.land('unused', { pk: name, sequence: 1, to: 'A' })
  const { name: given, bytes } = lake.landed.at(-1)!
  lake.store.uproot(LANDING + given)
  lake.store.plant(LANDING + name, bytes)
}
