// A backfill: the items of a DynamoDB export, or the rows of other writers' Parquet files, become rows of the table, in their place below
// or above what the stream has brought.
//
//   split   every file of the source into sorted runs beside the table
//   plan    cut the places of all rows into ranges that fit into memory, and deal them out to commits
//   merge   commit after commit: read the rows of its ranges from all runs, merge them like changes, commit them with the progress
//
// Runs, plan and progress outlive the process: whoever runs the same backfill again goes on behind its last commit. Ticks go on between
// commits; what they bring and what the baseline holds is weighed by version, as ever.

import pMap from 'p-map'
import { type BackfilledTable, bringIn, type RangeCommit, raiseFloor } from './backfill-commit.ts'
import { unfinishedBackfill } from './backfill-progress.ts'
import { type BackfillReport, emptyBackfillReport } from './backfill-report.ts'
import { type BackfillSource, type Baseline, checkAdmission, describeBaseline } from './backfill-source.ts'
import { planCommits, type StagedBaseline, splitFiles, stagingOf } from './backfill-staging.ts'
import { planId, type RangePlan } from './baseline/plan-ranges.ts'
import type { LandedLines } from './change/lines.ts'
import { TryAgainError } from './errors.ts'
import { addMisfits } from './report.ts'
import { meteredStore } from './store/metered.ts'
import type { ObjectStore } from './store/object-store.ts'
import { isStop, stoppable, stopReason } from './store/stoppable.ts'
import type { Table } from './table.ts'
import { loadState } from './table-state.ts'
import { inThisThread, type Workers } from './threads/workers.ts'

export type BackfillProgressStep =
  | { readonly step: 'split'; readonly done: number; readonly total: number; readonly unit: 'files' }
  | { readonly step: 'merge'; readonly done: number; readonly total: number; readonly unit: 'commits' }

export interface BackfillOptions {
  readonly onProgress?: (progress: BackfillProgressStep) => void
  /** Aborted to stop the run: a commit that has begun is finished, the next run goes on behind it. */
  readonly signal?: AbortSignal | undefined
  /** Threads that split files and merge ranges. Default 1: the calling one. */
  readonly threads?: number
  /** What the process may take, in bytes. Default 512 MiB. */
  readonly memoryBytes?: number
  /** What the rows of a run, and of a range, may take in memory. Default: by `memoryBytes`. */
  readonly runBytes?: number
  readonly rangeBytes?: number
}

const MEMORY_BYTES = 512 * 1024 * 1024
/** Node itself, and what planning and committing take. */
const BASE_BYTES = 180 * 1024 * 1024
/** A thread's own heap and code. */
const THREAD_BYTES = 90 * 1024 * 1024
const SHARE_BYTES_MIN = 8 * 1024 * 1024
/** Rows that wait for their run, the run as it is encoded, and as much again that nobody has collected yet. */
const RUN_FACTOR = 8
/** Rows of a range as they are read, brought together for the merge, and gathered; the files that they come to, until they are collected. */
const RANGE_FACTOR = 14

/**
 * Brings an export, or Parquet files, into the table. Run again after a kill, it goes on where it was; run again when it is done, it
 * changes nothing.
 * @throws InputError where the source is not one for this table, or comes too late for it; DamagedObjectError where a file of it, or of the
 *   table, is not what it must be; TryAgainError where nothing more could be committed, or the run was stopped
 */
export async function backfillTable(
  given: Table,
  source: BackfillSource,
  options: BackfillOptions = {},
): Promise<BackfillReport> {
  const metered = meteredStore(given.environment.store)
  const { traffic } = metered
  const lasting = { ...given, environment: { ...given.environment, store: metered.store } }
  const environment = stoppable(lasting.environment, options.signal)
  const { store } = environment
  const table = { ...given, environment }
  const startMs = environment.nowMs()
  const { threads = 1, onProgress } = options
  const state = await loadState(table)
  const baseline = await describeBaseline(table, state, source, runBytes(options))
  checkAdmission(baseline, state)
  const report = emptyBackfillReport(table, baseline)
  const timed = async <T>(step: keyof BackfillReport['seconds'], work: () => Promise<T>): Promise<T> => {
    const from = environment.nowMs()
    const result = await work()
    report.seconds[step] += (environment.nowMs() - from) / 1000
    return result
  }
  const staging = stagingOf(environment, state.stateFolder, baseline)
  const onFile = (done: number, total: number) => onProgress?.({ step: 'split', done, total, unit: 'files' })
  try {
    const staged = await withWorkers(store, options, (workers) =>
      timed('split', () => splitFiles(staging, baseline, workers, onFile)),
    )
    const plan = await planCommits(staging, staged, rangeBytes(options), threads)
    await withWorkers(store, options, (workers) =>
      mergeRanges({ table, lasting, baseline, staged, plan, workers, report, timed, onProgress }),
    )
    report.source.items = staged.rows
    addMisfits(report.misfits, staged.misfits)
  } catch (error) {
    throw isStop(options.signal, error) ? stoppedAt(report, options.signal) : error
  }
  report.seconds.total = (environment.nowMs() - startMs) / 1000
  const { requests, ...bytes } = traffic
  Object.assign(report.bytes, bytes)
  Object.assign(report.requests, requests)
  report.peakMemoryBytes = environment.peakMemoryBytes?.() ?? null
  return report
}

function stoppedAt({ commits: { before, made, total } }: BackfillReport, signal: AbortSignal): TryAgainError {
  const stands = total === 0 ? 'files that were split stay so' : `${before + made} of ${total} commits stand`
  return new TryAgainError(`${stopReason(signal)}; ${stands}, run the same command again and it goes on there`)
}

/** Threads of their own for each stage: what one leaves in memory goes with its threads. */
async function withWorkers<T>(
  store: ObjectStore,
  { threads = 1, signal }: BackfillOptions,
  work: (workers: Workers) => Promise<T>,
): Promise<T> {
  if (threads === 1) return work(inThisThread(store, null))
  const { threadPool } = await import('./threads/pool.ts')
  const pool = threadPool(store, { threads, signal })
  try {
    return await work(pool)
  } finally {
    await pool.close()
  }
}

function shareBytes({ memoryBytes = MEMORY_BYTES, threads = 1 }: BackfillOptions, factor: number): number {
  return Math.max(SHARE_BYTES_MIN, (memoryBytes - BASE_BYTES - threads * THREAD_BYTES) / threads / factor)
}

function runBytes(options: BackfillOptions): number {
  return options.runBytes ?? shareBytes(options, RUN_FACTOR)
}

function rangeBytes(options: BackfillOptions): number {
  return options.rangeBytes ?? shareBytes(options, RANGE_FACTOR)
}

interface Merging extends BackfilledTable {
  readonly baseline: Baseline
  readonly staged: StagedBaseline
  readonly plan: RangePlan
  readonly workers: Workers
  readonly report: BackfillReport
  readonly timed: <T>(step: keyof BackfillReport['seconds'], work: () => Promise<T>) => Promise<T>
  readonly onProgress: BackfillOptions['onProgress']
}

async function mergeRanges(merging: Merging): Promise<void> {
  const { table, lasting, baseline, plan, workers, report, timed, onProgress } = merging
  const total = plan.length
  const { loaded, floor } = await loadState(table)
  const begun = unfinishedBackfill(loaded.metadata)
  const id = planId(plan)
  // Should the plan of before be gone, nothing says which ranges are done: those that are change nothing.
  const before = begun?.plan === id ? begun.done : 0
  Object.assign(report.commits, { before, total })
  if (baseline.overrulesBefore !== null && begun === null && (floor ?? -1) < baseline.overrulesBefore) {
    const snapshot = await timed('commit', () => raiseFloor(lasting, baseline, { plan: id, total }))
    report.snapshot = snapshot === null ? null : Number(snapshot)
  }
  for (let number = before; number < total; number++) {
    onProgress?.({ step: 'merge', done: number, total, unit: 'commits' })
    const lines = await timed('read', () => readLines(merging, number))
    const ranges = { ranges: plan[number]!, plan: id, number, total, lines }
    const commit = await bringIn({ table, lasting }, baseline, ranges, workers, timed)
    workers.memory?.release()
    if (commit !== null) addToReport(report, commit)
  }
}

/** The rows of a commit's ranges, of all runs. */
async function readLines({ baseline, staged, plan, workers, table }: Merging, number: number): Promise<LandedLines[]> {
  const { definition } = await loadState(table)
  const { version, at } = baseline
  const ranges = plan[number]!
  const lines = await pMap(
    staged.runs,
    (run) => workers.readRun({ definition, run, ranges, version, at: at ?? Number.NaN }),
    { concurrency: workers.width },
  )
  return lines.filter(({ count }) => count > 0)
}

function addToReport(report: BackfillReport, { snapshot, items, rows, files }: RangeCommit): void {
  if (snapshot !== null) {
    report.snapshot = Number(snapshot)
    report.commits.made++
  }
  for (const name of Object.keys(items) as (keyof typeof items)[]) report.items[name] += items[name]
  for (const name of Object.keys(rows) as (keyof typeof rows)[]) report.rows[name] += rows[name]
  report.files.added += files.added
  report.files.removed += files.removed
}
