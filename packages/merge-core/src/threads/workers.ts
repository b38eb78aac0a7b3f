// Who does the work of a merge: this thread, or a pool of others (pool.ts). Both do the same.

import { type ReadRunTask, readRunLines } from '../baseline/baseline-lines.ts'
import { type SplitFile, type SplitTask, splitFile } from '../baseline/split-baseline.ts'
import type { LandedLines } from '../change/lines.ts'
import type { IncomingChanges } from '../files/incoming.ts'
import type { MergeContext, TableLayout } from '../files/merge-context.ts'
import { type MergeResult, mergeFiles } from '../files/merge-files.ts'
import type { InputFile } from '../files/open-file.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { type LandedObject, readLanding } from '../landing/read-landing.ts'
import type { SkippedLanding } from '../landing/scan-landing.ts'
import { incomingChanges, type TaskChanges } from '../landing/task-changes.ts'
import type { ListedObject, ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import type { LineMemory } from './line-memory.ts'
import type { TaskStore } from './task-port.ts'
import { shared } from './transfer.ts'

/** Plain data: what a task of merging files is. */
export interface MergeFilesTask {
  readonly layout: TableLayout
  readonly partition: readonly PartitionValue[]
  readonly files: readonly InputFile[]
  /** From landing lines, or as they are taken. */
  readonly changes: TaskChanges | IncomingChanges
}

export interface Workers {
  /** How many tasks run at a time. */
  readonly width: number
  /** Where the lines lie that they read; null where no threads share them. */
  readonly memory: LineMemory | null
  readLanding(object: ListedObject, definition: TableDefinition): Promise<LandedObject | SkippedLanding>
  mergeFiles(task: MergeFilesTask, createFile: MergeContext['createFile']): Promise<MergeResult>
  splitBaseline(task: SplitTask, createFile: MergeContext['createFile']): Promise<SplitFile>
  readRun(task: ReadRunTask): Promise<LandedLines>
}

type SharingReader = ObjectReader & Pick<TaskStore, 'takeMemory'>

/** While one waits for the store, or for an object to be inflated, another computes. */
const TASKS_IN_THIS_THREAD = 2

export function inThisThread(store: ObjectReader, memory: LineMemory | null): Workers {
  const sharing = memory && { ...store, takeMemory: async (bytes: number) => memory.take(bytes) }
  return {
    width: TASKS_IN_THIS_THREAD,
    memory,
    readLanding: sharing
      ? (object, definition) => readSharedLanding(sharing, object, definition)
      : (object, definition) => readLanding(store, object, definition),
    mergeFiles: (task, createFile) => doMergeFiles(task, { store, createFile }),
    splitBaseline: (task, createFile) => splitFile(store, task, createFile),
    readRun: sharing ? (task) => readSharedRun(sharing, task) : (task) => readRunLines(store, task),
  }
}

/**
 * What every task of a merge reads of the lines lies in shared memory.
 *
 * @param order puts the lines into another order first
 */
export async function readSharedLanding(
  store: SharingReader,
  object: ListedObject,
  definition: TableDefinition,
  order = (lines: LandedLines) => lines,
): Promise<LandedObject | SkippedLanding> {
  const landed = await readLanding(store, object, definition)
  if ('reason' in landed) return landed
  return { ...landed, lines: await sharedLines(order(landed.lines), store.takeMemory) }
}

/** As readSharedLanding. */
export async function readSharedRun(store: SharingReader, task: ReadRunTask): Promise<LandedLines> {
  return sharedLines(await readRunLines(store, task), store.takeMemory)
}

/** The lines with what tasks read in shared memory. Of the other columns concatLines makes those that are read. */
export async function sharedLines(lines: LandedLines, take: Parameters<typeof shared>[1]): Promise<LandedLines> {
  const { lineNumber, versions, item, columns } = lines
  return { ...lines, ...(await shared({ lineNumber, versions, item, columns }, take)) }
}

export function doMergeFiles(
  { layout, partition, files, changes }: MergeFilesTask,
  store: Pick<MergeContext, 'store' | 'createFile'>,
): Promise<MergeResult> {
  const incoming = 'objects' in changes ? incomingChanges(changes, layout.fields) : changes
  return mergeFiles({ ...layout, ...store }, partition, files, incoming)
}
