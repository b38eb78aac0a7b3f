// Whether rows of two columns hold the same values, bit for bit: two NaNs of one pattern are the same, −0 and 0 are not.

import { type BytesColumn, type Column, isPresent } from '../columns/column.ts'
import { type FixedWidthColumn, type Lanes, lanesOf, lanesPerRow } from '../columns/lanes.ts'
import { invariant } from '../invariant.ts'

/** Whether row storedRows[i] of `stored` is what row incomingRows[i] of `incoming` is, for every i. Columns of one field. */
export function holdSameValues(
  stored: Column,
  storedRows: Uint32Array,
  incoming: Column,
  incomingRows: Uint32Array,
): boolean {
  for (let i = 0; i < storedRows.length; i++) {
    if (isPresent(stored.validity, storedRows[i]!) !== isPresent(incoming.validity, incomingRows[i]!)) return false
  }
  const present = stored.validity === null ? null : presentAmong(stored.validity, storedRows)
  const a = valuesAt(stored, present === null ? storedRows : takeAt(storedRows, present))
  const b = valuesAt(incoming, present === null ? incomingRows : takeAt(incomingRows, present))
  invariant(a.column.kind === b.column.kind, `a ${b.column.kind} column beside a ${a.column.kind} column`)
  if (a.column.kind === 'bytes') return sameBytes(a.column, a.rows, b.column as BytesColumn, b.rows)
  const perRow = lanesPerRow(a.column)
  return sameLanes(lanesOf(a.column), a.rows, lanesOf(b.column as FixedWidthColumn), b.rows, perRow)
}

/** The places of the rows that are present. */
function presentAmong(validity: Uint8Array, rows: Uint32Array): Uint32Array {
  return Uint32Array.from(rows.keys()).filter((i) => isPresent(validity, rows[i]!))
}

function takeAt(rows: Uint32Array, places: Uint32Array): Uint32Array {
  return places.map((i) => rows[i]!)
}

/** Where the values of rows without nulls are: in the column itself, or in its dictionary. */
function valuesAt(column: Column, rows: Uint32Array) {
  if (column.kind !== 'dictionary') return { column, rows }
  return { column: column.dictionary, rows: rows.map((row) => column.indices[row]!) }
}

function sameBytes(a: BytesColumn, aRows: Uint32Array, b: BytesColumn, bRows: Uint32Array): boolean {
  for (let i = 0; i < aRows.length; i++) {
    const start = a.starts[aRows[i]!]!
    // Its length comes first, so that no shorter or longer value is the same.
    const length = a.starts[aRows[i]! + 1]! - start
    if (!sameRange(a.bytes, start, b.bytes, b.starts[bRows[i]!]!, length)) return false
  }
  return true
}

function sameLanes(a: Lanes, aRows: Uint32Array, b: Lanes, bRows: Uint32Array, perRow: number): boolean {
  for (let i = 0; i < aRows.length; i++) {
    if (!sameRange(a, aRows[i]! * perRow, b, bRows[i]! * perRow, perRow)) return false
  }
  return true
}

function sameRange(a: Lanes, aStart: number, b: Lanes, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
