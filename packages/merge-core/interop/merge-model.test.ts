import fc from 'fast-check'
import { it } from 'vitest'
import { changeSet } from '../test/change-sets.ts'
import { expectModelInFolder, expectModelInMemory } from '../test/merge-properties.ts'

// `LASTWRITE_MODEL_SETS` sets how many; a failure prints its seed, and `LASTWRITE_SEED=<seed>` runs the same sets again.
const sets = Number(process.env.LASTWRITE_MODEL_SETS ?? 1700)
const seed = process.env.LASTWRITE_SEED
const runs = (numRuns: number) => ({ numRuns, ...(seed !== undefined && { seed: Number(seed) }) })

it('leaves the table of the model after any changes, in memory', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.gen(), (g) => expectModelInMemory(changeSet(g))),
    runs(sets),
  )
})

it('leaves the table of the model after any changes, in a folder, read by DuckDB', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.gen(), (g) => expectModelInFolder(changeSet(g))),
    runs(Math.ceil(sets / 10)),
  )
})
