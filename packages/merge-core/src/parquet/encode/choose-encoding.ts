// How the values of a chunk are written: through a dictionary, as differences, or plain.
//
// What the first rows would take decides, so trying costs little where nothing is won. Nothing is hashed that comes with a dictionary.
// Texts are tried compressed: what the lengths between them cost shows only then.

import type {
  BytesColumn,
  Column,
  DictionaryColumn,
  Int32Column,
  Int64Column,
  PlainColumn,
} from '../../columns/column.ts'
import { expandDictionary } from '../../columns/gather.ts'
import { compress } from '../codecs.ts'
import { Encoding } from '../footer.ts'
import { bitWidth } from './bit-packing.ts'
import { deltaBytesMax, encodeDelta } from './delta.ts'
import { deltaLengthBytesMax, encodeDeltaLength } from './delta-length.ts'
import { addRows, builtDictionary, type DictionaryBuilder, dictionaryBuilder, dropUnusedEntries } from './dictionary.ts'
import { encodePlain, plainBytes } from './plain.ts'

/** The present values of a chunk, ready to be cut into pages. */
export type Values =
  | { readonly kind: 'plain'; readonly column: PlainColumn }
  | { readonly kind: 'delta'; readonly column: Int32Column | Int64Column }
  | { readonly kind: 'delta-length'; readonly column: BytesColumn }
  /** Indices of `width` bits. */
  | { readonly kind: 'dictionary'; readonly column: DictionaryColumn; readonly width: number }

/** The choice is made by so many rows: those of a usual first page. */
const FIRST_ROWS = 20_000
/** So many rows tell whether values repeat at all. */
const SAMPLE_ROWS = 4096
const SAMPLE_DISTINCT_MAX = 0.95
/** A dictionary must save a fifth of the first page, and have at most half as many entries as there are rows. */
const DICTIONARY_SIZE_MAX = 0.8
export const DICTIONARY_ENTRIES_MAX = 0.5
/** So many rows, and at most so many bytes of them, are compressed to see how texts are written. */
const TEXT_SAMPLE_ROWS = 1024
const TEXT_SAMPLE_BYTES = 32 << 10
/** What leaving out the lengths must save of the size, and of each row, since PLAIN is cheaper to read and write. */
const TEXT_SAVING_MIN = 0.05
const TEXT_SAVING_BYTES_MIN = 0.5
let trial = new Uint8Array(0)

/** @param before an Encoding that served most of these values before, or null; `present` has no nulls */
export function chooseEncoding(present: Column, before: number | null = null): Values {
  if (present.kind === 'dictionary') return keptDictionary(present)
  const asBefore = before === null ? null : encodedAs(present, before)
  if (asBefore !== null) return asBefore
  if (present.kind === 'boolean' || present.rows === 0) return { kind: 'plain', column: present }
  const firstRows = Math.min(FIRST_ROWS, present.rows)
  const plain = plainBytes(present, 0, firstRows)
  const isInteger = present.kind === 'int32' || present.kind === 'int64'
  const delta = isInteger ? deltaBytes(present, firstRows) : Number.POSITIVE_INFINITY
  const dictionary = builtWhereShorter(present, firstRows, Math.min(plain * DICTIONARY_SIZE_MAX, delta))
  if (dictionary !== null) return dictionary
  return isInteger && delta < plain ? { kind: 'delta', column: present } : withoutDictionary(present)
}

/** Null where the values cannot be encoded so without trying more. */
function encodedAs(column: PlainColumn, encoding: number): Values | null {
  const { kind } = column
  if (encoding === Encoding.PLAIN) return { kind: 'plain', column }
  if (encoding === Encoding.DELTA_LENGTH_BYTE_ARRAY && kind === 'bytes') return { kind: 'delta-length', column }
  if (encoding === Encoding.DELTA_BINARY_PACKED && (kind === 'int32' || kind === 'int64'))
    return { kind: 'delta', column }
  return null
}

/** As chooseEncoding, for rows beside pages of a chunk that has no dictionary page, of encoding `before`. `present` has no nulls. */
export function chooseWithoutDictionary(present: PlainColumn, before: number): Values {
  const asBefore = encodedAs(present, before)
  if (asBefore !== null) return asBefore
  if ((present.kind !== 'int32' && present.kind !== 'int64') || present.rows === 0) return withoutDictionary(present)
  const firstRows = Math.min(FIRST_ROWS, present.rows)
  const isShorter = deltaBytes(present, firstRows) < plainBytes(present, 0, firstRows)
  return { kind: isShorter ? 'delta' : 'plain', column: present }
}

/** The rows over their whole dictionary: other pages of the chunk may hold what they do not. `present` has no nulls. */
export function overWholeDictionary(present: DictionaryColumn): Values {
  return { kind: 'dictionary', column: present, width: indexWidth(present.dictionary.rows) }
}

function withoutDictionary(column: PlainColumn): Values {
  return column.kind === 'bytes' && column.rows > 0 ? chosenForTexts(column) : { kind: 'plain', column }
}

/** By rows from the middle: the first ones of a chunk are often alike. */
function chosenForTexts(column: BytesColumn): Values {
  const from = column.rows >> 1
  const to = from + sampleRows(column, from)
  const bytesMax = deltaLengthBytesMax(column, from, to)
  if (trial.length < bytesMax) trial = new Uint8Array(bytesMax)
  const plain = compress('zstd', trial.subarray(0, encodePlain(column, from, to, trial, 0)))
  const apart = compress('zstd', trial.subarray(0, encodeDeltaLength(column, from, to, trial, 0)))
  const saved = plain.length - apart.length
  const pays = saved > plain.length * TEXT_SAVING_MIN && saved > (to - from) * TEXT_SAVING_BYTES_MIN
  return { kind: pays ? 'delta-length' : 'plain', column }
}

function sampleRows({ starts, rows }: BytesColumn, from: number): number {
  let sample = Math.min(TEXT_SAMPLE_ROWS, rows - from)
  while (sample > 1 && starts[from + sample]! - starts[from]! > TEXT_SAMPLE_BYTES) sample >>= 1
  return sample
}

/** An incoming dictionary is kept while at least every second row is a repetition. */
function keptDictionary(present: DictionaryColumn): Values {
  const column = dropUnusedEntries(present)
  const { dictionary } = column
  if (dictionary.kind === 'boolean' || dictionary.rows === 0 || dictionary.rows > column.rows * DICTIONARY_ENTRIES_MAX)
    return withoutDictionary(expandDictionary(column))
  return { kind: 'dictionary', column, width: indexWidth(dictionary.rows) }
}

function deltaBytes(column: Int32Column | Int64Column, rows: number): number {
  const bytesMax = deltaBytesMax(rows, column.data.BYTES_PER_ELEMENT)
  if (trial.length < bytesMax) trial = new Uint8Array(bytesMax)
  return encodeDelta(column, 0, rows, trial, 0)
}

/** The dictionary of all rows; null where it takes `bytesMax` or more on the first page, or grows too large after it. */
function builtWhereShorter(
  column: Exclude<PlainColumn, { kind: 'boolean' }>,
  firstRows: number,
  bytesMax: number,
): Values | null {
  const builder = dictionaryBuilder(column, Math.ceil(column.rows * DICTIONARY_ENTRIES_MAX))
  const sample = Math.min(SAMPLE_ROWS, firstRows)
  if (!addRows(builder, 0, sample) || builder.entries > sample * SAMPLE_DISTINCT_MAX) return null
  if (!addRows(builder, sample, firstRows) || dictionaryPageBytes(builder, firstRows) >= bytesMax) return null
  if (!addRows(builder, firstRows, column.rows)) return null
  return { kind: 'dictionary', column: builtDictionary(builder), width: indexWidth(builder.entries) }
}

function dictionaryPageBytes(builder: DictionaryBuilder, rows: number): number {
  return builder.entryBytes + (rows * indexWidth(builder.entries)) / 8
}

/** Not 0 for a single entry: not every reader takes indices of no bits. */
function indexWidth(entries: number): number {
  return Math.max(1, bitWidth(entries - 1))
}
