// The program of a thread: does one task at a time, with the store of the thread that gave it out.

import { type MessagePort, workerData } from 'node:worker_threads'
import type { ReadRunTask } from '../baseline/baseline-lines.ts'
import { type SplitTask, splitFile } from '../baseline/split-baseline.ts'
import { inTaskOrder } from '../landing/task-order.ts'
import type { ListedObject } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { startProfile } from './profiler.ts'
import { storeAt } from './task-port.ts'
import { doMergeFiles, type MergeFilesTask, readSharedLanding, readSharedRun } from './workers.ts'

export type Task =
  | { readonly kind: 'read-landing'; readonly object: ListedObject; readonly definition: TableDefinition }
  | { readonly kind: 'merge-files'; readonly task: MergeFilesTask }
  | { readonly kind: 'split-baseline'; readonly task: SplitTask }
  | { readonly kind: 'read-run'; readonly task: ReadRunTask }
  | { readonly kind: 'end-profile'; readonly meeting: Meeting }

/** One task for each thread of a pool: `arrived` counts them up to `tasks`. None goes on before the last is there. */
export interface Meeting {
  readonly arrived: Int32Array<SharedArrayBuffer>
  readonly tasks: number
}

export interface ThreadData {
  readonly profile: boolean
}

const endProfile = (workerData as ThreadData).profile ? await startProfile() : null

export default async function run({ task, port }: { readonly task: Task; readonly port: MessagePort }): Promise<void> {
  const { store, finish } = storeAt(port)
  await finish(async () => {
    // Threads read where there are many objects.
    if (task.kind === 'read-landing') return readSharedLanding(store, task.object, task.definition, inTaskOrder)
    if (task.kind === 'end-profile') {
      await meet(task.meeting)
      return endProfile!()
    }
    if (task.kind === 'split-baseline') return splitFile(store, task.task, store.createFile)
    if (task.kind === 'read-run') return readSharedRun(store, task.task)
    return doMergeFiles(task.task, { store, createFile: store.createFile })
  })
}

async function meet({ arrived, tasks }: Meeting): Promise<void> {
  Atomics.add(arrived, 0, 1)
  Atomics.notify(arrived, 0)
  for (let there = Atomics.load(arrived, 0); there < tasks; there = Atomics.load(arrived, 0)) {
    await Atomics.waitAsync(arrived, 0, there).value
  }
}
