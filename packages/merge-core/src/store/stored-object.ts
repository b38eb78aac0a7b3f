// Whole objects read and written, with outcomes turned into the errors that an operator acts on.

import { DamagedObjectError, InputError, TryAgainError } from '../errors.ts'
import type { ByteStream, Failure, ObjectPart, ObjectStore, PutResult } from './object-store.ts'
import { bytesOf } from './s3/part-plan.ts'

/**
 * A location in a store's terms. Other engines write `file:/x` and `/x` for `file:///x`, and `s3a://` or `s3n://` for `s3://`;
 * metadata keeps the text as they wrote it.
 */
export function storeLocation(location: string): string {
  if (location.startsWith('/')) return `file://${location}`
  if (/^file:\/(?!\/)/.test(location)) return `file://${location.slice('file:'.length)}`
  return location.replace(/^s3[an]:\/\//, 's3://')
}

/** A folder's location in a store's terms, without slashes at its end. */
export function withoutSlash(location: string): string {
  return storeLocation(location.replace(/\/+$/, ''))
}

/** The bytes of an object that the table names. */
export async function readObject(store: ObjectStore, path: string): Promise<Uint8Array> {
  const result = await store.get(storeLocation(path))
  if (result.kind !== 'ok') throw failureError(path, 'reading', result)
  return result.bytes
}

const CREATE_ATTEMPTS_MAX = 3
const THROTTLED_ATTEMPTS_MAX = 8

/**
 * Creates an object whose name nobody else uses (it carries a UUID), so that it can be sent again where nobody knows whether it acted, or
 * where a conflict was told and nothing stands there. That it exists is a success if it has this content (see compareStored).
 */
export async function createObject(
  store: ObjectStore,
  path: string,
  content: Uint8Array | readonly ObjectPart[] | ByteStream,
): Promise<void> {
  if (Symbol.asyncIterator in content) return createFromStream(store, path, content)
  for (let attempt = 1; ; attempt++) {
    const result = await createWhenTaken(store, path, content)
    if (result.kind === 'ok') return
    if (result.kind === 'missing') throw failureError(await missingSource(store, content), 'copying', result)
    if (result.kind !== 'unknown' && result.kind !== 'conflict') throw failureError(path, 'writing', result)
    const standing = await compareStored(store, path, content)
    if (standing.kind === 'same') return
    if (standing.kind === 'other') {
      throw new Error(`${path}: exists with other content, although its name is to be unique`)
    }
    if (attempt < CREATE_ATTEMPTS_MAX) continue
    throw new TryAgainError(`${path}: writing failed ${CREATE_ATTEMPTS_MAX} times; run again`, {
      cause: 'cause' in result ? result.cause : undefined,
    })
  }
}

/** Where the store takes none, the pieces are held until they can all be sent. */
async function createFromStream(store: ObjectStore, path: string, stream: ByteStream): Promise<void> {
  const result = (await store.createFrom?.(storeLocation(path), stream)) ?? null
  if (result?.kind === 'ok') return
  if (result !== null) throw failureError(path, 'writing', result)
  const parts: ObjectPart[] = []
  for await (const piece of stream) parts.push({ kind: 'bytes', bytes: new Uint8Array(piece) })
  return createObject(store, path, parts)
}

/** Of a create nothing can be missing but what it copies from. */
async function missingSource(store: ObjectStore, content: Uint8Array | readonly ObjectPart[]): Promise<string> {
  const copies = content instanceof Uint8Array ? [] : content.filter((part) => part.kind === 'copy')
  const sources = [...new Set(copies.map(({ from }) => from))]
  for (const source of sources) {
    const { kind } = await store.get(source, { range: { suffix: 1 } })
    if (kind === 'missing') return source
  }
  return sources.join(', ')
}

/** Creates an object whose name says what it holds: one that stands is the same, whoever made it and however it is compressed. */
export async function createByContent(
  store: ObjectStore,
  path: string,
  content: Uint8Array,
): Promise<'created' | 'standing'> {
  for (let attempt = 1; ; attempt++) {
    const result = await createWhenTaken(store, path, content)
    if (result.kind === 'ok') return 'created'
    if (result.kind !== 'unknown' && result.kind !== 'conflict') throw failureError(path, 'writing', result)
    const { kind } = await store.get(storeLocation(path), { range: { suffix: 1 } })
    if (kind === 'ok') return 'standing'
    if (attempt === CREATE_ATTEMPTS_MAX) throw failureError(path, 'writing', result)
  }
}

/** Creates once: what was throttled was not done, and a store that throttles answers when it is time to ask again. */
export async function createWhenTaken(
  store: ObjectStore,
  path: string,
  content: Uint8Array | readonly ObjectPart[],
): Promise<PutResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await store.put(storeLocation(path), content, { kind: 'create' })
    if (result.kind !== 'throttled' || attempt === THROTTLED_ATTEMPTS_MAX) return result
  }
}

/** What is known to stand at a path, held against the bytes that were sent there. */
export type Standing =
  | { readonly kind: 'same' | 'other' | 'missing' }
  | { readonly kind: 'unreadable'; readonly failure: Failure }

/** Of content that is made of parts the length and the last part, which in a Parquet file says where all the rest lies, and its bounds. */
export async function compareStored(
  store: ObjectStore,
  path: string,
  content: Uint8Array | readonly ObjectPart[],
): Promise<Standing> {
  const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
  const last = parts.at(-1)
  const end = last?.kind === 'bytes' ? last.bytes : new Uint8Array(0)
  const stored = await store.get(storeLocation(path), { range: { suffix: end.length } })
  if (stored.kind === 'missing') return { kind: 'missing' }
  if (stored.kind !== 'ok') return { kind: 'unreadable', failure: stored }
  const bytes = parts.reduce((sum, part) => sum + bytesOf(part), 0)
  const isSame = stored.objectBytes === bytes && Buffer.compare(stored.bytes, end) === 0
  return { kind: isSame ? 'same' : 'other' }
}

/** The error for a call that had to succeed. `doing`: reading, writing, listing … */
export function failureError(path: string, doing: string, failure: Failure): Error {
  const options = 'cause' in failure ? { cause: failure.cause } : {}
  const said = 'cause' in failure ? ` (${failure.cause.message})` : ''
  switch (failure.kind) {
    case 'denied':
      return new InputError(`${path}: ${doing} was denied${said}; grant the right and run again`, options)
    case 'missing':
      return new DamagedObjectError(path, 'is named by the table and does not exist; restore it or roll back')
    case 'throttled':
    case 'unknown':
      return new TryAgainError(`${path}: ${doing} failed, ${failure.kind}${said}; run again`, options)
    case 'corrupt':
      return new DamagedObjectError(path, `${doing}: what came has the wrong length or checksum${said}`, options)
    case 'conflict':
      return new TryAgainError(`${path}: ${doing} failed, another writer changed it meanwhile; run again`)
  }
}
