// Merges the changes of one task into the data files that its key interval overlaps.
//
//   1. The files' row groups, in key order, tile the interval: each change has one row group.
//   2. Of a row group with changes the keys are read, and of the keys that match the versions: they decide what changes.
//   3. Row groups without an applied change are copied byte for byte; the others are gathered column by column and encoded.
//   4. What comes out becomes new files of about the target size. A file without a changed row group stays as it is.
//
// Files of other writers (unsorted, overlapping, with position deletes) are read whole, sorted, and written in our order where a
// change applies; where none does, they stay too.

import { compareAt } from '../change/fold.ts'
import { compareBytes, encodeKeys, keyText } from '../change/key-order.ts'
import { orderByBytes } from '../change/order-keys.ts'
import type { ByteStrings } from '../change/scanned-lines.ts'
import { encodeVersions } from '../change/version.ts'
import type { Column } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { concat, gather, takeRows } from '../columns/gather.ts'
import { valueAt } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { invariant } from '../invariant.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { ABSENT, type IncomingChanges, sliceIncoming } from './incoming.ts'
import type { MergeTask } from './locate.ts'
import { type OpenFile, openFile, readColumns } from './open-file.ts'
import { readPositionDeletes } from './position-deletes.ts'
import { findRows, type RowSelection, selectRows } from './select-rows.ts'
import { groupUnits, joinsNeighbour, type Piece } from './size-files.ts'
import { FileWriter } from './write-files.ts'

/** What a task must know of its table. */
export interface MergeContext {
  readonly store: ObjectStore
  /** All columns of the table, the key columns first. */
  readonly fields: readonly Field[]
  readonly keyColumns: number
  /** Positions of `_stream`, `_sequence` and `_expired_at` in `fields`; the last is −1 where the table has none. */
  readonly streamColumn: number
  readonly sequenceColumn: number
  readonly expiredColumn: number
  readonly fileBytes: number
  readonly rowGroupRows: number
  readonly sortOrderId: number
  /** A location for a new data file of this partition, never used before. */
  readonly newFilePath: (partition: readonly PartitionValue[]) => string
}

export interface MergeResult {
  readonly removed: readonly DataFile[]
  readonly added: readonly DataFile[]
  /** What became of each change of the task (incoming.ts), in order. */
  readonly outcomes: Uint8Array
  readonly rowGroupsCopied: number
  readonly rowGroupsEncoded: number
}

export async function mergeFiles(
  context: MergeContext,
  partition: readonly PartitionValue[],
  task: MergeTask,
  incoming: IncomingChanges,
): Promise<MergeResult> {
  const changes = sliceIncoming(incoming, task.from, task.to)
  if (!task.touchesFiles) return nothingWritten(new Uint8Array(changes.count).fill(ABSENT))
  const files = await Promise.all(task.files.map((stored) => openFile(context.store, stored)))
  const leaves = orderedLeaves(files)
  return leaves === null
    ? mergeUnordered(context, partition, files, changes)
    : mergeOrdered(context, partition, files, leaves, changes)
}

/** A row group in its place in key order. */
interface Leaf {
  readonly file: number
  readonly group: number
  readonly rows: number
  readonly firstKey: Uint8Array
}

/** The row groups of the files in key order; null where files are not ours or overlap, or rows of them are deleted by position. */
function orderedLeaves(files: readonly OpenFile[]): Leaf[] | null {
  const leaves: Leaf[] = []
  const byFirstKey = files.map((file, index) => ({ file, index }))
  if (files.some((file) => file.keyRanges === null || file.stored.deletes.length > 0)) return null
  byFirstKey.sort((a, b) => Buffer.compare(a.file.keyRanges![0]!.first, b.file.keyRanges![0]!.first))
  let last: Uint8Array | null = null
  for (const { file, index } of byFirstKey) {
    for (const [group, range] of file.keyRanges!.entries()) {
      if (last !== null && Buffer.compare(last, range.first) >= 0) return null
      last = range.last
      leaves.push({ file: index, group, rows: file.footer.rowGroups[group]!.numRows, firstKey: range.first })
    }
  }
  return leaves
}

async function mergeOrdered(
  context: MergeContext,
  partition: readonly PartitionValue[],
  files: readonly OpenFile[],
  leaves: readonly Leaf[],
  changes: IncomingChanges,
): Promise<MergeResult> {
  const outcomes = new Uint8Array(changes.count)
  const decided: DecidedLeaf[] = []
  let from = 0
  for (const [index, leaf] of leaves.entries()) {
    const to = firstChangeAtOrAbove(changes.keys, from, changes.count, leaves[index + 1]?.firstKey ?? null)
    decided.push(await decideLeaf(context, files[leaf.file]!, leaf, changes, from, to, outcomes))
    from = to
  }
  if (leaves.length === 0) decided.push(insertAll(changes, outcomes))

  const writer = new FileWriter(context, partition)
  const removed: DataFile[] = []
  for (const sequence of rewrittenSequences(context, files, decided)) {
    removed.push(...sequence.files.map((file) => file.stored.file))
    writer.startSequence(sequence.rows)
    for (const unit of groupUnits(sequence.pieces, context.rowGroupRows)) {
      const leaf = unit.pieces[0]!.leaf
      if (unit.encode || leaf === null || !writer.canKeep(files[leaf.file]!)) {
        await writer.encode(await unitColumns(context, files, unit.pieces, changes))
      } else await writer.keep(files[leaf.file]!, leaf.group)
    }
    await writer.endSequence()
  }
  return { removed, added: writer.added, outcomes, rowGroupsCopied: writer.copied, rowGroupsEncoded: writer.encoded }
}

/** A row group and what the changes make of it; `leaf` is null for the rows of a partition that has no file yet. */
interface DecidedLeaf extends Piece {
  readonly leaf: Leaf | null
  readonly from: number
  readonly selected: RowSelection | null
}

async function decideLeaf(
  context: MergeContext,
  file: OpenFile,
  leaf: Leaf,
  changes: IncomingChanges,
  from: number,
  to: number,
  outcomes: Uint8Array,
): Promise<DecidedLeaf> {
  const untouched = { leaf, from, rows: leaf.rows, changed: false, selected: null }
  if (from === to) return untouched
  const keyFields = context.fields.slice(0, context.keyColumns)
  const keys = encodeKeys(
    await readColumns(file, leaf.group, keyFields),
    keyFields.map((field) => field.type),
  )
  checkAscending(file, leaf, keys, keyFields)
  const found = findRows(keys, changes.keys, from, to)
  const matched = found.filter((row) => row >= 0)
  const { versions, expired } = await readVersions(context, file, leaf.group, Uint32Array.from(matched))
  const selected = selectRows(leaf.rows, found, versions, expired, changes, from, to, outcomes)
  if (selected.selection === null) return untouched
  return { leaf, from, rows: selected.selection.rows, changed: true, selected }
}

function insertAll(changes: IncomingChanges, outcomes: Uint8Array): DecidedLeaf {
  const found = new Int32Array(changes.count).fill(~0)
  const selected = selectRows(0, found, NO_STRINGS, null, changes, 0, changes.count, outcomes)
  return { leaf: null, from: 0, rows: selected.selection?.rows ?? 0, changed: selected.selection !== null, selected }
}

const NO_STRINGS: ByteStrings = { starts: new Uint32Array(1), bytes: new Uint8Array(0) }

/** Versions and expiry marks of single rows of a row group. */
async function readVersions(context: MergeContext, file: OpenFile, group: number, rows: Uint32Array) {
  if (rows.length === 0) return { versions: NO_STRINGS, expired: context.expiredColumn < 0 ? null : [] }
  const fields = [context.fields[context.streamColumn]!, context.fields[context.sequenceColumn]!]
  if (context.expiredColumn >= 0) fields.push(context.fields[context.expiredColumn]!)
  const columns = (await readColumns(file, group, fields)).map((column) => takeRows(column, rows))
  return {
    versions: encodeVersions(columns[0]!, columns[1]!),
    expired: expiredValues(context, columns[2], rows.length),
  }
}

function expiredValues(context: MergeContext, column: Column | undefined, rows: number): (bigint | null)[] | null {
  if (context.expiredColumn < 0 || column === undefined) return null
  return Array.from({ length: rows }, (_, row) => valueAt(column, { kind: 'timestamptz' }, row) as bigint | null)
}

/** Our own files are held to their order: a row out of place would be missed by a search, silently. */
function checkAscending(file: OpenFile, leaf: Leaf, keys: ByteStrings, keyFields: readonly Field[]): void {
  const fail = (row: number, before: string) => {
    const key = keyText(
      keys.bytes.subarray(keys.starts[row]!, keys.starts[row + 1]!),
      keyFields.map((field) => field.type),
    )
    throw new DamagedObjectError(
      file.stored.file.path,
      `row ${row} of row group ${leaf.group}, key ${key}, does not sort after ${before} [written by ${file.footer.createdBy}]; ` +
        'restore the file from its version before, or rewrite it with another engine (which drops our claim of order)',
    )
  }
  const range = file.keyRanges![leaf.group]!
  const rows = keys.starts.length - 1
  for (let row = 1; row < rows; row++) if (compareAt(keys, row, keys, row - 1) <= 0) fail(row, `row ${row - 1}`)
  if (rows !== leaf.rows)
    throw new DamagedObjectError(
      file.stored.file.path,
      `row group ${leaf.group} holds ${rows} rows, its footer says ${leaf.rows}`,
    )
  if (rows > 0 && compareBytes(keys.bytes, keys.starts[0]!, keys.starts[1]!, range.first, 0, range.first.length) !== 0)
    fail(0, 'the first key its footer names')
  if (
    rows > 0 &&
    compareBytes(keys.bytes, keys.starts[rows - 1]!, keys.starts[rows]!, range.last, 0, range.last.length) !== 0
  ) {
    fail(rows - 1, 'the last key its footer names')
  }
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
function rewrittenSequences(context: MergeContext, files: readonly OpenFile[], decided: readonly DecidedLeaf[]) {
  const sequences: { files: OpenFile[]; pieces: DecidedLeaf[]; rows: number; changed: boolean; bytes: number }[] = []
  let openFileIndex = -1
  for (const piece of decided) {
    const last = sequences[sequences.length - 1]
    if (last !== undefined && piece.leaf !== null && piece.leaf.file === openFileIndex) {
      last.pieces.push(piece)
      last.rows += piece.rows
      last.changed ||= piece.changed
      continue
    }
    const file = piece.leaf === null ? null : files[piece.leaf.file]!
    openFileIndex = piece.leaf?.file ?? -1
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
  pieces: readonly DecidedLeaf[],
  changes: IncomingChanges,
): Promise<Column[]> {
  const parts: Column[][] = []
  for (const piece of pieces) {
    const stored =
      piece.leaf === null
        ? context.fields.map((field) => nullColumn(field.type, 0))
        : await readColumns(files[piece.leaf.file]!, piece.leaf.group, context.fields)
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

function applySelection(
  context: MergeContext,
  stored: readonly Column[],
  selected: RowSelection,
  changes: IncomingChanges,
): Column[] {
  const selection = selected.selection
  invariant(selection !== null, 'a row group is gathered only where a change applies')
  return context.fields.map((field, index) => {
    const column = gather(field.type, stored[index]!, changes.columns[index]!, selection)
    return index === context.expiredColumn && selected.markedRows.length > 0
      ? markExpired(field, column, selected)
      : column
  })
}

function markExpired(field: Field, column: Column, selected: RowSelection): Column {
  invariant(column.kind === 'int64', `${field.name} is a timestamp`)
  const data = column.data.slice()
  const validity = column.validity?.slice() ?? null
  for (const [i, row] of selected.markedRows.entries()) {
    data[row] = selected.markedMicros[i]!
    if (validity !== null) validity[row >> 3]! |= 1 << (row & 7)
  }
  return { ...column, data, validity }
}

async function mergeUnordered(
  context: MergeContext,
  partition: readonly PartitionValue[],
  files: readonly OpenFile[],
  changes: IncomingChanges,
): Promise<MergeResult> {
  const keyFields = context.fields.slice(0, context.keyColumns)
  const loaded = await Promise.all(files.map((file) => liveRows(context, file)))
  const all = context.fields.map((field, column) =>
    concat(
      field.type,
      loaded.map((columns) => columns[column]!),
    ),
  )
  const stored = latestRows(context, all)
  const keys = encodeKeys(
    stored.slice(0, context.keyColumns),
    keyFields.map((field) => field.type),
  )
  const rows = keys.starts.length - 1
  const found = findRows(keys, changes.keys, 0, changes.count)
  const matched = Uint32Array.from(found.filter((row) => row >= 0))
  const versions = encodeVersions(
    takeRows(stored[context.streamColumn]!, matched),
    takeRows(stored[context.sequenceColumn]!, matched),
  )
  const expiredColumn = context.expiredColumn < 0 ? undefined : takeRows(stored[context.expiredColumn]!, matched)
  const outcomes = new Uint8Array(changes.count)
  const expired = expiredValues(context, expiredColumn, matched.length)
  const selected = selectRows(rows, found, versions, expired, changes, 0, changes.count, outcomes)
  if (selected.selection === null) return nothingWritten(outcomes)

  const writer = new FileWriter(context, partition)
  writer.startSequence(selected.selection.rows)
  if (selected.selection.rows > 0) await writer.encode(applySelection(context, stored, selected, changes))
  await writer.endSequence()
  return {
    removed: files.map((file) => file.stored.file),
    added: writer.added,
    outcomes,
    rowGroupsCopied: writer.copied,
    rowGroupsEncoded: writer.encoded,
  }
}

/** All rows of a file that no position delete names. */
async function liveRows(context: MergeContext, file: OpenFile): Promise<Column[]> {
  const groups: Column[][] = []
  for (let group = 0; group < file.footer.rowGroups.length; group++) {
    groups.push(await readColumns(file, group, context.fields))
  }
  const columns = context.fields.map((field, column) =>
    concat(
      field.type,
      groups.map((group) => group[column]!),
    ),
  )
  const deleted = await readPositionDeletes(context.store, file.stored)
  if (deleted.size === 0) return columns
  const kept = Uint32Array.from({ length: columns[0]!.rows }, (_, row) => row).filter((row) => !deleted.has(row))
  return columns.map((column) => takeRows(column, kept))
}

/** The rows in key order, of each key the one of the highest version; a row without a version ranks below all. */
function latestRows(context: MergeContext, columns: readonly Column[]): Column[] {
  const keyFields = context.fields.slice(0, context.keyColumns)
  const keys = encodeKeys(
    columns.slice(0, context.keyColumns),
    keyFields.map((field) => field.type),
  )
  const versions = encodeVersions(columns[context.streamColumn]!, columns[context.sequenceColumn]!)
  const order = orderByBytes(keys, (a, b) => compareAt(versions, b, versions, a) || a - b)
  const latest = order.filter((row, i) => i === 0 || compareAt(keys, row, keys, order[i - 1]!) !== 0)
  return columns.map((column) => takeRows(column, latest))
}

function nothingWritten(outcomes: Uint8Array): MergeResult {
  return { removed: [], added: [], outcomes, rowGroupsCopied: 0, rowGroupsEncoded: 0 }
}
