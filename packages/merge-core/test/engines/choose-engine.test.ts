import { describe, expect, it } from 'vitest'
import { chooseEngines, type EngineLimits, type PartitionLoad } from '../../src/engines/choose-engine.ts'

const GIB = 1024 ** 3
const LIMITS: EngineLimits = { use: 'auto', missing: null, memoryBytes: GIB, threads: 2, secondsLeft: null }
const load = (fileBytes: number, more: Partial<PartitionLoad> = {}): PartitionLoad => ({
  fileBytes,
  wholeBytes: 0,
  onlyHere: null,
  ...more,
})
const enginesOf = (loads: readonly PartitionLoad[], limits: Partial<EngineLimits> = {}) =>
  chooseEngines(loads, { ...LIMITS, ...limits }).map(({ engine }) => engine)

describe('a partition goes to Spark', () => {
  it('however large it is only if there is a reason', () => {
    expect(enginesOf([load(1000 * GIB)])).toEqual(['node'])
  })

  it('where files that are read whole take more than a thread may have', () => {
    const whole = (wholeBytes: number) => load(GIB, { wholeBytes })
    expect(enginesOf([whole(GIB / 20), whole(GIB / 4)])).toEqual(['node', 'spark'])
    expect(enginesOf([whole(GIB / 4)], { missing: 'spark-submit is not found' })).toEqual(['node'])
  })

  it('the largest first, until the rest is done before the deadline', () => {
    const loads = [load(GIB), load(40 * GIB), load(2 * GIB), load(30 * GIB)]
    expect(enginesOf(loads, { secondsLeft: 24 * 3600 })).toEqual(['node', 'node', 'node', 'node'])
    expect(enginesOf(loads, { secondsLeft: 1500 })).toEqual(['node', 'spark', 'node', 'node'])
    expect(enginesOf(loads, { secondsLeft: 300 })).toEqual(['node', 'spark', 'node', 'spark'])
    expect(enginesOf(loads, { secondsLeft: 0 })).toEqual(['spark', 'spark', 'spark', 'spark'])
    expect(enginesOf(loads, { secondsLeft: 0, missing: 'spark-submit is not found' })).toEqual(Array(4).fill('node'))
  })

  it('where it is asked for, unless it cannot be done there', () => {
    const loads = [load(1), load(1, { onlyHere: 'x.parquet has no field ids' })]
    expect(enginesOf(loads, { use: 'always' })).toEqual(['spark', 'node'])
    expect(enginesOf(loads, { secondsLeft: 0 })).toEqual(['spark', 'node'])
  })
})

it('says why', () => {
  const [here, there] = chooseEngines([load(1), load(100 * GIB)], { ...LIMITS, secondsLeft: 600 })
  expect(here!.why).toBe('fits memory and deadline')
  expect(there!.why).toBe('Node would take 2560 s for the plan, the deadline leaves 600 s')
})
