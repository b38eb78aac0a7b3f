import { describe, expect, it } from 'vitest'
import { mergeLanding, purgeTable } from '../../src/index.ts'
import { line, objectOf } from '../hand-changes.ts'
import { expectWhole, snapshotIds } from '../named-by-table.ts'
import { currentMetadata, setProperties, storedReport } from '../stored-table.ts'
import { LANDING } from '../table-run.ts'
import { DAY, HOUR, type Lake, newLake, START, watermarkOf } from './lake.ts'

const HORIZON_DAYS = 30
const seconds = (ms: number) => ms / 1000

/** Four keys; b removed at once, c a day later. */
async function lakeWithRemovals(): Promise<Lake> {
  const lake = await newLake()
  await lake.merge('1', ...['a', 'b', 'c'].map((pk) => ({ pk, sequence: 1, to: 'A' })), {
    pk: 'b',
    sequence: 2,
    from: 'A',
  })
  lake.wait(DAY)
  await lake.merge('2', { pk: 'c', sequence: 2, from: 'A' }, { pk: 'a', sequence: 2, from: 'A', to: 'B' })
  return lake
}

const purge = async (lake: Lake, options = {}) => purgeTable(await lake.open(), [LANDING], options)

describe('purge', () => {
  it('forgets removals at and before the horizon, and none after it, and raises the watermark to it', async () => {
    const lake = await lakeWithRemovals()
    lake.clock.ms = START + HORIZON_DAYS * DAY - 1000
    expect(await purge(lake)).toMatchObject({ snapshot: null, tombstones: { purged: 0, kept: 2 }, watermark: null })
    lake.wait(1000)
    const report = await purge(lake)
    expect(report).toMatchObject({ tombstones: { purged: 1, kept: 1 }, upTo: seconds(START), heldBackBy: null })
    expect(await lake.removedKeys()).toEqual(['c'])
    expect(await watermarkOf(lake.store)).toBe(seconds(START))
    expect(await lake.head()).toBe(report.snapshot)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('writes its report beside the table, under the name of its commit', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const report = await purge(lake)
    expect(await storedReport(lake.store)).toMatchObject({
      snapshot: Number(report.snapshot),
      tombstones: { purged: 2 },
    })
  })

  it('leaves data files and manifests as they are', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const from = lake.store.calls
    await purge(lake)
    const written = lake.store.log.slice(from).filter(({ operation }) => operation === 'put')
    expect(written.filter(({ path }) => /\/data\/|-m\d+\.avro$/.test(path))).toEqual([])
    expect(lake.store.log.slice(from).filter(({ operation }) => operation === 'delete')).toEqual([])
  })

  it.each([
    ['in the hour of its name', 40 * DAY, '2027/03/22/08/late', 40 * DAY - 25 * HOUR],
    [
      'in the hour of its name, though it was written a day later',
      40 * DAY,
      '2027/03/21/08/late',
      39 * DAY - 25 * HOUR,
    ],
    ['a day before it was written, where its name has no hour', 40 * DAY + 120_000, 'late', 39 * DAY - 25 * HOUR],
    ['when it was written, whatever later hour its name says', 40 * DAY, '2030/01/01/00/late', 40 * DAY - 25 * HOUR],
  ])('stops 25 hours before the oldest object that is not merged: %s', async (_, written, name, upTo) => {
    const lake = await lakeWithRemovals()
    lake.clock.ms = START + written
    lake.store.plant(LANDING + name, objectOf(name, [line(lake.spec, { pk: 'x', sequence: 9, to: 'A' })]).bytes)
    lake.clock.ms = START + 90 * DAY
    const report = await purge(lake)
    expect(report).toMatchObject({ upTo: seconds(START + upTo), heldBackBy: LANDING + name })
    await mergeLanding(await lake.open(), [LANDING])
    expect(await purge(lake)).toMatchObject({ upTo: seconds(START + 60 * DAY), heldBackBy: null })
  })

  it('never lowers the watermark', async () => {
    const lake = await lakeWithRemovals()
    await setProperties(lake.store, { 'lastwrite.watermark': String(seconds(START + 50 * DAY)) })
    lake.wait(60 * DAY)
    expect(await purge(lake)).toMatchObject({ tombstones: { purged: 2 } })
    expect(await watermarkOf(lake.store)).toBe(seconds(START + 50 * DAY))
  })

  it('keeps the watermark where it is while nothing is forgotten', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(90 * DAY)
    await purge(lake)
    const watermark = await watermarkOf(lake.store)
    const head = await lake.head()
    lake.wait(DAY)
    expect(await purge(lake)).toMatchObject({ snapshot: null, watermark })
    expect(await lake.head()).toBe(head)
  })

  it('keeps late puts of what it forgot out: they go to quarantine', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    await purge(lake)
    const late = { pk: 'b', sequence: 1, to: 'A', at: seconds(START) }
    const report = await lake.merge('late', late)
    expect(report.lines).toMatchObject({ read: 1, quarantined: 1 })
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 2)))
  })

  it('drops ledger entries whose objects are gone, and merges the others no second time', async () => {
    const lake = await lakeWithRemovals()
    const gone = [...lake.store.snapshot().keys()].find((path) => path.startsWith(LANDING) && path.endsWith('/1'))!
    lake.store.uproot(gone)
    const report = await purge(lake)
    expect(report.ledger).toEqual({ dropped: 1, kept: 1 })
    expect(await lake.known()).toEqual(['2'])
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, objects: { alreadyMerged: 1 } })
    await expectWhole(lake.store)
  })

  it('keeps the entry of an object that is gone while its bad lines are kept', async () => {
    const lake = await newLake({ landing_days: 5 })
    lake.store.plant(`${LANDING}bad`, Buffer.from('not json\n'))
    await lake.mergeAgain()
    lake.store.uproot(`${LANDING}bad`)
    lake.wait(5 * DAY - 1)
    expect(await purge(lake)).toMatchObject({ ledger: { dropped: 0, kept: 1 } })
    lake.wait(1)
    expect(await purge(lake)).toMatchObject({ ledger: { dropped: 1, kept: 0 } })
  })

  it('only says what it would do in a dry run', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const before = lake.store.snapshot()
    const said = await purge(lake, { dryRun: true })
    expect(lake.store.snapshot()).toEqual(before)
    const { snapshot, ...done } = await purge(lake)
    expect(snapshot).not.toBeNull()
    expect(said).toEqual({ ...done, snapshot: null, dryRun: true })
    expect(done.tombstones).toEqual({ purged: 2, kept: 0 })
  })

  it('refuses to judge without every landing prefix', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const table = await lake.open()
    await expect(purgeTable(table, [])).rejects.toThrow(/landing prefix/)
    await expect(purgeTable(table, ['memory://landing/other/'])).rejects.toThrow(
      /memory:\/\/landing\/orders\/.*none of/,
    )
    expect(await lake.removedKeys()).toEqual(['b', 'c'])
  })

  it('keeps the floor', async () => {
    const lake = await lakeWithRemovals()
    await setProperties(lake.store, { 'lastwrite.floor': '1795334400' })
    lake.wait(60 * DAY)
    await purge(lake)
    expect((await currentMetadata(lake.store)).properties['lastwrite.floor']).toBe('1795334400')
  })

  it('conflicts with a merge that commits right before it, and is made again on top of it', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    await lake.land('late', { pk: 'a', sequence: 50, from: 'B' }, { pk: 'd', sequence: 50, to: 'A' })
    const table = await lake.open()
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: { kind: 'run', before: async () => void (await lake.mergeAgain()) },
    })
    const report = await purgeTable(table, [LANDING])
    expect(report.tombstones).toEqual({ purged: 2, kept: 1 })
    expect(await lake.removedKeys()).toEqual(['a'])
    expect(await lake.known()).toEqual(['1', '2', 'late'])
    expect(await lake.rows()).toEqual(lake.modelRows())
    expect(await snapshotIds(lake.store)).toHaveLength(4)
    await expectWhole(lake.store)
  })

  it('makes a merge conflict that it commits right before: what is below the watermark is kept out', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const table = await lake.open()
    await lake.land('late', { pk: 'b', sequence: 1, to: 'A', at: seconds(START) }, { pk: 'd', sequence: 50, to: 'A' })
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: {
        kind: 'run',
        before: async () => {
          await purge(lake)
        },
      },
    })
    const report = await mergeLanding(table, [LANDING])
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 2, applied: 1, quarantined: 1 } })
    expect((await lake.rows()).map(([, { pk }]) => pk)).toEqual(['a', 'd'])
  })

  it('is made once where the answer to its commit is lost', async () => {
    const lake = await lakeWithRemovals()
    lake.wait(60 * DAY)
    const table = await lake.open()
    lake.store.inject({ operation: 'put', path: /\/v\d+\.metadata\.json$/, fault: { kind: 'lose-answer' } })
    // The reads that would tell at once fail too.
    lake.store.inject({
      operation: 'list',
      path: '/metadata/v',
      skip: 2,
      fault: { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset') } },
    })
    const report = await purgeTable(table, [LANDING])
    expect(report.tombstones).toEqual({ purged: 2, kept: 0 })
    expect(await lake.head()).toBe(report.snapshot)
    expect(await snapshotIds(lake.store)).toHaveLength(3)
  })
})
