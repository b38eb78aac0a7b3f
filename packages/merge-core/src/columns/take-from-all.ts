// Rows brought together from many columns of one layout, in any order.

import { invariant } from '../invariant.ts'
import type { BytesColumn, PlainColumn, Validity } from './column.ts'
import { isPresent } from './column.ts'
import { takeRows } from './gather.ts'
import { columnOverLanes, type FixedWidthColumn, lanesOf, lanesPerRow, newLanes } from './lanes.ts'
import { takeBytesFromAll } from './take-bytes.ts'
import { nullIfAllPresent, setBit } from './validity.ts'

/** Row i of the result is row rows[i] of columns[of[i]]. There is at least one column, and all have one kind (and width). */
export function takeFromAll(columns: readonly PlainColumn[], of: Uint32Array, rows: Uint32Array): PlainColumn {
  const [first] = columns
  invariant(first !== undefined, 'rows are taken from at least one column')
  if (columns.length === 1) return takeRows(first, rows) as PlainColumn
  const validity = takeValidity(columns, of, rows)
  if (first.kind === 'bytes') {
    return {
      kind: 'bytes',
      rows: rows.length,
      validity,
      ...takeBytesFromAll(columns as readonly BytesColumn[], of, rows),
    }
  }
  const sources = (columns as readonly FixedWidthColumn[]).map(lanesOf)
  const like = columns[0] as FixedWidthColumn
  const target = newLanes(sources[0]!, rows.length * lanesPerRow(like))
  if (like.kind === 'fixed') takeFixed(sources as Uint8Array[], like.width, of, rows, target as Uint8Array)
  else if (target instanceof BigUint64Array) takeLongs(sources as BigUint64Array[], of, rows, target)
  else if (target instanceof Uint32Array) takeWords(sources as Uint32Array[], of, rows, target)
  else takeFixed(sources as Uint8Array[], 1, of, rows, target)
  return columnOverLanes(like, rows.length, validity, target)
}

function takeValidity(columns: readonly PlainColumn[], of: Uint32Array, rows: Uint32Array): Validity {
  if (columns.every((column) => column.validity === null)) return null
  const validity = new Uint8Array((rows.length + 7) >> 3)
  for (let i = 0; i < rows.length; i++) if (isPresent(columns[of[i]!]!.validity, rows[i]!)) setBit(validity, i)
  return nullIfAllPresent(validity, rows.length)
}

// One function a kind of lanes: a loop over several of them is slower for each.

function takeLongs(
  sources: readonly BigUint64Array[],
  of: Uint32Array,
  rows: Uint32Array,
  target: BigUint64Array,
): void {
  for (let i = 0; i < rows.length; i++) target[i] = sources[of[i]!]![rows[i]!]!
}

function takeWords(sources: readonly Uint32Array[], of: Uint32Array, rows: Uint32Array, target: Uint32Array): void {
  for (let i = 0; i < rows.length; i++) target[i] = sources[of[i]!]![rows[i]!]!
}

function takeFixed(
  sources: readonly Uint8Array[],
  width: number,
  of: Uint32Array,
  rows: Uint32Array,
  target: Uint8Array,
): void {
  for (let i = 0; i < rows.length; i++) copyFixed(sources[of[i]!]!, rows[i]! * width, width, target, i * width)
}

function copyFixed(source: Uint8Array, from: number, width: number, target: Uint8Array, to: number): void {
  for (let byte = 0; byte < width; byte++) target[to + byte] = source[from + byte]!
}
