// Writes the data files of one partition: row groups come in key order, kept ones as copies, changed ones as columns.

import { encodeKeys } from '../change/key-order.ts'
import type { Column } from '../columns/column.ts'
import { columnBytes } from '../columns/column-bytes.ts'
import { sliceRows } from '../columns/gather.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { invariant } from '../invariant.ts'
import { type AssembledFile, assembleFile, type KeptRowGroup, MAGIC } from '../parquet/assemble-file.ts'
import { freeMemories, type GroupMemory, takeMemories } from '../parquet/group-memory.ts'
import { type KeyRange, keyRangesEntry } from '../parquet/key-ranges.ts'
import { type ChunkSource, type EncodedRowGroup, encodeRowGroup } from '../parquet/write-row-group.ts'
import { isSameLayout } from '../parquet/write-schema.ts'
import type { ByteStream } from '../store/object-store.ts'
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

/** A row group of a file to be, with the bytes that it counts with. */
export interface WrittenRowGroup {
  readonly group: EncodedRowGroup | KeptRowGroup
  readonly keys: KeyRange
  readonly rows: number
  readonly bytes: number
}

export class FileWriter {
  readonly added: DataFile[] = []
  readonly counts = nothingCounted()
  readonly #context: MergeContext
  readonly #partition: readonly PartitionValue[]
  /** Where row groups are encoded in turn; none where they are held until their file is complete. */
  #memories: GroupMemory[] = []
  #rowsToCome = 0

  constructor(context: MergeContext, partition: readonly PartitionValue[]) {
    this.#context = context
    this.#partition = partition
  }

  /**
   * Writes a stretch of rows into files of their own. `groups` are what this writer makes of them, in key order. Where none is kept, each
   * is on its way to the store while the next is made; else in what order they lie shows when all are there.
   */
  async writeSequence(
    rows: number,
    keepsGroups: boolean,
    groups: Generator<WrittenRowGroup> | AsyncGenerator<WrittenRowGroup>,
  ): Promise<void> {
    this.#rowsToCome = rows
    if (!keepsGroups) this.#memories = takeMemories()
    try {
      while (this.#rowsToCome > 0) {
        const ofFile = this.#untilFull(groups)
        await (keepsGroups ? this.#writeParts(ofFile) : this.#writeStream(ofFile))
      }
      invariant((await groups.next()).done === true, 'a sequence has as many rows as were said to come')
    } finally {
      await groups.return(undefined)
      freeMemories(this.#memories)
      this.#memories = []
    }
  }

  /** Whether row groups of the file can be copied: its schema is laid out as the table's is by now. */
  canKeep(file: OpenFile): boolean {
    return isSameLayout(file.footer.schema, this.#context.fields)
  }

  /** A row group copied as it stands. */
  async keep(file: OpenFile, group: number): Promise<WrittenRowGroup> {
    const rowGroup = file.footer.rowGroups[group]!
    const bytes = rowGroup.columns.reduce((sum, chunk) => sum + chunk.metaData!.totalCompressedSize, 0)
    this.counts.rowGroupsCopied++
    return { group: await keptRowGroup(file, group), keys: file.keyRanges![group]!, rows: rowGroup.numRows, bytes }
  }

  /** Rows in key order, split into row groups of about the target size. */
  *encode(columns: readonly Column[]): Generator<WrittenRowGroup> {
    const { rows } = columns[0]!
    if (rows === 0) return
    let start = 0
    const bytes = columns.reduce((sum, column) => sum + columnBytes(column), 0)
    for (const part of this.#rowGroupsOf(rows, bytes)) {
      const group = part === rows ? columns : columns.map((column) => sliceRows(column, start, start + part))
      yield this.encodeGroup(group, part, this.#keyRange(group, part))
      start += part
    }
  }

  /** Whether rows whose columns take so many bytes in memory make one row group. */
  isOneGroup(rows: number, bytes: number): boolean {
    return this.#rowGroupsOf(rows, bytes).length === 1
  }

  /** A row group of columns, and of chunks and pages of a stored one: one row group (isOneGroup). */
  encodeGroup(columns: Iterable<ChunkSource>, rows: number, keys: KeyRange): WrittenRowGroup {
    const { fields, keyColumns } = this.#context
    const memory = this.#memories.shift()
    const lying = memory === undefined ? {} : { memory }
    const group = encodeRowGroup(fields, columns, { codec: 'zstd', level: 1, keyColumns, ...lying })
    if (memory !== undefined) this.#memories.push(memory)
    invariant(group.rowGroup.numRows === rows, `${group.rowGroup.numRows} rows are encoded, not ${rows}`)
    this.counts.rowGroupsEncoded++
    for (const bytes of group.encodedBytes) {
      if (bytes === null) this.counts.chunksCopied++
      else this.counts.chunksEncoded++
      this.counts.bytesEncoded += bytes ?? 0
    }
    return { group, keys, rows, bytes: group.bytes.length }
  }

  #rowGroupsOf(rows: number, bytes: number): number[] {
    const rowsMax = Math.floor(ROW_GROUP_COLUMN_BYTES_MAX / (bytes / rows))
    return splitRows(rows, Math.max(1, Math.min(this.#context.rowGroupRows, rowsMax)))
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

  /** The next row groups, as many as make a file. */
  async *#untilFull(groups: Generator<WrittenRowGroup> | AsyncGenerator<WrittenRowGroup>) {
    let [bytes, rows] = [0, 0]
    do {
      const next: IteratorResult<WrittenRowGroup, unknown> = await groups.next()
      if (next.done) throw new Error(`${this.#rowsToCome} rows of a sequence are in none of its files`)
      bytes += next.value.bytes
      rows += next.value.rows
      this.#rowsToCome -= next.value.rows
      yield next.value
    } while (this.#rowsToCome > 0 && !isFull(bytes, rows, this.#rowsToCome, this.#context.fileBytes))
  }

  async #writeParts(groups: AsyncIterable<WrittenRowGroup>): Promise<void> {
    const file = this.#assemble(await Array.fromAsync(groups))
    this.#add(await this.#context.createFile(file.parts), file)
  }

  async #writeStream(groups: AsyncIterable<WrittenRowGroup>): Promise<void> {
    const written: WrittenRowGroup[] = []
    let file: AssembledFile | null = null
    const assemble = () => this.#assemble(written)
    async function* pieces(): ByteStream {
      yield MAGIC
      for await (const each of groups) {
        written.push(each)
        yield (each.group as EncodedRowGroup).bytes
      }
      file = assemble()
      const [last] = file.parts.slice(written.length + 1)
      invariant(last?.kind === 'bytes', 'encoded row groups lie between the magic and the footer')
      yield last.bytes
    }
    const path = await this.#context.createFile(pieces())
    this.#add(path, file!)
  }

  #assemble(groups: readonly WrittenRowGroup[]): AssembledFile {
    const ofGroups = groups.map(({ group }) => group)
    return assembleFile(this.#context.fields, ofGroups, {
      keyColumns: 0,
      copyBytesMin: COPY_BYTES_MIN,
      keyValueMetadata: [keyRangesEntry(groups.map(({ keys }) => keys))],
    })
  }

  #add(path: string, file: AssembledFile): void {
    this.added.push(dataFileOf(this.#context, this.#partition, { ...file, path, records: file.rows }))
  }
}
