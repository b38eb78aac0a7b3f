// What a scan knows of the change lines of one landing object: everything that decides which change wins, and where each item's
// bytes are. Items are parsed later, and only those that won.

import type { PartitionValue } from '../iceberg/transform.ts'
import type { ByteStrings } from './byte-strings.ts'
import type { ParsedItems } from './parse-items.ts'

export const PUT = 0
export const REMOVE = 1
/** A removal by TTL on a table that keeps such rows (`on_ttl: keep`). */
export const EXPIRE = 2

/** An item that lies in an object of its own (`itemAt` of a change line). */
export interface ItemLocation {
  readonly bucket: string
  readonly key: string
  readonly sha256: string
  readonly bytes: number
}

/** Columns of equal length `count`, one row a line that is well-formed and of this table, in the object's order. */
export interface ScannedLines {
  readonly count: number
  /** The inflated object: items are slices of it. */
  readonly text: Uint8Array
  /** Line number in the object, from 1, blank lines counted. */
  readonly lineNumber: Uint32Array
  /** Start and end of each whole line in `text`, without its newline. */
  readonly lineStart: Uint32Array
  readonly lineEnd: Uint32Array
  readonly operation: Uint8Array
  /** Order-preserving bytes of the key (key-order.ts). */
  readonly keys: ByteStrings
  /** Order-preserving bytes of (stream, sequence) (version.ts). */
  readonly versions: ByteStrings
  /** Epoch seconds, may be fractional. */
  readonly at: Float64Array
  /** Start and end of the new image `{…}` (DynamoDB JSON) in `text`; both 0 for a removal or where `itemAt` has it.
   *  Members of the line that follow the item may be part of the stretch; parseItems and canonicalItem stop at the item's brace. */
  readonly itemStart: Uint32Array
  readonly itemEnd: Uint32Array
  readonly itemAt: ReadonlyMap<number, ItemLocation>
  /** Index into `partitions` of the new image's partition (of the key's, on tables partitioned by key attributes alone);
   *  −1 for a removal on other tables, and for a put whose item lies elsewhere on those. */
  readonly partition: Int32Array
  /** Index into `partitions` of the old image's partition; −1 where there is no old image or it cannot differ (partitioned by key). */
  readonly oldPartition: Int32Array
  /** The distinct partition tuples of this object, one value a partition field. */
  readonly partitions: readonly (readonly PartitionValue[])[]
  /** 1 where the line says `"accept":"below-watermark"`. */
  readonly accepted: Uint8Array
}

/** A line that has no effect and is kept whole with its reason. `text` is a slice of the inflated object. */
export interface QuarantinedLine {
  readonly line: number
  readonly reason: QuarantineReason
  readonly message: string
  readonly text: Uint8Array
}

export type QuarantineReason =
  | 'invalid-json'
  | 'unknown-format'
  | 'missing-field'
  | 'missing-item'
  | 'missing-at'
  | 'missing-old-image'
  | 'bad-version'
  | 'bad-key'
  | 'foreign-stream'
  | 'line-too-long'
  | 'item-unavailable'
  | 'below-watermark'
  | 'broken-object'

export interface ScannedObject {
  readonly lines: ScannedLines
  /** Lines that are not blank: lines.count + quarantined.length + otherTable. */
  readonly linesRead: number
  readonly otherTable: number
  readonly quarantined: readonly QuarantinedLine[]
  /** Why the object could not be inflated to its end (its readable lines are above), or null. */
  readonly broken: string | null
  /** The puts whose item stands in their line, one row each in the order of lines, without key columns; null where nobody asked. */
  readonly items: ParsedItems | null
}
