// Encodes one row group: columns in, the bytes of its chunks and what the footer says of them out.
//
// A column that comes as the stored chunk of an older row group is not encoded: its bytes are copied to their place in the order of
// the fields, and what the older footer says of it goes along. Of every other column:
//
//   1  drop the nulls of a column; pages hold present values (present-rows)
//   2  choose the encoding by what the first rows would take (choose-encoding)
//   3  encode all pages of the chunk and compress them, unless the first ones show that it gains less than an eighth (pages)
//   4  find the bounds of each page, and from them those of the chunk (chunk-bounds)
//
// Pure and synchronous, so that it runs in a thread as it stands. Buffers for encoded pages are kept between calls and belong to the
// modules; the result's bytes are its own, or lie in memory that the caller gave.

import type { Column, PlainColumn } from '../columns/column.ts'
import { kindOf } from '../columns/kind-of-type.ts'
import { invariant } from '../invariant.ts'
import type { Field } from '../primitive-type.ts'
import { carriedBounds, type EarlierPages } from './encode/carried-bounds.ts'
import { chooseEncoding, chooseWithoutDictionary, overWholeDictionary, type Values } from './encode/choose-encoding.ts'
import { chunkBounds, chunkStatistics, columnIndexOf } from './encode/chunk-bounds.ts'
import { cutPages, cutStretches, PAGE_ROWS, type PageRows } from './encode/cut-pages.ts'
import { beginGroup, encodePages, type StoredPages, storeChunk, storePages, storeSplicedPages } from './encode/pages.ts'
import { presentRows } from './encode/present-rows.ts'
import { boundsOfPages, splicedIndex, splicedStatistics } from './encode/spliced-bounds.ts'
import {
  type ColumnChunk,
  type ColumnIndex,
  Encoding,
  type OffsetIndex,
  PageType,
  type RowGroup,
  type Statistics,
} from './footer.ts'
import { GroupMemory } from './group-memory.ts'
import { chunkStart, type KeptChunk, moveChunk, moveOffsetIndex } from './move-chunk.ts'
import type { ChunkPage } from './read-row-group.ts'
import type { SplicedChunk, SplicedPiece } from './spliced-chunk.ts'
import { decimalBytes, physicalType } from './write-schema.ts'

export interface WriteOptions {
  readonly codec: 'zstd' | 'snappy' | 'gzip' | 'uncompressed'
  /** Of zstd; 1 by default. */
  readonly level?: number
  /** Rows of a page, 20,000 by default; pages of large values have fewer. */
  readonly pageRows?: number
  /** The first so many fields are the key: rows are sorted by them, and their bounds are exact and whole. */
  readonly keyColumns: number
  /** Where the group's bytes are to lie; by default they have a buffer of their own. */
  readonly memory?: GroupMemory
}

/** A row group that no file holds yet. Offsets count from the first of `bytes`; a dictionary page may lie at 0. */
export interface EncodedRowGroup {
  readonly bytes: Uint8Array
  readonly rowGroup: RowGroup
  /** One a column; null where a page has no bounds. */
  readonly columnIndexes: readonly (ColumnIndex | null)[]
  readonly offsetIndexes: readonly (OffsetIndex | null)[]
  /** One a column: bytes of the pages that were encoded, those that were copied left out; null where the chunk was. */
  readonly encodedBytes: readonly (number | null)[]
}

/** Of groups whose bytes are copied out at once; kept between calls. */
const ownMemory = new GroupMemory()

interface PlacedChunk {
  readonly chunk: ColumnChunk
  /** Where the chunk ends in the group. */
  readonly end: number
  readonly encodedBytes: number | null
  readonly columnIndex: ColumnIndex | null
  readonly offsetIndex: OffsetIndex | null
}

/** What a chunk is made of: values, a stored chunk, or pages of one with values between them. */
export type ChunkSource = Column | ValuesLikeBefore | KeptChunk | SplicedChunk

/** Values of which most come from a chunk whose pages have one encoding: it is not chosen anew. */
export interface ValuesLikeBefore {
  readonly kind: 'like before'
  readonly column: Column
  readonly encoding: number
  /** Null where nothing is known of their bounds. */
  readonly earlier: EarlierPages | null
}

/**
 * Encodes `columns`, one a field in the order of `fields`, of the same number of rows (at least one). Kept chunks are copied. Each column is
 * done with before the next is asked for.
 */
export function encodeRowGroup(
  fields: readonly Field[],
  columns: Iterable<ChunkSource>,
  options: WriteOptions,
): EncodedRowGroup {
  const memory = options.memory ?? ownMemory
  beginGroup(memory)
  const chunks: PlacedChunk[] = []
  let rows = 0
  let end = 0
  for (const column of columns) {
    const field = fields[chunks.length]
    invariant(field !== undefined, `more columns than the ${fields.length} fields`)
    if (chunks.length === 0) rows = rowsOf(column)
    checkColumn(field, column, rows)
    const placed = placeChunk(field, column, chunks.length, end, options)
    chunks.push(placed)
    end = placed.end
  }
  invariant(fields.length === chunks.length, `${chunks.length} columns for ${fields.length} fields`)
  invariant(rows > 0, 'a row group without rows')
  return {
    bytes: options.memory === undefined ? new Uint8Array(memory.bytes.subarray(0, end)) : memory.bytes.subarray(0, end),
    rowGroup: {
      columns: chunks.map(({ chunk }) => chunk),
      totalByteSize: chunks.reduce((sum, { chunk }) => sum + chunk.metaData!.totalUncompressedSize, 0),
      numRows: rows,
      sortingColumns: sortingColumns(options.keyColumns),
      fileOffset: 0,
      totalCompressedSize: end,
      ordinal: 0,
    },
    columnIndexes: chunks.map(({ columnIndex }) => columnIndex),
    offsetIndexes: chunks.map(({ offsetIndex }) => offsetIndex),
    encodedBytes: chunks.map(({ encodedBytes }) => encodedBytes),
  }
}

function placeChunk(
  field: Field,
  source: ChunkSource,
  position: number,
  at: number,
  options: WriteOptions,
): PlacedChunk {
  if (source.kind === 'kept') return placeKept(field, source, at)
  if (source.kind === 'spliced') return encodeSpliced(field, source, position, at, options)
  return encodeChunk(field, source, position, at, options)
}

function sortingColumns(keyColumns: number): RowGroup['sortingColumns'] {
  if (keyColumns === 0) return undefined
  return Array.from({ length: keyColumns }, (_, columnIdx) => ({ columnIdx, descending: false, nullsFirst: true }))
}

function rowsOf(source: ChunkSource): number {
  if (source.kind === 'kept') return source.chunk.metaData!.numValues
  return source.kind === 'like before' ? source.column.rows : source.rows
}

function checkColumn(field: Field, column: ChunkSource, rows: number): void {
  const columnRows = rowsOf(column)
  invariant(columnRows === rows, `column ${field.name} has ${columnRows} rows, the first column ${rows}`)
  if (column.kind === 'kept') {
    const { type, totalCompressedSize } = column.chunk.metaData!
    invariant(type === physicalType(field.type), `the chunk kept for ${field.name} has physical type ${type}`)
    invariant(
      column.bytes.length === totalCompressedSize,
      `the chunk kept for ${field.name} comes as ${column.bytes.length} of ${totalCompressedSize} bytes`,
    )
    return
  }
  if (column.kind === 'spliced') {
    checkSpliced(field, column)
    return
  }
  if (column.kind === 'like before') {
    checkColumn(field, column.column, rows)
    return
  }
  const { kind } = column.kind === 'dictionary' ? column.dictionary : column
  invariant(kind === kindOf(field.type), `column ${field.name} of type ${field.type.kind} comes as ${kind}`)
  invariant(!field.required || column.validity === null, `required column ${field.name} comes with nulls`)
}

function checkSpliced(field: Field, { rows, chunk, pieces, column, dictionary }: SplicedChunk): void {
  const { type } = chunk.metaData!
  invariant(type === physicalType(field.type), `the chunk spliced for ${field.name} has physical type ${type}`)
  const sum = (kind: 'page' | 'rows') =>
    pieces.reduce(
      (sum, each) => sum + (each.kind !== kind ? 0 : each.kind === 'page' ? each.page.values : each.rows),
      0,
    )
  invariant(sum('page') + sum('rows') === rows, `the pieces spliced for ${field.name} have not ${rows} rows`)
  invariant(
    (column.kind === 'dictionary') === (dictionary !== null),
    `the pages spliced for ${field.name} share a dictionary or have none`,
  )
  checkColumn(field, column, sum('rows'))
}

/** The chunk's bytes and entry at their place in the group, under the field's name by now. A bloom filter stays behind. */
function placeKept(field: Field, { bytes, chunk, columnIndex, offsetIndex }: KeptChunk, at: number): PlacedChunk {
  const by = at - chunkStart(chunk)
  const { dictionaryPageOffset } = chunk.metaData!
  const metaData = {
    ...chunk.metaData!,
    pathInSchema: [field.name],
    // In a file 0 means none; in a group it may be the first page.
    dictionaryPageOffset: dictionaryPageOffset === 0 ? undefined : dictionaryPageOffset,
    indexPageOffset: undefined,
    bloomFilterOffset: undefined,
    bloomFilterLength: undefined,
  }
  return {
    chunk: moveChunk({ ...chunk, metaData }, by),
    end: storeChunk(bytes, at),
    encodedBytes: null,
    columnIndex,
    offsetIndex: offsetIndex && moveOffsetIndex(offsetIndex, by),
  }
}

function encodeChunk(
  field: Field,
  source: Column | ValuesLikeBefore,
  position: number,
  at: number,
  options: WriteOptions,
): PlacedChunk {
  const { column, encoding, earlier } =
    source.kind === 'like before' ? source : { column: source, encoding: null, earlier: null }
  const present = narrowed(field, presentRows(column))
  const pages = cutPages(present, column.rows, column.validity, options.pageRows ?? PAGE_ROWS)
  const values = chooseEncoding(present, encoding)
  const raw = encodePages(values, field.required ? 'no levels' : column.validity, pages)
  const stored = storePages(raw, values, pages, at, options)
  const { statistics, columnIndex } = boundsOf(field, column, values, pages, earlier, position, options)
  return {
    chunk: chunkEntry(field, column.rows, stored, at, statistics),
    end: stored.end,
    encodedBytes: stored.end - at,
    columnIndex,
    offsetIndex: { pageLocations: stored.locations },
  }
}

/** `values` are the present rows of `column`. */
function boundsOf(
  field: Field,
  column: Column,
  values: Values,
  pages: readonly PageRows[],
  earlier: EarlierPages | null,
  position: number,
  { keyColumns }: WriteOptions,
): { statistics: Statistics; columnIndex: ColumnIndex | null } {
  const isKey = position < keyColumns
  const carried = isKey || earlier === null ? null : carriedBounds(field, column, values, pages, earlier)
  if (carried !== null) {
    const statistics = splicedStatistics(field, carried, { nullCount: 0 }, true, isKey)
    return { statistics, columnIndex: splicedIndex(field, carried) }
  }
  const bounds = chunkBounds(field, values, pages, isKey && position === 0)
  return {
    statistics: chunkStatistics(field, values, bounds, column.rows - values.column.rows, isKey),
    columnIndex: columnIndexOf(field, values, pages, bounds, isKey),
  }
}

function encodeSpliced(
  field: Field,
  { rows, chunk, dictionary, pieces, column, earlier }: SplicedChunk,
  position: number,
  at: number,
  options: WriteOptions,
): PlacedChunk {
  const isKey = position < options.keyColumns
  const present = narrowed(field, presentRows(column))
  const stretchRows = pieces.flatMap((piece) => (piece.kind === 'rows' ? [piece.rows] : []))
  const stretches = cutStretches(present, stretchRows, column.validity, options.pageRows ?? PAGE_ROWS)
  const pages = stretches.flat()
  const keptPage = pieces.find((piece) => piece.kind === 'page')!.page
  const values =
    present.kind === 'dictionary'
      ? overWholeDictionary(present)
      : chooseWithoutDictionary(present, keptPage.header.dataPageHeader!.encoding)
  const raw = encodePages(values, field.required ? 'no levels' : column.validity, pages)
  const sequence = inOrder<ChunkPage | null>(
    pieces,
    stretches,
    ({ page }) => page,
    () => null,
  )
  const beside = { codec: chunk.metaData!.codec, dictionary, sequence }
  const stored = storeSplicedPages(raw, values, pages, beside, at, options)
  const { statistics, columnIndex } = boundsOf(field, column, values, pages, earlier, position, options)
  const index = boundsOfPages(columnIndex, pages.length)
  const kept = pieces.flatMap((piece) => (piece.kind === 'page' ? [piece.bounds] : []))
  const all =
    index &&
    inOrder(
      pieces,
      stretches,
      ({ bounds }) => bounds,
      (page) => index[page]!,
    )
  return {
    chunk: chunkEntry(field, rows, stored, at, splicedStatistics(field, kept, statistics, index !== null, isKey)),
    end: stored.end,
    encodedBytes: stored.encodedBytes,
    columnIndex: all && splicedIndex(field, all),
    offsetIndex: { pageLocations: stored.locations },
  }
}

/** What stored pages and encoded ones have, these by their numbers, in the order of the new chunk. */
function inOrder<T>(
  pieces: readonly SplicedPiece[],
  stretches: readonly (readonly PageRows[])[],
  ofStored: (piece: SplicedPiece & { readonly kind: 'page' }) => T,
  ofEncoded: (page: number) => T,
): T[] {
  let stretch = 0
  let page = 0
  return pieces.flatMap((piece) =>
    piece.kind === 'page' ? [ofStored(piece)] : stretches[stretch++]!.map(() => ofEncoded(page++)),
  )
}

function chunkEntry(
  field: Field,
  numValues: number,
  { codec, uncompressedSize, end, locations, encodingStats }: StoredPages,
  at: number,
  statistics: Statistics,
): ColumnChunk {
  const hasDictionary = encodingStats.some(({ pageType }) => pageType === PageType.DICTIONARY_PAGE)
  return {
    fileOffset: 0,
    metaData: {
      type: physicalType(field.type),
      encodings: [...new Set([Encoding.RLE, ...encodingStats.map(({ encoding }) => encoding)])],
      pathInSchema: [field.name],
      codec,
      numValues,
      totalUncompressedSize: uncompressedSize,
      totalCompressedSize: end - at,
      dataPageOffset: locations[0]!.offset,
      dictionaryPageOffset: hasDictionary ? at : undefined,
      statistics,
      encodingStats,
    },
  }
}

/** Decimals in fixed bytes are narrowed to what their precision takes; other columns are as they are. */
function narrowed(field: Field, column: Column): Column {
  if (field.type.kind !== 'decimal') return column
  if (column.kind === 'dictionary') return { ...column, dictionary: narrowed(field, column.dictionary) as PlainColumn }
  if (column.kind !== 'fixed') return column
  const width = decimalBytes(field.type.precision)
  if (width === column.width) return column
  const { rows } = column
  const data = new Uint8Array(rows * width)
  const skipped = column.width - width
  for (let row = 0, at = 0; row < rows; row++) {
    for (let byte = row * column.width + skipped; byte < (row + 1) * column.width; byte++)
      data[at++] = column.data[byte]!
  }
  return { kind: 'fixed', rows, validity: null, width, data }
}
