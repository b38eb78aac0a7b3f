// Both versions of each key that differs. They are read once more, since of the first reading digests were kept.

import type { Column } from '../columns/column.ts'
import { valueAt } from '../columns/values.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { Field } from '../primitive-type.ts'
import { classOf, type DifferenceKind, isDifference, keyAt, type Slice } from './compare-part.ts'
import { type Comparison, exportItems } from './comparison.ts'
import { digestOf, type KeyTable, sliceOf } from './key-table.ts'
import { storedGroups } from './stored-groups.ts'

/** Values by the names of columns. */
export type Row = Readonly<Record<string, PartitionValue>>

export interface Difference {
  readonly kind: DifferenceKind
  readonly key: Row
  /** The columns whose values differ, where there are two versions. */
  readonly columns: readonly string[]
  /** The declared columns and `_extra`, as a merge would have made them of the item; null where the export lacks the key. */
  readonly export: Row | null
  /** Every row of the key, with the metadata columns. */
  readonly table: readonly Row[]
}

interface Found {
  readonly kind: DifferenceKind
  readonly key: Row
  export: Row | null
  readonly table: Row[]
}

/** What both versions of some keys take in memory, about; more are named by reading the table again. */
const ROWS_AT_ONCE = 20_000

/** The differences among the keys of a slice, at most `limit` of them. */
export async function* nameDifferences(
  comparison: Comparison,
  keys: KeyTable,
  slice: Slice,
  limit: number,
): AsyncGenerator<Difference> {
  const wanted: number[] = []
  for (let entry = 0; entry < keys.count && wanted.length < limit; entry++) {
    if (isDifference(classOf(keys.flags[entry]!))) wanted.push(entry)
  }
  for (let from = 0; from < wanted.length; from += ROWS_AT_ONCE) {
    const found = new Map<number, Found | null>(wanted.slice(from, from + ROWS_AT_ONCE).map((entry) => [entry, null]))
    await readExport(comparison, keys, slice, found)
    await readTable(comparison, keys, slice, found)
    for (const each of found.values()) if (each !== null) yield { ...each, columns: differing(comparison, each) }
  }
}

async function readExport(
  comparison: Comparison,
  keys: KeyTable,
  slice: Slice,
  found: Map<number, Found | null>,
): Promise<void> {
  const { keyFields, valueFields } = comparison
  for (const file of comparison.manifest.files) {
    for await (const items of exportItems(comparison, file)) {
      for (let row = 0; row < items.count; row++) {
        const entry = entryIn(keys, slice, keyAt(items.keys, row))
        if (!found.has(entry)) continue
        const key = rowOf(keyFields, items.keyColumns, row)
        const kind = classOf(keys.flags[entry]!) as DifferenceKind
        found.set(entry, { kind, key, export: { ...key, ...rowOf(valueFields, items.values, row) }, table: [] })
      }
    }
  }
}

async function readTable(
  { store, files, keyFields, valueFields, updatedAt, sequence, stream, expiredAt }: Comparison,
  keys: KeyTable,
  slice: Slice,
  found: Map<number, Found | null>,
): Promise<void> {
  const fields = [...valueFields, updatedAt, stream, sequence, ...(expiredAt === null ? [] : [expiredAt])]
  for (const file of files) {
    for await (const group of storedGroups(store, file, keyFields)) {
      const rows = group.live.filter((row) => found.has(entryIn(keys, slice, keyAt(group.keys, row))))
      if (rows.length === 0) continue
      const columns = await group.read(fields)
      for (const row of rows) {
        const entry = entryIn(keys, slice, keyAt(group.keys, row))
        const key = rowOf(keyFields, group.keyColumns, row)
        const kind = classOf(keys.flags[entry]!) as DifferenceKind
        const one = found.get(entry) ?? { kind, key, export: null, table: [] }
        one.table.push({ ...key, ...rowOf(fields, columns, row) })
        found.set(entry, one)
      }
    }
  }
}

/** −1 for a key of another slice. */
function entryIn(keys: KeyTable, slice: Slice, key: Uint8Array): number {
  const digest = digestOf(key)
  return sliceOf(digest, slice.of) === slice.number ? keys.find(digest) : -1
}

function rowOf(fields: readonly Field[], columns: readonly Column[], row: number): Row {
  return Object.fromEntries(fields.map(({ name, type }, i) => [name, valueAt(columns[i]!, type, row)]))
}

/** Of keys with one version on each side. */
function differing({ valueFields }: Comparison, found: Found): string[] {
  const { export: exported, table } = found
  if (exported === null || table.length !== 1) return []
  return valueFields.map(({ name }) => name).filter((name) => !isSame(exported[name]!, table[0]![name]!))
}

function isSame(a: PartitionValue, b: PartitionValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return Object.is(a, b)
}
