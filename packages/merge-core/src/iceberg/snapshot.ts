// The files of a snapshot, and a new snapshot made of the current one by removing and adding files.
//
// A manifest is rewritten only if one of its files goes; the others are named again by the new manifest list. Files that stay keep the
// snapshot and sequence numbers that they came with.

import pMap, { pMapSkip } from 'p-map'
import { DamagedObjectError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { createObject, readObject } from '../store/stored-object.ts'
import {
  ADDED,
  type BoundSpec,
  countEntries,
  DATA,
  type DataFile,
  DELETED,
  EQUALITY_DELETES,
  EXISTING,
  type ManifestEntry,
  type ManifestFile,
  POSITION_DELETES,
  readManifest,
  readManifestList,
  summarizePartitions,
  writeManifest,
  writeManifestList,
} from './manifest.ts'
import {
  boundSpec,
  currentSchema,
  currentSnapshot,
  type Snapshot,
  snapshotById,
  type TableMetadata,
} from './metadata.ts'
import { encodeSingleValue } from './single-value.ts'

export interface LoadedManifest {
  readonly manifest: ManifestFile
  /** Deleted entries included. */
  readonly entries: readonly ManifestEntry[]
}

/** Manifests by path. They never change, so a process keeps them from one load of a table to the next. */
export type ManifestCache = Map<string, LoadedManifest>

export interface LiveFile {
  readonly file: DataFile
  readonly specId: number
  /** The snapshot that added the file. */
  readonly snapshotId: bigint
  readonly sequenceNumber: number
  readonly fileSequenceNumber: number
}

export interface LiveFiles {
  /** Null where the table is empty. */
  readonly snapshot: Snapshot | null
  /** In the order of the manifest list. */
  readonly manifests: readonly LoadedManifest[]
  readonly dataFiles: readonly LiveFile[]
  /** Position deletes and equality deletes. */
  readonly deleteFiles: readonly LiveFile[]
  /** Paths of the equality delete files among them. */
  readonly equalityDeletes: readonly string[]
}

const MANIFEST_READS_AT_ONCE = 16
const MANIFEST_WRITES_AT_ONCE = 8

/** All live files of a snapshot, by default of main's. Throws DamagedObjectError where a manifest is missing or damaged. */
export async function liveFiles(
  store: ObjectStore,
  metadata: TableMetadata,
  snapshotId?: bigint,
  cache: ManifestCache = new Map(),
): Promise<LiveFiles> {
  const snapshot = snapshotId === undefined ? currentSnapshot(metadata) : snapshotById(metadata, snapshotId)
  if (snapshot === null) {
    invariant(snapshotId === undefined, `${metadata.location} has a snapshot ${snapshotId}`)
    return { snapshot, manifests: [], dataFiles: [], deleteFiles: [], equalityDeletes: [] }
  }
  const listPath = snapshot['manifest-list']
  const list = readManifestList(listPath, await readObject(store, listPath))
  const manifests: LoadedManifest[] = []
  for (let at = 0; at < list.length; at += MANIFEST_READS_AT_ONCE) {
    const batch = list.slice(at, at + MANIFEST_READS_AT_ONCE)
    manifests.push(...(await Promise.all(batch.map((manifest) => loadManifest(store, metadata, manifest, cache)))))
  }
  const live = manifests.flatMap(({ manifest, entries }) =>
    entries.flatMap(({ status, ...entry }) => (status === DELETED ? [] : [{ ...entry, specId: manifest.specId }])),
  )
  refuseDuplicates(listPath, live)
  return {
    snapshot,
    manifests,
    dataFiles: live.filter(({ file }) => file.content === DATA),
    deleteFiles: live.filter(({ file }) => file.content !== DATA),
    equalityDeletes: live.filter(({ file }) => file.content === EQUALITY_DELETES).map(({ file }) => file.path),
  }
}

async function loadManifest(
  store: ObjectStore,
  metadata: TableMetadata,
  manifest: ManifestFile,
  cache: ManifestCache,
): Promise<LoadedManifest> {
  const known = cache.get(manifest.path)
  if (known !== undefined) return { manifest, entries: known.entries }
  const spec = boundSpec(metadata, manifest.specId)
  const loaded = { manifest, entries: readManifest(await readObject(store, manifest.path), manifest, spec) }
  cache.set(manifest.path, loaded)
  return loaded
}

/** A file that two entries name would be read twice by every engine, and half removed by a rewrite. */
function refuseDuplicates(listPath: string, live: readonly LiveFile[]): void {
  const seen = new Set<string>()
  for (const { file } of live) {
    if (seen.has(file.path)) throw new DamagedObjectError(listPath, `the snapshot holds ${file.path} twice`)
    seen.add(file.path)
  }
}

/** A random id below 2^53, which every JSON reader keeps exact. `random` is uniform in [0, 1). */
export function newSnapshotId(metadata: TableMetadata, random: () => number): bigint {
  for (;;) {
    const id = BigInt(1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1)))
    if (snapshotById(metadata, id) === null) return id
  }
}

export interface SnapshotChange {
  readonly store: ObjectStore
  readonly metadata: TableMetadata
  /** The live files of `metadata`'s current snapshot. */
  readonly live: LiveFiles
  /** Paths of live data files or delete files. */
  readonly removed: readonly string[]
  /** Written under the table's default partition spec. */
  readonly added: readonly DataFile[]
  /** Goes into the snapshot's summary beside Iceberg's own entries. */
  readonly summary: Readonly<Record<string, string>>
  readonly snapshotId: bigint
  readonly nowMs: number
  /** Unique to this attempt: names its manifests. */
  readonly uuid: string
}

/**
 * Writes the manifests and the manifest list of a new snapshot and returns it, ready to be committed on top of `metadata`. With
 * nothing removed or added the snapshot names the same manifests again.
 * Throws TryAgainError or InputError where a manifest cannot be written.
 */
export async function prepareSnapshot(change: SnapshotChange): Promise<Snapshot> {
  const { store, metadata, live, snapshotId } = change
  const sequenceNumber = metadata['last-sequence-number'] + 1
  const write = manifestWriter(change, sequenceNumber)
  const added = change.added.map((file): LiveFile => {
    return { file, specId: metadata['default-spec-id'], snapshotId, sequenceNumber, fileSequenceNumber: sequenceNumber }
  })
  const [fresh, kept] = await Promise.all([addedManifests(added, write), keptManifests(change, write)])
  const manifests = [...fresh, ...(await mergeSmall(kept, snapshotId, write))]
  const path = `${metadataFolder(metadata)}/snap-${snapshotId}-1-${change.uuid}.avro`
  const parent = live.snapshot
  await createObject(
    store,
    path,
    writeManifestList({
      snapshotId,
      parentSnapshotId: parent?.['snapshot-id'] ?? null,
      sequenceNumber,
      manifests: manifests.map(({ manifest, entries }) => ({
        ...manifest,
        counts: manifest.counts ?? countEntries(entries),
      })),
      sync: syncMarker(change.uuid),
    }),
  )
  return {
    'sequence-number': sequenceNumber,
    'snapshot-id': snapshotId,
    ...(parent !== null && { 'parent-snapshot-id': parent['snapshot-id'] }),
    'timestamp-ms': monotonousTime(metadata, change.nowMs),
    summary: summarize(change, added),
    'manifest-list': path,
    'schema-id': metadata['current-schema-id'],
  }
}

/** Readers refuse a history whose times fall, and clocks of writers differ. */
function monotonousTime(metadata: TableMetadata, nowMs: number): number {
  return Math.max(
    nowMs,
    currentSnapshot(metadata)?.['timestamp-ms'] ?? 0,
    metadata['snapshot-log']?.at(-1)?.['timestamp-ms'] ?? 0,
  )
}

function metadataFolder(metadata: TableMetadata): string {
  return `${metadata.location.replace(/\/+$/, '')}/metadata`
}

type WriteManifest = (specId: number, content: 0 | 1, entries: readonly ManifestEntry[]) => Promise<LoadedManifest>

function manifestWriter(change: SnapshotChange, sequenceNumber: number): WriteManifest {
  const { store, metadata, snapshotId, uuid } = change
  const specs = new Map<number, BoundSpec>()
  let count = 0
  return async (specId, content, entries) => {
    const spec = specs.get(specId) ?? boundSpec(metadata, specId)
    specs.set(specId, spec)
    const path = `${metadataFolder(metadata)}/${uuid}-m${count++}.avro`
    const schema = currentSchema(metadata)
    const bytes = writeManifest({ content, spec, schema, entries, sync: syncMarker(uuid) })
    await createObject(store, path, bytes)
    const live = entries.filter((entry) => entry.status !== DELETED)
    const manifest: ManifestFile = {
      path,
      length: bytes.length,
      specId,
      content,
      sequenceNumber,
      minSequenceNumber: live.reduce((lowest, entry) => Math.min(lowest, entry.sequenceNumber), sequenceNumber),
      addedSnapshotId: snapshotId,
      counts: countEntries(entries),
      partitions: summarizePartitions(entries, spec.types),
      keyMetadata: null,
    }
    return { manifest, entries }
  }
}

function syncMarker(uuid: string): Uint8Array {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  invariant(bytes.length === 16, `${uuid} is a UUID`)
  return bytes
}

function addedManifests(added: readonly LiveFile[], write: WriteManifest): Promise<LoadedManifest[]> {
  const contents = ([0, 1] as const).map((content) => {
    const files = added.filter(({ file }) => (file.content === DATA ? 0 : 1) === content)
    const entries = files.map(({ specId: _, ...entry }): ManifestEntry => ({ status: ADDED, ...entry }))
    return { content, specId: files[0]?.specId, entries }
  })
  return Promise.all(
    contents.flatMap(({ content, specId, entries }) => (specId === undefined ? [] : [write(specId, content, entries)])),
  )
}

/** The manifests of the current snapshot, those that hold a removed file rewritten, those without a live file left out. */
async function keptManifests(change: SnapshotChange, write: WriteManifest): Promise<LoadedManifest[]> {
  const removed = new Set(change.removed)
  let found = 0
  const keep = async (loaded: LoadedManifest): Promise<LoadedManifest | typeof pMapSkip> => {
    const live = loaded.entries.filter((entry) => entry.status !== DELETED)
    const going = live.filter((entry) => removed.has(entry.file.path)).length
    found += going
    if (live.length === 0) return pMapSkip
    if (going === 0) return loaded
    const entries = live.map((entry): ManifestEntry => {
      return removed.has(entry.file.path)
        ? { ...entry, status: DELETED, snapshotId: change.snapshotId }
        : { ...entry, status: EXISTING }
    })
    return write(loaded.manifest.specId, loaded.manifest.content, entries)
  }
  const kept = await pMap(change.live.manifests, keep, { concurrency: MANIFEST_WRITES_AT_ONCE })
  const present = new Set([...change.live.dataFiles, ...change.live.deleteFiles].map(({ file }) => file.path))
  const twice = change.added.find(({ path }) => present.has(path))
  invariant(twice === undefined, `${twice?.path} is added once`)
  invariant(found === removed.size, `the ${removed.size} files to remove are live (${found} are)`)
  return kept
}

const MANIFESTS_MAX = 100
const MERGED_MANIFEST_BYTES = 8 * 1024 * 1024

/** Beyond MANIFESTS_MAX manifests, joins neighbours of one spec and content up to MERGED_MANIFEST_BYTES. */
async function mergeSmall(
  manifests: readonly LoadedManifest[],
  snapshotId: bigint,
  write: WriteManifest,
): Promise<LoadedManifest[]> {
  if (manifests.length <= MANIFESTS_MAX) return [...manifests]
  const groups: LoadedManifest[][] = []
  const open = new Map<string, { group: LoadedManifest[]; bytes: number }>()
  for (const loaded of manifests) {
    const { specId, content, length } = loaded.manifest
    const key = `${specId} ${content}`
    const last = open.get(key)
    if (last !== undefined && last.bytes + length <= MERGED_MANIFEST_BYTES) {
      last.group.push(loaded)
      last.bytes += length
      continue
    }
    const group = [loaded]
    groups.push(group)
    open.set(key, { group, bytes: length })
  }
  const merge = async (group: readonly LoadedManifest[]): Promise<LoadedManifest> => {
    const { specId, content } = group[0]!.manifest
    const entries = group.flatMap((loaded) => carriedOver(loaded, snapshotId))
    return group.length === 1 ? group[0]! : write(specId, content, entries)
  }
  return pMap(groups, merge, { concurrency: MANIFEST_WRITES_AT_ONCE })
}

/** Entries as a manifest of the new snapshot holds them: deletions by earlier snapshots are history. */
function carriedOver({ entries }: LoadedManifest, snapshotId: bigint): ManifestEntry[] {
  return entries.flatMap((entry): ManifestEntry[] => {
    if (entry.status === DELETED) return entry.snapshotId === snapshotId ? [entry] : []
    return [{ ...entry, status: EXISTING }]
  })
}

function summarize(change: SnapshotChange, added: readonly LiveFile[]): Record<string, string> {
  const removedPaths = new Set(change.removed)
  const before = [...change.live.dataFiles, ...change.live.deleteFiles]
  const removed = before.filter(({ file }) => removedPaths.has(file.path))
  const after = [...before.filter(({ file }) => !removedPaths.has(file.path)), ...added]
  const summary: Record<string, string> = { operation: operationOf(added, removed) }
  const put = (name: string, value: number) => {
    if (value > 0) summary[name] = String(value)
  }
  const [plus, minus, total] = [added, removed, after].map(countFiles) as [FileCounts, FileCounts, FileCounts]
  put('added-data-files', plus.dataFiles)
  put('deleted-data-files', minus.dataFiles)
  put('added-delete-files', plus.deleteFiles)
  put('removed-delete-files', minus.deleteFiles)
  put('added-records', plus.records)
  put('deleted-records', minus.records)
  put('added-position-deletes', plus.positionDeletes)
  put('removed-position-deletes', minus.positionDeletes)
  put('removed-equality-deletes', minus.equalityDeletes)
  put('added-files-size', plus.bytes)
  put('removed-files-size', minus.bytes)
  put('changed-partition-count', countPartitions(change.metadata, [...added, ...removed]))
  return {
    ...summary,
    ...change.summary,
    'total-records': String(total.records),
    'total-data-files': String(total.dataFiles),
    'total-files-size': String(total.bytes),
    'total-delete-files': String(total.deleteFiles),
    'total-position-deletes': String(total.positionDeletes),
    'total-equality-deletes': String(total.equalityDeletes),
  }
}

function operationOf(added: readonly LiveFile[], removed: readonly LiveFile[]): string {
  if (removed.length > 0) return added.length > 0 ? 'overwrite' : 'delete'
  return added.some(({ file }) => file.content !== DATA) ? 'overwrite' : 'append'
}

interface FileCounts {
  readonly dataFiles: number
  readonly deleteFiles: number
  readonly records: number
  readonly positionDeletes: number
  readonly equalityDeletes: number
  readonly bytes: number
}

function countFiles(files: readonly LiveFile[]): FileCounts {
  const sum = (content: number | null, of: (file: DataFile) => number) =>
    files.reduce((total, { file }) => (content === null || file.content === content ? total + of(file) : total), 0)
  const records = (file: DataFile) => file.records
  return {
    dataFiles: sum(DATA, () => 1),
    deleteFiles: sum(POSITION_DELETES, () => 1) + sum(EQUALITY_DELETES, () => 1),
    records: sum(DATA, records),
    positionDeletes: sum(POSITION_DELETES, records),
    equalityDeletes: sum(EQUALITY_DELETES, records),
    bytes: sum(null, (file) => file.fileBytes),
  }
}

function countPartitions(metadata: TableMetadata, files: readonly LiveFile[]): number {
  const types = new Map<number, BoundSpec['types']>()
  const partitions = new Set<string>()
  for (const { file, specId } of files) {
    if (!types.has(specId)) types.set(specId, boundSpec(metadata, specId).types)
    const values = file.partition.map((value, i) =>
      value === null ? '' : `${Buffer.from(encodeSingleValue(types.get(specId)![i]!, value)).toString('hex')}.`,
    )
    partitions.add([specId, ...values].join(' '))
  }
  return partitions.size
}
