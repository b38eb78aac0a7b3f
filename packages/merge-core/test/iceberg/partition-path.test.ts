import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partitionPath } from '../../src/iceberg/partition-path.ts'
import type { PartitionSpec } from '../../src/iceberg/schema.ts'

const spec: PartitionSpec = {
  'spec-id': 0,
  fields: [
    { name: 'region', transform: 'identity', 'source-id': 1, 'field-id': 1000 },
    { name: 'at_day', transform: 'day', 'source-id': 2, 'field-id': 1001 },
  ],
}

describe('the folder of a partition', () => {
  it('names fields and values', () => {
    expect(partitionPath(spec, ['eu', 19_782])).toBe('region=eu/at_day=2024-02-29')
    expect(partitionPath(spec, [null, -1])).toBe('region=null/at_day=1969-12-31')
    expect(partitionPath({ 'spec-id': 0, fields: [] }, [])).toBe('')
  })

  it('differs for different partitions and stays within what stores take', () => {
    const text = fc.option(
      fc.oneof(
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('null', '%6Eull', '/', '..', 'a/b', 'a%2Fb'),
        fc.string({ minLength: 150 }),
      ),
    )
    fc.assert(
      fc.property(text, text, fc.integer(), (a, b, day) => {
        const path = partitionPath(spec, [a, day])
        expect(path).toMatch(/^region=[A-Za-z0-9._%~-]*\/at_day=-?[A-Za-z0-9%-]+$/)
        expect(Math.max(...path.split('/').map((step) => step.length))).toBeLessThanOrEqual(255)
        expect(path === partitionPath(spec, [b, day])).toBe(a?.toWellFormed() === b?.toWellFormed())
      }),
      { numRuns: 500 },
    )
  })
})
