// A data file opened for merging: its footer, and the first and last key of each row group where it is one of ours.

import type { Column } from '../columns/column.ts'
import { constantColumn } from '../columns/constant.ts'
import type { ColumnMemory } from '../columns/memory.ts'
import { DamagedObjectError } from '../errors.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { KeptRowGroup } from '../parquet/assemble-file.ts'
import { type ColumnChunk, decodeColumnIndex, decodeOffsetIndex, type RowGroup } from '../parquet/footer.ts'
import type { GroupMemory } from '../parquet/group-memory.ts'
import { type KeyRange, keyRangesOf } from '../parquet/key-ranges.ts'
import { bindField, blameFor, type Footer, type NameMapping, readFooter } from '../parquet/read-footer.ts'
import {
  cutRange,
  type FileRange,
  planRowGroup,
  type ReadRange,
  type RowGroupTask,
  rangesOf,
  readRanges,
  readRowGroup,
} from '../parquet/read-row-group.ts'
import type { Field } from '../primitive-type.ts'
import { type ByteSource, storeSource } from '../store/byte-source.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { storeLocation } from '../store/stored-object.ts'

/** What must be known of a data file to read it. */
export interface InputFile {
  readonly file: Pick<DataFile, 'path' | 'fileBytes'>
  /** The position-delete files that may apply to it. */
  readonly deletes: readonly Pick<DataFile, 'path'>[]
  /** How columns bind where the file has no field ids. */
  readonly names: NameMapping
  /** By field id: what stands for columns that the file lacks, as its partition is of their value. */
  readonly constants: ReadonlyMap<number, PartitionValue>
}

export interface OpenFile {
  readonly stored: InputFile
  readonly source: ByteSource
  readonly footer: Footer
  /** One a row group, in the footer's order; null where the file is not one of ours: nothing is known of its order then. */
  readonly keyRanges: readonly KeyRange[] | null
  /** The bytes of all page indexes, read when they are asked for first: they lie together, and are small. */
  readonly pageIndexes: () => Promise<readonly ReadRange[]>
}

export async function openFile(store: ObjectReader, stored: InputFile): Promise<OpenFile> {
  const source = await storeSource(store, storeLocation(stored.file.path))
  const footer = await readFooter(source)
  let pageIndexes: Promise<readonly ReadRange[]> | null = null
  return {
    stored,
    source,
    footer,
    keyRanges: keyRangesOf(footer),
    pageIndexes: () =>
      (pageIndexes ??= readRanges(
        source,
        footer.rowGroups.flatMap((group) => indexRanges(footer, group)),
      )),
  }
}

/** A row group with its page indexes, to be copied as it stands. */
export async function keptRowGroup(file: OpenFile, group: number): Promise<KeptRowGroup> {
  const { source, footer } = file
  const indexes = await readPageIndexes(file, group)
  return { path: source.path, etag: source.etag, schema: footer.schema, rowGroup: footer.rowGroups[group]!, ...indexes }
}

/** One a column, in the order of the footer; null where it has none. Throws DamagedObjectError. */
export async function readPageIndexes(
  { source, footer, pageIndexes }: OpenFile,
  group: number,
): Promise<Pick<KeptRowGroup, 'columnIndexes' | 'offsetIndexes'>> {
  const { columns } = footer.rowGroups[group]!
  const read = await pageIndexes()
  const decoded = <T>(range: FileRange | null, decode: (bytes: Uint8Array) => T): T | null =>
    range === null
      ? null
      : blameFor(source.path, `page index of row group ${group}`, () => decode(cutRange(read, range)))
  return {
    columnIndexes: columns.map((chunk) => decoded(columnIndexRange(footer, chunk), decodeColumnIndex)),
    offsetIndexes: columns.map((chunk) => decoded(offsetIndexRange(footer, chunk), decodeOffsetIndex)),
  }
}

function indexRanges(footer: Footer, { columns }: RowGroup): FileRange[] {
  return columns
    .flatMap((chunk) => [columnIndexRange(footer, chunk), offsetIndexRange(footer, chunk)])
    .filter((range) => range !== null)
}

function columnIndexRange(footer: Footer, { columnIndexOffset, columnIndexLength }: ColumnChunk): FileRange | null {
  return rangeOf(footer, columnIndexOffset, columnIndexLength)
}

function offsetIndexRange(footer: Footer, { offsetIndexOffset, offsetIndexLength }: ColumnChunk): FileRange | null {
  return rangeOf(footer, offsetIndexOffset, offsetIndexLength)
}

function rangeOf(footer: Footer, offset: number | undefined, length: number | undefined): FileRange | null {
  if (offset === undefined || length === undefined) return null
  const end = offset + length
  if (offset < 0 || length < 0 || end > footer.footerStart) {
    throw new DamagedObjectError(footer.path, `a page index claims bytes ${offset} to ${end} of ${footer.footerStart}`)
  }
  return { start: offset, end }
}

/** The stored chunks of the fields of a row group, read at once and not decoded; in the memory where the store can. */
export async function readChunks(
  { source, footer, stored }: OpenFile,
  group: number,
  fields: readonly Field[],
  memory: GroupMemory,
): Promise<{ readonly task: RowGroupTask; readonly read: readonly ReadRange[] }> {
  const task = planRowGroup(footer, group, fields, stored.names)
  return { task, read: await readRanges(source, rangesOf(task), memory) }
}

/**
 * The columns of `fields` of a row group, in that order. Files of Hive tables lack the columns that they are partitioned by: they are
 * of the partition's value (Iceberg table spec, "Column Projection").
 *
 * @param memory where the columns are to lie; by default in buffers of their own
 */
export async function readColumns(
  file: OpenFile,
  group: number,
  fields: readonly Field[],
  memory?: ColumnMemory,
): Promise<Column[]> {
  const { source, footer, stored } = file
  const isConstant = (field: Field) =>
    stored.constants.has(field.id) && bindField(footer, { ...field, required: false }, stored.names) === null
  const inFile = fields.filter((field) => !isConstant(field))
  const columns = await readRowGroup(source, footer, group, inFile, stored.names, memory)
  if (inFile.length === fields.length) return columns
  const { numRows } = footer.rowGroups[group]!
  const read = columns.values()
  return fields.map((field) =>
    isConstant(field)
      ? constantColumn(field.type, stored.constants.get(field.id)!, numRows)
      : (read.next().value as Column),
  )
}
