// A file of a baseline to sorted runs, a part at a time, however large it is.

import type { ExportFile, ExportManifest } from '../export/manifest.ts'
import type { ObjectPart, ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { type BaselineRows, baselineBytes } from './baseline-rows.ts'
import { exportRows } from './export-rows.ts'
import { type ParquetFile, readParquetRows } from './parquet-rows.ts'
import { type Run, writeRun } from './runs.ts'

/** Plain data. */
export interface SplitTask {
  readonly definition: TableDefinition
  /** Rows wait in memory until they take so much, then they become a run. */
  readonly runBytes: number
  /** Whether rows are brought in by key alone, all partitions at once. */
  readonly orderedByKey: boolean
  readonly source:
    | { readonly kind: ExportManifest['kind']; readonly file: ExportFile }
    | { readonly kind: 'parquet'; readonly file: ParquetFile }
}

export interface SplitFile {
  readonly runs: readonly Run[]
  readonly rows: number
  /** How many values did not fit, by `attribute:tag`. */
  readonly misfits: ReadonlyMap<string, number>
}

/**
 * @throws DamagedObjectError where the bytes are not those that the manifest says; InputError where the file is missing, or does not hold
 *   rows of the table
 */
export async function splitFile(
  store: ObjectReader,
  task: SplitTask,
  createFile: (parts: readonly ObjectPart[]) => Promise<string>,
): Promise<SplitFile> {
  const { definition, runBytes, orderedByKey } = task
  const runs: Run[] = []
  const misfits = new Map<string, number>()
  let waiting: BaselineRows[] = []
  let waitingBytes = 0
  let rows = 0
  async function writeWaiting(): Promise<void> {
    if (waiting.length === 0) return
    runs.push(await writeRun(definition, waiting, waitingBytes, orderedByKey, createFile))
    waiting = []
    waitingBytes = 0
  }
  for await (const part of partsOf(store, task, misfits)) {
    if (part.count === 0) continue
    rows += part.count
    waiting.push(part)
    waitingBytes += baselineBytes(part)
    if (waitingBytes >= runBytes) await writeWaiting()
  }
  await writeWaiting()
  return { runs, rows, misfits }
}

function partsOf(
  store: ObjectReader,
  { source, definition }: SplitTask,
  misfits: Map<string, number>,
): AsyncIterable<BaselineRows> {
  if (source.kind === 'parquet') return readParquetRows(store, source.file, definition)
  return exportParts(store, source.kind, source.file, definition, misfits)
}

async function* exportParts(
  store: ObjectReader,
  kind: ExportManifest['kind'],
  file: ExportFile,
  definition: TableDefinition,
  misfits: Map<string, number>,
): AsyncGenerator<BaselineRows> {
  for await (const read of exportRows(store, kind, file, definition)) {
    for (const [misfit, count] of read.misfits) misfits.set(misfit, (misfits.get(misfit) ?? 0) + count)
    yield read.rows
  }
}
