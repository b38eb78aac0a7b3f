// What a test of whole merges needs around them: a repeatable environment, landing objects put into a store, the table's rows and
// state as they lie there, and the invariants that must hold after every run.

import { expect } from 'vitest'
import type { Environment } from '../src/environment.ts'
import { createTable, type MergeReport, parseTableDefinition, type Table } from '../src/index.ts'
import type { MemoryStore } from '../src/store/memory.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import type { LandedObject, TableSpec } from './change-sets.ts'
import type { Cells } from './model.ts'
import { partitionText } from './model-partitions.ts'
import { type FileRows, readByHyparquet, rowsById } from './read-rows.ts'
import { currentFiles, LOCATION, ledger, readObject } from './stored-table.ts'

export const LANDING = 'memory://landing/orders/'

/** Time, randomness and names that are the same in every run with the same seed. */
export function environmentOver(store: ObjectStore, seed = 1): Environment {
  let drawn = seed
  const draw = () => {
    drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0
    return drawn / 2 ** 32
  }
  const hexDigits = (count: number) =>
    Array.from({ length: count }, () => Math.floor(draw() * 16).toString(16)).join('')
  let nowMs = Date.UTC(2027, 1, 10) + seed
  return {
    store,
    nowMs: () => nowMs++,
    random: draw,
    uuid: () => `${hexDigits(8)}-${hexDigits(4)}-4${hexDigits(3)}-8${hexDigits(3)}-${hexDigits(12)}`,
    sleep: async () => {},
  }
}

export async function createTestTable(spec: TableSpec, environment: Environment, location = LOCATION): Promise<Table> {
  return createTable(location, parseTableDefinition(spec.text), environment)
}

/** Puts objects under a prefix as Firehose would. */
export async function land(store: ObjectStore, objects: readonly LandedObject[], prefix = LANDING): Promise<void> {
  for (const { name, bytes } of objects) {
    const { kind } = await store.put(prefix + name, bytes, { kind: 'create' })
    if (kind !== 'ok') throw new Error(`${prefix}${name}: ${kind}`)
  }
}

/** The current snapshot's rows by hyparquet, file by file. */
export async function storedRows(spec: TableSpec, store: ObjectStore, location = LOCATION): Promise<FileRows> {
  return readByHyparquet(spec, await currentFiles(store, location), (path) => readObject(store, path))
}

// Reports

/** The classes of a report's lines; they add up to the lines read. */
export function expectLines(report: MergeReport, objects: readonly LandedObject[]): void {
  const { read, ...classes } = report.lines
  const lines = objects.flatMap((object) => object.lines)
  const count = (of: string) => lines.filter((line) => line.class === of).length
  expect(report.lines).toMatchObject({
    read: lines.length,
    quarantined: count('quarantined'),
    otherTable: count('other-table'),
    deferred: 0,
  })
  expect(Object.values(classes).reduce((sum, lines) => sum + lines, 0)).toBe(read)
}

// Invariants

/** Rows ascend in each file, files of a partition do not overlap, and every row lies in its partition. */
export function expectSortedAndDisjoint(spec: TableSpec, files: FileRows): void {
  rowsById(spec, files)
  const byPartition = Map.groupBy(files, ({ file }) => partitionText(file.partition))
  for (const inPartition of byPartition.values()) {
    for (const { file, rows } of inPartition) {
      expect(rows.length, `rows of ${file.path}`).toBeGreaterThan(0)
      for (let i = 1; i < rows.length; i++) {
        const order = compareKeys(spec, rows[i - 1] as Cells, rows[i] as Cells)
        if (order >= 0) throw new Error(`${file.path}: row ${i} does not sort after row ${i - 1}`)
      }
    }
    const ordered = inPartition.toSorted((a, b) => compareKeys(spec, a.rows[0] as Cells, b.rows[0] as Cells))
    for (let i = 1; i < ordered.length; i++) {
      const [before, after] = [ordered[i - 1], ordered[i]] as [FileRows[number], FileRows[number]]
      if (compareKeys(spec, before.rows.at(-1) as Cells, after.rows[0] as Cells) >= 0) {
        throw new Error(`${before.file.path} overlaps ${after.file.path}`)
      }
    }
  }
}

function compareKeys(spec: TableSpec, a: Cells, b: Cells): number {
  for (const { name, type } of spec.columns.slice(0, spec.keyColumns)) {
    const order = compareCells(type, a[name] as string, b[name] as string)
    if (order !== 0) return order
  }
  return 0
}

function compareCells(type: string, a: string, b: string): number {
  if (type === 'string' || type === 'number') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (type === 'binary') return Buffer.compare(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
  const [x, y] = [a, b].map((cell) => BigInt(cell.replace('.', ''))) as [bigint, bigint]
  return x < y ? -1 : x > y ? 1 : 0
}

/** Objects were created, never overwritten nor deleted, but for the version hint. */
export function expectOnlyCreated(store: MemoryStore): void {
  const others = store.log.filter(
    ({ operation, mode, path }) =>
      operation === 'delete' || (operation === 'put' && mode !== 'create' && !path.endsWith('/version-hint.text')),
  )
  expect(others).toEqual([])
}

/** Every object that landed stands in the ledger once, with its lines, and nothing else does. */
export async function expectLedger(store: ObjectStore, paths: readonly string[], location = LOCATION): Promise<void> {
  const entries = await ledger(store, location)
  expect(entries.map(({ object }) => object).sort()).toEqual([...paths].sort())
}

/** What expectations are compared with: rows in a fixed order, so that a failure shows the difference alone. */
export function inOrder(rows: ReadonlyMap<string, Cells>): [string, Cells][] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
}
