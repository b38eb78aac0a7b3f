// A catalog whose pointer another service keeps and compares, while we write the metadata files (AWS Glue works so).
//
// 1. A commit reads the pointer, writes `NNNNN-<uuid>.metadata.json`, and has the pointer moved if nobody moved it since.
// 2. After a lost answer the pointer is read once more; where it says nothing for us, nobody knows.
// 3. Metadata that lost stays until it is cleaned away: nothing names it.

import type { Environment } from '../environment.ts'
import { InputError } from '../errors.ts'
import { createObject, readObject, storeLocation } from '../store/stored-object.ts'
import {
  type Catalog,
  type CommitResult,
  type LoadedTable,
  meetsRequirement,
  type TableRequirement,
  type TableUpdate,
} from './catalog.ts'
import { parseTableMetadata, type TableMetadata } from './metadata.ts'
import { encodeMetadata, nextMetadata } from './metadata-file.ts'

export type MoveResult =
  | { readonly kind: 'moved' }
  /** The pointer is another one by now, or there is one already. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly cause: Error }

/** `State` is what the service compares when it moves the pointer. */
export interface MetadataPointer<State> {
  /** What messages call the table. */
  readonly name: string
  /** Null where there is no table. */
  read(): Promise<{ readonly metadataLocation: string; readonly state: State } | null>
  create(table: LoadedTable): Promise<MoveResult>
  move(state: State, table: LoadedTable): Promise<MoveResult>
  /** Where new tables lie; null where nobody has said so. */
  newLocation(): Promise<string | null>
}

/** Of a pointer that cannot be read or moved the errors are the pointer's own. */
export function pointerCatalog<State>(
  { store, nowMs, uuid }: Pick<Environment, 'store' | 'nowMs' | 'uuid'>,
  pointer: MetadataPointer<State>,
): Catalog {
  /** Metadata never changes under its name. */
  let last: LoadedTable | null = null
  return { load, create, commit, newLocation: () => pointer.newLocation() }

  async function load(): Promise<LoadedTable | null> {
    const found = await pointer.read()
    if (found === null) return null
    const { metadataLocation } = found
    if (last?.metadataLocation !== metadataLocation) {
      const bytes = await readObject(store, metadataLocation)
      last = { metadata: parseTableMetadata(metadataLocation, bytes), metadataLocation }
    }
    return last
  }

  async function create(metadata: TableMetadata): Promise<CommitResult> {
    if (metadata.location === '') throw new InputError(`${pointer.name}: give the location of the new table`)
    if ((await pointer.read()) !== null) return { kind: 'conflict' }
    return publish(metadata, 0, (table) => pointer.create(table))
  }

  async function commit(
    base: LoadedTable,
    updates: readonly TableUpdate[],
    requirements: readonly TableRequirement[],
  ): Promise<CommitResult> {
    const found = await pointer.read()
    if (found?.metadataLocation !== base.metadataLocation) return { kind: 'conflict' }
    if (!requirements.every((requirement) => meetsRequirement(base.metadata, requirement))) return { kind: 'conflict' }
    const metadata = nextMetadata(base, updates, nowMs())
    return publish(metadata, versionOf(base.metadataLocation) + 1, (table) => pointer.move(found.state, table))
  }

  async function publish(
    metadata: TableMetadata,
    version: number,
    move: (table: LoadedTable) => Promise<MoveResult>,
  ): Promise<CommitResult> {
    const { bytes, suffix } = encodeMetadata(metadata)
    const folder = `${metadata.location.replace(/\/+$/, '')}/metadata`
    const metadataLocation = `${folder}/${String(version).padStart(5, '0')}-${uuid()}${suffix}`
    const table = { metadata, metadataLocation }
    await createObject(store, metadataLocation, bytes)
    const moved = await move(table)
    if (moved.kind === 'unknown') return (await standsFor(table)) ? { kind: 'committed', table } : moved
    if (moved.kind === 'moved') return { kind: 'committed', table }
    // A conflict may be our own success: a client may have sent the request again.
    if (await standsFor(table)) return { kind: 'committed', table }
    return { kind: 'conflict' }
  }

  /** Whether the pointer is ours, or went on from ours. */
  async function standsFor({ metadataLocation }: LoadedTable): Promise<boolean> {
    try {
      const found = await load()
      if (found === null) return false
      const log = found.metadata['metadata-log'] ?? []
      return (
        found.metadataLocation === metadataLocation ||
        log.some((entry) => storeLocation(entry['metadata-file']) === storeLocation(metadataLocation))
      )
    } catch {
      return false
    }
  }
}

/** By its name: `00012-<uuid>.metadata.json`. Other names count as 0. */
function versionOf(metadataLocation: string): number {
  return Number(/\/(\d{1,9})-[^/]*$/.exec(metadataLocation)?.[1] ?? 0)
}
