// The lines of several landing objects as one set of columns, so that a fold need not know where a line came from.

import type { Column } from '../columns/column.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { type ByteStrings, compareAt, concatStrings, takeStringsFromAll } from './byte-strings.ts'

/**
 * Columns of equal length `count`: the lines of one landing object that can have an effect, in its order, with what decides between
 * them (as in ScannedLines), and their items as typed rows. Nothing of the text is left.
 */
export interface LandedLines {
  readonly count: number
  /** From 1, blank lines counted. */
  readonly lineNumber: Uint32Array
  readonly operation: Uint8Array
  readonly keys: ByteStrings
  readonly versions: ByteStrings
  /** Epoch seconds. */
  readonly at: Float64Array
  readonly accepted: Uint8Array
  readonly partition: Int32Array
  readonly oldPartition: Int32Array
  readonly partitions: readonly (readonly PartitionValue[])[]
  /** Row of a put's item in `columns`; −1 for other lines. */
  readonly item: Int32Array
  /** What the items say: one column a column of the definition that is no key, then `_extra`. Keys are in `keys`. */
  readonly columns: readonly Column[]
}

/** Columns of equal length `count`; line i is line `row[i]` of `objects[object[i]]`, which has its version and its item. */
export interface Lines {
  readonly count: number
  readonly objects: readonly LandedLines[]
  readonly object: Uint32Array
  readonly row: Uint32Array
  readonly operation: Uint8Array
  readonly keys: ByteStrings
  /** Epoch seconds. */
  readonly at: Float64Array
  readonly accepted: Uint8Array
  /** Indices into `partitions`, −1 for none. */
  readonly partition: Int32Array
  readonly oldPartition: Int32Array
  /** The distinct partition tuples of all objects. */
  readonly partitions: readonly (readonly PartitionValue[])[]
}

export function concatLines(objects: readonly LandedLines[]): Lines {
  const count = objects.reduce((sum, lines) => sum + lines.count, 0)
  const lines = {
    count,
    objects,
    object: new Uint32Array(count),
    row: new Uint32Array(count),
    operation: new Uint8Array(count),
    keys: concatStrings(objects.map((object) => object.keys)),
    at: new Float64Array(count),
    accepted: new Uint8Array(count),
    partition: new Int32Array(count),
    oldPartition: new Int32Array(count),
    partitions: [] as (readonly PartitionValue[])[],
  }
  const known = new Map<string, number>()
  let line = 0
  for (const [index, object] of objects.entries()) {
    lines.object.fill(index, line, line + object.count)
    lines.operation.set(object.operation, line)
    lines.at.set(object.at, line)
    lines.accepted.set(object.accepted, line)
    const shared = object.partitions.map((tuple) => {
      const text = tupleText(tuple)
      const at = known.get(text)
      if (at !== undefined) return at
      known.set(text, lines.partitions.length)
      return lines.partitions.push(tuple) - 1
    })
    for (let row = 0; row < object.count; row++, line++) {
      lines.row[line] = row
      lines.partition[line] = shared[object.partition[row]!] ?? -1
      lines.oldPartition[line] = shared[object.oldPartition[row]!] ?? -1
    }
  }
  return lines
}

/** Orders the versions of two lines. */
export function compareVersions(lines: Lines, a: number, b: number): number {
  return compareAt(versionsOf(lines, a), lines.row[a]!, versionsOf(lines, b), lines.row[b]!)
}

/** Orders the version of a line against version `index` of `versions`. */
export function compareVersion(lines: Lines, line: number, versions: ByteStrings, index: number): number {
  return compareAt(versionsOf(lines, line), lines.row[line]!, versions, index)
}

export function takeVersions({ objects, object, row }: Lines, lines: Uint32Array): ByteStrings {
  return takeStringsFromAll(
    objects.map(({ versions }) => versions),
    lines.map((line) => object[line]!),
    lines.map((line) => row[line]!),
  )
}

function versionsOf({ objects, object }: Lines, line: number): ByteStrings {
  return objects[object[line]!]!.versions
}

/** A text that two partition tuples share if and only if they are equal. */
export function tupleText(tuple: readonly PartitionValue[]): string {
  return JSON.stringify(
    tuple.map((value) => {
      if (typeof value === 'bigint') return { long: value.toString() }
      if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') }
      return value
    }),
  )
}
