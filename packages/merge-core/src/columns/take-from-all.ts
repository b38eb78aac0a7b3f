// Rows brought together from many columns of one layout, in any order.

import { invariant } from '../invariant.ts'
import type { BytesColumn, PlainColumn, Validity } from './column.ts'
import { isPresent } from './column.ts'
import { takeRows } from './gather.ts'
import { columnOverLanes, type FixedWidthColumn, type Lanes, lanesOf, lanesPerRow, newLanes } from './lanes.ts'
import { nullIfAllPresent, setBit } from './validity.ts'

/** Row i of the result is row rows[i] of columns[of[i]]. There is at least one column, and all have one kind (and width). */
export function takeFromAll(columns: readonly PlainColumn[], of: Uint32Array, rows: Uint32Array): PlainColumn {
  const [first] = columns
  invariant(first !== undefined, 'rows are taken from at least one column')
  if (columns.length === 1) return takeRows(first, rows) as PlainColumn
  const validity = takeValidity(columns, of, rows)
  if (first.kind === 'bytes') return takeBytes(columns as readonly BytesColumn[], of, rows, validity)
  const fixed = columns as readonly FixedWidthColumn[]
  const target = newLanes(lanesOf(fixed[0]!), rows.length * lanesPerRow(fixed[0]!))
  takeLanes(fixed.map(lanesOf), of, rows, lanesPerRow(fixed[0]!), target)
  return columnOverLanes(fixed[0]!, rows.length, validity, target)
}

function takeValidity(columns: readonly PlainColumn[], of: Uint32Array, rows: Uint32Array): Validity {
  if (columns.every((column) => column.validity === null)) return null
  const validity = new Uint8Array((rows.length + 7) >> 3)
  for (let i = 0; i < rows.length; i++) if (isPresent(columns[of[i]!]!.validity, rows[i]!)) setBit(validity, i)
  return nullIfAllPresent(validity, rows.length)
}

function takeLanes(sources: readonly Lanes[], of: Uint32Array, rows: Uint32Array, perRow: number, target: Lanes): void {
  if (perRow === 1) {
    for (let i = 0; i < rows.length; i++) target[i] = sources[of[i]!]![rows[i]!]!
    return
  }
  let to = 0
  for (let i = 0; i < rows.length; i++) {
    const source = sources[of[i]!]!
    const from = rows[i]! * perRow
    for (let lane = 0; lane < perRow; lane++) target[to++] = source[from + lane]!
  }
}

function takeBytes(
  columns: readonly BytesColumn[],
  of: Uint32Array,
  rows: Uint32Array,
  validity: Validity,
): BytesColumn {
  const starts = new Uint32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) {
    const source = columns[of[i]!]!.starts
    starts[i + 1] = starts[i]! + source[rows[i]! + 1]! - source[rows[i]!]!
  }
  const bytes = new Uint8Array(starts[rows.length]!)
  for (let i = 0; i < rows.length; i++) {
    const column = columns[of[i]!]!
    const source = column.bytes
    const end = column.starts[rows[i]! + 1]!
    let from = column.starts[rows[i]!]!
    let to = starts[i]!
    if (end - from > COPY_BYTES_MIN) bytes.set(source.subarray(from, end), to)
    else while (from < end) bytes[to++] = source[from++]!
  }
  return { kind: 'bytes', rows: rows.length, validity, starts, bytes }
}

/** Fewer bytes are copied faster by a loop than by a call. */
const COPY_BYTES_MIN = 64
