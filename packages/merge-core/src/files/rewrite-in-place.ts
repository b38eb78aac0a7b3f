// A row group whose rows stay at their places: columns that no replaced row changes keep their chunks, byte for byte.
//
// Rows are replaced in most columns by what they held before: an update changes few attributes of its item. The key columns never
// change. Chunks of the other columns are decoded to be compared in the replaced rows, and only where a value differs gathered and encoded.

import type { Column } from '../columns/column.ts'
import { INCOMING, type Selection } from '../columns/gather.ts'
import { invariant } from '../invariant.ts'
import type { KeptChunk } from '../parquet/move-chunk.ts'
import { cutRange, decodeChunk } from '../parquet/read-row-group.ts'
import { selectedColumn } from './apply-selection.ts'
import type { PlacedRowGroup } from './decide-row-group.ts'
import type { IncomingChanges } from './incoming.ts'
import type { MergeContext } from './merge-context.ts'
import { type OpenFile, readChunks, readColumns, readPageIndexes } from './open-file.ts'
import { holdSameValues } from './same-values.ts'
import type { RowSelection } from './select-rows.ts'

/** The row group's columns after the changes, one a field. The file has the layout of the table, and `selected` keeps rows in place. */
export async function columnsInPlace(
  context: MergeContext,
  file: OpenFile,
  { group }: PlacedRowGroup,
  selected: RowSelection,
  changes: IncomingChanges,
  decoded: ReadonlyMap<number, Column>,
): Promise<(Column | KeptChunk)[]> {
  invariant(
    selected.inPlace && selected.selection !== null,
    `row group ${group} has changes that keep its rows in place`,
  )
  const replaced = replacedRows(selected.selection)
  const [{ task, read }, indexes] = await Promise.all([
    readChunks(file, group, context.fields),
    readPageIndexes(file, group),
  ])
  const columns: (Column | KeptChunk)[] = []
  for (const [index, chunk] of task.chunks.entries()) {
    if (chunk.stored === null) {
      const [absent] = await readColumns(file, group, [chunk.field])
      columns.push(selectedColumn(context, index, absent!, selected, changes))
    } else if (index < context.keyColumns) columns.push(kept(chunk.stored))
    else {
      const column = decoded.get(index) ?? decodeChunk(task, chunk, read)
      const isMarked = index === context.expiredColumn && selected.markedRows.length > 0
      const isSame = !isMarked && holdSameValues(column, replaced.stored, changes.columns[index]!, replaced.incoming)
      columns.push(isSame ? kept(chunk.stored) : selectedColumn(context, index, column, selected, changes))
    }
  }
  return columns

  function kept({
    column,
    range,
  }: {
    readonly column: number
    readonly range: { start: number; end: number }
  }): KeptChunk {
    return {
      kind: 'kept',
      bytes: cutRange(read, range),
      chunk: file.footer.rowGroups[group]!.columns[column]!,
      columnIndex: indexes.columnIndexes[column]!,
      offsetIndex: indexes.offsetIndexes[column]!,
    }
  }
}

/** The rows that are replaced, and by which incoming ones. */
function replacedRows({ rows, runs, side, start, length }: Selection): { stored: Uint32Array; incoming: Uint32Array } {
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
