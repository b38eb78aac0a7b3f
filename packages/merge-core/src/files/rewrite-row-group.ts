// The chunks of a row group after its changes, each made of as much of the stored chunk as it can be.
//
//   1. All chunks and page indexes of the row group are read.
//   2. Where rows are only replaced, a column that no replaced row changes keeps its chunk, as key columns always do.
//   3. Pages whose rows stay together are kept as they stand, and the rows between them encoded (plan-pages.ts).
//   4. Where few pages stay, or new pages cannot be written as the stored ones are, the whole column is decoded, gathered and encoded.
//
// Changes of a tick lie near each other in key order, and most change few attributes of their items: most pages hold what they held
// before. What is kept is neither decompressed nor compressed, which is most of the cost of a row.

import type { Column } from '../columns/column.ts'
import { INCOMING, type Selection } from '../columns/gather.ts'
import { invariant } from '../invariant.ts'
import type { KeptRowGroup } from '../parquet/assemble-file.ts'
import type { RowGroup } from '../parquet/footer.ts'
import type { KeptChunk } from '../parquet/move-chunk.ts'
import {
  type ChunkTask,
  checkPages,
  cutRange,
  decodeChunk,
  decodePages,
  pagesOfChunk,
  type ReadRange,
  type RowGroupTask,
} from '../parquet/read-row-group.ts'
import type { ChunkSource } from '../parquet/write-row-group.ts'
import { selectedColumn } from './apply-selection.ts'
import type { PlacedRowGroup } from './decide-row-group.ts'
import type { IncomingChanges } from './incoming.ts'
import type { MergeContext } from './merge-context.ts'
import { type OpenFile, readChunks, readColumns, readPageIndexes } from './open-file.ts'
import { planPages } from './plan-pages.ts'
import { holdSameValues } from './same-values.ts'
import type { RowSelection } from './select-rows.ts'
import { amongOpened, rowsOfOpened, splicedChunk } from './splice-chunk.ts'

/** The row group's columns after the changes, one a field. The file has the layout of the table. */
export async function rewrittenColumns(
  context: MergeContext,
  file: OpenFile,
  { group }: PlacedRowGroup,
  selected: RowSelection,
  changes: IncomingChanges,
  decoded: ReadonlyMap<number, Column>,
): Promise<ChunkSource[]> {
  invariant(selected.selection !== null, `row group ${group} is rewritten where a change applies`)
  const stored = await readStored(file, group, context)
  const replaced = selected.inPlace ? replacedRows(selected.selection) : null
  const columns: ChunkSource[] = []
  for (const [index, chunk] of stored.task.chunks.entries()) {
    const isMarked = index === context.expiredColumn && selected.markedRows.length > 0
    const whole = decoded.get(index)
    const gathered = (column: Column) => selectedColumn(context, index, column, selected, changes)
    if (chunk.stored === null) {
      const [absent] = await readColumns(file, group, [chunk.field])
      columns.push(gathered(absent!))
    } else if (isMarked) columns.push(gathered(whole ?? decodeChunk(stored.task, chunk, stored.read)))
    else if (replaced !== null && index < context.keyColumns) columns.push(keptChunk(stored, chunk))
    else {
      const source = { stored, chunk, whole, incoming: changes.columns[index]!, gathered }
      columns.push(keptWhereSame(source, selected.selection, replaced))
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

/** A stored column and what comes to it. */
interface ColumnSource {
  readonly stored: StoredRowGroup
  readonly chunk: ChunkTask
  /** The column, if it is decoded already. */
  readonly whole: Column | undefined
  readonly incoming: Column
  /** The rows after the changes, of all stored ones. */
  readonly gathered: (column: Column) => Column
}

function wholeOf({ stored, chunk, whole }: ColumnSource): Column {
  return whole ?? decodeChunk(stored.task, chunk, stored.read)
}

/** The stored chunk, or pages of it, as far as it stays the same. */
function keptWhereSame(source: ColumnSource, selection: Selection, replaced: ReplacedRows | null): ChunkSource {
  const { stored, chunk, whole, incoming, gathered } = source
  const pages = pagesOfChunk(stored.task, chunk, stored.read)
  const plan = planPages(pages.data, selection)
  if (plan === null) {
    const column = wholeOf(source)
    const isSame = replaced !== null && holdSameValues(column, replaced.stored, incoming, replaced.incoming)
    return isSame ? keptChunk(stored, chunk) : gathered(column)
  }
  const isOpened = new Set(plan.opened)
  checkPages(
    stored.task,
    chunk,
    pages.data.filter((_, page) => !isOpened.has(page)),
  )
  const opened =
    whole === undefined
      ? decodePages(
          stored.task,
          chunk,
          pages.dictionary,
          plan.opened.map((page) => pages.data[page]!),
        )
      : rowsOfOpened(chunk.field, whole, pages.data, plan)
  if (replaced !== null) {
    const rows = amongOpened(replaced.stored, pages.data, plan)
    if (holdSameValues(opened, rows, incoming, replaced.incoming)) return keptChunk(stored, chunk)
  }
  const { column } = chunk.stored!
  const { rowGroup, indexes } = stored
  const index = indexes.columnIndexes[column]!
  const spliced = splicedChunk(chunk.field, rowGroup.columns[column]!, index, pages, plan, opened, incoming)
  return spliced ?? gathered(wholeOf(source))
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
