// What a task and the thread that gave it out say to each other: calls of the store and their answers, and in the end the outcome.
//
// A stream stays where it is: its pieces are asked for, one by one, under the number of the call that it goes with.

import type { MessagePort } from 'node:worker_threads'
import type { FileContent, MergeContext } from '../files/merge-context.ts'
import type { ByteStream, ObjectReader } from '../store/object-store.ts'
import { type PackedError, packError, unpackError } from './packed-error.ts'
import { movable } from './transfer.ts'

/** What a task may ask for. */
export type TaskStore = ObjectReader &
  Pick<MergeContext, 'createFile'> & {
    /** Shared memory for lines that other tasks will read. */
    takeMemory(bytes: number): Promise<Uint8Array<SharedArrayBuffer>>
  }

interface Call {
  readonly id: number
  readonly call: keyof TaskStore
  /** Null stands for a stream. */
  readonly args: readonly unknown[]
}

type Outcome = { readonly result: unknown } | { readonly error: PackedError }
type Answer = Outcome & { readonly id: number }
/** The next piece of a stream is wanted, or none any more. */
type Pull = { readonly pull: number; readonly isLast: boolean }
type Piece = Outcome & { readonly piece: number }

/** Answers the calls that come through the port until the task's outcome comes. */
export function serveTask<Result>(port: MessagePort, store: TaskStore): Promise<Result> {
  const streams = streamsFrom(port)
  return new Promise((resolve, reject) => {
    port.on('message', async (message: Call | Piece | Outcome) => {
      if ('call' in message) {
        const { id, call } = message
        const args = message.args.map((arg) => (arg === null ? streams.open(id) : arg))
        const run = store[call] as (...args: readonly unknown[]) => Promise<unknown>
        post(port, { id, ...(await outcomeOf(() => run(...args))) } satisfies Answer)
      } else if ('piece' in message) streams.take(message)
      else settle(message, { resolve, reject })
    })
  })
}

/** The streams at the other end of the port. */
function streamsFrom(port: MessagePort) {
  const waiting = new Map<number, PromiseWithResolvers<IteratorResult<Uint8Array, unknown>>>()
  port.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('the thread of a stream ended'))
  })
  return {
    async *open(id: number): ByteStream {
      try {
        for (;;) {
          const piece = Promise.withResolvers<IteratorResult<Uint8Array, unknown>>()
          waiting.set(id, piece)
          post(port, { pull: id, isLast: false } satisfies Pull)
          const { done, value } = await piece.promise
          if (done) return
          yield value
        }
      } finally {
        waiting.delete(id)
        post(port, { pull: id, isLast: true } satisfies Pull)
      }
    },
    take: (piece: Piece) => settle(piece, waiting.get(piece.piece)!),
  }
}

/** The store at the other end of a task's port. */
export function storeAt(port: MessagePort) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const streams = new Map<number, AsyncIterator<Uint8Array>>()
  let calls = 0
  port.on('message', async (message: Answer | Pull) => {
    if ('pull' in message) return answerPull(message)
    const call = waiting.get(message.id)!
    waiting.delete(message.id)
    settle(message, call)
  })
  async function answerPull({ pull, isLast }: Pull): Promise<void> {
    const stream = streams.get(pull)!
    if (!isLast) return post(port, { piece: pull, ...(await outcomeOf(() => stream.next())) } satisfies Piece)
    streams.delete(pull)
    await stream.return?.()
  }
  function ask<T>(call: Call['call'], args: readonly unknown[]): Promise<T> {
    const answer = Promise.withResolvers<unknown>()
    waiting.set(calls, answer)
    post(port, { id: calls++, call, args } satisfies Call)
    return answer.promise as Promise<T>
  }
  const store: TaskStore = {
    get: (...args) => ask('get', args),
    createFile(content: FileContent) {
      if (!(Symbol.asyncIterator in content)) return ask('createFile', [content])
      streams.set(calls, content[Symbol.asyncIterator]())
      return ask('createFile', [null])
    },
    takeMemory: (bytes) => ask('takeMemory', [bytes]),
  }
  return {
    store,
    /** Does the work and tells its outcome. The port is closed afterwards. */
    async finish(work: () => Promise<unknown>): Promise<void> {
      post(port, await outcomeOf(work))
      port.close()
    },
  }
}

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { result: await work() }
  } catch (error) {
    return { error: packError(error) }
  }
}

function settle<T>(outcome: Outcome, { resolve, reject }: Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'>): void {
  if ('error' in outcome) reject(unpackError(outcome.error))
  else resolve(outcome.result as T)
}

function post(port: MessagePort, message: Call | Answer | Outcome | Pull | Piece): void {
  const { value, transferList } = movable(message)
  port.postMessage(value, transferList)
}
