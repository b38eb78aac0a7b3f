// Folds lines into changes: per (partition, key) what can still win, whatever order the lines came in.
//
//   1. Per key, the highest removal or move is found, in these lines or among the standing tombstones. Puts below it lose in every
//      partition: an item that was removed, or moved on, does not come back because an older put arrives late.
//   2. What is left goes to its partition: a put to that of its new image, a removal to that of its old image, and a move clears its
//      old partition too. Every old partition that a line names is cleared, also where the line itself lost.
//   3. Per (partition, key) the highest version stays.
//
// A line below the floor, or an excluded one (its item turned out unreadable, its data file is damaged), takes no part.
// Nothing here looks into an item: only the winners' are parsed, afterwards.

import { type ByteStrings, takeStrings } from './byte-strings.ts'
import { compareVersion, compareVersions, type Lines, takeVersions, tupleText } from './lines.ts'
import { groupByBytes, type OrderedGroups } from './order-keys.ts'
import { EXPIRE, PUT, REMOVE } from './scanned-lines.ts'
import { EXPIRED, MOVED, NO_TOMBSTONE, REMOVED, type StandingTombstones, type Tombstones } from './tombstone.ts'

/** Lines in ascending order of (key, version); group g, all lines of distinct key g, is order[starts[g] … starts[g + 1]). */
export type KeyGroups = OrderedGroups

/** What became of a line. OPEN: its change can still win, the merge of its partition decides. */
export const OPEN = 0
/** A removal that a later one of its key outdoes: its row, in another partition, may still have to go; else it is superseded. */
export const OPEN_OUTDONE = 7
export const APPLIED = 1
export const SUPERSEDED = 2
export const STALE = 3
export const QUARANTINED = 4
export const TTL_KEPT = 5
export const DEFERRED = 6

/**
 * An item's row is removed from the partition named, and no tombstone is left: the item may live on in another one. A move makes one; a
 * line that is one names a row, by its partition as `oldPartition`, that an authoritative export does not hold.
 */
export const CLEAR = 3

/**
 * Changes sorted by (partition, key), each (partition, key) once. `operation`: PUT, REMOVE, CLEAR (the old partition of a move) or
 * EXPIRE (mark the row as expired). A put or removal may carry an expiry as well, which holds for whichever row is left.
 */
export interface FoldedChanges {
  readonly count: number
  readonly operation: Uint8Array
  /** The group of the key's lines. */
  readonly key: Uint32Array
  /** Index into Lines.partitions, never −1. */
  readonly partition: Uint32Array
  /** The line that it comes from. */
  readonly line: Uint32Array
  /** Index of the line whose expiry applies, EXPIRY_STANDS for that of the standing tombstone, NO_EXPIRY. */
  readonly expiry: Int32Array
}

export const NO_EXPIRY = -1
export const EXPIRY_STANDS = -2

export interface Fold {
  readonly changes: FoldedChanges
  readonly lineClass: Uint8Array
  /** Lines that raise the tombstone of their key, at most one removal or move and one expiry a key; in key order. */
  readonly tombstoneLines: Uint32Array
  /** Lines that say something else than the one of equal key and version that is taken. */
  readonly conflicts: number
}

export interface FoldLimits {
  /** Epoch seconds; lines before it are stale. */
  readonly floor: number | null
  /** Epoch seconds; a removal at or below it leaves no tombstone. */
  readonly watermark: number | null
  readonly partitionedByKey: boolean
}

/** A put for an absent key, and a removal, count as below the watermark up to an hour above it: `at` is rounded (semantics, section 5). */
const WATERMARK_SLACK_S = 3600

/** Whether a change of this time may be one whose tombstone was purged. */
export function isBelowWatermark(at: number, watermark: number | null): boolean {
  return watermark !== null && at <= watermark + WATERMARK_SLACK_S
}

/** By operation: where two lines of one version differ, a removal wins over one by TTL, and that over a put. */
const TIE_RANK: Readonly<Record<number, number>> = { [PUT]: 0, [EXPIRE]: 1, [REMOVE]: 2, [CLEAR]: 3 }

export function groupByKey(lines: Lines): KeyGroups {
  return groupByBytes(lines.keys, (a, b) => compareVersions(lines, a, b) || a - b)
}

/** The distinct keys, ascending: key g is that of group g. */
export function distinctKeys(lines: Lines, { order, starts }: KeyGroups): ByteStrings {
  return takeStrings(
    lines.keys,
    starts.subarray(0, -1).map((start) => order[start]!),
  )
}

/**
 * @param excluded of each line 0, or the class of one that takes no part (QUARANTINED, DEFERRED)
 * @param compareItems orders the items of two puts that have the same key and version: 0 where they are the same item
 */
export function fold(
  lines: Lines,
  groups: KeyGroups,
  standing: StandingTombstones,
  limits: FoldLimits,
  excluded: Uint8Array,
  compareItems: (lineA: number, lineB: number) => number,
): Fold {
  const lineClass = new Uint8Array(lines.count)
  // A put that moves makes two changes: itself and the clearing of its old partition.
  const changes = new ChangeList(limits.partitionedByKey ? lines.count : 2 * lines.count)
  const tombstoneLines: number[] = []
  let conflicts = 0
  /** Partitions of the key at hand that a stale line would have gone to. */
  let staleIn: number[] = []

  const groupCount = groups.starts.length - 1
  for (let group = 0; group < groupCount; group++) {
    const members = membersOf(group)
    if (members.length > 0) foldKey(group, members)
  }
  return {
    changes: changes.byPartition(lines.partitions.length),
    lineClass,
    tombstoneLines: Uint32Array.from(tombstoneLines),
    conflicts,
  }

  /** The lines of a key that take part, versions ascending, each version once. */
  function membersOf(group: number): number[] {
    const members: number[] = []
    // Lines of the last member's version that say what it says.
    let alike = 0
    for (let i = groups.starts[group]!; i < groups.starts[group + 1]!; i++) {
      const line = groups.order[i]!
      if (excluded[line] !== 0) {
        lineClass[line] = excluded[line]!
        continue
      }
      if (limits.floor !== null && lines.at[line]! < limits.floor) {
        lineClass[line] = STALE
        continue
      }
      const last = members[members.length - 1]
      if (last === undefined || compareVersions(lines, last, line) !== 0) {
        members.push(line)
        alike = 1
        continue
      }
      const order = compareTied(line, last)
      if (order === 0) alike++
      else conflicts += order > 0 ? alike : 1
      if (order > 0) alike = 1
      const wins = order > 0 || (order === 0 && isToldBetter(line, last))
      lineClass[wins ? last : line] = SUPERSEDED
      if (wins) members[members.length - 1] = line
    }
    return members
  }

  /** Orders two lines of one key and version: 0 where they say the same. A removal is above a put, then the greater bytes. */
  function compareTied(a: number, b: number): number {
    const order = TIE_RANK[lines.operation[a]!]! - TIE_RANK[lines.operation[b]!]!
    if (order !== 0) return order
    const items = lines.operation[a] === PUT ? compareItems(a, b) : 0
    return items || compareTuples(lines.partitions, lines.oldPartition[a]!, lines.oldPartition[b]!)
  }

  /** Which of two lines that say the same is taken must not depend on their order. */
  function isToldBetter(line: number, other: number): boolean {
    const later = lines.at[line]! - lines.at[other]!
    return later > 0 || (later === 0 && lines.accepted[line]! > lines.accepted[other]!)
  }

  function foldKey(group: number, members: readonly number[]): void {
    const removal = lastOf(members, leavesTombstone)
    const expiry = lastOf(members, isExpiry)
    const raisesRemoval = removal !== null && compareVersion(lines, removal, standing.removalVersions, group) > 0
    const raisesExpiry = expiry !== null && compareVersion(lines, expiry, standing.expiredVersions, group) > 0
    if (raisesRemoval) tombstoneLines.push(removal)
    if (raisesExpiry) tombstoneLines.push(expiry)
    const expiryOfKey = raisesExpiry ? expiry : hasVersion(standing.expiredVersions, group) ? EXPIRY_STANDS : NO_EXPIRY

    changes.startKey(group)
    staleIn = []
    // Highest version first: the first change of a (partition, key) is the one that stays.
    for (let i = members.length - 1; i >= 0; i--) {
      const line = members[i]!
      const operation = lines.operation[line]!
      if (operation === EXPIRE) lineClass[line] = line === expiry ? (raisesExpiry ? TTL_KEPT : STALE) : SUPERSEDED
      else if (operation === CLEAR) lineClass[line] = foldClearing(line)
      else if (operation === REMOVE) lineClass[line] = foldRemoval(group, line, removal, expiryOfKey)
      else lineClass[line] = foldPut(group, line, removal, expiryOfKey)
    }
    if (raisesExpiry && changes.keyIsEmpty()) changes.add(EXPIRE, lines.partition[expiry]!, expiry, expiry)
  }

  function foldClearing(line: number): number {
    return changes.add(CLEAR, lines.oldPartition[line]!, line, NO_EXPIRY) ? OPEN : SUPERSEDED
  }

  function foldRemoval(group: number, line: number, removal: number | null, expiry: number): number {
    const partition = limits.partitionedByKey ? lines.partition[line]! : lines.oldPartition[line]!
    // Where partitions come from the key, a standing tombstone proves that the one partition was cleared up to its version.
    if (limits.partitionedByKey && compareVersion(lines, line, standing.removalVersions, group) <= 0)
      return classBelowTombstone(partition)
    if (!changes.add(REMOVE, partition, line, expiry)) return SUPERSEDED
    return removal === null || compareVersions(lines, line, removal) >= 0 ? OPEN : OPEN_OUTDONE
  }

  function foldPut(group: number, line: number, removal: number | null, expiry: number): number {
    const partition = lines.partition[line]!
    const oldPartition = lines.oldPartition[line]!
    let lineClass = OPEN
    if (removal !== null && compareVersions(lines, line, removal) < 0) lineClass = SUPERSEDED
    else if (isBelowTombstone(group, line)) lineClass = classBelowTombstone(partition)
    else if (!changes.add(PUT, partition, line, expiry)) lineClass = SUPERSEDED
    if (oldPartition >= 0 && oldPartition !== partition) changes.add(CLEAR, oldPartition, line, NO_EXPIRY)
    return lineClass
  }

  /** The key's tombstone holds as much or more; but a line that a higher one of its partition beat has lost already, whatever became of that. */
  function classBelowTombstone(partition: number): number {
    if (changes.has(partition) || staleIn.includes(partition)) return SUPERSEDED
    staleIn.push(partition)
    return STALE
  }

  function isBelowTombstone(group: number, line: number): boolean {
    const kind = standing.removalKind[group]!
    if (kind === NO_TOMBSTONE) return false
    const order = compareVersion(lines, line, standing.removalVersions, group)
    return kind === REMOVED ? order <= 0 : order < 0
  }

  function isExpiry(line: number): boolean {
    return lines.operation[line] === EXPIRE
  }

  function leavesTombstone(line: number): boolean {
    if (lines.operation[line] === REMOVE) return !isBelowWatermark(lines.at[line]!, limits.watermark)
    return lines.operation[line] === PUT && isMove(lines, line)
  }
}

/** The tombstones that a fold's lines leave, in key order. `without` says of which lines' keys none is to be left. */
export function tombstonesOf(
  lines: Lines,
  tombstoneLines: Uint32Array,
  without: (line: number) => boolean,
): Tombstones {
  const kept = tombstoneLines.filter((line) => !without(line))
  const kind = new Uint8Array(kept.length)
  const at = new Float64Array(kept.length)
  for (const [i, line] of kept.entries()) {
    kind[i] = lines.operation[line] === PUT ? MOVED : lines.operation[line] === REMOVE ? REMOVED : EXPIRED
    at[i] = lines.at[line]!
  }
  return {
    count: kept.length,
    keys: takeStrings(lines.keys, kept),
    kind,
    versions: takeVersions(lines, kept),
    at,
  }
}

function isMove(lines: Lines, line: number): boolean {
  return lines.oldPartition[line]! >= 0 && lines.oldPartition[line] !== lines.partition[line]
}

/** Orders tuples by their text, as their numbers are those of their coming; none (−1) is below all. */
function compareTuples(partitions: Lines['partitions'], a: number, b: number): number {
  if (a === b) return 0
  if (a < 0 || b < 0) return a - b
  return tupleText(partitions[a]!) < tupleText(partitions[b]!) ? -1 : 1
}

function lastOf(lines: readonly number[], wanted: (line: number) => boolean): number | null {
  for (let i = lines.length - 1; i >= 0; i--) if (wanted(lines[i]!)) return lines[i]!
  return null
}

function hasVersion(versions: ByteStrings, index: number): boolean {
  return versions.starts[index + 1]! > versions.starts[index]!
}

/** Changes as they come, key after key; each partition of a key is taken once. */
class ChangeList {
  #count = 0
  #keyStart = 0
  #group = 0
  #operation: Uint8Array
  #key: Uint32Array
  #partition: Uint32Array
  #line: Uint32Array
  #expiry: Int32Array

  constructor(changesMax: number) {
    this.#operation = new Uint8Array(changesMax)
    this.#key = new Uint32Array(changesMax)
    this.#partition = new Uint32Array(changesMax)
    this.#line = new Uint32Array(changesMax)
    this.#expiry = new Int32Array(changesMax)
  }

  startKey(group: number): void {
    this.#group = group
    this.#keyStart = this.#count
  }

  keyIsEmpty(): boolean {
    return this.#count === this.#keyStart
  }

  /** Whether the key has a change in this partition. */
  has(partition: number): boolean {
    for (let i = this.#keyStart; i < this.#count; i++) if (this.#partition[i] === partition) return true
    return false
  }

  /** False where the key has a change in this partition already. */
  add(operation: number, partition: number, line: number, expiry: number): boolean {
    if (this.has(partition)) return false
    const at = this.#count++
    this.#operation[at] = operation
    this.#key[at] = this.#group
    this.#partition[at] = partition
    this.#line[at] = line
    this.#expiry[at] = expiry
    return true
  }

  /** The changes in order of (partition, key). */
  byPartition(partitions: number): FoldedChanges {
    const next = new Uint32Array(partitions + 1)
    for (let i = 0; i < this.#count; i++) next[this.#partition[i]! + 1]!++
    for (let partition = 0; partition < partitions; partition++) next[partition + 1]! += next[partition]!
    const count = this.#count
    const sorted = {
      count,
      operation: new Uint8Array(count),
      key: new Uint32Array(count),
      partition: new Uint32Array(count),
      line: new Uint32Array(count),
      expiry: new Int32Array(count),
    }
    for (let i = 0; i < count; i++) {
      const at = next[this.#partition[i]!]!++
      sorted.operation[at] = this.#operation[i]!
      sorted.key[at] = this.#key[i]!
      sorted.partition[at] = this.#partition[i]!
      sorted.line[at] = this.#line[i]!
      sorted.expiry[at] = this.#expiry[i]!
    }
    return sorted
  }
}
