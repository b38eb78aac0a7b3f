// A batch of landing objects, merged and committed as one snapshot.

import { type CommitAttempt, commitMerge, findCommit } from './commit-merge.ts'
import type { Cluster } from './engines/cluster-engine.ts'
import { sumShares } from './engines/share-tasks.ts'
import type { MergeTask } from './files/locate.ts'
import type { GroupedBatch } from './fold-batch.ts'
import { withItemBuckets } from './landing/item-buckets.ts'
import { untilCommitted } from './maintain/commit-attempts.ts'
import { mergeBatch, type TaskResults } from './merge-batch.ts'
import { MEMORY_BYTES, type Run, timed, workersFor } from './merge-run.ts'
import { readLedger } from './protected/ledger.ts'
import { addCommit, addUncommitted } from './report.ts'
import { unlessStopped } from './store/stoppable.ts'
import { loadState, type TableState } from './table-state.ts'
import { group, readObjects } from './take-batch.ts'

/** A thread starts in 0.1 s, and compiles the code anew: half a second for all that merging files takes. Below this it does not pay. */
const THREAD_ROWS_MIN = 2_500_000
/** Where threads have read the changes they are there, and have compiled what reading takes. */
const RUNNING_THREAD_ROWS_MIN = 1_000_000
/** A change is brought together from its landing object and encoded, a stored row is copied from page to page for the most part. */
const ROWS_OF_CHANGE = 3

/** What a commit is called by, and what is known before its first attempt. */
export interface CommitStart {
  readonly commitId: string
  /** Starts the name of each data file that this process writes, never used before. */
  readonly fileNames: string
  /** When the first data file of the commit can have been written. */
  readonly startedMs: number
  readonly results: TaskResults
}

/** Merges and commits a batch; after a lost race again from the table's new state, with the task results that still hold. */
export async function commitBatch(run: Run, taken: GroupedBatch, start = startOf(run)): Promise<void> {
  const { table, lasting } = run
  const { commitId, fileNames, startedMs, results } = start
  const attempts: CommitAttempt[] = []
  let batch = taken
  return untilCommitted(table, async (attempt) => {
    const state = await timed(run, 'plan', () => loadState(lasting))
    run.metadata = state.loaded.metadata
    const made = findCommit(state, attempts)
    if (made !== null) return addCommit(run.report, made.report)
    batch = await timed(run, 'plan', () => stillToMerge(run, state, batch))
    if (batch.landing.length === 0) return
    const merged = await mergeBatch(table, state, batch, results, `${fileNames}-${attempt}`, {
      timed: (step, work) => timed(run, step, work),
      workersFor: (tasks) =>
        workersFor(run, tasks.length > 1 && isForThreads(...rowsAndChanges(tasks), run.pool !== null)),
      onTask: (done, total) => run.options.onProgress?.({ step: 'merge', done, total, unit: 'tasks' }),
      cluster: clusterOf(run),
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

function startOf({ table: { environment } }: Run): CommitStart {
  const commitId = environment.uuid()
  return { commitId, fileNames: commitId, startedMs: environment.nowMs(), results: new Map() }
}

/** The other engine, where there is one to choose. What an attempt that lost its race had shared is reported as well: it was done. */
function clusterOf({ options, startMs, table, report }: Run): Cluster | undefined {
  const { cluster, memoryBytes = MEMORY_BYTES, threads = 1, signal } = options
  if (cluster === undefined) return undefined
  const { engine, use, deadlineMs } = cluster
  return {
    run: (taskFiles) => unlessStopped(signal, () => engine.run(taskFiles, signal)),
    limits: async () => ({
      use,
      missing: use === 'always' ? null : await engine.missing(),
      memoryBytes,
      threads,
      secondsLeft: deadlineMs === undefined ? null : (startMs + deadlineMs - table.environment.nowMs()) / 1000,
    }),
    onShares: (shares) => {
      report.engines = sumShares([...report.engines, ...shares])
    },
  }
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

/**
 * @param storedRows of the row groups that the changes fall into
 * @param isRunning whether there are threads by now
 */
export function isForThreads(storedRows: number, changes: number, isRunning: boolean): boolean {
  return storedRows + ROWS_OF_CHANGE * changes >= (isRunning ? RUNNING_THREAD_ROWS_MIN : THREAD_ROWS_MIN)
}

function rowsAndChanges(tasks: readonly MergeTask[]): [number, number] {
  const rows = tasks.reduce((sum, { rowsNear }) => sum + rowsNear, 0)
  return [rows, tasks.reduce((sum, { from, to }) => sum + to - from, 0)]
}
