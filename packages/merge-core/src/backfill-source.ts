// What a backfill brings in, described once: where its rows lie, of which version they are, and whether the table may take them.

import { createHash } from 'node:crypto'
import { unfinishedBackfill } from './backfill-progress.ts'
import { isBelowWatermark } from './change/fold.ts'
import { InputError } from './errors.ts'
import { type ExportManifest, readManifest } from './export/manifest.ts'
import type { Table } from './table.ts'
import type { TableState } from './table-state.ts'
import type { SplitTask } from './threads/workers.ts'

export type BackfillSource = {
  readonly kind: 'export'
  /** Of the export: `s3://bucket/AWSDynamoDB/01693685827463-2d8752fd`. */
  readonly prefix: string
  /** Label of the stream that was live at the export's time; null where there was none. */
  readonly stream: string | null
  /** Repairs a gap in the stream: what the table holds of before the export, and the export does not, goes. */
  readonly authoritative: boolean
}

export interface Baseline {
  /** What messages call it. */
  readonly name: string
  /** The same for the same source, brought in the same way. */
  readonly id: string
  /** Of all its rows (version.ts). */
  readonly version: Uint8Array
  /** Whether rows have ranks, by which one of each key is taken. */
  readonly isRanked: boolean
  /** What to do where a key stands twice. */
  readonly duplicates: string
  /** Epoch seconds; null: before everything. */
  readonly at: number | null
  /** Epoch seconds: what the table holds of before goes. */
  readonly overrulesBefore: number | null
  /** What it says it holds; null where it does not say. */
  readonly items: number | null
  readonly files: readonly SplitTask[]
}

/**
 * @param runBytes what rows take in memory until they are written
 * @throws InputError where there is nothing that the table could start from
 */
export async function describeBaseline(
  table: Table,
  state: TableState,
  source: BackfillSource,
  runBytes: number,
): Promise<Baseline> {
  const { definition } = state
  const manifest = await readManifest(table.environment.store, source.prefix)
  checkManifest(manifest, source, state)
  const { location, kind, timeMs, files, items } = manifest
  const stream = source.stream ?? new Date(timeMs).toISOString().slice(0, -1)
  const version = encodeExportVersion(stream, timeMs)
  return {
    name: location,
    id: idOf([definition.text, files, Buffer.from(version).toString(), source.authoritative]),
    version,
    isRanked: false,
    duplicates: `no export holds a key twice; copy ${location} again, or make a new one`,
    at: timeMs / 1000,
    overrulesBefore: source.authoritative ? Math.floor(timeMs / 1000) : null,
    items,
    files: files.map((file) => ({ kind, file, definition, runBytes })),
  }
}

/** Below every record of the stream, above all older streams, later exports above earlier ones. */
function encodeExportVersion(stream: string, timeMs: number): Uint8Array {
  return new TextEncoder().encode(`${stream}\0${`00${String(timeMs).padStart(13, '0')}`}`)
}

const STREAM_LABEL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/

function checkManifest(
  { location, table, source, kind, timeMs }: ExportManifest,
  { stream, authoritative }: BackfillSource,
  { definition }: TableState,
): void {
  if (table !== definition.table || source !== definition.source) {
    throw new InputError(
      `${location}: an export of table ${table} of ${source}, the definition is of table ${definition.table} of ${definition.source}`,
    )
  }
  if (authoritative && kind === 'incremental') {
    throw new InputError(
      `${location}: an incremental export does not hold all items, so it cannot be authoritative; make a full one`,
    )
  }
  if (stream === null) return
  if (!STREAM_LABEL.test(stream)) {
    throw new InputError(
      `the stream's label is ${JSON.stringify(stream)}, not of the form 2026-11-22T08:00:00.000; DescribeTable tells it as LatestStreamLabel`,
    )
  }
  if (Date.parse(`${stream}Z`) > timeMs) {
    throw new InputError(
      `${location}: is of ${new Date(timeMs).toISOString()}, before stream ${stream} was enabled; enable the stream first and export then, or give the stream that was live at that time`,
    )
  }
}

function idOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

/**
 * Whether the table, as it is now, can take the baseline in: asked before each commit, as others change what the table has forgotten.
 * @throws InputError where it cannot
 */
export function checkAdmission({ name, id, at, overrulesBefore }: Baseline, state: TableState): void {
  const { location, floor, watermark, loaded } = state
  const unfinished = unfinishedBackfill(loaded.metadata)
  if (unfinished !== null && unfinished.id !== id) {
    throw new InputError(
      `${location}: the backfill of ${unfinished.name} is not finished; run that one again first, as it was run, or roll back to before it`,
    )
  }
  // The floor that an authoritative export has set does not bar the export itself.
  const isBelowFloor = floor !== null && (at === null || (overrulesBefore === null ? at <= floor : at < floor))
  if (isBelowFloor) {
    throw new InputError(
      `${name}: ${timeText(at)}, and the table stands on an authoritative export of ${timeText(floor)}; use a later export`,
    )
  }
  if (watermark !== null && (at === null || isBelowWatermark(at, watermark))) {
    throw new InputError(
      `${name}: ${timeText(at)}, and removals up to ${timeText(watermark)} are forgotten: removed items would come back; use a later export`,
    )
  }
}

function timeText(seconds: number | null): string {
  return seconds === null ? 'is of before everything' : new Date(seconds * 1000).toISOString()
}
