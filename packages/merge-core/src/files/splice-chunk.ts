// A new chunk of the pages of a stored one that a plan keeps (plan-pages.ts), and of the rows between them.

import type { Column } from '../columns/column.ts'
import { concat, expandDictionary, gather, gatherOverDictionary, type Selection, sliceRows } from '../columns/gather.ts'
import { DICTIONARY_ENTRIES_MAX } from '../parquet/encode/choose-encoding.ts'
import { codecName } from '../parquet/encode/pages.ts'
import { plainBytes } from '../parquet/encode/plain.ts'
import { boundsOfPages } from '../parquet/encode/spliced-bounds.ts'
import { type ColumnChunk, type ColumnIndex, Encoding, PageType } from '../parquet/footer.ts'
import type { ChunkPage, ChunkPages } from '../parquet/read-row-group.ts'
import type { SplicedChunk } from '../parquet/spliced-chunk.ts'
import type { Field } from '../primitive-type.ts'
import { movedRows } from './moved-rows.ts'
import type { PagePlan, PageSpan } from './plan-pages.ts'

/** A dictionary that grew beyond it is made anew with its column: of its entries some may stand in no row any more. */
const GROWN_DICTIONARY_BYTES_MAX = 1 << 20

/** The rows of the opened pages of a column that is decoded as a whole. */
export function rowsOfOpened(field: Field, column: Column, pages: readonly PageSpan[], { opened }: PagePlan): Column {
  const stretches: { start: number; end: number }[] = []
  for (const { firstRow, values } of opened.map((page) => pages[page]!)) {
    const last = stretches.at(-1)
    if (last?.end === firstRow) last.end += values
    else stretches.push({ start: firstRow, end: firstRow + values })
  }
  return concat(
    field.type,
    stretches.map(({ start, end }) => sliceRows(column, start, end)),
  )
}

/** Where ascending rows of the chunk, each in an opened page, stand among the opened ones. */
export function amongOpened(rows: Uint32Array, pages: readonly PageSpan[], { openedAt }: PagePlan): Uint32Array {
  let page = 0
  return rows.map((row) => {
    while (pages[page]!.firstRow + pages[page]!.values <= row) page++
    return openedAt[page]! + row - pages[page]!.firstRow
  })
}

/** @param opened the stored rows of the opened pages */
export function splicedChunk(
  field: Field,
  chunk: ColumnChunk,
  columnIndex: ColumnIndex | null,
  pages: ChunkPages,
  plan: PagePlan,
  opened: Column,
  incoming: Column,
): SplicedChunk | null {
  const rows = plan.pieces.reduce(
    (sum, each) => sum + (each.kind === 'page' ? pages.data[each.page]!.values : each.rows),
    0,
  )
  const bounds = boundsOfPages(columnIndex, pages.data.length)
  if (bounds === null || codecName(chunk.metaData!.codec) === null || !areLikeOurs(pages)) return null
  const column =
    pages.dictionary === null
      ? expandDictionary(gather(field.type, opened, incoming, plan.selection))
      : overDictionary(pages.dictionary, opened, incoming, plan.selection, rows)
  if (column === null) return null
  return {
    kind: 'spliced',
    rows,
    chunk,
    dictionary: pages.dictionary,
    pieces: plan.pieces.map((piece) =>
      piece.kind === 'rows' ? piece : { kind: 'page', page: pages.data[piece.page]!, bounds: bounds[piece.page]! },
    ),
    column,
    earlier: {
      column: opened,
      bounds: plan.opened.map((page) => bounds[page]!),
      moved: (encoded) => movedRows(openedSpans(pages.data, plan), encoded, plan.selection),
    },
  }
}

/** The opened pages, one behind the other. */
function openedSpans(pages: readonly PageSpan[], { opened, openedAt }: PagePlan): PageSpan[] {
  return opened.map((page) => ({ firstRow: openedAt[page]!, values: pages[page]!.values }))
}

/** Pages as they are written here: of version 1, all over the dictionary or none. */
function areLikeOurs({ dictionary, data }: ChunkPages): boolean {
  return data.every(({ header }: ChunkPage) => {
    if (header.type !== PageType.DATA_PAGE) return false
    return (header.dataPageHeader!.encoding === Encoding.RLE_DICTIONARY) === (dictionary !== null)
  })
}

/** The rows to encode over the stored dictionary and what follows it; null where it grows beyond what a new one may have. */
function overDictionary(
  dictionary: ChunkPage,
  opened: Column,
  incoming: Column,
  selection: Selection,
  rows: number,
): Column | null {
  if (opened.kind !== 'dictionary') return null
  const column = gatherOverDictionary(opened, incoming, selection)
  if (column === null) return null
  const entries = column.dictionary.rows
  if (entries === dictionary.values) return column
  const isSmall =
    entries <= rows * DICTIONARY_ENTRIES_MAX && plainBytes(column.dictionary, 0, entries) <= GROWN_DICTIONARY_BYTES_MAX
  return isSmall ? column : null
}
