// Which pages of a stored chunk go to the new one as they stand, and which rows are encoded between them.
//
// A page stays where the selection takes all its rows in one run. A stretch of few rows beside it would become a small page, and
// more of them with every merge: its smaller neighbour is then encoded with it.

import { INCOMING, type Selection, STORED } from '../columns/gather.ts'

/** Rows of a data page in its chunk. */
export interface PageSpan {
  readonly firstRow: number
  readonly values: number
}

export type PlannedPiece =
  | { readonly kind: 'page'; readonly page: number }
  | { readonly kind: 'rows'; readonly rows: number }

export interface PagePlan {
  /** The new chunk, in the order of its rows. */
  readonly pieces: readonly PlannedPiece[]
  /** Pages that do not stay, ascending; where all stay the last one, since a page tells how the chunk's values lie. */
  readonly opened: readonly number[]
  /** Where each page begins among the opened ones. */
  readonly openedAt: Uint32Array
  /** The rows of the pieces to encode; stored rows are counted among those of the opened pages. */
  readonly selection: Selection
}

/** Finding, opening and joining pages pays where so many of the rows are in pages that stay. */
const KEPT_PART_MIN = 1 / 3
/** A stretch is small below this part of the chunk's largest page. */
const SMALL_PART = 0.1

/** Null where too few rows are in pages that stay. `pages` ascend and hold all stored rows. */
export function planPages(pages: readonly PageSpan[], selection: Selection): PagePlan | null {
  const rowsMin = selection.rows * KEPT_PART_MIN
  const stays = pagesInOneRun(pages, selection)
  if (pages.reduce((rows, { values }, page) => (stays[page] ? rows + values : rows), 0) < rowsMin) return null
  const small = SMALL_PART * pages.reduce((most, { values }) => Math.max(most, values), 0)
  let plan = piecesOf(pages, stays, selection)
  for (;;) {
    const joined = neighbourOfSmall(plan.pieces, pages, small)
    if (joined === null) break
    stays[joined] = false
    plan = piecesOf(pages, stays, selection)
  }
  return selection.rows - plan.selection.rows < rowsMin ? null : plan
}

function pagesInOneRun(pages: readonly PageSpan[], { runs, side, start, length }: Selection): boolean[] {
  const stays = pages.map(() => false)
  let page = 0
  for (let run = 0; run < runs; run++) {
    if (side[run] !== STORED) continue
    while (page < pages.length && pages[page]!.firstRow < start[run]!) page++
    for (; page < pages.length && endOf(pages[page]!) <= start[run]! + length[run]!; page++) stays[page] = true
  }
  return stays
}

function endOf({ firstRow, values }: PageSpan): number {
  return firstRow + values
}

/** The page to encode with a small stretch of rows beside it; null where none is small and beside a page. */
function neighbourOfSmall(pieces: readonly PlannedPiece[], pages: readonly PageSpan[], small: number): number | null {
  for (const [i, piece] of pieces.entries()) {
    if (piece.kind === 'page' || piece.rows >= small) continue
    const beside = [pieces[i - 1], pieces[i + 1]].flatMap((each) => (each?.kind === 'page' ? [each.page] : []))
    if (beside.length > 0) return beside.reduce((a, b) => (pages[b]!.values < pages[a]!.values ? b : a))
  }
  return null
}

function piecesOf(pages: readonly PageSpan[], stays: readonly boolean[], selection: Selection): PagePlan {
  const pieces: ({ kind: 'page'; page: number } | { kind: 'rows'; rows: number })[] = []
  const { opened, openedAt } = openedPages(pages, stays)
  const runsMax = selection.runs + 2 * pages.length
  const encoded = {
    rows: 0,
    runs: 0,
    side: new Uint8Array(runsMax),
    start: new Uint32Array(runsMax),
    length: new Uint32Array(runsMax),
  }
  const encode = (side: number, start: number, rows: number) => {
    const last = pieces.at(-1)
    if (last?.kind === 'rows') last.rows += rows
    else pieces.push({ kind: 'rows', rows })
    encoded.side[encoded.runs] = side
    encoded.start[encoded.runs] = start
    encoded.length[encoded.runs++] = rows
    encoded.rows += rows
  }
  let page = 0
  for (let run = 0; run < selection.runs; run++) {
    const start = selection.start[run]!
    const end = start + selection.length[run]!
    if (selection.side[run] === INCOMING) {
      if (end > start) encode(INCOMING, start, end - start)
      continue
    }
    for (let row = start; row < end; ) {
      while (endOf(pages[page]!) <= row) page++
      const pageEnd = Math.min(end, endOf(pages[page]!))
      if (stays[page]) pieces.push({ kind: 'page', page })
      else encode(STORED, openedAt[page]! + row - pages[page]!.firstRow, pageEnd - row)
      row = pageEnd
    }
  }
  return { pieces, opened, openedAt, selection: encoded }
}

function openedPages(
  pages: readonly PageSpan[],
  stays: readonly boolean[],
): { opened: number[]; openedAt: Uint32Array } {
  const opened: number[] = []
  const openedAt = new Uint32Array(pages.length)
  let at = 0
  for (const [page, { values }] of pages.entries()) {
    if (stays[page]) continue
    opened.push(page)
    openedAt[page] = at
    at += values
  }
  if (opened.length === 0) opened.push(pages.length - 1)
  return { opened, openedAt }
}
