// From the lines of a batch of landing objects to changes, those that can still win.

import { type ByteStrings, compareBytes, sliceStrings, type TakeMemory } from './change/byte-strings.ts'
import { canonicalItem } from './change/dynamodb-json.ts'
import { epochMicros } from './change/epoch.ts'
import {
  EXPIRY_STANDS,
  type Fold,
  type FoldedChanges,
  type FoldLimits,
  fold,
  groupByKey,
  isBelowWatermark,
  type KeyGroups,
  NO_EXPIRY,
  QUARANTINED,
} from './change/fold.ts'
import { compareVersions, concatLines, type Lines } from './change/lines.ts'
import { PUT, type QuarantineReason } from './change/scanned-lines.ts'
import type { StandingTombstones } from './change/tombstone.ts'
import { equalRows } from './columns/equal-rows.ts'
import { type LandedObject, readTextAgain } from './landing/read-landing.ts'
import type { TaskChanges } from './landing/task-changes.ts'
import type { ObjectReader } from './store/object-store.ts'
import type { TableDefinition } from './table-definition.ts'

/** A batch's lines in key order, which nothing of the table's state but its definition changes. */
export interface GroupedBatch {
  /** Epoch seconds: stored rows from before lose to any change. Only an authoritative export overrules rows. */
  readonly overrulesBefore?: number | null
  /** Of each line 0, or the class of one that takes no part. */
  readonly excluded?: Uint8Array
  /** What the items were read by. */
  readonly definition: TableDefinition
  readonly landing: readonly LandedObject[]
  readonly lines: Lines
  readonly groups: KeyGroups
  /** The canonical items of puts whose key and version another put has, with another row. By line. */
  readonly tiedItems: ReadonlyMap<number, Uint8Array>
}

export interface LateQuarantine {
  readonly line: number
  readonly reason: QuarantineReason
  readonly message: string
}

export interface FoldedBatch {
  readonly fold: Fold
  readonly expiries: Expiries
  /** Lines that could be read and have no effect after all. */
  readonly quarantined: readonly LateQuarantine[]
}

/** Of each change the removal by TTL that holds for its key, as in IncomingChanges. */
interface Expiries {
  readonly expiryVersions: ByteStrings
  readonly expiryMicros: BigInt64Array
}

export async function groupBatch(
  store: ObjectReader,
  definition: TableDefinition,
  read: readonly LandedObject[],
  take?: TakeMemory,
): Promise<GroupedBatch> {
  const lines = concatLines(
    read.map((object) => object.lines),
    take,
  )
  const landing = read.map((object, i) => ({ ...object, lines: lines.objects[i]! }))
  const groups = groupByKey(lines)
  const tied = tiedLines(lines, groups)
  return {
    definition,
    landing,
    lines,
    groups,
    tiedItems: await canonicalItems(store, definition, landing, lines, tied),
  }
}

/** Puts of equal key and version of which two, at least, say something else. None, but for a defect of whoever wrote them. */
function tiedLines(lines: Lines, { order, starts }: KeyGroups): number[] {
  const { operation, objects, object, row } = lines
  const tied: number[] = []
  const sameRow = (a: number, b: number) => {
    const [one, other] = [objects[object[a]!]!, objects[object[b]!]!]
    return equalRows(one.columns, one.item[row[a]!]!, other.columns, other.item[row[b]!]!)
  }
  for (let group = 0; group + 1 < starts.length; group++) {
    const end = starts[group + 1]!
    for (let from = starts[group]!, to = from + 1; from < end; from = to, to = from + 1) {
      while (to < end && compareVersions(lines, order[to]!, order[from]!) === 0) to++
      if (to - from === 1) continue
      const puts = [...order.subarray(from, to)].filter((line) => operation[line] === PUT)
      if (puts.some((line) => !sameRow(line, puts[0]!))) tied.push(...puts)
    }
  }
  return tied
}

async function canonicalItems(
  store: ObjectReader,
  definition: TableDefinition,
  landing: readonly LandedObject[],
  lines: Lines,
  tied: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const items = new Map<number, Uint8Array>()
  for (const [object, ofObject] of Map.groupBy(tied, (line) => lines.object[line]!)) {
    const text = await readTextAgain(store, landing[object]!, definition)
    for (const line of ofObject) {
      const row = text.lineNumber.indexOf(lines.objects[object]!.lineNumber[lines.row[line]!]!)
      items.set(line, canonicalItem(text.text.subarray(text.itemStart[row]!, text.itemEnd[row]!)))
    }
  }
  return items
}

/**
 * @param excluded of each line 0, or the class (fold.ts) of one that takes no part
 * @param isAbsent whether the table holds no row of a change's key, asked only for puts that may be below the watermark
 */
export async function foldBatch(
  batch: GroupedBatch,
  standing: StandingTombstones,
  limits: FoldLimits,
  excluded: Uint8Array,
  isAbsent: (changes: FoldedChanges, change: number) => Promise<boolean>,
): Promise<FoldedBatch> {
  const { lines, groups, tiedItems } = batch
  const quarantined: LateQuarantine[] = []
  const without = excluded.slice()
  for (;;) {
    const folded = fold(lines, groups, standing, limits, without, (a, b) => compareTied(tiedItems, a, b))
    const late = await belowWatermark(lines, folded.changes, limits.watermark, isAbsent)
    if (late.length === 0) {
      return { fold: folded, expiries: expiriesOf(lines, folded.changes, standing), quarantined }
    }
    quarantined.push(...late)
    for (const { line } of late) without[line] = QUARANTINED
  }
}

/** The changes [from, to), for the task that they are of. */
export function taskChanges(
  { lines, definition }: GroupedBatch,
  { fold: { changes }, expiries: { expiryVersions, expiryMicros } }: FoldedBatch,
  from: number,
  to: number,
): TaskChanges {
  const object = new Uint32Array(to - from)
  const row = new Uint32Array(to - from)
  for (let change = from; change < to; change++) {
    const line = changes.line[change]!
    object[change - from] = lines.object[line]!
    row[change - from] = lines.row[line]!
  }
  return {
    objects: lines.objects,
    definition,
    operation: changes.operation.slice(from, to),
    object,
    row,
    expiryVersions: sliceStrings(expiryVersions, from, to),
    expiryMicros: expiryMicros.slice(from, to),
  }
}

function expiriesOf(lines: Lines, changes: FoldedChanges, standing: StandingTombstones): Expiries {
  const versions: Uint8Array[] = []
  const expiryMicros = new BigInt64Array(changes.count)
  const starts = new Uint32Array(changes.count + 1)
  for (let change = 0; change < changes.count; change++) {
    const expiry = changes.expiry[change]!
    starts[change + 1] = starts[change]!
    if (expiry === NO_EXPIRY) continue
    const key = changes.key[change]!
    // In whole seconds, as the entry beside the tombstones keeps it: the mark is the same whether the put or the removal came first.
    const [strings, index, at] =
      expiry === EXPIRY_STANDS
        ? [standing.expiredVersions, key, standing.expiredAt[key]!]
        : [lines.objects[lines.object[expiry]!]!.versions, lines.row[expiry]!, Math.ceil(lines.at[expiry]!)]
    const version = strings.bytes.subarray(strings.starts[index]!, strings.starts[index + 1]!)
    versions.push(version)
    starts[change + 1]! += version.length
    expiryMicros[change] = BigInt(epochMicros(at))
  }
  return { expiryVersions: { starts, bytes: Buffer.concat(versions) }, expiryMicros }
}

/** Orders two puts of one key and version by their canonical bytes; those that were not read again have the same row. */
function compareTied(items: ReadonlyMap<number, Uint8Array>, a: number, b: number): number {
  const one = items.get(a)
  const other = items.get(b)
  return one === undefined || other === undefined ? 0 : compareBytes(one, 0, one.length, other, 0, other.length)
}

async function belowWatermark(
  lines: Lines,
  changes: FoldedChanges,
  watermark: number | null,
  isAbsent: (changes: FoldedChanges, change: number) => Promise<boolean>,
): Promise<LateQuarantine[]> {
  const late: LateQuarantine[] = []
  if (watermark === null) return late
  for (let change = 0; change < changes.count; change++) {
    const line = changes.line[change]!
    if (
      changes.operation[change] !== PUT ||
      lines.accepted[line] === 1 ||
      !isBelowWatermark(lines.at[line]!, watermark)
    )
      continue
    if (!(await isAbsent(changes, change))) continue
    const message =
      `a put of an absent key at ${lines.at[line]}, the watermark is ${watermark}: a removal of it may have been forgotten; ` +
      'replay it with --accept-below-watermark if it is to be inserted'
    late.push({ line, reason: 'below-watermark', message })
  }
  return late
}
