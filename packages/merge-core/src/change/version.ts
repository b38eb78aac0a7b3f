// Versions: for each key a total order, and comparing bytes compares versions.
//
// A version is the stream's label in UTF-8, 0x00, then the sequence number as the table keeps it: two digits of length, then its
// digits without leading zeros. Labels are of one width; sequence numbers are not (21 to 40 digits), and the length in front makes
// bytes compare as numbers. No version at all (a row of a foreign writer) is no bytes, below all others.

import type { BytesColumn, Column, DictionaryColumn } from '../columns/column.ts'
import { isPresent } from '../columns/column.ts'
import { ByteSink } from './byte-sink.ts'
import type { ByteStrings } from './byte-strings.ts'

/** Longest sequence number of DynamoDB Streams (API reference, StreamRecord). */
export const SEQUENCE_DIGITS_MAX = 40

/** The column form of a sequence number: `"0400"` becomes `"03400"`… as `_sequence` holds it. Throws where it is not 1 to 40 digits. */
export function sequenceForm(digits: string): string {
  if (!/^\d{1,40}$/.test(digits)) throw new Error(`a sequence number has 1 to 40 digits, not ${JSON.stringify(digits)}`)
  const significant = digits.replace(/^0+(?=\d)/, '')
  return String(significant.length).padStart(2, '0') + significant
}

/** When the export was made that a row is of, in epoch milliseconds; null for a row of a stream, or of nobody. */
export function exportTimeOf(sequence: string | null): number | null {
  return sequence?.startsWith('00') ? Number(sequence.slice(2)) : null
}

/** The bytes of the version (label of the stream, sequence number as DynamoDB writes it: 1 to 40 decimal digits). */
export function encodeVersion(stream: string, sequenceDigits: string): Uint8Array {
  return new TextEncoder().encode(`${stream}\0${sequenceForm(sequenceDigits)}`)
}

/** The parts of version bytes[start … end): label, and sequence in its column form; null for the missing version of no bytes. */
export function splitVersion(
  bytes: Uint8Array,
  start: number,
  end: number,
): { stream: string; sequence: string } | null {
  if (start === end) return null
  const text = new TextDecoder().decode(bytes.subarray(start, end))
  const zero = text.indexOf('\0')
  if (zero < 0) throw new Error(`version ${JSON.stringify(text)} has no 0x00 between stream and sequence`)
  return { stream: text.slice(0, zero), sequence: text.slice(zero + 1) }
}

/** The columns `_stream` (a dictionary: few labels, many rows) and `_sequence`; both null where the version is missing. */
export function versionColumns(versions: ByteStrings): { stream: DictionaryColumn; sequence: BytesColumn } {
  const rows = versions.starts.length - 1
  const { starts, bytes } = versions
  const indices = new Uint32Array(rows)
  const sequenceStarts = new Uint32Array(rows + 1)
  const sequences = new ByteSink(rows * 4 + bytes.length)
  sequences.reserve(rows * 4 + bytes.length)
  const labels = new Map<string, number>()
  let validity: Uint8Array | null = null
  // The previous row's label, found again by its bytes: nearly every row has the same one.
  let labelStart = 0
  let labelEnd = -1
  let labelIndex = 0
  for (let row = 0; row < rows; row++) {
    const start = starts[row]!
    const end = starts[row + 1]!
    if (start === end) {
      validity ??= allPresent(rows)
      validity[row >> 3]! &= ~(1 << (row & 7))
    } else {
      if (!startsWith(bytes, start, end, labelStart, labelEnd)) {
        labelStart = start
        labelEnd = bytes.indexOf(0, start) + 1
        if (labelEnd <= start || labelEnd > end) throw new Error(`version ${row} has no 0x00 after its stream`)
        const label = new TextDecoder().decode(bytes.subarray(labelStart, labelEnd - 1))
        labelIndex = labels.get(label) ?? labels.size
        labels.set(label, labelIndex)
      }
      indices[row] = labelIndex
      const from = start + (labelEnd - labelStart)
      pushPlain(sequences, bytes, from, end)
    }
    sequenceStarts[row + 1] = sequences.length
  }
  return {
    stream: { kind: 'dictionary', rows, validity, indices, dictionary: stringColumn([...labels.keys()]) },
    sequence: {
      kind: 'bytes',
      rows,
      validity,
      starts: sequenceStarts,
      bytes: sequences.bytes.subarray(0, sequences.length),
    },
  }
}

/** Versions from the columns `_stream` and `_sequence`; a row where either is null has the missing version. */
export function encodeVersions(stream: Column, sequence: Column): ByteStrings {
  const rows = stream.rows
  const streams = textsOf(stream, '_stream')
  const sequences = textsOf(sequence, '_sequence')
  const starts = new Uint32Array(rows + 1)
  const out = new ByteSink(rows * 48)
  for (let row = 0; row < rows; row++) {
    if (isPresent(stream.validity, row) && isPresent(sequence.validity, row)) {
      const label = streams.indices === null ? row : streams.indices[row]!
      const digits = sequences.indices === null ? row : sequences.indices[row]!
      out.push(streams.values.bytes, streams.values.starts[label]! + 4, streams.values.starts[label + 1]!)
      out.pushByte(0)
      out.push(sequences.values.bytes, sequences.values.starts[digits]! + 4, sequences.values.starts[digits + 1]!)
    }
    starts[row + 1] = out.length
  }
  return { starts, bytes: out.bytes.subarray(0, out.length) }
}

function textsOf(column: Column, name: string): { indices: Uint32Array | null; values: BytesColumn } {
  const plain = column.kind === 'dictionary' ? column.dictionary : column
  if (plain.kind !== 'bytes') throw new Error(`${name} is of kind ${plain.kind}, not a string`)
  return { indices: column.kind === 'dictionary' ? column.indices : null, values: plain }
}

function startsWith(bytes: Uint8Array, start: number, end: number, labelStart: number, labelEnd: number): boolean {
  const length = labelEnd - labelStart
  if (length < 0 || end - start < length) return false
  for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[labelStart + i]) return false
  return true
}

/** Appends four bytes of length (little-endian), then the bytes. */
function pushPlain(sink: ByteSink, source: Uint8Array, start: number, end: number): void {
  sink.reserve(4 + end - start)
  const length = end - start
  const { bytes } = sink
  let at = sink.length
  bytes[at++] = length
  bytes[at++] = length >>> 8
  bytes[at++] = length >>> 16
  bytes[at++] = length >>> 24
  for (let i = start; i < end; i++) bytes[at++] = source[i]!
  sink.length = at
}

function stringColumn(values: readonly string[]): BytesColumn {
  const starts = new Uint32Array(values.length + 1)
  const sink = new ByteSink(64)
  values.forEach((value, row) => {
    const bytes = new TextEncoder().encode(value)
    pushPlain(sink, bytes, 0, bytes.length)
    starts[row + 1] = sink.length
  })
  return { kind: 'bytes', rows: values.length, validity: null, starts, bytes: sink.toBytes() }
}

function allPresent(rows: number): Uint8Array {
  const validity = new Uint8Array((rows + 7) >> 3).fill(0xff)
  if ((rows & 7) !== 0) validity[validity.length - 1] = (1 << (rows & 7)) - 1
  return validity
}
