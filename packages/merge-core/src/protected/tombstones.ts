// Tombstones at rest: what must be remembered of removed keys, in state files sorted by key.
//
// Of a key the removal or move of the highest version counts, and the expiry of the highest version, whatever file they lie in: so
// files are added without a look at the others, and merging them forgets nothing that counts. A look-up reads only the row groups
// whose first and last key enclose one of its keys.

import { ByteSink } from '../change/byte-sink.ts'
import { type ByteStrings, compareAt, compareBytes } from '../change/byte-strings.ts'

import { EXPIRED, NO_TOMBSTONE, type StandingTombstones, type Tombstones } from '../change/tombstone.ts'
import { takeRows } from '../columns/gather.ts'
import { valueAt } from '../columns/values.ts'
import type { KeyRange } from '../parquet/key-ranges.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { type Cursor, cursorOverFile, cursorOverRows, mergeTombstones } from './merge-tombstones.ts'
import { filesToMerge, openStateFile, readStateFile, type StateFile, type StateFolder } from './state-file.ts'
import {
  keyRangesOfTombstones,
  readTombstoneGroup,
  rowsOfColumns,
  rowsOfTombstones,
  TOMBSTONE_AT,
  type TombstoneRows,
} from './tombstone-rows.ts'

/** Row groups of a look-up that are read at a time. */
const READS_MAX = 8

/**
 * The tombstones that stand for `keys`.
 * @param keyFields the table's key columns
 * @param keys distinct and ascending, order-preserving bytes
 * @throws TryAgainError where a file vanished; DamagedObjectError where one is not what it must be
 */
export async function lookUpTombstones(
  store: ObjectStore,
  files: readonly StateFile[],
  keyFields: readonly Field[],
  keys: ByteStrings,
): Promise<StandingTombstones> {
  const found = foundTombstones(keys.starts.length - 1)
  const opened = await Promise.all((keys.starts.length === 1 ? [] : files).map((file) => openStateFile(store, file)))
  for (const open of opened) {
    const wanted = groupsThatCanHold(keyRangesOfTombstones(open), keys)
    for (let next = 0; next < wanted.length; next += READS_MAX) {
      const batch = wanted.slice(next, next + READS_MAX)
      const read = await Promise.all(batch.map(({ group }) => readTombstoneGroup(open, group, keyFields)))
      for (const [i, group] of read.entries()) {
        const matches = matchKeys(group.keys, keys, batch[i]!.from, batch[i]!.to)
        if (matches.rows.length === 0) continue
        const matched = group.columns().map((column) => takeRows(column, matches.rows))
        takeHighest(found, matches.keys, rowsOfColumns(open, matched, keyFields))
      }
    }
  }
  return standing(found)
}

/** What stands for so many keys where there are no tombstones. */
export function nothingStands(keys: number): StandingTombstones {
  return standing(foundTombstones(keys))
}

/** Writes a file of new tombstones, merged with standing ones where there are many. Answers the table's files from then on. */
export async function addTombstones(
  folder: StateFolder,
  files: readonly StateFile[],
  keyFields: readonly Field[],
  added: Tombstones,
): Promise<StateFile[]> {
  if (added.count === 0) return [...files]
  const merged = filesToMerge(files, added.count)
  const cursors = [cursorOverRows(rowsOfTombstones(added, keyFields))]
  for (const file of merged) cursors.push(await cursorOverFile(await openStateFile(folder.store, file), keyFields))
  const written = await mergeTombstones(folder, keyFields, cursors, () => true)
  return [...files.filter((file) => !merged.includes(file)), ...written]
}

/** How many tombstones `purgeTombstones` would remove. */
export async function countPurged(store: ObjectStore, files: readonly StateFile[], atMax: number): Promise<number> {
  let purged = 0
  for (const file of files) {
    const [at] = await readStateFile(store, file, [TOMBSTONE_AT])
    for (let row = 0; row < at!.rows; row++) if ((valueAt(at!, TOMBSTONE_AT.type, row) as bigint) <= atMax) purged++
  }
  return purged
}

/** The tombstones without those whose `at` (epoch seconds) is at or before `atMax`. Files that lose none stay as they are. */
export async function purgeTombstones(
  folder: StateFolder,
  files: readonly StateFile[],
  keyFields: readonly Field[],
  atMax: number,
): Promise<StateFile[]> {
  const isKept = (rows: TombstoneRows, row: number) => rows.at[row]! > atMax
  const left: StateFile[] = []
  for (const file of files) {
    const open = await openStateFile(folder.store, file)
    if (await everyRow(await cursorOverFile(open, keyFields), isKept)) left.push(file)
    else left.push(...(await mergeTombstones(folder, keyFields, [await cursorOverFile(open, keyFields)], isKept)))
  }
  return left
}

async function everyRow(cursor: Cursor, holds: (rows: TombstoneRows, row: number) => boolean): Promise<boolean> {
  for (let { rows } = cursor; rows !== null; rows = await cursor.nextRows()) {
    for (let row = 0; row < rows.count; row++) if (!holds(rows, row)) return false
  }
  return true
}

/** A row group, and the keys [from, to) that it can hold. */
interface WantedGroup {
  readonly group: number
  readonly from: number
  readonly to: number
}

function groupsThatCanHold(ranges: readonly KeyRange[], keys: ByteStrings): WantedGroup[] {
  const wanted: WantedGroup[] = []
  for (const [group, { first, last }] of ranges.entries()) {
    const from = firstKeyNotBelow(keys, (key) => compareKey(keys, key, first) < 0)
    const to = firstKeyNotBelow(keys, (key) => compareKey(keys, key, last) <= 0)
    if (from < to) wanted.push({ group, from, to })
  }
  return wanted
}

function compareKey({ starts, bytes }: ByteStrings, key: number, other: Uint8Array): number {
  return compareBytes(bytes, starts[key]!, starts[key + 1]!, other, 0, other.length)
}

function firstKeyNotBelow(keys: ByteStrings, isBelow: (key: number) => boolean): number {
  let low = 0
  let high = keys.starts.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBelow(middle)) low = middle + 1
    else high = middle
  }
  return low
}

/** What was found so far; every version that ever was the highest lies in `versions`. */
interface FoundTombstones {
  readonly removalKind: Uint8Array
  readonly removalAt: Float64Array
  readonly expiredAt: Float64Array
  /** Start and end of the highest version in `versions`, in pairs; equal where there is none. */
  readonly removal: Uint32Array
  readonly expired: Uint32Array
  readonly versions: ByteSink
}

function foundTombstones(keys: number): FoundTombstones {
  return {
    removalKind: new Uint8Array(keys).fill(NO_TOMBSTONE),
    removalAt: new Float64Array(keys),
    expiredAt: new Float64Array(keys),
    removal: new Uint32Array(2 * keys),
    expired: new Uint32Array(2 * keys),
    versions: new ByteSink(1024),
  }
}

/** Rows of a group, and of each the key that it speaks of. */
interface Matches {
  readonly rows: Uint32Array
  readonly keys: Uint32Array
}

/** Joins the keys [from, to) with the keys of a group that encloses them. Both ascend. */
function matchKeys(stored: ByteStrings, keys: ByteStrings, from: number, to: number): Matches {
  const count = stored.starts.length - 1
  const matched = { rows: [] as number[], keys: [] as number[] }
  let row = 0
  for (let key = from; key < to; key++) {
    row = gallop(stored, row, keys, key)
    for (; row < count && compareAt(stored, row, keys, key) === 0; row++) {
      matched.rows.push(row)
      matched.keys.push(key)
    }
  }
  return { rows: Uint32Array.from(matched.rows), keys: Uint32Array.from(matched.keys) }
}

/** The first row from `start` on that is not below the key: few comparisons where it is near, a logarithm where it is far. */
function gallop(stored: ByteStrings, start: number, keys: ByteStrings, key: number): number {
  const count = stored.starts.length - 1
  let low = start
  let step = 1
  while (low + step <= count && compareAt(stored, low + step - 1, keys, key) < 0) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step - 1, count)
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareAt(stored, middle, keys, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Row i speaks of key keys[i]. */
function takeHighest(found: FoundTombstones, keys: Uint32Array, rows: TombstoneRows): void {
  for (let row = 0; row < rows.count; row++) take(found, keys[row]!, rows, row)
}

function take(found: FoundTombstones, key: number, rows: TombstoneRows, row: number): void {
  const { starts, bytes } = rows.versions
  const expires = rows.kind[row] === EXPIRED
  const highest = expires ? found.expired : found.removal
  const { versions } = found
  const [start, end] = [highest[2 * key]!, highest[2 * key + 1]!]
  if (compareBytes(bytes, starts[row]!, starts[row + 1]!, versions.bytes, start, end) <= 0) return
  highest[2 * key] = versions.length
  versions.push(bytes, starts[row]!, starts[row + 1]!)
  highest[2 * key + 1] = versions.length
  if (expires) {
    found.expiredAt[key] = rows.at[row]!
    return
  }
  found.removalAt[key] = rows.at[row]!
  found.removalKind[key] = rows.kind[row]!
}

function standing(found: FoundTombstones): StandingTombstones {
  const { removalKind, removalAt, expiredAt, versions } = found
  return {
    removalKind,
    removalVersions: slices(versions.bytes, found.removal),
    removalAt,
    expiredVersions: slices(versions.bytes, found.expired),
    expiredAt,
  }
}

function slices(bytes: Uint8Array, pairs: Uint32Array): ByteStrings {
  const count = pairs.length / 2
  const starts = new Uint32Array(count + 1)
  for (let i = 0; i < count; i++) starts[i + 1] = starts[i]! + pairs[2 * i + 1]! - pairs[2 * i]!
  const out = new Uint8Array(starts[count]!)
  for (let i = 0; i < count; i++) {
    const start = pairs[2 * i]!
    const end = pairs[2 * i + 1]!
    if (start < end) out.set(bytes.subarray(start, end), starts[i]!)
  }
  return { starts, bytes: out }
}
