// A data file of an export to sorted runs: read as a stream, a stretch of lines at a time, however large it is.

import { InputError } from '../errors.ts'
import type { ExportFile, ExportManifest } from '../export/manifest.ts'
import { checkItems, exportBlocks } from '../export/read-export.ts'
import type { ObjectPart, ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { type BaselineRows, baselineBytes } from './baseline-rows.ts'
import { readExportLines } from './export-lines.ts'
import { type Run, writeRun } from './runs.ts'

/** Plain data. */
export interface SplitExportTask {
  readonly kind: ExportManifest['kind']
  readonly file: ExportFile
  readonly definition: TableDefinition
  /** Rows wait in memory until they take so much, then they become a run. */
  readonly runBytes: number
}

export interface SplitFile {
  readonly runs: readonly Run[]
  readonly rows: number
  /** How many values did not fit, by `attribute:tag`. */
  readonly misfits: ReadonlyMap<string, number>
}

/**
 * @throws DamagedObjectError where the bytes are not those that the manifest says; InputError where a line is none of an export of the
 *   table, or the file is missing
 */
export async function splitExportFile(
  store: ObjectReader,
  task: SplitExportTask,
  createFile: (parts: readonly ObjectPart[]) => Promise<string>,
): Promise<SplitFile> {
  const { file, kind, definition } = task
  const runs: Run[] = []
  const misfits = new Map<string, number>()
  let waiting: BaselineRows[] = []
  let waitingBytes = 0
  let rows = 0
  async function writeWaiting(): Promise<void> {
    if (waitingBytes === 0) return
    runs.push(await writeRun(definition, waiting, waitingBytes, false, createFile))
    waiting = []
    waitingBytes = 0
  }
  for await (const { text, firstLine } of exportBlocks(store, file)) {
    const read = readExportLines(text, kind, definition)
    if ('message' in read) {
      throw new InputError(
        `${file.path} line ${firstLine + read.line - 1}: ${read.message}; is it an export of table ${definition.table} as its definition has it?`,
      )
    }
    rows += read.rows.count
    for (const [misfit, count] of read.misfits) misfits.set(misfit, (misfits.get(misfit) ?? 0) + count)
    if (read.rows.count === 0) continue
    waiting.push(read.rows)
    waitingBytes += baselineBytes(read.rows)
    if (waitingBytes >= task.runBytes) await writeWaiting()
  }
  await writeWaiting()
  checkItems(file, rows)
  return { runs, rows, misfits }
}
