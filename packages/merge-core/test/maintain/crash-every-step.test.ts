// Expire, purge, clean, rollback and the daily job, broken at every call of the store. Whatever happened: nothing that the table names is
// gone, its rows are those of before or after, and the same command again completes it.

import { describe, expect, it } from 'vitest'
import { cleanTable, expireSnapshots, maintainTable, purgeTable, rollbackTable, type Table } from '../../src/index.ts'
import { type Fault, SimulatedCrash } from '../../src/store/memory.ts'
import type { Cells } from '../model.ts'
import { expectWhole, namedByTable, snapshotIds } from '../named-by-table.ts'
import { LOCATION } from '../stored-table.ts'
import { LANDING } from '../table-run.ts'
import { DAY, HOUR, type Lake, newLake, watermarkOf } from './lake.ts'

const UNKNOWN: Fault = { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset before it acted') } }
const THROTTLED: Fault = { kind: 'fail', failure: { kind: 'throttled', cause: new Error('slow down') } }

const faults: readonly { name: string; crashes: boolean; faultOf: (call: number) => Fault }[] = [
  { name: 'stopped before the call', crashes: true, faultOf: () => ({ kind: 'crash', when: 'before' }) },
  { name: 'stopped after the call acted', crashes: true, faultOf: () => ({ kind: 'crash', when: 'after' }) },
  { name: 'told nothing of a call that acted', crashes: false, faultOf: () => ({ kind: 'lose-answer' }) },
  {
    name: 'throttled, or told nothing of a call that did not act',
    crashes: false,
    faultOf: (n) => (n % 2 === 0 ? UNKNOWN : THROTTLED),
  },
]

const EXPECTED_ERRORS = ['SimulatedCrash', 'TryAgainError']

/** Old snapshots, young snapshots, old and young removals, a landing object that is gone, bad lines, leftovers of a killed run. */
async function start(): Promise<{ lake: Lake; ids: bigint[] }> {
  const lake = await newLake({ landing_days: 1, tombstone_days: 4 })
  for (let i = 0; i < 3; i++) {
    const changes = ['a', 'b', 'c'].map((pk) => ({ pk, sequence: 10 + i, from: 'A', to: 'A' }))
    await lake.merge(`old-${i}`, ...changes, { pk: `x${i}`, sequence: 5, from: 'A' })
    lake.wait(HOUR)
  }
  lake.store.plant(`${LANDING}bad`, Buffer.from('not json\n'))
  await lake.mergeAgain()
  lake.store.uproot(`${LANDING}bad`)
  await lake.land('killed', { pk: 'd', sequence: 10, to: 'A' })
  lake.store.inject({ operation: 'put', path: /\/v\d+\.metadata\.json$/, fault: { kind: 'crash', when: 'before' } })
  await expect(lake.mergeAgain()).rejects.toThrow(SimulatedCrash)
  const later = lake.clone()
  later.wait(9 * DAY)
  await later.mergeAgain()
  later.wait(HOUR)
  await later.merge('young', { pk: 'a', sequence: 20, from: 'A' })
  later.wait(HOUR)
  return { lake: later, ids: await snapshotIds(later.store) }
}

const commands: readonly { name: string; run: (table: Table, ids: readonly bigint[]) => Promise<unknown> }[] = [
  { name: 'expire', run: (table) => expireSnapshots(table) },
  { name: 'purge', run: (table) => purgeTable(table, [LANDING]) },
  { name: 'clean', run: (table) => cleanTable(table) },
  { name: 'maintain', run: (table) => maintainTable(table, [LANDING]) },
  { name: 'rollback', run: (table, ids) => rollbackTable(table, { to: ids.at(-2)!, ledger: 'reapply' }) },
]

/** What must be the same however a command came to its end. */
async function outcome(lake: Lake) {
  const { paths } = await namedByTable(lake.store)
  const count = (of: RegExp) => [...paths].filter((path) => of.test(path)).length
  return {
    rows: await lake.rows(),
    removed: await lake.removedKeys(),
    known: await lake.known(),
    watermark: await watermarkOf(lake.store),
    dataFiles: count(/\/data\//),
  }
}

describe.each(commands)('$name', ({ name, run }) => {
  it.each(faults)(
    'is made or not made when $name, at every call; and again it completes',
    { timeout: 120_000 },
    async ({ faultOf, crashes }) => {
      const { lake, ids } = await start()
      const rowsBefore = await lake.rows()
      const untouched = lake.clone()
      await run(await untouched.open(7), ids)
      const calls = untouched.store.calls
      expect(calls).toBeGreaterThan(5)
      const done = await outcome(untouched)
      const possible: [string, Cells][][] = [rowsBefore, done.rows]

      for (let number = 1; number <= calls; number++) {
        const broken = lake.clone()
        broken.store.inject({ number, fault: faultOf(number) })
        const error = await broken
          .open(7)
          .then((table) => run(table, ids))
          .then(
            () => null,
            (failed: Error) => failed,
          )
        const place = `call ${number}: ${JSON.stringify(untouched.store.log[number - 1])}`
        if (error !== null) expect(EXPECTED_ERRORS, `${place}: ${error.stack}`).toContain(error.name)

        const left = broken.clone()
        await expectWhole(left.store, place)
        expect(possible, place).toContainEqual(await left.rows())
        await run(await left.open(), ids)
        await expectWhole(left.store, place)
        expect(await outcome(left), place).toEqual(done)

        if (name === 'rollback') {
          await left.mergeAgain()
          expect(await left.rows(), place).toEqual(left.modelRows())
        }
        if (name === 'rollback' || name === 'purge' || !crashes) continue
        left.clock.ms += 2 * DAY
        await maintainTable(await left.open(), [LANDING])
        left.clock.ms += 2 * DAY
        await maintainTable(await left.open(), [LANDING])
        left.clock.ms -= 4 * DAY
        await expectWhole(left.store, place)
        expect(await leftovers(left), place).toEqual([])
        expect(await left.rows(), place).toEqual(rowsBefore)
      }
    },
  )
})

/** Old files of the table that nothing names. */
async function leftovers(lake: Lake): Promise<string[]> {
  const { paths, stateFolder } = await namedByTable(lake.store)
  const old = [...lake.store.snapshot()].filter(([, { modifiedMs }]) => modifiedMs < lake.clock.ms)
  return old
    .map(([path]) => path)
    .filter((path) => path.startsWith(`${LOCATION}/data/`) || path.startsWith(`${stateFolder}/`))
    .filter((path) => !paths.has(path) && !path.includes('/reports/'))
}
