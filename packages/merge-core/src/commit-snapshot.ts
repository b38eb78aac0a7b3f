// The one home of commits that change protected state. A new snapshot, and properties that name the state that belongs to it, move in
// by one compare-and-set, whatever else the commit does. A REST catalog compares no properties: that main, the schema and the spec
// are as they were seen is what guards them.

import { TryAgainError } from './errors.ts'
import { advanceMain, type LoadedTable, type TableUpdate } from './iceberg/catalog.ts'
import type { DataFile } from './iceberg/manifest.ts'
import { currentSnapshot } from './iceberg/metadata.ts'
import { type LiveFiles, newSnapshotId, prepareSnapshot } from './iceberg/snapshot.ts'
import { formatStateFiles, type StateFolder } from './protected/state-file.ts'
import { type ProtectedState, writeStateLists } from './protected/state-lists.ts'
import { proveStore } from './prove-store.ts'
import { failureError } from './store/stored-object.ts'
import type { Table } from './table.ts'
import { PROPERTY, STATE_LISTS, type TableState } from './table-state.ts'

export interface SnapshotCommit {
  readonly commitId: string
  readonly snapshotId: bigint
  /** The files that the new snapshot starts from, and the snapshot that it descends from: those of main, or of one to go back to. */
  readonly live: LiveFiles
  /** Paths of live data files or delete files. */
  readonly removed: readonly string[]
  readonly added: readonly DataFile[]
  /** When the first of the added files can have been written. Default: when the commit is prepared. */
  readonly addedSinceMs?: number
  /** Goes into the snapshot's summary. */
  readonly summary: Readonly<Record<string, string>>
  /** Writes state files; answers the state from then on. */
  readonly writeState: (folder: StateFolder) => Promise<ProtectedState>
  /** Applied before the snapshot is added. */
  readonly first?: readonly TableUpdate[]
  /** The schema of the snapshot, where `first` makes another one current. */
  readonly schemaId?: number
  /** Properties beside those of the protected state. */
  readonly properties?: Readonly<Record<string, string>>
  /** Names of properties that go. */
  readonly removeProperties?: readonly string[]
}

/** Cleaning may remove a file that no snapshot names when it is older than a day: half of that leaves time to commit. */
export const COMMIT_AGE_MAX_MS = 12 * 3600 * 1000

/** An id for the snapshot of the next attempt. */
export function nextSnapshotId(table: Table, { loaded }: TableState): bigint {
  return newSnapshotId(loaded.metadata, table.environment.random)
}

/** Where an attempt writes its state files. */
export function stateFolderFor(table: Table, state: TableState, commitId: string, attempt: number): StateFolder {
  return {
    store: table.environment.store,
    location: state.stateFolder,
    newName: () => `${commitId}-${attempt}-${table.environment.uuid().slice(0, 8)}`,
  }
}

/**
 * Commits on top of `state`; answers the table from then on. `lost`: another writer was first, or nobody knows: reload, and look for the snapshot's id.
 * @throws TryAgainError, InputError, DamagedObjectError where nothing was committed and reloading does not help
 */
export async function commitSnapshot(
  table: Table,
  state: TableState,
  folder: StateFolder,
  commit: SnapshotCommit,
): Promise<LoadedTable | 'lost'> {
  const { environment, catalog } = table
  const { metadata } = state.loaded
  const { commitId, snapshotId, addedSinceMs = environment.nowMs() } = commit
  const lists = `${folder.location}/lists/${folder.newName()}.json`
  // Nothing of all this is named by anything before the commit, so the order in which it is written is free.
  const [snapshot, protectedState, proven] = await Promise.all([
    prepareSnapshot({
      store: environment.store,
      metadata: { ...metadata, 'current-schema-id': commit.schemaId ?? metadata['current-schema-id'] },
      live: commit.live,
      removed: commit.removed,
      added: commit.added,
      summary: { [PROPERTY.commitId]: commitId, [STATE_LISTS]: lists, ...commit.summary },
      snapshotId,
      nowMs: environment.nowMs(),
      uuid: environment.uuid(),
    }),
    writeState(),
    proveStore(environment, table.location, state.stateFolder, metadata.properties),
  ])
  const properties = {
    ...proven,
    ...commit.properties,
    ...stateProperties(protectedState),
    [PROPERTY.commitId]: commitId,
    [PROPERTY.snapshot]: `${snapshotId} ${snapshot['sequence-number']}`,
  }
  const going = [...Object.keys(metadata.properties ?? {})].filter(
    (name) => commit.removeProperties?.includes(name) || (STATE_NUMBERS.includes(name) && !(name in properties)),
  )
  // As late as can be: a process may have slept since it wrote its files.
  if (environment.nowMs() - addedSinceMs > COMMIT_AGE_MAX_MS) {
    throw new TryAgainError(
      `${table.location}: over 12 hours went by before the commit, its files may be cleaned away by now; run it again`,
    )
  }
  const result = await catalog.commit(
    state.loaded,
    [
      ...(commit.first ?? []),
      ...advanceMain(snapshot),
      { action: 'set-properties', updates: properties },
      ...(going.length > 0 ? [{ action: 'remove-properties', removals: going } as const] : []),
    ],
    [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      {
        type: 'assert-ref-snapshot-id',
        ref: 'main',
        'snapshot-id': currentSnapshot(metadata)?.['snapshot-id'] ?? null,
      },
      { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
      { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
    ],
  )
  if (result.kind === 'failed') throw failureError(table.location, 'committing', result.failure)
  return result.kind === 'committed' ? result.table : 'lost'

  async function writeState(): Promise<ProtectedState> {
    const written = await commit.writeState(folder)
    await writeStateLists(environment.store, lists, written)
    return written
  }
}

const STATE_NUMBERS: readonly string[] = [PROPERTY.watermark, PROPERTY.floor]

function stateProperties({ tombstones, ledger, watermark, floor }: ProtectedState): Record<string, string> {
  return {
    [PROPERTY.tombstones]: formatStateFiles(tombstones),
    [PROPERTY.ledger]: formatStateFiles(ledger),
    ...(watermark !== null && { [PROPERTY.watermark]: String(watermark) }),
    ...(floor !== null && { [PROPERTY.floor]: String(floor) }),
  }
}
