// START HERE. One merge of landing objects into a table.
//
//   plan    list the landing objects, drop those in the ledger, take the oldest up to the budget of one commit
//   scan    find key, version and item of each line
//   fold    keep per (partition, key) what can still win; parse only these items
//   locate  route the changes to the data files that can hold their keys: one task a cluster of files
//   merge   each task's files, row groups without an applied change copied as they are
//   commit  one snapshot with the new files, the ledger and the tombstones; on a lost race, again from the table's new state
//
// What is left of the landing objects is the next commit of the same run.

import { type CommitAttempt, commitMerge, findCommit } from './commit-merge.ts'
import { TryAgainError } from './errors.ts'
import { type GroupedBatch, groupBatch } from './fold-batch.ts'
import { invariant } from './invariant.ts'
import { mergeBatch, type TaskResults } from './merge-batch.ts'
import { readLedger } from './protected/ledger.ts'
import { addCommit, addUncommitted, emptyReport, type MergeReport } from './report.ts'
import { listLanding, type ScannedLanding, type SkippedLanding, scanLanding } from './scan-landing.ts'
import { meteredStore, type Traffic } from './store/metered.ts'
import type { ListedObject } from './store/object-store.ts'
import type { Table } from './table.ts'
import { loadState, type TableState } from './table-state.ts'

export type MergeProgress =
  | { readonly step: 'scan'; readonly done: number; readonly total: number; readonly unit: 'objects' }
  | { readonly step: 'merge'; readonly done: number; readonly total: number; readonly unit: 'tasks' }
  /** An attempt begins, counted from 1; only a lost race is followed by another. */
  | { readonly step: 'commit'; readonly attempt: number }

export interface MergeOptions {
  readonly onProgress?: (progress: MergeProgress) => void
  /** Landing objects are taken into one commit until their inflated text has so many bytes. Default 96 MiB. */
  readonly commitTextBytes?: number
}

const COMMIT_TEXT_BYTES = 96 * 1024 * 1024
const COMMIT_ATTEMPTS_MAX = 20
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 5_000
/** Cleaning may remove a file that no snapshot names when it is older than a day: half of that leaves time to commit. */
const COMMIT_AGE_MAX_MS = 12 * 3600 * 1000

/**
 * Merges the landing objects under the prefixes (`s3://bucket/landing/`, `file:///landing/`) that the table's ledger does not know.
 * Bad lines and broken objects are quarantined, unreadable objects skipped, changes to a damaged data file deferred: the report says
 * so, and its `exitCode` is the worker's.
 * @throws TryAgainError, InputError, DamagedObjectError where nothing more could be committed
 */
export async function mergeLanding(
  table: Table,
  landing: readonly string[],
  options: MergeOptions = {},
): Promise<MergeReport> {
  const run = startRun(table, landing, options)
  run.objects = await listLanding(run.table.environment.store, landing)
  run.report.objects.listed = run.objects.length
  for (;;) {
    const batch = await takeBatch(run)
    if (batch.length === 0) break
    await commitBatch(run, batch)
  }
  return finishRun(run)
}

interface Run {
  readonly table: Table
  readonly options: MergeOptions
  readonly landing: readonly string[]
  readonly report: MergeReport
  readonly traffic: Traffic
  readonly startMs: number
  /** Listed and not yet taken up. */
  objects: readonly ListedObject[]
  readonly skipped: SkippedLanding[]
}

function startRun(table: Table, landing: readonly string[], options: MergeOptions): Run {
  const { store, traffic } = meteredStore(table.environment.store)
  const environment = { ...table.environment, store }
  return {
    table: { ...table, environment },
    options,
    landing,
    report: emptyReport(table.definition.table, table.location),
    traffic,
    startMs: environment.nowMs(),
    objects: [],
    skipped: [],
  }
}

/** The next landing objects that the ledger does not know, read and scanned, up to the budget of one commit. */
async function takeBatch(run: Run): Promise<ScannedLanding[]> {
  const { table, report } = run
  const state = await timed(run, 'plan', () => loadState(table))
  const ledger = await timed(run, 'plan', () => readLedger(table.environment.store, state.ledgerFiles))
  const unknown = run.objects.filter((object) => !ledger.has(object.path, object.etag))
  report.objects.alreadyMerged += run.objects.length - unknown.length
  const batch: ScannedLanding[] = []
  let textBytes = 0
  let taken = 0
  while (taken < unknown.length && textBytes < (run.options.commitTextBytes ?? COMMIT_TEXT_BYTES)) {
    const object = unknown[taken++]!
    const landed = await timed(run, 'scan', () => scanLanding(table.environment.store, object, state.definition))
    if ('reason' in landed) run.skipped.push(landed)
    else {
      batch.push(landed)
      textBytes += landed.scanned.lines.text.length
    }
    run.options.onProgress?.({ step: 'scan', done: taken, total: unknown.length, unit: 'objects' })
  }
  run.objects = unknown.slice(taken)
  return batch
}

/** Merges and commits a batch; after a lost race again from the table's new state, with the task results that still hold. */
async function commitBatch(run: Run, scanned: readonly ScannedLanding[]): Promise<void> {
  const { table } = run
  const { environment } = table
  const commitId = environment.uuid()
  const startedMs = environment.nowMs()
  const results: TaskResults = new Map()
  const attempts: CommitAttempt[] = []
  let batch = await timed(run, 'fold', async () => groupBatch(scanned))
  for (let attempt = 1; attempt <= COMMIT_ATTEMPTS_MAX; attempt++) {
    const state = await timed(run, 'plan', () => loadState(table))
    const made = findCommit(state, attempts)
    if (made !== null) return addCommit(run.report, made.report)
    batch = await timed(run, 'plan', () => withoutMerged(run, state, batch))
    if (batch.landing.length === 0) return
    if (environment.nowMs() - startedMs > COMMIT_AGE_MAX_MS) {
      throw new TryAgainError(
        `${table.location}: the merge took over 12 hours, its files may be cleaned away before a commit names them; run it again`,
      )
    }
    const merged = await mergeBatch(table, state, batch, results, `${commitId}-${attempt}`, {
      timed: (step, work) => timed(run, step, work),
      onTask: (done, total) => run.options.onProgress?.({ step: 'merge', done, total, unit: 'tasks' }),
    })
    run.options.onProgress?.({ step: 'commit', attempt })
    const committed = await timed(run, 'commit', () => commitMerge(table, state, merged, commitId, attempt))
    if (committed.outcome === 'committed') return addCommit(run.report, committed.attempt.report)
    if (committed.outcome === 'nothing') return addUncommitted(run.report, committed.attempt.report)
    attempts.push(committed.attempt)
    await environment.sleep(environment.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt))
  }
  throw new TryAgainError(
    `${table.location}: lost the race to commit ${COMMIT_ATTEMPTS_MAX} times; run again when fewer writers are active`,
  )
}

/** Another run may have merged some of the objects since they were listed. */
async function withoutMerged(run: Run, state: TableState, batch: GroupedBatch): Promise<GroupedBatch> {
  const ledger = await readLedger(run.table.environment.store, state.ledgerFiles)
  const fresh = batch.landing.filter(({ object, etag }) => !ledger.has(object.path, etag))
  if (fresh.length === batch.landing.length) return batch
  run.report.objects.alreadyMerged += batch.landing.length - fresh.length
  return groupBatch(fresh)
}

async function finishRun(run: Run): Promise<MergeReport> {
  const { report, traffic, table } = run
  const { nowMs, store } = table.environment
  report.objects.skipped.push(...run.skipped.map(({ object, reason }) => ({ object: object.path, reason })))
  report.seconds.total = (nowMs() - run.startMs) / 1000
  for (const step of Object.keys(report.seconds) as (keyof MergeReport['seconds'])[]) {
    report.seconds[step] = Math.round(report.seconds[step] * 1000) / 1000
  }
  report.warnings.push(...warningsOf(run))
  report.exitCode = exitCodeOf(run)
  Object.assign(report.bytes, traffic)
  if (report.commits.length > 0) {
    // For people alone: the commits stand whether it is written or not.
    const { stateFolder } = await loadState(table)
    const text = Buffer.from(JSON.stringify(report, null, 1))
    await store.put(`${stateFolder}/reports/${report.commits.at(-1)!.commitId}.json`, text, { kind: 'create' })
  }
  return report
}

/** What is worst decides: a damaged object, then input to fix, then what another run will do. */
function exitCodeOf({ report, skipped }: Run): MergeReport['exitCode'] {
  if (report.damaged.length > 0) return 21
  if (skipped.some(({ cause }) => cause === 'denied')) return 20
  return skipped.some(({ cause }) => cause === 'again') ? 10 : 0
}

function warningsOf({ report, landing, objects }: Run): string[] {
  const warnings: string[] = []
  const { lines, skipped, broken } = { ...report, ...report.objects }
  if (report.objects.listed === 0) warnings.push(`no object under ${landing.join(', ')}; is the prefix right?`)
  if (lines.quarantined > 0)
    warnings.push(`${lines.quarantined} lines are in quarantine, with their reasons; mend the cause and replay them`)
  if (broken > 0)
    warnings.push(
      `${broken} objects could not be inflated to their end; their readable lines were merged and they are kept whole in quarantine`,
    )
  if (skipped.length > 0) warnings.push(`${skipped.length} objects could not be read and are left for the next run`)
  if (report.damaged.length > 0)
    warnings.push(
      `${lines.deferred} lines wait for ${report.damaged.length} damaged files: ${report.damaged.map(({ path }) => path).join(', ')}`,
    )
  if (report.conflicts > 0)
    warnings.push(`${report.conflicts} changes have the version of another change and differ from it`)
  invariant(objects.length === 0, 'every listed object was taken up')
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
