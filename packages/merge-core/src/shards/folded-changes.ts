// Folded changes as a file: what a plan gives to its shards, and the worker to Spark.
//
// A Parquet file of the table's columns, under their names and field ids, and behind them:
//
//   _operation                         put, remove, remove-from-partition or expire
//   _expiry_stream, _expiry_sequence   version of the removal by TTL that holds for the key; null where none does
//   _expiry_at                         time of that removal
//   _change                            number of the row in the file, from 0
//
// Rows ascend by (partition, key), each once; a task's are a range of them. Every row has its key and, as `_stream` and `_sequence`, its
// version; all else of a row is null where it is no put. A table may have a column of such a name: the later one has one underscore more.

import { sliceStrings } from '../change/byte-strings.ts'
import { CLEAR } from '../change/fold.ts'
import { decodeKeys, encodeKeys } from '../change/key-order.ts'
import { EXPIRE, PUT, REMOVE } from '../change/scanned-lines.ts'
import { encodeVersions, versionColumns } from '../change/version.ts'
import type { Column, Int64Column } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { expandDictionary, gather, INCOMING, type Selection, STORED, sliceRows, takeRows } from '../columns/gather.ts'
import { columnOf, valuesOf } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import type { IncomingChanges } from '../files/incoming.ts'
import type { TableLayout } from '../files/merge-context.ts'
import { landedBytes } from '../landing/read-landing.ts'
import { incomingChanges, type TaskChanges } from '../landing/task-changes.ts'
import { type AssembledFile, assembleFile } from '../parquet/assemble-file.ts'
import { encodeRowGroup } from '../parquet/write-row-group.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { readStagedColumns } from './staged-file.ts'

type Layout = Pick<TableLayout, 'fields' | 'keyColumns' | 'streamColumn' | 'sequenceColumn'>

const ROW_GROUP_ROWS_MAX = 100_000
/** Of columns in memory, by the mean of all lines. */
const ROW_GROUP_BYTES = 64 * 1024 * 1024
const STRING: PrimitiveType = { kind: 'string' }

/** By the number of the operation. */
const OPERATIONS: string[] = []
OPERATIONS[PUT] = 'put'
OPERATIONS[REMOVE] = 'remove'
OPERATIONS[CLEAR] = 'remove-from-partition'
OPERATIONS[EXPIRE] = 'expire'

/** The columns of a file of folded changes: those of the table, then the five that say what becomes of a row. */
export function foldedFields({ fields, keyColumns }: Pick<Layout, 'fields' | 'keyColumns'>): Field[] {
  const id = Math.max(...fields.map((field) => field.id))
  const names = new Set(fields.map(({ name }) => name.toLowerCase()))
  const more = (name: string, place: number, type: PrimitiveType, required: boolean): Field => {
    let free = name
    while (names.has(free)) free = `_${free}`
    return { id: id + place, name: free, type, required }
  }
  return [
    ...fields.map((field, index) => ({ ...field, required: index < keyColumns })),
    more('_operation', 1, STRING, true),
    more('_expiry_stream', 2, STRING, false),
    more('_expiry_sequence', 3, STRING, false),
    more('_expiry_at', 4, { kind: 'timestamptz' }, false),
    more('_change', 5, { kind: 'int' }, true),
  ]
}

/** @param changes of one task, or of several one behind the other */
export function encodeFoldedChanges(layout: Layout, changes: TaskChanges): AssembledFile {
  const fields = foldedFields(layout)
  const groupRows = rowGroupRows(changes)
  const count = changes.operation.length
  const groups = Array.from({ length: Math.ceil(count / groupRows) }, (_, group) => {
    const from = group * groupRows
    const piece = incomingChanges(rangeOf(changes, from, Math.min(count, from + groupRows)), layout.fields)
    return encodeRowGroup(fields, columnsOf(layout, piece, from), { codec: 'zstd', level: 1, keyColumns: 0 })
  })
  return assembleFile(fields, groups, { keyColumns: 0 })
}

function rowGroupRows({ objects }: TaskChanges): number {
  const lines = objects.reduce((sum, { count }) => sum + count, 0)
  const bytes = objects.reduce((sum, object) => sum + landedBytes(object), 0)
  return Math.max(1, Math.min(ROW_GROUP_ROWS_MAX, Math.floor((ROW_GROUP_BYTES * lines) / Math.max(1, bytes))))
}

function rangeOf(changes: TaskChanges, from: number, to: number): TaskChanges {
  return {
    ...changes,
    operation: changes.operation.subarray(from, to),
    object: changes.object.subarray(from, to),
    row: changes.row.subarray(from, to),
    expiryVersions: sliceStrings(changes.expiryVersions, from, to),
    expiryMicros: changes.expiryMicros.subarray(from, to),
  }
}

/** @param first number of the first change in the file */
function columnsOf(layout: Layout, changes: IncomingChanges, first: number): Column[] {
  const { count: rows, columns } = changes
  const keys = decodeKeys(changes.keys, keyTypes(layout))
  const { stream, sequence } = versionColumns(changes.versions)
  const expiry = versionColumns(changes.expiryVersions)
  const puts = putsAmongNulls(changes)
  const spread = (field: Field, column: Column) =>
    gather(field.type, nullColumn(field.type, rows - column.rows), column, puts)
  const own = layout.fields.map((field, index) => {
    if (index === layout.streamColumn) return stream
    if (index === layout.sequenceColumn) return sequence
    return keys[index] ?? spread(field, columns[index]!)
  })
  return [
    ...own,
    operationColumn(changes.operation),
    expiry.stream,
    expiry.sequence,
    { kind: 'int64', rows, validity: expiry.stream.validity, data: changes.expiryMicros },
    { kind: 'int32', rows, validity: null, data: Int32Array.from({ length: rows }, (_, row) => first + row) },
  ]
}

function keyTypes({ fields, keyColumns }: Pick<Layout, 'fields' | 'keyColumns'>): PrimitiveType[] {
  return fields.slice(0, keyColumns).map((field) => field.type)
}

/** Each put from the incoming side, in order, and a stored null for every other change. */
function putsAmongNulls({ count, row }: IncomingChanges): Selection {
  const side = new Uint8Array(count)
  const start = new Uint32Array(count)
  let nulls = 0
  for (let change = 0; change < count; change++) {
    const put = row[change]!
    side[change] = put < 0 ? STORED : INCOMING
    start[change] = put < 0 ? nulls++ : put
  }
  return { rows: count, runs: count, side, start, length: new Uint32Array(count).fill(1) }
}

function operationColumn(operation: Uint8Array): Column {
  const dictionary = columnOf(STRING, OPERATIONS)
  return {
    kind: 'dictionary',
    rows: operation.length,
    validity: null,
    indices: Uint32Array.from(operation),
    dictionary,
  }
}

/**
 * All changes of a file.
 * @param count how many there must be
 * @throws InputError where the file is gone; DamagedObjectError where it is not what was written
 */
export async function readFoldedChanges(
  store: ObjectReader,
  path: string,
  layout: Layout,
  count: number,
): Promise<IncomingChanges> {
  const fields = foldedFields(layout)
  const columns = await readStagedColumns(store, path, fields, count)
  const own = columns.slice(0, layout.fields.length)
  const [operations, expiryStream, expirySequence, expiryAt] = columns.slice(layout.fields.length)
  const operation = operationsOf(path, operations!)
  const puts = Uint32Array.from(operation.keys()).filter((change) => operation[change] === PUT)
  const row = new Int32Array(count).fill(-1)
  for (const [put, change] of puts.entries()) row[change] = put
  return {
    count,
    operation,
    keys: encodeKeys(own.slice(0, layout.keyColumns), keyTypes(layout)),
    versions: encodeVersions(own[layout.streamColumn]!, own[layout.sequenceColumn]!),
    expiryVersions: encodeVersions(expiryStream!, expirySequence!),
    expiryMicros: (expandDictionary(expiryAt!) as Int64Column).data,
    row,
    columns: puts.length === count ? own : own.map((column) => takeRows(column, puts)),
  }
}

function operationsOf(path: string, column: Column): Uint8Array {
  const { indices, dictionary } = column.kind === 'dictionary' ? column : { indices: null, dictionary: column }
  const numbers = valuesOf(dictionary, STRING).map((name) => OPERATIONS.indexOf(name as string))
  if (numbers.includes(-1)) throw new DamagedObjectError(path, 'holds an unknown operation; plan again')
  return indices === null ? Uint8Array.from(numbers) : Uint8Array.from(indices, (index) => numbers[index]!)
}

/** The changes [from, to). Shares their memory. */
export function sliceChanges(changes: IncomingChanges, from: number, to: number): IncomingChanges {
  const row = changes.row.slice(from, to)
  const first = row.find((put) => put >= 0) ?? 0
  const puts = row.reduce((sum, put) => (put >= 0 ? sum + 1 : sum), 0)
  return {
    count: to - from,
    operation: changes.operation.subarray(from, to),
    keys: sliceStrings(changes.keys, from, to),
    versions: sliceStrings(changes.versions, from, to),
    expiryVersions: sliceStrings(changes.expiryVersions, from, to),
    expiryMicros: changes.expiryMicros.subarray(from, to),
    row: row.map((put) => (put < 0 ? put : put - first)),
    columns: changes.columns.map((column) => sliceRows(column, first, first + puts)),
  }
}
