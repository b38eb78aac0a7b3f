// Which snapshots stay. Age counts from the moment in which a snapshot was superseded, not from its making: the one that readers found
// until an hour ago is an hour old, however long it stood.

import { currentSnapshot, type Snapshot, snapshotById, type TableMetadata } from '../iceberg/metadata.ts'
import { STATE_LISTS } from '../table-state.ts'

/** What was named less than a day ago may still be read by a query; what was written less than a day ago may still be committed. */
export const GRACE_MS = 24 * 3600 * 1000

export interface Retention {
  readonly nowMs: number
  readonly keepMs: number
  /** Of each branch so many of its youngest snapshots stay, however old. At least 1. */
  readonly keepCount: number
}

/** When each snapshot was superseded, in epoch milliseconds; null where a branch or tag names it. */
export function supersededTimes(metadata: TableMetadata): Map<bigint, number | null> {
  const snapshots = metadata.snapshots ?? []
  const times = new Map<bigint, number | null>()
  const later = (id: bigint, ms: number) => times.set(id, Math.max(ms, times.get(id) ?? 0))
  for (const snapshot of snapshots) later(snapshot['snapshot-id'], snapshot['timestamp-ms'])
  for (const child of snapshots) {
    const parent = child['parent-snapshot-id']
    if (parent !== undefined) later(parent, child['timestamp-ms'])
  }
  // Main may have come back to a snapshot, and left it again.
  const log = metadata['snapshot-log'] ?? []
  for (let i = 1; i < log.length; i++) later(log[i - 1]!['snapshot-id'], log[i]!['timestamp-ms'])
  for (const head of headsOf(metadata)) times.set(head, null)
  return times
}

/** The snapshots that branches and tags name, each once. */
function headsOf(metadata: TableMetadata): Set<bigint> {
  const heads = new Set(Object.values(metadata.refs ?? {}).map((ref) => ref['snapshot-id']))
  const main = currentSnapshot(metadata)
  if (main !== null) heads.add(main['snapshot-id'])
  return heads
}

/** The snapshots that nothing keeps, oldest first. */
export function snapshotsToExpire(metadata: TableMetadata, { nowMs, keepMs, keepCount }: Retention): Snapshot[] {
  const superseded = supersededTimes(metadata)
  const isYoung = ({ 'snapshot-id': id }: Snapshot) => (superseded.get(id) ?? Infinity) > nowMs - keepMs
  const snapshots = metadata.snapshots ?? []
  const kept = [
    ...snapshots.filter(isYoung),
    ...branchHeads(metadata).flatMap((id) => youngest(metadata, id, keepCount)),
  ]
  const stays = new Set(withStateOwners(metadata, kept))
  return snapshots.filter((snapshot) => !stays.has(snapshot))
}

/** Those that were superseded less than the grace ago, or not at all. */
export function snapshotsInUse(metadata: TableMetadata, nowMs: number): Snapshot[] {
  const superseded = supersededTimes(metadata)
  const inUse = (metadata.snapshots ?? []).filter(
    ({ 'snapshot-id': id }) => (superseded.get(id) ?? Infinity) > nowMs - GRACE_MS,
  )
  return withStateOwners(metadata, inUse)
}

function branchHeads(metadata: TableMetadata): bigint[] {
  const branches = Object.values(metadata.refs ?? {}).filter(({ type }) => type === 'branch')
  const main = currentSnapshot(metadata)
  return [...branches.map((ref) => ref['snapshot-id']), ...(main === null ? [] : [main['snapshot-id']])]
}

function youngest(metadata: TableMetadata, head: bigint, count: number): Snapshot[] {
  return [...ancestors(metadata, head).take(count)]
}

/** The snapshot and its retained ancestors, child before parent. */
export function* ancestors(metadata: TableMetadata, id: bigint): Generator<Snapshot, void> {
  const seen = new Set<bigint>()
  for (let next: bigint | undefined = id; next !== undefined && !seen.has(next); ) {
    const snapshot: Snapshot | null = snapshotById(metadata, next)
    if (snapshot === null) return
    seen.add(next)
    yield snapshot
    next = snapshot['parent-snapshot-id']
  }
}

/** The nearest ancestor that says which protected state belongs to it; other engines' snapshots take over their parent's. */
export function stateOwner(metadata: TableMetadata, { 'snapshot-id': id }: Snapshot): Snapshot | null {
  return ancestors(metadata, id).find(({ summary }) => summary[STATE_LISTS] !== undefined) ?? null
}

function withStateOwners(metadata: TableMetadata, snapshots: readonly Snapshot[]): Snapshot[] {
  const owners = snapshots.flatMap((snapshot) => stateOwner(metadata, snapshot) ?? [])
  return [...new Set([...snapshots, ...owners])]
}
