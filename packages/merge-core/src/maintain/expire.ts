// Removes snapshots that are no longer kept, then the files that they alone named.
//
//   1  One commit takes the snapshots out. It asserts every branch and tag as it was seen, so none of them can have moved to one.
//   2  Only when it stands are files deleted: those that the removed snapshots name, and nothing that is left does.
//
// A file of a snapshot that was superseded less than the grace ago stays for the queries that still read it. A crash after the commit
// leaves files that nothing names. Both are left to `clean`.

import { InputError } from '../errors.ts'
import type { TableRequirement } from '../iceberg/catalog.ts'
import { currentSnapshot, type Snapshot, type TableMetadata } from '../iceberg/metadata.ts'
import { failureError } from '../store/stored-object.ts'
import type { Table } from '../table.ts'
import { loadState, type TableState } from '../table-state.ts'
import { untilCommitted } from './commit-attempts.ts'
import { deleteFiles, type FileSums, sumsOf } from './delete-files.ts'
import { addFile, addSnapshots, addSnapshotsBeside, addStateFiles, type NamedFiles, noFiles } from './named-files.ts'
import { snapshotsInUse, snapshotsToExpire } from './retention.ts'

const HOUR_MS = 3600 * 1000

export interface ExpireOptions {
  /** Default: `keep_snapshots_hours` of the definition. Hours since a snapshot was superseded. */
  readonly keepHours?: number
  /** So many of the youngest snapshots of each branch stay, however old. Default 1. */
  readonly keepCount?: number
  readonly dryRun?: boolean
}

export interface ExpireReport {
  readonly table: string
  readonly location: string
  readonly dryRun: boolean
  readonly snapshots: { readonly removed: readonly bigint[]; readonly kept: number }
  readonly deleted: FileSums
}

/**
 * @throws TryAgainError where other writers were first every time, or a file could not be deleted; InputError where the table says that
 *   its files are not its own; DamagedObjectError where nobody can tell which files must stay
 */
export async function expireSnapshots(table: Table, options: ExpireOptions = {}): Promise<ExpireReport> {
  const { environment } = table
  const { dryRun = false, keepCount = 1 } = options
  /** The snapshots that an attempt of ours may have removed, with the metadata that knew them. */
  let asked: { readonly metadata: TableMetadata; readonly snapshots: readonly Snapshot[] } | null = null
  const removed = await untilCommitted(table, async () => {
    const state = await loadState(table)
    const { metadata } = state.loaded
    refuseSharedFiles(state)
    if (asked?.snapshots.every((snapshot) => !isIn(metadata, snapshot))) return { ...asked, after: state }
    const keepMs = (options.keepHours ?? state.definition.keepSnapshotsHours) * HOUR_MS
    const snapshots = snapshotsToExpire(metadata, { nowMs: environment.nowMs(), keepMs, keepCount })
    if (dryRun || snapshots.length === 0) return { metadata, snapshots, after: without(state, snapshots) }
    asked = { metadata, snapshots }
    const ids = snapshots.map((snapshot) => snapshot['snapshot-id'])
    const updates = [{ action: 'remove-snapshots', 'snapshot-ids': ids } as const]
    const result = await table.catalog.commit(state.loaded, updates, asSeen(metadata))
    if (result.kind === 'failed') throw failureError(table.location, 'committing', result.failure)
    return result.kind === 'committed' ? { metadata, snapshots, after: { ...state, loaded: result.table } } : 'lost'
  })
  const deletable = await filesOfRemoved(table, removed)
  if (!dryRun) await deleteFiles(environment, [...deletable.files.keys()])
  return {
    table: table.definition.table,
    location: table.location,
    dryRun,
    snapshots: {
      removed: removed.snapshots.map((snapshot) => snapshot['snapshot-id']),
      kept: removed.after.loaded.metadata.snapshots?.length ?? 0,
    },
    deleted: sumsOf(deletable.files.values()),
  }
}

interface Removed {
  /** As it was before. */
  readonly metadata: TableMetadata
  readonly snapshots: readonly Snapshot[]
  readonly after: TableState
}

/** What only removed snapshots name, of those that were superseded before the grace began. */
async function filesOfRemoved(table: Table, { metadata, snapshots, after }: Removed): Promise<NamedFiles> {
  const { store, nowMs } = table.environment
  const found = noFiles()
  if (snapshots.length === 0) return found
  const named = noFiles()
  await addNamedByTable(table, named, after)
  await addSnapshotsBeside(store, named, metadata, snapshotsInUse(metadata, nowMs()), noFiles())
  await addSnapshotsBeside(store, found, metadata, snapshots, named)
  for (const path of found.files.keys()) {
    if (named.files.has(path) || !belongsTo(after, path)) found.files.delete(path)
  }
  return found
}

/** All that the table's metadata names, its snapshots, its properties and its log. */
export async function addNamedByTable({ environment }: Table, named: NamedFiles, state: TableState): Promise<void> {
  const { metadata, metadataLocation } = state.loaded
  addFile(named, metadataLocation, 'metadata')
  for (const entry of metadata['metadata-log'] ?? []) addFile(named, entry['metadata-file'], 'metadata')
  addStateFiles(named, { tombstones: state.tombstoneFiles, ledger: state.ledgerFiles })
  await addSnapshots(environment.store, named, metadata, metadata.snapshots ?? [])
}

/** Other engines can adopt files that lie elsewhere: those are not the table's to delete. */
export function belongsTo({ location, stateFolder }: TableState, path: string): boolean {
  return path.startsWith(`${location}/`) || path.startsWith(`${stateFolder}/`)
}

/** Iceberg's property for tables that share files with others. */
export function refuseSharedFiles({ location, loaded }: TableState): void {
  if (loaded.metadata.properties?.['gc.enabled'] !== 'false') return
  throw new InputError(
    `${location}: its property gc.enabled is false, its files may belong to other tables too; set it to true if they do not`,
  )
}

function isIn(metadata: TableMetadata, { 'snapshot-id': id }: Snapshot): boolean {
  return (metadata.snapshots ?? []).some((snapshot) => snapshot['snapshot-id'] === id)
}

function without(state: TableState, removed: readonly Snapshot[]): TableState {
  const { metadata } = state.loaded
  const snapshots = metadata.snapshots?.filter((snapshot) => !removed.includes(snapshot)) ?? []
  return { ...state, loaded: { ...state.loaded, metadata: { ...metadata, snapshots } } }
}

function asSeen(metadata: TableMetadata): TableRequirement[] {
  const refs = new Map(Object.entries(metadata.refs ?? {}).map(([name, ref]) => [name, ref['snapshot-id']]))
  const main = currentSnapshot(metadata)
  if (main !== null) refs.set('main', main['snapshot-id'])
  return [
    { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
    ...[...refs].map(([ref, id]) => ({ type: 'assert-ref-snapshot-id', ref, 'snapshot-id': id }) as const),
  ]
}
