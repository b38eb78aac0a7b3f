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
import { columnBytes } from '../columns/column-bytes.ts'
import { INCOMING, type Selection } from '../columns/gather.ts'
import { beginColumn, endColumns } from '../columns/memory.ts'
import { invariant } from '../invariant.ts'
import type { KeptRowGroup } from '../parquet/assemble-file.ts'
import type { MovedRows } from '../parquet/encode/carried-bounds.ts'
import type { PageRows } from '../parquet/encode/cut-pages.ts'
import { boundsOfPages } from '../parquet/encode/spliced-bounds.ts'
import type { RowGroup } from '../parquet/footer.ts'
import type { GroupMemory } from '../parquet/group-memory.ts'
import type { KeptChunk } from '../parquet/move-chunk.ts'
import {
  type ChunkPage,
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
import type { IncomingChanges } from './incoming.ts'
import type { MergeContext } from './merge-context.ts'
import { movedRows } from './moved-rows.ts'
import { type OpenFile, readChunks, readColumns, readPageIndexes } from './open-file.ts'
import { type PagePlan, planPages } from './plan-pages.ts'
import { holdSameValues } from './same-values.ts'
import type { RowSelection } from './select-rows.ts'
import { amongOpened, rowsOfOpened, splicedChunk } from './splice-chunk.ts'

/** Up to this part of its rows may come from changes for a column to be encoded as before. */
const TAKEN_PART_MAX = 1 / 4

/**
 * The row group's columns after the changes, one a field. Each is to be encoded before the next is asked for: they share their memory.
 */
export async function rewrittenColumns(
  context: MergeContext,
  stored: StoredRowGroup,
  selected: RowSelection,
  changes: IncomingChanges,
  decoded: ReadonlyMap<number, Column>,
): Promise<Iterable<ChunkSource>> {
  const { file, task } = stored
  const known = new Map(decoded)
  for (const [index, chunk] of task.chunks.entries()) {
    if (chunk.stored === null) known.set(index, (await readColumns(file, task.group, [chunk.field]))[0]!)
  }
  return eachColumn(context, stored, known, selected, changes)
}

function* eachColumn(
  context: MergeContext,
  stored: StoredRowGroup,
  known: ReadonlyMap<number, Column>,
  selected: RowSelection,
  changes: IncomingChanges,
): Generator<ChunkSource> {
  invariant(selected.selection !== null, 'a row group is rewritten where a change applies')
  const replaced = selected.inPlace ? replacedRows(selected.selection) : null
  const { selection } = selected
  const firstRows = (pages: readonly ChunkPage[]) => pages.map(({ firstRow }) => firstRow)
  const planOf: Planner = onceForRows(firstRows, (pages) => planPages(pages, selection))
  const movedOf: Mover = onceForRows(
    (pages, cut) => [...firstRows(pages), ...cut.map(({ rowEnd }) => rowEnd)],
    (pages, cut) => movedRows(pages, cut, selection),
  )
  const isMostlyStored = rowsTaken(selected.selection) <= selected.selection.rows * TAKEN_PART_MAX
  // Other row groups read them too, so they may not lie in the memory of a column.
  const incoming = changes.columns
  try {
    for (const [index, chunk] of stored.task.chunks.entries()) {
      beginColumn()
      const isMarked = index === context.expiredColumn && selected.markedRows.length > 0
      const whole = known.get(index)
      const gathered = (column: Column) => selectedColumn(context, index, column, selected, changes)
      if (chunk.stored === null) yield gathered(whole!)
      else if (isMarked) yield gathered(whole ?? decodeChunk(stored.task, chunk, stored.read))
      else if (replaced !== null && index < context.keyColumns) yield keptChunk(stored, chunk)
      else {
        const source = { stored, chunk, whole, incoming: incoming[index]!, gathered, isMostlyStored }
        yield keptWhereSame(source, planOf, movedOf, replaced)
      }
    }
  } finally {
    endColumns()
  }
}

/** What the columns of a row group take in memory after the changes, about: stored ones as their footer says, with an index a row. */
export function rewrittenBytes(
  { columns, totalByteSize, numRows }: RowGroup,
  selection: Selection,
  changes: IncomingChanges,
): number {
  const { rows } = selection
  const taken = rowsTaken(selection)
  const storedBytes = (totalByteSize / numRows + 4 * columns.length) * (rows - taken)
  if (taken === 0) return storedBytes
  const incomingBytes = changes.columns.reduce((sum, column) => sum + columnBytes(column), 0)
  return storedBytes + incomingBytes * (taken / changes.columns[0]!.rows)
}

/** Incoming rows. */
function rowsTaken({ runs, side, length }: Selection): number {
  let taken = 0
  for (let run = 0; run < runs; run++) if (side[run] === INCOMING) taken += length[run]!
  return taken
}

/** A row group of a file that has the layout of the table, as it was read. */
export interface StoredRowGroup {
  readonly file: OpenFile
  readonly task: RowGroupTask
  readonly read: readonly ReadRange[]
  readonly rowGroup: RowGroup
  readonly indexes: Pick<KeptRowGroup, 'columnIndexes' | 'offsetIndexes'>
}

/** @param memory for what is read, in use until the row group is rewritten */
export async function readStoredRowGroup(
  { fields }: MergeContext,
  file: OpenFile,
  group: number,
  memory: GroupMemory,
): Promise<StoredRowGroup> {
  const [chunks, indexes] = await Promise.all([readChunks(file, group, fields, memory), readPageIndexes(file, group)])
  return { file, ...chunks, indexes, rowGroup: file.footer.rowGroups[group]! }
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
  readonly isMostlyStored: boolean
}

function wholeOf({ stored, chunk, whole }: ColumnSource): Column {
  return whole ?? decodeChunk(stored.task, chunk, stored.read)
}

/** The stored chunk, or pages of it, as far as it stays the same. */
function keptWhereSame(
  source: ColumnSource,
  planOf: Planner,
  movedOf: Mover,
  replaced: ReplacedRows | null,
): ChunkSource {
  const { stored, chunk, whole, incoming, gathered } = source
  const pages = pagesOfChunk(stored.task, chunk, stored.read)
  const plan = planOf(pages.data)
  if (plan === null) {
    const column = wholeOf(source)
    const isSame = replaced !== null && holdSameValues(column, replaced.stored, incoming, replaced.incoming)
    return isSame ? keptChunk(stored, chunk) : likeBefore(source, pages.data, column, movedOf)
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

type Planner = (pages: readonly ChunkPage[]) => PagePlan | null
type Mover = (stored: readonly ChunkPage[], pages: readonly PageRows[]) => readonly (MovedRows | null)[]

/** What `make` makes of pages, once for all columns whose pages have the same rows: most columns of a row group. */
function onceForRows<Of extends readonly unknown[], T>(
  rowsOf: (...of: Of) => readonly number[],
  make: (...of: Of) => T,
): (...of: Of) => T {
  const made = new Map<string, T>()
  return (...of) => {
    const rows = rowsOf(...of).join()
    if (!made.has(rows)) made.set(rows, make(...of))
    return made.get(rows) as T
  }
}

/** Encoded as the stored pages are, if they are alike and most rows come from them. `whole` is the stored column. */
function likeBefore(
  { stored: { indexes }, chunk, gathered, isMostlyStored }: ColumnSource,
  pages: readonly ChunkPage[],
  whole: Column,
  movedOf: Mover,
): ChunkSource {
  const column = gathered(whole)
  const encodings = new Set(pages.map(({ header }) => header.dataPageHeader?.encoding))
  const [encoding] = encodings
  if (!isMostlyStored || encodings.size !== 1 || encoding === undefined) return column
  const bounds = boundsOfPages(indexes.columnIndexes[chunk.stored!.column]!, pages.length)
  const earlier = bounds && { column: whole, bounds, moved: (cut: readonly PageRows[]) => movedOf(pages, cut) }
  return { kind: 'like before', column, encoding, earlier }
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
