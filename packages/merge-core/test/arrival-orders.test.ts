import { describe, expect, it } from 'vitest'
import { everyChoice, everyRow, grow, histories, merge, root } from './arrival-orders.ts'
import { line } from './hand-changes.ts'

/** In how many ways so many things fall into an ordered row of groups. */
const ORDERED_SPLITS = [1, 1, 3, 13, 75]

describe.each(histories)('$name', ({ spec, changes }) => {
  const lines = changes.map((change) => line(spec, change))

  it('gives the table of the model in every split into merges', async () => {
    expect(await grow(spec, await root(spec), lines, everyChoice)).toBe(ORDERED_SPLITS[lines.length])
  })

  it('gives the table of the model in every order inside one merge', async () => {
    const start = await root(spec)
    for (const row of everyRow(lines).filter(({ length }) => length === lines.length)) await merge(spec, start, row)
  })

  it('is not changed by any of its lines arriving again, alone or with all the others', async () => {
    const start = await root(spec)
    const doubled = await merge(spec, start, [...lines, ...lines.toReversed()])
    for (const again of lines) {
      const once = await merge(spec, start, [again])
      const twice = await merge(spec, once, [again])
      await merge(spec, await merge(spec, twice, lines), [again])
      await merge(spec, doubled, [again, again])
    }
  })
})
