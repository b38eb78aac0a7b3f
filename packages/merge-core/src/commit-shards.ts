// Commits what the shards of a plan have made, as one snapshot.
//
// The landing objects of the plan are read, folded and routed again against the table's present state, as after a lost race: a task that
// has the name of one of the plan's has its result, and any other is merged here (task-identity.ts). So a result is used where it is
// still right, and nothing else has to prove it. What was committed already is found in the ledger, or by the plan's id in the history.

import pMap from 'p-map'
import { commitBatch } from './commit-batch.ts'
import { COMMIT_AGE_MAX_MS } from './commit-snapshot.ts'
import { InputError, TryAgainError } from './errors.ts'
import type { TaskResults } from './merge-batch.ts'
import { MEMORY_BYTES, type MergeOptions, timed, withRun } from './merge-run.ts'
import type { MergeReport } from './report.ts'
import { folderOf, type ShardPlan } from './shards/plan-file.ts'
import { readResult, resultPath } from './shards/result-file.ts'
import type { ObjectStore } from './store/object-store.ts'
import { failureError } from './store/stored-object.ts'
import type { Table } from './table.ts'
import { PROPERTY, type TableState } from './table-state.ts'
import { look, takeBatch } from './take-batch.ts'

const RESULTS_AT_A_TIME = 16

/**
 * Commits the plan, unless it was committed.
 * @throws TryAgainError naming a shard without a result; InputError where the plan is of no use, or the process may take too little memory
 */
export async function commitShards(table: Table, plan: ShardPlan, options: MergeOptions = {}): Promise<MergeReport> {
  checkPlan(table, plan)
  checkMemory(plan, options)
  const prefixes = [...new Set(plan.landing.map(({ path }) => path.slice(0, path.lastIndexOf('/') + 1)))]
  return withRun(table, prefixes, options, async (run) => {
    const { store, uuid } = run.table.environment
    run.report.objects.listed = plan.landing.length
    const first = await timed(run, 'plan', () => look(run))
    if (committedSnapshot(first, plan) !== null) {
      run.report.objects.alreadyMerged = plan.landing.length
      return
    }
    const results = await timed(run, 'plan', () => readResults(store, plan))
    run.objects = plan.landing.map((object) => ({ ...object, modifiedMs: plan.plannedMs }))
    const batch = await takeBatch(run, Number.POSITIVE_INFINITY)
    // Without one of its objects the plan's tasks are others: it is better read again than merged again.
    const unread = run.skipped.find(({ cause }) => cause === 'again')
    if (unread !== undefined) throw new TryAgainError(`${unread.reason}; run again`)
    if (batch.landing.length === 0) return
    // Two processes may commit the plan at once: what each writes has names of its own.
    const fileNames = `${plan.id}-${uuid().slice(0, 8)}`
    await commitBatch(run, batch, { commitId: plan.id, fileNames, startedMs: plan.plannedMs, results })
    run.unmerged = run.objects
  })
}

/**
 * Before anything is read or merged for a plan.
 * @throws InputError where its files would be refused for their age, or the table is another one
 */
export function checkPlan({ location, environment }: Table, plan: ShardPlan): void {
  if (plan.table.location !== location)
    throw new InputError(`${plan.path}: is a plan for ${plan.table.location}, not for ${location}; plan again`)
  if (environment.nowMs() - plan.plannedMs > COMMIT_AGE_MAX_MS)
    throw new InputError(`${plan.path}: was made over 12 hours ago, its files may be cleaned away by now; plan again`)
}

/**
 * Before anything is read or merged by who commits.
 * @throws InputError where the process may take less memory than the commit needs
 */
export function checkMemory(plan: ShardPlan, { memoryBytes = MEMORY_BYTES }: MergeOptions): void {
  if (memoryBytes < plan.memoryBytes)
    throw new InputError(
      `${plan.path}: was made with ${mebibytes(plan.memoryBytes)} of memory, which its commit takes too, and this process may take ` +
        `${mebibytes(memoryBytes)}; raise --memory, or plan with less`,
    )
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`
}

/** The snapshot as which a plan was committed; null where the history knows of none. */
export function committedSnapshot({ loaded: { metadata } }: TableState, { id }: ShardPlan): bigint | null {
  const made = metadata.snapshots?.find(({ summary }) => summary?.[PROPERTY.commitId] === id)
  return made?.['snapshot-id'] ?? null
}

/** Where results of the plan stand. Listed, as S3 tells who may list a prefix alone of no object that is missing. */
export async function resultsOf(store: ObjectStore, plan: ShardPlan): Promise<ReadonlySet<string>> {
  const listed = await store.list(`${folderOf(plan)}/results/`)
  if (listed.kind !== 'ok') throw failureError(folderOf(plan), 'listing', listed)
  return new Set(listed.objects.map(({ path }) => path))
}

/** The first shard that has no result; null where all have. */
export async function missingShard(store: ObjectStore, plan: ShardPlan): Promise<number | null> {
  const paths = await resultsOf(store, plan)
  const missing = [...plan.shards.keys()].find((shard) => !paths.has(resultPath(plan, shard)))
  return missing ?? null
}

async function readResults(store: ObjectStore, plan: ShardPlan): Promise<TaskResults> {
  const missing = await missingShard(store, plan)
  if (missing !== null)
    throw new TryAgainError(
      `${plan.path}: shard ${missing} of ${plan.shards.length} has no result; run "lastwrite merge --shard ${plan.path} --index ${missing}"`,
    )
  const outcomes = await pMap(plan.shards, (_, shard) => readResult(store, plan, shard), {
    concurrency: RESULTS_AT_A_TIME,
  })
  return new Map(
    plan.shards.flatMap(({ tasks }, shard) => tasks.map(({ id }, index) => [id, outcomes[shard]![index]!] as const)),
  )
}
