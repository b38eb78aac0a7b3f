// A row group whose rows stay at their places: columns that no replaced row changes keep their chunks, byte for byte.
//
//   1. All chunks and page indexes of the row group are read. Key columns never change.
//   2. Where replaced rows lie near each other, only their pages are decoded and compared with what comes. If all is the same, that is it.
//   3. Else the whole chunk is decoded and compared, and only where a value differs gathered and encoded.
//
// An update changes few attributes of its item, so that most columns hold in replaced rows what they held before.

import type { Column } from '../columns/column.ts'
import { INCOMING, type Selection } from '../columns/gather.ts'
import { invariant } from '../invariant.ts'
import type { KeptRowGroup } from '../parquet/assemble-file.ts'
import type { RowGroup } from '../parquet/footer.ts'
import type { KeptChunk } from '../parquet/move-chunk.ts'
import {
  type ChunkPage,
  type ChunkTask,
  cutRange,
  decodeChunk,
  decodePage,
  findPages,
  type ReadRange,
  type RowGroupTask,
} from '../parquet/read-row-group.ts'
import { selectedColumn } from './apply-selection.ts'
import type { PlacedRowGroup } from './decide-row-group.ts'
import type { IncomingChanges } from './incoming.ts'
import type { MergeContext } from './merge-context.ts'
import { type OpenFile, readChunks, readColumns, readPageIndexes } from './open-file.ts'
import { holdSameValues } from './same-values.ts'
import type { RowSelection } from './select-rows.ts'

/** Pages are decoded on their own where replaced rows lie within such a part of the row group: what differs is decoded twice. */
const COMPARED_PART_MAX = 0.5

/** The row group's columns after the changes, one a field. The file has the layout of the table, and `selected` keeps rows in place. */
export async function columnsInPlace(
  context: MergeContext,
  file: OpenFile,
  { group }: PlacedRowGroup,
  selected: RowSelection,
  changes: IncomingChanges,
  decoded: ReadonlyMap<number, Column>,
): Promise<(Column | KeptChunk)[]> {
  invariant(selected.inPlace && selected.selection !== null, `row group ${group} keeps its rows in place`)
  const replaced = replacedRows(selected.selection)
  const stored = await readStored(file, group, context)
  const columns: (Column | KeptChunk)[] = []
  for (const [index, chunk] of stored.task.chunks.entries()) {
    const incoming = changes.columns[index]!
    const isMarked = index === context.expiredColumn && selected.markedRows.length > 0
    const isKey = index < context.keyColumns
    if (chunk.stored === null) {
      const [absent] = await readColumns(file, group, [chunk.field])
      columns.push(selectedColumn(context, index, absent!, selected, changes))
    } else if (isKey || (!isMarked && !decoded.has(index) && pagesStay(stored, chunk, incoming, replaced))) {
      columns.push(keptChunk(stored, chunk))
    } else {
      const column = decoded.get(index) ?? decodeChunk(stored.task, chunk, stored.read)
      const stays = !isMarked && holdSameValues(column, replaced.stored, incoming, replaced.incoming)
      columns.push(stays ? keptChunk(stored, chunk) : selectedColumn(context, index, column, selected, changes))
    }
  }
  return columns
}

interface StoredRowGroup {
  readonly task: RowGroupTask
  readonly read: readonly ReadRange[]
  readonly rowGroup: RowGroup
  readonly indexes: Pick<KeptRowGroup, 'columnIndexes' | 'offsetIndexes'>
}

async function readStored(file: OpenFile, group: number, { fields }: MergeContext): Promise<StoredRowGroup> {
  const [chunks, indexes] = await Promise.all([readChunks(file, group, fields), readPageIndexes(file, group)])
  return { ...chunks, indexes, rowGroup: file.footer.rowGroups[group]! }
}

function keptChunk({ read, rowGroup, indexes }: StoredRowGroup, { stored }: ChunkTask): KeptChunk {
  const { column, range } = stored!
  return {
    kind: 'kept',
    bytes: cutRange(read, range),
    chunk: rowGroup.columns[column]!,
    columnIndex: indexes.columnIndexes[column]!,
    offsetIndex: indexes.offsetIndexes[column]!,
  }
}

/** Row stored[i] is replaced by incoming[i]; both ascend. */
interface ReplacedRows {
  readonly stored: Uint32Array
  readonly incoming: Uint32Array
}

function replacedRows({ rows, runs, side, start, length }: Selection): ReplacedRows {
  const stored: number[] = []
  const incoming: number[] = []
  let row = 0
  for (let run = 0; run < runs; run++) {
    if (side[run] === INCOMING) {
      for (let i = 0; i < length[run]!; i++) {
        stored.push(row + i)
        incoming.push(start[run]! + i)
      }
    } else invariant(start[run] === row, `stored row ${start[run]} stays at its place, not at ${row}`)
    row += length[run]!
  }
  invariant(row === rows, `runs of ${row} rows in a selection of ${rows}`)
  return { stored: Uint32Array.from(stored), incoming: Uint32Array.from(incoming) }
}

/** Whether the replaced rows lie near each other in the chunk, and each holds what comes. */
function pagesStay(
  { task, read }: StoredRowGroup,
  chunk: ChunkTask,
  incoming: Column,
  replaced: ReplacedRows,
): boolean {
  const { stored } = replaced
  if (stored.length > 0 && stored.at(-1)! - stored[0]! >= task.rows * COMPARED_PART_MAX) return false
  return partsByPage(findPages(task, chunk, read), stored).every(({ page, from, to }) => {
    const rows = stored.subarray(from, to).map((row) => row - page.firstRow)
    return holdSameValues(decodePage(task, chunk, page), rows, incoming, replaced.incoming.subarray(from, to))
  })
}

/** The pages with any of the ascending rows, and which of the rows: [from, to). */
function partsByPage(pages: readonly ChunkPage[], rows: Uint32Array): { page: ChunkPage; from: number; to: number }[] {
  const parts: { page: ChunkPage; from: number; to: number }[] = []
  let from = 0
  for (const page of pages) {
    let to = from
    while (to < rows.length && rows[to]! < page.firstRow + page.rows) to++
    if (to > from) parts.push({ page, from, to })
    from = to
  }
  return parts
}
