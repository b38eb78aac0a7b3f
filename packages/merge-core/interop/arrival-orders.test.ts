import { describe, expect, it } from 'vitest'
import { everyRow, grow, histories, root } from '../test/arrival-orders.ts'
import { line } from '../test/hand-changes.ts'

describe.each(histories)('$name', ({ spec, changes }) => {
  const lines = changes.map((change) => line(spec, change))

  it('gives the table of the model in every order and every split of that order', async () => {
    const orders = { 3: 6, 4: 24 }[lines.length] as number
    expect(await grow(spec, await root(spec), lines, everyRow)).toBe(orders * 2 ** (lines.length - 1))
  })
})
