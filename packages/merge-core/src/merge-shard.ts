// Merges one shard of a plan, and commits the plan where it is the last and may.
//
// No manifest and no landing object is read: the plan says what there is to do. The result is created once; whoever comes second,
// a second attempt or a process that was taken for dead, leaves files that nothing names.

import pMap from 'p-map'
import { isForThreads } from './commit-batch.ts'
import { checkMemory, checkPlan, commitShards, missingShard, resultsOf } from './commit-shards.ts'
import { DamagedObjectError } from './errors.ts'
import type { MergeResult } from './files/merge-files.ts'
import { type MergeOptions, type Run, timed, withRun, workersFor } from './merge-run.ts'
import type { MergeReport } from './report.ts'
import { readFoldedChanges, sliceChanges } from './shards/folded-changes.ts'
import { encodeOutcomes } from './shards/outcomes-file.ts'
import { changesOf, folderOf, type ShardPlan } from './shards/plan-file.ts'
import { formatResult, resultPath, type TaskOutcome } from './shards/result-file.ts'
import { createByContent, createObject } from './store/stored-object.ts'
import type { Table } from './table.ts'

export interface MergeShardOptions extends MergeOptions {
  /** Whether the process that finds itself the last commits the plan, which takes the plan's memory. Default: true */
  readonly commits?: boolean
}

export interface ShardMerged {
  /** From 0. */
  readonly shard: number
  readonly shards: number
  /** Whether the result is this process's: false where one stood already, or the plan has no such shard. */
  readonly isMerged: boolean
  readonly files: { readonly added: number; readonly removed: number }
  readonly damaged: readonly { readonly path: string; readonly message: string }[]
  readonly bytes: MergeReport['bytes']
  readonly requests: MergeReport['requests']
  readonly seconds: number
  /** Of the commit; null where other shards have no result, or others commit. */
  readonly commit: MergeReport | null
  /** 10 where it was stopped. */
  readonly exitCode: MergeReport['exitCode']
  readonly warnings: readonly string[]
}

/**
 * @param shard from 0; an array job may have more children than the plan has shards, which then have nothing to do
 * @throws TryAgainError, InputError, DamagedObjectError (of the plan's own files; a damaged data file is part of the result)
 */
export async function mergeShard(
  table: Table,
  plan: ShardPlan,
  shard: number,
  { commits = true, ...options }: MergeShardOptions = {},
): Promise<ShardMerged> {
  checkPlan(table, plan)
  if (commits) checkMemory(plan, options)
  let done: readonly TaskOutcome[] | null = null
  let isLast = false
  const report = await withRun(table, [], options, async (run) => {
    const { store } = run.table.environment
    run.report.objects.listed = plan.landing.length
    if (shard >= plan.shards.length) return
    if (!(await resultsOf(store, plan)).has(resultPath(plan, shard))) done = await mergeTasks(run, plan, shard)
    isLast = commits && (await missingShard(store, plan)) === null
  })
  const outcomes: readonly TaskOutcome[] = done ?? []
  const results = outcomes.filter((outcome): outcome is MergeResult => !(outcome instanceof DamagedObjectError))
  const commit = isLast ? await commitShards(table, plan, options) : null
  return {
    shard,
    shards: plan.shards.length,
    isMerged: done !== null,
    files: {
      added: results.reduce((sum, { added }) => sum + added.length, 0),
      removed: results.reduce((sum, { removed }) => sum + removed.length, 0),
    },
    damaged: outcomes
      .filter((outcome) => outcome instanceof DamagedObjectError)
      .map(({ path, message }) => ({ path, message })),
    bytes: report.bytes,
    requests: report.requests,
    seconds: report.seconds.total,
    commit,
    exitCode: commit?.exitCode ?? report.exitCode,
    warnings: report.warnings,
  }
}

async function mergeTasks(run: Run, plan: ShardPlan, shard: number): Promise<TaskOutcome[]> {
  const { store, uuid } = run.table.environment
  const { layout } = plan.table
  const { changes: path, tasks } = plan.shards[shard]!
  const attempt = `${plan.id}-${shard}-${uuid().slice(0, 8)}`
  const all = await timed(run, 'plan', () =>
    readFoldedChanges(store, path, layout, changesOf({ changes: path, tasks })),
  )
  const rows = tasks.reduce((sum, task) => sum + task.files.reduce((rows, file) => rows + file.rows, 0), 0)
  const workers = await workersFor(run, tasks.length > 1 && isForThreads(rows, all.count, run.pool !== null))
  let files = 0
  let finished = 0
  const done = await timed(run, 'merge', () =>
    pMap(
      tasks,
      async ({ partition, folder, files: stored, from, to }): Promise<TaskOutcome> => {
        const task = { layout, partition, files: stored, changes: sliceChanges(all, from, to) }
        const outcome = await workers
          .mergeFiles(task, async (parts) => {
            const path = `${folder}/${attempt}-${String(files++).padStart(5, '0')}.parquet`
            await createObject(store, path, parts)
            return path
          })
          .catch((error: unknown) => {
            if (error instanceof DamagedObjectError) return error
            throw error
          })
        run.options.onProgress?.({ step: 'merge', done: ++finished, total: tasks.length, unit: 'tasks' })
        return outcome
      },
      { concurrency: workers.width },
    ),
  )
  const outcomes = new Uint8Array(all.count)
  for (const [index, { from }] of tasks.entries()) {
    const outcome = done[index]!
    if (!(outcome instanceof DamagedObjectError)) outcomes.set(outcome.outcomes, from)
  }
  const outcomesPath = `${folderOf(plan)}/outcomes/${attempt}.parquet`
  await createObject(store, outcomesPath, encodeOutcomes(outcomes).parts)
  await createByContent(store, resultPath(plan, shard), Buffer.from(formatResult(plan, shard, outcomesPath, done)))
  return done
}
