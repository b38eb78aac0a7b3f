// One landing object to typed changes: inflated, scanned, its items parsed, its text dropped.
//
// Every put is parsed, whether it wins or not. So a line whose item is unreadable is out before anything is folded, in whatever order
// and company it came, and has no effect on the lines that it would have beaten.

import type { LandedLines } from '../change/lines.ts'
import { type ParsedItems, parseItems } from '../change/parse-items.ts'
import { PUT, type QuarantinedLine, type QuarantineReason, type ScannedLines } from '../change/scanned-lines.ts'
import { columnBytes } from '../columns/column-bytes.ts'
import { TryAgainError } from '../errors.ts'
import type { ListedObject, ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { type ScannedLanding, type SkippedLanding, scanLanding } from './scan-landing.ts'
import { takeLines } from './task-order.ts'

export interface LandedObject {
  readonly object: ListedObject
  /** As it was read; the tag of a listing may be older. */
  readonly etag: string
  readonly lines: LandedLines
  /** Lines that are not blank: lines.count + quarantined.length + otherTable. */
  readonly linesRead: number
  readonly otherTable: number
  /** In the order of their numbers. */
  readonly quarantined: readonly QuarantinedLine[]
  /** How many values did not fit, by `attribute:tag`. */
  readonly misfits: ReadonlyMap<string, number>
  /** Why the object could not be inflated to its end (its readable lines are above), or null. */
  readonly broken: string | null
}

export async function readLanding(
  store: ObjectReader,
  object: ListedObject,
  definition: TableDefinition,
): Promise<LandedObject | SkippedLanding> {
  const landing = await scanLanding(store, object, definition, { parsesItems: true })
  return 'reason' in landing ? landing : parseLanding(landing, definition)
}

/**
 * The lines of an object that was read before, with their text.
 * @throws TryAgainError where it is not what it was, or does not come
 */
export async function readTextAgain(
  store: ObjectReader,
  { object, etag }: Pick<LandedObject, 'object' | 'etag'>,
  definition: TableDefinition,
): Promise<ScannedLines> {
  const landing = await scanLanding(store, object, definition)
  if ('reason' in landing) throw new TryAgainError(`${landing.reason}, and its text was needed once more; run again`)
  if (landing.etag !== etag) throw new TryAgainError(`${object.path}: was replaced while it was merged; run again`)
  return landing.scanned.lines
}

export function lineText(lines: ScannedLines, row: number): Uint8Array {
  return lines.text.subarray(lines.lineStart[row]!, lines.lineEnd[row]!)
}

function parseLanding(
  { object, etag, scanned, itemsUnavailable }: ScannedLanding,
  definition: TableDefinition,
): LandedObject {
  const { lines, linesRead, otherTable, broken } = scanned
  const puts = putsOf(lines, itemsUnavailable)
  // Items in objects of their own came after the scan had parsed the others.
  const parsed = lines.itemAt.size === 0 ? scanned.items! : parsePuts(lines, puts, definition)
  const bad = [
    ...Array.from(itemsUnavailable, ([row, message]) => badLine(lines, row, 'item-unavailable', message)),
    ...parsed.failed.map(({ row, message }) => badLine(lines, puts[row]!, 'invalid-json', message)),
  ]
  return {
    object,
    etag,
    lines: landedLines(lines, puts, parsed, bad, definition),
    linesRead,
    otherTable,
    quarantined: [...scanned.quarantined.map((each) => ({ ...each, text: each.text.slice() })), ...bad].sort(
      (a, b) => a.line - b.line,
    ),
    misfits: parsed.misfits,
    broken,
  }
}

/** The puts whose item is at hand. */
function putsOf({ count, operation }: ScannedLines, itemsUnavailable: ReadonlyMap<number, string>): Uint32Array {
  const puts = new Uint32Array(count)
  let found = 0
  for (let row = 0; row < count; row++) {
    if (operation[row] === PUT && (itemsUnavailable.size === 0 || !itemsUnavailable.has(row))) puts[found++] = row
  }
  return puts.slice(0, found)
}

function parsePuts(lines: ScannedLines, puts: Uint32Array, definition: TableDefinition): ParsedItems {
  return parseItems(
    {
      count: puts.length,
      texts: [lines.text],
      text: new Uint8Array(puts.length),
      start: puts.map((row) => lines.itemStart[row]!),
      end: puts.map((row) => lines.itemEnd[row]!),
      keys: null,
    },
    definition,
  )
}

function badLine(lines: ScannedLines, row: number, reason: QuarantineReason, message: string): QuarantinedLine {
  return { line: lines.lineNumber[row]!, reason, message, text: lineText(lines, row).slice() }
}

function landedLines(
  lines: ScannedLines,
  puts: Uint32Array,
  parsed: ParsedItems,
  bad: readonly QuarantinedLine[],
  definition: TableDefinition,
): LandedLines {
  const item = new Int32Array(lines.count).fill(-1)
  for (let row = 0; row < puts.length; row++) item[puts[row]!] = row
  const all: LandedLines = {
    count: lines.count,
    lineNumber: lines.lineNumber,
    operation: lines.operation,
    keys: lines.keys,
    versions: lines.versions,
    at: lines.at,
    accepted: lines.accepted,
    partition: lines.partition,
    oldPartition: lines.oldPartition,
    partitions: lines.partitions,
    item,
    columns: parsed.columns.slice(definition.keyColumns),
  }
  if (bad.length === 0) return all
  const isBad = new Set(bad.map(({ line }) => line))
  const rows = Uint32Array.from(lines.lineNumber.keys())
  return takeLines(
    all,
    rows.filter((row) => !isBad.has(lines.lineNumber[row]!)),
  )
}

/** What the lines take in memory. */
export function landedBytes(lines: LandedLines): number {
  const arrays = [
    lines.lineNumber,
    lines.operation,
    lines.at,
    lines.accepted,
    lines.partition,
    lines.oldPartition,
    lines.item,
  ]
  const strings = [lines.keys, lines.versions]
  return (
    arrays.reduce((sum, array) => sum + array.byteLength, 0) +
    strings.reduce((sum, { starts, bytes }) => sum + starts.byteLength + bytes.byteLength, 0) +
    lines.columns.reduce((sum, column) => sum + columnBytes(column), 0)
  )
}
