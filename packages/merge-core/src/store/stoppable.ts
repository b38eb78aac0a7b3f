// A run that can be stopped: once its signal is aborted nothing that it waits for goes on, so it ends at the next step that it takes.
//
// Nothing of a run can be seen before its compare-and-set, so it may end between any two calls of the store: it leaves at most files that
// nothing names. Only a commit that has begun is finished, since it takes seconds and all work would be lost with it.

import { TryAgainError } from '../errors.ts'
import type { ObjectStore } from './object-store.ts'

interface Waiting {
  readonly store: ObjectStore
  readonly sleep: (ms: number) => Promise<void>
}

/** The same environment, of which calls of the store end with a TryAgainError once the signal is aborted, and nobody sleeps any longer. */
export function stoppable<Given extends Waiting>(environment: Given, signal: AbortSignal | undefined): Given {
  if (signal === undefined) return environment
  const { store, sleep } = environment
  return {
    ...environment,
    store: stoppableStore(store, signal),
    // Wakes up, and does not throw: who waited may have to look what became of a commit.
    sleep: (ms: number) => unlessStopped(signal, () => sleep(ms)).catch(() => {}),
  }
}

function stoppableStore(store: ObjectStore, signal: AbortSignal): ObjectStore {
  const { unproven, createFrom, abandonUploads } = store
  return {
    ...(unproven !== undefined && { unproven }),
    get: (path, options) => unlessStopped(signal, () => store.get(path, options)),
    put: (path, content, mode) => unlessStopped(signal, () => store.put(path, content, mode, { signal })),
    ...(createFrom !== undefined && {
      createFrom: (path, stream) => unlessStopped(signal, () => createFrom(path, stream)),
    }),
    list: (prefix, options) => unlessStopped(signal, () => store.list(prefix, options)),
    delete: (path) => unlessStopped(signal, () => store.delete(path)),
    ...(abandonUploads !== undefined && {
      abandonUploads: (prefix, options) => unlessStopped(signal, () => abandonUploads(prefix, options)),
    }),
  }
}

/**
 * What the work gives, or at once a TryAgainError where the signal is aborted; the work is then let go.
 * @throws TryAgainError, and what the work throws
 */
export async function unlessStopped<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  if (signal.aborted) throw stopError(signal)
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = () => reject(stopError(signal))
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work(), promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function stopError(signal: AbortSignal): TryAgainError {
  return new TryAgainError(`${stopReason(signal)}; nothing half-done is visible, run the same command again`)
}

/** Whether an error comes of the signal. */
export function isStop(signal: AbortSignal | undefined, error: unknown): signal is AbortSignal {
  return signal?.aborted === true && error instanceof TryAgainError
}

/** Who stopped the run: `stopped by SIGTERM`. */
export function stopReason({ reason }: AbortSignal): string {
  return reason instanceof Error ? reason.message : String(reason)
}
