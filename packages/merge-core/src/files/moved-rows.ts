// Which rows of a page are of another page than most, and which of that page's rows are gone.

import { type Selection, STORED } from '../columns/gather.ts'
import type { MovedRows } from '../parquet/encode/carried-bounds.ts'
import type { PageRows } from '../parquet/encode/cut-pages.ts'
import type { PageSpan } from './plan-pages.ts'

/** Where more of a page's rows came or went, its bounds are as well found among all. */
const MOVED_PART_MAX = 1 / 8

/** Of each of the new pages; null where too many rows came or went. `stored` ascend and hold all stored rows of the selection. */
export function movedRows(
  stored: readonly PageSpan[],
  pages: readonly PageRows[],
  selection: Selection,
): (MovedRows | null)[] {
  const origin = originsOf(selection)
  return pages.map((page) => movedRowsOf(page, stored, origin))
}

function movedRowsOf(
  { rowStart, rowEnd }: PageRows,
  stored: readonly PageSpan[],
  origin: Int32Array,
): MovedRows | null {
  let middle = (rowStart + rowEnd) >> 1
  while (middle < rowEnd && origin[middle] === NONE) middle++
  const page = stored.findIndex(({ firstRow, values }) => origin[middle]! < firstRow + values)
  if (middle === rowEnd || page < 0) return null
  const { firstRow, values } = stored[page]!
  const movedMax = (rowEnd - rowStart) * MOVED_PART_MAX
  const came: number[] = []
  const gone: number[] = []
  let next = firstRow
  for (let row = rowStart; row < rowEnd && came.length + gone.length <= movedMax; row++) {
    const from = origin[row]!
    if (from < firstRow || from >= firstRow + values) came.push(row)
    else {
      while (next < from) gone.push(next++)
      next++
    }
  }
  while (next < firstRow + values && came.length + gone.length <= movedMax) gone.push(next++)
  if (came.length + gone.length > movedMax) return null
  return { page, came: Uint32Array.from(came), gone: Uint32Array.from(gone) }
}

const NONE = -1

/** Kept between calls. */
let origin = new Int32Array(0)

/** Of each selected row its stored row, or NONE. */
function originsOf({ rows, runs, side, start, length }: Selection): Int32Array {
  if (origin.length < rows) origin = new Int32Array(rows)
  let at = 0
  for (let run = 0; run < runs; run++) {
    const end = at + length[run]!
    if (side[run] === STORED) for (let row = start[run]!; at < end; at++, row++) origin[at] = row
    else origin.fill(NONE, at, end)
    at = end
  }
  return origin
}
