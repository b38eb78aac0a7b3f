// An object store as the rest of the library sees it: whole objects and ranges by absolute location, with outcomes as values.
//
// Objects are created, never overwritten; the two exceptions are named modes. Every location is absolute and carries its scheme
// (`file:///lake/orders/…`, `memory://…`, `s3://bucket/key`); what follows the scheme is taken as it stands, without URL decoding.

import type { Traffic } from './traffic.ts'

/** The only words for what became of a call. Expected outcomes are values; only a defect throws. */
export type Failure =
  /** A condition did not hold: the object exists, or its tag is another one. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'denied'; readonly cause: Error }
  | { readonly kind: 'throttled'; readonly cause: Error }
  /** The call may or may not have acted. */
  | { readonly kind: 'unknown'; readonly cause: Error }
  /** Length or checksum of what came is wrong. */
  | { readonly kind: 'corrupt'; readonly cause: Error }

/** Bytes [start, end) or the last `suffix` bytes (the whole object where it is shorter). */
export type ByteRange = { readonly start: number; readonly end: number } | { readonly suffix: number }

export interface GetOptions {
  readonly range?: ByteRange
  readonly etag?: string
  readonly into?: Uint8Array
}

export type GetResult =
  | { readonly kind: 'ok'; readonly bytes: Uint8Array; readonly etag: string; readonly objectBytes: number }
  | Failure

/** A new object is a row of parts: bytes at hand, or a stretch of an object that stands, copied inside the store. */
export type ObjectPart =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'copy'
      readonly from: string
      readonly etag: string
      readonly start: number
      readonly end: number
    }

/**
 * An object's bytes, one piece behind another, made as they are asked for. A piece stays as it is until the second one after it is asked
 * for: while one is written the next may be made.
 */
export type ByteStream = AsyncIterable<Uint8Array>

export type PutMode =
  /** Fails with `conflict` where the object exists. */
  | { readonly kind: 'create' }
  /** Fails with `conflict` where the object's tag is another one, with `missing` where there is none. */
  | { readonly kind: 'replace'; readonly etag: string }
  /** Unconditional. For `version-hint.text` alone. */
  | { readonly kind: 'overwrite' }

export type PutResult = { readonly kind: 'ok'; readonly etag: string; readonly objectBytes: number } | Failure
export type DeleteResult = { readonly kind: 'ok' } | Failure

export interface ListedObject {
  readonly path: string
  readonly etag: string
  readonly objectBytes: number
  readonly modifiedMs: number
}

export interface PutOptions {
  /** Aborted where the caller has let the call go: an object that is sent in parts is given up, and its parts with it. */
  readonly signal?: AbortSignal
}

export interface ListOptions {
  /** Starts with the prefix. */
  readonly after?: string
}

export type ListResult = { readonly kind: 'ok'; readonly objects: ListedObject[] } | Failure

export interface AbandonOptions {
  readonly begunBeforeMs: number
  readonly dryRun: boolean
}

export type AbandonResult = { readonly kind: 'ok'; readonly uploads: number } | Failure

/** Reads, and nothing else. */
export type ObjectReader = Pick<ObjectStore, 'get'>

export interface ObjectStore {
  /** What went through it so far, of a store that counts itself: a call may be several requests. */
  readonly traffic?: Readonly<Traffic>
  /** What the server at a location is called, of a store that anybody's server may stand behind: its conditional writes are to be probed. */
  readonly unproven?: (location: string) => Promise<string | null>
  /**
   * With `etag`, an object that has another tag by now gives `conflict`: ranges of one object are pinned to one version. The bytes are
   * the caller's own, or lie in `into`, which has room for the range, where the store can put them there.
   */
  get(path: string, options?: GetOptions): Promise<GetResult>
  put(
    path: string,
    content: Uint8Array | readonly ObjectPart[],
    mode: PutMode,
    options?: PutOptions,
  ): Promise<PutResult>
  /**
   * Creates an object of a stream, of a store that need not send anything twice; null where the location's store is none, and nothing of
   * the stream was asked for.
   */
  readonly createFrom?: (path: string, stream: ByteStream) => Promise<PutResult | null>
  /**
   * Every object whose location starts with `prefix`, in ascending byte order; with `after`, only those behind that location. Nothing
   * there is an empty list.
   */
  list(prefix: string, options?: ListOptions): Promise<ListResult>
  /** Deleting what is not there is `ok`. */
  delete(path: string): Promise<DeleteResult>
  /** Of a store that holds parts of objects that were never completed: gives up, or only counts, those begun before a time. */
  readonly abandonUploads?: (prefix: string, options: AbandonOptions) => Promise<AbandonResult>
}
