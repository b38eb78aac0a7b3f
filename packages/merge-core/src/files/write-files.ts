// Writes the data files of one partition: row groups come in key order, kept ones as copies, changed ones as columns.

import { encodeKeys } from '../change/key-order.ts'
import type { Column } from '../columns/column.ts'
import { columnBytes } from '../columns/column-bytes.ts'
import { sliceRows } from '../columns/gather.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { invariant } from '../invariant.ts'
import { assembleFile, type KeptRowGroup } from '../parquet/assemble-file.ts'
import { type KeyRange, keyRangesEntry } from '../parquet/key-ranges.ts'
import { type ChunkSource, type EncodedRowGroup, encodeRowGroup } from '../parquet/write-row-group.ts'
import { isSameLayout } from '../parquet/write-schema.ts'
import { dataFileOf } from './data-file.ts'
import type { MergeContext } from './merge-context.ts'
import { keptRowGroup, type OpenFile } from './open-file.ts'
import { isFull, splitRows } from './size-files.ts'

/** A row group is cut before its columns take more memory than this; its encoded form is a fraction of it. */
const ROW_GROUP_COLUMN_BYTES_MAX = 64 * 1024 * 1024
/** Of S3. Files are the same in every store. */
const COPY_BYTES_MIN = 5 * 1024 * 1024

/** What was copied and what was encoded. */
export interface WriteCounts {
  rowGroupsCopied: number
  rowGroupsEncoded: number
  /** Column chunks of encoded row groups, of which some are copied; of an encoded one some pages may be. */
  chunksCopied: number
  chunksEncoded: number
  /** Of the encoded pages, compressed. */
  bytesEncoded: number
}

export function nothingCounted(): WriteCounts {
  return { rowGroupsCopied: 0, rowGroupsEncoded: 0, chunksCopied: 0, chunksEncoded: 0, bytesEncoded: 0 }
}

export class FileWriter {
  readonly added: DataFile[] = []
  readonly counts = nothingCounted()
  readonly #context: MergeContext
  readonly #partition: readonly PartitionValue[]
  #rowsToCome = 0
  #groups: (EncodedRowGroup | KeptRowGroup)[] = []
  #keyRanges: KeyRange[] = []
  #bytes = 0
  #rows = 0

  constructor(context: MergeContext, partition: readonly PartitionValue[]) {
    this.#context = context
    this.#partition = partition
  }

  /** Begins a stretch of rows that become files of their own. */
  startSequence(rows: number): void {
    this.#rowsToCome = rows
  }

  /** Whether row groups of the file can be copied: its schema is laid out as the table's is by now. */
  canKeep(file: OpenFile): boolean {
    return isSameLayout(file.footer.schema, this.#context.fields)
  }

  /** A row group copied as it stands. */
  async keep(file: OpenFile, group: number): Promise<void> {
    const rowGroup = file.footer.rowGroups[group]!
    const bytes = rowGroup.columns.reduce((sum, chunk) => sum + chunk.metaData!.totalCompressedSize, 0)
    this.counts.rowGroupsCopied++
    await this.#add(await keptRowGroup(file, group), file.keyRanges![group]!, rowGroup.numRows, bytes)
  }

  /** Rows in key order, split into row groups of about the target size. */
  async encode(columns: readonly Column[]): Promise<void> {
    const rows = columns[0]!.rows
    let start = 0
    const bytes = columns.reduce((sum, column) => sum + columnBytes(column), 0)
    for (const part of this.#rowGroupsOf(rows, bytes)) {
      const group = part === rows ? columns : columns.map((column) => sliceRows(column, start, start + part))
      await this.#encodeGroup(group, part, this.#keyRange(group, part))
      start += part
    }
  }

  /** Whether rows whose columns take so many bytes in memory make one row group. */
  isOneGroup(rows: number, bytes: number): boolean {
    return this.#rowGroupsOf(rows, bytes).length === 1
  }

  /** A row group of columns, and of chunks and pages of a stored one: one row group (isOneGroup). */
  async encodeRewritten(columns: Iterable<ChunkSource>, rows: number, keys: KeyRange): Promise<void> {
    await this.#encodeGroup(columns, rows, keys)
  }

  async endSequence(): Promise<void> {
    if (this.#groups.length > 0) await this.#writeFile()
    invariant(this.#rowsToCome === 0, 'every row of a sequence is in one of its files')
  }

  #rowGroupsOf(rows: number, bytes: number): number[] {
    const rowsMax = Math.floor(ROW_GROUP_COLUMN_BYTES_MAX / (bytes / rows))
    return splitRows(rows, Math.max(1, Math.min(this.#context.rowGroupRows, rowsMax)))
  }

  async #encodeGroup(columns: Iterable<ChunkSource>, rows: number, keys: KeyRange): Promise<void> {
    const { fields, keyColumns } = this.#context
    const encoded = encodeRowGroup(fields, columns, { codec: 'zstd', level: 1, keyColumns })
    invariant(encoded.rowGroup.numRows === rows, `${encoded.rowGroup.numRows} rows are encoded, not ${rows}`)
    this.counts.rowGroupsEncoded++
    for (const bytes of encoded.encodedBytes) {
      if (bytes === null) this.counts.chunksCopied++
      else this.counts.chunksEncoded++
      this.counts.bytesEncoded += bytes ?? 0
    }
    await this.#add(encoded, keys, rows, encoded.bytes.length)
  }

  #keyRange(columns: readonly Column[], rows: number): KeyRange {
    const { fields, keyColumns } = this.#context
    const types = fields.slice(0, keyColumns).map((field) => field.type)
    const keyOf = (row: number) =>
      encodeKeys(
        columns.slice(0, keyColumns).map((column) => sliceRows(column, row, row + 1)),
        types,
      ).bytes
    return { first: keyOf(0), last: keyOf(rows - 1) }
  }

  async #add(group: EncodedRowGroup | KeptRowGroup, range: KeyRange, rows: number, bytes: number): Promise<void> {
    this.#groups.push(group)
    this.#keyRanges.push(range)
    this.#bytes += bytes
    this.#rows += rows
    this.#rowsToCome -= rows
    if (isFull(this.#bytes, this.#rows, this.#rowsToCome, this.#context.fileBytes)) await this.#writeFile()
  }

  async #writeFile(): Promise<void> {
    const { fields } = this.#context
    const file = assembleFile(fields, this.#groups, {
      keyColumns: 0,
      copyBytesMin: COPY_BYTES_MIN,
      keyValueMetadata: [keyRangesEntry(this.#keyRanges)],
    })
    const path = await this.#context.createFile(file.parts)
    this.added.push(dataFileOf(this.#context, this.#partition, { ...file, path, records: file.rows }))
    this.#groups = []
    this.#keyRanges = []
    this.#bytes = 0
    this.#rows = 0
  }
}
