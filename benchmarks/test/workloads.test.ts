import { describe, expect, it } from 'vitest'
import { rowsOfSize, workloadsOf } from '../workloads.ts'

const names = Array.from({ length: 12 }, (_, i) => `W${i + 1}`)

describe('the workloads', () => {
  it('draw their changes from rows that the table has', () => {
    for (const { workload } of names.flatMap((name) => workloadsOf(name, 'S'))) {
      const { updates, inserts, recentRows, recentPercent } = workload.changes
      expect(updates + inserts, workload.name).toBeLessThanOrEqual(100)
      expect(Number.isInteger(recentRows) && recentRows <= workload.table.rows, workload.name).toBe(true)
      // A percentage of rows that are none would be rows that are none.
      expect(recentPercent > 0, workload.name).toBe(recentRows > 0)
    }
  })

  it('replay the very changes of W1, so that the table after them is known', () => {
    const [tick, replay, again] = ['W1', 'W5', 'W8'].map((name) => workloadsOf(name, 'M')[0]!.workload)
    expect(replay!.changes).toEqual(tick!.changes)
    expect(again!.changes).toEqual(tick!.changes)
    expect([replay!.again, again!.again]).toEqual([true, false])
  })

  it('leave W4 in as many rows of one partition however large the table is', () => {
    const reaches = ['1M', '3M', '10M', '30M'].map((size) => workloadsOf('W4', size)[0]!.workload.changes.recentRows)
    expect(new Set(reaches).size).toBe(1)
  })

  it('have sizes by letter and by number, and no others', () => {
    expect(['S', 'M', 'L', '250k', '3M'].map(rowsOfSize)).toEqual([1e6, 1e7, 6e7, 250e3, 3e6])
    expect(() => rowsOfSize('XL')).toThrow('"XL"')
  })
})
