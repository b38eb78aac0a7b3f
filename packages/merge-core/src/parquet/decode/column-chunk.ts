// One column chunk to one column.
//
// 1. Walk the page headers. 2. Decompress a page, put its present values where its rows begin, spread them around the nulls.
// 3. Once for the chunk, convert to the field's type; with a dictionary only the dictionary is converted.
// A chunk whose data pages all hold dictionary indices stays a dictionary column. Where a writer gave up its dictionary midway,
// everything is expanded.

import { type BytesColumn, type Column, isPresent, type PlainColumn, type Validity } from '../../columns/column.ts'
import { nullColumn } from '../../columns/constant.ts'
import { unwrittenWords } from '../../columns/memory.ts'
import { copyBits, setBits } from '../../columns/validity.ts'
import type { PrimitiveType } from '../../primitive-type.ts'
import { Encoding, enumName, PageType, PhysicalType, Repetition, type SchemaElement } from '../footer.ts'
import { malformed } from '../malformed.ts'
import {
  appendLookedUp,
  appendPlainByteArrays,
  type ByteArrays,
  finishByteArrays,
  makeByteArrays,
} from './byte-arrays.ts'
import { appendDeltaByteArrays, appendDeltaLengthByteArrays, decodeDelta } from './delta.ts'
import { decodeIndices } from './dictionary.ts'
import { type FixedValues, lookUp, makeFixedValues, physicalWidth, spread, spreadElements } from './fixed-width.ts'
import {
  type DataPage,
  openDataPage,
  openDictionaryPage,
  type StoredPage,
  type StoredPages,
  splitPages,
} from './pages.ts'
import { decodeByteStreamSplit, decodePlain, decodePlainBooleans, decodeRleBooleans } from './plain.ts'
import { type Representation, representationOf } from './represent.ts'

/**
 * Decodes the pages of a flat column's chunk of `rows` rows. `chunk` holds the chunk's bytes and nothing else, `codec` is its
 * compression, `element` its leaf of the schema; the result has the kind that columns/column.ts gives for `type`, or is a
 * dictionary column of it. It may share memory with `chunk`. Throws MalformedError.
 */
export function decodeColumnChunk(
  chunk: Uint8Array,
  codec: number,
  element: SchemaElement,
  rows: number,
  type: PrimitiveType,
): Column {
  const representation = representationOf(element, type)
  const width = physicalWidth(element.type!, element.typeLength)
  const pages = splitPages(chunk, rows)
  const context = { chunk, codec, element, rows, width, pages }
  if (pages.dictionary === null) return representation.convert(decodeValues(context, null))
  const dictionary = decodeDictionary(context, pages.dictionary)
  if (!pages.data.every(holdsIndices)) return representation.convert(decodeValues(context, dictionary))
  return decodeDictionaryColumn(context, dictionary, representation, type)
}

interface Context {
  readonly chunk: Uint8Array
  readonly codec: number
  readonly element: SchemaElement
  readonly rows: number
  readonly width: number
  readonly pages: StoredPages
}

/** The entries of a dictionary page: byte arrays, or values of one width. */
interface Dictionary {
  readonly rows: number
  readonly column: PlainColumn
  readonly fixed: FixedValues | null
}

function isOptional(element: SchemaElement): boolean {
  return element.repetitionType === Repetition.OPTIONAL
}

function isIndexEncoding(encoding: number): boolean {
  return encoding === Encoding.RLE_DICTIONARY || encoding === Encoding.PLAIN_DICTIONARY
}

function holdsIndices(page: StoredPage): boolean {
  const { header } = page
  const encoding =
    header.type === PageType.DATA_PAGE_V2 ? header.dataPageHeaderV2!.encoding : header.dataPageHeader!.encoding
  return isIndexEncoding(encoding)
}

function decodeDictionary(context: Context, page: StoredPage): Dictionary {
  const rows = page.values
  const bytes = openDictionaryPage(context.chunk, page, context.codec)
  if (context.width === 0) {
    if (rows * 4 > bytes.length) malformed(`a dictionary of ${rows} values in ${bytes.length} bytes`)
    const values = makeByteArrays(rows, 0)
    appendPlainByteArrays(bytes, 0, bytes.length, rows, null, values, 0)
    return { rows, column: finishByteArrays(values, rows, null), fixed: null }
  }
  if (context.element.type === PhysicalType.BOOLEAN) malformed('a dictionary of booleans')
  if (rows * context.width > bytes.length) malformed(`a dictionary of ${rows} values in ${bytes.length} bytes`)
  const fixed = makeFixedValues(rows, context.width)
  decodePlain(bytes, 0, bytes.length, rows, fixed, 0)
  return { rows, column: fixedColumn(context.element, fixed, rows, null), fixed }
}

function decodeDictionaryColumn(
  context: Context,
  dictionary: Dictionary,
  representation: Representation,
  type: PrimitiveType,
): Column {
  const { rows } = context
  if (dictionary.rows === 0) return decodeAllNull(context, type)
  const indices = unwrittenWords(rows)
  const validity = eachPage(context, (page, at) => {
    const { present, bits } = page.validity
    decodeIndices(page.bytes, page.start, page.end, present, dictionary.rows, indices, at)
    if (bits !== null) spreadElements(indices, at, page.rows, present, bits)
  })
  const values = representation.convert(dictionary.column)
  const column: Column = { kind: 'dictionary', rows, validity, indices, dictionary: values }
  // Distinct values that become one would make a dictionary that holds a value twice.
  return representation.lossy ? expandInt64(column.indices, values, validity) : column
}

function decodeAllNull(context: Context, type: PrimitiveType): PlainColumn {
  eachPage(context, (page) => {
    if (page.validity.present > 0) malformed(`${page.validity.present} values of an empty dictionary`)
  })
  return nullColumn(type, context.rows)
}

function expandInt64(indices: Uint32Array, values: PlainColumn, validity: Validity): PlainColumn {
  if (values.kind !== 'int64') throw new Error(`a lossy conversion gave ${values.kind}`)
  const rows = indices.length
  const data = new BigInt64Array(rows)
  for (let row = 0; row < rows; row++) {
    if (isPresent(validity, row)) data[row] = values.data[indices[row]!]!
  }
  return { kind: 'int64', rows, validity, data }
}

// Opens each data page, hands it over with its first row, and joins the validity of all.
function eachPage(context: Context, take: (page: DataPage, at: number) => void): Validity {
  const { chunk, codec, element, rows, pages } = context
  // The only page of byte arrays is kept as it is, everything else is copied out of its page.
  const keeping = context.width === 0 && pages.data.length === 1 ? 'kept' : 'read at once'
  let validity: Validity = null
  let at = 0
  for (const stored of pages.data) {
    const page = openDataPage(chunk, stored, codec, isOptional(element), keeping)
    take(page, at)
    const { bits } = page.validity
    if (bits !== null && validity === null) {
      validity = new Uint8Array((rows + 7) >> 3)
      setBits(validity, 0, at)
    }
    if (validity !== null) {
      if (bits === null) setBits(validity, at, page.rows)
      else copyBits(bits, 0, validity, at, page.rows)
    }
    at += page.rows
  }
  return validity
}

function decodeValues(context: Context, dictionary: Dictionary | null): PlainColumn {
  return context.width === 0 ? decodeByteArrays(context, dictionary) : decodeFixed(context, dictionary)
}

// Memory that a few bytes may claim. Beyond it, what page headers claim is believed as far as their compressed bytes make it likely.
const CAPACITY_FREE = 8 << 20

// Pages beyond the first are appended, so their bytes should have room.
function capacityOf(context: Context): number {
  const { data } = context.pages
  if (data.length < 2) return 0
  let claimed = 0
  for (const page of data) claimed += page.header.uncompressedPageSize
  return Math.min(claimed, Math.max(CAPACITY_FREE, context.chunk.length * 16))
}

function decodeByteArrays(context: Context, dictionary: Dictionary | null): BytesColumn {
  const { rows } = context
  const out = makeByteArrays(rows, capacityOf(context))
  const validity = eachPage(context, (page, at) => appendByteArrays(page, dictionary, out, at))
  return finishByteArrays(out, rows, validity)
}

function appendByteArrays(page: DataPage, dictionary: Dictionary | null, out: ByteArrays, at: number): void {
  const { bytes, start, end, rows, encoding, validity } = page
  const { bits, present } = validity
  switch (encoding) {
    case Encoding.PLAIN:
      appendPlainByteArrays(bytes, start, end, rows, bits, out, at)
      return
    case Encoding.DELTA_LENGTH_BYTE_ARRAY:
      appendDeltaLengthByteArrays(bytes, start, end, rows, present, bits, out, at)
      return
    case Encoding.DELTA_BYTE_ARRAY:
      appendDeltaByteArrays(bytes, start, end, rows, present, bits, out, at)
      return
  }
  if (dictionary === null || !isIndexEncoding(encoding)) unreadable(encoding, PhysicalType.BYTE_ARRAY)
  const indices = new Uint32Array(present)
  decodeIndices(bytes, start, end, present, dictionary.rows, indices, 0)
  appendLookedUp(dictionary.column as BytesColumn, indices, rows, bits, out, at)
}

function decodeFixed(context: Context, dictionary: Dictionary | null): PlainColumn {
  const { element, rows, width } = context
  const out = makeFixedValues(rows, width)
  const validity = eachPage(context, (page, at) => {
    decodeFixedPage(page, element, dictionary, out, at)
    if (page.validity.bits !== null) spread(out, at, page.rows, page.validity.present, page.validity.bits)
  })
  return fixedColumn(element, out, rows, validity)
}

function decodeFixedPage(
  page: DataPage,
  element: SchemaElement,
  dictionary: Dictionary | null,
  out: FixedValues,
  at: number,
): void {
  const { bytes, start, end, encoding } = page
  const { present } = page.validity
  const physical = element.type!
  if (physical === PhysicalType.BOOLEAN) {
    if (encoding === Encoding.PLAIN) decodePlainBooleans(bytes, start, end, present, out.bytes, at)
    else if (encoding === Encoding.RLE) decodeRleBooleans(bytes, start, end, present, out.bytes, at)
    else unreadable(encoding, physical)
    return
  }
  switch (encoding) {
    case Encoding.PLAIN:
      decodePlain(bytes, start, end, present, out, at)
      return
    case Encoding.BYTE_STREAM_SPLIT:
      decodeByteStreamSplit(bytes, start, end, present, out, at)
      return
    case Encoding.DELTA_BINARY_PACKED:
      if (physical !== PhysicalType.INT32 && physical !== PhysicalType.INT64) unreadable(encoding, physical)
      if (decodeDelta(bytes, start, end, present, physical === PhysicalType.INT64, out.words, at) !== end) {
        malformed(`bytes are left after ${present} deltas`)
      }
      return
    case Encoding.DELTA_BYTE_ARRAY:
      if (physical !== PhysicalType.FIXED_LEN_BYTE_ARRAY) unreadable(encoding, physical)
      decodeFixedDeltaByteArrays(page, out, at)
      return
  }
  if (dictionary?.fixed == null || !isIndexEncoding(encoding)) unreadable(encoding, physical)
  const indices = new Uint32Array(present)
  decodeIndices(bytes, start, end, present, dictionary.rows, indices, 0)
  lookUp(dictionary.fixed, indices, present, out, at)
}

function decodeFixedDeltaByteArrays(page: DataPage, out: FixedValues, at: number): void {
  const { present } = page.validity
  const values = makeByteArrays(present, 0)
  appendDeltaByteArrays(page.bytes, page.start, page.end, present, present, null, values, 0)
  for (let i = 0; i < present; i++) {
    const from = values.starts[i]! + 4
    const to = values.starts[i + 1]!
    if (to - from !== out.width) malformed(`a value of ${to - from} bytes in a column of ${out.width}`)
    out.bytes.set(values.bytes.subarray(from, to), (at + i) * out.width)
  }
}

function unreadable(encoding: number, physical: number): never {
  malformed(`encoding ${enumName(Encoding, encoding)} of ${enumName(PhysicalType, physical)} is not read here`)
}

function fixedColumn(element: SchemaElement, values: FixedValues, rows: number, validity: Validity): PlainColumn {
  const { bytes, width } = values
  const { buffer, byteOffset } = bytes
  switch (element.type) {
    case PhysicalType.BOOLEAN:
      return { kind: 'boolean', rows, validity, data: bytes }
    case PhysicalType.INT32:
      return { kind: 'int32', rows, validity, data: new Int32Array(buffer, byteOffset, rows) }
    case PhysicalType.INT64:
      return { kind: 'int64', rows, validity, data: new BigInt64Array(buffer, byteOffset, rows) }
    case PhysicalType.FLOAT:
      return { kind: 'float', rows, validity, data: new Float32Array(buffer, byteOffset, rows) }
    case PhysicalType.DOUBLE:
      return { kind: 'double', rows, validity, data: new Float64Array(buffer, byteOffset, rows) }
    default:
      return { kind: 'fixed', rows, validity, width, data: bytes }
  }
}
