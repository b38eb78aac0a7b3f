import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeLanding, type Table } from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf, type ChangeSet, changeSet, type TableSpec } from './change-sets.ts'
import { type HandChange, handTable, line, objectOf } from './hand-changes.ts'
import { expectedRows, type Rules } from './model.ts'
import { rowsById } from './read-rows.ts'
import { setProperties, tombstones } from './stored-table.ts'
import { createTestTable, environmentOver, inOrder, LANDING, land, storedRows } from './table-run.ts'

const START = 1_795_334_400
const HOUR = 3600

function propertiesOf({ floor, watermark }: Rules): Record<string, string> {
  return {
    ...(floor !== undefined && { 'lastwrite.floor': String(floor) }),
    ...(watermark !== undefined && { 'lastwrite.watermark': String(watermark) }),
  }
}

async function expectModelUnder({ table: spec, merges }: ChangeSet, rules: Rules): Promise<void> {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  await setProperties(store, propertiesOf(rules))
  for (const [number, objects] of merges.entries()) {
    await land(store, objects)
    const { lines, exitCode } = await mergeLanding(table, [LANDING])
    expect(exitCode).toBe(0)
    const { read, ...classes } = lines
    expect(Object.values(classes).reduce((sum, count) => sum + count, 0)).toBe(read)
    const expected = expectedRows(arrivalsOf(merges.slice(0, number + 1)), rules)
    expect(inOrder(rowsById(spec, await storedRows(spec, store))), `after merge ${number}`).toEqual(inOrder(expected))
  }
}

interface Bench {
  readonly spec: TableSpec
  readonly store: MemoryStore
  readonly table: Table
  readonly merge: (name: string, ...changes: HandChange[]) => ReturnType<typeof mergeLanding>
  readonly notes: () => Promise<(string | null | undefined)[]>
}

async function bench(): Promise<Bench> {
  const spec = handTable([])
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  return {
    spec,
    store,
    table,
    merge: async (name, ...changes) => {
      await land(store, [
        objectOf(
          name,
          changes.map((change) => line(spec, change)),
        ),
      ])
      return mergeLanding(table, [LANDING])
    },
    notes: async () => [...rowsById(spec, await storedRows(spec, store)).values()].map(({ note }) => note),
  }
}

describe('a floor', () => {
  it('makes every older change stale, in any change set', { timeout: 60_000 }, async () => {
    const floors = fc.integer({ min: START, max: START + 86_400 })
    const property = fc.asyncProperty(fc.gen(), floors, (g, floor) => expectModelUnder(changeSet(g), { floor }))
    await fc.assert(property, { numRuns: 30 })
  })

  it('lets a change of its own second pass', async () => {
    const of = await bench()
    await setProperties(of.store, { 'lastwrite.floor': String(START) })
    const report = await of.merge(
      '1.ndjson',
      { pk: 'k', sequence: 10, to: 'A', at: START - 0.5 },
      { pk: 'l', sequence: 10, to: 'A', at: START },
    )
    expect(report.lines).toMatchObject({ read: 2, applied: 1, stale: 1 })
  })
})

describe('a watermark', () => {
  it('keeps changes of absent keys at or below it out, in any change set of a table partitioned by key', {
    timeout: 60_000,
  }, async () => {
    const watermarks = fc.integer({ min: START - HOUR, max: START + 86_400 })
    const property = fc.asyncProperty(fc.gen(), watermarks, (g, watermark) => {
      const set = changeSet(g)
      fc.pre(set.table.partitionedByKey)
      return expectModelUnder(set, { watermark })
    })
    await fc.assert(property, { numRuns: 30 })
  })

  it('quarantines a put of an absent key up to an hour above it, and none later', async () => {
    const of = await bench()
    await setProperties(of.store, { 'lastwrite.watermark': String(START) })
    const report = await of.merge(
      '1.ndjson',
      { pk: 'below', sequence: 10, to: 'A', at: START - HOUR },
      { pk: 'hour', sequence: 10, to: 'A', at: START + HOUR },
      { pk: 'above', sequence: 10, to: 'A', at: START + HOUR + 1 },
    )
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 3, applied: 1, quarantined: 2 } })
    expect(report.warnings).not.toEqual([])
  })

  it('lets a put of a key that stands replace it', async () => {
    const of = await bench()
    await of.merge('1.ndjson', { pk: 'k', sequence: 10, to: 'A', note: 'old', at: START })
    await setProperties(of.store, { 'lastwrite.watermark': String(START + HOUR) })
    const report = await of.merge('2.ndjson', { pk: 'k', sequence: 11, from: 'A', to: 'A', note: 'new', at: START + 1 })
    expect(report.lines).toMatchObject({ applied: 1, quarantined: 0 })
    expect(await of.notes()).toEqual(['new'])
  })

  it('admits a line that says so', async () => {
    const of = await bench()
    await setProperties(of.store, { 'lastwrite.watermark': String(START) })
    const { text } = line(of.spec, { pk: 'k', sequence: 10, to: 'A', at: START, note: 'again' })
    const accepted = text.replace('{', '{"accept":"below-watermark",')
    await of.store.put(`${LANDING}1.ndjson`, Buffer.from(accepted), { kind: 'create' })
    expect((await mergeLanding(of.table, [LANDING])).lines).toMatchObject({ applied: 1, quarantined: 0 })
    expect(await of.notes()).toEqual(['again'])
  })

  it('lets a removal take a row away, and keeps no tombstone of it', async () => {
    const of = await bench()
    await of.merge('1.ndjson', { pk: 'k', sequence: 10, to: 'A', at: START })
    await setProperties(of.store, { 'lastwrite.watermark': String(START + HOUR) })
    const report = await of.merge(
      '2.ndjson',
      { pk: 'k', sequence: 11, from: 'A', at: START + 1 },
      { pk: 'absent', sequence: 11, from: 'A', at: START + 1 },
    )
    expect(report.lines).toMatchObject({ read: 2, applied: 1, stale: 1 })
    expect(await of.notes()).toEqual([])
    expect((await tombstones(of.store)).map(({ pk }) => pk)).not.toContain('absent')
  })
})

describe('the tombstones', () => {
  it('hold each removed key with its version', async () => {
    const of = await bench()
    await of.merge('1.ndjson', { pk: 'k', sequence: 10, to: 'A' }, { pk: 'l', sequence: 10, to: 'A' })
    await of.merge('2.ndjson', { pk: 'k', sequence: 11, from: 'A' }, { pk: 'absent', sequence: 7, from: 'A' })
    const held = (await tombstones(of.store)).map(({ pk, kind, _sequence }) => [pk, kind, _sequence])
    expect(held.sort()).toEqual([
      ['absent', 'removed', '017'],
      ['k', 'removed', '0211'],
    ])
  })
})
