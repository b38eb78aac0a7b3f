// One attempt at a batch: folded against the table's state, routed, merged. Nothing of it is visible before the commit.
//
// A task's result is kept for the next attempt under its identity: the files that it read and the changes that it applied. So after a
// lost race exactly those tasks are merged again whose files, tombstones or changes have moved.
// Changes of a damaged file are deferred: all lines of their keys are taken out, in every partition, and the rest is folded again.

import pMap from 'p-map'
import {
  APPLIED,
  CLEAR,
  DEFERRED,
  distinctKeys,
  type FoldedChanges,
  type KeyGroups,
  OPEN,
  OPEN_OUTDONE,
  QUARANTINED,
  STALE,
  SUPERSEDED,
} from './change/fold.ts'
import { tupleText } from './change/lines.ts'
import { PUT, REMOVE } from './change/scanned-lines.ts'
import { type Cluster, mergeOnCluster } from './engines/cluster-engine.ts'
import { type SharedTask, shareTasks } from './engines/share-tasks.ts'
import { DamagedObjectError } from './errors.ts'
import { holdsKey } from './files/find-key.ts'
import { ABSENT, INSERTED, REMOVED_ROW, REPLACED, UNDECIDED } from './files/incoming.ts'
import { locate, type MergeTask } from './files/locate.ts'
import type { FileContent } from './files/merge-context.ts'
import { type MergeResult, nothingWritten } from './files/merge-files.ts'
import { type FoldedBatch, foldBatch, type GroupedBatch, taskChanges } from './fold-batch.ts'
import type { LiveFiles } from './iceberg/snapshot.ts'
import type { PartitionValue } from './iceberg/transform.ts'
import { invariant } from './invariant.ts'
import { lookUpTombstones, nothingStands } from './protected/tombstones.ts'
import { partitionFolder, taskTableOf } from './shards/task-table.ts'
import { createObject } from './store/stored-object.ts'
import { loadFiles, type StoredFiles, tableLayoutOf } from './stored-files.ts'
import type { Table } from './table.ts'
import type { TableState } from './table-state.ts'
import { taskIdentity } from './task-identity.ts'
import type { Workers } from './threads/workers.ts'

export type PartitionTask = SharedTask

/** What became of tasks, by their identity: the result, or the damaged file that the task needs. */
export type TaskResults = Map<string, MergeResult | DamagedObjectError>

export interface MergedBatch {
  readonly batch: GroupedBatch
  readonly folded: FoldedBatch
  readonly results: readonly MergeResult[]
  /** Of each line its class (fold.ts), never open. */
  readonly lineClass: Uint8Array
  readonly rows: { readonly inserted: number; readonly replaced: number; readonly removed: number }
  readonly movedOut: number
  readonly damaged: readonly DamagedObjectError[]
  /** The files of the snapshot that it was merged against. */
  readonly live: LiveFiles
  /** Live data files that no task replaced. */
  readonly filesKept: number
}

export interface BatchHooks {
  readonly timed: <T>(step: 'plan' | 'fold' | 'merge', work: () => Promise<T>) => Promise<T>
  readonly onTask: (done: number, total: number) => void
  /** Who merges these tasks. */
  readonly workersFor: (tasks: readonly MergeTask[]) => Promise<Workers>
  /** Another engine that may do some of the tasks. */
  readonly cluster?: Cluster | undefined
}

/** A batch folded and routed: what a plan tells, and what a merge goes on with. */
export interface RoutedBatch {
  readonly folded: FoldedBatch
  readonly tasks: readonly PartitionTask[]
  readonly files: StoredFiles
}

/** @param fileNames starts the name of each file that is written, never used before */
export async function mergeBatch(
  table: Table,
  state: TableState,
  batch: GroupedBatch,
  known: TaskResults,
  fileNames: string,
  hooks: BatchHooks,
): Promise<MergedBatch> {
  const createFile = fileCreator(table, state, fileNames)
  const excluded = batch.excluded?.slice() ?? new Uint8Array(batch.lines.count)
  const damaged: DamagedObjectError[] = []
  for (let round = 0; ; round++) {
    const routed = await shared(table, state, await routeBatch(table, state, batch, excluded, hooks), hooks)
    const staging = `${state.stateFolder}/staging/${fileNames}-${round}`
    const outcomes = await hooks.timed('merge', () =>
      mergeTasks(table, state, batch, routed, known, createFile, staging, hooks),
    )
    const failed = routed.tasks.filter((_, i) => outcomes[i] instanceof DamagedObjectError)
    damaged.push(...outcomes.filter((outcome) => outcome instanceof DamagedObjectError))
    if (failed.length === 0) return settleLines(batch, routed, outcomes as MergeResult[], damaged)
    for (const task of failed) deferKeys(batch.groups, routed.folded.fold.changes, task, excluded)
  }
}

/** The same tasks, of which some are set apart for another engine. */
async function shared(
  { environment: { store } }: Table,
  state: TableState,
  routed: RoutedBatch,
  { cluster, timed }: BatchHooks,
): Promise<RoutedBatch> {
  if (cluster === undefined) return routed
  return timed('plan', async () => {
    const { tasks, shares } = await shareTasks(store, tableLayoutOf(state), routed.tasks, await cluster.limits())
    cluster.onShares(shares)
    return { ...routed, tasks }
  })
}

/** What became of each task: its result, or the damaged file that it needs. */
async function mergeTasks(
  table: Table,
  state: TableState,
  batch: GroupedBatch,
  { tasks, folded }: RoutedBatch,
  known: TaskResults,
  createFile: FileCreator,
  staging: string,
  hooks: BatchHooks,
): Promise<(MergeResult | DamagedObjectError)[]> {
  const layout = tableLayoutOf(state, batch.overrulesBefore)
  const identities = new Map(tasks.map((task) => [task, taskIdentity(layout, task, batch, folded)]))
  const [here, elsewhere] = [tasks.filter(({ cluster }) => !cluster), tasks.filter(({ cluster }) => cluster)]
  const workers = await hooks.workersFor(here.filter((task) => task.touchesFiles))
  let done = 0
  const settle = (task: PartitionTask, outcome: MergeResult | DamagedObjectError) => {
    known.set(identities.get(task)!, outcome)
    hooks.onTask(++done, tasks.length)
  }
  await Promise.all([
    mergeElsewhere(),
    pMap(here, async (task) => settle(task, known.get(identities.get(task)!) ?? (await mergeTask(task))), {
      concurrency: workers.width,
    }),
  ])
  return tasks.map((task) => known.get(identities.get(task)!)!)

  async function mergeElsewhere(): Promise<void> {
    const left = elsewhere.filter((task) => !known.has(identities.get(task)!))
    const results = await mergeOnCluster(
      table.environment.store,
      hooks.cluster,
      taskTableOf(state),
      left.map((task) => ({
        id: identities.get(task)!,
        partition: task.partition,
        folder: partitionFolder(state, task.partition),
        files: task.files.map((file) => ({ ...file, rows: file.file.records })),
        changes: taskChanges(batch, folded, task.from, task.to),
        isOrdered: task.cluster!.isOrdered,
      })),
      staging,
    )
    for (const [index, task] of left.entries()) settle(task, results[index]!)
  }

  async function mergeTask({ partition, files, from, to, touchesFiles }: PartitionTask) {
    if (!touchesFiles) return nothingWritten(new Uint8Array(to - from).fill(ABSENT))
    const changes = taskChanges(batch, folded, from, to)
    try {
      return await workers.mergeFiles({ layout, partition, files, changes }, (content) =>
        createFile(partition, content),
      )
    } catch (error) {
      if (error instanceof DamagedObjectError) return error
      throw error
    }
  }
}

export async function routeBatch(
  table: Table,
  state: TableState,
  batch: GroupedBatch,
  excluded: Uint8Array,
  { timed }: Pick<BatchHooks, 'timed'>,
): Promise<RoutedBatch> {
  const { definition, fields } = state
  const store = table.environment.store
  const keyFields = fields.slice(0, definition.keyColumns)
  const standing = await timed('fold', async () =>
    state.tombstoneFiles.length === 0
      ? nothingStands(batch.groups.starts.length - 1)
      : lookUpTombstones(store, state.tombstoneFiles, keyFields, distinctKeys(batch.lines, batch.groups)),
  )
  const files = await timed('plan', () => loadFiles(table, state))
  const filesOf = (partition: number) => files.byPartition.get(tupleText(batch.lines.partitions[partition]!)) ?? []
  const limits = { floor: state.floor, watermark: state.watermark, partitionedByKey: definition.partitionedByKey }
  const isAbsent = async (changes: FoldedChanges, change: number) =>
    !(await holdsKey(store, filesOf(changes.partition[change]!), keyFields, batch.lines.keys, changes.line[change]!))
  const folded = await timed('fold', () => foldBatch(batch, standing, limits, excluded, isAbsent))
  const tasks: PartitionTask[] = []
  const { changes } = folded.fold
  const routed = { operation: changes.operation, keys: batch.lines.keys, key: changes.line }
  for (let from = 0; from < changes.count; ) {
    const partition = changes.partition[from]!
    let to = from + 1
    while (to < changes.count && changes.partition[to] === partition) to++
    for (const task of locate(
      filesOf(partition),
      keyFields,
      routed,
      from,
      to,
      definition.fileBytes,
      definition.rowGroupRows,
    )) {
      tasks.push({ ...task, partition: batch.lines.partitions[partition]! })
    }
    from = to
  }
  return { folded, tasks, files }
}

type FileCreator = (partition: readonly PartitionValue[], content: FileContent) => Promise<string>

function fileCreator(table: Table, state: TableState, fileNames: string): FileCreator {
  let files = 0
  return async (partition, content) => {
    const path = `${partitionFolder(state, partition)}/${fileNames}-${String(files++).padStart(5, '0')}.parquet`
    await createObject(table.environment.store, path, content)
    return path
  }
}

function deferKeys(groups: KeyGroups, changes: FoldedChanges, { from, to }: MergeTask, excluded: Uint8Array): void {
  for (let change = from; change < to; change++) {
    const key = changes.key[change]!
    for (let i = groups.starts[key]!; i < groups.starts[key + 1]!; i++) excluded[groups.order[i]!] = DEFERRED
  }
}

/** Gives every open line its class by what the stored rows made of its change. */
function settleLines(
  batch: GroupedBatch,
  { folded, files, tasks }: RoutedBatch,
  results: readonly MergeResult[],
  damaged: readonly DamagedObjectError[],
): MergedBatch {
  const { changes, tombstoneLines } = folded.fold
  const lineClass = folded.fold.lineClass.slice()
  for (const { line } of folded.quarantined) lineClass[line] = QUARANTINED
  const leavesTombstone = new Uint8Array(batch.lines.count)
  for (const line of tombstoneLines) leavesTombstone[line] = 1
  const rows = { inserted: 0, replaced: 0, removed: 0 }
  let movedOut = 0
  for (const [index, task] of tasks.entries()) {
    const result = results[index]!
    invariant(!result.outcomes.includes(UNDECIDED), 'every change of a task is decided')
    for (let change = task.from; change < task.to; change++) {
      const outcome = result.outcomes[change - task.from]!
      const line = changes.line[change]!
      const operation = changes.operation[change]!
      if (outcome === INSERTED) rows.inserted++
      if (outcome === REPLACED) rows.replaced++
      if (outcome === REMOVED_ROW) rows.removed++
      const isNamedByLine = batch.lines.operation[line] === CLEAR
      if (outcome === REMOVED_ROW && operation === CLEAR && !isNamedByLine) movedOut++
      if (isNamedByLine) lineClass[line] = outcome === REMOVED_ROW ? APPLIED : STALE
      if (operation === PUT) lineClass[line] = outcome === INSERTED || outcome === REPLACED ? APPLIED : STALE
      if (operation === REMOVE) {
        const applied = outcome === REMOVED_ROW || leavesTombstone[line] === 1
        lineClass[line] = applied ? APPLIED : lineClass[line] === OPEN_OUTDONE ? SUPERSEDED : STALE
      }
    }
  }
  invariant(!lineClass.includes(OPEN) && !lineClass.includes(OPEN_OUTDONE), 'every line ends in a class')
  const filesRemoved = results.reduce((sum, result) => sum + result.removed.length, 0)
  return {
    batch,
    folded,
    results,
    lineClass,
    rows,
    movedOut,
    damaged,
    live: files.live,
    filesKept: files.live.dataFiles.length - filesRemoved,
  }
}
