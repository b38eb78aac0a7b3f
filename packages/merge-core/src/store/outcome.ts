// What a caller does with an outcome that it has no use for: the error that says what to do next.

import { DamagedObjectError, InputError, TryAgainError } from '../errors.ts'
import type { Failure, ObjectPart, ObjectStore } from './object-store.ts'

/** The error for a call that had to succeed. */
export function failureError(what: string, path: string, failure: Failure): Error {
  switch (failure.kind) {
    case 'conflict':
      return new TryAgainError(`${what} ${path}: another writer changed it meanwhile; run again`)
    case 'missing':
      return new DamagedObjectError(path, `${what}: there is no such object, though the table names it; restore it or roll back`)
    case 'denied':
      return new InputError(`${what} ${path}: access denied (${failure.cause.message}); grant the right and run again`, { cause: failure.cause })
    case 'throttled':
      return new TryAgainError(`${what} ${path}: the store throttles (${failure.cause.message}); run again later`, { cause: failure.cause })
    case 'unknown':
      return new TryAgainError(`${what} ${path}: no clear answer (${failure.cause.message}); run again`, { cause: failure.cause })
    case 'corrupt':
      return new DamagedObjectError(path, `${what}: ${failure.cause.message}`, { cause: failure.cause })
  }
}

/** Creates an object under a name that was never used before. */
export async function putNewObject(store: ObjectStore, path: string, content: Uint8Array | readonly ObjectPart[]): Promise<{ etag: string; objectBytes: number }> {
  const result = await store.put(path, content, { kind: 'create' })
  if (result.kind !== 'ok') throw failureError('writing', path, result)
  return result
}

/** The whole object, which must be there. */
export async function getWholeObject(store: ObjectStore, path: string): Promise<Uint8Array> {
  const result = await store.get(path)
  if (result.kind !== 'ok') throw failureError('reading', path, result)
  return result.bytes
}
