// The changes of a task as the merge of files takes them: all typed, nothing of the lines they came from.

import type { ByteStrings } from '../change/byte-strings.ts'
import type { Column } from '../columns/column.ts'

/** Columns of equal length `count`, sorted by key, of one partition. */
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
