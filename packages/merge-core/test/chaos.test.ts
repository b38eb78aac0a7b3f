import { describe, it } from 'vitest'
import { memoryStore } from '../src/store/memory.ts'
import { expectConverges } from './chaos-runs.ts'
import { chaosStore } from './chaos-store.ts'
import { randomFrom } from './random-from.ts'

// `LASTWRITE_CHAOS_SEED=17` runs that seed alone, `LASTWRITE_CHAOS_SEEDS=20000` so many.
const { LASTWRITE_CHAOS_SEED, LASTWRITE_CHAOS_SEEDS = '200' } = process.env
const seeds =
  LASTWRITE_CHAOS_SEED === undefined ? [...Array(Number(LASTWRITE_CHAOS_SEEDS)).keys()] : [Number(LASTWRITE_CHAOS_SEED)]

describe('merges and upkeep on a store where three of four calls go wrong', () => {
  it.each(seeds)('end with the table of the model, whole and without leftovers: seed %i', async (seed) => {
    const random = randomFrom(seed)
    const clock = { ms: Date.UTC(2026, 10, 22, 9) }
    const clean = memoryStore({ nowMs: () => clock.ms++ })
    const chaos = chaosStore(clean, random)
    const unconditional = () =>
      clean.log.filter(({ mode }) => mode !== undefined && mode !== 'create').map(({ path }) => path)
    await expectConverges(
      {
        chaos,
        clean,
        root: 'memory://lake',
        clock,
        isStoreOnTime: true,
        rounds: 3,
        settled: chaos.settled,
        unconditional,
      },
      random,
    )
  })
})
