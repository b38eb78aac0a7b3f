// One version of a stored object, read in ranges.
//
// The first read brings the object's end (where Parquet keeps its footer), its size and its tag; every later read names that tag, so
// that all ranges come from the same bytes.

import { DamagedObjectError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Failure, ObjectReader } from './object-store.ts'
import { failureError } from './stored-object.ts'

export interface ByteSource {
  readonly path: string
  readonly etag: string
  /** Of the whole object. */
  readonly bytes: number
  /** Bytes [start, end), which must lie inside the object; in `into` where the store can put them there. Do not change them: they may be shared. */
  read(start: number, end: number, into?: Uint8Array): Promise<Uint8Array>
}

export interface SourceOptions {
  /** How much of the object's end is brought at once. Default 64 KiB. */
  readonly tailBytes?: number
  /** The version to read, where it is known: any other is a failure. */
  readonly etag?: string
  /** The error for a failed read. Default: failureError. */
  readonly errorOf?: (path: string, failure: Failure) => Error
}

const TAIL_BYTES = 64 * 1024

/**
 * @throws TryAgainError where the object changed since the first read, or the store does not answer; DamagedObjectError where it is
 *   gone or shorter than it was; InputError where it may not be read
 */
export async function storeSource(store: ObjectReader, path: string, options: SourceOptions = {}): Promise<ByteSource> {
  const { tailBytes = TAIL_BYTES, errorOf = (at, failure) => failureError(at, 'reading', failure) } = options
  const pinned = options.etag === undefined ? {} : { etag: options.etag }
  const tail = await store.get(path, { range: { suffix: tailBytes }, ...pinned })
  if (tail.kind !== 'ok') throw errorOf(path, tail)
  const { etag, objectBytes: bytes } = tail
  const tailStart = bytes - tail.bytes.length
  return {
    path,
    etag,
    bytes,
    async read(start, end, into) {
      invariant(0 <= start && start <= end && end <= bytes, `bytes ${start} to ${end} of ${path}, which has ${bytes}`)
      if (start === end) return new Uint8Array(0)
      if (start >= tailStart) return tail.bytes.subarray(start - tailStart, end - tailStart)
      const result = await store.get(path, { range: { start, end }, etag, ...(into !== undefined && { into }) })
      if (result.kind !== 'ok') throw errorOf(path, result)
      if (result.bytes.length === end - start) return result.bytes
      throw new DamagedObjectError(path, `${result.bytes.length} bytes came where ${end - start} were asked for`)
    },
  }
}

/** Bytes at hand, read like a stored object. */
export function bytesSource(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    etag: '',
    bytes: bytes.length,
    async read(start, end) {
      invariant(0 <= start && start <= end && end <= bytes.length, `bytes ${start} to ${end} of ${path}`)
      return bytes.subarray(start, end)
    },
  }
}
