// Bounds of a chunk of stored pages and encoded ones: what the stored column index says of the former, and what was found of the latter.

import type { Field } from '../../primitive-type.ts'
import { BoundaryOrder, type ColumnIndex, type Statistics } from '../footer.ts'
import type { PageBounds } from '../spliced-chunk.ts'
import { compareBounds } from './bound-bytes.ts'

/** The entries of a column index, one a page; null where it has none, or not of so many pages. */
export function boundsOfPages(index: ColumnIndex | null, pages: number): PageBounds[] | null {
  if (index?.nullCounts === undefined) return null
  const { nullPages, minValues, maxValues, nullCounts } = index
  if ([nullPages, minValues, maxValues, nullCounts].some(({ length }) => length !== pages)) return null
  return nullPages.map((isNull, page) => ({
    isNull,
    min: minValues[page]!,
    max: maxValues[page]!,
    nulls: nullCounts[page]!,
  }))
}

export function splicedIndex({ type }: Field, pages: readonly PageBounds[]): ColumnIndex {
  const bounded = pages.filter(({ isNull }) => !isNull)
  const ascends = bounded.every(({ min, max }, i) => {
    const before = bounded[i - 1]
    return (
      before === undefined || (compareBounds(type, before.min, min) <= 0 && compareBounds(type, before.max, max) <= 0)
    )
  })
  return {
    nullPages: pages.map(({ isNull }) => isNull),
    minValues: pages.map(({ min }) => min),
    maxValues: pages.map(({ max }) => max),
    boundaryOrder: ascends ? BoundaryOrder.ASCENDING : BoundaryOrder.UNORDERED,
    nullCounts: pages.map(({ nulls }) => nulls),
  }
}

/**
 * @param kept what is known of the stored pages
 * @param encoded statistics of all encoded rows
 * @param isBounded whether the encoded pages have bounds, where they have values
 */
export function splicedStatistics(
  field: Field,
  kept: readonly PageBounds[],
  encoded: Statistics,
  isBounded: boolean,
  isKey: boolean,
): Statistics {
  const nullCount = kept.reduce((sum, { nulls }) => sum + nulls, encoded.nullCount!)
  if (!isBounded) return { nullCount }
  // A column index does not tell which bounds are shortened: those of texts may be, but not of a key.
  const isExact = isKey || (field.type.kind !== 'string' && field.type.kind !== 'binary')
  const bounded = kept.filter(({ isNull }) => !isNull)
  const min = extreme(field, -1, [
    ...boundOf(encoded.minValue, encoded.isMinValueExact === true),
    ...bounded.map((page) => ({ bytes: page.min, isExact })),
  ])
  const max = extreme(field, 1, [
    ...boundOf(encoded.maxValue, encoded.isMaxValueExact === true),
    ...bounded.map((page) => ({ bytes: page.max, isExact })),
  ])
  if (min === undefined || max === undefined) return { nullCount }
  return {
    nullCount,
    minValue: min.bytes,
    isMinValueExact: min.isExact,
    maxValue: max.bytes,
    isMaxValueExact: max.isExact,
  }
}

interface Bound {
  readonly bytes: Uint8Array
  readonly isExact: boolean
}

function boundOf(bytes: Uint8Array | undefined, isExact: boolean): Bound[] {
  return bytes === undefined ? [] : [{ bytes, isExact }]
}

/** The first of the least (−1) or greatest (1) bounds. */
function extreme({ type }: Field, sign: 1 | -1, bounds: readonly Bound[]): Bound | undefined {
  let best: Bound | undefined
  for (const bound of bounds) {
    if (best === undefined || compareBounds(type, bound.bytes, best.bytes) * sign > 0) best = bound
  }
  return best
}
