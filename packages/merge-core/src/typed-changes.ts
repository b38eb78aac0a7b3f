// Folded changes with their rows: what a task of merging is given.
//
// Rows stay where their landing object left them until a task takes its own, so a batch holds each row once.

import { type ByteStrings, compareAt, sliceStrings, takeStrings } from './change/byte-strings.ts'
import { EXPIRY_STANDS, type FoldedChanges, type KeyGroups, NO_EXPIRY } from './change/fold.ts'
import { decodeKeys } from './change/key-order.ts'
import type { Lines } from './change/lines.ts'
import { PUT } from './change/scanned-lines.ts'
import type { StandingTombstones } from './change/tombstone.ts'
import { versionColumns } from './change/version.ts'
import type { Column, PlainColumn } from './columns/column.ts'
import { nullColumn } from './columns/constant.ts'
import { takeFromAll } from './columns/take-from-all.ts'
import { setBit } from './columns/validity.ts'
import type { ChangeHeads, IncomingChanges } from './files/incoming.ts'
import type { FoldedBatch, GroupedBatch } from './fold-batch.ts'
import type { Field } from './primitive-type.ts'
import type { TableDefinition } from './table-definition.ts'

export function changeHeads(
  lines: Lines,
  groups: KeyGroups,
  changes: FoldedChanges,
  standing: StandingTombstones,
): ChangeHeads {
  return {
    count: changes.count,
    operation: changes.operation,
    keys: takeStrings(groups.keys, changes.key),
    versions: takeStrings(lines.versions, changes.line),
    ...expiries(lines, changes, standing),
  }
}

function expiries(lines: Lines, changes: FoldedChanges, standing: StandingTombstones) {
  const versions: Uint8Array[] = []
  const expiryMicros = new BigInt64Array(changes.count)
  const starts = new Uint32Array(changes.count + 1)
  for (let change = 0; change < changes.count; change++) {
    const expiry = changes.expiry[change]!
    starts[change + 1] = starts[change]!
    if (expiry === NO_EXPIRY) continue
    const key = changes.key[change]!
    // In whole seconds, as the entry beside the tombstones keeps it: the mark is the same whether the put or the removal came first.
    const [strings, index, at] =
      expiry === EXPIRY_STANDS
        ? [standing.expiredVersions, key, standing.expiredAt[key]!]
        : [lines.versions, expiry, Math.ceil(lines.at[expiry]!)]
    const version = strings.bytes.subarray(strings.starts[index]!, strings.starts[index + 1]!)
    versions.push(version)
    starts[change + 1]! += version.length
    expiryMicros[change] = BigInt(epochMicros(at))
  }
  const expiryVersions: ByteStrings = { starts, bytes: Buffer.concat(versions) }
  return { expiryVersions, expiryMicros }
}

/** The changes [from, to) on their own, with one column a table field. */
export function typedChanges(
  { lines, definition }: GroupedBatch,
  { heads, fold }: FoldedBatch,
  fields: readonly Field[],
  from: number,
  to: number,
): IncomingChanges {
  const operation = heads.operation.subarray(from, to)
  const row = new Int32Array(to - from)
  let rows = 0
  for (let i = 0; i < row.length; i++) row[i] = operation[i] === PUT ? rows++ : -1
  const puts = new Uint32Array(rows)
  for (let i = 0; i < row.length; i++) if (row[i]! >= 0) puts[row[i]!] = fold.changes.line[from + i]!
  const incoming = {
    count: to - from,
    operation,
    keys: sliceStrings(heads.keys, from, to),
    versions: sliceStrings(heads.versions, from, to),
    expiryVersions: sliceStrings(heads.expiryVersions, from, to),
    expiryMicros: heads.expiryMicros.subarray(from, to),
    row,
  }
  const columns = newRows(lines, puts, definition, fields)
  const expiredField = fields.findIndex((field) => field.name === '_expired_at' && definition.onTtl === 'keep')
  if (expiredField >= 0) columns[expiredField] = expiredColumn(incoming, rows)
  return { ...incoming, columns }
}

/** The rows of the puts, one column a table field: what the items say, and the metadata columns from the lines. */
function newRows(lines: Lines, puts: Uint32Array, definition: TableDefinition, fields: readonly Field[]): Column[] {
  if (puts.length === 0) return fields.map((field) => nullColumn(field.type, 0))
  const { stream, sequence } = versionColumns(takeStrings(lines.versions, puts))
  const idOf = (name: string) => definition.fields.findLast((field) => field.name === name)!.id
  const byId = new Map<number, Column>([
    [idOf('_updated_at'), { kind: 'int64', rows: puts.length, validity: null, data: updatedAt(lines.at, puts) }],
    [idOf('_stream'), stream],
    [idOf('_sequence'), sequence],
  ])
  const { keyColumns } = definition
  const keyTypes = definition.columns.slice(0, keyColumns).map((column) => column.storedType)
  for (const [part, column] of decodeKeys(takeStrings(lines.keys, puts), keyTypes).entries())
    byId.set(definition.fields[part]!.id, column)
  const object = puts.map((line) => lines.object[line]!)
  const item = puts.map((line, i) => lines.objects[object[i]!]!.item[lines.row[line]!]!)
  const itemColumn = (index: number) =>
    takeFromAll(
      lines.objects.map(({ columns }) => columns[index] as PlainColumn),
      object,
      item,
    )
  for (let column = keyColumns; column < definition.columns.length; column++)
    byId.set(definition.fields[column]!.id, itemColumn(column - keyColumns))
  byId.set(idOf('_extra'), itemColumn(definition.columns.length - keyColumns))
  return fields.map((field) => byId.get(field.id) ?? nullColumn(field.type, puts.length))
}

const TWO_TO_32 = 0x100000000

/** Epoch microseconds, low and high halves as the machine lays them out: no BigInt is made. */
function updatedAt(at: Float64Array, puts: Uint32Array): BigInt64Array {
  const halves = new Int32Array(2 * puts.length)
  for (let i = 0; i < puts.length; i++) {
    const micros = epochMicros(at[puts[i]!]!)
    const high = Math.floor(micros / TWO_TO_32)
    halves[2 * i] = micros - high * TWO_TO_32
    halves[2 * i + 1] = high
  }
  return new BigInt64Array(halves.buffer)
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

function epochMicros(seconds: number): number {
  return Math.round(seconds * 1e6)
}
