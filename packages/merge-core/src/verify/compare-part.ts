// A part of all keys: what the export says of each, what the table does, and what becomes of them together.
//
//   1  Each item of the export makes an entry with the item's digest.
//   2  Each row of the table is held against the entry of its key, or makes one.
//   3  So does each tombstone that is as late as the export.
//
// Of a key nothing is kept but its flags; which class they make is decided in one place.

import type { ByteStrings } from '../change/byte-strings.ts'
import { keyText } from '../change/key-order.ts'
import { exportTimeOf } from '../change/version.ts'
import { type Column, isPresent } from '../columns/column.ts'
import { valueAt } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import { cursorOverFile } from '../protected/merge-tombstones.ts'
import { openStateFile } from '../protected/state-file.ts'
import { type Comparison, exportItems } from './comparison.ts'
import { type Digest, digestOf, KeyTable, sliceOf } from './key-table.ts'
import { rowBytes } from './row-bytes.ts'
import { storedGroups } from './stored-groups.ts'

/** The keys of a slice are those whose digest falls into part `number` of `of`. */
export interface Slice {
  readonly number: number
  readonly of: number
}

/** Times of changes are rounded to a second. */
const ROUNDING_MS = 1000

const EXPORTED = 1
const STORED = 2
const DIFFERENT = 4
/** More than one row has the key. */
const REPEATED = 8
/** A change as late as the export, or later, is known. */
const CHANGED = 16
const EXPIRED = 32

export type KeyClass = 'equal' | 'changedSince' | 'expired' | DifferenceKind
export type DifferenceKind = 'different' | 'onlyInExport' | 'onlyInTable' | 'repeated'

export function classOf(flags: number): KeyClass {
  if ((flags & CHANGED) !== 0) return 'changedSince'
  if ((flags & EXPIRED) !== 0) return 'expired'
  if ((flags & REPEATED) !== 0) return 'repeated'
  if ((flags & STORED) === 0) return 'onlyInExport'
  if ((flags & EXPORTED) === 0) return 'onlyInTable'
  return (flags & DIFFERENT) === 0 ? 'equal' : 'different'
}

export function isDifference(kind: KeyClass): kind is DifferenceKind {
  return kind !== 'equal' && kind !== 'changedSince' && kind !== 'expired'
}

export function keyAt({ starts, bytes }: ByteStrings, row: number): Uint8Array {
  return bytes.subarray(starts[row]!, starts[row + 1]!)
}

/**
 * @param keysMax more keys than the slice can have
 * @param onFile is told of each file that was read
 */
export async function comparePart(
  comparison: Comparison,
  slice: Slice,
  keysMax: number,
  onFile: () => void,
): Promise<KeyTable> {
  const keys = new KeyTable(keysMax)
  const isWanted = (key: Digest) => sliceOf(key, slice.of) === slice.number
  for (const file of comparison.manifest.files) {
    for await (const items of exportItems(comparison, file)) {
      const bytesOf = rowBytes(items.values)
      for (let row = 0; row < items.count; row++) {
        const key = digestOf(keyAt(items.keys, row))
        if (!isWanted(key)) continue
        const entry = keys.entryOf(key)
        if (keys.flags[entry] !== 0) {
          const types = comparison.keyFields.map(({ type }) => type)
          throw new DamagedObjectError(
            file.path,
            `the export holds key ${keyText(keyAt(items.keys, row), types)} twice`,
          )
        }
        keys.flags[entry] = EXPORTED
        keys.setRow(entry, digestOf(bytesOf(row)))
      }
    }
    onFile()
  }
  await addRows(comparison, keys, isWanted, onFile)
  await addTombstones(comparison, keys, isWanted)
  return keys
}

async function addRows(
  { store, files, keyFields, valueFields, updatedAt, sequence, expiredAt, manifest }: Comparison,
  keys: KeyTable,
  isWanted: (key: Digest) => boolean,
  onFile: () => void,
): Promise<void> {
  const fields = [updatedAt, sequence, ...(expiredAt === null ? [] : [expiredAt]), ...valueFields]
  const isSince = changedSince(manifest.timeMs, updatedAt, sequence)
  for (const file of files) {
    for await (const group of storedGroups(store, file, keyFields)) {
      const [at, versions, ...others] = await group.read(fields)
      const expired = expiredAt === null ? null : others.shift()!
      const bytesOf = rowBytes(others)
      for (const row of group.live) {
        const key = digestOf(keyAt(group.keys, row))
        if (!isWanted(key)) continue
        const entry = keys.entryOf(key)
        const before = keys.flags[entry]!
        let flags = before | STORED
        if ((before & STORED) !== 0) flags |= REPEATED
        if (isSince(at!, versions!, row)) flags |= CHANGED
        if (expired !== null && isPresent(expired.validity, row)) flags |= EXPIRED
        if (!keys.hasRow(entry, digestOf(bytesOf(row)))) flags |= DIFFERENT
        keys.flags[entry] = flags
      }
    }
    onFile()
  }
}

/** A row that an export of no later time brought is of no later time, whatever it says. */
function changedSince(
  timeMs: number,
  updatedAt: Comparison['updatedAt'],
  sequence: Comparison['sequence'],
): (at: Column, versions: Column, row: number) => boolean {
  const since = BigInt(timeMs - ROUNDING_MS) * 1000n
  return (at, versions, row) => {
    const updated = valueAt(at, updatedAt.type, row) as bigint | null
    if (updated === null || updated < since) return false
    const exportedMs = exportTimeOf(valueAt(versions, sequence.type, row) as string | null)
    return exportedMs === null || exportedMs > timeMs
  }
}

async function addTombstones(
  { store, tombstoneFiles, keyFields, manifest }: Comparison,
  keys: KeyTable,
  isWanted: (key: Digest) => boolean,
): Promise<void> {
  const since = (manifest.timeMs - ROUNDING_MS) / 1000
  for (const file of tombstoneFiles) {
    const cursor = await cursorOverFile(await openStateFile(store, file), keyFields)
    for (let { rows } = cursor; rows !== null; rows = await cursor.nextRows()) {
      for (let row = 0; row < rows.count; row++) {
        if (rows.at[row]! < since) continue
        const key = digestOf(keyAt(rows.keys, row))
        if (isWanted(key)) keys.flags[keys.entryOf(key)]! |= CHANGED
      }
    }
  }
}
