// Tables that were expired, cleaned and rolled back by us, as other engines read and change them; and the files that those leave.

import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  cleanTable,
  createTable,
  expireSnapshots,
  mergeLanding,
  nodeEnvironment,
  openTable,
  parseTableDefinition,
  purgeTable,
  rollbackTable,
  type Table,
  tableHistory,
} from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import { type HandChange, handTable, line } from '../test/hand-changes.ts'
import { describeWith, type Engines, openEngines } from './parts.ts'

const DAY = 24 * 3600 * 1000
const SPEC = handTable([])

let folder = ''
let engines: Engines
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'maintained-'))
  engines = openEngines({ warehouse: `file://${folder}` })
})
afterAll(async () => {
  await engines.close()
  rmSync(folder, { recursive: true })
})

interface Shared {
  readonly name: string
  /** The table as maintenance sees it so much later. What is committed has the time of now: engines refuse a history of the future. */
  at(laterMs: number): Promise<Table>
  merge(name: string, ...changes: HandChange[]): Promise<bigint>
  readonly landing: string
}

async function createShared(name: string): Promise<Shared> {
  const location = `file://${folder}/db/${name}`
  const landing = join(folder, 'landing', name)
  mkdirSync(landing, { recursive: true })
  const environment = nodeEnvironment(localStore({ durable: false }))
  await createTable(location, parseTableDefinition(SPEC.text), environment)
  return {
    name,
    landing: `file://${landing}/`,
    at: async (laterMs) => {
      const table = await openTable(location, environment)
      return { ...table, environment: { ...environment, nowMs: () => Date.now() + laterMs } }
    },
    merge: async (object, ...changes) => {
      writeFileSync(join(landing, object), changes.map((change) => `${line(SPEC, change).text}\n`).join(''))
      const { snapshot } = await mergeLanding(await openTable(location, environment), [`file://${landing}/`])
      return BigInt(snapshot!)
    },
  }
}

/** Keys and notes by each engine, of the current snapshot or of an earlier one. */
async function readByEach({ at }: Shared, snapshot?: bigint): Promise<Map<string, string[]>> {
  const { location, catalog } = await at(0)
  const path = (await catalog.load())!.metadataLocation.slice('file://'.length)
  const of = snapshot === undefined ? {} : { snapshotId: snapshot }
  const back = snapshot === undefined ? '' : `, snapshot_from_id = ${snapshot}`
  const read = {
    spark: await engines.sparkLoad(location, of),
    duckdb: await engines.duckdb(`select * from iceberg_scan('${path}'${back})`),
    pyiceberg: await engines.pyiceberg(path, of),
  }
  return new Map(Object.entries(read).map(([name, rows]) => [name, rows.map(({ pk, note }) => `${pk} ${note}`).sort()]))
}

async function expectRead(t: Shared, rows: readonly string[], snapshot?: bigint): Promise<void> {
  for (const [engine, found] of await readByEach(t, snapshot)) {
    expect(found, `${engine}, snapshot ${snapshot ?? 'current'}`).toEqual([...rows].sort())
  }
}

/** Runs a statement in which `$t` is the table. */
const spark = ({ name }: Shared, sql: string) => engines.spark(sql.replaceAll('$t', `lake.db.${name}`))

const filesOf = ({ name }: Shared, pattern: string) => globSync(pattern, { cwd: join(folder, 'db', name) })

// Spark starts slowly on a busy machine.
describeWith('spark', 'a table that we maintain', () => {
  beforeAll(async () => {
    await engines.spark('select 1')
  })

  it('is read by every engine after an expire that took what Spark had left: delete files, statistics, replaced files', async () => {
    const t = await createShared('expired')
    await t.merge(
      '1',
      { pk: 'a', sequence: 1, to: 'A' },
      { pk: 'b', sequence: 1, to: 'A' },
      { pk: 'c', sequence: 1, to: 'A' },
    )
    await spark(t, "alter table $t set tblproperties ('write.delete.mode' = 'merge-on-read')")
    await spark(t, "delete from $t where pk = 'b'")
    await spark(t, `call lake.system.compute_table_stats(table => 'db.${t.name}')`)
    expect(filesOf(t, 'data/**/*-deletes.parquet')).toHaveLength(1)
    expect(filesOf(t, 'metadata/*.stats')).toHaveLength(1)
    await spark(t, `call lake.system.rewrite_manifests('db.${t.name}')`)
    const second = await t.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'B' }, { pk: 'd', sequence: 2, to: 'A' })
    await expectRead(t, ['a change 2', 'c change 1', 'd change 2'])
    const last = await t.merge('3', { pk: 'd', sequence: 3, from: 'A' })

    const report = await expireSnapshots(await t.at(3 * DAY), { keepCount: 2 })
    expect(report.snapshots.kept).toBe(2)
    expect(report.deleted).toMatchObject({ deletes: { files: 1 }, statistics: { files: 1 } })
    expect(filesOf(t, 'data/**/*-deletes.parquet')).toEqual([])
    expect(filesOf(t, 'metadata/*.stats')).toEqual([])
    await expectRead(t, ['a change 2', 'c change 1'])
    await expectRead(t, ['a change 2', 'c change 1', 'd change 2'], second)

    const cleaned = await cleanTable(await t.at(3 * DAY))
    expect(cleaned.deleted.data).toBeUndefined()
    await expectRead(t, ['a change 2', 'c change 1'], last)
    await expectRead(t, ['a change 2', 'c change 1', 'd change 2'], second)

    // Spark goes on with it, and finds nothing left over.
    await spark(t, "update $t set note = 'of Spark' where pk = 'c'")
    await expectRead(t, ['a change 2', 'c of Spark'])
    await t.merge('4', { pk: 'e', sequence: 4, to: 'A' })
    await expectRead(t, ['a change 2', 'c of Spark', 'e change 4'])
    // Spark refuses to look at what is younger than a day.
    const yesterday = new Date(Date.now() - DAY - 3_600_000).toISOString().replace('T', ' ').replace('Z', '')
    const orphans = await spark(
      t,
      `call lake.system.remove_orphan_files(table => 'db.${t.name}', older_than => timestamp '${yesterday}', dry_run => true)`,
    )
    expect(orphans).toEqual([])
  })

  it('is read by every engine after a rollback, and Spark knows the way that it went', async () => {
    const t = await createShared('rolled_back')
    const first = await t.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'b', sequence: 1, to: 'A' })
    const second = await t.merge('2', { pk: 'a', sequence: 2, from: 'A' }, { pk: 'c', sequence: 2, to: 'A' })
    const { snapshot } = await rollbackTable(await t.at(0), { to: first, ledger: 'reapply' })
    await expectRead(t, ['a change 1', 'b change 1'])
    await expectRead(t, ['b change 1', 'c change 2'], second)
    const history = await spark(t, 'select snapshot_id, is_current_ancestor from $t.history order by made_current_at')
    expect(
      history.map(({ snapshot_id, is_current_ancestor }) => [BigInt(snapshot_id as number), is_current_ancestor]),
    ).toEqual([
      [first, true],
      [second, false],
      [first, true],
      [snapshot, true],
    ])
    await spark(t, "insert into $t (pk, region, note) values ('s', 'A', 'of Spark')")
    await t.merge('3', { pk: 'd', sequence: 3, to: 'A' })
    await expectRead(t, ['b change 1', 'c change 2', 'd change 3', 's of Spark'])

    // The state is that of the nearest snapshot of ours.
    const ofSpark = (await tableHistory(await t.at(0))).find(({ summary }) => summary['spark.app.id'] !== undefined)!
    await rollbackTable(await t.at(0), { to: ofSpark.snapshot, ledger: 'skip' })
    await expectRead(t, ['a change 1', 'b change 1', 's of Spark'])
  })

  it('takes the place of a rollback that Spark made, where somebody decides what becomes of the changes', async () => {
    const t = await createShared('decided')
    const first = await t.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    await t.merge('2', { pk: 'a', sequence: 2, from: 'A', to: 'B' })
    await spark(t, `call lake.system.rollback_to_snapshot('db.${t.name}', ${first})`)
    await expect(t.merge('3', { pk: 'b', sequence: 3, to: 'A' })).rejects.toThrow(/lastwrite rollback/)
    await rollbackTable(await t.at(0), { to: first, ledger: 'reapply' })
    await t.merge('4', { pk: 'c', sequence: 4, to: 'A' })
    await expectRead(t, ['a change 2', 'b change 3', 'c change 4'])
  })

  it('is read by every engine after a purge, and after Spark expired what we know of', async () => {
    const t = await createShared('purged')
    const longAgo = Math.floor(Date.now() / 1000) - 40 * 86_400
    await t.merge('1', { pk: 'a', sequence: 1, to: 'A' }, { pk: 'x', sequence: 1, from: 'A', at: longAgo })
    const report = await purgeTable(await t.at(0), [t.landing])
    expect(report.tombstones).toEqual({ purged: 1, kept: 0 })
    await expectRead(t, ['a change 1'])
    await spark(
      t,
      `call lake.system.rewrite_data_files(table => 'db.${t.name}', options => map('rewrite-all', 'true'))`,
    )
    await spark(t, `call lake.system.expire_snapshots(table => 'db.${t.name}', older_than => now(), retain_last => 1)`)
    await cleanTable(await t.at(400 * DAY))
    await expectRead(t, ['a change 1'])
    await t.merge('2', { pk: 'b', sequence: 2, to: 'A' })
    await expectRead(t, ['a change 1', 'b change 2'])
    expect(existsSync(join(folder, 'db', t.name, 'metadata', 'version-hint.text'))).toBe(true)
  })
})
