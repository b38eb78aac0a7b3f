// The rows of files that nobody keeps in our order: other engines wrote them, or deleted rows of them by position.

import { compareAt } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'
import { orderByBytes } from '../change/order-keys.ts'
import { encodeVersions } from '../change/version.ts'
import { type Column, nullCount } from '../columns/column.ts'
import { concat, takeRows } from '../columns/gather.ts'
import { DamagedObjectError } from '../errors.ts'
import { keyFieldsOf, type MergeContext } from './merge-context.ts'
import { type OpenFile, readColumns } from './open-file.ts'
import { readPositionDeletes } from './position-deletes.ts'

/** All live rows of the files in key order, each key once: the row of the highest version; one without a version ranks below all. */
export async function readLatestRows(context: MergeContext, files: readonly OpenFile[]): Promise<Column[]> {
  const rows = await Promise.all(files.map((file) => liveRows(context, file)))
  return latestRows(context, joined(context, rows))
}

/** All rows of a file that no position delete names. Throws DamagedObjectError where one of them lacks a part of its key. */
async function liveRows(context: MergeContext, file: OpenFile): Promise<Column[]> {
  const columns = await undeletedRows(context, file)
  for (const [index, { name }] of keyFieldsOf(context).entries()) {
    const { validity, rows } = columns[index]!
    const nulls = nullCount(validity, rows)
    if (nulls === 0) continue
    throw new DamagedObjectError(
      file.stored.file.path,
      `key column ${name} is null in ${nulls} rows; delete them with the engine that wrote them, and merge again`,
    )
  }
  return columns
}

async function undeletedRows(context: MergeContext, file: OpenFile): Promise<Column[]> {
  const groups: Column[][] = []
  for (let group = 0; group < file.footer.rowGroups.length; group++) {
    groups.push(await readColumns(file, group, context.fields))
  }
  const columns = joined(context, groups)
  const deleted = await readPositionDeletes(context.store, file.stored)
  if (deleted.size === 0) return columns
  const kept = Uint32Array.from({ length: columns[0]!.rows }, (_, row) => row).filter((row) => !deleted.has(row))
  return columns.map((column) => takeRows(column, kept))
}

function latestRows(context: MergeContext, columns: readonly Column[]): Column[] {
  const keyFields = keyFieldsOf(context)
  const keys = encodeKeys(
    columns.slice(0, context.keyColumns),
    keyFields.map((field) => field.type),
  )
  const versions = encodeVersions(columns[context.streamColumn]!, columns[context.sequenceColumn]!)
  const order = orderByBytes(keys, (a, b) => compareAt(versions, b, versions, a) || a - b)
  const latest = order.filter((row, i) => i === 0 || compareAt(keys, row, keys, order[i - 1]!) !== 0)
  return columns.map((column) => takeRows(column, latest))
}

function joined(context: MergeContext, parts: readonly (readonly Column[])[]): Column[] {
  return context.fields.map((field, column) =>
    concat(
      field.type,
      parts.map((part) => part[column]!),
    ),
  )
}
