import { describe, expect, it } from 'vitest'
import { createTable, mergeLanding, openTable, parseTableDefinition } from '../src/index.ts'
import { type Fault, memoryStore } from '../src/store/memory.ts'
import { arrivalsOf } from './change-sets.ts'
import { byKey, rowsOf, scenarios, stand, standing } from './merge-scenarios.ts'
import { expectedRows } from './model.ts'
import { LOCATION, ledger } from './stored-table.ts'
import { environmentOver, expectLedger, expectOnlyCreated, inOrder, LANDING, land } from './table-run.ts'

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

describe.each(scenarios)('$name', (scenario) => {
  const { spec, before, landing, options = {} } = scenario
  const rowsAfter = inOrder(expectedRows(arrivalsOf([before, landing])))

  it.each(faults)(
    'is whole, or not there, when $name, at every call; and the next run completes it',
    async ({ faultOf }) => {
      const stands = await standing(scenario)
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
