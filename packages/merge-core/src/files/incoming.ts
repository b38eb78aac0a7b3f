// The changes of a commit as the merge of files takes them: all typed, nothing of the lines they came from.

import { type ByteStrings, sliceStrings } from '../change/byte-strings.ts'
import type { Column } from '../columns/column.ts'
import { sliceRows } from '../columns/gather.ts'

/** Columns of equal length `count`, sorted by (partition, key). A task works on a range of them. */
export interface IncomingChanges {
  readonly count: number
  /** PUT, REMOVE, CLEAR or EXPIRE. */
  readonly operation: Uint8Array
  readonly keys: ByteStrings
  readonly versions: ByteStrings
  /** Version of the removal by TTL that holds for the key; empty where none does. */
  readonly expiryVersions: ByteStrings
  /** Epoch microseconds of that removal. */
  readonly expiryMicros: BigInt64Array
  /** Row of a put in `columns`, ascending; −1 for other operations. */
  readonly row: Int32Array
  /** The new rows, one column a table field. */
  readonly columns: readonly Column[]
}

/** What the stored rows made of a change. */
export const UNDECIDED = 0
export const INSERTED = 1
export const REPLACED = 2
export const REMOVED_ROW = 3
/** There was no row to remove or to mark. */
export const ABSENT = 4
/** The stored row has this version or a higher one. */
export const STORED_IS_NEWER = 5
/** The stored row stays, marked as expired. */
export const MARKED = 6

/** The changes [from, to) on their own, as a task works on them. */
export function sliceIncoming(incoming: IncomingChanges, from: number, to: number): IncomingChanges {
  const rows = incoming.row.subarray(from, to)
  const firstRow = rows.find((row) => row >= 0) ?? 0
  const lastRow = rows.findLast((row) => row >= 0) ?? -1
  return {
    count: to - from,
    operation: incoming.operation.subarray(from, to),
    keys: sliceStrings(incoming.keys, from, to),
    versions: sliceStrings(incoming.versions, from, to),
    expiryVersions: sliceStrings(incoming.expiryVersions, from, to),
    expiryMicros: incoming.expiryMicros.subarray(from, to),
    row: rows.map((row) => (row < 0 ? -1 : row - firstRow)),
    columns: incoming.columns.map((column) => sliceRows(column, firstRow, lastRow + 1)),
  }
}
