// The catalog that is a folder: `metadata/vN.metadata.json`, as Iceberg's Hadoop catalog lays it out.
//
// 1. The newest version is found by listing, never by the hint.
// 2. A commit creates v(N+1), which fails if it exists. It goes out once: whatever the answer, the store is asked what stands there.
// 3. A writer that slept since its listing can create a name that maintenance had deleted. So it lists again after the create: a
//    higher version that does not descend from what it wrote means that it lost.
// 4. `version-hint.text` follows, forwards only. Some readers believe it blindly, none may depend on it.
//
// A table whose `write.metadata.compression-codec` is gzip has `vN.gz.metadata.json`; we write the name that Spark would write, so
// that both fight for one name.

import type { Environment } from '../environment.ts'
import { DamagedObjectError, InputError } from '../errors.ts'
import type { Failure, ObjectStore } from '../store/object-store.ts'
import { compareStored, createWhenTaken, failureError, storeLocation } from '../store/stored-object.ts'
import {
  type Catalog,
  type CommitResult,
  type LoadedTable,
  meetsRequirement,
  type TableRequirement,
  type TableUpdate,
} from './catalog.ts'
import {
  currentSnapshot,
  type MetadataLogEntry,
  parseTableMetadata,
  snapshotById,
  type TableMetadata,
} from './metadata.ts'
import { encodeMetadata, METADATA_CODEC, nextMetadata } from './metadata-file.ts'

/** Spark writes `v3.gz.metadata.json`, versions of long ago `v3.metadata.json.gz`. */
const VERSION_NAME = /\/v(\d{1,9})(?:\.gz)?\.metadata\.json(?:\.gz)?$/
/** Names of catalogs that keep the pointer elsewhere: `00001-<uuid>.metadata.json`. */
const FOREIGN_NAME = /\/\d{5}-[^/]*\.metadata\.json(?:\.gz)?$/

interface Version {
  readonly number: number
  readonly path: string
}

interface ListedVersion extends Version {
  readonly etag: string
}

/** The table at an absolute location, which is the folder that `metadata/` lies in. */
export function fileCatalog(store: ObjectStore, location: string, environment: Environment): Catalog {
  const folder = `${storeLocation(location).replace(/\/+$/, '')}/metadata`
  /** The version that was loaded last, to be read again only if it is another by its tag. */
  let last: { readonly table: LoadedTable; readonly etag: string } | null = null
  return { load, create, commit }

  async function load(): Promise<LoadedTable | null> {
    const versions = await listVersions()
    if (!Array.isArray(versions)) throw failureError(folder, 'listing', versions)
    const newest = newestOf(versions)
    return newest === undefined ? null : loadVersion(newest)
  }

  async function loadVersion({ path, etag }: ListedVersion): Promise<LoadedTable> {
    if (last?.table.metadataLocation === path && last.etag === etag) return last.table
    const read = await store.get(path)
    if (read.kind !== 'ok') throw failureError(path, 'reading', read)
    const table = { metadata: parseTableMetadata(path, read.bytes), metadataLocation: path }
    last = { table, etag: read.etag }
    return table
  }

  async function create(metadata: TableMetadata): Promise<CommitResult> {
    const versions = await listVersions()
    if (!Array.isArray(versions)) return { kind: 'failed', failure: versions }
    if (versions.length > 0) return { kind: 'conflict' }
    await refuseForeignCatalog()
    return createVersion(1, metadata)
  }

  async function refuseForeignCatalog(): Promise<void> {
    const listed = await store.list(`${folder}/0`)
    const foreign = listed.kind === 'ok' ? listed.objects.find(({ path }) => FOREIGN_NAME.test(path)) : undefined
    if (foreign === undefined) return
    throw new InputError(
      `${foreign.path}: a table of another catalog lies here; choose another location, or name that catalog`,
    )
  }

  async function commit(
    base: LoadedTable,
    updates: readonly TableUpdate[],
    requirements: readonly TableRequirement[],
  ): Promise<CommitResult> {
    const versions = await listVersions()
    if (!Array.isArray(versions)) return { kind: 'failed', failure: versions }
    const newest = newestOf(versions)
    if (newest === undefined || newest.path !== base.metadataLocation) return { kind: 'conflict' }
    if (!requirements.every((requirement) => meetsRequirement(base.metadata, requirement))) return { kind: 'conflict' }
    return createVersion(newest.number + 1, nextMetadata(base, updates, environment.nowMs()))
  }

  async function createVersion(number: number, metadata: TableMetadata): Promise<CommitResult> {
    const { bytes, suffix } = encodeMetadata(metadata)
    const version = { number, path: `${folder}/v${number}${suffix}` }
    const table = { metadata, metadataLocation: version.path }
    const written = await createWhenTaken(store, version.path, bytes)
    if (written.kind === 'ok') return settle(version, table)
    if (written.kind !== 'unknown' && written.kind !== 'conflict') return { kind: 'failed', failure: written }
    // A conflict may be our own success: a store's client may have sent the request again.
    const standing = await compareStored(store, version.path, bytes)
    switch (standing.kind) {
      case 'same':
        return settle(version, table)
      case 'other':
        return { kind: 'conflict' }
      case 'unreadable':
        return { kind: 'unknown', cause: failureError(version.path, 'reading', standing.failure) }
      case 'missing':
        return written.kind === 'conflict' ? { kind: 'conflict' } : searchOwn(version, table, written.cause)
    }
  }

  /** Our version stands. It counts if it is the highest, or the higher ones were built on it. */
  async function settle(own: Version, table: LoadedTable): Promise<CommitResult> {
    const versions = await listVersions()
    if (!Array.isArray(versions)) return { kind: 'unknown', cause: failureError(folder, 'listing', versions) }
    const others = versions.filter(({ number, path }) => number >= own.number && path !== own.path)
    if (others.length > 0) return judge(table, others)
    await moveHint(own.number)
    return { kind: 'committed', table }
  }

  /** Our version is not there, and the answer was lost. Where others went on, they went on with it or without it. */
  async function searchOwn(own: Version, table: LoadedTable, cause: Error): Promise<CommitResult> {
    const versions = await listVersions()
    if (!Array.isArray(versions)) return { kind: 'unknown', cause }
    const others = versions.filter(({ number }) => number >= own.number)
    const arrivedSince = others.some(({ path }) => path === own.path)
    if (others.length === 0 || arrivedSince) return { kind: 'unknown', cause }
    return judge(table, others)
  }

  async function judge(table: LoadedTable, others: readonly ListedVersion[]): Promise<CommitResult> {
    try {
      return (await areBuiltOn(table, others)) ? { kind: 'committed', table } : { kind: 'conflict' }
    } catch (cause) {
      return { kind: 'unknown', cause: cause as Error }
    }
  }

  /**
   * The version after ours names ours last in its log. A name and no more proves nothing, as the name may have been another's before
   * it was deleted: the time and the snapshot must be ours too.
   */
  async function areBuiltOn(
    { metadata, metadataLocation }: LoadedTable,
    others: readonly ListedVersion[],
  ): Promise<boolean> {
    const next = (await loadVersion(others[0]!)).metadata
    const isOurs = (entry: MetadataLogEntry) =>
      storeLocation(entry['metadata-file']) === metadataLocation &&
      entry['timestamp-ms'] === metadata['last-updated-ms']
    const snapshot = currentSnapshot(metadata)
    return (
      (next['metadata-log'] ?? []).some(isOurs) &&
      (snapshot === null || snapshotById(next, snapshot['snapshot-id']) !== null)
    )
  }

  /** The hint is no part of the commit: a failure to write it is made good by the next one. */
  async function moveHint(number: number): Promise<void> {
    const path = `${folder}/version-hint.text`
    const current = await store.get(path)
    if (current.kind === 'ok' && Number(Buffer.from(current.bytes).toString('latin1')) >= number) return
    await store.put(path, Buffer.from(String(number)), { kind: 'overwrite' })
  }

  /** All versions in ascending order. */
  async function listVersions(): Promise<ListedVersion[] | Failure> {
    const listed = await store.list(`${folder}/v`)
    if (listed.kind !== 'ok') return listed
    return listed.objects
      .flatMap(({ path, etag }) => {
        const match = VERSION_NAME.exec(path)
        return match === null ? [] : [{ number: Number(match[1]), path, etag }]
      })
      .sort((a, b) => a.number - b.number)
  }
}

function newestOf(versions: readonly ListedVersion[]): ListedVersion | undefined {
  const newest = versions.at(-1)
  const twin = versions.at(-2)
  if (newest === undefined || twin?.number !== newest.number) return newest
  throw new DamagedObjectError(
    newest.path,
    `${twin.path} exists too: two writers committed version ${newest.number} under different names; ` +
      `set ${METADATA_CODEC} to one value and delete the file whose changes are to be lost`,
  )
}
