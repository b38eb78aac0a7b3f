// Tombstones: what must be remembered of a key whose row is gone, so that an older put that arrives later does not bring it back.

import type { ByteStrings } from './byte-strings.ts'

export const NO_TOMBSTONE = 0
/** The item was removed: a put of the key at or below this version is stale. */
export const REMOVED = 1
/** The item moved to another partition by the put of this version: a put of the key below it is stale. */
export const MOVED = 2
/** The item was removed by TTL and its row kept (`on_ttl: keep`): a put below this version is marked as expired. */
export const EXPIRED = 3

/** Columns of equal length `count`, sorted by key; a key stands at most twice: once removed or moved, once expired. */
export interface Tombstones {
  readonly count: number
  /** Order-preserving bytes of the key (key-order.ts). */
  readonly keys: ByteStrings
  readonly kind: Uint8Array
  /** Order-preserving bytes of the version (version.ts). */
  readonly versions: ByteStrings
  /** Epoch seconds of the removal. */
  readonly at: Float64Array
}

/** The tombstones that stand for a list of keys: entry i speaks of key i. Kind NO_TOMBSTONE and an empty version where none stands. */
export interface StandingTombstones {
  readonly removalKind: Uint8Array
  readonly removalVersions: ByteStrings
  readonly removalAt: Float64Array
  readonly expiredVersions: ByteStrings
  readonly expiredAt: Float64Array
}
