import { describe, expect, it } from 'vitest'
import { type BackfillOptions, type BackfillSource, backfillTable, mergeLanding, type Table } from '../../src/index.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { plantExport } from '../export/planted-export.ts'
import { type HandChange, line, objectOf, STREAM } from '../hand-changes.ts'
import { randomFrom } from '../random-from.ts'
import { rowsById } from '../read-rows.ts'
import { currentMetadata } from '../stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectOnlyCreated,
  expectSortedAndDisjoint,
  LANDING,
  land,
  storedRows,
} from '../table-run.ts'
import {
  BEGINNING,
  type Draw,
  drawWorld,
  exportedChanges,
  exportLines,
  type Image,
  itemsAt,
  streamChanges,
  type World,
} from './world.ts'

const SECONDS = 400
/** Small ones, so that a handful of rows makes several runs and commits. */
const SMALL: BackfillOptions = { runBytes: 1, rangeBytes: 600 }

interface Bench {
  readonly world: World
  readonly draw: Draw
  readonly store: MemoryStore
  readonly table: Table
  landed: number
}

async function bench(seed: number): Promise<Bench> {
  const random = randomFrom(seed)
  const draw = (below: number) => Math.floor(random() * below)
  const world = drawWorld(draw, 3 + draw(30), SECONDS)
  const store = memoryStore()
  return { world, draw, store, table: await createTestTable(world.spec, environmentOver(store, seed)), landed: 0 }
}

async function merge(of: Bench, changes: readonly HandChange[]): Promise<void> {
  if (changes.length === 0) return
  const lines = changes.map((change) => line(of.world.spec, change))
  await land(of.store, [objectOf(`${of.landed++}.ndjson`, lines)])
  const { exitCode } = await mergeLanding(of.table, [LANDING])
  expect(exitCode).toBe(0)
}

function plant(of: Bench, at: number, lines: readonly object[], changes: object = {}): string {
  const folder = `memory://exports/AWSDynamoDB/0${at}-abcd`
  const exportTime = new Date(at * 1000 + 500).toISOString()
  return plantExport(of.store, lines, { files: 1 + of.draw(3), at: folder, changes: { exportTime, ...changes } })
    .location
}

function shuffled<T>(draw: Draw, list: readonly T[]): T[] {
  const left = [...list]
  return Array.from({ length: left.length }, () => left.splice(draw(left.length), 1)[0]!)
}

/** Dealt out to `parts` parts in any order. */
function dealt<T>(draw: Draw, list: readonly T[], parts: number): T[][] {
  const dealt: T[][] = Array.from({ length: parts }, () => [])
  for (const each of shuffled(draw, list)) dealt[draw(parts)]!.push(each)
  return dealt
}

async function notesOf({ world, store }: Bench): Promise<Map<string, Image>> {
  const files = await storedRows(world.spec, store)
  expectSortedAndDisjoint(world.spec, files)
  const rows = [...rowsById(world.spec, files).values()]
  return new Map(
    rows.map(({ pk, region, note }) => [pk!, { region: region!, note: note! }]).sort() as [string, Image][],
  )
}

async function expectHistorysEnd(of: Bench): Promise<void> {
  const expected = [...itemsAt(of.world, Number.POSITIVE_INFINITY)].sort()
  expect([...(await notesOf(of))]).toEqual(expected)
  expectOnlyCreated(of.store)
  expect((await currentMetadata(of.store)).properties).not.toHaveProperty('lastwrite.backfill')
}

function source(prefix: string, more: { stream?: null; authoritative?: true } = {}): BackfillSource {
  return { kind: 'export', prefix, stream: STREAM, authoritative: false, ...more }
}

describe('a full export', () => {
  it.each(Array.from({ length: 15 }, (_, seed) => seed))(
    'and the stream of since before it make the table what the history ends in, whatever comes when (seed %i)',
    async (seed) => {
      const of = await bench(seed)
      const streamFrom = BEGINNING + of.draw(SECONDS / 2)
      const at = streamFrom + of.draw(SECONDS / 2)
      const prefix = plant(of, at, exportLines(itemsAt(of.world, at + 0.5)))
      const parts = dealt(of.draw, streamChanges(of.world, streamFrom), 1 + of.draw(4))
      const backfillAfter = of.draw(parts.length + 1)
      for (const [i, part] of parts.entries()) {
        if (i === backfillAfter) await backfillTable(of.table, source(prefix), SMALL)
        await merge(of, part)
      }
      if (backfillAfter === parts.length) await backfillTable(of.table, source(prefix), SMALL)
      await expectHistorysEnd(of)
      const { snapshot, items } = await backfillTable(of.table, source(prefix), SMALL)
      expect(snapshot, 'run again, it changes nothing').toBeNull()
      expect(items.applied).toBe(0)
      await expectHistorysEnd(of)
    },
  )
})

describe('an incremental export', () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))(
    'goes on from a full one, where there is no stream at all (seed %i)',
    async (seed) => {
      const of = await bench(seed)
      const at = BEGINNING + of.draw(SECONDS)
      const end = BEGINNING + SECONDS
      const full = plant(of, at, exportLines(itemsAt(of.world, at)), { exportTime: new Date(at * 1000).toISOString() })
      const later = plant(of, end, exportedChanges(of.world, at, end), {
        exportType: 'INCREMENTAL_EXPORT',
        exportFromTime: new Date(at * 1000).toISOString(),
        exportToTime: new Date(end * 1000).toISOString(),
      })
      for (const prefix of [full, later]) await backfillTable(of.table, source(prefix, { stream: null }), SMALL)
      await expectHistorysEnd(of)
    },
  )
})

describe('an authoritative export', () => {
  it.each(Array.from({ length: 15 }, (_, seed) => seed))(
    'makes the table what it was at that time after a stretch of the stream was lost, and late lines stay stale (seed %i)',
    async (seed) => {
      const of = await bench(seed)
      const lostFrom = BEGINNING + of.draw(SECONDS / 2)
      const at = lostFrom + of.draw(SECONDS / 2)
      const changes = streamChanges(of.world, BEGINNING)
      const before = changes.filter((change) => change.at! < lostFrom)
      const after = changes.filter((change) => change.at! > at)
      const late = changes.filter((change) => change.at! >= lostFrom && change.at! < at && of.draw(3) === 0)
      const [lateLines, inTime] = [before.filter(() => of.draw(5) === 0), before]
      await merge(of, shuffled(of.draw, inTime))
      const [early, rest] = dealt(of.draw, after, 2)
      await merge(of, early!)
      const prefix = plant(of, at, exportLines(itemsAt(of.world, at + 0.5)))
      const lostAtTheSecond = changes.filter((change) => change.at === at)
      await backfillTable(of.table, source(prefix, { authoritative: true }), SMALL)
      for (const part of dealt(of.draw, [...rest!, ...late, ...lateLines, ...lostAtTheSecond], 2)) await merge(of, part)
      await expectHistorysEnd(of)
      expect((await currentMetadata(of.store)).properties['lastwrite.floor']).toBe(String(at))
      await backfillTable(of.table, source(prefix, { authoritative: true }), SMALL)
      await expectHistorysEnd(of)
    },
  )
})
