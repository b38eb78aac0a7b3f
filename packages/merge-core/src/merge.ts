// START HERE. One merge of landing objects into a table.
//
//   plan    list the landing objects, drop those in the ledger, take the oldest up to the budget of one commit
//   scan    read each line: key, version, and its item into typed columns
//   fold    keep per (partition, key) what can still win
//   locate  route the changes to the data files that can hold their keys: one task a cluster of files
//   merge   each task's files, row groups without an applied change copied as they are
//   commit  one snapshot with the new files, the ledger and the tombstones; on a lost race, again from the table's new state
//
// What is left of the landing objects is the next commit of the same run.

import pMap from 'p-map'
import { unfinishedBackfill } from './backfill-progress.ts'
import { type CommitAttempt, commitMerge, findCommit } from './commit-merge.ts'
import type { MergeTask } from './files/locate.ts'
import { type GroupedBatch, groupBatch } from './fold-batch.ts'
import type { TableMetadata } from './iceberg/metadata.ts'
import { invariant } from './invariant.ts'
import { withItemBuckets } from './landing/item-buckets.ts'
import { type LandingListing, listOpenLanding } from './landing/list-landing.ts'
import { type LandedObject, landedBytes } from './landing/read-landing.ts'
import type { SkippedLanding } from './landing/scan-landing.ts'
import { untilCommitted } from './maintain/commit-attempts.ts'
import { supersededStorage } from './maintain/superseded-storage.ts'
import { mergeBatch, type TaskResults } from './merge-batch.ts'
import { noteListing } from './note-listing.ts'
import { type LedgerCache, readLedger } from './protected/ledger.ts'
import { addCommit, addUncommitted, emptyReport, type MergeReport } from './report.ts'
import { meteredStore, type Traffic } from './store/metered.ts'
import type { ListedObject } from './store/object-store.ts'
import { isStop, stoppable, stopReason } from './store/stoppable.ts'
import type { Table } from './table.ts'
import type { TableDefinition } from './table-definition.ts'
import { loadState, type TableState, wholeListingsOf } from './table-state.ts'
import type { ThreadPool } from './threads/pool.ts'
import { inThisThread, type Workers } from './threads/workers.ts'

export type MergeProgress =
  | { readonly step: 'scan'; readonly done: number; readonly total: number; readonly unit: 'objects' }
  | { readonly step: 'merge'; readonly done: number; readonly total: number; readonly unit: 'tasks' }
  /** An attempt begins, counted from 1; only a lost race is followed by another. */
  | { readonly step: 'commit'; readonly attempt: number }

export interface MergeOptions {
  readonly onProgress?: (progress: MergeProgress) => void
  /** Aborted to stop the run: a commit that has begun is finished, all else left to the next run. */
  readonly signal?: AbortSignal | undefined
  /** Threads that read landing objects and merge files. Default 1: the calling one. */
  readonly threads?: number
  /** Whether they start for little work too, for which the calling one is faster. Default false. */
  readonly eagerThreads?: boolean
  /** What the process may take, in bytes. A run with more changes than fit makes several commits. Default 512 MiB. */
  readonly memoryBytes?: number
  /** Given a CPU profile (V8's `.cpuprofile` as an object) of each thread that was started, at the end of the run. */
  readonly onProfile?: (profile: object, thread: number) => void
  /** Buckets whose objects a line may name as its item, beside the line's own and the table's. */
  readonly itemBuckets?: readonly string[]
  /** List closed hours of the landing area too, whenever that was done last. Default: once a day. */
  readonly allHours?: boolean
  /** Landing objects are taken into one commit until their changes take so many bytes. Default: by `memoryBytes`. */
  readonly commitBytes?: number
}

const MEMORY_BYTES = 512 * 1024 * 1024
/** Node itself, and what planning and committing take. */
const BASE_BYTES = 100 * 1024 * 1024
/** A row group decoded, gathered and encoded, and a file's worth of encoded ones. */
const THREAD_BYTES = 64 * 1024 * 1024
/** Beside the changes themselves: their order and what is folded of them. */
const FOLD_FACTOR = 1.25
const COMMIT_BYTES_MIN = 32 * 1024 * 1024
// A thread starts in 0.1 s, and compiles the code anew: about half a second for all that merging files takes. Below these it does not pay.
const THREAD_LANDING_BYTES_MIN = 16 * 1024 * 1024
const THREAD_ROWS_MIN = 3_000_000

/**
 * Merges the landing objects under the prefixes (`s3://bucket/landing/`, `file:///landing/`) that the table's ledger does not know.
 * Bad lines and broken objects are quarantined, unreadable objects skipped, changes to a damaged data file deferred: the report says
 * so, and its `exitCode` is the worker's. So it is with a run that was stopped.
 * @throws TryAgainError, InputError, DamagedObjectError where nothing more could be committed
 */
export async function mergeLanding(
  table: Table,
  landing: readonly string[],
  options: MergeOptions = {},
): Promise<MergeReport> {
  const run = startRun(table, landing, options)
  try {
    const first = await timed(run, 'plan', () => look(run))
    const { objects, openSince, whole } = await timed(run, 'plan', () => listOpen(run, first))
    Object.assign(run.report.objects, { listed: objects.length, openSince })
    run.objects = objects
    while (run.objects.length > 0) {
      const batch = await takeBatch(run)
      if (batch.landing.length > 0) await commitBatch(run, batch)
    }
    const isAllMerged = run.skipped.length === 0 && run.report.damaged.length === 0
    if (whole.size > 0 && isAllMerged) await timed(run, 'commit', () => noteListing(run.table, first, whole))
    await handOverProfiles(run)
  } catch (error) {
    if (!isStop(options.signal, error)) throw error
    run.stopped = stopReason(options.signal)
  } finally {
    await run.pool?.close()
  }
  return finishRun(run)
}

interface Run {
  /** Of which nothing goes on once the run is stopped. */
  readonly table: Table
  /** The same for what is finished all the same. */
  readonly lasting: Table
  readonly options: MergeOptions
  readonly landing: readonly string[]
  readonly report: MergeReport
  readonly traffic: Traffic
  readonly startMs: number
  /** Listed and not yet taken up. */
  objects: readonly ListedObject[]
  readonly skipped: SkippedLanding[]
  /** Why the run ended before its end. */
  stopped: string | null
  readonly ledger: LedgerCache
  /** Known once a state was loaded; it never changes. */
  stateFolder: string | null
  /** The newest that was seen. */
  metadata: TableMetadata | null
  readonly here: Workers
  /** Null until there is work for several threads. */
  pool: ThreadPool | null
}

function startRun(table: Table, landing: readonly string[], options: MergeOptions): Run {
  const { store, traffic } = meteredStore(table.environment.store)
  const lasting = { ...table, environment: { ...table.environment, store } }
  const environment = stoppable(lasting.environment, options.signal)
  return {
    table: { ...table, environment },
    lasting,
    options,
    landing,
    report: emptyReport(table.definition.table, table.location),
    traffic,
    startMs: environment.nowMs(),
    objects: [],
    skipped: [],
    stopped: null,
    ledger: new Map(),
    stateFolder: null,
    metadata: null,
    here: inThisThread(environment.store, (options.threads ?? 1) > 1),
    pool: null,
  }
}

async function handOverProfiles({ options: { onProfile }, pool }: Run): Promise<void> {
  if (onProfile === undefined || pool === null) return
  for (const [index, profile] of (await pool.endProfiles()).entries()) onProfile(profile, index + 1)
}

/** This thread, or where there is `much` to do the pool. */
async function workersFor(run: Run, much: boolean): Promise<Workers> {
  const { threads = 1, eagerThreads = false, onProfile, signal } = run.options
  if (threads === 1 || !(much || eagerThreads)) return run.here
  if (run.pool === null) {
    const { threadPool } = await import('./threads/pool.ts')
    run.pool = threadPool(run.table.environment.store, { threads, profile: onProfile !== undefined, signal })
  }
  return run.pool
}

/** Stored rows and changes that the tasks are about. */
function rowsOf(tasks: readonly MergeTask[]): number {
  return tasks.reduce((sum, { rowsNear, from, to }) => sum + rowsNear + to - from, 0)
}

function commitBytes({ commitBytes, memoryBytes = MEMORY_BYTES, threads = 1 }: MergeOptions): number {
  return commitBytes ?? Math.max(COMMIT_BYTES_MIN, (memoryBytes - BASE_BYTES - threads * THREAD_BYTES) / FOLD_FACTOR)
}

async function look(run: Run): Promise<TableState> {
  const state = await loadState(run.table)
  run.stateFolder = state.stateFolder
  run.metadata = state.loaded.metadata
  return state
}

function listOpen({ table: { environment }, landing, options }: Run, { loaded }: TableState): Promise<LandingListing> {
  const listings = options.allHours === true ? new Map() : wholeListingsOf(loaded.metadata)
  return listOpenLanding(environment.store, landing, listings, Math.floor(environment.nowMs() / 1000))
}

/** The next landing objects that the ledger does not know, up to the budget of one commit. */
async function takeBatch(run: Run): Promise<GroupedBatch> {
  const { table, report } = run
  const { state, unknown } = await timed(run, 'plan', async () => {
    const state = await look(run)
    const ledger = await readLedger(table.environment.store, state.ledgerFiles, run.objects, run.ledger)
    return { state, unknown: run.objects.filter((object) => !ledger.has(object.path, object.etag)) }
  })
  report.objects.alreadyMerged += run.objects.length - unknown.length
  const definition = withItemBuckets(state.definition, run.options.itemBuckets ?? [])
  const landing = await timed(run, 'scan', () => readObjects(run, unknown, definition, commitBytes(run.options)))
  run.objects = unknown.slice(landing.length)
  return timed(run, 'fold', () => group(run, definition, landing))
}

function group(
  { table }: Run,
  definition: TableDefinition,
  landing: readonly (LandedObject | null)[],
): Promise<GroupedBatch> {
  return groupBatch(
    table.environment.store,
    definition,
    landing.filter((landed) => landed !== null),
  )
}

/** The first of the objects, as many as `bytesMax` allows; null for one that was skipped. */
async function readObjects(
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

/** Merges and commits a batch; after a lost race again from the table's new state, with the task results that still hold. */
async function commitBatch(run: Run, taken: GroupedBatch): Promise<void> {
  const { table, lasting } = run
  const { environment } = table
  const commitId = environment.uuid()
  const startedMs = environment.nowMs()
  let results: TaskResults = new Map()
  const attempts: CommitAttempt[] = []
  let batch = taken
  return untilCommitted(table, async (attempt) => {
    const state = await timed(run, 'plan', () => loadState(lasting))
    run.metadata = state.loaded.metadata
    const made = findCommit(state, attempts)
    if (made !== null) return addCommit(run.report, made.report)
    const left = await timed(run, 'plan', () => stillToMerge(run, state, batch))
    if (left !== batch) results = new Map()
    batch = left
    if (batch.landing.length === 0) return
    const merged = await mergeBatch(table, state, batch, results, `${commitId}-${attempt}`, {
      timed: (step, work) => timed(run, step, work),
      workersFor: (tasks) => workersFor(run, tasks.length > 1 && rowsOf(tasks) >= THREAD_ROWS_MIN),
      onTask: (done, total) => run.options.onProgress?.({ step: 'merge', done, total, unit: 'tasks' }),
    })
    run.options.onProgress?.({ step: 'commit', attempt })
    const committed = await timed(run, 'commit', () =>
      commitMerge(lasting, state, merged, { commitId, attempt, startedMs }),
    )
    if (committed.outcome === 'nothing') return addUncommitted(run.report, committed.attempt.report)
    if (committed.outcome === 'lost') {
      attempts.push(committed.attempt)
      return 'lost'
    }
    run.metadata = committed.outcome.metadata
    addCommit(run.report, committed.attempt.report)
  })
}

/** Another run may have merged some of the objects since they were listed, or changed what their items are read by. */
async function stillToMerge(run: Run, state: TableState, batch: GroupedBatch): Promise<GroupedBatch> {
  const { store } = run.table.environment
  const listed = batch.landing.map(({ object }) => object)
  const ledger = await readLedger(store, state.ledgerFiles, listed, run.ledger)
  const fresh = batch.landing.filter(({ object, etag }) => !ledger.has(object.path, etag))
  const isRedefined = state.definition.text !== batch.definition.text
  if (fresh.length === batch.landing.length && !isRedefined) return batch
  run.report.objects.alreadyMerged += batch.landing.length - fresh.length
  if (!isRedefined) return group(run, batch.definition, fresh)
  const objects = fresh.map(({ object }) => object)
  const definition = withItemBuckets(state.definition, run.options.itemBuckets ?? [])
  return group(run, definition, await readObjects(run, objects, definition, Number.POSITIVE_INFINITY))
}

async function finishRun(run: Run): Promise<MergeReport> {
  const { report, traffic, lasting } = run
  const { nowMs, store, peakMemoryBytes } = lasting.environment
  report.objects.skipped.push(...run.skipped.map(({ object, reason }) => ({ object: object.path, reason })))
  report.seconds.total = (nowMs() - run.startMs) / 1000
  for (const step of Object.keys(report.seconds) as (keyof MergeReport['seconds'])[]) {
    report.seconds[step] = Math.round(report.seconds[step] * 1000) / 1000
  }
  report.warnings.push(...warningsOf(run))
  report.exitCode = exitCodeOf(run)
  const { requests, ...bytes } = traffic
  Object.assign(report.bytes, bytes)
  Object.assign(report.requests, requests)
  report.superseded = run.metadata === null ? null : supersededStorage(run.metadata)
  report.peakMemoryBytes = peakMemoryBytes?.() ?? null
  if (report.commits.length > 0) {
    // For people alone: the commits stand whether it is written or not.
    const text = Buffer.from(JSON.stringify(report, null, 1))
    await store.put(`${run.stateFolder}/reports/${report.commits.at(-1)!.commitId}.json`, text, { kind: 'create' })
  }
  return report
}

/** What is worst decides: a damaged object, then input to fix, then what another run will do. */
function exitCodeOf({ report, skipped, stopped }: Run): MergeReport['exitCode'] {
  if (report.damaged.length > 0) return 21
  if (skipped.some(({ cause }) => cause === 'denied')) return 20
  return stopped !== null || skipped.some(({ cause }) => cause === 'again') ? 10 : 0
}

function warningsOf({ report, landing, objects, stopped, metadata }: Run): string[] {
  const warnings: string[] = []
  if (stopped !== null)
    warnings.push(`${stopped}; ${report.commits.length} commits stand, what they did not take is left for the next run`)
  const { lines, skipped, broken } = { ...report, ...report.objects }
  if (stopped === null && report.objects.listed === 0 && report.objects.openSince === null)
    warnings.push(`no object under ${landing.join(', ')}; is the prefix right?`)
  if (lines.quarantined > 0)
    warnings.push(`${lines.quarantined} lines are in quarantine, with their reasons; mend the cause and replay them`)
  if (broken > 0)
    warnings.push(
      `${broken} objects could not be inflated to their end; their readable lines were merged and they are kept whole in quarantine`,
    )
  const backfill = metadata === null ? null : unfinishedBackfill(metadata)
  if (backfill !== null)
    warnings.push(
      `the backfill of ${backfill.name} stands at ${backfill.done} of ${backfill.total} commits; run it again to finish it`,
    )
  if (skipped.length > 0) warnings.push(`${skipped.length} objects could not be read and are left for the next run`)
  if (report.damaged.length > 0)
    warnings.push(
      `${lines.deferred} lines wait for ${report.damaged.length} damaged files: ${report.damaged.map(({ path }) => path).join(', ')}`,
    )
  if (report.conflicts > 0)
    warnings.push(`${report.conflicts} changes have the version of another change and differ from it`)
  invariant(stopped !== null || objects.length === 0, 'every listed object was taken up')
  return warnings
}

async function timed<T>(
  run: Run,
  step: 'plan' | 'scan' | 'fold' | 'merge' | 'commit',
  work: () => Promise<T>,
): Promise<T> {
  const { nowMs } = run.table.environment
  const startMs = nowMs()
  try {
    return await work()
  } finally {
    run.report.seconds[step] += (nowMs() - startMs) / 1000
  }
}
