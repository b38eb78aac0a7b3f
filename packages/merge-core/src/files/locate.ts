// Routes changes to the data files that can hold their keys.
//
// The files of a partition, in order of their lower bounds, are the leaves of a tree whose keys are the files' bounds in the
// manifests. Files whose bounds overlap stand together in one cluster and are one task; our own files overlap at most by the first
// part of a two-part key. Clusters tile the key space: each owns the keys from its lower bound up to that of the next, the first one
// everything below as well. So every change has exactly one task, also in a gap or an empty partition.

import { type ByteStrings, compareBytes } from '../change/byte-strings.ts'
import { encodeKeyPart } from '../change/key-order.ts'
import { PUT } from '../change/scanned-lines.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import { decodeSingleValue } from '../iceberg/single-value.ts'
import type { Field } from '../primitive-type.ts'
import type { InputFile } from './open-file.ts'
import { isSmallFile, joinsNeighbour } from './size-files.ts'

/** A live data file with the position-delete files that may apply to it. */
export interface StoredFile extends InputFile {
  readonly file: DataFile
  readonly deletes: readonly DataFile[]
}

export interface MergeTask {
  /** In order of their lower bounds; empty where the partition has none. */
  readonly files: readonly StoredFile[]
  /** The task's changes are [from, to) of the commit's. */
  readonly from: number
  readonly to: number
  /** Whether a file must be read or written at all: false for removals of keys that no file can hold. */
  readonly touchesFiles: boolean
  /** About how many stored rows lie in the row groups that the changes fall into, by the files' bounds alone. */
  readonly rowsNear: number
}

/** Bounds of a file's keys. Null knows nothing. An upper bound that is a prefix bounds keys cut to its length. */
interface Bounds {
  readonly stored: StoredFile
  readonly lower: Uint8Array | null
  readonly upper: Uint8Array | null
  readonly upperIsPrefix: boolean
}

/** The changes of a commit as far as routing goes, sorted by (partition, key). */
export interface RoutedKeys {
  /** PUT, REMOVE, CLEAR or EXPIRE. */
  readonly operation: Uint8Array
  readonly keys: ByteStrings
  /** Where in `keys` the key of each change is. */
  readonly key: Uint32Array
}

/** The tasks for the changes [from, to), all of one partition, whose live files are `files`. */
export function locate(
  files: readonly StoredFile[],
  keyFields: readonly Field[],
  changes: RoutedKeys,
  from: number,
  to: number,
  fileBytes: number,
  rowGroupRows: number,
): MergeTask[] {
  const clusters = clusterFiles(files.map((stored) => boundsOf(stored, keyFields)))
  if (clusters.length === 0) return [{ files: [], from, to, touchesFiles: hasPut(changes, from, to), rowsNear: 0 }]
  const ranges: { first: number; last: number; from: number; to: number }[] = []
  const own = ownFileFrom(clusters.at(-1)!, changes, from, to, fileBytes, rowGroupRows)
  let start = from
  for (const [index, cluster] of clusters.entries()) {
    const next = clusters[index + 1]
    const isOfNext = (change: number) =>
      next !== undefined && isAtOrAbove(changes.keys, changes.key[change]!, next[0]!.lower)
    const end = firstWhere(start, own, isOfNext)
    if (end > start) {
      const touches = hasPut(changes, start, end) || canHold(cluster, changes, start, end)
      ranges.push({ first: index, last: touches ? index : index - 1, from: start, to: end })
    }
    start = end
  }
  const tasks = joinSmall(clusters, ranges, fileBytes).map(({ first, last, from, to }) => ({
    files: clusters.slice(first, last + 1).flatMap((cluster) => cluster.map((bounds) => bounds.stored)),
    from,
    to,
    touchesFiles: last >= first,
    rowsNear: rowsNear(clusters.slice(first, last + 1).flat(), changes, from, to, rowGroupRows),
  }))
  return own === to ? tasks : [...tasks, { files: [], from: own, to, touchesFiles: true, rowsNear: 0 }]
}

/**
 * Where the changes begin that go above all files, where they are enough for files of their own and the last one is not small: it need
 * not be written again for them. `to` where there are none such.
 */
function ownFileFrom(
  last: readonly Bounds[],
  changes: RoutedKeys,
  from: number,
  to: number,
  fileBytes: number,
  rowGroupRows: number,
): number {
  const bytes = last.reduce((sum, bounds) => sum + bounds.stored.file.fileBytes, 0)
  if (to - from < rowGroupRows || isSmallFile(bytes, fileBytes)) return to
  const isAbove = (change: number) => {
    const key = changes.key[change]!
    const { starts, bytes: text } = changes.keys
    return !last.some((bounds) => isAtOrBelowUpper(bounds, text, starts[key]!, starts[key + 1]!))
  }
  let own = to
  let puts = 0
  while (own > from && isAbove(own - 1)) if (changes.operation[--own] === PUT) puts++
  return puts < rowGroupRows ? to : own
}

/** As if keys were spread evenly over the bytes between the bounds of the files. */
function rowsNear(
  files: readonly Bounds[],
  { keys, key }: RoutedKeys,
  from: number,
  to: number,
  rowGroupRows: number,
): number {
  const rows = files.reduce((sum, { stored }) => sum + stored.file.records, 0)
  const lower = files[0]?.lower ?? null
  const upper = files.at(-1)?.upper ?? null
  if (lower === null || upper === null) return Math.min(rows, (to - from) * rowGroupRows)
  const rowGroups = Math.max(1, Math.round(rows / rowGroupRows))
  const positionOf = positions(lower, upper)
  const rowGroupOf = (change: number) => {
    const { starts, bytes } = keys
    return Math.floor(positionOf(bytes, starts[key[change]!]!, starts[key[change]! + 1]!) * rowGroups)
  }
  let near = 0
  for (let change = from; change < to; near++) {
    const rowGroup = rowGroupOf(change)
    change = firstWhere(change + 1, to, (other) => rowGroupOf(other) > rowGroup)
  }
  return Math.min(rows, near * rowGroupRows)
}

/** The first of the changes [from, to) that is so, where all behind it are; `to` where none is. */
function firstWhere(from: number, to: number, isSo: (change: number) => boolean): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >> 1
    if (isSo(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Where a key is between two others, from 0 to 1, by the bytes behind what these have in common. */
function positions(lower: Uint8Array, upper: Uint8Array): (bytes: Uint8Array, start: number, end: number) => number {
  let prefix = 0
  while (prefix < lower.length && lower[prefix] === upper[prefix]) prefix++
  const number = (bytes: Uint8Array, start: number, end: number) => {
    let value = 0
    for (let i = start + prefix; i < start + prefix + 6; i++) value = value * 256 + (i < end ? bytes[i]! : 0)
    return value
  }
  const first = number(lower, 0, lower.length)
  const span = number(upper, 0, upper.length) - first
  return (bytes, start, end) =>
    span > 0 ? Math.min(Math.max((number(bytes, start, end) - first) / span, 0), 1 - Number.EPSILON) : 0
}

/** The files of a partition that can hold the key, for a look-up. */
export function filesThatCanHold(
  files: readonly StoredFile[],
  keyFields: readonly Field[],
  keys: ByteStrings,
  key: number,
): StoredFile[] {
  return files
    .map((stored) => boundsOf(stored, keyFields))
    .filter((bounds) => canHoldKey(bounds, keys, key))
    .map((bounds) => bounds.stored)
}

/** A task takes in the cluster before its own where one of the two is small, so that small files do not pile up. Tasks stay disjoint. */
function joinSmall(
  clusters: readonly (readonly Bounds[])[],
  ranges: readonly { first: number; last: number; from: number; to: number }[],
  fileBytes: number,
): { first: number; last: number; from: number; to: number }[] {
  const bytesOf = (index: number) => clusters[index]!.reduce((sum, bounds) => sum + bounds.stored.file.fileBytes, 0)
  const joined: { first: number; last: number; from: number; to: number }[] = []
  for (const range of ranges) {
    const previous = joined[joined.length - 1]
    if (range.last < range.first) {
      joined.push(range)
      continue
    }
    const bytes = bytesOf(range.first)
    const joins = (other: number) => joinsNeighbour(bytes, bytesOf(other), fileBytes)
    const isNeighbour = previous !== undefined && previous.last === range.first - 1 && previous.last === previous.first
    if (isNeighbour && joins(previous.first)) {
      joined[joined.length - 1] = { first: previous.first, last: range.last, from: previous.from, to: range.to }
    } else if (range.first > (previous?.last ?? -1) + 1 && joins(range.first - 1)) {
      joined.push({ ...range, first: range.first - 1 })
    } else joined.push(range)
  }
  return joined
}

function clusterFiles(files: Bounds[]): Bounds[][] {
  files.sort((a, b) => compareLower(a.lower, b.lower))
  const clusters: Bounds[][] = []
  for (const bounds of files) {
    const cluster = clusters[clusters.length - 1]
    if (cluster?.some((other) => overlaps(other, bounds))) cluster.push(bounds)
    else clusters.push([bounds])
  }
  return clusters
}

function compareLower(a: Uint8Array | null, b: Uint8Array | null): number {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1)
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

/** Whether `later`, whose lower bound is not below that of `earlier`, starts before `earlier` ends. */
function overlaps(earlier: Bounds, later: Bounds): boolean {
  return later.lower === null || isAtOrBelowUpper(earlier, later.lower, 0, later.lower.length)
}

function isAtOrBelowUpper(bounds: Bounds, bytes: Uint8Array, start: number, end: number): boolean {
  if (bounds.upper === null) return true
  const cut = bounds.upperIsPrefix ? Math.min(end, start + bounds.upper.length) : end
  return compareBytes(bytes, start, cut, bounds.upper, 0, bounds.upper.length) <= 0
}

function isAtOrAbove(keys: ByteStrings, key: number, lower: Uint8Array | null): boolean {
  return (
    lower === null || compareBytes(keys.bytes, keys.starts[key]!, keys.starts[key + 1]!, lower, 0, lower.length) >= 0
  )
}

function canHoldKey(bounds: Bounds, keys: ByteStrings, key: number): boolean {
  return (
    isAtOrAbove(keys, key, bounds.lower) &&
    isAtOrBelowUpper(bounds, keys.bytes, keys.starts[key]!, keys.starts[key + 1]!)
  )
}

function canHold(cluster: readonly Bounds[], { keys, key }: RoutedKeys, from: number, to: number): boolean {
  for (let change = from; change < to; change++)
    if (cluster.some((bounds) => canHoldKey(bounds, keys, key[change]!))) return true
  return false
}

function hasPut({ operation }: RoutedKeys, from: number, to: number): boolean {
  return operation.subarray(from, to).includes(PUT)
}

function boundsOf(stored: StoredFile, keyFields: readonly Field[]): Bounds {
  const lower = keyFields.map((field) => boundValue(stored.file.lowerBounds, field))
  const upper = keyFields.map((field) => boundValue(stored.file.upperBounds, field))
  const single = keyFields.length === 1
  const part = (value: ReturnType<typeof boundValue>, index: number) =>
    value === null ? null : encodeKeyPart(keyFields[index]!.type, value, index === keyFields.length - 1)
  const first = { lower: part(lower[0]!, 0), upper: part(upper[0]!, 0) }
  if (single || first.lower === null || first.upper === null || Buffer.compare(first.lower, first.upper) !== 0) {
    return { stored, ...first, upperIsPrefix: !single }
  }
  // One value of the first part alone: the bounds of the second part bound the whole key.
  const second = { lower: part(lower[1]!, 1), upper: part(upper[1]!, 1) }
  return {
    stored,
    lower: second.lower === null ? first.lower : Buffer.concat([first.lower, second.lower]),
    upper: second.upper === null ? first.upper : Buffer.concat([first.upper, second.upper]),
    upperIsPrefix: second.upper === null,
  }
}

function boundValue(bounds: ReadonlyMap<number, Uint8Array>, field: Field) {
  const bytes = bounds.get(field.id)
  return bytes === undefined ? null : decodeSingleValue(field.type, bytes)
}
