// Plans the next commit for several processes: everything that a merge does before it opens a data file, and the changes written down.
//
// Tasks are dealt out in the order of their partitions and keys, so a shard's changes are one stretch of the folded ones. Each shard
// must touch about the same bytes, of files and of changes; a task is never split.

import pMap from 'p-map'
import { committedSnapshot } from './commit-shards.ts'
import { InputError } from './errors.ts'
import { type GroupedBatch, taskChanges } from './fold-batch.ts'
import { landedBytes } from './landing/read-landing.ts'
import { type PartitionTask, routeBatch } from './merge-batch.ts'
import { MEMORY_BYTES, type MergeOptions, type Run, timed, withRun } from './merge-run.ts'
import type { MergeReport } from './report.ts'
import { encodeFoldedChanges } from './shards/folded-changes.ts'
import { findPlan, formatPlan, PLAN_NAME, readPlan, type ShardPlan } from './shards/plan-file.ts'
import type { TaskFile } from './shards/task-file.ts'
import { partitionFolder, taskTableOf } from './shards/task-table.ts'
import { createByContent, createObject } from './store/stored-object.ts'
import { tableLayoutOf } from './stored-files.ts'
import type { Table } from './table.ts'
import { loadState, type TableState } from './table-state.ts'
import { listOpen, look, takeBatch } from './take-batch.ts'
import { taskIdentity } from './task-identity.ts'

export interface PlanShardsOptions extends MergeOptions {
  /** How many at most: there are no more than tasks. */
  readonly shards: number
  /** Whatever the shards are to open the table by. */
  readonly address: string
  /** Absolute folder of the plan, without a slash at its end. Default: one of the plan's own in the table's state folder. */
  readonly out?: string
}

export interface ShardsPlanned {
  /** Null where there is nothing to merge. */
  readonly plan: ShardPlan | null
  /** What was listed, read and skipped, with its exit code. */
  readonly report: MergeReport
  /** Landing objects beyond the budget of one commit, left to the next plan. */
  readonly objectsLeft: number
}

/** Shards write and read at most so many files of the staging at a time. */
const FILES_AT_A_TIME = 16

/**
 * Plans one commit's worth of landing objects. A plan that stands in the folder and was not committed is the plan: whoever is started
 * again goes on with it.
 * @throws TryAgainError, InputError, DamagedObjectError where nothing was planned
 */
export async function planShards(
  table: Table,
  landing: readonly string[],
  options: PlanShardsOptions,
): Promise<ShardsPlanned> {
  let plan: ShardPlan | null = null
  let objectsLeft = 0
  const report = await withRun(table, landing, options, async (run) => {
    const first = await timed(run, 'plan', () => look(run))
    plan = options.out === undefined ? null : await standingPlan(run, first, options.out)
    if (plan !== null) return
    const { objects, openSince } = await timed(run, 'plan', () => listOpen(run, first))
    Object.assign(run.report.objects, { listed: objects.length, openSince })
    run.objects = objects
    while (plan === null && run.objects.length > 0) {
      const batch = await takeBatch(run)
      if (batch.landing.length > 0) plan = await writePlan(run, batch, options)
    }
    objectsLeft = run.objects.length
    run.objects = []
  })
  return { plan, report, objectsLeft }
}

async function standingPlan(run: Run, state: TableState, out: string): Promise<ShardPlan | null> {
  const path = `${out}/${PLAN_NAME}`
  const plan = await findPlan(run.table.environment.store, path)
  if (plan === null) return null
  if (plan.table.location !== state.location)
    throw new InputError(`${path}: is a plan for ${plan.table.location}; give another folder with --out`)
  const snapshot = committedSnapshot(state, plan)
  if (snapshot === null) return plan
  throw new InputError(`${path}: was committed already, as snapshot ${snapshot}; give another folder with --out`)
}

async function writePlan(run: Run, batch: GroupedBatch, options: PlanShardsOptions): Promise<ShardPlan> {
  const { table } = run
  const { store, nowMs, uuid } = table.environment
  const id = uuid()
  const plannedMs = nowMs()
  const state = await loadState(table)
  const layout = tableLayoutOf(state)
  const excluded = new Uint8Array(batch.lines.count)
  const { folded, tasks } = await routeBatch(table, state, batch, excluded, {
    timed: (step, work) => timed(run, step, work),
  })
  const folder = options.out ?? `${state.stateFolder}/staging/${id}`
  const parts = dealOut(tasks, options.shards, changeBytes(batch))
  const shards = await timed(run, 'merge', () =>
    pMap(parts, (part, index) => writeShard(part, index), { concurrency: FILES_AT_A_TIME }),
  )
  const plan: ShardPlan = {
    path: `${folder}/${PLAN_NAME}`,
    id,
    address: options.address,
    plannedMs,
    memoryBytes: options.memoryBytes ?? MEMORY_BYTES,
    landing: batch.landing.map(({ object, etag }) => ({ ...object, etag })),
    table: taskTableOf(state),
    shards,
  }
  await createByContent(store, plan.path, Buffer.from(formatPlan(plan)))
  // Where two processes planned into one folder, both go on by what stands there.
  return readPlan(store, plan.path)

  async function writeShard(part: readonly PartitionTask[], index: number): Promise<TaskFile> {
    const [from, to] = [part[0]?.from ?? 0, part.at(-1)?.to ?? 0]
    const changes = `${folder}/changes/${id}-${index}.parquet`
    await createObject(store, changes, encodeFoldedChanges(layout, taskChanges(batch, folded, from, to)).parts)
    return {
      changes,
      tasks: part.map((task) => ({
        id: taskIdentity(layout, task, batch, folded),
        partition: task.partition,
        folder: partitionFolder(state, task.partition),
        files: task.files.map((stored) => ({ ...stored, rows: stored.file.records })),
        from: task.from - from,
        to: task.to - from,
      })),
    }
  }
}

/** What a change takes in memory, on average. */
function changeBytes({ lines }: GroupedBatch): number {
  return lines.objects.reduce((sum, object) => sum + landedBytes(object), 0) / Math.max(1, lines.count)
}

/** The tasks that touch files, in stretches of about equal weight: at least one stretch, none of them empty beside others. */
function dealOut(tasks: readonly PartitionTask[], shards: number, changeBytes: number): PartitionTask[][] {
  const touching = tasks.filter(({ touchesFiles }) => touchesFiles)
  const weightOf = ({ files, from, to }: PartitionTask) =>
    files.reduce((sum, { file }) => sum + file.fileBytes, (to - from) * changeBytes)
  const total = touching.reduce((sum, task) => sum + weightOf(task), 0)
  const parts: PartitionTask[][] = Array.from({ length: shards }, () => [])
  let before = 0
  for (const task of touching) {
    const weight = weightOf(task)
    parts[Math.min(shards - 1, Math.floor(((before + weight / 2) / total) * shards))]!.push(task)
    before += weight
  }
  const filled = parts.filter((part) => part.length > 0)
  return filled.length > 0 ? filled : [[]]
}
