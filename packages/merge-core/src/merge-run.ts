// A run over landing objects: what it may take, what it knows, who works for it, and what it reports in the end.

import { unfinishedBackfill } from './backfill-progress.ts'
import type { ClusterEngine } from './engines/cluster-engine.ts'
import type { TableMetadata } from './iceberg/metadata.ts'
import { invariant } from './invariant.ts'
import type { SkippedLanding } from './landing/scan-landing.ts'
import { supersededStorage } from './maintain/superseded-storage.ts'
import type { LedgerCache } from './protected/ledger.ts'
import { emptyReport, type MergeReport } from './report.ts'
import { meteredStore, type Traffic } from './store/metered.ts'
import type { ListedObject } from './store/object-store.ts'
import { isStop, stoppable, stopReason } from './store/stoppable.ts'
import type { Table } from './table.ts'
import { lineMemory } from './threads/line-memory.ts'
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
  /** Another engine for what is too large for this process. Default: none. */
  readonly cluster?: ClusterOptions
}

export interface ClusterOptions {
  readonly engine: ClusterEngine
  /** For all tasks, or those that the plan says (engines/choose-engine.ts). */
  readonly use: 'auto' | 'always'
  /** The run is to end so many milliseconds after its start. */
  readonly deadlineMs?: number | undefined
}

export const MEMORY_BYTES = 512 * 1024 * 1024

export interface Run {
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
  /** These, and those of the batch under way. */
  unmerged: readonly ListedObject[]
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

/** Does the work in a run of its own, and tells what came of it. A run that is stopped ends where the work is, and reports what stands. */
export async function withRun(
  table: Table,
  landing: readonly string[],
  options: MergeOptions,
  work: (run: Run) => Promise<void>,
): Promise<MergeReport> {
  const run = startRun(table, landing, options)
  try {
    await work(run)
    await handOverProfiles(run)
  } catch (error) {
    if (!isStop(options.signal, error)) throw error
    run.stopped = stopReason(options.signal)
  } finally {
    await run.pool?.close()
  }
  return finishRun(run)
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
    unmerged: [],
    skipped: [],
    stopped: null,
    ledger: new Map(),
    stateFolder: null,
    metadata: null,
    here: inThisThread(environment.store, (options.threads ?? 1) > 1 ? lineMemory() : null),
    pool: null,
  }
}

async function handOverProfiles({ options: { onProfile }, pool }: Run): Promise<void> {
  if (onProfile === undefined || pool === null) return
  for (const [index, profile] of (await pool.endProfiles()).entries()) onProfile(profile, index + 1)
}

/** This thread, or where there is `much` to do the pool. */
export async function workersFor(run: Run, much: boolean): Promise<Workers> {
  const { threads = 1, eagerThreads = false, onProfile, signal } = run.options
  const { memory } = run.here
  if (memory === null || !(much || eagerThreads)) return run.here
  if (run.pool === null) {
    const { threadPool } = await import('./threads/pool.ts')
    run.pool = threadPool(run.table.environment.store, { threads, memory, profile: onProfile !== undefined, signal })
  }
  return run.pool
}

async function finishRun(run: Run): Promise<MergeReport> {
  const { report, traffic, lasting } = run
  const { nowMs, store, peakMemoryBytes } = lasting.environment
  report.objects.skipped.push(...run.skipped.map(({ object, reason }) => ({ object: object.path, reason })))
  report.seconds.total = (nowMs() - run.startMs) / 1000
  for (const step of Object.keys(report.seconds) as (keyof MergeReport['seconds'])[]) {
    report.seconds[step] = Math.round(report.seconds[step] * 1000) / 1000
  }
  report.objects.oldestUnmergedS = oldestUnmergedS(run, nowMs())
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

function oldestUnmergedS({ skipped, unmerged }: Run, nowMs: number): number {
  const landedMs = [...skipped.map(({ object }) => object), ...unmerged].map(({ modifiedMs }) => modifiedMs)
  const oldestMs = landedMs.reduce((oldest, ms) => Math.min(oldest, ms), nowMs)
  return Math.round((nowMs - oldestMs) / 1000)
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

export async function timed<T>(
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
