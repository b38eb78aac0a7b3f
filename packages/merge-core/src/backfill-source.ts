// What a backfill brings in, described once: where its rows lie, of which version they are, and whether the table may take them.

import { createHash } from 'node:crypto'
import { unfinishedBackfill } from './backfill-progress.ts'
import { foldersOf, isParquetFile } from './baseline/parquet-rows.ts'
import type { SplitTask } from './baseline/split-baseline.ts'
import { isBelowWatermark } from './change/fold.ts'
import { InputError } from './errors.ts'
import { type ExportManifest, readManifest } from './export/manifest.ts'
import { failureError, withoutSlash } from './store/stored-object.ts'
import type { Table } from './table.ts'
import type { TableState } from './table-state.ts'

export type BackfillSource =
  | {
      readonly kind: 'export'
      /** Of the export: `s3://bucket/AWSDynamoDB/01693685827463-2d8752fd`. */
      readonly prefix: string
      /** Label of the stream that was live at the export's time; null where there was none. */
      readonly stream: string | null
      /** Repairs a gap in the stream: what the table holds of before the export, and the export does not, goes. */
      readonly authoritative: boolean
    }
  | {
      readonly kind: 'parquet'
      /** Of the files, in any number of folders: `s3://bucket/old-orders/`. */
      readonly prefix: string
      /** The column whose greatest value says which of several rows of a key is taken; null: a key that stands twice is refused. */
      readonly latestBy: string | null
      /** Columns to leave out. */
      readonly without: readonly string[]
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
  return source.kind === 'export'
    ? describeExport(table, state, source, runBytes)
    : describeParquet(table, state, source, runBytes)
}

type Kind<K extends BackfillSource['kind']> = Extract<BackfillSource, { kind: K }>

async function describeExport(
  { environment }: Table,
  state: TableState,
  source: Kind<'export'>,
  runBytes: number,
): Promise<Baseline> {
  const { definition } = state
  const manifest = await readManifest(environment.store, source.prefix)
  checkManifest(manifest, source, state)
  const { location, kind, timeMs, files } = manifest
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
    files: files.map((file) => ({ source: { kind, file }, definition, runBytes, orderedByKey: false })),
  }
}

/** Duplicates of a key may lie in any partition, so that rows are brought in by key where partitions do not come from it. */
async function describeParquet(
  { environment: { store } }: Table,
  { definition }: TableState,
  { prefix: given, latestBy, without }: Kind<'parquet'>,
  runBytes: number,
): Promise<Baseline> {
  const prefix = `${withoutSlash(given)}/`
  const listed = await store.list(prefix)
  if (listed.kind !== 'ok') throw failureError(prefix, 'listing', listed)
  const objects = listed.objects.filter(({ path }) => isParquetFile(prefix, path))
  if (objects.length === 0) throw new InputError(`${prefix}: no file there ends with .parquet; correct the prefix`)
  const orderedByKey = !definition.partitionedByKey
  const files = objects.map(({ path, etag }) => ({ path, etag, folders: foldersOf(prefix, path), latestBy, without }))
  return {
    name: prefix,
    id: idOf([definition.text, files]),
    version: new TextEncoder().encode('\0'),
    isRanked: latestBy !== null,
    duplicates:
      latestBy === null
        ? `say with --latest-by which column tells the later one`
        : `their ${latestBy} is the same; take out one of them`,
    at: null,
    overrulesBefore: null,
    files: files.map((file) => ({ source: { kind: 'parquet', file }, definition, runBytes, orderedByKey })),
  }
}

/** Below every record of the stream, above all older streams, later exports above earlier ones. */
function encodeExportVersion(stream: string, timeMs: number): Uint8Array {
  return new TextEncoder().encode(`${stream}\0${`00${String(timeMs).padStart(13, '0')}`}`)
}

const STREAM_LABEL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/

function checkManifest(
  { location, table, source, kind, timeMs }: ExportManifest,
  { stream, authoritative }: Kind<'export'>,
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
