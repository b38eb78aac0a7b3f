// A catalog holds the pointer to a table's current metadata and moves it by compare-and-set. The terms are those of Iceberg's REST
// protocol (rest-catalog-open-api.yaml), so that updates and requirements are its JSON as they stand.

import { invariant } from '../invariant.ts'
import type { Failure } from '../store/object-store.ts'
import { currentSnapshot, type Snapshot, type SnapshotRef, snapshotById, type TableMetadata } from './metadata.ts'
import type { Schema } from './schema.ts'

export interface LoadedTable {
  readonly metadata: TableMetadata
  readonly metadataLocation: string
}

export type CommitResult =
  | { readonly kind: 'committed'; readonly table: LoadedTable }
  /** Nothing was committed: the table has moved, or a requirement does not hold. Reload. */
  | { readonly kind: 'conflict' }
  /** It may or may not have been committed, or may still be. Reload, look for your own snapshot, and try again without it. */
  | { readonly kind: 'unknown'; readonly cause: Error }
  /** Nothing was committed. */
  | { readonly kind: 'failed'; readonly failure: Failure }

export interface Catalog {
  /** Null where there is no table. */
  load(): Promise<LoadedTable | null>
  /** An empty `location` leaves it to the catalog, where that has a say in it. */
  create(metadata: TableMetadata): Promise<CommitResult>
  /** Where the catalog would put a new table, of one that has a say in it; null where it tells that only of a table that stands. */
  newLocation?(): Promise<string | null>
  /**
   * Applies `updates` if the requirements hold. A folder or Glue wants `base` to be current, too; a REST server applies them to what is
   * current by then.
   */
  commit(
    base: LoadedTable,
    updates: readonly TableUpdate[],
    requirements: readonly TableRequirement[],
  ): Promise<CommitResult>
}

export type TableUpdate =
  | { readonly action: 'add-snapshot'; readonly snapshot: Snapshot }
  | ({ readonly action: 'set-snapshot-ref'; readonly 'ref-name': string } & SnapshotRef)
  | { readonly action: 'remove-snapshot-ref'; readonly 'ref-name': string }
  | { readonly action: 'remove-snapshots'; readonly 'snapshot-ids': readonly bigint[] }
  | { readonly action: 'set-properties'; readonly updates: Readonly<Record<string, string>> }
  | { readonly action: 'remove-properties'; readonly removals: readonly string[] }
  | { readonly action: 'add-schema'; readonly schema: Schema; readonly 'last-column-id': number }
  /** −1 is the schema that was added last. */
  | { readonly action: 'set-current-schema'; readonly 'schema-id': number }

export type TableRequirement =
  | { readonly type: 'assert-table-uuid'; readonly uuid: string }
  /** Null: the ref must not exist. */
  | { readonly type: 'assert-ref-snapshot-id'; readonly ref: string; readonly 'snapshot-id': bigint | null }
  | { readonly type: 'assert-current-schema-id'; readonly 'current-schema-id': number }
  | { readonly type: 'assert-default-spec-id'; readonly 'default-spec-id': number }
  | { readonly type: 'assert-last-assigned-field-id'; readonly 'last-assigned-field-id': number }

/** The branch that readers see. */
const MAIN = 'main'

/** The updates that make a new snapshot main's. */
export function advanceMain(snapshot: Snapshot): TableUpdate[] {
  return [
    { action: 'add-snapshot', snapshot },
    { action: 'set-snapshot-ref', 'ref-name': MAIN, type: 'branch', 'snapshot-id': snapshot['snapshot-id'] },
  ]
}

export function meetsRequirement(metadata: TableMetadata, requirement: TableRequirement): boolean {
  switch (requirement.type) {
    case 'assert-table-uuid':
      return metadata['table-uuid'] === requirement.uuid
    case 'assert-ref-snapshot-id':
      return refSnapshotId(metadata, requirement.ref) === requirement['snapshot-id']
    case 'assert-current-schema-id':
      return metadata['current-schema-id'] === requirement['current-schema-id']
    case 'assert-default-spec-id':
      return metadata['default-spec-id'] === requirement['default-spec-id']
    case 'assert-last-assigned-field-id':
      return metadata['last-column-id'] === requirement['last-assigned-field-id']
  }
}

/** Writers of format version 1 leave refs out; main is then the current snapshot. */
function refSnapshotId(metadata: TableMetadata, ref: string): bigint | null {
  if (ref === MAIN) return currentSnapshot(metadata)?.['snapshot-id'] ?? null
  return metadata.refs?.[ref]?.['snapshot-id'] ?? null
}

/** The metadata after a commit at `nowMs`, but for the metadata log, which is the catalog's. */
export function applyUpdates(metadata: TableMetadata, updates: readonly TableUpdate[], nowMs: number): TableMetadata {
  const updated = updates.reduce((current, update) => applyUpdate(current, update, nowMs), metadata)
  const lastLogged = updated['snapshot-log']?.at(-1)?.['timestamp-ms'] ?? 0
  return { ...updated, 'last-updated-ms': Math.max(nowMs, metadata['last-updated-ms'], lastLogged) }
}

function applyUpdate(metadata: TableMetadata, update: TableUpdate, nowMs: number): TableMetadata {
  switch (update.action) {
    case 'add-snapshot':
      return addSnapshot(metadata, update.snapshot)
    case 'set-snapshot-ref': {
      const { action: _, 'ref-name': name, ...ref } = update
      return setRef(metadata, name, ref, nowMs)
    }
    case 'remove-snapshot-ref': {
      invariant(update['ref-name'] !== MAIN, 'main is never removed')
      const { [update['ref-name']]: _, ...refs } = metadata.refs ?? {}
      return { ...metadata, refs }
    }
    case 'remove-snapshots':
      return removeSnapshots(metadata, new Set(update['snapshot-ids']))
    case 'set-properties':
      return { ...metadata, properties: { ...metadata.properties, ...update.updates } }
    case 'remove-properties': {
      const kept = Object.entries(metadata.properties ?? {}).filter(([name]) => !update.removals.includes(name))
      return { ...metadata, properties: Object.fromEntries(kept) }
    }
    case 'add-schema':
      return {
        ...metadata,
        schemas: [...metadata.schemas, update.schema],
        'last-column-id': Math.max(metadata['last-column-id'], update['last-column-id']),
      }
    case 'set-current-schema': {
      const id = update['schema-id'] === -1 ? metadata.schemas.at(-1)!['schema-id'] : update['schema-id']
      return { ...metadata, 'current-schema-id': id }
    }
  }
}

function addSnapshot(metadata: TableMetadata, snapshot: Snapshot): TableMetadata {
  const sequenceNumber = snapshot['sequence-number']
  invariant(sequenceNumber > metadata['last-sequence-number'], 'sequence numbers of snapshots ascend')
  invariant(snapshotById(metadata, snapshot['snapshot-id']) === null, 'a snapshot is added once')
  return {
    ...metadata,
    'last-sequence-number': sequenceNumber,
    snapshots: [...(metadata.snapshots ?? []), snapshot],
  }
}

function setRef(metadata: TableMetadata, name: string, ref: SnapshotRef, nowMs: number): TableMetadata {
  const snapshotId = ref['snapshot-id']
  const snapshot = snapshotById(metadata, snapshotId)
  invariant(snapshot !== null, `ref ${name} is set to a snapshot of the table (${snapshotId})`)
  const refs = { ...metadata.refs, [name]: ref }
  if (name !== MAIN) return { ...metadata, refs }
  const log = metadata['snapshot-log'] ?? []
  // Going back to an older snapshot happens now, not at the snapshot's own time; and a log never runs backwards.
  const isNew = snapshot['sequence-number'] === metadata['last-sequence-number']
  const time = Math.max(isNew ? snapshot['timestamp-ms'] : nowMs, log.at(-1)?.['timestamp-ms'] ?? 0)
  return {
    ...metadata,
    refs,
    'current-snapshot-id': snapshotId,
    'snapshot-log': [...log, { 'timestamp-ms': time, 'snapshot-id': snapshotId }],
  }
}

function removeSnapshots(metadata: TableMetadata, removed: ReadonlySet<bigint>): TableMetadata {
  const stays = (holder: { readonly 'snapshot-id': bigint }) => !removed.has(holder['snapshot-id'])
  invariant(stays({ 'snapshot-id': metadata['current-snapshot-id'] ?? -1n }), 'the current snapshot is never removed')
  const log = metadata['snapshot-log'] ?? []
  // Time travel reads the log as a history without gaps, so it starts behind the last removed snapshot.
  const start = log.findLastIndex((entry) => !stays(entry)) + 1
  return {
    ...metadata,
    refs: Object.fromEntries(Object.entries(metadata.refs ?? {}).filter(([, ref]) => stays(ref))),
    snapshots: metadata.snapshots?.filter(stays) ?? [],
    'snapshot-log': log.slice(start),
    ...(metadata.statistics && { statistics: metadata.statistics.filter(stays) }),
    ...(metadata['partition-statistics'] && { 'partition-statistics': metadata['partition-statistics'].filter(stays) }),
  }
}
