// The program of a thread: does one task at a time, with the store of the thread that gave it out.

import type { MessagePort } from 'node:worker_threads'
import { mergeFiles } from '../files/merge-files.ts'
import { readLanding } from '../landing/read-landing.ts'
import type { ListedObject } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { storeAt } from './task-port.ts'
import type { MergeFilesTask } from './workers.ts'

export type Task =
  | { readonly kind: 'read-landing'; readonly object: ListedObject; readonly definition: TableDefinition }
  | { readonly kind: 'merge-files'; readonly task: MergeFilesTask }

export default async function run({ task, port }: { readonly task: Task; readonly port: MessagePort }): Promise<void> {
  const { store, finish } = storeAt(port)
  await finish(() => {
    if (task.kind === 'read-landing') return readLanding(store, task.object, task.definition)
    const { layout, partition, files, changes } = task.task
    return mergeFiles({ ...layout, store, createFile: store.createFile }, partition, files, changes)
  })
}
