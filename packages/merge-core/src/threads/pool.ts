// Threads that do tasks: they compute, this thread plans, talks to the store and commits.
//
// A task's arrays are moved to the thread and its result's arrays back, none is copied. What a thread reads and writes goes through
// this thread's store, so that there is one place for connections, limits and counts.

import { MessageChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ObjectReader } from '../store/object-store.ts'
import { serveTask, type TaskStore } from './task-port.ts'
import { movable } from './transfer.ts'
import type { Task } from './worker.ts'
import type { Workers } from './workers.ts'

export interface ThreadPool extends Workers {
  /** Ends the threads, whatever they are at. */
  close(): Promise<void>
}

/** @param threads how many, at least one; they start when they have a task, and stay */
export function threadPool(store: ObjectReader, threads: number): ThreadPool {
  const pool = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
  })
  async function run<Result>(task: Task, taskStore: TaskStore): Promise<Result> {
    const { port1, port2 } = new MessageChannel()
    const { value, transferList } = movable(task)
    try {
      // The outcome comes through the port; a thread that dies fails the call.
      const died = pool.run({ task: value, port: port2 }, { transferList: [...transferList, port2] })
      return await Promise.race([serveTask<Result>(port1, taskStore), died.then(() => new Promise<never>(() => {}))])
    } finally {
      port1.close()
    }
  }
  return {
    width: threads,
    readLanding: (object, definition) =>
      run({ kind: 'read-landing', object, definition }, { ...store, createFile: noFile }),
    mergeFiles: (task, createFile) => run({ kind: 'merge-files', task }, { ...store, createFile }),
    close: () => pool.destroy(),
  }
}

async function noFile(): Promise<never> {
  throw new Error('a task that reads has no file to create')
}
