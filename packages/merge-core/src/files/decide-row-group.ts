// Decides what the changes routed to a row group make of it, by its keys, and by the versions of those that match.

import { type ByteStrings, compareAt, compareBytes, NO_STRINGS } from '../change/byte-strings.ts'
import { encodeKeys, keyText } from '../change/key-order.ts'

import { encodeVersions } from '../change/version.ts'
import type { Column } from '../columns/column.ts'
import { takeRows } from '../columns/gather.ts'
import { valueAt } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import type { Field } from '../primitive-type.ts'
import type { IncomingChanges } from './incoming.ts'
import { keyFieldsOf, type MergeContext } from './merge-context.ts'
import { type OpenFile, readColumns } from './open-file.ts'
import { findRows, type RowSelection, selectRows } from './select-rows.ts'
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
}

export async function decideRowGroup(
  context: MergeContext,
  file: OpenFile,
  place: PlacedRowGroup,
  changes: IncomingChanges,
  from: number,
  to: number,
  outcomes: Uint8Array,
): Promise<DecidedRowGroup> {
  const untouched = { place, rows: place.rows, changed: false, selected: null }
  if (from === to) return untouched
  const keyFields = keyFieldsOf(context)
  const keys = encodeKeys(
    await readColumns(file, place.group, keyFields),
    keyFields.map((field) => field.type),
  )
  checkAscending(file, place, keys, keyFields)
  const found = findRows(keys, changes.keys, from, to)
  const matched = found.filter((row) => row >= 0)
  const { versions, expired } = await readVersions(context, file, place.group, Uint32Array.from(matched))
  const selected = selectRows(place.rows, found, versions, expired, changes, from, to, outcomes)
  if (selected.selection === null) return untouched
  return { place, rows: selected.selection.rows, changed: true, selected }
}

export function insertAll(changes: IncomingChanges, outcomes: Uint8Array): DecidedRowGroup {
  const found = new Int32Array(changes.count).fill(~0)
  const selected = selectRows(0, found, NO_STRINGS, null, changes, 0, changes.count, outcomes)
  return { place: null, rows: selected.selection?.rows ?? 0, changed: selected.selection !== null, selected }
}

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

export function expiredValues(
  context: MergeContext,
  column: Column | undefined,
  rows: number,
): (bigint | null)[] | null {
  if (context.expiredColumn < 0 || column === undefined) return null
  return Array.from({ length: rows }, (_, row) => valueAt(column, { kind: 'timestamptz' }, row) as bigint | null)
}

/** Our own files are held to their order: a row out of place would be missed by a search, silently. */
function checkAscending(file: OpenFile, place: PlacedRowGroup, keys: ByteStrings, keyFields: readonly Field[]): void {
  const fail = (row: number, before: string) => {
    const key = keyText(
      keys.bytes.subarray(keys.starts[row]!, keys.starts[row + 1]!),
      keyFields.map((field) => field.type),
    )
    throw new DamagedObjectError(
      file.stored.file.path,
      `row ${row} of row group ${place.group}, key ${key}, does not sort after ${before} [written by ${file.footer.createdBy}]; ` +
        'restore the file from its version before, or rewrite it with another engine (which drops our claim of order)',
    )
  }
  const range = file.keyRanges![place.group]!
  const rows = keys.starts.length - 1
  for (let row = 1; row < rows; row++) if (compareAt(keys, row, keys, row - 1) <= 0) fail(row, `row ${row - 1}`)
  if (rows !== place.rows)
    throw new DamagedObjectError(
      file.stored.file.path,
      `row group ${place.group} holds ${rows} rows, its footer says ${place.rows}`,
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
