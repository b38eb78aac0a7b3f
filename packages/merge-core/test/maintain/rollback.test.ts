import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeLanding, rollbackTable } from '../../src/index.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { arrivalsOf, changeSet, commitsOf } from '../change-sets.ts'
import { expectedRows } from '../model.ts'
import { expectWhole, snapshotIds, storedMetadata } from '../named-by-table.ts'
import { rowsById } from '../read-rows.ts'
import { currentMetadata, LOCATION, setProperties, storedReport } from '../stored-table.ts'
import { createTestTable, environmentOver, expectLedger, inOrder, LANDING, land, storedRows } from '../table-run.ts'
import { DAY, HOUR, type Lake, newLake, watermarkOf } from './lake.ts'

/** Three merges; the third removes what the second made. */
async function threeMerges(): Promise<{ lake: Lake; ids: bigint[] }> {
  const lake = await newLake()
  await lake.merge(
    '1',
    { pk: 'a', sequence: 1, to: 'A' },
    { pk: 'b', sequence: 1, to: 'A' },
    { pk: 'x', sequence: 5, from: 'A' },
  )
  lake.wait(HOUR)
  await lake.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'B' }, { pk: 'c', sequence: 1, to: 'A' })
  lake.wait(HOUR)
  await lake.merge('3', { pk: 'b', sequence: 2, from: 'A' }, { pk: 'c', sequence: 2, from: 'A' })
  lake.wait(HOUR)
  return { lake, ids: await snapshotIds(lake.store) }
}

const rollback = async (lake: Lake, to: bigint, ledger: 'reapply' | 'skip', dryRun = false) =>
  rollbackTable(await lake.open(), { to, ledger, dryRun })

describe('rollback', () => {
  it.each(['reapply', 'skip'] as const)('makes the table what it was, by a new snapshot: %s', async (ledger) => {
    const { lake, ids } = await threeMerges()
    const report = await rollback(lake, ids[0]!, ledger)
    expect(report).toMatchObject({ from: ids[2], to: ids[0], objects: { mergedSince: 2, gone: [] }, warnings: [] })
    expect(await lake.head()).toBe(report.snapshot)
    expect(await snapshotIds(lake.store)).toEqual([...ids, report.snapshot])
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 1)))
    expect(await lake.removedKeys()).toEqual(['x'])
    await expectWhole(lake.store)
  })

  it('writes its report beside the table, under the name of its commit', async () => {
    const { lake, ids } = await threeMerges()
    const { snapshot } = await rollback(lake, ids[0]!, 'skip')
    expect(await storedReport(lake.store)).toMatchObject({
      snapshot: Number(snapshot),
      to: Number(ids[0]),
      ledger: 'skip',
    })
  })

  it('merges what was merged since again after reapply: the table is the one of all changes', async () => {
    const { lake, ids } = await threeMerges()
    await rollback(lake, ids[0]!, 'reapply')
    expect(await lake.known()).toEqual(['1'])
    expect(await lake.mergeAgain()).toMatchObject({ exitCode: 0, objects: { merged: 2 } })
    expect(await lake.rows()).toEqual(lake.modelRows())
    expect(await lake.removedKeys()).toEqual(['b', 'c', 'x'])
  })

  it('never merges what was merged since again after skip', async () => {
    const { lake, ids } = await threeMerges()
    await rollback(lake, ids[0]!, 'skip')
    expect(await lake.known()).toEqual(['1', '2', '3'])
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null, objects: { alreadyMerged: 3 } })
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 1)))
    await lake.merge('4', { pk: 'd', sequence: 1, to: 'A' })
    expect(await lake.rows()).toEqual(lake.modelRows([lake.landed[0]!, lake.landed[3]!]))
  })

  it('keeps a removal that is rolled back and reapplied', async () => {
    const { lake, ids } = await threeMerges()
    await rollback(lake, ids[1]!, 'reapply')
    expect((await lake.rows()).map(([, { pk }]) => pk)).toEqual(['a', 'b', 'c'])
    await lake.mergeAgain()
    expect((await lake.rows()).map(([, { pk }]) => pk)).toEqual(['a'])
    const late = await lake.merge('late', { pk: 'c', sequence: 1, to: 'A' })
    expect(late.lines).toMatchObject({ applied: 0, stale: 1 })
  })

  it('lets a put that was kept out by a removal in again, where the removal is rolled back', async () => {
    const { lake, ids } = await threeMerges()
    await rollback(lake, ids[0]!, 'skip')
    const late = await lake.merge('late', { pk: 'c', sequence: 1, to: 'A' })
    expect(late.lines).toMatchObject({ applied: 1 })
  })

  it('gives back a rollback: reapply after skip brings all of it', async () => {
    const { lake, ids } = await threeMerges()
    await rollback(lake, ids[0]!, 'skip')
    await rollback(lake, ids[2]!, 'reapply')
    expect(await lake.rows()).toEqual(lake.modelRows())
    expect(await lake.known()).toEqual(['1', '2', '3'])
    await rollback(lake, ids[0]!, 'reapply')
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('gives the table of all changes after reapply, in any change set, whichever merge it goes back to', {
    timeout: 300_000,
  }, async () => {
    const property = fc.asyncProperty(fc.gen(), fc.nat(), fc.boolean(), async (g, choice, twice) => {
      const { table: spec, merges, commitsEachObject } = changeSet(g)
      const store = memoryStore()
      const table = await createTestTable(spec, environmentOver(store))
      const options = commitsEachObject ? { commitBytes: 1 } : {}
      for (const objects of merges) {
        await land(store, objects)
        await mergeLanding(table, [LANDING], options)
      }
      const ids = await snapshotIds(store)
      fc.pre(ids.length > 0)
      for (const to of twice ? [ids[choice % ids.length]!, ids[0]!] : [ids[choice % ids.length]!]) {
        const commits = commitsOf({ merges, commitsEachObject })
        await rollbackTable(table, { to, ledger: 'reapply' })
        const before = commits.slice(0, ids.indexOf(to) + 1)
        expect(inOrder(rowsById(spec, await storedRows(spec, store)))).toEqual(
          inOrder(expectedRows(arrivalsOf(before))),
        )
        await mergeLanding(table, [LANDING])
        const again = [...before, commits.slice(ids.indexOf(to) + 1).flat()]
        expect(inOrder(rowsById(spec, await storedRows(spec, store)))).toEqual(inOrder(expectedRows(arrivalsOf(again))))
        await expectLedger(
          store,
          merges.flat().map(({ name }) => LANDING + name),
        )
      }
    })
    await fc.assert(property, { numRuns: 40 })
  })

  it('takes the floor of its target, and never lowers the watermark', async () => {
    const { lake, ids } = await threeMerges()
    await setProperties(lake.store, { 'lastwrite.floor': '1795334400', 'lastwrite.watermark': '1795330000' })
    await lake.merge('4', { pk: 'd', sequence: 1, to: 'A' })
    const fourth = await lake.head()
    await rollback(lake, ids[0]!, 'skip')
    expect((await currentMetadata(lake.store)).properties).not.toHaveProperty('lastwrite.floor')
    expect(await watermarkOf(lake.store)).toBe(1_795_330_000)
    await rollback(lake, fourth, 'skip')
    expect((await currentMetadata(lake.store)).properties['lastwrite.floor']).toBe('1795334400')
  })

  it('decides where somebody went back by other means: until then merges refuse', async () => {
    const { lake, ids } = await threeMerges()
    const { text, version } = await currentMetadata(lake.store)
    const back = text
      .replace(/"current-snapshot-id":\d+/, `"current-snapshot-id":${ids[0]}`)
      .replace(/("main":\{"snapshot-id":)\d+/, `$1${ids[0]}`)
      .replace(/("main":\{"type":"branch","snapshot-id":)\d+/, `$1${ids[0]}`)
    lake.store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(back))
    await expect(lake.mergeAgain()).rejects.toThrow(/lastwrite rollback --to/)
    await rollback(lake, ids[0]!, 'reapply')
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('warns of the changes that nothing can merge again, as their objects are gone', async () => {
    const { lake, ids } = await threeMerges()
    const gone = [...lake.store.snapshot().keys()].find((path) => path.startsWith(LANDING) && path.endsWith('/3'))!
    lake.store.uproot(gone)
    const report = await rollback(lake, ids[0]!, 'reapply', true)
    expect(report).toMatchObject({ snapshot: null, objects: { mergedSince: 2, gone: [gone] } })
    expect(report.warnings).toHaveLength(1)
    expect((await rollback(lake, ids[0]!, 'skip')).warnings).toEqual([])
  })

  it('says which backfill to run again, and forgets how far it had come', async () => {
    const { lake, ids } = await threeMerges()
    await setProperties(lake.store, { 'lastwrite.backfill': 'exports/7' })
    const report = await rollback(lake, ids[0]!, 'reapply')
    expect(report.backfills).toEqual(['exports/7'])
    expect(report.warnings.join()).toContain('exports/7')
    expect((await currentMetadata(lake.store)).properties).not.toHaveProperty('lastwrite.backfill')
  })

  it('goes back to the schema of the target where another engine dropped a column that the definition needs', async () => {
    const { lake, ids } = await threeMerges()
    const { text, version } = await currentMetadata(lake.store)
    const schema = /"schemas":\[(\{.*?\})\],"default-spec-id"/.exec(text)![1]!
    const dropped = schema.replace('"schema-id":0', '"schema-id":1').replace(/\{"id":3,"name":"note",[^}]*\},/, '')
    expect(dropped).not.toContain('note')
    const changed = text
      .replace(`"schemas":[${schema}]`, `"schemas":[${schema},${dropped}]`)
      .replace('"current-schema-id":0', '"current-schema-id":1')
    lake.store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(changed))
    await expect(lake.mergeAgain()).rejects.toThrow(/dropped/)
    await rollback(lake, ids[2]!, 'reapply')
    expect(await lake.mergeAgain()).toMatchObject({ exitCode: 0 })
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('refuses a snapshot that is not kept, and one of which nobody knows the state', async () => {
    const { lake, ids } = await threeMerges()
    await expect(rollback(lake, 12n, 'skip')).rejects.toThrow(/no snapshot 12.*history/)
    const { text, version } = await currentMetadata(lake.store)
    const orphaned = text
      .replaceAll(/"lastwrite\.state-lists":"[^"]*",?/g, '')
      .replace(/"parent-snapshot-id":\d+/, '"parent-snapshot-id":77')
    lake.store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(orphaned))
    await expect(rollback(lake, ids[1]!, 'skip')).rejects.toThrow(/made by another engine/)
  })

  it('refuses where main moved since somebody looked', async () => {
    const { lake, ids } = await threeMerges()
    await lake.land('4', { pk: 'd', sequence: 1, to: 'A' })
    const table = await lake.open()
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: { kind: 'run', before: async () => void (await lake.mergeAgain()) },
    })
    await expect(rollbackTable(table, { to: ids[0]!, ledger: 'skip' })).rejects.toMatchObject({ name: 'TryAgainError' })
    expect(await lake.rows()).toEqual(lake.modelRows())
  })

  it('is made once where the answer to its commit is lost', async () => {
    const { lake, ids } = await threeMerges()
    const table = await lake.open()
    lake.store.inject({ operation: 'put', path: /\/v\d+\.metadata\.json$/, fault: { kind: 'lose-answer' } })
    // The read that would tell at once fails too.
    lake.store.inject({
      operation: 'get',
      path: /\/v5\.metadata\.json$/,
      fault: { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset') } },
    })
    const report = await rollbackTable(table, { to: ids[0]!, ledger: 'reapply' })
    expect(await lake.head()).toBe(report.snapshot)
    expect(await snapshotIds(lake.store)).toHaveLength(4)
  })

  it('is made again where another commit left main alone', async () => {
    const { lake, ids } = await threeMerges()
    const table = await lake.open()
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: { kind: 'run', before: () => setProperties(lake.store, { comment: 'of somebody' }) },
    })
    await rollbackTable(table, { to: ids[0]!, ledger: 'skip' })
    const { properties } = await storedMetadata(lake.store)
    expect(properties.comment).toBe('of somebody')
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 1)))
  })

  it('makes a merge under way start over: it merges what it had read on top of the old table', async () => {
    const { lake, ids } = await threeMerges()
    await lake.land('4', { pk: 'b', sequence: 7, from: 'A', to: 'C' })
    const table = await lake.open()
    lake.store.inject({
      operation: 'put',
      path: /\/v\d+\.metadata\.json$/,
      fault: { kind: 'run', before: async () => void (await rollback(lake, ids[0]!, 'reapply')) },
    })
    await mergeLanding(table, [LANDING])
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(lake.modelRows())
    expect(await lake.known()).toEqual(['1', '2', '3', '4'])
  })

  it('is safe when the target is long gone from the landing area and a day has passed', async () => {
    const { lake, ids } = await threeMerges()
    lake.wait(40 * DAY)
    await rollback(lake, ids[1]!, 'skip')
    expect(await lake.rows()).toEqual(lake.modelRows(lake.landed.slice(0, 2)))
    await expectWhole(lake.store)
  })
})
