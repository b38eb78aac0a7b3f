import { describe, expect, it } from 'vitest'
import { mergeLanding } from '../src/index.ts'
import { memoryStore } from '../src/store/memory.ts'
import type { LandedLine } from './change-sets.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { rowsById } from './read-rows.ts'
import { createTestTable, environmentOver, LANDING, land, storedRows } from './table-run.ts'

const spec = handTable([])

async function mergeEach(...merges: readonly LandedLine[][]) {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  const reports = []
  for (const [i, lines] of merges.entries()) {
    await land(store, [objectOf(`${i}.ndjson`, lines)])
    reports.push(await mergeLanding(table, [LANDING]))
  }
  const rows = [...rowsById(spec, await storedRows(spec, store)).values()]
  return { reports, notes: rows.map(({ note }) => note) }
}

const one = line(spec, { pk: 'k', sequence: 10, to: 'A', note: 'one' })
const two = line(spec, { pk: 'k', sequence: 10, to: 'A', note: 'two' })
const removal = line(spec, { pk: 'k', sequence: 10, from: 'A' })

describe('two changes of one key and version', () => {
  it('are the same change where they say the same, in any order of names', async () => {
    const reordered = { ...one, text: JSON.stringify(reversed(JSON.parse(one.text))) }
    const { reports } = await mergeEach([one, reordered, one])
    expect(reports[0]).toMatchObject({ conflicts: 0, lines: { applied: 1, superseded: 2 } })
  })

  it('in one fold: the same one wins in both orders, and the conflict is counted', async () => {
    const forth = await mergeEach([one, two])
    const back = await mergeEach([two, one])
    expect(forth.notes).toEqual(back.notes)
    expect(forth.notes).toEqual(['two'])
    for (const { reports } of [forth, back]) {
      expect(reports[0]).toMatchObject({ conflicts: 1, lines: { applied: 1, superseded: 1 } })
      expect(reports[0]?.warnings).not.toEqual([])
    }
  })

  it('in one fold: a removal wins over a put', async () => {
    for (const lines of [
      [one, removal],
      [removal, one],
    ]) {
      const { notes, reports } = await mergeEach(lines)
      expect(notes).toEqual([])
      expect(reports[0]?.conflicts).toBe(1)
    }
  })

  it('in two merges: the stored row stays', async () => {
    const { notes, reports } = await mergeEach([one], [two])
    expect(notes).toEqual(['one'])
    expect(reports[1]?.lines).toMatchObject({ applied: 0, stale: 1 })
  })
})

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  )
}
