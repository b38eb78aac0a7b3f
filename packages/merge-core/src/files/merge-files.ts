// Merges the changes of one task into the data files that its key interval overlaps.
//
//   1. The files' row groups, in key order, tile the interval: each change has one row group.
//   2. Of a row group with changes the keys are read, and of the keys that match the versions: they decide what changes.
//   3. Row groups without an applied change are copied byte for byte. Of the others so are columns and pages in which nothing
//      changes. All else is gathered column by column and encoded.
//   4. What comes out becomes new files of about the target size. A file without a changed row group stays as it is.
//
// Files of other writers (unsorted, overlapping, with position deletes) are read whole, sorted, and written in our order where a
// change applies; where none does, they stay too.

import { type ByteStrings, compareBytes } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'

import type { Column } from '../columns/column.ts'
import { columnBytes } from '../columns/column-bytes.ts'
import { nullColumn } from '../columns/constant.ts'
import { concat, takeRows } from '../columns/gather.ts'
import { type ColumnMemory, freeColumnMemory, takeColumnMemory } from '../columns/memory.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { freeMemories, takeMemories } from '../parquet/group-memory.ts'
import { applySelection } from './apply-selection.ts'
import {
  type DecidedRowGroup,
  decideRowGroup,
  expiredValues,
  insertAll,
  type KeysInMemory,
  NOTHING_DECODED,
  type PlacedRowGroup,
  standingVersions,
} from './decide-row-group.ts'
import { readLatestRows } from './foreign-rows.ts'
import type { IncomingChanges } from './incoming.ts'
import { keyFieldsOf, type MergeContext } from './merge-context.ts'
import { type InputFile, type OpenFile, openFile, readColumns } from './open-file.ts'
import { readAhead } from './read-ahead.ts'
import { readStoredRowGroup, rewrittenBytes, rewrittenColumns, type StoredRowGroup } from './rewrite-row-group.ts'
import { findRows, selectRows } from './select-rows.ts'
import { groupUnits, joinsNeighbour, type Unit } from './size-files.ts'
import { FileWriter, nothingCounted, type WriteCounts, type WrittenRowGroup } from './write-files.ts'

export interface MergeResult extends Readonly<WriteCounts> {
  readonly removed: readonly Pick<DataFile, 'path'>[]
  readonly added: readonly DataFile[]
  /** What became of each change of the task (incoming.ts), in order. */
  readonly outcomes: Uint8Array
}

/** Columns decoded for a decision are kept for the rewrite as far as they fit, of all row groups of a task together. */
const DECODED_BYTES_MAX = 16 * 1024 * 1024

/**
 * @param stored the files that can hold the changes' keys, in order of their lower bounds; none for a partition without files
 * @param changes all changes of the files' key interval, of one partition
 */
export async function mergeFiles(
  context: MergeContext,
  partition: readonly PartitionValue[],
  stored: readonly InputFile[],
  changes: IncomingChanges,
): Promise<MergeResult> {
  const files = await Promise.all(stored.map((each) => openFile(context.store, each)))
  const placed = rowGroupsInOrder(files)
  return placed === null
    ? mergeForeign(context, partition, files, changes)
    : mergeOrdered(context, partition, files, placed, changes)
}

/** The row groups of the files in key order; null where files are not ours or overlap, or rows of them are deleted by position. */
export function rowGroupsInOrder(files: readonly OpenFile[]): PlacedRowGroup[] | null {
  const placed: PlacedRowGroup[] = []
  const byFirstKey = files.map((file, index) => ({ file, index }))
  if (files.some((file) => file.keyRanges === null || file.stored.deletes.length > 0)) return null
  byFirstKey.sort((a, b) => Buffer.compare(a.file.keyRanges![0]!.first, b.file.keyRanges![0]!.first))
  let last: Uint8Array | null = null
  for (const { file, index } of byFirstKey) {
    for (const [group, range] of file.keyRanges!.entries()) {
      if (last !== null && Buffer.compare(last, range.first) >= 0) return null
      last = range.last
      placed.push({ file: index, group, rows: file.footer.rowGroups[group]!.numRows, firstKey: range.first })
    }
  }
  return placed
}

async function mergeOrdered(
  context: MergeContext,
  partition: readonly PartitionValue[],
  files: readonly OpenFile[],
  placed: readonly PlacedRowGroup[],
  changes: IncomingChanges,
): Promise<MergeResult> {
  const outcomes = new Uint8Array(changes.count)
  const decided: DecidedRowGroup[] = []
  let decodedBytes = 0
  /** Of what is decoded and kept. */
  const memories: ColumnMemory[] = []
  const keysOf = async ({ place, from, to }: RoutedChanges): Promise<KeysInMemory | null> => {
    if (from === to) return null
    const memory = takeColumnMemory()
    return { columns: await readColumns(files[place.file]!, place.group, keyFieldsOf(context), memory), memory }
  }
  for await (const [{ place, from, to }, keys] of readAhead(routed(placed, changes), keysOf)) {
    const piece = await decideRowGroup(context, files[place.file]!, place, keys, changes, from, to, outcomes)
    decodedBytes += [...piece.decoded.values()].reduce((sum, column) => sum + columnBytes(column), 0)
    const isKept = piece.decoded.size > 0 && decodedBytes <= DECODED_BYTES_MAX
    decided.push(isKept ? piece : { ...piece, decoded: NOTHING_DECODED })
    if (keys === null) continue
    if (isKept) memories.push(keys.memory)
    else freeColumnMemory(keys.memory)
  }
  if (placed.length === 0) decided.push(insertAll(changes, outcomes))

  const writer = new FileWriter(context, partition)
  const removed: MergeResult['removed'][number][] = []
  for (const sequence of rewrittenSequences(context, files, decided)) {
    removed.push(...sequence.files.map((file) => file.stored.file))
    const units = groupUnits(sequence.pieces, context.rowGroupRows)
    const keepsGroups = units.some((unit) => keptAlone(files, unit, writer) !== null)
    await writer.writeSequence(sequence.rows, keepsGroups, groupsOf(context, files, units, changes, writer))
  }
  // Where the work breaks off they are left to the collector.
  for (const memory of memories) freeColumnMemory(memory)
  return { removed, added: writer.added, outcomes, ...writer.counts }
}

/** The row group that a stretch of rows is, before and after its changes; null where it is not one alone. */
function rewrittenAlone(
  files: readonly OpenFile[],
  { pieces, encode }: Unit<DecidedRowGroup>,
  changes: IncomingChanges,
  writer: FileWriter,
): { readonly file: OpenFile; readonly place: PlacedRowGroup } | null {
  const [{ place, selected, rows }] = pieces as [DecidedRowGroup]
  if (!encode || place === null || pieces.length > 1) return null
  const file = files[place.file]!
  if (!writer.canKeep(file)) return null
  const bytes = rewrittenBytes(file.footer.rowGroups[place.group]!, selected!.selection!, changes)
  return writer.isOneGroup(rows, bytes) ? { file, place } : null
}

/** The row group that stays as it stands; null where the stretch of rows is encoded. */
function keptAlone(
  files: readonly OpenFile[],
  { pieces, encode }: Unit<DecidedRowGroup>,
  writer: FileWriter,
): { readonly file: OpenFile; readonly place: PlacedRowGroup } | null {
  const [{ place }] = pieces as [DecidedRowGroup]
  if (encode || place === null) return null
  const file = files[place.file]!
  return writer.canKeep(file) ? { file, place } : null
}

async function* groupsOf(
  context: MergeContext,
  files: readonly OpenFile[],
  units: readonly Unit<DecidedRowGroup>[],
  changes: IncomingChanges,
  writer: FileWriter,
): AsyncGenerator<WrittenRowGroup> {
  const memories = takeMemories()
  const storedOf = async (unit: Unit<DecidedRowGroup>) => {
    const alone = rewrittenAlone(files, unit, changes, writer)
    if (alone === null) return null
    memories.reverse()
    return readStoredRowGroup(context, alone.file, alone.place.group, memories[0])
  }
  for await (const [unit, stored] of readAhead(units, storedOf)) {
    yield* groupsOfUnit(context, files, unit, stored, changes, writer)
  }
  // Where the work broke off a read may be under way: then they are left to the collector.
  freeMemories(memories)
}

/**
 * A stretch of rows: copied where nothing changes, with what stays of its chunks where it is one row group before and after (`stored`),
 * and else gathered whole.
 */
async function* groupsOfUnit(
  context: MergeContext,
  files: readonly OpenFile[],
  unit: Unit<DecidedRowGroup>,
  stored: StoredRowGroup | null,
  changes: IncomingChanges,
  writer: FileWriter,
): AsyncGenerator<WrittenRowGroup> {
  const [{ selected, keys, rows, decoded }] = unit.pieces as [DecidedRowGroup]
  const kept = keptAlone(files, unit, writer)
  if (stored !== null) {
    const columns = await rewrittenColumns(context, stored, selected!, changes, decoded)
    yield writer.encodeGroup(columns, rows, keys!)
  } else if (kept !== null) yield await writer.keep(kept.file, kept.place.group)
  else yield* writer.encode(await unitColumns(context, files, unit.pieces, changes))
}

/** A row group and the changes [from, to) of its key interval. */
interface RoutedChanges {
  readonly place: PlacedRowGroup
  readonly from: number
  readonly to: number
}

function routed(placed: readonly PlacedRowGroup[], { keys, count }: IncomingChanges): RoutedChanges[] {
  let from = 0
  return placed.map((place, index) => {
    const to = firstChangeAtOrAbove(keys, from, count, placed[index + 1]?.firstKey ?? null)
    const route = { place, from, to }
    from = to
    return route
  })
}

function firstChangeAtOrAbove(keys: ByteStrings, from: number, count: number, bound: Uint8Array | null): number {
  if (bound === null) return count
  let low = from
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareBytes(keys.bytes, keys.starts[middle]!, keys.starts[middle + 1]!, bound, 0, bound.length) < 0)
      low = middle + 1
    else high = middle
  }
  return low
}

/** Files that are written again, in stretches of neighbours: those with a changed row group, and small neighbours of these. */
function rewrittenSequences(context: MergeContext, files: readonly OpenFile[], decided: readonly DecidedRowGroup[]) {
  const sequences: { files: OpenFile[]; pieces: DecidedRowGroup[]; rows: number; changed: boolean; bytes: number }[] =
    []
  let openFileIndex = -1
  for (const piece of decided) {
    const last = sequences[sequences.length - 1]
    if (last !== undefined && piece.place !== null && piece.place.file === openFileIndex) {
      last.pieces.push(piece)
      last.rows += piece.rows
      last.changed ||= piece.changed
      continue
    }
    const file = piece.place === null ? null : files[piece.place.file]!
    openFileIndex = piece.place?.file ?? -1
    sequences.push({
      files: file === null ? [] : [file],
      pieces: [piece],
      rows: piece.rows,
      changed: piece.changed,
      bytes: file?.stored.file.fileBytes ?? 0,
    })
  }
  const joined: typeof sequences = []
  for (const sequence of sequences) {
    const last = joined[joined.length - 1]
    const joins =
      last !== undefined &&
      (last.changed || sequence.changed) &&
      joinsNeighbour(last.bytes, sequence.bytes, context.fileBytes)
    if (!joins) {
      joined.push(sequence)
      continue
    }
    last.files.push(...sequence.files)
    last.pieces.push(...sequence.pieces)
    last.rows += sequence.rows
    last.changed ||= sequence.changed
    last.bytes += sequence.bytes
  }
  return joined.filter((sequence) => sequence.changed)
}

async function unitColumns(
  context: MergeContext,
  files: readonly OpenFile[],
  pieces: readonly DecidedRowGroup[],
  changes: IncomingChanges,
): Promise<Column[]> {
  const parts: Column[][] = []
  for (const piece of pieces) {
    const stored =
      piece.place === null
        ? context.fields.map((field) => nullColumn(field.type, 0))
        : await storedColumns(context, files[piece.place.file]!, piece.place.group, piece.decoded)
    parts.push(piece.selected === null ? stored : applySelection(context, stored, piece.selected, changes))
  }
  if (parts.length === 1) return parts[0]!
  return context.fields.map((field, column) =>
    concat(
      field.type,
      parts.map((part) => part[column]!),
    ),
  )
}

/** All columns of a row group; those that are decoded already are not read again. */
async function storedColumns(
  context: MergeContext,
  file: OpenFile,
  group: number,
  decoded: ReadonlyMap<number, Column>,
): Promise<Column[]> {
  const missing = context.fields.filter((_, index) => !decoded.has(index))
  const read = (await readColumns(file, group, missing)).values()
  return context.fields.map((_, index) => decoded.get(index) ?? (read.next().value as Column))
}

async function mergeForeign(
  context: MergeContext,
  partition: readonly PartitionValue[],
  files: readonly OpenFile[],
  changes: IncomingChanges,
): Promise<MergeResult> {
  const keyFields = keyFieldsOf(context)
  const stored = await readLatestRows(context, files)
  const keys = encodeKeys(
    stored.slice(0, context.keyColumns),
    keyFields.map((field) => field.type),
  )
  const rows = keys.starts.length - 1
  const found = findRows(keys, changes.keys, 0, changes.count)
  const matched = Uint32Array.from(found.filter((row) => row >= 0))
  const versions = standingVersions(context, (position) => takeRows(stored[position]!, matched))
  const outcomes = new Uint8Array(changes.count)
  const expired = expiredValues(context, stored[context.expiredColumn], matched)
  const selected = selectRows(rows, found, versions, expired, changes, 0, changes.count, outcomes)
  if (selected.selection === null) return nothingWritten(outcomes)

  const writer = new FileWriter(context, partition)
  const columns = applySelection(context, stored, selected, changes)
  await writer.writeSequence(selected.selection.rows, false, writer.encode(columns))
  return {
    removed: files.map((file) => file.stored.file),
    added: writer.added,
    outcomes,
    ...writer.counts,
  }
}

export function nothingWritten(outcomes: Uint8Array): MergeResult {
  return { removed: [], added: [], outcomes, ...nothingCounted() }
}
