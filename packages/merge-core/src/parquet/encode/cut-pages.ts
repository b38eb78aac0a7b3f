// Which rows of a chunk go into which page.

import type { Column, Validity } from '../../columns/column.ts'
import { plainBytes } from './plain.ts'
import { countPresent } from './present-rows.ts'

/** Rows [rowStart, rowEnd) of a column, [start, end) of its present rows. */
export interface PageRows {
  readonly rowStart: number
  readonly rowEnd: number
  readonly start: number
  readonly end: number
}

/** Rows of a page, where nothing else is asked for. */
export const PAGE_ROWS = 20_000
/** A page of larger values ends here, so that a reader need not hold thousands of documents of 400 KB at once. */
const PAGE_BYTES = 4 << 20

/** Pages of `pageRows` rows, or fewer where their values take more than PAGE_BYTES. `present` has the rows of `validity` that are not null. */
export function cutPages(present: Column, rows: number, validity: Validity, pageRows: number): PageRows[] {
  return cutStretch(present, { rowStart: 0, rowEnd: rows, start: 0, end: present.rows }, validity, pageRows)
}

/** The pages of each of the `stretches` of so many rows; those of one are about even. */
export function cutStretches(
  present: Column,
  stretches: readonly number[],
  validity: Validity,
  pageRows: number,
): PageRows[][] {
  let rowStart = 0
  let start = 0
  return stretches.map((rows) => {
    const end = start + countPresent(validity, rowStart, rowStart + rows)
    const even = Math.ceil(rows / Math.max(1, Math.round(rows / pageRows)))
    const pages = cutStretch(present, { rowStart, rowEnd: rowStart + rows, start, end }, validity, even)
    rowStart += rows
    start = end
    return pages
  })
}

function cutStretch(present: Column, stretch: PageRows, validity: Validity, pageRows: number): PageRows[] {
  const pages: PageRows[] = []
  let { rowStart, start } = stretch
  while (rowStart < stretch.rowEnd) {
    let rowEnd = Math.min(stretch.rowEnd, rowStart + pageRows)
    let end = start + countPresent(validity, rowStart, rowEnd)
    while (rowEnd - rowStart > 1 && present.kind !== 'dictionary' && plainBytes(present, start, end) > PAGE_BYTES) {
      rowEnd = rowStart + Math.floor((rowEnd - rowStart) / 2)
      end = start + countPresent(validity, rowStart, rowEnd)
    }
    pages.push({ rowStart, rowEnd, start, end })
    rowStart = rowEnd
    start = end
  }
  return pages
}
