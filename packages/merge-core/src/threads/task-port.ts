// What a task and the thread that gave it out say to each other: calls of the store and their answers, and in the end the outcome.

import type { MessagePort } from 'node:worker_threads'
import type { ObjectPart, ObjectReader } from '../store/object-store.ts'
import { type PackedError, packError, unpackError } from './packed-error.ts'
import { movable } from './transfer.ts'

/** What a task may ask for. */
export interface TaskStore extends ObjectReader {
  createFile(parts: readonly ObjectPart[]): Promise<string>
}

interface Call {
  readonly id: number
  readonly call: keyof TaskStore
  readonly args: readonly unknown[]
}

type Outcome = { readonly result: unknown } | { readonly error: PackedError }
type Answer = Outcome & { readonly id: number }

/** Answers the calls that come through the port until the task's outcome comes. */
export function serveTask<Result>(port: MessagePort, store: TaskStore): Promise<Result> {
  return new Promise((resolve, reject) => {
    port.on('message', async (message: Call | Outcome) => {
      if ('call' in message) {
        const run = store[message.call] as (...args: readonly unknown[]) => Promise<unknown>
        post(port, { id: message.id, ...(await outcomeOf(() => run(...message.args))) } satisfies Answer)
      } else if ('error' in message) reject(unpackError(message.error))
      else resolve(message.result as Result)
    })
  })
}

/** The store at the other end of a task's port. */
export function storeAt(port: MessagePort) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let calls = 0
  port.on('message', (answer: Answer) => {
    const { resolve, reject } = waiting.get(answer.id)!
    waiting.delete(answer.id)
    if ('error' in answer) reject(unpackError(answer.error))
    else resolve(answer.result)
  })
  function ask<T>(call: Call['call'], args: readonly unknown[]): Promise<T> {
    const answer = Promise.withResolvers<unknown>()
    waiting.set(calls, answer)
    post(port, { id: calls++, call, args } satisfies Call)
    return answer.promise as Promise<T>
  }
  const store: TaskStore = {
    get: (...args) => ask('get', args),
    createFile: (...args) => ask('createFile', args),
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

function post(port: MessagePort, message: Call | Answer | Outcome): void {
  const { value, transferList } = movable(message)
  port.postMessage(value, transferList)
}
