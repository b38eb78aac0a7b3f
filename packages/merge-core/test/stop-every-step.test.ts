import { describe, expect, it } from 'vitest'
import { type MergeReport, mergeLanding, openTable } from '../src/index.ts'
import type { LoggedCall, MemoryStore } from '../src/store/memory.ts'
import { arrivalsOf } from './change-sets.ts'
import { type MergeScenario, rowsOf, scenarios, standing } from './merge-scenarios.ts'
import { expectedRows } from './model.ts'
import { LOCATION, ledger } from './stored-table.ts'
import { environmentOver, expectLedger, expectOnlyCreated, inOrder, LANDING } from './table-run.ts'

/** A run that is stopped while a call of the store is under way, before it acts or after. */
async function stoppedAt(
  store: MemoryStore,
  number: number,
  when: 'before' | 'after',
  { options }: MergeScenario,
): Promise<MergeReport> {
  const stop = new AbortController()
  store.inject({ number, fault: { kind: 'run', [when]: () => stop.abort(new Error('stopped by a test')) } })
  const table = await openTable(LOCATION, environmentOver(store, 2))
  return mergeLanding(table, [LANDING], { ...options, signal: stop.signal })
}

/** But for what is written when a commit is made. */
const isPut = ({ operation, path }: LoggedCall) =>
  operation === 'put' && !path.includes('/reports/') && !path.endsWith('/version-hint.text')
/** The compare-and-set of a table in a folder. */
const isCommit = (call: LoggedCall) => isPut(call) && /\/v\d+\.metadata\.json$/.test(call.path)
const isData = (call: LoggedCall) => isPut(call) && call.path.includes('/data/')

describe.each(scenarios)('$name', (scenario) => {
  const { spec, before, landing, options } = scenario
  const names = [...before, ...landing].map(({ name }) => LANDING + name)

  it.each(['before', 'after'] as const)(
    'ends with 10 or is done when it is stopped %s any call acts, and the next run completes it',
    async (when) => {
      const stands = await standing(scenario)
      const untouched = stands.clone()
      await mergeLanding(await openTable(LOCATION, environmentOver(untouched, 2)), [LANDING], options)
      for (let number = 1; number <= untouched.calls; number++) {
        const store = stands.clone()
        const report = await stoppedAt(store, number, when, scenario)
        const place = `call ${number}: ${JSON.stringify(untouched.log[number - 1])}`
        expectOnlyCreated(store)

        const left = store.clone()
        const merged = (await ledger(left)).map(({ object }) => object.slice(LANDING.length))
        const ofMerged = [before, landing].map((objects) => objects.filter(({ name }) => merged.includes(name)))
        expect(await rowsOf(spec, left), place).toEqual(inOrder(expectedRows(arrivalsOf(ofMerged))))
        expect(report.exitCode, place).toBe(merged.length < names.length ? 10 : 0)
        expect(store.log.filter(isCommit).length, place).toBe(report.commits.length)
        if (report.exitCode === 10) {
          expect(report.warnings[0], place).toBe(
            `stopped by a test; ${report.commits.length} commits stand, what they did not take is left for the next run`,
          )
        }

        const second = await mergeLanding(await openTable(LOCATION, environmentOver(left, 4)), [LANDING])
        expect(second.exitCode, place).toBe(0)
        expect(await rowsOf(spec, left), place).toEqual(inOrder(expectedRows(arrivalsOf([before, landing]))))
        await expectLedger(left, names)
      }
    },
  )

  it('finishes a commit that it has begun, and begins none', async () => {
    const stands = await standing(scenario)
    const untouched = stands.clone()
    await mergeLanding(await openTable(LOCATION, environmentOver(untouched, 2)), [LANDING], options)
    const { log } = untouched
    const commits = log.flatMap((call, i) => (isCommit(call) ? [i] : []))
    const outcomes = new Map<number, number>()
    for (const [i, call] of log.entries()) {
      if (!isPut(call)) continue
      const store = stands.clone()
      const report = await stoppedAt(store, i + 1, 'before', scenario)
      const made = commits.filter((commit) => commit < i).length
      outcomes.set(i, report.commits.length - made)
      const isBegun = !isData(call) && commits.some((commit) => commit >= i)
      expect(report.commits.length, JSON.stringify(call)).toBe(made + (isBegun ? 1 : 0))
      if (!isBegun) expect(store.log.slice(i + 1).filter(isPut), JSON.stringify(call)).toEqual([])
    }
    expect(new Set(outcomes.values())).toContain(1)
  })
})
