// Merges and upkeep that are repeated on a store where most calls go wrong, until they are done. Whatever happened on the way: the table
// is the model's, whole, and nothing of an item is in what a person is shown.

import { inspect } from 'node:util'
import { expect } from 'vitest'
import { maintainTable, mergeLanding, openTable, readBatches, type Table } from '../src/index.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import { arrivalsOf, type LandedLine, type LandedObject, type TableSpec } from './change-sets.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { type Cells, expectedRows } from './model.ts'
import { namedByTable } from './named-by-table.ts'
import { cellsOfBatches, rowKey, rowsById } from './read-rows.ts'
import { ledger, tombstones } from './stored-table.ts'
import { createTestTable, environmentOver, expectSortedAndDisjoint, inOrder, land, storedRows } from './table-run.ts'

export interface Arena {
  /** What merges and upkeep see. */
  readonly chaos: ObjectStore
  /** The same objects without faults. */
  readonly clean: ObjectStore
  /** A location of its own. */
  readonly root: string
  /** In epoch milliseconds. */
  readonly clock: { ms: number }
  /** Whether the store's times are the clock's. Only then may upkeep run beside a merge: it tells by them what may still be committed. */
  readonly isStoreOnTime: boolean
  /** How often objects land. */
  readonly rounds: number
  /** Resolves when all that was sent has acted. */
  settled(): Promise<void>
  /** Where writes without a condition went. */
  unconditional(): readonly string[]
}

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
const RUNS_MAX = 300
const KEYS = ['a', 'b', 'c', 'd', 'ß', '\u{1F600}']
const REGIONS = ['eu', 'us', 'ap']
/** In every item and every bad line, and nowhere else. */
const CANARY = 'canary-4711'
/** What bad calls may end a run with; any other error is a defect. */
const EXPECTED_ERRORS = ['TryAgainError', 'DamagedObjectError']

const SETTINGS = { row_group_rows: 2, file_bytes: 2_500 }
const SPECS = [
  handTable(['identity(region)'], SETTINGS),
  handTable(['bucket(pk, 2)'], SETTINGS),
  handTable([], SETTINGS),
]

/** @throws where it does not converge, or an invariant is broken on the way */
export async function expectConverges(arena: Arena, random: () => number): Promise<void> {
  const { clean, clock, root } = arena
  const location = `${root}/orders`
  const spec = SPECS[Math.floor(random() * SPECS.length)]!
  const landing = `${root}/landing/`
  const table = await createTestTable(spec, environmentOver(clean, 1), location)
  let processes = 2
  const open = async (): Promise<Table> => {
    const environment = { ...environmentOver(arena.chaos, processes++), nowMs: () => clock.ms++ }
    return openTable(location, environment)
  }
  const merge = () =>
    untilDone(async () => {
      const report = await mergeLanding(await open(), [landing])
      expectNoCanary(inspect(report, { depth: null }))
      return report.exitCode === 0
    })
  const maintain = () =>
    untilDone(async () => {
      expectNoCanary(inspect(await maintainTable(await open(), [landing]), { depth: null }))
      return true
    })

  const landed: LandedObject[] = []
  for (const objects of landings(spec, arena, random)) {
    await land(clean, objects, landing)
    landed.push(...objects)
    if (arena.isStoreOnTime && random() < 0.5) await Promise.all([merge(), maintain()])
    else await merge()
    await arena.settled()
    await merge()
    clock.ms += DAY_MS + HOUR_MS
    await maintain()
    await arena.settled()
    await expectModel(arena, spec, location, landed)
    await expectLedgerComplete(clean, location, landing, landed)
  }

  // Long after the last change upkeep forgets all that it can.
  for (const days of [60, 3]) {
    clock.ms += days * DAY_MS
    await maintain()
    await arena.settled()
  }
  await expectModel(arena, spec, location, landed)
  expect(await tombstones(clean, location)).toEqual([])
  expect(await leftovers(clean, location, root)).toEqual([])
  expect(arena.unconditional().filter((path) => !path.endsWith('/version-hint.text'))).toEqual([])
  await expectLibraryReadsTheSame(spec, table, clean, location)
}

async function untilDone(run: () => Promise<boolean>): Promise<void> {
  for (let number = 1; number <= RUNS_MAX; number++) {
    try {
      if (await run()) return
    } catch (error) {
      const { name, stack } = error as Error
      expectNoCanary(textOf(error))
      expect(EXPECTED_ERRORS, stack).toContain(name)
    }
  }
  throw new Error(`not done after ${RUNS_MAX} runs`)
}

/** What a person could be shown of an error, with its causes. */
function textOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}\n${textOf(error.cause)}` : String(error)
}

function expectNoCanary(text: string): void {
  expect(text).not.toContain(CANARY)
}

// What lands

/** The objects of each round. A round holds the next stretch of each key's history, so that after it the table depends on the set alone. */
function landings(spec: TableSpec, { rounds, clock }: Arena, random: () => number): LandedObject[][] {
  const below = (count: number) => Math.floor(random() * count)
  const regions = new Map<string, string>()
  let sequence = 10n ** BigInt(below(20)) + 7n
  const earlier: LandedLine[] = []
  const at = Math.floor(clock.ms / 1000)
  const folder = new Date(clock.ms).toISOString().slice(0, 13).replaceAll(/[-T]/g, '/')
  return Array.from({ length: rounds }, (_, round) => {
    const lines: LandedLine[] = []
    for (let changes = 4 + below(10); changes > 0; changes--) {
      const pk = KEYS[below(KEYS.length)]!
      const from = regions.get(pk)
      const to = from !== undefined && random() < 0.3 ? undefined : REGIONS[below(REGIONS.length)]!
      const note = `${CANARY} ${sequence}`
      lines.push(
        line(spec, { pk, sequence, note, at, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }),
      )
      if (to === undefined) regions.delete(pk)
      else regions.set(pk, to)
      sequence += 1n + BigInt(below(1000))
    }
    earlier.push(...lines)
    const again = earlier.filter(() => random() < 0.2)
    const bad: LandedLine = { text: `{"item": "${CANARY}`, change: null, class: 'quarantined' }
    const all = [...lines, ...again, ...(random() < 0.5 ? [bad] : [])]
    const count = 1 + below(4)
    const objects: LandedLine[][] = Array.from({ length: count }, () => [])
    for (const each of all) {
      const inObject = objects[below(count)]!
      inObject.splice(below(inObject.length + 1), 0, each)
    }
    return objects
      .filter((inObject) => inObject.length > 0)
      .map((inObject, i) => objectOf(`${folder}/${round}-${i}.ndjson`, inObject))
  })
}

// What must hold

/** Rows are the model's, in order, in files that do not overlap; nothing that any snapshot names is gone. */
async function expectModel(
  { clean, root }: Arena,
  spec: TableSpec,
  location: string,
  landed: readonly LandedObject[],
): Promise<void> {
  const files = await storedRows(spec, clean, location)
  expectSortedAndDisjoint(spec, files)
  expect(inOrder(rowsById(spec, files))).toEqual(inOrder(expectedRows(arrivalsOf([landed]))))
  const there = new Set((await listed(clean, `${root}/`)).map(({ path }) => path))
  const { paths } = await namedByTable(clean, location)
  expect([...paths].filter((path) => !there.has(path))).toEqual([])
}

/** Every object that landed is in the ledger once, and the classes of its lines add up to them. */
async function expectLedgerComplete(
  clean: ObjectStore,
  location: string,
  landing: string,
  landed: readonly LandedObject[],
): Promise<void> {
  const entries = (await ledger(clean, location)) as unknown as Record<string, bigint | string>[]
  const found = entries.map((entry) => ({
    object: entry.object,
    lines: entry.lines,
    quarantined: entry.quarantined,
    sum: CLASSES.reduce((sum, name) => sum + (entry[name] as bigint), 0n),
  }))
  const expected = landed.map(({ name, lines }) => ({
    object: landing + name,
    lines: BigInt(lines.length),
    quarantined: BigInt(lines.filter((each) => each.class === 'quarantined').length),
    sum: BigInt(lines.length),
  }))
  const byObject = (a: { object: unknown }, b: { object: unknown }) => (String(a.object) < String(b.object) ? -1 : 1)
  expect(found.sort(byObject)).toEqual(expected.sort(byObject))
}

const CLASSES = ['applied', 'superseded', 'stale', 'quarantined', 'other_table', 'ttl_kept']

/** Pages with their checksums and all, by the library itself. */
async function expectLibraryReadsTheSame(
  spec: TableSpec,
  table: Table,
  clean: ObjectStore,
  location: string,
): Promise<void> {
  const read: Cells[] = []
  for await (const batch of readBatches(table)) read.push(...cellsOfBatches(spec, [batch]))
  const byKey = (a: Cells, b: Cells) => (rowKey(spec, a) < rowKey(spec, b) ? -1 : 1)
  const stored = (await storedRows(spec, clean, location)).flatMap(({ rows }) => rows)
  expect(read.sort(byKey)).toEqual(stored.sort(byKey))
}

/** Files of the table and its state that nothing names. */
async function leftovers(clean: ObjectStore, location: string, root: string): Promise<string[]> {
  const { paths, stateFolder } = await namedByTable(clean, location)
  const all = (await listed(clean, `${root}/`)).map(({ path }) => path)
  return all.filter(
    (path) =>
      (path.startsWith(`${location}/`) || path.startsWith(`${stateFolder}/`)) &&
      !paths.has(path) &&
      !path.endsWith('/version-hint.text') &&
      !path.startsWith(`${stateFolder}/reports/`),
  )
}

async function listed(store: ObjectStore, prefix: string) {
  const found = await store.list(prefix)
  if (found.kind !== 'ok') throw new Error(`${prefix}: ${found.kind}`)
  return found.objects
}
