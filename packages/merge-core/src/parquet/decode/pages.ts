// The pages of a column chunk, found by walking their headers.
//
// Everything that a header says is checked here, before any memory is taken for it: sizes against the chunk, counts against the
// rows of the group, the CRC where there is one and the page is read or copied. Which bytes of a data page are levels and which are values depends on its version;
// afterwards that is forgotten.

import { crc32 } from 'node:zlib'
import { decompress, type Keeping } from '../codecs.ts'
import { decodePageHeader, Encoding, enumName, type PageHeader, PageType } from '../footer.ts'
import { malformed } from '../malformed.ts'
import { decodeDefinitionLevels, type PageValidity } from './levels.ts'
import { readUint32 } from './plain.ts'

/** A page as it lies in the bytes of its chunk, still compressed: its header at `at`, its body in bytes [start, end). */
export interface StoredPage {
  readonly header: PageHeader
  readonly at: number
  readonly start: number
  readonly end: number
  /** Rows of a data page, entries of a dictionary page. */
  readonly values: number
}

export interface StoredPages {
  readonly dictionary: StoredPage | null
  readonly data: readonly StoredPage[]
}

/** The values of a data page: bytes [start, end) hold `validity.present` values in `encoding`. */
export interface DataPage {
  readonly rows: number
  readonly validity: PageValidity
  readonly encoding: number
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

const PAGE_BYTES_MAX = 2 ** 30

/** Finds the pages of a flat column's chunk of `rows` rows, and checks their checksums. Throws MalformedError. */
export function splitPages(chunk: Uint8Array, rows: number): StoredPages {
  const pages = findPages(chunk, rows)
  if (pages.dictionary !== null) checkPage(chunk, pages.dictionary)
  for (const page of pages.data) checkPage(chunk, page)
  return pages
}

/** Throws MalformedError where the page's body does not match its checksum. */
export function checkPage(chunk: Uint8Array, { header, at, start, end }: StoredPage): void {
  if (header.crc !== undefined && (crc32(chunk.subarray(start, end)) | 0) !== header.crc) {
    malformed(`the page at ${at} does not match its checksum`)
  }
}

/** As splitPages, but no checksum is checked. */
export function findPages(chunk: Uint8Array, rows: number): StoredPages {
  const data: StoredPage[] = []
  let dictionary: StoredPage | null = null
  let done = 0
  for (let at = 0; done < rows; ) {
    if (at >= chunk.length) malformed(`its pages hold ${done} of ${rows} rows`)
    const page = readStoredPage(chunk, at)
    at = page.end
    if (page.header.type === PageType.DICTIONARY_PAGE) {
      if (dictionary !== null || data.length > 0) malformed('a dictionary page is not the first page')
      dictionary = page
    } else if (page.header.type !== PageType.INDEX_PAGE) {
      if (page.values > rows - done) malformed(`a page claims ${page.values} rows where ${rows - done} are left`)
      data.push(page)
      done += page.values
    }
  }
  return { dictionary, data }
}

function readStoredPage(chunk: Uint8Array, at: number): StoredPage {
  const { value: header, end: start } = decodePageHeader(chunk, at)
  const { compressedPageSize, uncompressedPageSize } = header
  if (compressedPageSize < 0 || compressedPageSize > chunk.length - start) {
    malformed(`the page at ${at} claims ${compressedPageSize} bytes where ${chunk.length - start} are left`)
  }
  if (uncompressedPageSize < 0 || uncompressedPageSize > PAGE_BYTES_MAX) {
    malformed(`the page at ${at} claims ${uncompressedPageSize} bytes uncompressed`)
  }
  const end = start + compressedPageSize
  const values = countValues(header)
  if (values < 0) malformed(`the page at ${at} claims ${values} values`)
  return { header, at, start, end, values }
}

function countValues(header: PageHeader): number {
  switch (header.type) {
    case PageType.DATA_PAGE:
      return (header.dataPageHeader ?? malformed('a data page without its header')).numValues
    case PageType.DATA_PAGE_V2: {
      const page = header.dataPageHeaderV2 ?? malformed('a data page without its header')
      if (page.numRows !== page.numValues) malformed(`a flat page of ${page.numValues} values in ${page.numRows} rows`)
      return page.numValues
    }
    case PageType.DICTIONARY_PAGE:
      return (header.dictionaryPageHeader ?? malformed('a dictionary page without its header')).numValues
    case PageType.INDEX_PAGE:
      return 0
    default:
      return malformed(`page type ${header.type} does not exist`)
  }
}

/** Decompresses a dictionary page, whose values are PLAIN. Throws MalformedError. */
export function openDictionaryPage(chunk: Uint8Array, page: StoredPage, codec: number): Uint8Array {
  const { encoding } = page.header.dictionaryPageHeader!
  if (encoding !== Encoding.PLAIN && encoding !== Encoding.PLAIN_DICTIONARY) {
    malformed(`a dictionary page in encoding ${enumName(Encoding, encoding)}`)
  }
  return decompress(codec, chunk.subarray(page.start, page.end), page.header.uncompressedPageSize)
}

/**
 * Decompresses a data page and decodes its levels; `optional` columns have definition levels. A page that is `read at once` may be
 * overwritten by the next one. Throws MalformedError.
 */
export function openDataPage(
  chunk: Uint8Array,
  page: StoredPage,
  codec: number,
  optional: boolean,
  keeping: Keeping,
): DataPage {
  return page.header.type === PageType.DATA_PAGE_V2
    ? openPageV2(chunk, page, codec, optional, keeping)
    : openPageV1(chunk, page, codec, optional, keeping)
}

function openPageV1(chunk: Uint8Array, page: StoredPage, codec: number, optional: boolean, keeping: Keeping): DataPage {
  const { encoding, definitionLevelEncoding } = page.header.dataPageHeader!
  const rows = page.values
  const bytes = decompress(codec, chunk.subarray(page.start, page.end), page.header.uncompressedPageSize, keeping)
  if (!optional) {
    return { rows, validity: { bits: null, present: rows }, encoding, bytes, start: 0, end: bytes.length }
  }
  if (definitionLevelEncoding !== Encoding.RLE) {
    malformed(`definition levels in encoding ${enumName(Encoding, definitionLevelEncoding)}`)
  }
  if (bytes.length < 4) malformed('a page ends before its definition levels')
  const length = readUint32(bytes, 0)
  if (length > bytes.length - 4) malformed(`definition levels claim ${length} bytes of ${bytes.length - 4}`)
  const start = 4 + length
  return { rows, validity: decodeDefinitionLevels(bytes, 4, start, rows), encoding, bytes, start, end: bytes.length }
}

function openPageV2(chunk: Uint8Array, page: StoredPage, codec: number, optional: boolean, keeping: Keeping): DataPage {
  const { encoding, numNulls, ...header } = page.header.dataPageHeaderV2!
  const rows = page.values
  const { definitionLevelsByteLength: levelBytes, repetitionLevelsByteLength: repetitionBytes } = header
  const sizeMax = Math.min(page.end - page.start, page.header.uncompressedPageSize)
  if (levelBytes < 0 || repetitionBytes < 0 || levelBytes + repetitionBytes > sizeMax) {
    malformed(`levels claim ${repetitionBytes} and ${levelBytes} bytes of a page of ${sizeMax}`)
  }
  // Some writers write repetition levels, all 0, where there can be none.
  const levels = page.start + repetitionBytes
  const start = levels + levelBytes
  const validity =
    optional && levelBytes > 0 ? decodeDefinitionLevels(chunk, levels, start, rows) : { bits: null, present: rows }
  if (validity.present !== rows - numNulls) {
    malformed(`a page claims ${numNulls} nulls, its levels have ${rows - validity.present}`)
  }
  const bytes = decompress(
    header.isCompressed === false ? 0 : codec,
    chunk.subarray(start, page.end),
    page.header.uncompressedPageSize - levelBytes - repetitionBytes,
    keeping,
  )
  return { rows, validity, encoding, bytes, start: 0, end: bytes.length }
}
