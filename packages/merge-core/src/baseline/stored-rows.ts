// What the table holds already of the keys of a baseline, as far as a merge by partition does not see it.
//
// A table partitioned by attributes that can change may hold a key in another partition than the baseline does: a lower row there is the
// place that the item moved from, a higher one says that the baseline's row is out of date. And where an export is authoritative, rows of
// before it that it does not hold are to go.

import { type ByteStrings, compareBytes, takeStrings } from '../change/byte-strings.ts'
import { CLEAR, distinctKeys, type KeyGroups } from '../change/fold.ts'
import { encodeKeys } from '../change/key-order.ts'
import { type LandedLines, type Lines, tupleOf, tupleText } from '../change/lines.ts'
import { orderByBytes } from '../change/order-keys.ts'
import { REMOVE } from '../change/scanned-lines.ts'
import { encodeVersions } from '../change/version.ts'
import { type Column, isPresent } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { takeRows } from '../columns/gather.ts'
import { valueAt } from '../columns/values.ts'
import { standingVersions } from '../files/decide-row-group.ts'
import type { StoredFile } from '../files/locate.ts'
import type { TableLayout } from '../files/merge-context.ts'
import { openFile, readColumns } from '../files/open-file.ts'
import { readPositionDeletes } from '../files/position-deletes.ts'
import { findRows } from '../files/select-rows.ts'
import { decodeSingleValue } from '../iceberg/single-value.ts'
import type { KeyRange } from '../parquet/key-ranges.ts'
import type { ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { baselineFields, type PlaceRange } from './baseline-rows.ts'

export interface StoredTable {
  readonly store: ObjectReader
  readonly layout: TableLayout
  /** By `tupleText` of the partition. */
  readonly byPartition: ReadonlyMap<string, readonly StoredFile[]>
}

/** The keys of a row group, in its order. */
interface KeyGroup {
  readonly keys: ByteStrings
  readonly isLive: (row: number) => boolean
  readonly column: (position: number) => Promise<Column>
}

async function* keyGroups(
  { store, layout }: StoredTable,
  stored: StoredFile,
  isWanted: (range: KeyRange) => boolean,
): AsyncGenerator<KeyGroup> {
  const keyFields = layout.fields.slice(0, layout.keyColumns)
  const file = await openFile(store, stored)
  const deleted = stored.deletes.length === 0 ? new Set<number>() : await readPositionDeletes(store, stored)
  let firstRow = 0
  for (const [group, { numRows }] of file.footer.rowGroups.entries()) {
    if (numRows > 0 && (file.keyRanges === null || isWanted(file.keyRanges[group]!))) {
      const start = firstRow
      const keyColumns = await readColumns(file, group, keyFields)
      yield {
        keys: encodeKeys(
          keyColumns,
          keyFields.map((field) => field.type),
        ),
        isLive: (row) => !deleted.has(start + row),
        column: async (position) => (await readColumns(file, group, [layout.fields[position]!]))[0]!,
      }
    }
    firstRow += numRows
  }
}

/** What other partitions hold of the keys of lines: of a removal, which names none, all of them. */
export interface RowsElsewhere {
  /** Of each line the partition, by `tupleText`, of the highest row that is below it. */
  readonly below: ReadonlyMap<number, string>
  /** Lines whose key has a higher row there. */
  readonly outdated: ReadonlySet<number>
}

/** @param version of all lines */
export async function findRowsElsewhere(
  table: StoredTable,
  lines: Lines,
  groups: KeyGroups,
  excluded: Uint8Array,
  version: Uint8Array,
): Promise<RowsElsewhere> {
  const below = new Map<number, string>()
  const belowVersion = new Map<number, Uint8Array>()
  const outdated = new Set<number>()
  if (lines.count === 0) return { below, outdated }
  const keys = distinctKeys(lines, groups)
  const last = keys.starts.length - 2
  const meets = ({ first, last: end }: KeyRange) => compareKey(keys, 0, end) <= 0 && compareKey(keys, last, first) >= 0
  const texts = lines.partitions.map(tupleText)
  for (const [partition, files] of table.byPartition) {
    for (const stored of files) {
      if (holdsOnly(stored, table.layout, version)) continue
      for await (const group of keyGroups(table, stored, meets)) await lookInto(group, partition)
    }
  }
  return { below, outdated }

  /** The one line of a key that counts and does not merely clear a row; −1 where there is none. */
  function ownLine(key: number): number {
    const ofKey = groups.order.subarray(groups.starts[key]!, groups.starts[key + 1]!)
    return ofKey.find((line) => excluded[line] === 0 && lines.operation[line] !== CLEAR) ?? -1
  }

  async function lookInto(group: KeyGroup, partition: string): Promise<void> {
    const order = orderByBytes(group.keys, (a, b) => a - b)
    const rows: number[] = []
    const lineOf: number[] = []
    const found = findRows(keys, takeStrings(group.keys, order), 0, order.length)
    for (const [i, key] of found.entries()) {
      if (key < 0 || !group.isLive(order[i]!)) continue
      const line = ownLine(key)
      const isRemoval = line >= 0 && lines.operation[line] === REMOVE
      if (line < 0 || (!isRemoval && texts[lines.partition[line]!] === partition)) continue
      rows.push(order[i]!)
      lineOf.push(line)
    }
    if (rows.length === 0) return
    const columns = new Map<number, Column>()
    const { streamColumn, sequenceColumn, overruled } = table.layout
    for (const position of [streamColumn, sequenceColumn, ...(overruled === undefined ? [] : [overruled.column])]) {
      columns.set(position, takeRows(await group.column(position), Uint32Array.from(rows)))
    }
    const versions = standingVersions(table.layout, (position) => columns.get(position)!)
    for (const [i, line] of lineOf.entries()) {
      const stored = versions.bytes.subarray(versions.starts[i]!, versions.starts[i + 1]!)
      if (Buffer.compare(stored, version) > 0) outdated.add(line)
      else if (Buffer.compare(stored, belowVersion.get(line) ?? stored) >= 0) {
        below.set(line, partition)
        belowVersion.set(line, stored)
      }
    }
  }
}

/** Whether every row of the file has this version: then it is one of the baseline's own, and holds none of its other keys. */
function holdsOnly({ file }: StoredFile, { fields, streamColumn, sequenceColumn }: TableLayout, version: Uint8Array) {
  const text = Buffer.from(version).toString()
  const expected = text.split('\0')
  return [streamColumn, sequenceColumn].every((position, part) => {
    const { id, type } = fields[position]!
    const bounds = [file.lowerBounds.get(id), file.upperBounds.get(id)]
    return (
      file.nullCounts.get(id) === 0 &&
      bounds.every((bound) => bound !== undefined && decodeSingleValue(type, bound) === expected[part])
    )
  })
}

/** Stored rows as lines that clear them (fold.ts). */
export async function findRowsBefore(
  table: StoredTable,
  definition: TableDefinition,
  lines: Lines,
  groups: KeyGroups,
  ranges: readonly PlaceRange[],
  atSeconds: number,
): Promise<LandedLines> {
  const { overruled, streamColumn, sequenceColumn, expiredColumn } = table.layout
  const held = distinctKeys(lines, groups)
  const texts = lines.partitions.map(tupleText)
  const found: { key: Uint8Array; version: Uint8Array; partition: string }[] = []
  for (const [partition, files] of table.byPartition) {
    for (const range of ranges) {
      const bounds = keysOf(range, partition)
      if (bounds === null) continue
      const meets = ({ first, last }: KeyRange) =>
        (bounds.from === null || Buffer.compare(last, bounds.from) >= 0) &&
        (bounds.to === null || Buffer.compare(first, bounds.to) < 0)
      for (const stored of files) {
        if (isAllSince(stored, table.layout)) continue
        for await (const group of keyGroups(table, stored, meets)) await lookInto(group, partition, bounds)
      }
    }
  }
  return clearingLines(found, definition, atSeconds)

  async function lookInto(group: KeyGroup, partition: string, bounds: KeyBounds): Promise<void> {
    const times = await group.column(overruled!.column)
    const expired = expiredColumn < 0 ? null : await group.column(expiredColumn)
    const rows: number[] = []
    for (let row = 0; row < times.rows; row++) {
      const time = valueAt(times, { kind: 'timestamptz' }, row) as bigint | null
      if (time !== null && time >= overruled!.beforeMicros) continue
      if (expired !== null && isPresent(expired.validity, row)) continue
      if (!isWithin(bounds, group.keys, row) || !group.isLive(row) || isHeld(group.keys, row, partition)) continue
      rows.push(row)
    }
    if (rows.length === 0) return
    const taken = Uint32Array.from(rows)
    const versions = encodeVersions(
      takeRows(await group.column(streamColumn), taken),
      takeRows(await group.column(sequenceColumn), taken),
    )
    for (const [i, row] of rows.entries()) {
      const key = group.keys.bytes.slice(group.keys.starts[row]!, group.keys.starts[row + 1]!)
      const stored = versions.bytes.subarray(versions.starts[i]!, versions.starts[i + 1]!)
      found.push({ key, version: Buffer.concat([stored, ABOVE]), partition })
    }
  }

  /** Whether the lines have a change for the row's own place. */
  function isHeld(keys: ByteStrings, row: number, partition: string): boolean {
    const key = keys.bytes.subarray(keys.starts[row]!, keys.starts[row + 1]!)
    const group = indexOf(held, key)
    return group >= 0 && texts[lines.partition[groups.order[groups.starts[group]!]!]!] === partition
  }
}

/** Behind a version: above that version, so that two rows of a key are cleared by versions of their own. */
const ABOVE = Uint8Array.of(0xff)

interface KeyBounds {
  readonly from: Uint8Array | null
  readonly to: Uint8Array | null
}

/** The keys of a partition that lie in the range; null where none does. */
function keysOf({ from, to }: PlaceRange, partition: string): KeyBounds | null {
  if (from !== null && partition < from.partition) return null
  if (to !== null && partition > to.partition) return null
  return {
    from: from?.partition === partition ? from.key : null,
    to: to?.partition === partition ? to.key : null,
  }
}

function isWithin({ from, to }: KeyBounds, keys: ByteStrings, row: number): boolean {
  return (from === null || compareKey(keys, row, from) >= 0) && (to === null || compareKey(keys, row, to) < 0)
}

function compareKey({ starts, bytes }: ByteStrings, index: number, key: Uint8Array): number {
  return compareBytes(bytes, starts[index]!, starts[index + 1]!, key, 0, key.length)
}

function indexOf(keys: ByteStrings, key: Uint8Array): number {
  let low = 0
  let high = keys.starts.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKey(keys, middle, key) < 0) low = middle + 1
    else high = middle
  }
  return low < keys.starts.length - 1 && compareKey(keys, low, key) === 0 ? low : -1
}

/** By the file's bounds alone: no row of it is overruled. */
function isAllSince({ file }: StoredFile, { fields, overruled }: TableLayout): boolean {
  const { id, type } = fields[overruled!.column]!
  const lower = file.lowerBounds.get(id)
  if (lower === undefined || file.nullCounts.get(id) !== 0) return false
  const first = decodeSingleValue(type, lower) as bigint | null
  return first !== null && first >= overruled!.beforeMicros
}

function clearingLines(
  found: readonly { key: Uint8Array; version: Uint8Array; partition: string }[],
  definition: TableDefinition,
  atSeconds: number,
): LandedLines {
  const count = found.length
  const partitions = [...new Set(found.map(({ partition }) => partition))]
  const numbers = new Map(partitions.map((text, number) => [text, number]))
  const partition = Int32Array.from(found, (row) => numbers.get(row.partition)!)
  return {
    count,
    lineNumber: new Uint32Array(count),
    operation: new Uint8Array(count).fill(CLEAR),
    keys: stringsOf(found.map(({ key }) => key)),
    versions: stringsOf(found.map(({ version }) => version)),
    at: new Float64Array(count).fill(atSeconds),
    accepted: new Uint8Array(count),
    partition,
    oldPartition: partition,
    partitions: partitions.map(tupleOf),
    item: new Int32Array(count).fill(-1),
    columns: baselineFields(definition)
      .slice(definition.keyColumns)
      .map((field) => nullColumn(field.type, 0)),
  }
}

function stringsOf(values: readonly Uint8Array[]): ByteStrings {
  const starts = new Uint32Array(values.length + 1)
  for (const [i, { length }] of values.entries()) starts[i + 1] = starts[i]! + length
  return { starts, bytes: Buffer.concat(values) }
}
