// Puts row groups into a file: encoded ones as bytes, kept ones as stretches of the files that hold them, then indexes and footer.
//
//   1  lay the groups behind each other, in the order given or the one in which most can be copied; neighbours of one file become one
//      copied stretch
//   2  move every offset of a group by as much as its bytes moved
//   3  list the groups in key order, whatever their physical order
//   4  write column indexes, offset indexes and the footer
//   5  check what engines lose rows over (checkFooter), before anything is stored
//
// Nothing kept is read or decompressed. A column that came after a kept group was written is nulls in it: one small chunk, behind all
// groups. The chunk of a column that was dropped since is dead bytes.

import { nullColumn } from '../columns/constant.ts'
import { comparePartitionValues } from '../iceberg/single-value.ts'
import { invariant } from '../invariant.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectPart } from '../store/object-store.ts'
import { copyOrder, type KeptBytes } from './copy-order.ts'
import {
  type ColumnChunk,
  type ColumnIndex,
  encodeColumnIndex,
  encodeFileMetaData,
  encodeOffsetIndex,
  type FileMetaData,
  type KeyValue,
  type OffsetIndex,
  type RowGroup,
  type SchemaElement,
} from './footer.ts'
import { chunkStart, moveChunk, moveOffsetIndex } from './move-chunk.ts'
import { rowGroupBounds } from './statistics.ts'
import { type EncodedRowGroup, encodeRowGroup } from './write-row-group.ts'
import { isSameLayout, schemaElements } from './write-schema.ts'

/** A row group of a stored file, taken over byte for byte. */
export interface KeptRowGroup {
  readonly path: string
  readonly etag: string
  /** The schema of its file: the fields that it has must have the layout of the new one (isSameLayout). */
  readonly schema: readonly SchemaElement[]
  /** As its file's footer gives it. */
  readonly rowGroup: RowGroup
  /** One a column as its file has them; null, or an empty list, where there are none or they were not read. */
  readonly columnIndexes: readonly (ColumnIndex | null)[]
  readonly offsetIndexes: readonly (OffsetIndex | null)[]
}

export interface AssembleOptions {
  /** The first so many fields are the key, by which the footer lists the groups. 0: it lists them in the order given. */
  readonly keyColumns: number
  readonly keyValueMetadata?: readonly KeyValue[]
  /** Kept stretches of one file that lie so near are copied with the bytes between them, which are dead then. 0 by default. */
  readonly gapBytesMax?: number
  /**
   * Lay the groups for a store that copies no stretch under so many bytes (copy-order.ts). The footer lists them in the order given
   * all the same, in which they lie without this.
   */
  readonly copyBytesMin?: number
  /** Names the build in `created_by`. */
  readonly build?: string
}

export interface AssembledFile {
  readonly parts: ObjectPart[]
  readonly fileBytes: number
  readonly rows: number
  /** Where row groups start, ascending. */
  readonly splitOffsets: number[]
  readonly footer: FileMetaData
  /** Bytes between copied groups that no group owns; also in the footer as `lastwrite.dead-bytes`. */
  readonly deadBytes: number
}

/** The first bytes of a file, and the last. */
export const MAGIC = new TextEncoder().encode('PAR1')
const VERSION = '0.1.0'

/** The groups of a file become `parts` of a new object; see AssembleOptions for their order. Throws where an invariant breaks. */
export function assembleFile(
  fields: readonly Field[],
  groups: readonly (EncodedRowGroup | KeptRowGroup)[],
  options: AssembleOptions,
): AssembledFile {
  const body = layOut(fields, groups, options)
  const ordered = inKeyOrder(body.groups, fields, options.keyColumns)
  const indexes = encodeIndexes(ordered, body.end)
  const footer: FileMetaData = {
    version: 2,
    schema: schemaElements(fields),
    numRows: ordered.reduce((sum, { rowGroup }) => sum + rowGroup.numRows, 0),
    rowGroups: indexes.rowGroups.map((rowGroup, ordinal) => ({ ...rowGroup, ordinal })),
    keyValueMetadata: keyValues(options.keyValueMetadata ?? [], body.deadBytes),
    // In the grammar that parquet-java parses: other names make it distrust statistics.
    createdBy: `lastwrite version ${VERSION} (build ${options.build ?? 'release'})`,
    columnOrders: fields.map(() => ({ TYPE_ORDER: {} })),
  }
  const tail = concatBytes([...indexes.pieces, ...encodeTail(footer)])
  const fileBytes = body.end + tail.length
  checkFooter(footer, fields, fileBytes)
  return {
    parts: [...body.parts, { kind: 'bytes', bytes: tail }],
    fileBytes,
    rows: footer.numRows,
    splitOffsets: body.groups.map(({ rowGroup }) => groupStart(rowGroup)).sort((a, b) => a - b),
    footer,
    deadBytes: body.deadBytes,
  }
}

/**
 * Throws where a footer would make an engine lose or misorder rows (each rule names who does). The order of keys is
 * checked where groups carry sorting columns.
 */
export function checkFooter(footer: FileMetaData, fields: readonly Field[], fileBytes: number): void {
  for (const [i, group] of footer.rowGroups.entries()) {
    const start = chunkStart(group.columns[0]!)
    const chunkBytes = sumChunkBytes(group)
    invariant(
      start === groupStart(group),
      `row group ${i}: the first column's chunk starts at ${start}, a later one at ${groupStart(group)} (Spark would skip the group)`,
    )
    invariant(
      start + chunkBytes / 2 < fileBytes,
      `row group ${i}: its middle, ${start} + ${chunkBytes} / 2, lies behind the end of the file, ${fileBytes} (Spark would skip the group)`,
    )
    invariant(
      group.totalCompressedSize === undefined || group.totalCompressedSize === chunkBytes,
      `row group ${i}: total_compressed_size ${group.totalCompressedSize}, its chunks have ${chunkBytes} bytes (Spark would skip the group)`,
    )
    invariant(
      group.fileOffset === start,
      `row group ${i}: file_offset ${group.fileOffset}, the first chunk starts at ${start} (Trino would skip the group)`,
    )
  }
  checkKeyOrder(footer, fields)
}

function checkKeyOrder(footer: FileMetaData, fields: readonly Field[]): void {
  for (const [i, group] of footer.rowGroups.entries()) {
    const previous = footer.rowGroups[i - 1]
    if (previous === undefined || group.sortingColumns === undefined) continue
    const key = group.sortingColumns.map(({ columnIdx }) => fields[columnIdx]!)
    invariant(
      !startsBeforeEnd(footer, previous, group, key),
      `row group ${i} does not follow the group before it by key (DataFusion would give a wrong order)`,
    )
  }
}

/** Whether `group` surely begins before `previous` ends, as far as exact bounds tell. */
function startsBeforeEnd(footer: FileMetaData, previous: RowGroup, group: RowGroup, key: readonly Field[]): boolean {
  for (const field of key) {
    const before = rowGroupBounds(footer, previous, field)
    const after = rowGroupBounds(footer, group, field)
    if (before.upper === null || after.lower === null || before.lower === null || after.upper === null) return false
    const isExact = [previous, group].every((one) => isExactlyBounded(footer, one, field))
    const order = isExact
      ? comparePartitionValues(after.lower, before.upper)
      : comparePartitionValues(after.upper, before.lower)
    if (order !== 0) return order < 0
    // Only where both hold a single value of this column does the next one order them.
    const isSingle =
      comparePartitionValues(before.lower, before.upper) === 0 && comparePartitionValues(after.lower, after.upper) === 0
    if (!isExact || !isSingle) return false
  }
  return false
}

function isExactlyBounded(footer: FileMetaData, group: RowGroup, field: Field): boolean {
  const position = footer.schema.findIndex(({ fieldId }) => fieldId === field.id) - 1
  const statistics = group.columns[position]?.metaData?.statistics
  return statistics?.isMinValueExact !== false && statistics?.isMaxValueExact !== false
}

interface PlacedGroup {
  /** With the offsets of the new file. */
  readonly rowGroup: RowGroup
  readonly columnIndexes: readonly (ColumnIndex | null)[]
  readonly offsetIndexes: readonly (OffsetIndex | null)[]
}

interface Body {
  readonly parts: ObjectPart[]
  readonly groups: PlacedGroup[]
  readonly end: number
  readonly deadBytes: number
}

function layOut(
  fields: readonly Field[],
  groups: readonly (EncodedRowGroup | KeptRowGroup)[],
  { gapBytesMax = 0, copyBytesMin }: AssembleOptions,
): Body {
  const order =
    copyBytesMin === undefined ? [...groups.keys()] : copyOrder(groups.map(bytesKept), copyBytesMin, MAGIC.length)
  const parts: ObjectPart[] = []
  /** As `groups` gives them, wherever they lie. */
  const placed: PlacedGroup[] = new Array(groups.length)
  /** Chunks that kept groups lack come behind all groups, so that copied stretches stay whole. */
  const absent: (EncodedRowGroup | null)[] = new Array(groups.length)
  let end = 0
  let deadBytes = 0
  const first = groups[order[0]!]
  // A kept group at the very front brings the magic of its file along.
  if (first === undefined || !('path' in first) || groupStart(first.rowGroup) !== MAGIC.length) {
    parts.push({ kind: 'bytes', bytes: MAGIC })
    end = MAGIC.length
  }
  for (const i of order) {
    const group = groups[i]!
    if (!('path' in group)) {
      parts.push({ kind: 'bytes', bytes: group.bytes })
      placed[i] = moveGroup(group, end)
      absent[i] = null
      end += group.bytes.length
      continue
    }
    const stretch = { start: groupStart(group.rowGroup), end: groupEnd(group.rowGroup) }
    const last = parts.at(-1)
    if (last?.kind === 'copy' && last.from === group.path && isNear(last.end, stretch.start, gapBytesMax)) {
      deadBytes += stretch.start - last.end
      end += stretch.end - last.end
      parts[parts.length - 1] = { ...last, end: stretch.end }
    } else {
      const start = end === 0 ? 0 : stretch.start
      parts.push({ kind: 'copy', from: group.path, etag: group.etag, start, end: stretch.end })
      end += stretch.end - start
    }
    const entry = keptEntry(fields, group, stretch)
    placed[i] = moveGroup(entry, end - stretch.end)
    absent[i] = absentChunks(fields, group)
    deadBytes += stretch.end - stretch.start - sumChunkBytes(entry.rowGroup)
  }
  for (const [i, chunks] of absent.entries()) {
    if (chunks === null) continue
    parts.push({ kind: 'bytes', bytes: chunks.bytes })
    placed[i] = joinColumns(fields, placed[i]!, moveGroup(chunks, end))
    end += chunks.bytes.length
  }
  return { parts, groups: placed, end, deadBytes }
}

function bytesKept(group: EncodedRowGroup | KeptRowGroup): KeptBytes | null {
  if (!('path' in group)) return null
  return { path: group.path, start: groupStart(group.rowGroup), end: groupEnd(group.rowGroup) }
}

function isNear(end: number, start: number, gapBytesMax: number): boolean {
  return start >= end && start - end <= gapBytesMax
}

/** What the new footer may say of a kept group: its columns that are fields, under their names by now. */
function keptEntry(
  fields: readonly Field[],
  group: KeptRowGroup,
  stretch: { readonly start: number; readonly end: number },
): PlacedGroup {
  invariant(isSameLayout(group.schema, fields), `${group.path} has another layout: its row groups must be encoded anew`)
  const kept = fields.flatMap((field) => {
    const position = leafPosition(group.schema, field)
    return position === -1 ? [] : [{ field, position }]
  })
  const columns = kept.map(({ field, position }) => keptChunk(field, group.rowGroup.columns[position]!, stretch))
  const { sortingColumns } = group.rowGroup
  return {
    rowGroup: {
      ...group.rowGroup,
      columns,
      totalByteSize: columns.reduce((sum, { metaData }) => sum + metaData!.totalUncompressedSize, 0),
      sortingColumns: sortingColumns?.map((sorting) => {
        const field = group.schema[sorting.columnIdx + 1]!.fieldId
        return { ...sorting, columnIdx: fields.findIndex(({ id }) => id === field) }
      }),
    },
    columnIndexes: kept.map(({ position }) => group.columnIndexes[position] ?? null),
    offsetIndexes: kept.map(({ position }) => group.offsetIndexes[position] ?? null),
  }
}

/** An offset of 0 means none, and a bloom filter counts only if it is copied along. */
function keptChunk(
  field: Field,
  chunk: ColumnChunk,
  stretch: { readonly start: number; readonly end: number },
): ColumnChunk {
  const metaData = chunk.metaData!
  const { dictionaryPageOffset, bloomFilterOffset = -1, bloomFilterLength = 0 } = metaData
  const bloomEnd = bloomFilterOffset + bloomFilterLength
  const isBloomCopied = bloomFilterLength > 0 && bloomFilterOffset >= stretch.start && bloomEnd <= stretch.end
  return {
    fileOffset: 0,
    metaData: {
      ...metaData,
      pathInSchema: [field.name],
      dictionaryPageOffset: dictionaryPageOffset === 0 ? undefined : dictionaryPageOffset,
      indexPageOffset: undefined,
      bloomFilterOffset: isBloomCopied ? bloomFilterOffset : undefined,
      bloomFilterLength: isBloomCopied ? bloomFilterLength : undefined,
    },
  }
}

/** Chunks of nulls for the fields that came after the kept group was written; null where there are none. */
function absentChunks(fields: readonly Field[], { schema, rowGroup }: KeptRowGroup): EncodedRowGroup | null {
  const missing = fields.filter((field) => leafPosition(schema, field) === -1)
  if (missing.length === 0) return null
  const columns = missing.map(({ type }) => nullColumn(type, rowGroup.numRows))
  return encodeRowGroup(missing, columns, { codec: 'uncompressed', keyColumns: 0, pageRows: rowGroup.numRows })
}

/** One group of both groups' columns, in the order of the fields. */
function joinColumns(fields: readonly Field[], kept: PlacedGroup, added: PlacedGroup): PlacedGroup {
  const sources = fields.map(({ name }) => {
    const isNamed = (chunk: ColumnChunk) => chunk.metaData!.pathInSchema[0] === name
    const inKept = kept.rowGroup.columns.findIndex(isNamed)
    return inKept === -1 ? { of: added, at: added.rowGroup.columns.findIndex(isNamed) } : { of: kept, at: inKept }
  })
  const columns = sources.map(({ of, at }) => of.rowGroup.columns[at]!)
  return {
    rowGroup: {
      ...kept.rowGroup,
      columns,
      totalByteSize: kept.rowGroup.totalByteSize + added.rowGroup.totalByteSize,
      totalCompressedSize: kept.rowGroup.totalCompressedSize! + added.rowGroup.totalCompressedSize!,
    },
    columnIndexes: sources.map(({ of, at }) => of.columnIndexes[at]!),
    offsetIndexes: sources.map(({ of, at }) => of.offsetIndexes[at]!),
  }
}

/** Which of a flat schema's columns a field is; −1 where it is none of them. */
function leafPosition(schema: readonly SchemaElement[], field: Field): number {
  const element = schema.findIndex(({ fieldId }, i) => i > 0 && fieldId === field.id)
  return element === -1 ? -1 : element - 1
}

function moveGroup({ rowGroup, columnIndexes, offsetIndexes }: PlacedGroup, by: number): PlacedGroup {
  const columns = rowGroup.columns.map((chunk) => moveChunk(chunk, by))
  const totalCompressedSize = sumChunkBytes(rowGroup)
  return {
    rowGroup: { ...rowGroup, columns, totalCompressedSize, fileOffset: chunkStart(columns[0]!) },
    columnIndexes,
    offsetIndexes: offsetIndexes.map((index) => index && moveOffsetIndex(index, by)),
  }
}

/**
 * By the bounds of the key, or as given where a group lacks them. Groups overlap at most in their ends, so that (least, greatest) of
 * the first key column orders all but groups of one single value; these the second column orders.
 */
function inKeyOrder(groups: readonly PlacedGroup[], fields: readonly Field[], keyColumns: number): PlacedGroup[] {
  const footer = { schema: schemaElements(fields) }
  const keyed = groups.map((group) => ({
    group,
    key: fields.slice(0, keyColumns).flatMap((field) => {
      const { lower, upper } = rowGroupBounds(footer, group.rowGroup, field)
      return [lower, upper]
    }),
  }))
  if (keyed.some(({ key }) => key.includes(null))) return groups.map(withoutSortingColumns)
  keyed.sort((a, b) => {
    for (const [i, value] of a.key.entries()) {
      const order = comparePartitionValues(value!, b.key[i]!)
      if (order !== 0) return order
    }
    return 0
  })
  return withOneSorting(keyed.map(({ group }) => group))
}

/** Sorting columns say something only where every group has the same ones. */
function withOneSorting(groups: readonly PlacedGroup[]): PlacedGroup[] {
  const sortings = new Set(groups.map(({ rowGroup }) => JSON.stringify(rowGroup.sortingColumns)))
  return sortings.size === 1 ? [...groups] : groups.map(withoutSortingColumns)
}

function withoutSortingColumns(group: PlacedGroup): PlacedGroup {
  return { ...group, rowGroup: { ...group.rowGroup, sortingColumns: undefined } }
}

/** All column indexes, then all offset indexes, from `at` on, and the groups that point to them. */
function encodeIndexes(groups: readonly PlacedGroup[], at: number): { pieces: Uint8Array[]; rowGroups: RowGroup[] } {
  const pieces: Uint8Array[] = []
  let end = at
  const place = (bytes: Uint8Array | null): { at: number; length: number } | null => {
    if (bytes === null) return null
    pieces.push(bytes)
    end += bytes.length
    return { at: end - bytes.length, length: bytes.length }
  }
  const placeAll = <T>(indexes: readonly (T | null)[][], encode: (index: T) => Uint8Array) =>
    indexes.map((group) => group.map((index) => place(index === null ? null : encode(index))))
  // A column index says nothing without the offset index of its pages.
  const offsetIndexes = groups.map((group) => group.rowGroup.columns.map((_, i) => group.offsetIndexes[i] ?? null))
  const columnIndexes = groups.map((group, g) =>
    group.rowGroup.columns.map((_, i) => (offsetIndexes[g]![i] === null ? null : (group.columnIndexes[i] ?? null))),
  )
  const columnPlaces = placeAll(columnIndexes, encodeColumnIndex)
  const offsetPlaces = placeAll(offsetIndexes, encodeOffsetIndex)
  const rowGroups = groups.map(({ rowGroup }, g) => ({
    ...rowGroup,
    columns: rowGroup.columns.map((chunk, i) => ({
      ...chunk,
      columnIndexOffset: columnPlaces[g]![i]?.at,
      columnIndexLength: columnPlaces[g]![i]?.length,
      offsetIndexOffset: offsetPlaces[g]![i]?.at,
      offsetIndexLength: offsetPlaces[g]![i]?.length,
    })),
  }))
  return { pieces, rowGroups }
}

function keyValues(given: readonly KeyValue[], deadBytes: number): readonly KeyValue[] | undefined {
  const all = deadBytes === 0 ? given : [...given, { key: 'lastwrite.dead-bytes', value: String(deadBytes) }]
  return all.length === 0 ? undefined : all
}

function encodeTail(footer: FileMetaData): Uint8Array[] {
  const bytes = encodeFileMetaData(footer)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length, true)
  return [bytes, length, MAGIC]
}

function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

function groupStart({ columns }: RowGroup): number {
  return Math.min(...columns.map(chunkStart))
}

function groupEnd({ columns }: RowGroup): number {
  return Math.max(...columns.map((chunk) => chunkStart(chunk) + chunk.metaData!.totalCompressedSize))
}

function sumChunkBytes({ columns }: RowGroup): number {
  return columns.reduce((sum, { metaData }) => sum + metaData!.totalCompressedSize, 0)
}
