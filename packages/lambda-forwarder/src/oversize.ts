// Items that are too large for a line: each an object of its own, which the line names with its length and SHA-256.
//
// The object's name holds the hash, so it is created once and never overwritten: who finds it there finds the same bytes. A merge
// checks them against the line.

import { createHash } from 'node:crypto'
import type { Change } from '@lastwrite/merge-core/change-lines'
import type { s3Store } from '@lastwrite/merge-core/store/s3'

export type StoreItem = (change: Change) => Promise<StoredItem>

export type StoredItem =
  | { readonly kind: 'ok'; readonly itemAt: NonNullable<Change['itemAt']> }
  | { readonly kind: 'failed'; readonly reason: string }

export interface OversizeLocation {
  readonly bucket: string
  /** Empty, or with a slash at its end. */
  readonly prefix: string
}

/** Names are by the day of the change, in UTC: `<prefix>2026/11/22/<sequence number>-<SHA-256>.json`. */
export function itemStore(
  store: Pick<ReturnType<typeof s3Store>, 'put'>,
  { bucket, prefix }: OversizeLocation,
): StoreItem {
  return async ({ item, at, sequence }) => {
    const content = Buffer.from(JSON.stringify(item))
    const sha256 = createHash('sha256').update(content).digest('hex')
    const day = new Date(at * 1000).toISOString().slice(0, 10).replaceAll('-', '/')
    const key = `${prefix}${day}/${sequence}-${sha256}.json`
    const put = await store.put(`s3://${bucket}/${key}`, content, { kind: 'create' })
    if (put.kind === 'ok' || put.kind === 'conflict')
      return { kind: 'ok', itemAt: { bucket, key, sha256, bytes: content.length } }
    return { kind: 'failed', reason: `its item could not be stored in s3://${bucket}/${prefix}: ${put.kind}` }
  }
}
