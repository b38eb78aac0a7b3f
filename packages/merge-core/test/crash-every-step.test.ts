import { describe, expect, it } from 'vitest'
import { createTable, type MergeOptions, mergeLanding, openTable, parseTableDefinition } from '../src/index.ts'
import { type Fault, type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf, type LandedObject, type TableSpec } from './change-sets.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { type Cells, expectedRows } from './model.ts'
import { rowsById } from './read-rows.ts'
import { LOCATION, ledger } from './stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLedger,
  expectOnlyCreated,
  expectSortedAndDisjoint,
  inOrder,
  LANDING,
  land,
  storedRows,
} from './table-run.ts'

const byRegion = handTable(['identity(region)'], { row_group_rows: 2 })
const byKey = handTable(['bucket(pk, 2)'], { row_group_rows: 2 })

const stand = (spec: TableSpec) =>
  objectOf(
    'stand.ndjson',
    ['a', 'b', 'c', 'd', 'e'].map((pk, i) => line(spec, { pk, sequence: 1, to: i % 2 === 0 ? 'A' : 'B' })),
  )

const scenarios: readonly {
  name: string
  spec: TableSpec
  before: LandedObject[]
  landing: LandedObject[]
  options?: MergeOptions
}[] = [
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

const UNKNOWN: Fault = { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset before it acted') } }
const THROTTLED: Fault = { kind: 'fail', failure: { kind: 'throttled', cause: new Error('slow down') } }

const faults: readonly { name: string; faultOf: (call: number) => Fault }[] = [
  { name: 'stopped before the call', faultOf: () => ({ kind: 'crash', when: 'before' }) },
  { name: 'stopped after the call acted', faultOf: () => ({ kind: 'crash', when: 'after' }) },
  { name: 'told nothing of a call that acted', faultOf: () => ({ kind: 'lose-answer' }) },
  {
    name: 'throttled, or told nothing of a call that did not act',
    faultOf: (n) => (n % 2 === 0 ? UNKNOWN : THROTTLED),
  },
]

/** The errors that a broken call may end a run with; any other is a defect. */
const EXPECTED_ERRORS = ['SimulatedCrash', 'TryAgainError']

async function rowsOf(spec: TableSpec, store: MemoryStore): Promise<[string, Cells][]> {
  const files = await storedRows(spec, store)
  expectSortedAndDisjoint(spec, files)
  return inOrder(rowsById(spec, files))
}

describe.each(scenarios)('$name', ({ spec, before, landing, options = {} }) => {
  const rowsAfter = inOrder(expectedRows(arrivalsOf([before, landing])))

  async function start(): Promise<MemoryStore> {
    const store = memoryStore()
    const table = await createTestTable(spec, environmentOver(store))
    await land(store, before)
    await mergeLanding(table, [LANDING])
    await land(store, landing)
    return store
  }

  it.each(faults)(
    'is whole, or not there, when $name, at every call; and the next run completes it',
    async ({ faultOf }) => {
      const stands = await start()
      const untouched = stands.clone()
      await mergeLanding(await openTable(LOCATION, environmentOver(untouched, 2)), [LANDING], options)
      expect(untouched.calls).toBeGreaterThan(5)

      for (let number = 1; number <= untouched.calls; number++) {
        const store = stands.clone()
        store.inject({ number, fault: faultOf(number) })
        const outcome = await openTable(LOCATION, environmentOver(store, 2))
          .then((table) => mergeLanding(table, [LANDING], options))
          .catch((error: Error) => error)
        const place = `call ${number}: ${JSON.stringify(untouched.log[number - 1])}`
        if (outcome instanceof Error) expect(EXPECTED_ERRORS, `${place}: ${outcome.stack}`).toContain(outcome.name)
        expectOnlyCreated(store)

        const left = store.clone()
        const seen = await rowsOf(spec, left)
        const merged = (await ledger(left)).map(({ object }) => object.slice(LANDING.length))
        const ofMerged = [before, landing].map((objects) => objects.filter(({ name }) => merged.includes(name)))
        expect(seen, place).toEqual(inOrder(expectedRows(arrivalsOf(ofMerged))))
        if (!(outcome instanceof Error))
          expect(outcome.exitCode, place).toBe(merged.length < before.length + landing.length ? 10 : 0)

        const table = await openTable(LOCATION, environmentOver(left, 4))
        const second = await mergeLanding(table, [LANDING])
        expect(second.exitCode, place).toBe(0)
        expect(await rowsOf(spec, left), place).toEqual(rowsAfter)
        await expectLedger(
          left,
          [...before, ...landing].map(({ name }) => LANDING + name),
        )
        expectOnlyCreated(left)
        expect((await mergeLanding(table, [LANDING])).snapshot, place).toBeNull()
      }
    },
  )
})

describe('the creation of a table', () => {
  it.each(faults)('can be repeated when $name, at every call', async ({ faultOf }) => {
    const definition = parseTableDefinition(byKey.text)
    const untouched = memoryStore()
    await createTable(LOCATION, definition, environmentOver(untouched))
    for (let number = 1; number <= untouched.calls; number++) {
      const store = memoryStore()
      store.inject({ number, fault: faultOf(number) })
      await createTable(LOCATION, definition, environmentOver(store)).catch((error: Error) =>
        expect([...EXPECTED_ERRORS, 'InputError'], `call ${number}: ${error.stack}`).toContain(error.name),
      )
      const left = store.clone()
      const table = await createTable(LOCATION, definition, environmentOver(left, 2)).catch((error: Error) => {
        expect(error.name, `call ${number}: ${error.stack}`).toBe('InputError')
        return openTable(LOCATION, environmentOver(left, 2))
      })
      await land(left, [stand(byKey)])
      await mergeLanding(table, [LANDING])
      expect(await rowsOf(byKey, left)).toEqual(inOrder(expectedRows(arrivalsOf([[stand(byKey)]]))))
    }
  })
})
