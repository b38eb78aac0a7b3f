// A data file opened for merging: its footer, and the first and last key of each row group where it is one of ours.

import { storeLocation } from '../iceberg/stored-object.ts'
import type { Footer } from '../parquet/read-footer.ts'
import { type ByteSource, readFooter } from '../parquet/read-footer.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { storeSource } from '../store/byte-source.ts'
import type { StoredFile } from './locate.ts'

/** Order-preserving bytes of the first and the last key of a row group. */
export interface KeyRange {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

export interface OpenFile {
  readonly stored: StoredFile
  readonly source: ByteSource & { readonly etag: string }
  readonly footer: Footer
  /** One a row group, in the footer's order; null where the file is not one of ours: nothing is known of its order then. */
  readonly keyRanges: readonly KeyRange[] | null
}

/** Name of the footer's key-value entry: a JSON list of [first key, last key], base64, one pair a row group. */
const KEY_RANGES = 'lastwrite.key-ranges'

export async function openFile(store: ObjectStore, stored: StoredFile): Promise<OpenFile> {
  const source = await storeSource(store, storeLocation(stored.file.path))
  const footer = await readFooter(source)
  return { stored, source, footer, keyRanges: keyRangesOf(footer) }
}

export function keyRangesEntry(ranges: readonly KeyRange[]): { key: string; value: string } {
  const pairs = ranges.map(({ first, last }) => [base64(first), base64(last)])
  return { key: KEY_RANGES, value: JSON.stringify(pairs) }
}

function keyRangesOf(footer: Footer): KeyRange[] | null {
  if (!footer.createdBy?.startsWith('lastwrite ')) return null
  const text = footer.keyValueMetadata.find((entry) => entry.key === KEY_RANGES)?.value
  if (text === undefined) return null
  const pairs = JSON.parse(text) as [string, string][]
  if (pairs.length !== footer.rowGroups.length) return null
  return pairs.map(([first, last]) => ({ first: Buffer.from(first, 'base64'), last: Buffer.from(last, 'base64') }))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
