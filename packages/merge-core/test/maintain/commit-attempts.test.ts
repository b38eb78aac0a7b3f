import { expect, it } from 'vitest'
import { untilCommitted } from '../../src/maintain/commit-attempts.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { handTable } from '../hand-changes.ts'
import { createTestTable, environmentOver } from '../table-run.ts'

it('waits by what an attempt takes, twice as long with each loss, so that slow ones do not meet for ever', async () => {
  let nowMs = 0
  const waited: number[] = []
  const environment = {
    ...environmentOver(memoryStore()),
    nowMs: () => nowMs,
    random: () => 1,
    sleep: async (ms: number) => void waited.push(ms),
  }
  const table = { ...(await createTestTable(handTable([]), environment)), environment }
  const answer = await untilCommitted(table, async (number) => {
    nowMs += number === 1 ? 1 : 700
    return number === 4 ? 'made' : 'lost'
  })
  expect(answer).toBe('made')
  expect(waited).toEqual([100, 2800, 5600])
  await expect(untilCommitted(table, async () => 'lost' as const)).rejects.toThrow('lost the race to commit 20 times')
})
