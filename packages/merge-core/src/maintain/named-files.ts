// Which objects the metadata of a table names: what a reader of a snapshot opens, the statistics of it, the protected state that
// belongs to it. Nothing that is named is ever deleted, so what cannot be read to find out is an error, not an empty list.

import pMap from 'p-map'
import { DamagedObjectError } from '../errors.ts'
import { DATA, DELETED, type ManifestFile, readManifest, readManifestList } from '../iceberg/manifest.ts'
import { boundSpec, type Snapshot, type TableMetadata } from '../iceberg/metadata.ts'
import type { StateFile } from '../protected/state-file.ts'
import { readStateLists } from '../protected/state-lists.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { readObject, storeLocation } from '../store/stored-object.ts'
import { STATE_LISTS } from '../table-state.ts'

export type FileKind = 'data' | 'deletes' | 'manifests' | 'statistics' | 'state' | 'quarantine' | 'metadata'

export interface NamedFile {
  readonly kind: FileKind
  /** Null where what names it does not say. */
  readonly bytes: number | null
}

export interface NamedFiles {
  /** By location, in a store's terms. */
  readonly files: Map<string, NamedFile>
  /** The ledger files among them. */
  readonly ledger: Map<string, StateFile>
}

const READS_AT_ONCE = 16

export function noFiles(): NamedFiles {
  return { files: new Map(), ledger: new Map() }
}

export function addFile({ files }: NamedFiles, path: string, kind: FileKind, bytes: number | null = null): void {
  files.set(storeLocation(path), { kind, bytes })
}

/** Adds the state files that properties or a state list name. */
export function addStateFiles(
  named: NamedFiles,
  { tombstones, ledger }: { readonly tombstones: readonly StateFile[]; readonly ledger: readonly StateFile[] },
): void {
  for (const { path, bytes } of [...tombstones, ...ledger]) addFile(named, path, 'state', bytes)
  for (const file of ledger) named.ledger.set(storeLocation(file.path), file)
}

/**
 * Adds everything that the snapshots name.
 * @throws DamagedObjectError where a manifest or a list is missing or damaged
 */
export function addSnapshots(
  store: ObjectStore,
  named: NamedFiles,
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
): Promise<void> {
  return collect({ store, named, metadata, isKnown: () => false, orNothing: (names) => names }, snapshots)
}

/** Adds what the snapshots name beside `known`, as far as it can be read: what is missing already names nothing. */
export function addSnapshotsBeside(
  store: ObjectStore,
  named: NamedFiles,
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
  known: NamedFiles,
): Promise<void> {
  const isKnown = (path: string) => known.files.has(storeLocation(path))
  const orNothing = (names: Promise<void>) =>
    names.catch((error) => {
      if (!(error instanceof DamagedObjectError)) throw error
    })
  return collect({ store, named, metadata, isKnown, orNothing }, snapshots)
}

interface Collection {
  readonly store: ObjectStore
  readonly named: NamedFiles
  readonly metadata: TableMetadata
  /** Whether all that a manifest names is known otherwise. */
  readonly isKnown: (path: string) => boolean
  readonly orNothing: (names: Promise<void>) => Promise<void>
}

async function collect(collection: Collection, snapshots: readonly Snapshot[]): Promise<void> {
  const { metadata, named, orNothing } = collection
  const ids = new Set(snapshots.map((snapshot) => snapshot['snapshot-id']))
  for (const file of [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]) {
    const path = file['statistics-path']
    if (path !== undefined && ids.has(file['snapshot-id'])) addFile(named, path, 'statistics')
  }
  await pMap(
    snapshots,
    async (snapshot) => {
      await orNothing(collectList(collection, snapshot['manifest-list']))
      await orNothing(collectState(collection, snapshot))
    },
    { concurrency: READS_AT_ONCE },
  )
}

async function collectList(collection: Collection, path: string): Promise<void> {
  const { store, named, isKnown, orNothing } = collection
  addFile(named, path, 'manifests')
  for (const manifest of readManifestList(path, await readObject(store, path))) {
    if (isKnown(manifest.path) || named.files.has(storeLocation(manifest.path))) continue
    addFile(named, manifest.path, 'manifests', manifest.length)
    await orNothing(collectManifest(collection, manifest))
  }
}

async function collectManifest({ store, named, metadata }: Collection, manifest: ManifestFile): Promise<void> {
  const bytes = await readObject(store, manifest.path)
  for (const { status, file } of readManifest(bytes, manifest, boundSpec(metadata, manifest.specId))) {
    if (status !== DELETED) addFile(named, file.path, file.content === DATA ? 'data' : 'deletes', file.fileBytes)
  }
}

async function collectState({ store, named, isKnown }: Collection, { summary }: Snapshot): Promise<void> {
  const path = summary[STATE_LISTS]
  if (path === undefined || isKnown(path)) return
  addFile(named, path, 'state')
  addStateFiles(named, await readStateLists(store, path))
}
