import { describe, expect, it } from 'vitest'
import { summarize, summaryTable, type Timing } from '../results.ts'

function timing(contestant: string, rep: number, wall: number, more: Partial<Timing> = {}): Timing {
  const bytes = { bytes_read: 1, bytes_encoded: 2_500_000, bytes_copied: null }
  return {
    ...{
      workload: 'W1',
      size: 'S',
      contestant,
      rep,
      wall_s: wall,
      cpu_s: wall / 2,
      rss_mb: 100,
      ...bytes,
      verified: true,
    },
    ...more,
  }
}

describe('the summary of a workload', () => {
  const runs = [
    timing('lastwrite', 1, 4),
    timing('duckdb', 1, 9),
    timing('lastwrite', 2, 2),
    timing('duckdb', 2, 3),
    timing('lastwrite', 3, 3),
    timing('duckdb', 3, 6),
  ]

  it('names the fastest first, by the median of its turns, beside that of lastwrite', () => {
    const [first, second] = summarize(runs)
    expect(first).toMatchObject({ contestant: 'lastwrite', wall: { median: 3, min: 2, max: 4 }, ratio: 1, cpu: 1.5 })
    expect(second).toMatchObject({ contestant: 'duckdb', wall: { median: 6, min: 3, max: 9 }, ratio: 2, cpu: 3 })
  })

  it('takes the middle between the two middle turns of an even number', () => {
    const [first] = summarize([timing('polars', 1, 1), timing('polars', 2, 4)])
    expect(first).toMatchObject({ wall: { median: 2.5 }, ratio: null })
  })

  it('has no bytes of a contestant that does not count them', () => {
    expect(summarize(runs)[0]).toMatchObject({ encoded: 2_500_000, copied: null })
  })

  it('gives no time to a contestant that once came to a wrong table', () => {
    const once = runs.map((run) => (run.contestant === 'duckdb' && run.rep === 2 ? { ...run, verified: false } : run))
    const text = summaryTable('W1', summarize(once))
    expect(text).toMatch(/duckdb +WRONG RESULT *$/m)
    expect(text).toMatch(/lastwrite +3\.00 +2\.00–4\.00 +1\.00/)
  })
})
