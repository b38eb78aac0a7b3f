// What the history costs: files that only older snapshots hold. Told from the snapshots' summaries, so that a merge can say it without
// a look at the store. Leftovers that nothing names are not in it: only listing finds those, as `clean` does.

import { currentSnapshot, type Snapshot, type TableMetadata } from '../iceberg/metadata.ts'
import { ancestors } from './retention.ts'

export interface SupersededStorage {
  /** Data files and delete files. */
  readonly files: number
  readonly bytes: number
  /** When the first of them was superseded, in epoch milliseconds; null where there are none. */
  readonly sinceMs: number | null
}

export function supersededStorage(metadata: TableMetadata): SupersededStorage {
  const main = currentSnapshot(metadata)
  const chain = new Set(main === null ? [] : ancestors(metadata, main['snapshot-id']))
  const all = metadata.snapshots ?? []
  const held = [
    // What a snapshot of main removed, the one before it holds, if that is still there.
    ...all.filter((each) => chain.has(each) && hasParent(metadata, each)).map((each) => removedBy(each)),
    ...all.filter((each) => !chain.has(each)).map((each) => addedBy(each)),
  ].filter(({ files }) => files > 0)
  return {
    files: held.reduce((sum, { files }) => sum + files, 0),
    bytes: held.reduce((sum, { bytes }) => sum + bytes, 0),
    sinceMs: held.length === 0 ? null : Math.min(...held.map(({ atMs }) => atMs)),
  }
}

function hasParent(metadata: TableMetadata, { 'parent-snapshot-id': parent }: Snapshot): boolean {
  return (metadata.snapshots ?? []).some((snapshot) => snapshot['snapshot-id'] === parent)
}

function removedBy({ summary, 'timestamp-ms': atMs }: Snapshot) {
  const files = countIn(summary, 'deleted-data-files') + countIn(summary, 'removed-delete-files')
  return { files, bytes: countIn(summary, 'removed-files-size'), atMs }
}

/** Of a branch, or of what a rollback left. */
function addedBy({ summary, 'timestamp-ms': atMs }: Snapshot) {
  const files = countIn(summary, 'added-data-files') + countIn(summary, 'added-delete-files')
  return { files, bytes: countIn(summary, 'added-files-size'), atMs }
}

function countIn(summary: Readonly<Record<string, string>>, name: string): number {
  const count = Number(summary[name] ?? 0)
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}
