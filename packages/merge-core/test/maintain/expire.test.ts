import { describe, expect, it } from 'vitest'
import { DATA, type DataFile, POSITION_DELETES } from '../../src/iceberg/manifest.ts'
import { liveFiles } from '../../src/iceberg/snapshot.ts'
import { cleanTable, expireSnapshots, rollbackTable } from '../../src/index.ts'
import { loadTable } from '../../src/table-state.ts'
import { expectWhole, namedByTable, snapshotIds } from '../named-by-table.ts'
import { readByHyparquet, rowsById } from '../read-rows.ts'
import { currentMetadata, LOCATION, readObject } from '../stored-table.ts'
import { inOrder } from '../table-run.ts'
import { commitForeign, DAY, HOUR, type Lake, newLake } from './lake.ts'

const NAMES = ['a', 'b', 'c', 'd']

/** Merges one object an hour; each replaces the one data file. */
async function hourly(lake: Lake, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await lake.merge(`${i}`, { pk: NAMES[i % NAMES.length]!, sequence: 10 + i, to: 'A' })
    lake.wait(HOUR)
  }
}

function dataFiles(lake: Lake): string[] {
  return [...lake.store.snapshot().keys()].filter((path) => path.includes('/data/'))
}

async function plantMetadata(lake: Lake, change: (text: string) => string): Promise<void> {
  const { text, version } = await currentMetadata(lake.store)
  lake.store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(change(text)))
}

describe('expire', () => {
  it('removes the snapshots that were superseded longer ago than the definition keeps them, and the files of these alone', async () => {
    const lake = await newLake({ keep_snapshots_hours: 30 })
    await hourly(lake, 4)
    const ids = await snapshotIds(lake.store)
    const files = dataFiles(lake)
    expect(files).toHaveLength(4)
    // Superseded 31, 30 and 29 hours ago; the last one is current.
    lake.wait(28 * HOUR)
    const report = await expireSnapshots(await lake.open())
    expect(report.snapshots).toEqual({ removed: ids.slice(0, 2), kept: 2 })
    expect(report.deleted).toMatchObject({ data: { files: 2 } })
    expect(await snapshotIds(lake.store)).toEqual(ids.slice(2))
    expect(dataFiles(lake)).toHaveLength(2)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('leaves every kept snapshot readable as it was', async () => {
    const lake = await newLake({ keep_snapshots_hours: 24 })
    await hourly(lake, 6)
    lake.wait(21 * HOUR)
    const table = await lake.open()
    await expireSnapshots(table)
    const { metadata } = await loadTable(table)
    const kept = metadata.snapshots!
    expect(kept.length).toBeLessThan(6)
    for (const snapshot of kept) {
      const { dataFiles: files } = await liveFiles(lake.store, metadata, snapshot['snapshot-id'])
      const stored = files.map(({ file }) => ({ path: file.path, partition: file.partition }))
      const rows = await readByHyparquet(lake.spec, stored, (path) => readObject(lake.store, path))
      const merged = lake.landed.slice(0, snapshot['sequence-number'])
      expect(inOrder(rowsById(lake.spec, rows))).toEqual(lake.modelRows(merged))
    }
  })

  it('keeps the files that a removed snapshot shares with one that is kept', async () => {
    const lake = await newLake({ keep_snapshots_hours: 100 }, { partitionBy: ['identity(region)'] })
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'b', sequence: 1, to: 'B' })
    lake.wait(HOUR)
    await lake.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'A' })
    lake.wait(HOUR)
    await lake.merge('3', { pk: 'b', sequence: 2, from: 'B', to: 'B' })
    lake.wait(99 * HOUR)
    const report = await expireSnapshots(await lake.open())
    expect(report.snapshots).toMatchObject({ kept: 2 })
    expect(report.deleted).toMatchObject({ data: { files: 1 } })
    expect(dataFiles(lake)).toHaveLength(3)
    await expectWhole(lake.store)
  })

  it('keeps the current snapshot however old it is, and as many before it as it is told to', async () => {
    const lake = await newLake()
    await hourly(lake, 5)
    lake.wait(90 * DAY)
    const ids = await snapshotIds(lake.store)
    await expireSnapshots(await lake.open(), { keepCount: 3 })
    expect(await snapshotIds(lake.store)).toEqual(ids.slice(2))
    await expireSnapshots(await lake.open())
    expect(await snapshotIds(lake.store)).toEqual(ids.slice(4))
    await expectWhole(lake.store)
  })

  it('commits nothing where there is nothing to expire', async () => {
    const lake = await newLake()
    await hourly(lake, 2)
    const from = lake.store.calls
    const report = await expireSnapshots(await lake.open())
    expect(report.snapshots).toEqual({ removed: [], kept: 2 })
    expect(lake.store.log.slice(from).filter(({ operation }) => operation !== 'get' && operation !== 'list')).toEqual(
      [],
    )
  })

  it('only says what it would do in a dry run', async () => {
    const lake = await newLake()
    await hourly(lake, 3)
    lake.wait(2 * DAY)
    const before = lake.store.snapshot()
    const said = await expireSnapshots(await lake.open(), { dryRun: true })
    expect(lake.store.snapshot()).toEqual(before)
    const done = await expireSnapshots(await lake.open())
    expect(said).toEqual({ ...done, dryRun: true })
    expect(done.snapshots.removed).toHaveLength(2)
  })

  it('keeps what branches and tags name, and the snapshots of a branch by the same rule', async () => {
    const lake = await newLake()
    await hourly(lake, 5)
    const ids = await snapshotIds(lake.store)
    const ref = (name: string, type: string, id: bigint) => `"${name}":{"snapshot-id":${id},"type":"${type}"},`
    await plantMetadata(lake, (text) =>
      text.replace('"refs":{', (start) => start + ref('audit', 'branch', ids[2]!) + ref('first', 'tag', ids[0]!)),
    )
    lake.wait(10 * DAY)
    await expireSnapshots(await lake.open())
    expect(await snapshotIds(lake.store)).toEqual([ids[0], ids[2], ids[4]])
    await expireSnapshots(await lake.open(), { keepCount: 2 })
    await expectWhole(lake.store)
    expect(dataFiles(lake)).toHaveLength(3)
  })

  it('counts the age of a snapshot of a branch from the next one on', async () => {
    const lake = await newLake()
    await hourly(lake, 1)
    const [main] = await snapshotIds(lake.store)
    const first = await commitForeign(lake, [], [], 'audit')
    lake.wait(9 * DAY)
    const second = await commitForeign(lake, [], [], 'audit')
    lake.wait(DAY - 1)
    await expireSnapshots(await lake.open())
    expect(await snapshotIds(lake.store)).toEqual([main, first, second])
    lake.wait(1)
    await expireSnapshots(await lake.open())
    expect(await snapshotIds(lake.store)).toEqual([main, second])
  })

  it('leaves files of a snapshot that was current within the last day to the queries that read them, for clean to take later', async () => {
    const lake = await newLake({ keep_snapshots_hours: 1 })
    await lake.merge('old', { pk: 'a', sequence: 1, to: 'A' })
    lake.wait(90 * DAY)
    const [old] = dataFiles(lake)
    await lake.merge('young', { pk: 'a', sequence: 2, from: 'A', to: 'B' })
    lake.wait(2 * HOUR)
    const report = await expireSnapshots(await lake.open())
    expect(report.snapshots.removed).toHaveLength(1)
    expect(report.deleted).toEqual({})
    expect(dataFiles(lake)).toContain(old)
    await cleanTable(await lake.open())
    lake.wait(21 * HOUR)
    await cleanTable(await lake.open())
    expect(dataFiles(lake)).toContain(old)
    lake.wait(4 * HOUR)
    await cleanTable(await lake.open())
    expect(dataFiles(lake)).not.toContain(old)
    await expectWhole(lake.store)
  })

  it('keeps the snapshot of ours that says which state belongs to the snapshot of another engine', async () => {
    const lake = await newLake()
    await lake.merge('ours', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'b', sequence: 5, from: 'A' })
    const ours = await lake.head()
    lake.wait(HOUR)
    const theirs = await commitForeign(lake, [], [])
    lake.wait(40 * DAY)
    await lake.merge('later', { pk: 'a', sequence: 2, from: 'A', to: 'A' })
    lake.wait(2 * HOUR)
    await expireSnapshots(await lake.open())
    expect(await snapshotIds(lake.store)).toEqual([ours, theirs, await lake.head()])
    await rollbackTable(await lake.open(), { to: theirs, ledger: 'reapply' })
    expect(await lake.removedKeys()).toEqual(['b'])
  })

  it('deletes the delete files and statistics of other engines with their snapshots', async () => {
    const lake = await newLake()
    await hourly(lake, 1)
    const deletes = file(`${LOCATION}/data/deletes.parquet`, POSITION_DELETES)
    const added = file(`${LOCATION}/data/appended.parquet`, DATA)
    lake.store.plant(added.path, Buffer.from('appended'))
    lake.store.plant(deletes.path, Buffer.from('deletes'))
    const foreign = await commitForeign(lake, [], [added, deletes])
    const statistics = `${LOCATION}/metadata/${foreign}.stats`
    lake.store.plant(statistics, Buffer.from('PFA1'))
    await plantMetadata(lake, (text) =>
      text.replace('"statistics":[', (start) => `${start}{"snapshot-id":${foreign},"statistics-path":"${statistics}"}`),
    )
    lake.wait(HOUR)
    await commitForeign(lake, [added.path, deletes.path], [])
    lake.wait(3 * DAY)
    const report = await expireSnapshots(await lake.open())
    expect(report.deleted).toMatchObject({ data: { files: 1 }, deletes: { files: 1 }, statistics: { files: 1 } })
    const left = lake.store.snapshot()
    for (const path of [added.path, deletes.path, statistics]) expect(left.has(path), path).toBe(false)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('leaves files that lie outside of the table to their owner', async () => {
    const lake = await newLake()
    await hourly(lake, 1)
    const adopted = file('memory://elsewhere/adopted.parquet', DATA)
    lake.store.plant(adopted.path, Buffer.from('adopted'))
    await commitForeign(lake, [], [adopted])
    lake.wait(HOUR)
    await commitForeign(lake, [adopted.path], [])
    lake.wait(3 * DAY)
    await expireSnapshots(await lake.open())
    expect(lake.store.snapshot().has(adopted.path)).toBe(true)
  })

  it('refuses a table that says its files are shared', async () => {
    const lake = await newLake()
    await hourly(lake, 2)
    await plantMetadata(lake, (text) => text.replace('"properties":{', '"properties":{"gc.enabled":"false",'))
    lake.wait(3 * DAY)
    await expect(expireSnapshots(await lake.open())).rejects.toThrow(/gc\.enabled/)
    await expect(cleanTable(await lake.open())).rejects.toThrow(/gc\.enabled/)
  })

  it('deletes nothing before its commit stands', async () => {
    const lake = await newLake()
    await hourly(lake, 3)
    lake.wait(3 * DAY)
    const from = lake.store.calls
    await expireSnapshots(await lake.open())
    const calls = lake.store.log.slice(from)
    const commit = calls.findIndex(({ operation, path }) => operation === 'put' && path.endsWith('.metadata.json'))
    const firstDelete = calls.findIndex(({ operation }) => operation === 'delete')
    expect(commit).toBeGreaterThan(-1)
    expect(firstDelete).toBeGreaterThan(commit)
  })

  it.each([
    ['a merge', async (lake: Lake) => void (await lake.mergeAgain())],
    [
      'a rollback to what it is about to remove',
      async (lake: Lake) => {
        const [, second] = await snapshotIds(lake.store)
        await rollbackTable(await lake.open(), { to: second!, ledger: 'reapply' })
      },
    ],
    ['another expire', async (lake: Lake) => void (await expireSnapshots(await lake.open()))],
  ])('looks again where %s commits right before it', async (_, between) => {
    const lake = await newLake()
    await hourly(lake, 4)
    await lake.land('late', { pk: 'z', sequence: 99, to: 'A' })
    lake.wait(3 * DAY)
    const table = await lake.open()
    let raced = false
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: {
        kind: 'run',
        before: async () => {
          raced = true
          await between(lake)
        },
      },
    })
    await expireSnapshots(table)
    expect(raced).toBe(true)
    await expectWhole(lake.store)
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
    await expectWhole(lake.store)
  })

  it('leaves nothing that nothing names once its files are old, whatever was expired', async () => {
    const lake = await newLake()
    await hourly(lake, 6)
    lake.wait(3 * DAY)
    await expireSnapshots(await lake.open())
    const { paths, stateFolder } = await namedByTable(lake.store)
    const left = [...lake.store.snapshot().keys()].filter(
      (path) => /\/data\/|\.avro$/.test(path) || /\/(tombstones|ledger|lists)\//.test(path.slice(stateFolder.length)),
    )
    expect(left.filter((path) => path.startsWith(LOCATION) || path.startsWith(stateFolder)).sort()).toEqual(
      left.filter((path) => paths.has(path)).sort(),
    )
  })
})

function file(path: string, content: DataFile['content']): DataFile {
  const none = new Map()
  return {
    content,
    path,
    format: 'PARQUET',
    partition: [],
    records: 1,
    fileBytes: 8,
    columnBytes: none,
    valueCounts: none,
    nullCounts: none,
    lowerBounds: none,
    upperBounds: none,
    splitOffsets: [],
    equalityIds: [],
    sortOrderId: null,
  }
}
