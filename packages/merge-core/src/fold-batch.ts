// From the scanned lines of a batch of landing objects to typed changes, those that can still win.
//
// A put counts only once its item was parsed: lines whose item is unreadable are taken out and the rest is folded again, so that
// such a line has no effect at all, also none on the lines that it beat.

import { type ByteStrings, compareAt, compareBytes, takeStrings } from './change/byte-strings.ts'
import { canonicalItem } from './change/dynamodb-json.ts'
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
import { concatLines, type Lines } from './change/lines.ts'
import { type ParsedItems, parseItems } from './change/parse-items.ts'
import { PUT, type QuarantineReason } from './change/scanned-lines.ts'
import type { StandingTombstones } from './change/tombstone.ts'
import { versionColumns } from './change/version.ts'
import type { Column } from './columns/column.ts'
import { nullColumn } from './columns/constant.ts'
import { setBit } from './columns/validity.ts'
import type { IncomingChanges } from './files/incoming.ts'
import type { Field } from './primitive-type.ts'
import type { ScannedLanding } from './scan-landing.ts'
import type { TableDefinition } from './table-definition.ts'

/** A batch's lines in key order, which no table state changes. */
export interface GroupedBatch {
  readonly landing: readonly ScannedLanding[]
  readonly lines: Lines
  readonly groups: KeyGroups
}

export interface LateQuarantine {
  readonly line: number
  readonly reason: QuarantineReason
  readonly message: string
}

export interface FoldedBatch {
  readonly fold: Fold
  readonly incoming: IncomingChanges
  /** Lines that the scan let pass and that have no effect after all. */
  readonly quarantined: readonly LateQuarantine[]
  readonly misfits: ReadonlyMap<string, number>
}

export function groupBatch(landing: readonly ScannedLanding[]): GroupedBatch {
  const lines = concatLines(landing.map(({ scanned }) => scanned.lines))
  return { landing, lines, groups: groupByKey(lines) }
}

/**
 * @param excluded of each line 0, or the class (fold.ts) of one that takes no part
 * @param isAbsent whether the table holds no row of a change's key, asked only for puts that may be below the watermark
 */
export async function foldBatch(
  batch: GroupedBatch,
  definition: TableDefinition,
  fields: readonly Field[],
  standing: StandingTombstones,
  limits: FoldLimits,
  excluded: Uint8Array,
  isAbsent: (changes: FoldedChanges, change: number) => Promise<boolean>,
): Promise<FoldedBatch> {
  const { lines, groups } = batch
  const quarantined = new Map<number, LateQuarantine>()
  const without = excluded.slice()
  const quarantine = (line: number, reason: QuarantineReason, message: string) => {
    quarantined.set(line, { line, reason, message })
    without[line] = QUARANTINED
  }
  quarantineUnavailable(batch, quarantine)
  for (;;) {
    const folded = fold(lines, groups, standing, limits, without, (a, b) => compareItems(lines, a, b))
    const before = quarantined.size
    const puts = folded.changes.line.filter((_, change) => folded.changes.operation[change] === PUT)
    const parsed = parsePuts(lines, puts, definition)
    for (const { row, message } of parsed.failed) quarantine(puts[row]!, 'invalid-json', message)
    await quarantineBelowWatermark(lines, folded.changes, limits.watermark, isAbsent, quarantine)
    if (quarantined.size > before) continue
    const incoming = typedChanges(batch, folded.changes, puts, parsed, definition, fields, standing)
    return { fold: folded, incoming, quarantined: [...quarantined.values()], misfits: parsed.misfits }
  }
}

function quarantineUnavailable(
  batch: GroupedBatch,
  quarantine: (line: number, reason: QuarantineReason, message: string) => void,
): void {
  let firstLine = 0
  for (const { scanned, itemsUnavailable } of batch.landing) {
    for (const [row, message] of itemsUnavailable) quarantine(firstLine + row, 'item-unavailable', message)
    firstLine += scanned.lines.count
  }
}

async function quarantineBelowWatermark(
  lines: Lines,
  changes: FoldedChanges,
  watermark: number | null,
  isAbsent: (changes: FoldedChanges, change: number) => Promise<boolean>,
  quarantine: (line: number, reason: QuarantineReason, message: string) => void,
): Promise<void> {
  if (watermark === null) return
  for (let change = 0; change < changes.count; change++) {
    const line = changes.line[change]!
    if (
      changes.operation[change] !== PUT ||
      lines.accepted[line] === 1 ||
      !isBelowWatermark(lines.at[line]!, watermark)
    )
      continue
    if (!(await isAbsent(changes, change))) continue
    quarantine(
      line,
      'below-watermark',
      `a put of an absent key at ${lines.at[line]}, the watermark is ${watermark}: a removal of it may have been forgotten; ` +
        'replay it with --accept-below-watermark if it is to be inserted',
    )
  }
}

/** Orders two items of one key and version by their bytes, and by their canonical bytes where these differ. */
function compareItems(lines: Lines, a: number, b: number): number {
  const itemA = itemOf(lines, a)
  const itemB = itemOf(lines, b)
  if (compareBytes(itemA, 0, itemA.length, itemB, 0, itemB.length) === 0) return 0
  const canonicalA = canonicalItem(itemA)
  const canonicalB = canonicalItem(itemB)
  return compareBytes(canonicalA, 0, canonicalA.length, canonicalB, 0, canonicalB.length)
}

function itemOf(lines: Lines, line: number): Uint8Array {
  const object = lines.objects[lines.object[line]!]!
  const row = lines.row[line]!
  return object.text.subarray(object.itemStart[row]!, object.itemEnd[row]!)
}

function parsePuts(lines: Lines, puts: Uint32Array, definition: TableDefinition): ParsedItems {
  return parseItems(
    {
      count: puts.length,
      texts: lines.objects.map((object) => object.text),
      text: puts.map((line) => lines.object[line]!),
      start: puts.map((line) => lines.objects[lines.object[line]!]!.itemStart[lines.row[line]!]!),
      end: puts.map((line) => lines.objects[lines.object[line]!]!.itemEnd[lines.row[line]!]!),
      keys: takeStrings(lines.keys, puts),
    },
    definition,
  )
}

function typedChanges(
  { lines, groups }: GroupedBatch,
  changes: FoldedChanges,
  puts: Uint32Array,
  parsed: ParsedItems,
  definition: TableDefinition,
  fields: readonly Field[],
  standing: StandingTombstones,
): IncomingChanges {
  const row = new Int32Array(changes.count).fill(-1)
  let rows = 0
  for (let change = 0; change < changes.count; change++) if (changes.operation[change] === PUT) row[change] = rows++
  const expiry = expiries(lines, changes, standing)
  const columns = newRows(lines, puts, parsed, definition, fields)
  const expiredField = fields.findIndex((field) => field.name === '_expired_at' && definition.onTtl === 'keep')
  const incoming = {
    count: changes.count,
    operation: changes.operation,
    keys: takeStrings(groups.keys, changes.key),
    versions: takeStrings(lines.versions, changes.line),
    ...expiry,
    row,
    columns,
  }
  if (expiredField >= 0) columns[expiredField] = expiredColumn(incoming, rows)
  return incoming
}

function expiries(lines: Lines, changes: FoldedChanges, standing: StandingTombstones) {
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
        : [lines.versions, expiry, Math.ceil(lines.at[expiry]!)]
    const version = strings.bytes.subarray(strings.starts[index]!, strings.starts[index + 1]!)
    versions.push(version)
    starts[change + 1]! += version.length
    expiryMicros[change] = epochMicros(at)
  }
  const expiryVersions: ByteStrings = { starts, bytes: Buffer.concat(versions) }
  return { expiryVersions, expiryMicros }
}

/** The rows of the puts, one column a table field: what the items say, and the metadata columns from the lines. */
function newRows(
  lines: Lines,
  puts: Uint32Array,
  parsed: ParsedItems,
  definition: TableDefinition,
  fields: readonly Field[],
): Column[] {
  const { stream, sequence } = versionColumns(takeStrings(lines.versions, puts))
  const updatedAt = BigInt64Array.from(puts, (line) => epochMicros(lines.at[line]!))
  const declared = definition.columns.length
  const byId = new Map<number, Column>(
    parsed.columns.slice(0, declared).map((column, index) => [definition.fields[index]!.id, column]),
  )
  const idOf = (name: string) => definition.fields.findLast((field) => field.name === name)!.id
  byId.set(idOf('_updated_at'), { kind: 'int64', rows: puts.length, validity: null, data: updatedAt })
  byId.set(idOf('_stream'), stream)
  byId.set(idOf('_sequence'), sequence)
  byId.set(idOf('_extra'), parsed.columns[declared]!)
  return fields.map((field) => byId.get(field.id) ?? nullColumn(field.type, puts.length))
}

function expiredColumn(incoming: IncomingChanges, rows: number): Column {
  const data = new BigInt64Array(rows)
  const validity = new Uint8Array((rows + 7) >> 3)
  for (let change = 0; change < incoming.count; change++) {
    const row = incoming.row[change]!
    if (row < 0 || compareAt(incoming.expiryVersions, change, incoming.versions, change) <= 0) continue
    data[row] = incoming.expiryMicros[change]!
    setBit(validity, row)
  }
  return { kind: 'int64', rows, validity, data }
}

function epochMicros(seconds: number): bigint {
  return BigInt(Math.round(seconds * 1e6))
}
