// From the lines of a batch of landing objects to changes, those that can still win.

import { compareAt, compareBytes } from './change/byte-strings.ts'
import { canonicalItem } from './change/dynamodb-json.ts'
import {
  type Fold,
  type FoldedChanges,
  type FoldLimits,
  fold,
  groupByKey,
  isBelowWatermark,
  type KeyGroups,
  QUARANTINED,
} from './change/fold.ts'
import { concatLines, type Lines } from './change/lines.ts'
import { PUT, type QuarantineReason } from './change/scanned-lines.ts'
import type { StandingTombstones } from './change/tombstone.ts'
import { equalRows } from './columns/equal-rows.ts'
import type { ChangeHeads } from './files/incoming.ts'
import { type LandedObject, readTextAgain } from './landing/read-landing.ts'
import type { ObjectReader } from './store/object-store.ts'
import type { TableDefinition } from './table-definition.ts'
import { changeHeads } from './typed-changes.ts'

/** A batch's lines in key order, which nothing of the table's state but its definition changes. */
export interface GroupedBatch {
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
  readonly heads: ChangeHeads
  /** Lines that could be read and have no effect after all. */
  readonly quarantined: readonly LateQuarantine[]
}

export async function groupBatch(
  store: ObjectReader,
  definition: TableDefinition,
  landing: readonly LandedObject[],
): Promise<GroupedBatch> {
  const lines = concatLines(landing.map((object) => object.lines))
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
function tiedLines({ versions, operation, objects, object, row }: Lines, { order, starts }: KeyGroups): number[] {
  const tied: number[] = []
  const sameRow = (a: number, b: number) => {
    const [one, other] = [objects[object[a]!]!, objects[object[b]!]!]
    return equalRows(one.columns, one.item[row[a]!]!, other.columns, other.item[row[b]!]!)
  }
  for (let group = 0; group + 1 < starts.length; group++) {
    const end = starts[group + 1]!
    for (let from = starts[group]!, to = from + 1; from < end; from = to, to = from + 1) {
      while (to < end && compareAt(versions, order[to]!, versions, order[from]!) === 0) to++
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
      const heads = changeHeads(lines, groups, folded.changes, standing)
      return { fold: folded, heads, quarantined }
    }
    quarantined.push(...late)
    for (const { line } of late) without[line] = QUARANTINED
  }
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
