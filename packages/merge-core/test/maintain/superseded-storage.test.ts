import { describe, expect, it } from 'vitest'
import { expireSnapshots, loadState, rollbackTable, supersededStorage } from '../../src/index.ts'
import { currentFiles } from '../stored-table.ts'
import { DAY, HOUR, type Lake, newLake, START } from './lake.ts'

/** Data files that stand in the store and are not those of the current snapshot. */
async function heldByHistory(lake: Lake): Promise<{ files: number; bytes: number }> {
  const current = new Set((await currentFiles(lake.store)).map(({ path }) => path))
  const held = [...lake.store.snapshot()].filter(([path]) => path.includes('/data/') && !current.has(path))
  return { files: held.length, bytes: held.reduce((sum, [, { bytes }]) => sum + bytes.length, 0) }
}

const told = async (lake: Lake) => {
  const { sinceMs, ...sums } = supersededStorage((await loadState(await lake.open())).loaded.metadata)
  return { sinceMs, sums }
}

async function threeMerges(): Promise<Lake> {
  const lake = await newLake({}, { partitionBy: ['identity(region)'] })
  await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'b', sequence: 1, to: 'B' })
  lake.wait(HOUR)
  await lake.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'A' })
  lake.wait(HOUR)
  await lake.merge('3', { pk: 'a', sequence: 3, from: 'A', to: 'A' }, { pk: 'b', sequence: 3, from: 'B' })
  return lake
}

describe('the storage that the history holds', () => {
  it('is none in a table of one snapshot', async () => {
    const lake = await newLake()
    const report = await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    expect(report.superseded).toEqual({ files: 0, bytes: 0, sinceMs: null })
  })

  it('is that of the data files which the current snapshot does not hold', async () => {
    const lake = await threeMerges()
    const { sums, sinceMs } = await told(lake)
    expect(sums).toEqual(await heldByHistory(lake))
    expect(sums.files).toBe(3)
    expect(sinceMs).toBe(START + HOUR)
  })

  it('is told by each merge, with what that superseded itself', async () => {
    const lake = await threeMerges()
    const report = await lake.merge('4', { pk: 'a', sequence: 4, from: 'A', to: 'A' })
    expect(report.superseded).toEqual({ ...(await heldByHistory(lake)), sinceMs: START + HOUR })
    expect(report.superseded!.files).toBe(4)
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, superseded: report.superseded })
  })

  it('is less by what an expire deleted', async () => {
    const lake = await threeMerges()
    lake.wait(DAY - HOUR)
    await expireSnapshots(await lake.open())
    const { sums } = await told(lake)
    expect(sums).toEqual(await heldByHistory(lake))
    expect(sums.files).toBe(2)
  })

  it('holds what a rollback left behind', async () => {
    const lake = await threeMerges()
    const [first] = (await loadState(await lake.open())).loaded.metadata.snapshots!
    await rollbackTable(await lake.open(), { to: first!['snapshot-id'], ledger: 'skip' })
    expect((await told(lake)).sums).toEqual(await heldByHistory(lake))
  })
})
