import { describe, expect, it } from 'vitest'
import { DamagedObjectError, InputError, TryAgainError } from '../../src/errors.ts'
import { advanceMain, applyUpdates } from '../../src/iceberg/catalog.ts'
import { type DataFile, readManifestList, writeManifestList } from '../../src/iceberg/manifest.ts'
import { newTableMetadata, type Snapshot, type TableMetadata } from '../../src/iceberg/metadata.ts'
import {
  type LiveFiles,
  liveFiles,
  type ManifestCache,
  newSnapshotId,
  prepareSnapshot,
} from '../../src/iceberg/snapshot.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'

const LOCATION = 'memory://lake/orders'

const emptyTable: TableMetadata = newTableMetadata({
  uuid: 'eaf74208-439c-4e8e-8472-e972bfc23721',
  location: LOCATION,
  schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'region', required: true, type: 'string' }] },
  spec: { 'spec-id': 0, fields: [{ name: 'region', transform: 'identity', 'source-id': 1, 'field-id': 1000 }] },
  properties: {},
  nowMs: 1000,
})

function dataFile(name: string, region: string | null = 'eu', records = 10): DataFile {
  return {
    content: 0,
    path: `${LOCATION}/data/${name}.parquet`,
    format: 'PARQUET',
    partition: [region],
    records,
    fileBytes: 100 * records,
    columnBytes: new Map(),
    valueCounts: new Map(),
    nullCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
    splitOffsets: [4],
    equalityIds: [],
    sortOrderId: 0,
  }
}

interface Change {
  readonly removed?: readonly string[]
  readonly added?: readonly DataFile[]
  readonly nowMs?: number
  readonly summary?: Record<string, string>
}

/** A table in memory that is changed step by step. */
function tableInMemory(store: MemoryStore = memoryStore()) {
  let metadata = emptyTable
  let commits = 0
  const cache: ManifestCache = new Map()
  return {
    store,
    get metadata() {
      return metadata
    },
    live: (snapshotId?: bigint): Promise<LiveFiles> => liveFiles(store, metadata, snapshotId, cache),
    async commit({ removed = [], added = [], nowMs = 2000, summary = {} }: Change): Promise<Snapshot> {
      commits++
      const uuid = `00000000-0000-4000-8000-${String(commits).padStart(12, '0')}`
      const live = await liveFiles(store, metadata, undefined, cache)
      const paths = removed.map((name) => `${LOCATION}/data/${name}.parquet`)
      const change = { store, metadata, live, removed: paths, added, summary, snapshotId: BigInt(commits), nowMs, uuid }
      const snapshot = await prepareSnapshot(change)
      metadata = applyUpdates(metadata, advanceMain(snapshot), nowMs)
      return snapshot
    },
    async manifests(snapshot: Snapshot) {
      const path = snapshot['manifest-list']
      return readManifestList(path, store.snapshot().get(path)!.bytes)
    },
  }
}

const namesOf = (live: LiveFiles) =>
  live.dataFiles.map(({ file }) => file.path.slice(`${LOCATION}/data/`.length, -'.parquet'.length)).sort()

describe('a snapshot', () => {
  it('holds what the one before held, less the removed, plus the added files', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('a'), dataFile('b')] })
    const second = await table.commit({ removed: ['a'], added: [dataFile('c')] })
    await table.commit({ removed: ['b', 'c'] })
    expect(namesOf(await table.live(1n))).toEqual(['a', 'b'])
    expect(namesOf(await table.live(second['snapshot-id']))).toEqual(['b', 'c'])
    expect(namesOf(await table.live())).toEqual([])
  })

  it('leaves files their sequence numbers and the snapshot that brought them', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('a'), dataFile('b')] })
    await table.commit({ removed: ['a'], added: [dataFile('c')] })
    const origin = (await table.live()).dataFiles.map((file) => [
      file.file.path.at(-9),
      file.sequenceNumber,
      file.fileSequenceNumber,
      file.snapshotId,
    ])
    expect(origin.sort()).toEqual([
      ['b', 1, 1, 1n],
      ['c', 2, 2, 2n],
    ])
  })

  it('rewrites only manifests of removed files, and drops those without live files', async () => {
    const table = tableInMemory()
    const [first] = await table.manifests(await table.commit({ added: [dataFile('a')] }))
    const [second] = await table.manifests(await table.commit({ added: [dataFile('b')] }))
    const third = await table.manifests(await table.commit({ removed: ['b'], added: [dataFile('c')] }))
    expect(third.map(({ path }) => path)).toContain(first!.path)
    expect(third.map(({ path }) => path)).not.toContain(second!.path)
    expect(third.map(({ counts }) => [counts!.addedFiles, counts!.existingFiles, counts!.deletedFiles])).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [1, 0, 0],
    ])
    const fourth = await table.manifests(await table.commit({}))
    expect(fourth.map(({ path }) => path)).toEqual([third[0]!.path, third[2]!.path])
  })

  it('of state alone names the same manifests under a sequence number of its own', async () => {
    const table = tableInMemory()
    const first = await table.commit({ added: [dataFile('a')] })
    const second = await table.commit({ summary: { 'lastwrite.commit-id': 'x' } })
    expect(await table.manifests(second)).toEqual(await table.manifests(first))
    expect(second['sequence-number']).toBe(2)
    expect(second['parent-snapshot-id']).toBe(first['snapshot-id'])
    expect(second.summary).toMatchObject({ operation: 'append', 'total-records': '10', 'lastwrite.commit-id': 'x' })
  })

  it('counts in its summary what it did and what there is', async () => {
    const table = tableInMemory()
    const first = await table.commit({ added: [dataFile('a'), dataFile('b', 'us', 5), dataFile('n', null, 1)] })
    expect(first.summary).toEqual({
      operation: 'append',
      'added-data-files': '3',
      'added-records': '16',
      'added-files-size': '1600',
      'changed-partition-count': '3',
      'total-records': '16',
      'total-data-files': '3',
      'total-files-size': '1600',
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'total-equality-deletes': '0',
    })
    const deletes: DataFile = { ...dataFile('d', 'us', 2), content: 1 }
    await table.commit({ added: [deletes] })
    const third = await table.commit({ removed: ['b', 'd'], added: [dataFile('c', 'us', 3)] })
    expect(third.summary).toEqual({
      operation: 'overwrite',
      'added-data-files': '1',
      'deleted-data-files': '1',
      'removed-delete-files': '1',
      'added-records': '3',
      'deleted-records': '5',
      'removed-position-deletes': '2',
      'added-files-size': '300',
      'removed-files-size': '700',
      'changed-partition-count': '1',
      'total-records': '14',
      'total-data-files': '3',
      'total-files-size': '1400',
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'total-equality-deletes': '0',
    })
    expect((await table.commit({ removed: ['a'] })).summary.operation).toBe('delete')
  })

  it('keeps delete files apart from data files and names equality deletes', async () => {
    const table = tableInMemory()
    const position: DataFile = { ...dataFile('p'), content: 1, referencedDataFile: 'x' }
    const equality: DataFile = { ...dataFile('e'), content: 2, equalityIds: [1] }
    await table.commit({ added: [dataFile('a'), position, equality] })
    const live = await table.live()
    expect(namesOf(live)).toEqual(['a'])
    expect(live.deleteFiles.map(({ file }) => file)).toEqual([position, equality])
    expect(live.equalityDeletes).toEqual([equality.path])
    expect(live.manifests.map(({ manifest }) => manifest.content)).toEqual([0, 1])
  })

  it('joins manifests when there are more than a hundred', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('old'), dataFile('older')] })
    await table.commit({ removed: ['old'] })
    for (let i = 0; i < 100; i++) await table.commit({ added: [dataFile(`f${i}`, i % 2 === 0 ? 'eu' : 'us')] })
    const before = await table.live()
    expect(before.manifests.length).toBe(101)
    await table.commit({ removed: ['f7'], added: [dataFile('last')] })
    const after = await table.live()
    expect(after.manifests.length).toBe(2)
    expect(namesOf(after)).toEqual([...namesOf(before).filter((name) => name !== 'f7'), 'last'].sort())
    expect(after.dataFiles.find(({ file }) => file.path === before.dataFiles[5]!.file.path)).toEqual(
      before.dataFiles[5],
    )
    const [, merged] = after.manifests
    expect(merged!.manifest.counts).toMatchObject({ existingFiles: 100, deletedFiles: 1 })
    expect(merged!.manifest.minSequenceNumber).toBe(1)
  })

  it('is never older than the one before, whatever the clock says', async () => {
    const table = tableInMemory()
    await table.commit({ nowMs: 5000 })
    const second = await table.commit({ nowMs: 3000 })
    expect(second['timestamp-ms']).toBe(5000)
    expect(table.metadata['last-updated-ms']).toBe(5000)
    expect(table.metadata['snapshot-log']!.map((entry) => entry['timestamp-ms'])).toEqual([5000, 5000])
  })

  it('cannot remove what is not there', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('a')] })
    await expect(table.commit({ removed: ['z'] })).rejects.toThrow('the 1 files to remove are live (0 are)')
  })

  it('cannot add what is there', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('a')] })
    await expect(table.commit({ added: [dataFile('a')] })).rejects.toThrow('a.parquet is added once')
  })

  it('that names a file twice is damaged', async () => {
    const table = tableInMemory()
    const snapshot = await table.commit({ added: [dataFile('a')] })
    const [manifest] = await table.manifests(snapshot)
    const counted = { ...manifest!, counts: manifest!.counts! }
    const list = { snapshotId: 1n, parentSnapshotId: null, sequenceNumber: 1, sync: new Uint8Array(16) }
    table.store.plant(snapshot['manifest-list'], writeManifestList({ ...list, manifests: [counted, counted] }))
    await expect(table.live()).rejects.toThrow('the snapshot holds memory://lake/orders/data/a.parquet twice')
  })

  it('reads each manifest once', async () => {
    const table = tableInMemory()
    await table.commit({ added: [dataFile('a')] })
    await table.live()
    await table.live()
    const reads = table.store.log.filter(({ operation, path }) => operation === 'get' && path.endsWith('-m0.avro'))
    expect(reads.length).toBe(1)
  })

  it('whose manifest is gone is damaged, with the path of what is missing', async () => {
    const table = tableInMemory()
    const [manifest] = await table.manifests(await table.commit({ added: [dataFile('a')] }))
    table.store.uproot(manifest!.path)
    await expect(table.live()).rejects.toThrow(
      new DamagedObjectError(manifest!.path, 'is named by the table and does not exist; restore it or roll back'),
    )
  })
})

describe('writing manifests', () => {
  it('takes a lost answer for a success if the object stands', async () => {
    const store = memoryStore({ faults: [{ operation: 'put', times: 2, fault: { kind: 'lose-answer' } }] })
    const table = tableInMemory(store)
    await table.commit({ added: [dataFile('a')] })
    expect(namesOf(await table.live())).toEqual(['a'])
  })

  it('sends again what was lost, and says try again in the end', async () => {
    const failure = { kind: 'unknown', cause: new Error('reset') } as const
    const fault = { kind: 'fail', failure } as const
    const twice = memoryStore({ faults: [{ operation: 'put', times: 2, fault }] })
    const table = tableInMemory(twice)
    await table.commit({ added: [dataFile('a')] })
    expect(namesOf(await table.live())).toEqual(['a'])
    const always = memoryStore({ faults: [{ operation: 'put', times: 3, fault }] })
    await expect(tableInMemory(always).commit({ added: [dataFile('a')] })).rejects.toThrow(TryAgainError)
  })

  it('says what to do where it is denied', async () => {
    const failure = { kind: 'denied', cause: new Error('AccessDenied') } as const
    const store = memoryStore({ faults: [{ operation: 'put', fault: { kind: 'fail', failure } }] })
    await expect(tableInMemory(store).commit({ added: [dataFile('a')] })).rejects.toThrow(InputError)
  })
})

it('snapshot ids are random, below 2^53 and not taken', async () => {
  const table = tableInMemory()
  await table.commit({})
  const draws = [0, 0.5]
  expect(newSnapshotId(table.metadata, () => draws.shift()!)).toBe(4503599627370496n)
  expect(newSnapshotId(table.metadata, () => 1 - 2 ** -53)).toBeLessThan(2n ** 53n)
})
