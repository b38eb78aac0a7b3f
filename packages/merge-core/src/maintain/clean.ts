// Deletes what nothing names: leftovers of runs that were killed or lost their race, of snapshots whose files outlived them, metadata
// that fell off the log; parts of objects that were never put together.
//
//   1  List first, then read what is named: what comes to be named in between was written since, and is young.
//   2  Left over is what was written before the grace began and is named by no retained snapshot, property or log entry.
//   3  Nor by a snapshot that was in use when the grace began and was removed since: metadata of that time still knows it.
//
// No commit adds a file older than half the grace, so what is left over cannot come to be named any more.

import { stagingFolder, unfinishedBackfill } from '../backfill-progress.ts'
import { DamagedObjectError } from '../errors.ts'
import { parseTableMetadata, type TableMetadata } from '../iceberg/metadata.ts'
import { readQuarantineNames } from '../protected/ledger.ts'
import type { ListedObject, ObjectStore } from '../store/object-store.ts'
import { failureError, storeLocation } from '../store/stored-object.ts'
import type { Table } from '../table.ts'
import { loadState, PROPERTY, type TableState } from '../table-state.ts'
import { deleteFiles, type FileSums, sumsOf } from './delete-files.ts'
import { addNamedByTable, refuseSharedFiles } from './expire.ts'
import { addFile, addSnapshotsBeside, type FileKind, type NamedFile, type NamedFiles, noFiles } from './named-files.ts'
import { GRACE_MS, snapshotsInUse } from './retention.ts'

const DAY_MS = 24 * 3600 * 1000

export interface CleanReport {
  readonly table: string
  readonly location: string
  readonly dryRun: boolean
  /** Objects that were looked at. */
  readonly listed: number
  /** Written since the grace began: named by nothing yet, or by what is named. */
  readonly young: number
  readonly deleted: FileSums
  /** Objects whose parts were sent before the grace began and never put together: the parts were given up. */
  readonly uploads: number
  readonly paths: readonly string[]
}

/**
 * @throws TryAgainError, InputError where the store does not let it list or delete; DamagedObjectError where nobody can tell which files
 *   must stay: nothing was deleted then
 */
export async function cleanTable(table: Table, options: { readonly dryRun?: boolean } = {}): Promise<CleanReport> {
  const { environment } = table
  const { dryRun = false } = options
  const before = await loadState(table)
  refuseSharedFiles(before)
  const nowMs = environment.nowMs()
  const listed = await listFolders(environment.store, before)
  const old = listed.filter(({ modifiedMs, kind }) => modifiedMs < nowMs - graceOf(kind, before))
  const state = await loadState(table)
  const unnamed = await withoutNamed(table, state, old)
  const inUse = unnamed.length === 0 ? noFiles() : await inUseWhenTheGraceBegan(table, state, listed, nowMs)
  const left = unnamed.filter(({ path }) => !inUse.files.has(subjectOf(path)))
  const uploads = await abandonOldUploads(table, state, nowMs - GRACE_MS, dryRun)
  if (!dryRun)
    await deleteFiles(
      environment,
      left.map(({ path }) => path),
    )
  return {
    table: table.definition.table,
    location: table.location,
    dryRun,
    listed: listed.length,
    young: listed.length - old.length,
    deleted: sumsOf(left.map(({ kind, objectBytes }): NamedFile => ({ kind, bytes: objectBytes }))),
    uploads,
    paths: left.map(({ path }) => path),
  }
}

/** No commit waits for the parts of an object for longer than for a file. */
async function abandonOldUploads(
  { environment: { store } }: Table,
  { location, stateFolder }: TableState,
  begunBeforeMs: number,
  dryRun: boolean,
): Promise<number> {
  let uploads = 0
  for (const prefix of [`${location}/`, `${stateFolder}/`]) {
    const abandoned = await store.abandonUploads?.(prefix, { begunBeforeMs, dryRun })
    if (abandoned === undefined) continue
    if (abandoned.kind !== 'ok') throw failureError(prefix, 'giving up unfinished uploads', abandoned)
    uploads += abandoned.uploads
  }
  return uploads
}

interface FoundFile extends ListedObject {
  readonly kind: FileKind
}

/** Folders below the location and below the state folder. What lies elsewhere is not looked at. */
const TABLE_FOLDERS = ['data', 'metadata'] as const
const STATE_FOLDERS = ['tombstones', 'ledger', 'lists', 'reports', 'staging', 'probe', 'quarantine'] as const

async function listFolders(store: ObjectStore, { location, stateFolder }: TableState): Promise<FoundFile[]> {
  const folders = [
    ...TABLE_FOLDERS.map((name) => ({ prefix: `${location}/${name}/`, kind: name })),
    ...STATE_FOLDERS.map((name) => ({
      prefix: `${stateFolder}/${name}/`,
      kind: name === 'quarantine' ? name : ('state' as const),
    })),
  ]
  const found = await Promise.all(
    folders.map(async ({ prefix, kind }) => {
      const listed = await store.list(prefix)
      if (listed.kind !== 'ok') throw failureError(prefix, 'listing', listed)
      return listed.objects.filter(({ path }) => !isHint(path)).map((object): FoundFile => ({ ...object, kind }))
    }),
  )
  return found.flat()
}

/** The only object that is overwritten; named by being what it is. */
function isHint(path: string): boolean {
  return subjectOf(path).endsWith('/metadata/version-hint.text')
}

/**
 * Bad lines are kept as long as the landing area keeps its objects, whether anything names them or not. The copy of a broken object has
 * the same name whenever it is made, so it must not go while the object can still land in quarantine again.
 */
function graceOf(kind: FileKind, { definition }: TableState): number {
  return kind === 'quarantine' ? Math.max(GRACE_MS, definition.landingDays * DAY_MS) : GRACE_MS
}

/** Hadoop's file systems keep a checksum beside a file: `.x.crc` goes and stays with `x`. */
function subjectOf(path: string): string {
  return path.replace(/\/\.([^/]+)\.crc$/, '/$1')
}

async function withoutNamed(table: Table, state: TableState, found: readonly FoundFile[]): Promise<FoundFile[]> {
  if (found.length === 0) return []
  const named = noFiles()
  await addNamedByTable(table, named, state)
  const unnamed = found.filter(({ path }) => !named.files.has(subjectOf(path)) && !isStagedForBackfill(state, path))
  if (!unnamed.some(({ path }) => path.startsWith(`${state.stateFolder}/`))) return unnamed
  addReports(named, state)
  for (const file of named.ledger.values()) {
    const names = await readQuarantineNames(state.stateFolder, table.environment.store, file)
    for (const name of names) addFile(named, name, 'quarantine')
  }
  return unnamed.filter(({ path }) => !named.files.has(subjectOf(path)))
}

/** An unfinished backfill goes on with its sorted runs, however long ago they were written. */
function isStagedForBackfill({ stateFolder, loaded: { metadata } }: TableState, path: string): boolean {
  const backfill = unfinishedBackfill(metadata)
  return backfill !== null && path.startsWith(`${stagingFolder(stateFolder, backfill.id)}/`)
}

/** A report has the name of its commit. */
function addReports(named: NamedFiles, { stateFolder, loaded: { metadata } }: TableState): void {
  const commits = [metadata.properties, ...(metadata.snapshots ?? []).map(({ summary }) => summary)]
  for (const commit of commits) {
    const id = commit?.[PROPERTY.commitId]
    if (id !== undefined) addFile(named, `${stateFolder}/reports/${id}.json`, 'state')
  }
}

/** What metadata of the grace names that was current for a while in it, as far as the current one does not know it. */
async function inUseWhenTheGraceBegan(
  table: Table,
  state: TableState,
  listed: readonly FoundFile[],
  nowMs: number,
): Promise<NamedFiles> {
  const { store } = table.environment
  const named = noFiles()
  const known = new Set(state.loaded.metadata.snapshots?.map((snapshot) => snapshot['snapshot-id']))
  const versions = versionsSince(listed, nowMs - GRACE_MS)
  for (const path of versions) addFile(named, path, 'metadata')
  for (const metadata of await metadataBeforeRemovals(store, state, versions)) {
    const removed = snapshotsInUse(metadata, nowMs).filter((snapshot) => !known.has(snapshot['snapshot-id']))
    for (const snapshot of removed) known.add(snapshot['snapshot-id'])
    // An expire may have judged a moment later that nobody reads them any more.
    await addSnapshotsBeside(store, named, metadata, removed, noFiles())
  }
  return named
}

const METADATA_NAME = /\.metadata\.json(\.gz)?$/

/** Metadata files that were current after that time, oldest first: the last one before it, and all since. */
function versionsSince(listed: readonly FoundFile[], sinceMs: number): string[] {
  const versions = listed
    .filter(({ path }) => METADATA_NAME.test(path) && !path.endsWith('.crc'))
    .sort((a, b) => a.modifiedMs - b.modifiedMs)
  const start = versions.findLastIndex(({ modifiedMs }) => modifiedMs < sinceMs)
  return versions.slice(Math.max(start, 0)).map(({ path }) => path)
}

/**
 * Of a row of versions those that hold all snapshots that were removed in it. Every commit adds one to the sequence number with each
 * snapshot, so between two versions nothing was removed if they differ in as many snapshots: such stretches are not read.
 */
async function metadataBeforeRemovals(
  store: ObjectStore,
  state: TableState,
  paths: readonly string[],
): Promise<TableMetadata[]> {
  const found: TableMetadata[] = []
  const read = async (path: string): Promise<TableMetadata | null> => {
    const got = await store.get(storeLocation(path))
    // Other engines may delete what falls off the log.
    if (got.kind === 'missing') return null
    if (got.kind !== 'ok') throw failureError(path, 'reading', got)
    const metadata = parseTableMetadata(path, got.bytes)
    if (metadata['table-uuid'] === state.loaded.metadata['table-uuid']) return metadata
    throw new DamagedObjectError(path, 'is the metadata of another table; move it away')
  }
  const search = async (from: number, to: number, older: TableMetadata | null, newer: TableMetadata | null) => {
    if (to - from < 2 || (older !== null && newer !== null && nothingRemoved(older, newer))) return
    const middle = (from + to) >> 1
    const metadata = await read(paths[middle]!)
    if (metadata !== null) found.push(metadata)
    await search(from, middle, older, metadata)
    await search(middle, to, metadata, newer)
  }
  const first = paths.length === 0 ? null : await read(paths[0]!)
  if (first !== null) found.push(first)
  await search(0, paths.length, first, state.loaded.metadata)
  return found
}

function nothingRemoved(older: TableMetadata, newer: TableMetadata): boolean {
  const added = newer['last-sequence-number'] - older['last-sequence-number']
  return (older.snapshots?.length ?? 0) + added === (newer.snapshots?.length ?? 0)
}
