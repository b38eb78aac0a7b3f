// Bounds of the pages of a chunk and of the chunk: what the footer's statistics and the column index say.
//
// Bounds are rows until they are written. Texts beyond 64 bytes are shortened but in key columns, an upper bound being rounded up.
// Where one page holds a NaN there are no bounds at all: a column index must bound every page that has values.

import type { DictionaryColumn, PlainColumn } from '../../columns/column.ts'
import { invariant } from '../../invariant.ts'
import type { Field } from '../../primitive-type.ts'
import { BoundaryOrder, type ColumnIndex, type Statistics } from '../footer.ts'
import { boundBytes, shortenedLower, shortenedUpper } from './bound-bytes.ts'
import { type BoundRows, boundRows, compareRows } from './bounds.ts'
import type { Values } from './choose-encoding.ts'
import type { PageRows } from './cut-pages.ts'

export interface ChunkBounds {
  /** One a page; null where all its rows are null. */
  readonly pages: readonly (BoundRows | null)[]
  /** Null where all rows are null. */
  readonly whole: BoundRows | null
}

/** Null where a NaN is among the values. `isSorted`: rows ascend, so that the first and the last are the bounds. */
export function chunkBounds(
  field: Field,
  values: Values,
  pages: readonly PageRows[],
  isSorted: boolean,
): ChunkBounds | null {
  const column = boundedColumn(values)
  const isDecimal = field.type.kind === 'decimal'
  const boundsOf = isSorted ? firstAndLast(values) : scanned(values, isDecimal)
  const bounds: (BoundRows | null)[] = []
  let whole: BoundRows | null = null
  for (const { start, end } of pages) {
    const page = start === end ? null : boundsOf(start, end)
    if (page === 'nan') return null
    bounds.push(page)
    if (page === null) continue
    invariant(
      !isSorted || compareRows(column, isDecimal, page.min, page.max) <= 0,
      `rows come sorted by key column ${field.name}`,
    )
    whole = whole === null ? page : join(column, isDecimal, whole, page)
  }
  return { pages: bounds, whole }
}

export function chunkStatistics(
  field: Field,
  values: Values,
  bounds: ChunkBounds | null,
  nullCount: number,
  isKey: boolean,
): Statistics {
  if (bounds === null || bounds.whole === null) return { nullCount }
  const { min, max } = writtenBounds(field, boundedColumn(values), bounds.whole, isKey)
  const upper = max === null ? {} : { maxValue: max.bytes, isMaxValueExact: max.isExact }
  return { nullCount, minValue: min.bytes, isMinValueExact: min.isExact, ...upper }
}

/** Null where a page that has values has no bounds, or no upper bound that is short enough. */
export function columnIndexOf(
  field: Field,
  values: Values,
  pages: readonly PageRows[],
  bounds: ChunkBounds | null,
  isKey: boolean,
): ColumnIndex | null {
  if (bounds === null) return null
  const column = boundedColumn(values)
  const minValues: Uint8Array[] = []
  const maxValues: Uint8Array[] = []
  for (const page of bounds.pages) {
    const written = page === null ? null : writtenBounds(field, column, page, isKey)
    if (written !== null && written.max === null) return null
    minValues.push(written?.min.bytes ?? NO_BYTES)
    maxValues.push(written?.max?.bytes ?? NO_BYTES)
  }
  return {
    nullPages: bounds.pages.map((page) => page === null),
    minValues,
    maxValues,
    boundaryOrder: boundaryOrder(column, field.type.kind === 'decimal', bounds.pages),
    nullCounts: pages.map(({ rowStart, rowEnd, start, end }) => rowEnd - rowStart - (end - start)),
  }
}

const NO_BYTES = new Uint8Array(0)

/** The column whose rows bounds name: the values themselves, or the dictionary. */
function boundedColumn(values: Values): PlainColumn {
  return values.kind === 'dictionary' ? values.column.dictionary : values.column
}

type BoundsOf = (start: number, end: number) => BoundRows | 'nan'

function firstAndLast(values: Values): BoundsOf {
  if (values.kind !== 'dictionary') return (start, end) => ({ min: start, max: end - 1 })
  const { indices } = values.column
  return (start, end) => ({ min: indices[start]!, max: indices[end - 1]! })
}

function scanned(values: Values, isDecimal: boolean): BoundsOf {
  const { column } = values
  if (values.kind === 'dictionary') return scannedEntries(values.column, isDecimal)
  const rows = everyRowTo(column.rows)
  return (start, end) => boundRows(values.column, isDecimal, rows, start, end) ?? 'nan'
}

/** Looks at each entry that occurs once, however many rows name it. A page that has both bounds of the dictionary has its bounds. */
function scannedEntries({ indices, dictionary }: DictionaryColumn, isDecimal: boolean): BoundsOf {
  const isUsed = new Uint8Array(dictionary.rows)
  const whole = boundRows(dictionary, isDecimal, everyRowTo(dictionary.rows), 0, dictionary.rows)
  return (start, end) => {
    markUsed(indices, start, end, isUsed)
    if (whole !== null && isUsed[whole.min] === 1 && isUsed[whole.max] === 1) return whole
    const entries = usedEntries(isUsed)
    return boundRows(dictionary, isDecimal, entries, 0, entries.length) ?? 'nan'
  }
}

function markUsed(indices: Uint32Array, start: number, end: number, isUsed: Uint8Array): void {
  isUsed.fill(0)
  for (let row = start; row < end; row++) isUsed[indices[row]!] = 1
}

function usedEntries(isUsed: Uint8Array): Uint32Array {
  const entries = new Uint32Array(isUsed.length)
  let used = 0
  for (let entry = 0; entry < isUsed.length; entry++) {
    entries[used] = entry
    used += isUsed[entry]!
  }
  return entries.subarray(0, used)
}

/** 0, 1, 2 …, kept between chunks. */
let everyRow = new Uint32Array(0)

function everyRowTo(rows: number): Uint32Array {
  if (everyRow.length < rows) everyRow = new Uint32Array(rows).map((_, row) => row)
  return everyRow
}

function join(column: PlainColumn, isDecimal: boolean, a: BoundRows, b: BoundRows): BoundRows {
  return {
    min: compareRows(column, isDecimal, b.min, a.min) < 0 ? b.min : a.min,
    max: compareRows(column, isDecimal, b.max, a.max) > 0 ? b.max : a.max,
  }
}

function boundaryOrder(column: PlainColumn, isDecimal: boolean, pages: readonly (BoundRows | null)[]): number {
  let before: BoundRows | null = null
  for (const page of pages) {
    if (page === null) continue
    const ascends =
      before === null ||
      (compareRows(column, isDecimal, before.min, page.min) <= 0 &&
        compareRows(column, isDecimal, before.max, page.max) <= 0)
    if (!ascends) return BoundaryOrder.UNORDERED
    before = page
  }
  return BoundaryOrder.ASCENDING
}

interface WrittenBound {
  readonly bytes: Uint8Array
  readonly isExact: boolean
}

/** `max` is null where no short bytes lie above it. */
export function writtenBounds(
  field: Field,
  column: PlainColumn,
  bounds: BoundRows,
  isKey: boolean,
): { min: WrittenBound; max: WrittenBound | null } {
  const min = boundBytes(column, bounds.min, 'lower')
  const max = boundBytes(column, bounds.max, 'upper')
  if (isKey || column.kind !== 'bytes')
    return { min: { bytes: min, isExact: true }, max: { bytes: max, isExact: true } }
  const lower = shortenedLower(field.type, min)
  const upper = shortenedUpper(field.type, max)
  return {
    min: { bytes: lower, isExact: lower === min },
    max: upper === null ? null : { bytes: upper, isExact: upper === max },
  }
}
