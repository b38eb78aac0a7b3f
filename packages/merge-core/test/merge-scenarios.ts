// Merges that touch every kind of step: what stood, what lands, and what is asked of the run.

import { type MergeOptions, mergeLanding } from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import type { LandedObject, TableSpec } from './change-sets.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import type { Cells } from './model.ts'
import { rowsById } from './read-rows.ts'
import {
  createTestTable,
  environmentOver,
  expectSortedAndDisjoint,
  inOrder,
  LANDING,
  land,
  storedRows,
} from './table-run.ts'

export interface MergeScenario {
  readonly name: string
  readonly spec: TableSpec
  readonly before: LandedObject[]
  readonly landing: LandedObject[]
  readonly options?: MergeOptions
}

const byRegion = handTable(['identity(region)'], { row_group_rows: 2 })
export const byKey = handTable(['bucket(pk, 2)'], { row_group_rows: 2 })

export const stand = (spec: TableSpec) =>
  objectOf(
    'stand.ndjson',
    ['a', 'b', 'c', 'd', 'e'].map((pk, i) => line(spec, { pk, sequence: 1, to: i % 2 === 0 ? 'A' : 'B' })),
  )

export const scenarios: readonly MergeScenario[] = [
  {
    name: 'the first merge into an empty table',
    spec: byKey,
    before: [],
    landing: [stand(byKey)],
  },
  {
    name: 'a merge of inserts, changes, a move and removals into files that stand',
    spec: byRegion,
    before: [stand(byRegion)],
    landing: [
      objectOf('one.ndjson', [
        line(byRegion, { pk: 'a', sequence: 2, from: 'A', to: 'A' }),
        line(byRegion, { pk: 'b', sequence: 2, from: 'B', to: 'A' }),
        line(byRegion, { pk: 'x', sequence: 7, from: 'A' }),
      ]),
      objectOf('two.ndjson', [
        line(byRegion, { pk: 'c', sequence: 2, from: 'A' }),
        line(byRegion, { pk: 'f', sequence: 2, to: 'C' }),
        line(byRegion, { pk: 'x', sequence: 6, to: 'A' }),
        { text: '{"half', change: null, class: 'quarantined' },
      ]),
    ],
  },
  {
    name: 'a merge that commits each landing object',
    spec: byKey,
    before: [stand(byKey)],
    landing: [
      objectOf('one.ndjson', [line(byKey, { pk: 'a', sequence: 2, from: 'A', to: 'A' })]),
      objectOf('two.ndjson', [line(byKey, { pk: 'a', sequence: 3, from: 'A' })]),
    ],
    options: { commitBytes: 1 },
  },
  {
    name: 'a merge that only makes tombstones',
    spec: byKey,
    before: [stand(byKey)],
    landing: [objectOf('one.ndjson', [line(byKey, { pk: 'x', sequence: 7, from: 'A' })])],
  },
]

/** A store where `before` is merged and `landing` has landed. */
export async function standing({ spec, before, landing }: MergeScenario): Promise<MemoryStore> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  await land(store, before)
  await mergeLanding(table, [LANDING])
  await land(store, landing)
  return store
}

/** The rows in order, after a look at how the files lie. */
export async function rowsOf(spec: TableSpec, store: MemoryStore): Promise<[string, Cells][]> {
  const files = await storedRows(spec, store)
  expectSortedAndDisjoint(spec, files)
  return inOrder(rowsById(spec, files))
}
