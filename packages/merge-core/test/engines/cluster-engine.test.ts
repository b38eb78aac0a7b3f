import { expect, it } from 'vitest'
import { mergeLanding, planMerge } from '../../src/index.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { arrivalsOf, type LandedObject, type TableSpec } from '../change-sets.ts'
import { type HandChange, handTable, line, objectOf } from '../hand-changes.ts'
import { expectedRows } from '../model.ts'
import { rowsById } from '../read-rows.ts'
import { currentFiles } from '../stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLines,
  expectSortedAndDisjoint,
  inOrder,
  LANDING,
  land,
  storedRows,
} from '../table-run.ts'
import { type StandInResult, standInEngine } from './stand-in-engine.ts'

const BY_REGION = handTable(['identity(region)'], { file_bytes: 1500, row_group_rows: 4 })

/** Notes that do not compress, so that a few rows fill a file. */
const note = (i: number) => Array.from({ length: 40 }, (_, k) => ((i + 1) * 7919 * (k + 3) ** 3).toString(36)).join('')
const puts = (region: string, from: number, to: number, sequence: number): HandChange[] =>
  Array.from({ length: to - from }, (_, i) => ({
    pk: `${region}-${String(from + i).padStart(3, '0')}`,
    sequence: sequence + i,
    to: region,
    note: note(from + i + sequence),
  }))

const handObject = (spec: TableSpec, name: string, changes: readonly HandChange[]) =>
  objectOf(
    name,
    changes.map((change) => line(spec, change)),
  )

async function newTable(spec: TableSpec) {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  const landed: LandedObject[] = []
  let number = 0
  const landChanges = async (changes: readonly HandChange[]) => {
    const object = handObject(spec, `${number++}.ndjson`, changes)
    landed.push(object)
    await land(store, [object])
    return object
  }
  const expectModel = async () => {
    const files = await storedRows(spec, store)
    expectSortedAndDisjoint(spec, files)
    expect(inOrder(rowsById(spec, files))).toEqual(inOrder(expectedRows(arrivalsOf(landed.map((object) => [object])))))
  }
  return { store, table, landChanges, expectModel }
}

it('merges two partitions here and one elsewhere into one snapshot whose counts add up', async () => {
  const { store, table, landChanges, expectModel } = await newTable(BY_REGION)
  const engine = standInEngine(store)
  await landChanges(puts('eu', 0, 5, 1))
  await mergeLanding(table, [LANDING], { cluster: { engine, use: 'always' } })
  await landChanges([...puts('us', 0, 5, 100), ...puts('ap', 0, 5, 200)])
  await mergeLanding(table, [LANDING])
  const object = await landChanges([
    ...['eu', 'us', 'ap'].flatMap((region) => puts(region, 2, 8, 1000)),
    { pk: 'eu-000', sequence: 2000, from: 'eu' },
    { pk: 'eu-001', sequence: 2001, from: 'eu', to: 'us' },
    { pk: 'us-001', sequence: 1, from: 'us', to: 'us' },
  ])
  engine.done.length = 0

  // Of files that no order is claimed for, a byte is too much.
  const report = await mergeLanding(table, [LANDING], { memoryBytes: 1, cluster: { engine, use: 'auto' } })

  expect(report.commits).toHaveLength(1)
  expect(engine.done).toHaveLength(1)
  expect(report.engines.map(({ engine, partitions }) => [engine, partitions])).toEqual([
    ['spark', 1],
    ['node', 2],
  ])
  expectLines(report, [object])
  expect(report.rows).toEqual({ inserted: 10, replaced: 9, removed: 2 })
  expect(report.movedOut).toBe(1)
  expect(report.lines).toMatchObject({ applied: 20, stale: 1 })
  await expectModel()
})

it('takes what the other engine did before the race was lost for what it is after', async () => {
  const { store, table, landChanges, expectModel } = await newTable(BY_REGION)
  const engine = standInEngine(store)
  await landChanges(puts('eu', 0, 5, 1))
  const race = {
    ...engine,
    run: async (taskFiles: readonly string[]) => {
      await engine.run(taskFiles)
      if (engine.done.length > 1) return
      const elsewhere = 'memory://landing/elsewhere/'
      await land(store, [handObject(BY_REGION, 'other.ndjson', puts('us', 0, 1, 500))], elsewhere)
      await mergeLanding(table, [elsewhere])
    },
  }
  const report = await mergeLanding(table, [LANDING], { cluster: { engine: race, use: 'always' } })
  expect(report.commits).toMatchObject([{ attempts: 2 }])
  expect(engine.done).toHaveLength(1)
  await landChanges(puts('us', 0, 1, 500))
  await mergeLanding(table, [LANDING])
  await expectModel()
})

it.each<[string, (result: StandInResult) => void, RegExp]>([
  ['files out of order', (result) => result.added.reverse(), /key "eu-\d+", does not sort after "eu-\d+"/],
  ['rows that are missing', (result) => result.added.pop(), /\d+ rows were written, the changes leave 12/],
  ['rows that are there twice', (result) => result.added.push(result.added[0]!), /does not sort after/],
  ['a file of another length', (result) => result.added[0]!.bytes++, /bytes, its result says/],
  ['the result of another task', (result) => (result.id = 'another'), /is the result of another task/],
])('refuses %s', async (_, spoil, message) => {
  const { store, table, landChanges } = await newTable(BY_REGION)
  await landChanges(puts('eu', 0, 12, 1))
  const cluster = { engine: standInEngine(store, spoil), use: 'always' as const }
  await expect(mergeLanding(table, [LANDING], { cluster })).rejects.toThrow(message)
  expect(await currentFiles(store)).toEqual([])
})

it('does a partition that is larger than the memory task by task, without another engine', async () => {
  const spec = handTable([], { file_bytes: 1500, row_group_rows: 4 })
  const { table, landChanges, expectModel } = await newTable(spec)
  await landChanges(puts('eu', 0, 60, 1))
  await mergeLanding(table, [LANDING])
  await landChanges(Array.from({ length: 20 }, (_, i) => puts('eu', 3 * i, 3 * i + 1, 1000 + i)).flat())
  const { tasks, bytes } = await planMerge(table, [LANDING])
  const largest = Math.max(...tasks.map(({ fileBytes }) => fileBytes))
  expect(tasks.length).toBeGreaterThan(4)
  expect(largest).toBeLessThan(bytes.files / 4)
  await mergeLanding(table, [LANDING], { memoryBytes: largest })
  await expectModel()
})
