// Whole metadata objects read from and written to a store, with outcomes turned into the errors that an operator acts on.

import { DamagedObjectError, InputError, TryAgainError } from '../errors.ts'
import type { Failure, ObjectStore } from '../store/object-store.ts'

/**
 * A location in a store's terms. Other engines write `file:/x` and `/x` for `file:///x`, and `s3a://` or `s3n://` for `s3://`;
 * metadata keeps the text as they wrote it.
 */
export function storeLocation(location: string): string {
  if (location.startsWith('/')) return `file://${location}`
  if (/^file:\/(?!\/)/.test(location)) return `file://${location.slice('file:'.length)}`
  return location.replace(/^s3[an]:\/\//, 's3://')
}

/** The bytes of an object that metadata names. */
export async function readObject(store: ObjectStore, path: string): Promise<Uint8Array> {
  const result = await store.get(storeLocation(path))
  if (result.kind === 'ok') return result.bytes
  if (result.kind === 'missing') throw new DamagedObjectError(path, 'is named by table metadata and does not exist')
  throw failureError(path, 'reading', result)
}

const CREATE_ATTEMPTS_MAX = 3

/**
 * Creates an object whose name nobody else uses (it carries a UUID), so that it can be sent again where the answer was lost, and that
 * it exists with these very bytes is a success.
 */
export async function createObject(store: ObjectStore, path: string, bytes: Uint8Array): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const result = await store.put(storeLocation(path), bytes, { kind: 'create' })
    if (result.kind === 'ok') return
    if (result.kind !== 'unknown' && result.kind !== 'conflict') throw failureError(path, 'writing', result)
    const standing = await compareStored(store, path, bytes)
    if (standing.kind === 'same') return
    if (standing.kind === 'other') throw failureError(path, 'writing', { kind: 'conflict' })
    if (attempt < CREATE_ATTEMPTS_MAX) continue
    throw new TryAgainError(`${path}: writing failed ${CREATE_ATTEMPTS_MAX} times; run again`, {
      cause: 'cause' in result ? result.cause : undefined,
    })
  }
}

/** What is known to stand at a path, held against the bytes that were sent there. */
export type Standing =
  | { readonly kind: 'same' | 'other' | 'missing' }
  | { readonly kind: 'unreadable'; readonly failure: Failure }

export async function compareStored(store: ObjectStore, path: string, bytes: Uint8Array): Promise<Standing> {
  const stored = await store.get(storeLocation(path))
  if (stored.kind === 'missing') return { kind: 'missing' }
  if (stored.kind !== 'ok') return { kind: 'unreadable', failure: stored }
  return { kind: Buffer.compare(stored.bytes, bytes) === 0 ? 'same' : 'other' }
}

/** The error for a call that failed. */
export function failureError(path: string, doing: string, failure: Failure): Error {
  switch (failure.kind) {
    case 'denied':
      return new InputError(`${path}: ${doing} was denied; grant the right and run again`, { cause: failure.cause })
    case 'missing':
      return new InputError(`${path}: ${doing} failed, there is no such object or container`)
    case 'throttled':
    case 'unknown':
      return new TryAgainError(`${path}: ${doing} failed (${failure.kind}); run again`, { cause: failure.cause })
    case 'corrupt':
      return new DamagedObjectError(path, 'what came has the wrong length or checksum', { cause: failure.cause })
    case 'conflict':
      return new Error(`${path}: exists with other content, although its name is to be unique`)
  }
}
