import { describe, expect, it } from 'vitest'
import { cleanTable, expireSnapshots, mergeLanding, purgeTable, rollbackTable, type Table } from '../../src/index.ts'
import { SimulatedCrash } from '../../src/store/memory.ts'
import { expectWhole, namedByTable } from '../named-by-table.ts'
import { currentMetadata, LOCATION, setProperties } from '../stored-table.ts'
import { LANDING } from '../table-run.ts'
import { commitForeign, DAY, expireWithoutFiles, HOUR, type Lake, newLake } from './lake.ts'

const HINT = `${LOCATION}/metadata/version-hint.text`

/** Everything below the table's location and its state folder that nothing names, but for reports: a commit has one without naming it. */
async function leftovers(lake: Lake): Promise<string[]> {
  const { paths, stateFolder } = await namedByTable(lake.store)
  const all = [...lake.store.snapshot().keys()]
  const own = all.filter((path) => path.startsWith(`${LOCATION}/`) || path.startsWith(`${stateFolder}/`))
  return own.filter((path) => !paths.has(path) && path !== HINT && !path.includes('/reports/'))
}

const clean = async (lake: Lake, options = {}) => cleanTable(await lake.open(), options)

/** A table with a row, a removal, bad lines, a broken object and a run that was killed right before its commit. */
async function lakeWithLeftovers(): Promise<Lake> {
  const lake = await newLake({ landing_days: 5 })
  await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'x', sequence: 5, from: 'A' })
  lake.store.plant(`${LANDING}bad`, Buffer.from('not json\n'))
  lake.store.plant(`${LANDING}broken`, Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]))
  await lake.mergeAgain()
  lake.wait(HOUR)
  await lake.land('2', { pk: 'b', sequence: 1, to: 'A' }, { pk: 'a', sequence: 2, from: 'A' })
  lake.store.plant(`${LANDING}worse`, Buffer.from('not json either\n'))
  lake.store.inject({ operation: 'put', path: /\/v\d+\.metadata\.json$/, fault: { kind: 'crash', when: 'before' } })
  await expect(lake.mergeAgain()).rejects.toThrow(SimulatedCrash)
  return lake.clone()
}

describe('clean', () => {
  it('deletes what a killed run left, once it is a day old, and nothing else', async () => {
    const lake = await lakeWithLeftovers()
    const left = await leftovers(lake)
    const quarantine = left.filter((path) => path.includes('/quarantine/'))
    expect(left.filter((path) => path.includes('/data/'))).toHaveLength(1)
    expect(quarantine).toHaveLength(1)
    lake.wait(DAY)
    const before = lake.store.snapshot()
    expect((await clean(lake)).paths).toEqual([])
    expect(lake.store.snapshot()).toEqual(before)
    lake.wait(1)
    const report = await clean(lake)
    const gone = [...before.keys()].filter((path) => !lake.store.snapshot().has(path))
    expect(report.paths.toSorted()).toEqual(gone.toSorted())
    expect(gone.toSorted()).toEqual(left.filter((path) => !quarantine.includes(path)).toSorted())
    await expectWhole(lake.store)
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('keeps bad lines that nothing names as long as landing objects are kept', async () => {
    const lake = await lakeWithLeftovers()
    const quarantine = (await leftovers(lake)).filter((path) => path.includes('/quarantine/'))
    lake.wait(5 * DAY)
    await clean(lake)
    expect(await leftovers(lake)).toEqual(expect.arrayContaining(quarantine))
    lake.wait(1)
    await clean(lake)
    expect((await leftovers(lake)).filter((path) => path.includes('/quarantine/'))).toEqual([])
    await expectWhole(lake.store)
  })

  it('keeps the reports of kept snapshots, and no others', async () => {
    const lake = await newLake()
    const reports = () => [...lake.store.snapshot().keys()].filter((path) => path.includes('/reports/'))
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    lake.wait(HOUR)
    await lake.merge('2', { pk: 'a', sequence: 2, to: 'A' })
    const second = reports().filter((path) => lake.store.snapshot().get(path)!.modifiedMs === lake.clock.ms)
    lake.wait(3 * DAY)
    await clean(lake)
    expect(reports()).toHaveLength(2)
    await expireSnapshots(await lake.open())
    await clean(lake)
    expect(reports()).toEqual(second)
  })

  it('takes what an expire left behind that was killed after its commit', async () => {
    const lake = await newLake()
    for (let i = 0; i < 4; i++) {
      await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' }, { pk: `x${i}`, sequence: 5, from: 'A' })
      lake.wait(HOUR)
    }
    lake.wait(3 * DAY)
    lake.store.inject({ operation: 'delete', fault: { kind: 'crash', when: 'before' } })
    await expect(lake.open().then((table) => expireSnapshots(table))).rejects.toThrow(SimulatedCrash)
    const later = lake.clone()
    expect((await leftovers(later)).filter((path) => path.includes('/data/'))).toHaveLength(3)
    await clean(later)
    // The commit of the expire is young, but what it let go was out of use before.
    expect((await leftovers(later)).filter((path) => !path.endsWith('.metadata.json'))).toEqual([])
    await expectWhole(later.store)
  })

  it('does not miss what an expire deleted a moment before, by a clock that runs behind the store', async () => {
    const lake = await newLake({ keep_snapshots_hours: 1 }, { storeAheadMs: 5000 })
    const orphan = `${LOCATION}/data/orphan.parquet`
    lake.store.plant(orphan, Buffer.from('orphan'))
    for (let i = 0; i < 3; i++) {
      await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' })
      lake.wait(HOUR)
    }
    lake.wait(23 * HOUR)
    expect((await expireSnapshots(await lake.open())).deleted).toMatchObject({ data: { files: 2 } })
    lake.wait(2000)
    expect((await clean(lake)).paths).toContain(orphan)
    await expectWhole(lake.store)
  })

  it('deletes metadata that fell off the log, and keeps what the log names', async () => {
    const lake = await newLake()
    const { text, version } = await currentMetadata(lake.store)
    const short = text.replace('"properties":{', '"properties":{"write.metadata.previous-versions-max":"2",')
    lake.store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(short))
    for (let i = 0; i < 5; i++) {
      await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' })
      lake.wait(HOUR)
    }
    const versions = () =>
      [...lake.store.snapshot().keys()].flatMap((path) => /\/v(\d+)\.metadata\.json$/.exec(path)?.[1] ?? []).sort()
    const crc = `${LOCATION}/metadata/.v1.metadata.json.crc`
    lake.store.plant(crc, Buffer.from('crc'))
    expect(versions()).toEqual(['1', '2', '3', '4', '5', '6', '7'])
    lake.wait(DAY - 3 * HOUR)
    await clean(lake)
    // v5 was current when the grace began.
    expect(versions()).toEqual(['4', '5', '6', '7'])
    lake.wait(2 * DAY)
    await clean(lake)
    expect(versions()).toEqual(['5', '6', '7'])
    expect(lake.store.snapshot().has(crc)).toBe(false)
    expect(lake.store.snapshot().has(HINT)).toBe(true)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('keeps the sorted runs of an unfinished backfill, and takes those of others', async () => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const folder = (await currentMetadata(lake.store)).properties['lastwrite.state']
    const [own, other] = ['5eed', '0dd5'].map((id) => `${folder}/staging/backfill-${id}/runs/1.parquet`)
    for (const path of [own!, other!]) lake.store.plant(path, Buffer.from('run'))
    await setProperties(lake.store, {
      'lastwrite.backfill': JSON.stringify({ name: 'x', id: '5eed', done: 1, total: 2 }),
    })
    lake.wait(10 * DAY)
    await clean(lake)
    expect(lake.store.snapshot().has(own!)).toBe(true)
    expect(lake.store.snapshot().has(other!)).toBe(false)
  })

  it('keeps files of snapshots that another engine removed while queries may read them', async () => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const [old] = [...lake.store.snapshot().keys()].filter((path) => path.includes('/data/'))
    lake.wait(10 * DAY)
    for (let i = 2; i < 12; i++) {
      await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' })
      lake.wait(HOUR)
    }
    // Removed without the files, at once and long ago in the row of versions.
    await expireWithoutFiles(lake)
    for (let i = 12; i < 16; i++) await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' })
    const removedDay = await leftovers(lake)
    expect(removedDay).toContain(old)
    await clean(lake)
    expect(await leftovers(lake)).toContain(old)
    // The one that replaced it was made ten hours before the removal.
    lake.wait(14 * HOUR)
    await clean(lake)
    expect(await leftovers(lake)).toContain(old)
    lake.wait(1)
    await clean(lake)
    expect(await leftovers(lake)).not.toContain(old)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('keeps old files that were in use within the day by a snapshot which came and went in it', async () => {
    const lake = await newLake({ keep_snapshots_hours: 100 })
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const first = await lake.head()
    const [old] = [...lake.store.snapshot().keys()].filter((path) => path.includes('/data/'))
    lake.wait(HOUR)
    await lake.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'A' })
    const second = await lake.head()
    lake.wait(50 * HOUR)
    await rollbackTable(await lake.open(), { to: first, ledger: 'skip' })
    lake.wait(2 * HOUR)
    await rollbackTable(await lake.open(), { to: second, ledger: 'skip' })
    await expireWithoutFiles(lake)
    for (const wait of [HOUR, 23 * HOUR - 1]) {
      lake.wait(wait)
      await clean(lake)
      expect(lake.store.snapshot().has(old!)).toBe(true)
    }
    lake.wait(2)
    await clean(lake)
    expect(lake.store.snapshot().has(old!)).toBe(false)
    await expectWhole(lake.store)
  })

  it('keeps the state of a table that another engine alone has snapshots of', async () => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'x', sequence: 5, from: 'A' })
    lake.wait(HOUR)
    await commitForeign(lake, [], [])
    await expireWithoutFiles(lake)
    lake.wait(9 * DAY)
    await commitForeign(lake, [], [])
    lake.wait(9 * DAY)
    await expireSnapshots(await lake.open())
    await clean(lake)
    await expectWhole(lake.store)
    expect(await lake.removedKeys()).toEqual(['x'])
    expect(await lake.known()).toEqual(['1'])
    expect((await leftovers(lake)).filter((path) => !path.endsWith('.metadata.json'))).toEqual([])
  })

  it('reads few of the metadata files of a day', async () => {
    const lake = await newLake()
    for (let i = 0; i < 40; i++) {
      await lake.merge(`${i}`, { pk: 'a', sequence: i, to: 'A' })
      lake.wait(HOUR / 2)
    }
    lake.store.plant(`${LOCATION}/data/orphan.parquet`, Buffer.from('orphan'))
    lake.wait(DAY + 1)
    await lake.merge('last', { pk: 'a', sequence: 99, to: 'A' })
    const from = lake.store.calls
    expect((await clean(lake)).paths).toContain(`${LOCATION}/data/orphan.parquet`)
    const read = lake.store.log
      .slice(from)
      .filter(({ operation, path }) => operation === 'get' && /v\d+\.meta/.test(path))
    expect(read.length).toBeLessThan(6)
  })

  it('looks at nothing outside of its folders', async () => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const { stateFolder } = await namedByTable(lake.store)
    const others = [
      'memory://lake/orders-2/data/a.parquet',
      'memory://lake/other/data/a.parquet',
      `${LOCATION}/notes.txt`,
      `${stateFolder}/probe.json`,
      `${stateFolder}2/tombstones/a.parquet`,
      `${LANDING}unmerged`,
    ]
    for (const path of others) lake.store.plant(path, Buffer.from('of somebody'))
    lake.wait(90 * DAY)
    await clean(lake)
    for (const path of others) expect(lake.store.snapshot().has(path), path).toBe(true)
  })

  it('keeps what a rollback brought back', async () => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'x', sequence: 5, from: 'A' })
    const first = await lake.head()
    lake.wait(HOUR)
    await lake.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'B' })
    lake.wait(HOUR)
    await rollbackTable(await lake.open(), { to: first, ledger: 'skip' })
    lake.wait(10 * DAY)
    await expireSnapshots(await lake.open())
    await clean(lake)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 1)))
    expect(await lake.removedKeys()).toEqual(['x'])
    expect((await leftovers(lake)).filter((path) => !path.endsWith('.metadata.json'))).toEqual([])
  })

  it('deletes nothing where it cannot tell what is named', async () => {
    const lake = await lakeWithLeftovers()
    lake.wait(2 * DAY)
    const manifest = [...(await namedByTable(lake.store)).paths].find((path) => /-m\d+\.avro$/.test(path))!
    lake.store.plant(manifest, Buffer.from('damaged'))
    const before = lake.store.snapshot()
    await expect(clean(lake)).rejects.toMatchObject({ name: 'DamagedObjectError' })
    expect(lake.store.snapshot()).toEqual(before)
  })

  it('lists what it would delete in a dry run, and deletes nothing', async () => {
    const lake = await lakeWithLeftovers()
    lake.wait(10 * DAY)
    const before = lake.store.snapshot()
    const said = await clean(lake, { dryRun: true })
    expect(lake.store.snapshot()).toEqual(before)
    expect(said.paths.length).toBeGreaterThan(3)
    expect(await clean(lake)).toEqual({ ...said, dryRun: false })
    expect(await leftovers(lake)).toEqual([])
  })

  it('leaves alone what was committed right before it listed, even by a clock that runs days ahead', async () => {
    const lake = await newLake({}, { storeAheadMs: -3 * DAY })
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    await lake.land('2', { pk: 'b', sequence: 1, to: 'A' })
    const table = await lake.open()
    lake.store.inject({
      operation: 'list',
      path: `${LOCATION}/data/`,
      fault: { kind: 'run', before: async () => void (await lake.mergeAgain()) },
    })
    await cleanTable(table)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('leaves a run alone that commits while it looks', async () => {
    const lake = await lakeWithLeftovers()
    lake.wait(10 * DAY)
    const table = await lake.open()
    const count = (await cleanCalls(lake.clone())).length
    for (let skip = 0; skip < count; skip++) {
      const racing = lake.clone()
      const cleaning = await racing.open()
      racing.store.inject({
        skip,
        fault: { kind: 'run', before: async () => void (await mergeLanding(await racing.open(), [LANDING])) },
      })
      await cleanTable(cleaning)
      await racing.mergeAgain()
      await expectWhole(racing.store, `a merge before call ${skip}`)
      expect(await racing.rows()).toEqual(racing.modelRows())
    }
    expect(table.location).toBe(LOCATION)
  })

  it('takes nothing from under a run, a purge or a rollback that slept for days, before whichever call', async () => {
    const merged = await newLake()
    await merged.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const first = await merged.head()
    await merged.merge('2', { pk: 'x', sequence: 2, from: 'A' }, { pk: 'y', sequence: 2, from: 'A' })
    merged.wait(40 * DAY)
    const landed = merged.clone()
    await landed.land('3', { pk: 'b', sequence: 1, to: 'A' }, { pk: 'a', sequence: 2, from: 'A' })
    await expectSleepAnywhere(landed, (table) => mergeLanding(table, [LANDING]))
    await expectSleepAnywhere(merged, (table) => purgeTable(table, [LANDING]))
    await expectSleepAnywhere(merged, (table) => rollbackTable(table, { to: first, ledger: 'skip' }))
  })

  it('takes what a probe left behind that was killed', async () => {
    const lake = await newLake()
    const { stateFolder } = await namedByTable(lake.store)
    lake.store.plant(`${stateFolder}/probe/1/create`, Buffer.from('1'))
    lake.wait(DAY + 1)
    expect((await clean(lake)).paths).toEqual([`${stateFolder}/probe/1/create`])
  })
})

/** Whatever sleeps before one of its calls, while `clean` runs and its files grow old, ends in a whole table. */
async function expectSleepAnywhere(lake: Lake, run: (table: Table) => Promise<unknown>): Promise<void> {
  const awake = lake.clone()
  const table = await awake.open()
  const from = awake.store.calls
  await run(table)
  const calls = awake.store.log.slice(from)
  // The commit lists versions and creates the next one: we look at the clock right before.
  const commit = calls.findIndex(({ operation, path }) => operation === 'put' && /\/v\d+\.metadata\.json$/.test(path))
  expect(commit).toBeGreaterThan(5)
  for (let skip = 0; skip < commit - 1; skip++) {
    const slept = lake.clone()
    const before = slept.clock.ms
    const sleeper = await slept.open()
    const sleep = async () => {
      slept.wait(3 * DAY)
      await clean(slept)
    }
    slept.store.inject({ skip, fault: { kind: 'run', before: sleep } })
    await run(sleeper).catch((error: Error) => expect(error.name).toBe('TryAgainError'))
    await expectWhole(slept.store, `asleep before ${JSON.stringify(calls[skip])}`)
    slept.clock.ms = before
  }
}

async function cleanCalls(lake: Lake) {
  const table = await lake.open()
  const from = lake.store.calls
  await cleanTable(table)
  return lake.store.log.slice(from)
}
