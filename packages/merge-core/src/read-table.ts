// Reads tables: rows as Arrow batches, files, history, and the story of one key.

import type { Table as ArrowTable, RecordBatch } from 'apache-arrow'
import type { ByteStrings } from './change/byte-strings.ts'
import { encodeKeyPart } from './change/key-order.ts'

import { MOVED, NO_TOMBSTONE } from './change/tombstone.ts'
import { splitVersion } from './change/version.ts'
import { toArrowBatch } from './columns/arrow.ts'
import { nullColumn } from './columns/constant.ts'
import { expandDictionary, takeRows } from './columns/gather.ts'
import { valueAt } from './columns/values.ts'
import { InputError } from './errors.ts'
import { findKey } from './files/find-key.ts'
import { openFile, readColumns } from './files/open-file.ts'
import { readPositionDeletes } from './files/position-deletes.ts'
import { currentSnapshot, defaultSpec } from './iceberg/metadata.ts'
import { partitionPath } from './iceberg/partition-path.ts'
import type { PartitionValue } from './iceberg/transform.ts'
import { invariant } from './invariant.ts'
import type { Field } from './primitive-type.ts'
import { lookUpTombstones } from './protected/tombstones.ts'
import { storeLocation } from './store/stored-object.ts'
import { loadFiles } from './stored-files.ts'
import type { Table } from './table.ts'
import { loadState } from './table-state.ts'

export interface ReadOptions {
  /** Time travel: the id of a retained snapshot. Default: the current one. */
  readonly snapshot?: bigint
  /** Names of the columns to read, in this order. Default: all. */
  readonly columns?: readonly string[]
}

/** The rows of a snapshot as one Arrow table, in memory. */
export async function readTable(table: Table, options: ReadOptions = {}): Promise<ArrowTable> {
  const { Table: ArrowTable } = await import('apache-arrow')
  const fields = fieldsByName((await loadState(table)).fields, options.columns)
  const none = await toArrowBatch(
    fields,
    fields.map((field) => nullColumn(field.type, 0)),
  )
  return new ArrowTable(none.schema, await Array.fromAsync(readBatches(table, options)))
}

/**
 * The rows of a snapshot, one Arrow record batch a row group, ascending by key within a file. All batches have one schema: texts come
 * as Utf8, whether the file keeps a dictionary or not.
 */
export async function* readBatches(table: Table, options: ReadOptions = {}): AsyncGenerator<RecordBatch> {
  const state = await loadState(table)
  const fields = fieldsByName(state.fields, options.columns)
  const { store } = table.environment
  for (const stored of [...(await loadFiles(table, state, options.snapshot)).byPartition.values()].flat()) {
    const file = await openFile(store, stored)
    const deleted = await readPositionDeletes(store, stored)
    let firstRow = 0
    for (const [group, { numRows }] of file.footer.rowGroups.entries()) {
      const columns = await readColumns(file, group, fields)
      const kept = Uint32Array.from({ length: numRows }, (_, row) => row).filter((row) => !deleted.has(firstRow + row))
      firstRow += numRows
      const live = kept.length === numRows ? columns : columns.map((column) => takeRows(column, kept))
      if (kept.length > 0) yield await toArrowBatch(fields, live.map(expandDictionary))
    }
  }
}

function fieldsByName(fields: readonly Field[], names: readonly string[] | undefined): readonly Field[] {
  if (names === undefined) return fields
  return names.map((name) => {
    const field = fields.find((each) => each.name === name)
    if (field === undefined)
      throw new InputError(`there is no column ${name}; the table has ${fields.map((each) => each.name).join(', ')}`)
    return field
  })
}

export interface SnapshotFile {
  readonly path: string
  readonly rows: number
  readonly fileBytes: number
  /** The partition's folder, for example `pk_bucket=3`; empty for a table without partitions. */
  readonly partition: string
  /** By field id: the value of columns that the file may lack, as its partition is of that value. */
  readonly constants: ReadonlyMap<number, PartitionValue>
  readonly deleteFiles: readonly string[]
}

/** The live data files of a snapshot. */
export async function snapshotFiles(
  table: Table,
  options: { readonly snapshot?: bigint } = {},
): Promise<SnapshotFile[]> {
  const state = await loadState(table)
  const spec = defaultSpec(state.loaded.metadata)
  const files = [...(await loadFiles(table, state, options.snapshot)).byPartition.values()].flat()
  return files.map(({ file, deletes, constants }) => ({
    path: storeLocation(file.path),
    rows: file.records,
    fileBytes: file.fileBytes,
    partition: partitionPath(spec, file.partition),
    constants,
    deleteFiles: deletes.map(({ path }) => storeLocation(path)),
  }))
}

export interface HistoryEntry {
  /** Ids of other engines may exceed 2^53. */
  readonly snapshot: bigint
  /** ISO 8601, UTC. */
  readonly at: string
  readonly operation: string
  readonly summary: Readonly<Record<string, string>>
  readonly current: boolean
}

/** The retained snapshots, oldest first. */
export async function tableHistory(table: Table): Promise<HistoryEntry[]> {
  const { metadata } = (await loadState(table)).loaded
  const current = currentSnapshot(metadata)?.['snapshot-id']
  return (metadata.snapshots ?? []).map((snapshot) => ({
    snapshot: snapshot['snapshot-id'],
    at: new Date(snapshot['timestamp-ms']).toISOString(),
    operation: snapshot.summary.operation ?? '',
    summary: snapshot.summary,
    current: snapshot['snapshot-id'] === current,
  }))
}

export interface KeyExplanation {
  readonly key: Readonly<Record<string, PartitionValue>>
  readonly snapshot: bigint | null
  /** One row, unless a late change of the item's partition is still to arrive. */
  readonly rows: readonly {
    readonly partition: string
    readonly file: string
    readonly stream: string | null
    readonly sequence: string | null
    /** ISO 8601, UTC. */
    readonly updatedAt: string | null
    readonly row: Readonly<Record<string, PartitionValue>>
  }[]
  readonly tombstones: readonly {
    readonly kind: 'removed' | 'moved' | 'expired'
    readonly stream: string
    readonly sequence: string
    readonly at: number
  }[]
}

/**
 * What the table knows of a key: its row, the version that wrote it, and the tombstones that stand.
 * @param key one value a key column, in the column's type
 */
export async function explainKey(table: Table, key: Readonly<Record<string, PartitionValue>>): Promise<KeyExplanation> {
  const state = await loadState(table)
  const { metadata } = state.loaded
  const { store } = table.environment
  const keyFields = state.fields.slice(0, state.definition.keyColumns)
  const keys = singleKey(keyFields, key)
  const spec = defaultSpec(metadata)
  const rows: KeyExplanation['rows'][number][] = []
  for (const files of (await loadFiles(table, state)).byPartition.values()) {
    for (const { file, group, row } of await findKey(store, files, keyFields, keys, 0)) {
      const columns = await readColumns(file, group, state.fields)
      const values = Object.fromEntries(
        state.fields.map((field, i) => [field.name, valueAt(columns[i]!, field.type, row)]),
      )
      const sequence = values._sequence as string | null
      const updatedAt = values._updated_at as bigint | null
      rows.push({
        partition: partitionPath(spec, files[0]!.file.partition),
        file: storeLocation(file.stored.file.path),
        stream: values._stream as string | null,
        sequence: sequence === null ? null : sequence.slice(2),
        updatedAt: updatedAt === null ? null : new Date(Number(updatedAt / 1000n)).toISOString(),
        row: values,
      })
    }
  }
  const standing = await lookUpTombstones(store, state.tombstoneFiles, keyFields, keys)
  const tombstones: KeyExplanation['tombstones'][number][] = []
  const kind = standing.removalKind[0]!
  if (kind !== NO_TOMBSTONE) {
    tombstones.push({
      kind: kind === MOVED ? 'moved' : 'removed',
      ...versionOf(standing.removalVersions),
      at: standing.removalAt[0]!,
    })
  }
  if (standing.expiredVersions.starts[1]! > 0) {
    tombstones.push({ kind: 'expired', ...versionOf(standing.expiredVersions), at: standing.expiredAt[0]! })
  }
  return { key, snapshot: currentSnapshot(metadata)?.['snapshot-id'] ?? null, rows, tombstones }
}

function versionOf(versions: ByteStrings): { stream: string; sequence: string } {
  const version = splitVersion(versions.bytes, versions.starts[0]!, versions.starts[1]!)
  invariant(version !== null, 'a standing tombstone has a version')
  return { stream: version.stream, sequence: version.sequence.slice(2) }
}

function singleKey(keyFields: readonly Field[], key: Readonly<Record<string, PartitionValue>>): ByteStrings {
  const parts = keyFields.map((field, i) => {
    const value = key[field.name] ?? null
    if (value === null)
      throw new InputError(`the key lacks ${field.name}; give ${keyFields.map(({ name }) => name).join(' and ')}`)
    return encodeKeyPart(field.type, value, i === keyFields.length - 1)
  })
  const bytes = Buffer.concat(parts)
  return { starts: Uint32Array.of(0, bytes.length), bytes }
}
