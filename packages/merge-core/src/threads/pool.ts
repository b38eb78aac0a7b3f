// Threads that do tasks: they compute, this thread plans, talks to the store and commits.
//
// A task's arrays are moved to the thread and its result's arrays back, none is copied. What a thread reads and writes goes through
// this thread's store, so that there is one place for connections, limits and counts.

import { MessageChannel, type ResourceLimits } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { ObjectReader } from '../store/object-store.ts'
import { unlessStopped } from '../store/stoppable.ts'
import { type LineMemory, lineMemory } from './line-memory.ts'
import { serveTask, type TaskStore } from './task-port.ts'
import { movable } from './transfer.ts'
import type { Meeting, Task, ThreadData } from './worker.ts'
import type { Workers } from './workers.ts'

export interface ThreadPool extends Workers {
  /** A CPU profile of each thread that started, ended now. */
  endProfiles(): Promise<object[]>
  /** Ends the threads, whatever they are at. */
  close(): Promise<void>
}

export interface PoolOptions {
  /** How many, at least one; they start when they have a task, and stay. */
  readonly threads: number
  /** For the lines that they read. Default: of its own. */
  readonly memory?: LineMemory
  /** Whether each thread profiles itself from its start on. */
  readonly profile?: boolean
  /** When it is aborted nobody waits for a task any more; the threads go on until they are ended. */
  readonly signal?: AbortSignal | undefined
  /** Of each thread. */
  readonly resourceLimits?: ResourceLimits
}

/** A thread makes little that V8 has to collect, and by itself V8 takes 128 MiB for it. */
const THREAD_LIMITS: ResourceLimits = { maxYoungGenerationSizeMb: 24 }

export function threadPool(
  store: ObjectReader,
  { threads, memory = lineMemory(), profile = false, signal, resourceLimits = {} }: PoolOptions,
): ThreadPool {
  const pool = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    resourceLimits: { ...THREAD_LIMITS, ...resourceLimits },
    workerData: { profile } satisfies ThreadData,
  })
  async function run<Result>(task: Task, createFile: TaskStore['createFile'] = noFile): Promise<Result> {
    const taskStore = { ...store, createFile, takeMemory: async (bytes: number) => memory.take(bytes) }
    const { port1, port2 } = new MessageChannel()
    const { value, transferList } = movable(task)
    // The outcome comes through the port. A thread that ended without one has died.
    const ended = pool.run({ task: value, port: port2 }, { transferList: [...transferList, port2] })
    try {
      return await unlessStopped(signal, () =>
        Promise.race([serveTask<Result>(port1, taskStore), ended.then(() => new Promise<never>(() => {}))]),
      )
    } finally {
      port1.close()
    }
  }
  return {
    width: threads,
    memory,
    readLanding: (object, definition) => run({ kind: 'read-landing', object, definition }),
    mergeFiles: (task, createFile) => run({ kind: 'merge-files', task }, createFile),
    splitBaseline: (task, createFile) => run({ kind: 'split-baseline', task }, createFile),
    readRun: (task) => run({ kind: 'read-run', task }),
    endProfiles: async () => {
      const tasks = pool.threads.length
      const meeting: Meeting = { arrived: new Int32Array(new SharedArrayBuffer(4)), tasks }
      const end = () => run<object>({ kind: 'end-profile', meeting })
      return Promise.all(Array.from({ length: tasks }, end))
    },
    close: () => pool.destroy(),
  }
}

async function noFile(): Promise<never> {
  throw new Error('a task that reads has no file to create')
}
