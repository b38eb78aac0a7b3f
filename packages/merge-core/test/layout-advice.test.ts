import { describe, expect, it } from 'vitest'
import { parseTableDefinition } from '../src/index.ts'
import { layoutAdvice } from '../src/layout-advice.ts'
import { handTable } from './hand-changes.ts'

const GIB = 1024 ** 3

function definition(partitionBy: readonly string[], columns: Readonly<Record<string, string>> = {}) {
  const { columns: own, ...rest } = JSON.parse(handTable([]).text)
  return parseTableDefinition(JSON.stringify({ ...rest, columns: { ...own, ...columns }, partition_by: partitionBy }))
}

describe('the advice on a layout', () => {
  const scattered = { touched: 0.9 * GIB, table: GIB }

  it('names the time that would keep scattered changes together, where there is one', () => {
    const [advice] = layoutAdvice(definition(['bucket(pk, 8)'], { born: 'timestamptz' }), scattered)
    expect(advice).toMatch(/scattered over 90 % .* day\(born\)/)
  })

  it('asks for one where there is none', () => {
    expect(layoutAdvice(definition(['bucket(pk, 8)']), scattered)[0]).toMatch(/an attribute that holds the time/)
  })

  it('is none where changes lie together, or the table is small, or partitioned by time already', () => {
    const byKey = definition(['bucket(pk, 8)'])
    expect(layoutAdvice(byKey, { touched: 0.4 * GIB, table: GIB })).toEqual([])
    expect(layoutAdvice(byKey, { touched: GIB / 8, table: GIB / 8 })).toEqual([])
    expect(layoutAdvice(definition(['day(born)'], { born: 'timestamptz' }), scattered)).toEqual([])
  })
})
