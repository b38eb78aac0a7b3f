// The first and last key of each row group, which a footer's statistics cannot tell for keys of two parts.
//
// They stand in the footer's key-value metadata; a file that has them is one of ours: its rows ascend by key.

import type { FileMetaData, KeyValue } from './footer.ts'

/** Order-preserving bytes of the first and the last key of a row group. */
export interface KeyRange {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

/** A JSON list of [first key, last key], base64, one pair a row group in the footer's order. */
const KEY_RANGES = 'lastwrite.key-ranges'

export function keyRangesEntry(ranges: readonly KeyRange[]): KeyValue {
  const pairs = ranges.map(({ first, last }) => [base64(first), base64(last)])
  return { key: KEY_RANGES, value: JSON.stringify(pairs) }
}

/** One a row group, in the footer's order; null where the file is not one of ours: nothing is known of its order then. */
export function keyRangesOf({
  createdBy,
  keyValueMetadata,
  rowGroups,
}: Pick<FileMetaData, 'createdBy' | 'keyValueMetadata' | 'rowGroups'>): KeyRange[] | null {
  if (!createdBy?.startsWith('lastwrite ')) return null
  const text = keyValueMetadata?.find((entry) => entry.key === KEY_RANGES)?.value
  if (text === undefined) return null
  const pairs = pairsIn(text)
  if (pairs?.length !== rowGroups.length) return null
  return pairs.map(([first, last]) => ({ first: Buffer.from(first, 'base64'), last: Buffer.from(last, 'base64') }))
}

function pairsIn(text: string): [string, string][] | null {
  try {
    return JSON.parse(text) as [string, string][]
  } catch {
    // Not what we write: the file is read as another engine's.
    return null
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
