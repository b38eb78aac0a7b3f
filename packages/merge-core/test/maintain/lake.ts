// A table of hand-made changes with a clock that tests set: objects land under the hour that it shows, and carry its time.

import type { DataFile } from '../../src/iceberg/manifest.ts'
import { liveFiles, newSnapshotId, prepareSnapshot } from '../../src/iceberg/snapshot.ts'
import { mergeLanding, openTable, type Table } from '../../src/index.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { arrivalsOf, type LandedObject, type TableSpec } from '../change-sets.ts'
import { type HandChange, handTable, line, objectOf } from '../hand-changes.ts'
import { type Cells, expectedRows } from '../model.ts'
import { rowsById } from '../read-rows.ts'
import { currentMetadata, LOCATION, ledger, tombstones } from '../stored-table.ts'
import { createTestTable, environmentOver, inOrder, LANDING, storedRows } from '../table-run.ts'

export const HOUR = 3600 * 1000
export const DAY = 24 * HOUR
export const START = Date.UTC(2027, 1, 10, 8)

export interface Clock {
  ms: number
  /** Seeds the names that the next process makes up: no two are to make up the same. */
  processes: number
}

export interface Lake {
  readonly spec: TableSpec
  readonly store: MemoryStore
  readonly clock: Clock
  /** In the order of their merging. */
  readonly landed: readonly LandedObject[]
  /** The table as another process opens it. */
  open(seed?: number): Promise<Table>
  /** Lands an object under the hour that the clock shows; its changes are of that second where they do not say when. */
  land(name: string, ...changes: HandChange[]): Promise<void>
  /** Lands and merges. */
  merge(name: string, ...changes: HandChange[]): ReturnType<typeof mergeLanding>
  mergeAgain(seed?: number): ReturnType<typeof mergeLanding>
  wait(ms: number): void
  rows(): Promise<[string, Cells][]>
  /** The rows that the model has after the merges of `landed`, one commit each. */
  modelRows(landed?: readonly LandedObject[]): [string, Cells][]
  head(): Promise<bigint>
  /** Names of the landing objects that the ledger knows. */
  known(): Promise<string[]>
  removedKeys(): Promise<string[]>
  /** The same table in a store of its own, without faults. */
  clone(): Lake
}

export async function newLake(
  settings: Readonly<Record<string, unknown>> = {},
  {
    partitionBy = [],
    storeAheadMs = 0,
  }: { readonly partitionBy?: readonly string[]; readonly storeAheadMs?: number } = {},
): Promise<Lake> {
  const clock = { ms: START, processes: 1000 }
  const store = memoryStore({ nowMs: () => clock.ms + storeAheadMs })
  const spec = handTable(partitionBy, settings)
  const lake = lakeOver(store, clock, spec, [])
  await createTestTable(spec, environmentAt(store, clock, 1))
  return lake
}

function environmentAt(store: MemoryStore, clock: Clock, seed: number) {
  return { ...environmentOver(store, seed), nowMs: () => clock.ms }
}

function lakeOver(store: MemoryStore, clock: Clock, spec: TableSpec, landed: LandedObject[]): Lake {
  const open = (seed = clock.processes++) => openTable(LOCATION, environmentAt(store, clock, seed))
  const land = async (name: string, ...changes: HandChange[]) => {
    const at = Math.floor(clock.ms / 1000)
    const folder = new Date(clock.ms).toISOString().slice(0, 13).replaceAll(/[-T]/g, '/')
    const object = objectOf(
      `${folder}/${name}`,
      changes.map((change) => line(spec, { at, ...change })),
    )
    landed.push(object)
    await store.put(LANDING + object.name, object.bytes, { kind: 'create' })
  }
  const mergeAgain = async (seed?: number) => mergeLanding(await open(seed), [LANDING])
  return {
    spec,
    store,
    clock,
    landed,
    open,
    land,
    mergeAgain,
    merge: async (name, ...changes) => {
      await land(name, ...changes)
      return mergeAgain()
    },
    wait: (ms) => {
      clock.ms += ms
    },
    rows: async () => inOrder(rowsById(spec, await storedRows(spec, store))),
    modelRows: (objects = landed) => inOrder(expectedRows(arrivalsOf(objects.map((object) => [object])))),
    head: async () => currentSnapshotId(store),
    known: async () => (await ledger(store)).map(({ object }) => object.slice(object.lastIndexOf('/') + 1)).sort(),
    removedKeys: async () => (await tombstones(store)).map(({ pk }) => String(pk)).sort(),
    clone: () => lakeOver(store.clone(), clock, spec, [...landed]),
  }
}

async function currentSnapshotId(store: MemoryStore): Promise<bigint> {
  const { text } = await currentMetadata(store)
  return BigInt(/"current-snapshot-id":(-?\d+)/.exec(text)![1]!)
}

export async function watermarkOf(store: MemoryStore): Promise<number | null> {
  const text = (await currentMetadata(store)).properties['lastwrite.watermark']
  return text === undefined ? null : Number(text)
}

/** A snapshot as another engine makes one: it knows nothing of protected state. */
export async function commitForeign(
  lake: Lake,
  removed: readonly string[],
  added: readonly DataFile[],
  branch = 'main',
): Promise<bigint> {
  const { catalog, environment } = await lake.open()
  const base = (await catalog.load())!
  const head = base.metadata.refs?.[branch]?.['snapshot-id']
  const snapshotId = newSnapshotId(base.metadata, environment.random)
  const snapshot = await prepareSnapshot({
    store: lake.store,
    metadata: base.metadata,
    live: await liveFiles(lake.store, base.metadata, head),
    removed,
    added,
    summary: {},
    snapshotId,
    nowMs: lake.clock.ms,
    uuid: environment.uuid(),
  })
  const advance = [
    { action: 'add-snapshot', snapshot },
    { action: 'set-snapshot-ref', 'ref-name': branch, type: 'branch', 'snapshot-id': snapshotId },
  ] as const
  const { kind } = await catalog.commit(base, advance, [])
  if (kind !== 'committed') throw new Error(`the foreign commit is ${kind}`)
  return snapshotId
}

/** As pyiceberg expires: the metadata alone. */
export async function expireWithoutFiles(lake: Lake): Promise<void> {
  const { catalog } = await lake.open()
  const base = (await catalog.load())!
  const head = base.metadata['current-snapshot-id']
  const ids = base.metadata.snapshots!.map((snapshot) => snapshot['snapshot-id']).filter((id) => id !== head)
  const { kind } = await catalog.commit(base, [{ action: 'remove-snapshots', 'snapshot-ids': ids }], [])
  if (kind !== 'committed') throw new Error(`the commit is ${kind}`)
}
