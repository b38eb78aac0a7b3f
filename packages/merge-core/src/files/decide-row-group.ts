// Decides what the changes routed to a row group make of it, by its keys, and by the versions of those that match.

import { type ByteStrings, NO_STRINGS } from '../change/byte-strings.ts'
import { encodeKeys, keyText } from '../change/key-order.ts'
import { encodeVersions } from '../change/version.ts'
import { type Column, isPresent } from '../columns/column.ts'
import { type Selection, STORED, sliceRows, takeRows } from '../columns/gather.ts'
import type { ColumnMemory } from '../columns/memory.ts'
import { setBit } from '../columns/validity.ts'
import { valueAt } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import type { KeyRange } from '../parquet/key-ranges.ts'
import type { Field } from '../primitive-type.ts'
import type { IncomingChanges } from './incoming.ts'
import { keyFieldsOf, type MergeContext, type TableLayout } from './merge-context.ts'
import { type OpenFile, readColumns } from './open-file.ts'
import { findRows, type RowSelection, type StoredKeys, selectRows } from './select-rows.ts'
import type { Piece } from './size-files.ts'

/** A row group in its place in key order. */
export interface PlacedRowGroup {
  readonly file: number
  readonly group: number
  readonly rows: number
  readonly firstKey: Uint8Array
}

/** A row group and what the changes make of it; `place` is null for the rows of a partition that has no file yet. */
export interface DecidedRowGroup extends Piece {
  readonly place: PlacedRowGroup | null
  readonly selected: RowSelection | null
  /** The first and the last key after the changes; null where nothing changes, no row is left, or none is stored. */
  readonly keys: KeyRange | null
  /** Columns that were decoded for the decision, by their position among the table's fields. */
  readonly decoded: ReadonlyMap<number, Column>
}

export const NOTHING_DECODED: ReadonlyMap<number, Column> = new Map()

/** The key columns of a row group, and the memory that they lie in. */
export interface KeysInMemory {
  readonly columns: readonly Column[]
  readonly memory: ColumnMemory
}

/** @param stored null where no change is routed to the row group; what is decoded for the decision lies in its memory, too */
export async function decideRowGroup(
  context: MergeContext,
  file: OpenFile,
  place: PlacedRowGroup,
  stored: KeysInMemory | null,
  changes: IncomingChanges,
  from: number,
  to: number,
  outcomes: Uint8Array,
): Promise<DecidedRowGroup> {
  const untouched = { place, rows: place.rows, changed: false, selected: null, keys: null, decoded: NOTHING_DECODED }
  if (stored === null) return untouched
  const { columns: keyColumns, memory } = stored
  const keyFields = keyFieldsOf(context)
  const keys = storedKeys(keyColumns, keyFields)
  checkAscending(file, place, keys, keyFields)
  const found = findRows(keys, changes.keys, from, to)
  const matched = Uint32Array.from(found.filter((row) => row >= 0))
  const versionColumns = matched.length === 0 ? NOTHING_DECODED : await readVersions(context, file, place.group, memory)
  const versions = matched.length === 0 ? NO_STRINGS : versionsOf(context, versionColumns, matched)
  const expired = expiredValues(context, versionColumns.get(context.expiredColumn), matched)
  const selected = selectRows(place.rows, found, versions, expired, changes, from, to, outcomes)
  if (selected.selection === null) return untouched
  const decoded = new Map([...keyColumns.entries(), ...versionColumns])
  const after = selectedKeys(selected.selection, keys, changes, keyFields)
  return { place, rows: selected.selection.rows, changed: true, selected, keys: after, decoded }
}

export function insertAll(changes: IncomingChanges, outcomes: Uint8Array): DecidedRowGroup {
  const found = new Int32Array(changes.count).fill(~0)
  const selected = selectRows(0, found, NO_STRINGS, null, changes, 0, changes.count, outcomes)
  const rows = selected.selection?.rows ?? 0
  const changed = selected.selection !== null
  return { place: null, rows, changed, selected, keys: null, decoded: NOTHING_DECODED }
}

/** The first and the last key of the selected rows; null where there are none. */
function selectedKeys(
  { rows, runs, side, start, length }: Selection,
  stored: StoredKeys,
  changes: IncomingChanges,
  keyFields: readonly Field[],
): KeyRange | null {
  if (rows === 0) return null
  const keyOf = (run: number, row: number) =>
    side[run] === STORED ? new Uint8Array(keyAt(stored, row)) : keyOfRow(changes.columns, row, keyFields)
  return { first: keyOf(0, start[0]!), last: keyOf(runs - 1, start[runs - 1]! + length[runs - 1]! - 1) }
}

function keyAt({ starts, bytes, gap = 0 }: StoredKeys, row: number): Uint8Array {
  return bytes.subarray(starts[row]! + gap, starts[row + 1]!)
}

function keyOfRow(columns: readonly Column[], row: number, keyFields: readonly Field[]): Uint8Array {
  return encodeKeys(
    keyFields.map((_, i) => sliceRows(columns[i]!, row, row + 1)),
    keyFields.map((field) => field.type),
  ).bytes
}

/** The keys of a row group where they lie, if they are one string; else their bytes, made of the columns. */
function storedKeys(columns: readonly Column[], keyFields: readonly Field[]): StoredKeys {
  const [column] = columns
  if (columns.length === 1 && column!.kind === 'bytes' && column!.validity === null) {
    return { starts: column!.starts, bytes: column!.bytes, gap: 4 }
  }
  return encodeKeys(
    columns,
    keyFields.map((field) => field.type),
  )
}

/** The columns that say how new a row is and whether it is marked as expired. */
async function readVersions(
  context: MergeContext,
  file: OpenFile,
  group: number,
  memory: ColumnMemory,
): Promise<Map<number, Column>> {
  const positions = [context.streamColumn, context.sequenceColumn]
  if (context.expiredColumn >= 0) positions.push(context.expiredColumn)
  if (context.overruled !== undefined) positions.push(context.overruled.column)
  const fields = positions.map((position) => context.fields[position]!)
  const columns = await readColumns(file, group, fields, memory)
  return new Map(positions.map((position, i) => [position, columns[i]!]))
}

function versionsOf(context: MergeContext, columns: ReadonlyMap<number, Column>, rows: Uint32Array): ByteStrings {
  return standingVersions(context, (position) => takeRows(columns.get(position)!, rows))
}

/** The versions that changes have to beat. `columnAt` gives a column by its position among the table's fields. */
export function standingVersions(context: TableLayout, columnAt: (position: number) => Column): ByteStrings {
  const { streamColumn, sequenceColumn, overruled } = context
  const stream = columnAt(streamColumn)
  const sequence = columnAt(sequenceColumn)
  if (overruled === undefined) return encodeVersions(stream, sequence)
  return encodeVersions(nullBefore(stream, columnAt(overruled.column), overruled.beforeMicros), sequence)
}

/** The column with nulls where the times are before `micros`, or null. */
function nullBefore(column: Column, times: Column, micros: bigint): Column {
  const validity = new Uint8Array((column.rows + 7) >> 3)
  for (let row = 0; row < column.rows; row++) {
    const time = valueAt(times, { kind: 'timestamptz' }, row) as bigint | null
    if (time !== null && time >= micros && isPresent(column.validity, row)) setBit(validity, row)
  }
  return { ...column, validity }
}

/** The expiry marks of single rows; null where the table keeps none. `column` is not read where there are no rows. */
export function expiredValues(
  context: MergeContext,
  column: Column | undefined,
  rows: Uint32Array,
): (bigint | null)[] | null {
  if (context.expiredColumn < 0) return null
  return Array.from(rows, (row) => valueAt(column!, { kind: 'timestamptz' }, row) as bigint | null)
}

/** Our own files are held to their order: a row out of place would be missed by a search, silently. */
function checkAscending(file: OpenFile, place: PlacedRowGroup, keys: StoredKeys, keyFields: readonly Field[]): void {
  const gap = keys.gap ?? 0
  const refuse = (row: number, before: string): never => {
    const key = keyText(
      keyAt(keys, row),
      keyFields.map((field) => field.type),
    )
    throw new DamagedObjectError(
      file.stored.file.path,
      `row ${row} of row group ${place.group}, key ${key}, does not sort after ${before} [written by ${file.footer.createdBy}]; ` +
        'restore the file from its version before, or rewrite it with another engine (which drops our claim of order)',
    )
  }
  const rows = keys.starts.length - 1
  if (rows !== place.rows) {
    throw new DamagedObjectError(
      file.stored.file.path,
      `row group ${place.group} holds ${rows} rows, its footer says ${place.rows}`,
    )
  }
  if (rows === 0) return
  const unordered = firstUnordered(keys.starts, keys.bytes, gap)
  if (unordered >= 0) refuse(unordered, `row ${unordered - 1}`)
  const { first, last } = file.keyRanges![place.group]!
  if (Buffer.compare(keyAt(keys, 0), first) !== 0) refuse(0, 'the first key its footer names')
  if (Buffer.compare(keyAt(keys, rows - 1), last) !== 0) refuse(rows - 1, 'the last key its footer names')
}

/** The first row that does not sort after the row before it; −1 where all do. */
function firstUnordered(starts: Uint32Array, bytes: Uint8Array, gap: number): number {
  const rows = starts.length - 1
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let row = 1; row < rows; row++) {
    if (!ascends(view, starts[row - 1]! + gap, starts[row]!, starts[row]! + gap, starts[row + 1]!)) return row
  }
  return -1
}

/** Whether bytes [before, beforeEnd) sort before [at, end). */
function ascends(bytes: DataView, before: number, beforeEnd: number, at: number, end: number): boolean {
  while (before + 4 <= beforeEnd && at + 4 <= end && bytes.getInt32(before) === bytes.getInt32(at)) {
    before += 4
    at += 4
  }
  while (before < beforeEnd && at < end && bytes.getUint8(before) === bytes.getUint8(at)) {
    before++
    at++
  }
  return at < end && (before === beforeEnd || bytes.getUint8(before) < bytes.getUint8(at))
}
