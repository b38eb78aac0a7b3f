// Bounds of a page most of whose rows lay in one stored page, from the bounds of that page.
//
// They stand unless a row that is gone may have held one of them, and the rows that came are compared with them: a few hundred rows to
// look at, in place of the page's 20,000.

import { type Column, isPresent, type PlainColumn } from '../../columns/column.ts'
import type { Field } from '../../primitive-type.ts'
import type { PageBounds } from '../spliced-chunk.ts'
import { decimalBytes } from '../write-schema.ts'
import { compareBounds } from './bound-bytes.ts'
import { boundRows } from './bounds.ts'
import type { Values } from './choose-encoding.ts'
import { chunkBounds, columnIndexOf, writtenBounds } from './chunk-bounds.ts'
import type { PageRows } from './cut-pages.ts'
import { boundsOfPages } from './spliced-bounds.ts'

/** The stored pages that most rows of a column come from. */
export interface EarlierPages {
  /** The rows of these pages. */
  readonly column: Column
  readonly bounds: readonly PageBounds[]
  /** Of each page of the column; null where too many rows came or went. */
  readonly moved: (pages: readonly PageRows[]) => readonly (MovedRows | null)[]
}

export interface MovedRows {
  /** The stored page that all other rows of the page come from. */
  readonly page: number
  /** Rows of the column. */
  readonly came: Uint32Array
  /** Rows of the stored pages. */
  readonly gone: Uint32Array
}

/**
 * Of each page of `column`, whose present rows are `values`; pages whose bounds do not follow from earlier ones are looked at as a whole.
 * Null where all are to be looked at, or one has no bounds.
 */
export function carriedBounds(
  field: Field,
  column: Column,
  values: Values,
  pages: readonly PageRows[],
  { column: stored, bounds, moved }: EarlierPages,
): PageBounds[] | null {
  if (column.kind === 'dictionary' || stored.kind === 'dictionary' || isNarrowed(field, column)) return null
  const carried = moved(pages).map((rows, i) => {
    if (rows === null) return null
    const { rowStart, rowEnd, start, end } = pages[i]!
    const before = bounds[rows.page]!
    const gone = boundsOfRows(field, stored, rows.gone)
    if (gone === 'unknown' || mayHold(field, gone, before)) return null
    const came = boundsOfRows(field, column, rows.came)
    if (came === 'unknown') return null
    return joined(field, before, came, rowEnd - rowStart - (end - start))
  })
  const open = pages.filter((_, page) => carried[page] === null)
  if (open.length === pages.length) return null
  const found = boundsOfPages(
    columnIndexOf(field, values, open, chunkBounds(field, values, open, false), false),
    open.length,
  )
  if (found === null) return null
  let next = 0
  return carried.map((page) => page ?? found[next++]!)
}

/** Written in fewer bytes than the column has; so are its bounds. */
function isNarrowed({ type }: Field, column: PlainColumn): boolean {
  return type.kind === 'decimal' && column.kind === 'fixed' && decimalBytes(type.precision) !== column.width
}

type Interval = Pick<PageBounds, 'min' | 'max'>

/** Null where all of the rows are null. */
function boundsOfRows(field: Field, column: PlainColumn, rows: Uint32Array): Interval | null | 'unknown' {
  const { validity } = column
  const present = validity === null ? rows : rows.filter((row) => isPresent(validity, row))
  if (present.length === 0) return null
  const bounds = boundRows(column, field.type.kind === 'decimal', present, 0, present.length)
  const written = bounds && writtenBounds(field, column, bounds, false)
  return written === null || written.max === null ? 'unknown' : { min: written.min.bytes, max: written.max.bytes }
}

/** Whether one of the rows that are gone may have been the least or the greatest of its page. */
function mayHold({ type }: Field, gone: Interval | null, page: PageBounds): boolean {
  if (gone === null) return false
  return page.isNull || compareBounds(type, gone.min, page.min) <= 0 || compareBounds(type, gone.max, page.max) >= 0
}

function joined({ type }: Field, page: PageBounds, came: Interval | null, nulls: number): PageBounds {
  if (came === null) return { ...page, nulls }
  if (page.isNull) return { ...came, isNull: false, nulls }
  return {
    isNull: false,
    min: compareBounds(type, came.min, page.min) < 0 ? came.min : page.min,
    max: compareBounds(type, came.max, page.max) > 0 ? came.max : page.max,
    nulls,
  }
}
