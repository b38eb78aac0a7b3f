import { expect } from 'vitest'
import { mergeLanding, openTable } from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf, type LandedLine, type LandedObject, type TableSpec } from './change-sets.ts'
import { type HandChange, handTable, line, objectOf } from './hand-changes.ts'
import { expectedRows } from './model.ts'
import { rowsById } from './read-rows.ts'
import { LOCATION } from './stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLines,
  expectSortedAndDisjoint,
  inOrder,
  LANDING,
  land,
  storedRows,
} from './table-run.ts'

// Every order in which the lines can arrive and every split of that order into merges is a path in a tree whose nodes are tables;
// each node's table is the model's. One bystander stands in each partition, so that files are touched, not only made.

const byRegion = handTable(['identity(region)'], { row_group_rows: 2 })
const byKey = handTable(['bucket(pk, 2)'], { row_group_rows: 2 })
const unpartitioned = handTable([], { row_group_rows: 2 })

const k = { pk: 'k' }

export const histories: readonly { name: string; spec: TableSpec; changes: readonly HandChange[] }[] = [
  {
    name: 'an insert in one partition, its removal, a re-insert in another',
    spec: byRegion,
    changes: [
      { ...k, sequence: 9, to: 'A' },
      { ...k, sequence: 10, from: 'A' },
      { ...k, sequence: 11, to: 'B' },
    ],
  },
  {
    name: 'moves between three partitions and back',
    spec: byRegion,
    changes: [
      { ...k, sequence: 9, to: 'A' },
      { ...k, sequence: 10, from: 'A', to: 'B' },
      { ...k, sequence: 99, from: 'B', to: 'C' },
      { ...k, sequence: 100, from: 'C', to: 'A' },
    ],
  },
  {
    name: 'a move, a change in place, a removal',
    spec: byRegion,
    changes: [
      { ...k, sequence: 9, to: 'A' },
      { ...k, sequence: 10, from: 'A', to: 'B' },
      { ...k, sequence: 11, from: 'B', to: 'B' },
      { ...k, sequence: 12, from: 'B' },
    ],
  },
  {
    name: 'insert, modify, remove, insert of one key',
    spec: byKey,
    changes: [
      { ...k, sequence: 9, to: 'A' },
      { ...k, sequence: 10, from: 'A', to: 'B' },
      { ...k, sequence: 99, from: 'B' },
      { ...k, sequence: 100, to: 'A' },
    ],
  },
  {
    name: 'insert, removal, re-insert and removal in a re-created stream',
    spec: unpartitioned,
    changes: [
      { ...k, sequence: 90, to: 'A' },
      { ...k, sequence: 91, from: 'A' },
      { ...k, sequence: 3, to: 'A', stream: '2026-12-01T00:00:00.000' },
      { ...k, sequence: 10, from: 'A', stream: '2026-12-01T00:00:00.000' },
    ],
  },
  {
    name: 'insert, removal by TTL and re-insert where such rows are kept',
    spec: handTable([], { on_ttl: 'keep' }),
    changes: [
      { ...k, sequence: 9, to: 'A' },
      { ...k, sequence: 10, from: 'A', byTtl: true },
      { ...k, sequence: 11, to: 'B' },
      { ...k, sequence: 12, from: 'B', byTtl: true },
    ],
  },
]

interface Node {
  readonly store: MemoryStore
  readonly merged: readonly (readonly LandedObject[])[]
}

export async function merge(spec: TableSpec, { store, merged }: Node, lines: readonly LandedLine[]): Promise<Node> {
  const next = store.clone()
  const objects = [objectOf(`merge-${merged.length}.ndjson`, lines)]
  await land(next, objects)
  const table = await openTable(LOCATION, environmentOver(next, merged.length + 2))
  const report = await mergeLanding(table, [LANDING])
  expectLines(report, objects)
  const node = { store: next, merged: [...merged, objects] }
  const files = await storedRows(spec, next)
  expectSortedAndDisjoint(spec, files)
  const arrived = node.merged
    .slice(1)
    .map((of) => of.flatMap(({ lines }) => lines.map(({ change }) => change?.sequence)))
  const expected = expectedRows(arrivalsOf(node.merged))
  expect(
    inOrder(rowsById(spec, files)),
    JSON.stringify(arrived, (_, v) => (typeof v === 'bigint' ? Number(v) : v)),
  ).toEqual(inOrder(expected))
  return node
}

export async function root(spec: TableSpec): Promise<Node> {
  const store = memoryStore()
  await createTestTable(spec, environmentOver(store))
  const bystanders = ['A', 'B', 'C'].flatMap((region) =>
    ['a', 'z'].map((pk) => line(spec, { pk: pk + region, sequence: 1, to: region })),
  )
  return merge(spec, { store, merged: [] }, bystanders)
}

/** Merges each of the batches that can come next, and goes on from there with what is left; gives the number of ways to the end. */
export async function grow(
  spec: TableSpec,
  node: Node,
  left: readonly LandedLine[],
  batchesOf: (left: readonly LandedLine[]) => readonly LandedLine[][],
): Promise<number> {
  if (left.length === 0) return 1
  let ways = 0
  for (const batch of batchesOf(left)) {
    const next = await merge(spec, node, batch)
    const rest = left.filter((other) => !batch.includes(other))
    ways += await grow(spec, next, rest, batchesOf)
  }
  return ways
}

/** Every non-empty row of some of the things: every choice in every order. */
export function everyRow<T>(of: readonly T[]): T[][] {
  return of.flatMap((first) => {
    const rest = of.filter((other) => other !== first)
    return [[first], ...everyRow(rest).map((row) => [first, ...row])]
  })
}

/** Every non-empty choice of the things, each in one order: as they stand, or the other way round. */
export function everyChoice<T>(of: readonly T[]): T[][] {
  return Array.from({ length: 2 ** of.length - 1 }, (_, bits) => {
    const chosen = of.filter((_, i) => (((bits + 1) >> i) & 1) === 1)
    return bits % 2 === 0 ? chosen : chosen.toReversed()
  })
}
