// The pages of one chunk: levels and values of every page, compressed, with header and checksum.
//
// All pages are encoded before the first is stored. Version 1 of the data page: its levels are compressed with the values, and it is as
// large as version 2 where there are none.

import { crc32 } from 'node:zlib'
import type { Validity } from '../../columns/column.ts'
import { CODEC_NUMBERS, type CompressionCodec, compress } from '../codecs.ts'
import {
  Encoding,
  encodePageHeader,
  type PageEncodingStats,
  type PageHeader,
  type PageLocation,
  PageType,
} from '../footer.ts'
import { GroupMemory } from '../group-memory.ts'
import { bytesOfPage, type ChunkPage } from '../read-row-group.ts'
import type { Values } from './choose-encoding.ts'
import type { PageRows } from './cut-pages.ts'
import { deltaBytesMax, encodeDelta } from './delta.ts'
import { deltaLengthBytesMax, encodeDeltaLength } from './delta-length.ts'
import { encodeLevels, levelsBytesMax } from './levels.ts'
import { encodePlain, plainBytes } from './plain.ts'
import { encodeHybrid, hybridBytesMax } from './rle.ts'

/** Compression that gains less costs more in reading and writing than it saves. */
const COMPRESSION_RATIO_MIN = 1.12
/** Setting up a compressor costs more time than a smaller chunk could save bytes. */
const COMPRESSED_BYTES_MIN = 128

export interface CompressionOptions {
  readonly codec: CompressionCodec
  readonly level?: number
}

/** Pages of a chunk before compression; kept between chunks. */
let rawPages = new Uint8Array(1 << 20)
/** Of the group whose chunks are stored. */
let group = new GroupMemory()

/** Chunks are put there from here on, those of a new group. */
export function beginGroup(memory: GroupMemory): void {
  group = memory
}

/** Pages of one chunk before compression, in `rawPages`: the dictionary page if any, then data pages. */
export interface RawPages {
  /** Of the dictionary page, which lies before the first page; 0 without one. */
  readonly dictionaryBytes: number
  /** Where each page ends in `rawPages`. */
  readonly ends: readonly number[]
}

/** `validity` is that of all rows; a required column has no levels. */
export function encodePages(values: Values, validity: Validity | 'no levels', pages: readonly PageRows[]): RawPages {
  reserveRaw(rawBytesMax(values, pages))
  let at = 0
  if (values.kind === 'dictionary') {
    const { dictionary } = values.column
    at = encodePlain(dictionary, 0, dictionary.rows, rawPages, at)
  }
  const dictionaryBytes = at
  const ends: number[] = []
  for (const page of pages) {
    if (validity !== 'no levels') at = encodeLevelsOfPage(validity, page, at)
    at = encodeValues(values, page, at)
    ends.push(at)
  }
  return { dictionaryBytes, ends }
}

function rawBytesMax(values: Values, pages: readonly PageRows[]): number {
  let bytes = 0
  for (const { rowStart, rowEnd, start, end } of pages) {
    bytes += 4 + levelsBytesMax(rowEnd - rowStart)
    if (values.kind === 'plain') bytes += plainBytes(values.column, start, end)
    else if (values.kind === 'delta') bytes += deltaBytesMax(end - start, 8)
    else if (values.kind === 'dictionary') bytes += 1 + hybridBytesMax(end - start, values.width)
    else bytes += deltaLengthBytesMax(values.column, start, end)
  }
  if (values.kind !== 'dictionary') return bytes
  return bytes + plainBytes(values.column.dictionary, 0, values.column.dictionary.rows)
}

/** In a page of version 1 the levels follow their length and are compressed with the values. */
function encodeLevelsOfPage(validity: Validity, { rowStart, rowEnd }: PageRows, at: number): number {
  const end = encodeLevels(validity, rowStart, rowEnd, rawPages, at + 4)
  const length = end - at - 4
  for (let byte = 0; byte < 4; byte++) rawPages[at + byte] = length >>> (byte * 8)
  return end
}

function encodeValues(values: Values, { start, end }: PageRows, at: number): number {
  switch (values.kind) {
    case 'plain':
      return encodePlain(values.column, start, end, rawPages, at)
    case 'delta':
      return encodeDelta(values.column, start, end, rawPages, at)
    case 'delta-length':
      return encodeDeltaLength(values.column, start, end, rawPages, at)
    case 'dictionary':
      rawPages[at] = values.width
      return encodeHybrid(values.column.indices, start, end, values.width, rawPages, at + 1)
  }
}

export interface StoredPages {
  /** A Codec of parquet.thrift. */
  readonly codec: number
  /** Page headers included. */
  readonly uncompressedSize: number
  /** Where the chunk ends in the group. */
  readonly end: number
  /** Of the data pages. */
  readonly locations: readonly PageLocation[]
  readonly encodingStats: readonly PageEncodingStats[]
}

/** Compresses the pages that encodePages just gave, and puts them into the group's bytes from `at` on. */
export function storePages(
  raw: RawPages,
  values: Values,
  pages: readonly PageRows[],
  at: number,
  options: CompressionOptions,
): StoredPages {
  const { codec, dictionaryBody, bodies } = compressPages(raw, options)
  const encoding = ENCODING_OF[values.kind]
  const encodingStats: PageEncodingStats[] = [{ pageType: PageType.DATA_PAGE, encoding, count: pages.length }]
  let end = at
  if (values.kind === 'dictionary') {
    end = storePage(raw.dictionaryBytes, dictionaryBody, end, dictionaryPage(values.column.dictionary.rows))
    encodingStats.unshift(DICTIONARY_STATS)
  }
  const locations: PageLocation[] = []
  let storedBytes = dictionaryBody.length
  for (const [i, { rowStart, rowEnd }] of pages.entries()) {
    const offset = end
    end = storePage(rawPage(raw, i).length, bodies[i]!, end, dataPage(rowEnd - rowStart, encoding))
    storedBytes += bodies[i]!.length
    locations.push({ offset, compressedPageSize: end - offset, firstRowIndex: rowStart })
  }
  const headerBytes = end - at - storedBytes
  return { codec, uncompressedSize: raw.ends.at(-1)! + headerBytes, end, locations, encodingStats }
}

/** A stored chunk, and which of its pages go to the new one: null stands for the next page that encodePages gave. */
export interface StoredBeside {
  readonly codec: number
  readonly dictionary: ChunkPage | null
  readonly sequence: readonly (ChunkPage | null)[]
}

export interface SplicedPages extends StoredPages {
  /** Of the pages that are not copied as they stand, page headers included. */
  readonly encodedBytes: number
}

/**
 * As storePages, between pages of a stored chunk. Its codec is kept; where its pages are not compressed and the new ones gain by it, all
 * are. Its dictionary page is kept where no entry was added.
 */
export function storeSplicedPages(
  raw: RawPages,
  values: Values,
  pages: readonly PageRows[],
  beside: StoredBeside,
  at: number,
  options: CompressionOptions,
): SplicedPages {
  const { codec, pack } = codecBeside(raw, beside, options)
  const encoding = ENCODING_OF[values.kind]
  const counts = new Map<number, number>()
  const locations: PageLocation[] = []
  let end = at
  let uncompressedSize = 0
  let encodedBytes = 0
  const count = (pageEncoding: number) => counts.set(pageEncoding, (counts.get(pageEncoding) ?? 0) + 1)
  const encode = (bytes: Uint8Array, kind: PageKind) => {
    const body = pack(bytes)
    const start = end
    end = storePage(bytes.length, body, start, kind)
    uncompressedSize += end - start - body.length + bytes.length
    encodedBytes += end - start
  }
  const keep = (page: ChunkPage) => {
    if (codec !== beside.codec) return encode(page.chunk.subarray(page.start, page.end), page.header)
    end = storeChunk(bytesOfPage(page), end)
    uncompressedSize += page.start - page.at + page.header.uncompressedPageSize
  }
  const entries = values.kind === 'dictionary' ? values.column.dictionary.rows : 0
  if (beside.dictionary !== null && beside.dictionary.values === entries) keep(beside.dictionary)
  else if (beside.dictionary !== null) encode(rawPages.subarray(0, raw.dictionaryBytes), dictionaryPage(entries))
  let page = 0
  let firstRowIndex = 0
  for (const kept of beside.sequence) {
    const offset = end
    const rows = kept === null ? pages[page]!.rowEnd - pages[page]!.rowStart : kept.values
    if (kept === null) encode(rawPage(raw, page++), dataPage(rows, encoding))
    else keep(kept)
    count(kept === null ? encoding : kept.header.dataPageHeader!.encoding)
    locations.push({ offset, compressedPageSize: end - offset, firstRowIndex })
    firstRowIndex += rows
  }
  const dataStats = [...counts].map(([encoding, count]) => ({ pageType: PageType.DATA_PAGE, encoding, count }))
  const encodingStats = beside.dictionary === null ? dataStats : [DICTIONARY_STATS, ...dataStats]
  return { codec, uncompressedSize, end, locations, encodingStats, encodedBytes }
}

const DICTIONARY_STATS: PageEncodingStats = { pageType: PageType.DICTIONARY_PAGE, encoding: Encoding.PLAIN, count: 1 }

function codecBeside(
  raw: RawPages,
  beside: StoredBeside,
  options: CompressionOptions,
): { codec: number; pack: (bytes: Uint8Array) => Uint8Array } {
  const isUncompressed = beside.codec === CODEC_NUMBERS.uncompressed
  const name = isUncompressed && gainsBeside(raw, beside, options) ? options.codec : codecName(beside.codec)
  if (name === null) throw new Error(`pages are not written with codec ${beside.codec}`)
  const pack = (bytes: Uint8Array) => (bytes.length === 0 ? bytes : compress(name, bytes, options.level))
  return { codec: CODEC_NUMBERS[name], pack }
}

/** Whether the chunk gains by compression of the encoded pages alone, which the first one foretells: of the stored ones it was too little. */
function gainsBeside(raw: RawPages, { dictionary, sequence }: StoredBeside, options: CompressionOptions): boolean {
  if (raw.ends.length === 0) return false
  const encodedBytes = raw.ends.at(-1)! - raw.dictionaryBytes
  if (encodedBytes < COMPRESSED_BYTES_MIN) return false
  const keptBytes = [dictionary, ...sequence].reduce((sum, page) => sum + (page?.header.uncompressedPageSize ?? 0), 0)
  const first = rawPage(raw, 0)
  const packed = compress(options.codec, first, options.level).length * (encodedBytes / first.length)
  return keptBytes + encodedBytes >= (keptBytes + packed) * COMPRESSION_RATIO_MIN
}

/** Of a Codec of parquet.thrift; null where pages are not written with it. */
export function codecName(codec: number): CompressionCodec | null {
  const names = Object.keys(CODEC_NUMBERS) as CompressionCodec[]
  return names.find((name) => CODEC_NUMBERS[name] === codec) ?? null
}

/** Puts a chunk or a page as it is stored into the group's bytes from `at` on; answers where it ends. */
export function storeChunk(chunk: Uint8Array, at: number): number {
  const end = at + chunk.length
  group.reserve(end)
  group.bytes.set(chunk, at)
  return end
}

const ENCODING_OF = {
  plain: Encoding.PLAIN,
  delta: Encoding.DELTA_BINARY_PACKED,
  'delta-length': Encoding.DELTA_LENGTH_BYTE_ARRAY,
  dictionary: Encoding.RLE_DICTIONARY,
} as const

/** The bodies of all pages; as they are where the dictionary and the first page foretell that compressing gains too little. */
function compressPages(
  raw: RawPages,
  { codec, level }: CompressionOptions,
): { codec: number; dictionaryBody: Uint8Array; bodies: Uint8Array[] } {
  const dictionary = rawPages.subarray(0, raw.dictionaryBytes)
  const rawBodies = raw.ends.map((_, page) => rawPage(raw, page))
  const uncompressed = { codec: CODEC_NUMBERS.uncompressed, dictionaryBody: dictionary, bodies: rawBodies }
  const rawBytes = raw.ends.at(-1)!
  if (rawBytes < COMPRESSED_BYTES_MIN) return uncompressed
  const pack = (bytes: Uint8Array) => (bytes.length === 0 ? bytes : compress(codec, bytes, level))
  const dictionaryBody = pack(dictionary)
  const first = pack(rawBodies[0]!)
  const dataBytes = rawBytes - dictionary.length
  const expectedBytes = dictionaryBody.length + first.length * (dataBytes / Math.max(1, rawBodies[0]!.length))
  if (rawBytes < expectedBytes * COMPRESSION_RATIO_MIN) return uncompressed
  const bodies = [first, ...rawBodies.slice(1).map(pack)]
  return { codec: CODEC_NUMBERS[codec], dictionaryBody, bodies }
}

function rawPage(raw: RawPages, page: number): Uint8Array {
  return rawPages.subarray(page === 0 ? raw.dictionaryBytes : raw.ends[page - 1]!, raw.ends[page]!)
}

type PageKind = Pick<PageHeader, 'type' | 'dataPageHeader' | 'dictionaryPageHeader'>

function dictionaryPage(numValues: number): PageKind {
  return { type: PageType.DICTIONARY_PAGE, dictionaryPageHeader: { numValues, encoding: Encoding.PLAIN } }
}

function dataPage(numValues: number, encoding: number): PageKind {
  return {
    type: PageType.DATA_PAGE,
    dataPageHeader: {
      numValues,
      encoding,
      definitionLevelEncoding: Encoding.RLE,
      repetitionLevelEncoding: Encoding.RLE,
    },
  }
}

/** Writes header and body at `at` of the group's bytes; answers where they end. */
function storePage(rawBytes: number, body: Uint8Array, at: number, kind: PageKind): number {
  const sizes = { uncompressedPageSize: rawBytes, compressedPageSize: body.length, crc: crc32(body) | 0 }
  const { type, dataPageHeader, dictionaryPageHeader } = kind
  const header = encodePageHeader({ ...sizes, type, dataPageHeader, dictionaryPageHeader })
  const bodyAt = at + header.length
  const end = bodyAt + body.length
  group.reserve(end)
  group.bytes.set(header, at)
  group.bytes.set(body, bodyAt)
  return end
}

function reserveRaw(bytes: number): void {
  if (rawPages.length < bytes) rawPages = new Uint8Array(Math.ceil(bytes * 1.25))
}
