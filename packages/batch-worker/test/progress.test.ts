import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { showProgress } from '../src/progress.ts'

let said: string[]

beforeEach(() => {
  said = []
  vi.useFakeTimers({ toFake: ['performance'] })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

it('says now and then, off a terminal, how far a merge is', async () => {
  const { show, stop } = await showProgress({})
  show({ step: 'scan', done: 1, total: 2000, unit: 'objects' })
  vi.advanceTimersByTime(10_000)
  show({ step: 'scan', done: 1500, total: 2000, unit: 'objects' })
  show({ step: 'merge', done: 1, total: 17, unit: 'tasks' })
  vi.advanceTimersByTime(10_000)
  show({ step: 'merge', done: 13, total: 17, unit: 'tasks' })
  vi.advanceTimersByTime(10_000)
  show({ step: 'commit', attempt: 1 })
  stop()
  expect(said).toEqual(['scan: 1,500 of 2,000 objects\n', 'merge: 13 of 17 tasks\n', 'commit: attempt 1\n'])
})

it('says nothing where it is to be quiet', async () => {
  const { show, stop } = await showProgress({ quiet: true })
  vi.advanceTimersByTime(60_000)
  show({ step: 'commit', attempt: 1 })
  stop()
  expect(said).toEqual([])
})
