// The lines of several landing objects as one set of columns, so that a fold need not know where a line came from.

import type { Column } from '../columns/column.ts'
import { takeBytesFromAll } from '../columns/take-bytes.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { type ByteStrings, compareAt, concatStrings, ownMemory, type TakeMemory, takeWords } from './byte-strings.ts'

/**
 * Columns of equal length `count`: the lines of one landing object that can have an effect, in any order, with what decides between
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

/** All lines of the objects. The result's objects are the same lines as views of these columns, so that each value is kept once. */
export function concatLines(landed: readonly LandedLines[], take: TakeMemory = ownMemory): Lines {
  const count = landed.reduce((sum, lines) => sum + lines.count, 0)
  const at = take(8 * count)
  const partitions = takeWords(2 * count, take)
  const columns = {
    count,
    operation: take(count),
    keys: concatStrings(
      landed.map((lines) => lines.keys),
      take,
    ),
    at: new Float64Array(at.buffer, at.byteOffset, count),
    accepted: take(count),
    partition: new Int32Array(partitions.buffer, partitions.byteOffset, count),
    oldPartition: new Int32Array(partitions.buffer, partitions.byteOffset + 4 * count, count),
    partitions: [] as (readonly PartitionValue[])[],
  }
  const object = new Uint32Array(count)
  const row = new Uint32Array(count)
  const known = new Map<string, number>()
  const objects: LandedLines[] = []
  let first = 0
  for (const [index, lines] of landed.entries()) {
    const end = first + lines.count
    columns.operation.set(lines.operation, first)
    columns.at.set(lines.at, first)
    columns.accepted.set(lines.accepted, first)
    const numberOf = lines.partitions.map((tuple) => {
      const text = tupleText(tuple)
      const number = known.get(text)
      if (number !== undefined) return number
      known.set(text, columns.partitions.length)
      return columns.partitions.push(tuple) - 1
    })
    object.fill(index, first, end)
    for (let i = 0; i < lines.count; i++) {
      row[first + i] = i
      columns.partition[first + i] = numberOf[lines.partition[i]!] ?? -1
      columns.oldPartition[first + i] = numberOf[lines.oldPartition[i]!] ?? -1
    }
    objects.push({
      ...lines,
      operation: columns.operation.subarray(first, end),
      keys: { starts: columns.keys.starts.subarray(first, end + 1), bytes: columns.keys.bytes },
      at: columns.at.subarray(first, end),
      accepted: columns.accepted.subarray(first, end),
      partition: columns.partition.subarray(first, end),
      oldPartition: columns.oldPartition.subarray(first, end),
      partitions: columns.partitions,
    })
    first = end
  }
  return { ...columns, objects, object, row }
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
  return takeBytesFromAll(
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

/** The inverse of `tupleText`. */
export function tupleOf(text: string): PartitionValue[] {
  return (JSON.parse(text) as unknown[]).map((value) => {
    const { long, bytes } = Object(value) as { long?: string; bytes?: string }
    if (long !== undefined) return BigInt(long)
    return bytes === undefined ? (value as PartitionValue) : new Uint8Array(Buffer.from(bytes, 'hex'))
  })
}
