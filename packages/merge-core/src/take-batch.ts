// The landing objects of the next commit: listed, read and grouped by key.

import pMap from 'p-map'
import { type GroupedBatch, groupBatch } from './fold-batch.ts'
import { withItemBuckets } from './landing/item-buckets.ts'
import { type LandingListing, listOpenLanding } from './landing/list-landing.ts'
import { type LandedObject, landedBytes } from './landing/read-landing.ts'
import { MEMORY_BYTES, type MergeOptions, type Run, timed, workersFor } from './merge-run.ts'
import { readLedger } from './protected/ledger.ts'
import type { ListedObject } from './store/object-store.ts'
import type { TableDefinition } from './table-definition.ts'
import { loadState, type TableState, wholeListingsOf } from './table-state.ts'

/** Node itself, and what planning and committing take. */
const BASE_BYTES = 100 * 1024 * 1024
/** A row group decoded, gathered and encoded, and a file's worth of encoded ones. */
const THREAD_BYTES = 64 * 1024 * 1024
/** Beside the changes themselves: their order and what is folded of them. */
const FOLD_FACTOR = 1.25
const COMMIT_BYTES_MIN = 32 * 1024 * 1024
/** Below this a thread more does not pay: it starts in 0.1 s, and compiles the code anew. */
const THREAD_LANDING_BYTES_MIN = 16 * 1024 * 1024

function commitBytes({ commitBytes, memoryBytes = MEMORY_BYTES, threads = 1 }: MergeOptions): number {
  return commitBytes ?? Math.max(COMMIT_BYTES_MIN, (memoryBytes - BASE_BYTES - threads * THREAD_BYTES) / FOLD_FACTOR)
}

export async function look(run: Run): Promise<TableState> {
  const state = await loadState(run.table)
  run.stateFolder = state.stateFolder
  run.metadata = state.loaded.metadata
  return state
}

export function listOpen(
  { table: { environment }, landing, options }: Run,
  { loaded }: TableState,
): Promise<LandingListing> {
  const listings = options.allHours === true ? new Map() : wholeListingsOf(loaded.metadata)
  return listOpenLanding(environment.store, landing, listings, Math.floor(environment.nowMs() / 1000))
}

/** The next landing objects that the ledger does not know, up to the budget of one commit: `bytesMax` of their changes in memory. */
export async function takeBatch(run: Run, bytesMax = commitBytes(run.options)): Promise<GroupedBatch> {
  const { table, report } = run
  const { state, unknown } = await timed(run, 'plan', async () => {
    const state = await look(run)
    const ledger = await readLedger(table.environment.store, state.ledgerFiles, run.objects, run.ledger)
    return { state, unknown: run.objects.filter((object) => !ledger.has(object.path, object.etag)) }
  })
  report.objects.alreadyMerged += run.objects.length - unknown.length
  run.unmerged = unknown
  const definition = withItemBuckets(state.definition, run.options.itemBuckets ?? [])
  const landing = await timed(run, 'scan', () => readObjects(run, unknown, definition, bytesMax))
  run.objects = unknown.slice(landing.length)
  return timed(run, 'fold', () => group(run, definition, landing))
}

export function group(
  { table, here }: Run,
  definition: TableDefinition,
  landing: readonly (LandedObject | null)[],
): Promise<GroupedBatch> {
  return groupBatch(
    table.environment.store,
    definition,
    landing.filter((landed) => landed !== null),
    here.memory?.take,
  )
}

/** The first of the objects, as many as `bytesMax` allows; null for one that was skipped. */
export async function readObjects(
  run: Run,
  objects: readonly ListedObject[],
  definition: TableDefinition,
  bytesMax: number,
): Promise<(LandedObject | null)[]> {
  const objectBytes = objects.reduce((sum, object) => sum + object.objectBytes, 0)
  const workers = await workersFor(run, objectBytes >= THREAD_LANDING_BYTES_MIN && objects.length > 1)
  let bytes = 0
  let done = 0
  function* whileTheyFit() {
    for (const object of objects) {
      if (bytes >= bytesMax) return
      bytes += leastBytes(object)
      yield object
    }
  }
  return pMap(
    whileTheyFit(),
    async (object) => {
      const landed = await workers.readLanding(object, definition)
      run.options.onProgress?.({ step: 'scan', done: ++done, total: objects.length, unit: 'objects' })
      bytes -= leastBytes(object)
      if ('reason' in landed) {
        run.skipped.push(landed)
        return null
      }
      bytes += landedBytes(landed.lines)
      return landed
    },
    { concurrency: workers.width },
  )
}

/** What an object counts with until it is read; an empty one takes something, too. */
function leastBytes({ objectBytes }: ListedObject): number {
  return Math.max(1, objectBytes)
}
