import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrivalsOf, changeSet } from './change-sets.ts'
import { expectModelInFolder, expectModelInMemory } from './merge-properties.ts'
import { type Change, expectedRows, isNewer } from './model.ts'

// A failure prints its seed and path: `LASTWRITE_SEED=<seed>` runs the same sets again.
const seed = process.env.LASTWRITE_SEED
const runs = (numRuns: number) => ({ numRuns, endOnFailure: false, ...(seed !== undefined && { seed: Number(seed) }) })

describe('the model', () => {
  it('holds the highest put of each key that no removal beats, once every change has arrived', () => {
    const property = fc.property(fc.gen(), (g) => {
      const arrivals = arrivalsOf(changeSet(g).merges)
      const highest = new Map<string, Change>()
      for (const { change } of arrivals.filter(({ change }) => change.operation !== 'expire')) {
        const other = highest.get(change.key)
        if (other === undefined || isNewer(change, other)) highest.set(change.key, change)
      }
      const puts = [...highest.values()].filter(({ operation }) => operation === 'put')
      const rows = [...expectedRows(arrivals).values()].map(({ _expired_at, ...cells }) => cells)
      const items = puts.map(({ cells: { _expired_at, ...cells } }) => cells)
      expect(new Set(rows.map((row) => JSON.stringify(row)))).toEqual(new Set(items.map((row) => JSON.stringify(row))))
      expect(rows.length).toBe(items.length)
    })
    fc.assert(property, runs(300))
  })
})

describe('a merge of any changes, in any order, split and duplicated in any way', () => {
  it('leaves the table of the model, in memory', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), (g) => expectModelInMemory(changeSet(g))),
      runs(150),
    )
  })

  it('leaves the table of the model, in a folder, read by DuckDB', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), (g) => expectModelInFolder(changeSet(g))),
      runs(10),
    )
  })
})
