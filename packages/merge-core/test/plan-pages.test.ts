// A plan of pages gives the rows that were selected, and pages neither too few nor ever smaller.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { INCOMING, type Selection, STORED } from '../src/columns/gather.ts'
import { columnOf } from '../src/columns/values.ts'
import { type PagePlan, type PageSpan, planPages } from '../src/files/plan-pages.ts'
import { cutStretches } from '../src/parquet/encode/cut-pages.ts'
import { randomFrom } from './random-from.ts'

function spansOf(sizes: readonly number[]): PageSpan[] {
  let firstRow = 0
  return sizes.map((values) => {
    firstRow += values
    return { firstRow: firstRow - values, values }
  })
}

type Run = readonly [side: number, start: number, length: number]

/** Runs that go on where the one before ends are one, as selectRows makes them. */
function selectionOf(runs: readonly Run[]): Selection {
  const taken: Run[] = []
  for (const [side, start, length] of runs) {
    const last = taken.at(-1)
    if (last !== undefined && last[0] === side && last[1] + last[2] === start) {
      taken[taken.length - 1] = [side, last[1], last[2] + length]
    } else if (length > 0) taken.push([side, start, length])
  }
  return {
    rows: taken.reduce((sum, [, , length]) => sum + length, 0),
    runs: taken.length,
    side: Uint8Array.from(taken, ([side]) => side),
    start: Uint32Array.from(taken, ([, start]) => start),
    length: Uint32Array.from(taken, ([, , length]) => length),
  }
}

/** Stored rows as numbers, incoming ones as negative numbers. */
function rowsOf({ runs, side, start, length }: Selection): number[] {
  return Array.from({ length: runs }, (_, run) =>
    Array.from({ length: length[run]! }, (_, i) => (side[run] === STORED ? start[run]! + i : -1 - start[run]! - i)),
  ).flat()
}

function rowsOfPlan({ pieces, opened, selection }: PagePlan, pages: readonly PageSpan[]): number[] {
  const rowsOfPage = ({ firstRow, values }: PageSpan) => Array.from({ length: values }, (_, i) => firstRow + i)
  const openedRows = opened.flatMap((page) => rowsOfPage(pages[page]!))
  const encoded = rowsOf(selection).map((row) => (row < 0 ? row : openedRows[row]!))
  return pieces.flatMap((piece) =>
    piece.kind === 'page' ? rowsOfPage(pages[piece.page]!) : encoded.splice(0, piece.rows),
  )
}

/** Each stored row stays, is replaced or goes, and rows may come before it. */
const cases = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
    fc.array(fc.record({ at: fc.nat(), kind: fc.constantFrom('replace', 'remove', 'insert'), rows: fc.nat(9) }), {
      maxLength: 8,
    }),
  )
  .map(([sizes, changes]) => {
    const stored = sizes.reduce((a, b) => a + b, 0)
    const runs: Run[] = []
    let next = 0
    let incoming = 0
    const sorted = changes.map((change) => ({ ...change, at: change.at % (stored + 1) })).sort((a, b) => a.at - b.at)
    for (const { at, kind, rows } of sorted) {
      if (at < next) continue
      const gone = kind === 'insert' ? 0 : Math.min(rows, stored - at)
      const come = kind === 'remove' ? 0 : kind === 'insert' ? rows : gone
      runs.push([STORED, next, at - next], [INCOMING, incoming, come])
      incoming += come
      next = at + gone
    }
    runs.push([STORED, next, stored - next])
    return { pages: spansOf(sizes), selection: selectionOf(runs) }
  })

describe('a plan of pages', () => {
  it('gives the rows of the selection, a third of them at least in whole pages', () => {
    fc.assert(
      fc.property(cases, ({ pages, selection }) => {
        const plan = planPages(pages, selection)
        const rows = rowsOf(selection)
        const wholePages = pages.filter(({ firstRow, values }) => {
          const at = rows.indexOf(firstRow)
          return at >= 0 && Array.from({ length: values }).every((_, i) => rows[at + i] === firstRow + i)
        })
        const wholeRows = wholePages.reduce((sum, { values }) => sum + values, 0)
        if (plan === null) {
          const isSmallPossible = pages.some(({ values }) => values > 10)
          if (!isSmallPossible) expect(wholeRows * 3).toBeLessThan(rows.length)
          return
        }
        expect(rowsOfPlan(plan, pages)).toEqual(rows)
        const kept = plan.pieces.flatMap((piece) => (piece.kind === 'page' ? [pages[piece.page]!] : []))
        for (const page of kept) expect(wholePages).toContain(page)
        expect(kept.reduce((sum, { values }) => sum + values, 0) * 3).toBeGreaterThanOrEqual(rows.length)
      }),
      { numRuns: 5000 },
    )
  })

  it('encodes a page again rather than leave a small one beside it', () => {
    const pages = spansOf([100, 100, 100, 80])
    const inserted = planPages(
      pages,
      selectionOf([
        [STORED, 0, 300],
        [INCOMING, 0, 9],
        [STORED, 300, 80],
      ]),
    )
    expect(inserted?.pieces).toEqual([
      { kind: 'page', page: 0 },
      { kind: 'page', page: 1 },
      { kind: 'page', page: 2 },
      { kind: 'rows', rows: 89 },
    ])
    const larger = planPages(
      pages,
      selectionOf([
        [STORED, 0, 380],
        [INCOMING, 0, 10],
      ]),
    )
    expect(larger?.pieces.at(-1)).toEqual({ kind: 'rows', rows: 10 })
    expect(larger?.opened).toEqual([3])
  })

  it('leaves few pages however often a row group is merged into', () => {
    for (const seed of [1, 2, 3]) {
      const random = randomFrom(seed)
      let sizes = [20_000, 20_000, 20_000, 20_000, 20_000]
      for (let merge = 0; merge < 120; merge++) {
        const pages = spansOf(sizes)
        const stored = sizes.reduce((a, b) => a + b, 0)
        const selection = selectionOf(clusteredChanges(stored, random))
        const plan = planPages(pages, selection)
        const pieces = plan?.pieces ?? [{ kind: 'rows', rows: selection.rows }]
        sizes = pieces.flatMap((piece) =>
          piece.kind === 'page' ? [pages[piece.page]!.values] : pagesOfStretch(piece.rows),
        )
        expect(Math.max(...sizes)).toBeLessThanOrEqual(30_000)
        expect(sizes.length).toBeLessThanOrEqual(Math.ceil(selection.rows / 10_000))
      }
    }
  })

  /** Some hundred changes in a stretch of a tenth of the rows; as many rows go as come, by and large. */
  function clusteredChanges(stored: number, random: () => number): Run[] {
    const from = Math.floor(random() * stored * 0.9)
    const places = Array.from({ length: 300 }, () => from + Math.floor(random() * stored * 0.1)).sort((a, b) => a - b)
    const runs: Run[] = []
    let next = 0
    for (const [i, at] of places.entries()) {
      if (at < next) continue
      runs.push([STORED, next, at - next])
      const kind = random() * (stored / 100_000)
      if (kind < 0.5) runs.push([INCOMING, i, 1])
      next = at + (kind < 0.3 ? 0 : 1)
    }
    runs.push([STORED, next, stored - next])
    return runs
  }

  function pagesOfStretch(rows: number): number[] {
    const present = columnOf({ kind: 'boolean' }, new Array<boolean>(rows).fill(true))
    return cutStretches(present, [rows], null, 20_000)[0]!.map(({ rowStart, rowEnd }) => rowEnd - rowStart)
  }
})
