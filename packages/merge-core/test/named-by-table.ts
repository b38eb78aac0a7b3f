// Which objects a table names, found without the library: every retained snapshot's lists, manifests and live files, statistics,
// the state files of properties and of each snapshot, the quarantine of their ledgers, the metadata log.

import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { MemoryStore } from '../src/store/memory.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import { type NumberToken, parseJson } from './model-values.ts'
import { readParquet } from './read-rows.ts'
import { avroRecords, currentMetadata, LOCATION, readObject } from './stored-table.ts'

interface Snapshot {
  readonly 'snapshot-id': NumberToken
  readonly 'manifest-list': string
  readonly summary: Readonly<Record<string, string>>
}

interface Metadata {
  readonly properties: Readonly<Record<string, string>>
  readonly snapshots?: readonly Snapshot[]
  readonly statistics?: readonly { readonly 'statistics-path': string }[]
  readonly 'metadata-log'?: readonly { readonly 'metadata-file': string }[]
}

export async function storedMetadata(store: ObjectStore, location = LOCATION): Promise<Metadata> {
  return parseJson((await currentMetadata(store, location)).text) as Metadata
}

export async function snapshotIds(store: ObjectStore, location = LOCATION): Promise<bigint[]> {
  return ((await storedMetadata(store, location)).snapshots ?? []).map((snapshot) =>
    BigInt(snapshot['snapshot-id'].text),
  )
}

export interface Named {
  /** Whatever must not be gone. */
  readonly paths: ReadonlySet<string>
  readonly stateFolder: string
}

/** @throws where one of the lists or manifests is missing */
export async function namedByTable(store: ObjectStore, location = LOCATION): Promise<Named> {
  const metadata = await storedMetadata(store, location)
  const paths = new Set<string>([(await currentMetadata(store, location)).path])
  for (const entry of metadata['metadata-log'] ?? []) paths.add(entry['metadata-file'])
  for (const file of metadata.statistics ?? []) paths.add(file['statistics-path'])
  const stateFolder = metadata.properties['lastwrite.state'] as string
  const nameState = async (tombstones: readonly { path: string }[], ledger: readonly { path: string }[]) => {
    for (const { path } of [...tombstones, ...ledger]) paths.add(path)
    for (const { path } of ledger) {
      for (const row of await readParquet(await readObject(store, path))) {
        if (row.quarantine !== null && row.quarantine !== undefined) paths.add(String(row.quarantine))
        if (row.status !== 'broken') continue
        const version = createHash('sha256').update(`${row.object}\0${row.etag}`).digest('hex').slice(0, 32)
        paths.add(`${stateFolder}/quarantine/objects/${version}`)
      }
    }
  }
  const { properties } = metadata
  await nameState(
    JSON.parse(properties['lastwrite.tombstones'] ?? '[]'),
    JSON.parse(properties['lastwrite.ledger'] ?? '[]'),
  )
  for (const { summary, 'manifest-list': list } of metadata.snapshots ?? []) {
    paths.add(list)
    for (const manifest of (await avroRecords(store, list)) as { manifest_path: string }[]) {
      paths.add(manifest.manifest_path)
      const entries = await avroRecords(store, manifest.manifest_path)
      for (const entry of entries as { status: number; data_file: { file_path: string } }[]) {
        if (entry.status !== 2) paths.add(entry.data_file.file_path)
      }
    }
    const lists = summary['lastwrite.state-lists']
    if (lists === undefined) continue
    paths.add(lists)
    const { tombstones, ledger } = JSON.parse(Buffer.from(await readObject(store, lists)).toString())
    await nameState(tombstones, ledger)
  }
  return { paths, stateFolder }
}

/** Nothing that the table names is gone. */
export async function expectWhole(store: MemoryStore, place = ''): Promise<void> {
  const { paths } = await namedByTable(store)
  const there = store.snapshot()
  expect(
    [...paths].filter((path) => !there.has(path)),
    place,
  ).toEqual([])
}
