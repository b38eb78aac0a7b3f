// Another engine, on a cluster, does tasks: it is given files and leaves files.
//
//   1  A task file and its folded changes go into the staging folder (shards/).
//   2  The engine is started once for all of them. It writes data files where they are to stay, under names never used before, and a
//      result beside each task file.
//   3  What it wrote is checked and becomes what a merge in this process would have given (read-result.ts).
//
// Nothing is visible before the commit, so an engine that fails, or is killed, leaves files that nothing names.

import type { MergeResult } from '../files/merge-files.ts'
import type { TaskChanges } from '../landing/task-changes.ts'
import { encodeFoldedChanges } from '../shards/folded-changes.ts'
import { formatTaskFile, type ShardTask, type TaskTable } from '../shards/task-file.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { createObject } from '../store/stored-object.ts'
import type { EngineLimits } from './choose-engine.ts'
import { readResult } from './read-result.ts'
import type { EngineShare } from './share-tasks.ts'

export interface ClusterEngine {
  /**
   * Does the tasks of these files and returns when their results stand beside them; gives up when the signal is aborted.
   * @throws TryAgainError where it failed, InputError where it would fail again
   */
  readonly run: (taskFiles: readonly string[], signal?: AbortSignal) => Promise<void>
  /** Why it cannot be started here; null where it can. */
  readonly missing: () => Promise<string | null>
}

/** An engine as a merge uses it. */
export interface Cluster {
  readonly run: (taskFiles: readonly string[]) => Promise<void>
  /** Asked before each attempt at a commit. */
  readonly limits: () => Promise<EngineLimits>
  /** Told how the tasks of an attempt are shared. */
  readonly onShares: (shares: readonly EngineShare[]) => void
}

/** A task for an engine: all changes of a partition. */
export interface ClusterTask extends Omit<ShardTask, 'from' | 'to'> {
  readonly changes: TaskChanges
  /** Whether the stored files hold each key once, and no row that is deleted by its position. */
  readonly isOrdered: boolean
}

/**
 * @param staging a folder of the table's state that nobody has used, without a slash at its end
 * @throws DamagedObjectError where what the engine wrote is not what it had to write; what `run` throws
 */
export async function mergeOnCluster(
  store: ObjectStore,
  cluster: Cluster | undefined,
  table: TaskTable,
  tasks: readonly ClusterTask[],
  staging: string,
): Promise<MergeResult[]> {
  if (cluster === undefined || tasks.length === 0) return []
  const folders = tasks.map((_, index) => `${staging}-${index}`)
  for (const [index, task] of tasks.entries()) await exportTask(store, table, task, folders[index]!)
  await cluster.run(folders.map(taskFileIn))
  const results: MergeResult[] = []
  for (const [index, task] of tasks.entries()) results.push(await readResult(store, table, task, folders[index]!))
  return results
}

async function exportTask(
  store: ObjectStore,
  table: TaskTable,
  { changes, isOrdered: _, ...task }: ClusterTask,
  folder: string,
): Promise<void> {
  const path = `${folder}/changes.parquet`
  await createObject(store, path, encodeFoldedChanges(table.layout, changes).parts)
  const text = formatTaskFile(table, { changes: path, tasks: [{ ...task, from: 0, to: changes.operation.length }] })
  await createObject(store, taskFileIn(folder), Buffer.from(text))
}

function taskFileIn(folder: string): string {
  return `${folder}/tasks.json`
}
