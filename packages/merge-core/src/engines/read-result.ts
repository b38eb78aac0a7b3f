// What an engine wrote, checked before anything names it.
//
//   the result     names this task, and as many outcomes as it has changes
//   its files      have the table's columns by their ids, of their types, keys never null
//   their rows     ascend strictly by key, over all row groups and files in the order of the result
//   their number   is that of the stored rows, with those that came and without those that went
//
// The keys are read for that, nothing else. Bounds and counts for the manifest are those of the footers. No order is claimed for the
// files: the next merge that touches one reads it as another engine's, and writes it in our form.

import { encodeKeys, keyText } from '../change/key-order.ts'
import { DamagedObjectError } from '../errors.ts'
import { dataFileOf } from '../files/data-file.ts'
import { INSERTED, MARKED, REMOVED_ROW, REPLACED } from '../files/incoming.ts'
import { keyFieldsOf, type TableLayout } from '../files/merge-context.ts'
import { type MergeResult, nothingWritten } from '../files/merge-files.ts'
import { nothingCounted } from '../files/write-files.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import { Repetition } from '../parquet/footer.ts'
import { chunkStart } from '../parquet/move-chunk.ts'
import { bindField, type Footer, readFooter } from '../parquet/read-footer.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import { isOfType } from '../parquet/write-schema.ts'
import { type Field, formatPrimitiveType } from '../primitive-type.ts'
import { JsonObject } from '../shards/json-object.ts'
import { readOutcomes } from '../shards/outcomes-file.ts'
import type { TaskTable } from '../shards/task-file.ts'
import { type ByteSource, storeSource } from '../store/byte-source.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { failureError, storeLocation } from '../store/stored-object.ts'
import type { ClusterTask } from './cluster-engine.ts'

/** @throws DamagedObjectError naming the file that is not what the task asked for */
export async function readResult(
  store: ObjectReader,
  table: TaskTable,
  task: ClusterTask,
  folder: string,
): Promise<MergeResult> {
  const path = `${folder}/result.json`
  const read = await store.get(path)
  if (read.kind === 'missing')
    throw new DamagedObjectError(path, 'the engine ended well and wrote no result; run again')
  if (read.kind !== 'ok') throw failureError(path, 'reading', read)
  const result = JsonObject.read(path, read.bytes).objects('results')[0]
  if (result?.text('id') !== task.id) throw new DamagedObjectError(path, 'is the result of another task')
  const outcomes = await readOutcomes(store, result.text('outcomes'), task.changes.operation.length)
  const files = result.objects('added').map((file) => ({ path: file.text('path'), bytes: file.count('bytes') }))
  if (!outcomes.some(changesRows)) {
    if (files.length > 0) throw new DamagedObjectError(path, `names ${files.length} files, although no row changes`)
    return nothingWritten(outcomes)
  }
  return { ...(await readAdded(store, table, task, files, rowsAfter(task, outcomes))), outcomes }
}

function changesRows(outcome: number): boolean {
  return outcome === INSERTED || outcome === REPLACED || outcome === REMOVED_ROW || outcome === MARKED
}

/** As many rows as the files must hold. A bound from above, where the stored files may hold a key twice, or rows that are deleted. */
function rowsAfter(
  { files, isOrdered }: ClusterTask,
  outcomes: Uint8Array,
): { readonly most: number; readonly isExact: boolean } {
  const count = (outcome: number) => outcomes.reduce((sum, each) => sum + (each === outcome ? 1 : 0), 0)
  const stored = files.reduce((sum, { rows }) => sum + rows, 0)
  return { most: stored + count(INSERTED) - count(REMOVED_ROW), isExact: isOrdered }
}

async function readAdded(
  store: ObjectReader,
  { layout }: TaskTable,
  task: ClusterTask,
  files: readonly { readonly path: string; readonly bytes: number }[],
  { most, isExact }: ReturnType<typeof rowsAfter>,
): Promise<Omit<MergeResult, 'outcomes'>> {
  const added: DataFile[] = []
  const counts = nothingCounted()
  let last: Uint8Array | null = null
  let rows = 0
  for (const { path, bytes } of files) {
    const source = await storeSource(store, storeLocation(path))
    const footer = await readFooter(source)
    if (source.bytes !== bytes) throw new DamagedObjectError(path, `${source.bytes} bytes, its result says ${bytes}`)
    checkColumns(footer, layout.fields)
    last = await checkOrder(source, footer, layout, last)
    rows += footer.numRows
    // Spark writes a file without rows where nothing is left.
    if (footer.numRows === 0) continue
    const splitOffsets = footer.rowGroups.map(({ columns }) => Math.min(...columns.map(chunkStart)))
    const file = { path, records: footer.numRows, fileBytes: bytes, splitOffsets, footer }
    added.push(dataFileOf({ fields: layout.fields, sortOrderId: null }, task.partition, file))
    counts.rowGroupsEncoded += footer.rowGroups.length
    counts.chunksEncoded += footer.rowGroups.length * layout.fields.length
    counts.bytesEncoded += chunkBytes(footer)
  }
  if (rows > most || (isExact && rows < most)) {
    const where = files.map(({ path }) => path).join(', ') || task.folder
    throw new DamagedObjectError(where, `${rows} rows were written, the changes leave ${most}`)
  }
  return { removed: task.files.map(({ file }) => file), added, ...counts }
}

/** Every column of the table is there, of its type; no key can be null. */
function checkColumns(footer: Footer, fields: readonly Field[]): void {
  for (const field of fields) {
    const leaf = bindField(footer, field)
    const isKept = leaf !== null && isOfType(leaf.element, field)
    const isRequired = !field.required || leaf?.element.repetitionType === Repetition.REQUIRED
    if (isKept && isRequired) continue
    const wanted = `${formatPrimitiveType(field.type)}${field.required ? ', required' : ''}`
    throw new DamagedObjectError(footer.path, `column "${field.name}" is not what the table has: ${wanted}`)
  }
}

/**
 * Reads the keys of a file, which must ascend from the last one of the file before.
 * @returns the file's last key
 */
async function checkOrder(
  source: ByteSource,
  footer: Footer,
  layout: Pick<TableLayout, 'fields' | 'keyColumns'>,
  lastBefore: Uint8Array | null,
): Promise<Uint8Array | null> {
  const keyFields = keyFieldsOf(layout)
  const types = keyFields.map((field) => field.type)
  let last = lastBefore
  for (let group = 0; group < footer.rowGroups.length; group++) {
    const keys = encodeKeys(await readRowGroup(source, footer, group, keyFields), types)
    for (let row = 0; row + 1 < keys.starts.length; row++) {
      const key = keys.bytes.subarray(keys.starts[row], keys.starts[row + 1])
      if (last !== null && Buffer.compare(last, key) >= 0) {
        throw new DamagedObjectError(
          footer.path,
          `row ${row} of row group ${group}, key ${keyText(key, types)}, does not sort after ${keyText(last, types)} [written by ${footer.createdBy}]`,
        )
      }
      last = key
    }
  }
  return last
}

function chunkBytes({ rowGroups }: Footer): number {
  const chunks = rowGroups.flatMap(({ columns }) => columns)
  return chunks.reduce((sum, { metaData }) => sum + metaData!.totalCompressedSize, 0)
}
