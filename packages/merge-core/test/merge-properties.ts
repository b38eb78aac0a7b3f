// The property of random change sets, shared by the quick run and the long one: after every merge the table is the model's.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordBatch } from 'apache-arrow'
import { expect } from 'vitest'
import { type MergeReport, mergeLanding, readBatches, type Table } from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf, type ChangeSet, commitsOf, type LandedObject, type TableSpec } from './change-sets.ts'
import { type Cells, type Change, expectedRows, isNewer } from './model.ts'
import { cellsOfBatches, readByDuckDB, rowKey, rowsById } from './read-rows.ts'
import { currentFiles } from './stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLedger,
  expectLines,
  expectOnlyCreated,
  expectSortedAndDisjoint,
  inOrder,
  LANDING,
  land,
  storedRows,
} from './table-run.ts'

/** Merges a change set into a table in memory, checking rows by hyparquet, counts and invariants after each merge, and at the
 *  end the library's own reader, a second run and the same objects under another prefix. */
export async function expectModelInMemory({ table: spec, merges, commitsEachObject }: ChangeSet): Promise<void> {
  const store = memoryStore()
  const environment = environmentOver(store)
  const table = await createTestTable(spec, environment)
  const landed: LandedObject[] = []
  const options = commitsEachObject ? { commitBytes: 1 } : {}
  for (const [number, objects] of merges.entries()) {
    await land(store, objects)
    const report = await mergeLanding(table, [LANDING], options)
    expectLines(report, objects)
    expect(report).toMatchObject({ exitCode: 0, conflicts: 0, damaged: [] })
    if (spec.partitionedByKey && !spec.keepsExpired && !commitsEachObject) expectClasses(report, landed, objects)
    landed.push(...objects)
    const files = await storedRows(spec, store)
    expectSortedAndDisjoint(spec, files)
    const commits = commitsOf({ merges: merges.slice(0, number + 1), commitsEachObject })
    expect(inOrder(rowsById(spec, files)), `after merge ${number}`).toEqual(inOrder(expectedRows(arrivalsOf(commits))))
    const paths = landed.map(({ name }) => LANDING + name)
    await expectLedger(store, paths)
  }
  await expectLibraryReadsTheSame(spec, table, store)
  await expectNothingToDo(table, store)
  await expectNothingChangesFromElsewhere(table, store, landed)
  expectOnlyCreated(store)
}

/** Where an item never moves, the newest line of a key is applied if the table has seen none as new. Beside it only a late removal may
 *  be, which leaves a tombstone although the row is newer. */
function expectClasses(
  { lines }: MergeReport,
  before: readonly LandedObject[],
  objects: readonly LandedObject[],
): void {
  const seen = newestByKey(before)
  const newest = newestByKey(objects)
  const isNew = (key: string, change: Change) => !seen.has(key) || isNewer(change, seen.get(key) as Change)
  const applied = [...newest].filter(([key, change]) => isNew(key, change)).length
  const lateRemovals = new Set(
    arrivalsOf([objects]).flatMap(({ change: { key, operation } }) =>
      operation === 'remove' && !isNew(key, newest.get(key) as Change) ? [key] : [],
    ),
  )
  expect(lines.applied).toBeGreaterThanOrEqual(applied)
  expect(lines.applied).toBeLessThanOrEqual(applied + lateRemovals.size)
  if (before.length === 0) expect(lines).toMatchObject({ applied: newest.size, stale: 0 })
}

function newestByKey(objects: readonly LandedObject[]): Map<string, Change> {
  const newest = new Map<string, Change>()
  for (const { change } of arrivalsOf([objects])) {
    const other = newest.get(change.key)
    if (other === undefined || isNewer(change, other)) newest.set(change.key, change)
  }
  return newest
}

async function expectLibraryReadsTheSame(spec: TableSpec, table: Table, store: MemoryStore): Promise<void> {
  const batches: RecordBatch[] = []
  for await (const batch of readBatches(table)) batches.push(batch)
  const byKey = (a: Cells, b: Cells) => (rowKey(spec, a) < rowKey(spec, b) ? -1 : 1)
  const stored = (await storedRows(spec, store)).flatMap(({ rows }) => rows)
  expect(cellsOfBatches(spec, batches).sort(byKey)).toEqual(stored.sort(byKey))
}

/** A second merge of what is merged already makes no snapshot and opens no data file. */
async function expectNothingToDo(table: Table, store: MemoryStore): Promise<void> {
  const files = await currentFiles(store)
  const from = store.calls
  const report = await mergeLanding(table, [LANDING])
  expect(report).toMatchObject({ snapshot: null, commits: [], exitCode: 0, lines: { read: 0 } })
  const calls = store.log.slice(from)
  expect(calls.filter(({ operation }) => operation === 'put')).toEqual([])
  expect(calls.filter(({ path }) => path.startsWith(LANDING) && !path.endsWith('/')).map(({ path }) => path)).toEqual(
    [],
  )
  for (const { path } of files) expect(calls.map((call) => call.path)).not.toContain(path)
}

/** The same lines in other objects: a snapshot with the same data files, every line superseded or stale. */
async function expectNothingChangesFromElsewhere(
  table: Table,
  store: MemoryStore,
  landed: readonly LandedObject[],
): Promise<void> {
  const elsewhere = 'memory://landing/again/'
  const files = await currentFiles(store)
  await land(store, landed, elsewhere)
  const report = await mergeLanding(table, [elsewhere])
  expectLines(report, landed)
  expect(report.lines).toMatchObject({ applied: 0 })
  expect(report).toMatchObject({ exitCode: 0, files: { added: 0, removed: 0 }, movedOut: 0 })
  expect(report.rows).toEqual({ inserted: 0, replaced: 0, removed: 0 })
  expect(report.snapshot).not.toBeNull()
  expect(await currentFiles(store)).toEqual(files)
}

/** The same on a local folder, read back by DuckDB at the end. */
export async function expectModelInFolder({ table: spec, merges, commitsEachObject }: ChangeSet): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-model-'))
  try {
    const store = localStore()
    const url = `file://${folder}`
    const table = await createTestTable(spec, environmentOver(store), `${url}/orders`)
    for (const objects of merges) {
      await land(store, objects, `${url}/landing/`)
      await mergeLanding(table, [`${url}/landing/`], commitsEachObject ? { commitBytes: 1 } : {})
    }
    const files = await currentFiles(store, `${url}/orders`)
    const rows = await readByDuckDB(spec, files, (path) => path.slice('file://'.length))
    expect(inOrder(rowsById(spec, rows))).toEqual(
      inOrder(expectedRows(arrivalsOf(commitsOf({ merges, commitsEachObject })))),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}
