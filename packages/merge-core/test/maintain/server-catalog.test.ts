// Races on a catalog that is a server: it applies a commit to whatever is current by then, if the requirements hold. What they do not
// say it does not compare.

import { describe, expect, it } from 'vitest'
import { type Catalog, meetsRequirement, type TableUpdate } from '../../src/iceberg/catalog.ts'
import type { TableMetadata } from '../../src/iceberg/metadata.ts'
import { cleanTable, expireSnapshots, mergeLanding, purgeTable, rollbackTable, type Table } from '../../src/index.ts'
import { expectWhole, snapshotIds } from '../named-by-table.ts'
import { LANDING } from '../table-run.ts'
import { DAY, HOUR, type Lake, newLake, watermarkOf } from './lake.ts'

/** As the reference server does it: also a reference to an unknown snapshot is refused, and nothing of the commit applied. */
function serverCatalog(catalog: Catalog, beforeFirstCommit: () => Promise<unknown>): Catalog {
  let between: (() => Promise<unknown>) | null = beforeFirstCommit
  return {
    ...catalog,
    async commit(_, updates, requirements) {
      const once = between
      between = null
      await once?.()
      const current = (await catalog.load())!
      if (!requirements.every((each) => meetsRequirement(current.metadata, each))) return { kind: 'conflict' }
      if (namesUnknownSnapshot(current.metadata, updates)) {
        return { kind: 'failed', failure: { kind: 'denied', cause: new Error('unknown snapshot') } }
      }
      return catalog.commit(current, updates, requirements)
    },
  }
}

function namesUnknownSnapshot({ snapshots = [] }: TableMetadata, updates: readonly TableUpdate[]): boolean {
  const known = new Set(snapshots.map((snapshot) => snapshot['snapshot-id']))
  for (const update of updates) {
    if (update.action === 'add-snapshot') known.add(update.snapshot['snapshot-id'])
    if (update.action === 'set-snapshot-ref' && !known.has(update['snapshot-id'])) return true
  }
  return false
}

async function openOnServer(lake: Lake, between: () => Promise<unknown>): Promise<Table> {
  const table = await lake.open()
  return { ...table, catalog: serverCatalog(table.catalog, between) }
}

async function fourMerges(): Promise<{ lake: Lake; ids: bigint[] }> {
  const lake = await newLake()
  for (let i = 0; i < 4; i++) {
    await lake.merge(`${i}`, { pk: 'a', sequence: 10 + i, to: 'A' }, { pk: `x${i}`, sequence: 5, from: 'A' })
    lake.wait(HOUR)
  }
  lake.wait(60 * DAY)
  return { lake, ids: await snapshotIds(lake.store) }
}

describe('on a catalog that is a server', () => {
  it('an expire lets alone what a rollback went back to meanwhile', async () => {
    const { lake, ids } = await fourMerges()
    const table = await openOnServer(lake, async () =>
      rollbackTable(await lake.open(), { to: ids[1]!, ledger: 'reapply' }),
    )
    await expireSnapshots(table)
    await expectWhole(lake.store)
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('an expire leaves a snapshot that another engine set main back to meanwhile', async () => {
    const { lake, ids } = await fourMerges()
    const table = await openOnServer(lake, async () => {
      const { catalog } = await lake.open()
      const back = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': ids[1]! } as const
      await catalog.commit((await catalog.load())!, [back], [])
    })
    await expect(expireSnapshots(table)).rejects.toThrow(/lastwrite rollback/)
    expect(await snapshotIds(lake.store)).toEqual(ids)
    await expectWhole(lake.store)
  })

  it('a rollback to what was expired meanwhile is refused, and changes nothing', async () => {
    const { lake, ids } = await fourMerges()
    const table = await openOnServer(lake, async () => expireSnapshots(await lake.open()))
    await expect(rollbackTable(table, { to: ids[1]!, ledger: 'reapply' })).rejects.toThrow(/unknown snapshot/)
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
    expect(await lake.mergeAgain()).toMatchObject({ exitCode: 0, snapshot: null })
  })

  it('a purge and a merge of one snapshot: the second is made again on top of the first', async () => {
    for (const order of ['purge first', 'merge first']) {
      const { lake } = await fourMerges()
      await lake.land('late', { pk: 'y', sequence: 7, from: 'A' }, { pk: 'b', sequence: 7, to: 'A' })
      const merge = (table: Table) => mergeLanding(table, [LANDING])
      const purge = (table: Table) => purgeTable(table, [LANDING])
      const [first, second] = order === 'purge first' ? [purge, merge] : [merge, purge]
      await second(await openOnServer(lake, async () => first(await lake.open())))
      expect(await lake.removedKeys(), order).toEqual(['y'])
      expect(await lake.known(), order).toEqual(['0', '1', '2', '3', 'late'])
      expect(await watermarkOf(lake.store), order).not.toBeNull()
      expect(await lake.rows(), order).toEqual(lake.modelRows())
      expect(await snapshotIds(lake.store), order).toHaveLength(6)
      await expectWhole(lake.store, order)
    }
  })

  it('two purges forget once', async () => {
    const { lake } = await fourMerges()
    const report = await purgeTable(await openOnServer(lake, async () => purgeTable(await lake.open(), [LANDING])), [
      LANDING,
    ])
    expect(report).toMatchObject({ snapshot: null, tombstones: { purged: 0, kept: 0 } })
    expect(await snapshotIds(lake.store)).toHaveLength(5)
  })

  it('a merge commits on top of a rollback, and what was rolled back comes again', async () => {
    const { lake, ids } = await fourMerges()
    await lake.land('late', { pk: 'a', sequence: 11, from: 'A', to: 'B' }, { pk: 'b', sequence: 7, to: 'A' })
    await mergeLanding(
      await openOnServer(lake, async () => rollbackTable(await lake.open(), { to: ids[0]!, ledger: 'reapply' })),
      [LANDING],
    )
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
    await expectWhole(lake.store)
  })

  it('a rollback is not made on a head that nobody looked at', async () => {
    const { lake, ids } = await fourMerges()
    await lake.land('late', { pk: 'b', sequence: 7, to: 'A' })
    const table = await openOnServer(lake, () => lake.mergeAgain())
    await expect(rollbackTable(table, { to: ids[0]!, ledger: 'skip' })).rejects.toMatchObject({ name: 'TryAgainError' })
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('an expire beside a merge takes the same snapshots as alone', async () => {
    const { lake, ids } = await fourMerges()
    await lake.land('late', { pk: 'b', sequence: 7, to: 'A' })
    await expireSnapshots(await openOnServer(lake, () => lake.mergeAgain()))
    expect(await snapshotIds(lake.store)).toEqual([ids[3], await lake.head()])
    lake.wait(2 * DAY)
    await cleanTable(await lake.open())
    await expectWhole(lake.store)
    expect(await lake.rows()).toEqual(lake.modelRows())
  })
})
