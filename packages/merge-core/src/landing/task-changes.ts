// The changes of one task, brought together from where their landing objects left them.
//
// Until then a row stays where it was read, so a batch holds each row once. A task names its lines; whoever does the task, perhaps in
// another thread, takes their rows.

import { type ByteStrings, compareAt, takeStrings } from '../change/byte-strings.ts'
import { epochMicrosColumn } from '../change/epoch.ts'
import { decodeKeys } from '../change/key-order.ts'
import type { LandedLines } from '../change/lines.ts'
import { PUT } from '../change/scanned-lines.ts'
import { versionColumns } from '../change/version.ts'
import type { Column, PlainColumn } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { takeBytesFromAll } from '../columns/take-bytes.ts'
import { takeFromAll } from '../columns/take-from-all.ts'
import { setBit } from '../columns/validity.ts'
import type { IncomingChanges } from '../files/incoming.ts'
import type { Field } from '../primitive-type.ts'
import type { TableDefinition } from '../table-definition.ts'

/** Plain data. Arrays have one entry a change, sorted by key. */
export interface TaskChanges {
  readonly objects: readonly LandedLines[]
  /** What the objects were read by. */
  readonly definition: TableDefinition
  /** PUT, REMOVE, CLEAR or EXPIRE. */
  readonly operation: Uint8Array
  /** The change comes from line row[i] of objects[object[i]]. */
  readonly object: Uint32Array
  readonly row: Uint32Array
  /** As in IncomingChanges. */
  readonly expiryVersions: ByteStrings
  readonly expiryMicros: BigInt64Array
}

/** @param fields the table's columns */
export function incomingChanges(changes: TaskChanges, fields: readonly Field[]): IncomingChanges {
  const { objects, operation, object, row, expiryVersions, expiryMicros } = changes
  const count = operation.length
  const keys = takeBytesFromAll(
    objects.map((lines) => lines.keys),
    object,
    row,
  )
  const versions = takeBytesFromAll(
    objects.map((lines) => lines.versions),
    object,
    row,
  )
  const putRow = new Int32Array(count)
  let puts = 0
  for (let i = 0; i < count; i++) putRow[i] = operation[i] === PUT ? puts++ : -1
  const incoming = { count, operation, keys, versions, expiryVersions, expiryMicros, row: putRow }
  let columns: Column[] | null = null
  return {
    ...incoming,
    // Where every change turns out stale nobody asks for rows.
    get columns() {
      columns ??= newRows(changes, incoming, puts, fields)
      return columns
    },
  }
}

function newRows(
  changes: TaskChanges,
  incoming: Omit<IncomingChanges, 'columns'>,
  puts: number,
  fields: readonly Field[],
): Column[] {
  const columns = putColumns(changes, incoming, puts, fields)
  const { onTtl } = changes.definition
  const expiredField = fields.findIndex((field) => field.name === '_expired_at' && onTtl === 'keep')
  if (expiredField >= 0) columns[expiredField] = expiredColumn(incoming, puts)
  return columns
}

/** The rows of the puts, one column a table field: what the items say, and the metadata columns from the lines. */
function putColumns(
  { objects, definition, object, row }: TaskChanges,
  { row: putRow, keys, versions }: Pick<IncomingChanges, 'row' | 'keys' | 'versions'>,
  puts: number,
  fields: readonly Field[],
): Column[] {
  if (puts === 0) return fields.map((field) => nullColumn(field.type, 0))
  const putChange = new Uint32Array(puts)
  const putObject = new Uint32Array(puts)
  const item = new Uint32Array(puts)
  const at = new Float64Array(puts)
  for (let i = 0; i < putRow.length; i++) {
    const put = putRow[i]!
    if (put < 0) continue
    const lines = objects[object[i]!]!
    putChange[put] = i
    putObject[put] = object[i]!
    item[put] = lines.item[row[i]!]!
    at[put] = lines.at[row[i]!]!
  }
  const ofPuts = (strings: ByteStrings) => (puts === putRow.length ? strings : takeStrings(strings, putChange))
  const { stream, sequence } = versionColumns(ofPuts(versions))
  const idOf = (name: string) => definition.fields.findLast((field) => field.name === name)!.id
  const byId = new Map<number, Column>([
    [idOf('_updated_at'), epochMicrosColumn(at)],
    [idOf('_stream'), stream],
    [idOf('_sequence'), sequence],
  ])
  const { keyColumns } = definition
  const keyTypes = definition.columns.slice(0, keyColumns).map((column) => column.storedType)
  for (const [part, column] of decodeKeys(ofPuts(keys), keyTypes).entries())
    byId.set(definition.fields[part]!.id, column)
  const itemColumn = (index: number) =>
    takeFromAll(
      objects.map(({ columns }) => columns[index] as PlainColumn),
      putObject,
      item,
    )
  for (let column = keyColumns; column < definition.columns.length; column++)
    byId.set(definition.fields[column]!.id, itemColumn(column - keyColumns))
  byId.set(idOf('_extra'), itemColumn(definition.columns.length - keyColumns))
  return fields.map((field) => byId.get(field.id) ?? nullColumn(field.type, puts))
}

function expiredColumn(incoming: Omit<IncomingChanges, 'columns'>, rows: number): Column {
  const data = new BigInt64Array(rows)
  const validity = new Uint8Array((rows + 7) >> 3)
  for (let change = 0; change < incoming.count; change++) {
    const row = incoming.row[change]!
    if (row < 0 || compareAt(incoming.expiryVersions, change, incoming.versions, change) <= 0) continue
    data[row] = incoming.expiryMicros[change]!
    setBit(validity, row)
  }
  return { kind: 'int64', rows, validity, data }
}
