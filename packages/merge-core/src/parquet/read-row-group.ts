// Reads the columns of one row group: which bytes, in few reads, then the pure work on them.

import type { Column } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { type ColumnMemory, inMemory } from '../columns/memory.ts'
import { DamagedObjectError } from '../errors.ts'
import type { Field } from '../primitive-type.ts'
import { decodeColumnChunk } from './decode/column-chunk.ts'
import { checkPage, findPages, type StoredPage } from './decode/pages.ts'
import { type ColumnMetaData, PageType, type RowGroup, type SchemaElement } from './footer.ts'
import type { GroupMemory } from './group-memory.ts'
import {
  type ByteSource,
  bindField,
  blameFor,
  type Footer,
  type Leaf,
  type NameMapping,
  readExactly,
} from './read-footer.ts'

/** Bytes [start, end) of a file. */
export interface FileRange {
  readonly start: number
  readonly end: number
}

/** One field of a row group and where its chunk lies. */
export interface ChunkTask {
  readonly field: Field
  /** Null where the file does not have the field, so that every row is null, and where there are no rows. */
  readonly stored: {
    readonly element: SchemaElement
    readonly codec: number
    readonly range: FileRange
    /** Which of the row group's chunks. */
    readonly column: number
  } | null
}

/** What has to be decoded, as plain data that may be sent to a thread together with the bytes. */
export interface RowGroupTask {
  readonly path: string
  readonly group: number
  readonly rows: number
  readonly chunks: readonly ChunkTask[]
}

/** A stretch of a file at hand. */
export interface ReadRange {
  readonly start: number
  readonly bytes: Uint8Array
}

// A request costs more than reading over a gap of this size.
const GAP_BYTES_MAX = 256 * 1024
// Rows that a row group may claim for each byte it has, beyond a first million: constant columns take almost nothing.
const ROWS_FREE = 2 ** 20
const ROWS_PER_BYTE_MAX = 4096

/**
 * The columns of one row group, one for each field in the order of `fields`, as columns/column.ts gives them. Binds by field id, or by
 * `names` where the file has none; a field that the file lacks is null in every row. They lie in `memory`, or in buffers of their own.
 * Throws DamagedObjectError.
 */
export async function readRowGroup(
  source: ByteSource,
  footer: Footer,
  group: number,
  fields: readonly Field[],
  names?: NameMapping,
  memory?: ColumnMemory,
): Promise<Column[]> {
  const task = planRowGroup(footer, group, fields, names)
  const read = await readRanges(source, rangesOf(task))
  return memory === undefined ? decodeRowGroup(task, read) : inMemory(memory, () => decodeRowGroup(task, read))
}

/** Where the chunks of a task lie. */
export function rangesOf({ chunks }: RowGroupTask): FileRange[] {
  return chunks.flatMap(({ stored }) => (stored === null ? [] : [stored.range]))
}

/** Bytes that cover the ranges, near ones read together, in the memory where the store can; `cutRange` finds a range in them. */
export async function readRanges(
  source: ByteSource,
  ranges: readonly FileRange[],
  memory?: GroupMemory,
): Promise<ReadRange[]> {
  const joined = joinRanges(ranges)
  memory?.reserve(joined.reduce((sum, { start, end }) => sum + end - start, 0))
  let at = 0
  return Promise.all(
    joined.map(async ({ start, end }) => {
      const into = memory?.bytes.subarray(at, at + end - start)
      at += end - start
      return { start, bytes: await readExactly(source, start, end, into) }
    }),
  )
}

/** Binds the fields and finds their chunks. Throws DamagedObjectError. */
export function planRowGroup(
  footer: Footer,
  group: number,
  fields: readonly Field[],
  names?: NameMapping,
): RowGroupTask {
  const rowGroup = footer.rowGroups[group]
  if (rowGroup === undefined) throw new Error(`${footer.path} has no row group ${group}`)
  checkRows(footer.path, group, rowGroup)
  const chunks = fields.map((field) => {
    const leaf = bindField(footer, field, names)
    // An empty group may have no pages to point to.
    const stored = leaf === null || rowGroup.numRows === 0 ? null : locateChunk(footer, group, rowGroup, leaf)
    return { field, stored }
  })
  return { path: footer.path, group, rows: rowGroup.numRows, chunks }
}

function checkRows(path: string, group: number, rowGroup: RowGroup): void {
  if (rowGroup.numRows <= ROWS_FREE) return
  const bytes = rowGroup.columns.reduce((sum, chunk) => sum + Math.max(0, chunk.metaData?.totalCompressedSize ?? 0), 0)
  if (rowGroup.numRows > ROWS_FREE + bytes * ROWS_PER_BYTE_MAX) {
    throw new DamagedObjectError(path, `row group ${group} claims ${rowGroup.numRows} rows in ${bytes} bytes`)
  }
}

function locateChunk(
  footer: Footer,
  group: number,
  rowGroup: RowGroup,
  leaf: Leaf,
): { element: SchemaElement; codec: number; range: FileRange; column: number } {
  const refuse = (message: string): never => {
    throw new DamagedObjectError(footer.path, `row group ${group}, column "${leaf.name}": ${message}`)
  }
  const chunk = rowGroup.columns[leaf.column]!
  if (chunk.filePath !== undefined) return refuse(`lies in another file, ${chunk.filePath}`)
  if (chunk.cryptoMetadata !== undefined) return refuse('is encrypted, which is not read')
  const { metaData } = chunk
  if (metaData === undefined) return refuse('has no metadata')
  if (metaData.type !== leaf.element.type)
    return refuse(`has physical type ${metaData.type}, the schema ${leaf.element.type}`)
  if (metaData.numValues !== rowGroup.numRows) {
    return refuse(`has ${metaData.numValues} values in ${rowGroup.numRows} rows`)
  }
  const range = chunkRange(metaData)
  if (range.start < 4 || range.end < range.start || range.end > footer.footerStart) {
    return refuse(`claims bytes ${range.start} to ${range.end} of ${footer.footerStart}`)
  }
  return { element: leaf.element, codec: metaData.codec, range, column: leaf.column }
}

/** The bytes of a chunk, its dictionary page included. */
export function chunkRange(metadata: ColumnMetaData): FileRange {
  const { dictionaryPageOffset: dictionary, dataPageOffset: data } = metadata
  const start = dictionary !== undefined && dictionary > 0 && dictionary < data ? dictionary : data
  return { start, end: start + metadata.totalCompressedSize }
}

/** Joins ranges that overlap or are near each other; the result ascends. */
export function joinRanges(ranges: readonly FileRange[]): FileRange[] {
  const joined: { start: number; end: number }[] = []
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last !== undefined && start - last.end <= GAP_BYTES_MAX) last.end = Math.max(last.end, end)
    else joined.push({ start, end })
  }
  return joined
}

/** Decodes what `planRowGroup` planned from bytes that cover its ranges. Columns may share memory with them. Throws DamagedObjectError. */
export function decodeRowGroup(task: RowGroupTask, read: readonly ReadRange[]): Column[] {
  return task.chunks.map((chunk) => decodeChunk(task, chunk, read))
}

/** Decodes one chunk of the task. Throws DamagedObjectError. */
export function decodeChunk(task: RowGroupTask, { field, stored }: ChunkTask, read: readonly ReadRange[]): Column {
  if (stored === null) return nullColumn(field.type, task.rows)
  const bytes = cutRange(read, stored.range)
  return blameFor(task.path, `row group ${task.group}, column "${field.name}"`, () =>
    decodeColumnChunk(bytes, stored.codec, stored.element, task.rows, field.type),
  )
}

/** A page with the bytes of its chunk. */
export interface ChunkPage extends StoredPage {
  readonly chunk: Uint8Array
  /** Of a data page, in its chunk. */
  readonly firstRow: number
}

export interface ChunkPages {
  readonly dictionary: ChunkPage | null
  readonly data: readonly ChunkPage[]
}

/** The pages of a chunk, found by walking their headers; no checksum is checked. Throws DamagedObjectError. */
export function pagesOfChunk(task: RowGroupTask, { field, stored }: ChunkTask, read: readonly ReadRange[]): ChunkPages {
  const bytes = cutRange(read, stored!.range)
  const { dictionary, data } = blameFor(task.path, `row group ${task.group}, column "${field.name}"`, () =>
    findPages(bytes, task.rows),
  )
  let firstRow = 0
  const pageOf = (page: StoredPage): ChunkPage => {
    const placed = { ...page, chunk: bytes, firstRow }
    if (page.header.type !== PageType.DICTIONARY_PAGE) firstRow += page.values
    return placed
  }
  return { dictionary: dictionary && pageOf(dictionary), data: data.map(pageOf) }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** Header and body. */
export function bytesOfPage({ chunk, at, end }: ChunkPage): Uint8Array {
  return chunk.subarray(at, end)
}

/** Throws DamagedObjectError where a page does not match its checksum. */
export function checkPages(task: RowGroupTask, { field }: ChunkTask, pages: readonly ChunkPage[]): void {
  blameFor(task.path, `row group ${task.group}, column "${field.name}"`, () => {
    for (const page of pages) checkPage(page.chunk, page)
  })
}

/** Decodes the rows of some data pages of a chunk of the task, one behind the other. Throws DamagedObjectError. */
export function decodePages(
  task: RowGroupTask,
  { field, stored }: ChunkTask,
  dictionary: ChunkPage | null,
  data: readonly ChunkPage[],
): Column {
  const { codec, element } = stored!
  const pages = dictionary === null ? data : [dictionary, ...data]
  const rows = data.reduce((sum, { values }) => sum + values, 0)
  const places = data.map(({ firstRow }) => firstRow).join(', ')
  return blameFor(task.path, `row group ${task.group}, column "${field.name}", pages of rows from ${places}`, () =>
    decodeColumnChunk(joined(pages.map(bytesOfPage)), codec, element, rows, field.type),
  )
}

export function cutRange(read: readonly ReadRange[], { start, end }: FileRange): Uint8Array {
  const holder = read.find((range) => range.start <= start && end <= range.start + range.bytes.length)
  if (holder === undefined) throw new Error(`bytes ${start} to ${end} were not read`)
  return holder.bytes.subarray(start - holder.start, end - holder.start)
}
