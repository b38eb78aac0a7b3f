// A dictionary that is looked up and extended by the bytes of its values: an open-addressing table of value numbers.
//
// Values are equal when their bytes are, so a NaN keeps its pattern and −0 stays apart from 0. The base dictionary is read in place;
// it is copied only when a first value is added.

import { invariant } from '../invariant.ts'
import { type Column, isPresent, type PlainColumn, type Validity } from './column.ts'
import { hashBytes } from './hash-bytes.ts'
import { columnOverBytes } from './lanes.ts'

/** Where the bytes of a plain column's values are: number i at bytes[i × width …], or by `starts` where the width varies. */
interface ValueBytes {
  readonly width: number
  readonly starts: Uint32Array | null
  readonly bytes: Uint8Array
  /** Of `bytes`. */
  readonly view: DataView
}

export interface DictionaryTable {
  readonly base: PlainColumn
  readonly addedMax: number
  values: number
  content: ValueBytes
  contentBytes: number
  /** Value number + 1, or 0. Its length is a power of two, at least twice the values. */
  slots: Uint32Array
}

/** At most `addedMax` values can be added. */
export function dictionaryTable(base: PlainColumn, addedMax: number): DictionaryTable {
  const content = valueBytes(base)
  const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * (base.rows + addedMax) + 2)))
  const contentBytes = content.starts === null ? base.rows * content.width : content.starts[base.rows]!
  const table = { base, addedMax, values: base.rows, content, contentBytes, slots }
  for (let value = 0; value < base.rows; value++) {
    const slot = findSlot(table, content, value)
    // A foreign writer's dictionary may hold a value twice: the first one counts.
    if (slots[slot] === 0) slots[slot] = value + 1
  }
  return table
}

/** Rows of a column whose values are to be found in a table. */
export interface IndexedRows {
  readonly table: DictionaryTable
  readonly validity: Validity
  /** The column's values, or those of its own dictionary. */
  readonly source: ValueBytes
  /** Which value of its own dictionary each row holds, and what these are called in the table: −1 where nobody asked. */
  readonly own: { readonly indices: Uint32Array; readonly numbers: Int32Array } | null
}

export function indexedRows(table: DictionaryTable, column: Column): IndexedRows {
  const { validity } = column
  if (column.kind !== 'dictionary') return { table, validity, source: valueBytes(column), own: null }
  const { indices, dictionary } = column
  const own = { indices, numbers: new Int32Array(dictionary.rows).fill(-1) }
  return { table, validity, source: valueBytes(dictionary), own }
}

/**
 * Writes into `indices` the value numbers of rows [start, end), 0 for a null, and adds the values that the table lacks. Answers false, with
 * `indices` incomplete, where more would have to be added than the table takes.
 */
export function indexRows(
  { table, validity, source, own }: IndexedRows,
  start: number,
  end: number,
  indices: Uint32Array,
): boolean {
  for (let row = start; row < end; row++) {
    if (!isPresent(validity, row)) continue
    const value = own === null ? findOrAdd(table, source, row) : numberOf(table, source, own, row)
    if (value < 0) return false
    indices[row] = value
  }
  return true
}

function numberOf(
  table: DictionaryTable,
  source: ValueBytes,
  { indices, numbers }: NonNullable<IndexedRows['own']>,
  row: number,
): number {
  const own = indices[row]!
  if (numbers[own] === -1) numbers[own] = findOrAdd(table, source, own)
  return numbers[own]!
}

/** The dictionary with what was added. */
export function extendedDictionary(table: DictionaryTable): PlainColumn {
  const { base, values, content, contentBytes } = table
  if (values === base.rows) return base
  if (base.kind === 'bytes') {
    return {
      ...base,
      rows: values,
      starts: content.starts!.subarray(0, values + 1),
      bytes: content.bytes.subarray(0, contentBytes),
    }
  }
  return columnOverBytes(base, values, content.bytes.subarray(0, contentBytes))
}

function valueBytes(column: PlainColumn): ValueBytes {
  if (column.kind === 'bytes') return bytesOf(0, column.starts, column.bytes)
  const { data } = column
  const width = column.kind === 'fixed' ? column.width : data.BYTES_PER_ELEMENT
  return bytesOf(width, null, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

function bytesOf(width: number, starts: Uint32Array | null, bytes: Uint8Array): ValueBytes {
  return { width, starts, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}

function findOrAdd(table: DictionaryTable, source: ValueBytes, row: number): number {
  const slot = findSlot(table, source, row)
  const held = table.slots[slot]!
  if (held !== 0) return held - 1
  if (table.values - table.base.rows === table.addedMax) return -1
  append(table, source, row)
  table.slots[slot] = table.values
  return table.values - 1
}

/** The slot that holds the value, or the free one where it belongs. */
function findSlot(table: DictionaryTable, source: ValueBytes, row: number): number {
  const { slots, content } = table
  const start = valueStart(source, row)
  const end = valueStart(source, row + 1)
  let slot = hashBytes(source.view, start, end) & (slots.length - 1)
  while (slots[slot] !== 0 && !holds(content, slots[slot]! - 1, source.view, start, end)) {
    slot = (slot + 1) & (slots.length - 1)
  }
  return slot
}

function valueStart(source: ValueBytes, row: number): number {
  return source.starts === null ? row * source.width : source.starts[row]!
}

function holds(content: ValueBytes, value: number, bytes: DataView, start: number, end: number): boolean {
  let own = valueStart(content, value)
  if (valueStart(content, value + 1) - own !== end - start) return false
  const { view } = content
  let at = start
  for (; at + 4 <= end; at += 4, own += 4) if (view.getInt32(own, true) !== bytes.getInt32(at, true)) return false
  for (; at < end; at++, own++) if (view.getUint8(own) !== bytes.getUint8(at)) return false
  return true
}

function append(table: DictionaryTable, source: ValueBytes, row: number): void {
  const start = valueStart(source, row)
  const end = valueStart(source, row + 1)
  const contentBytes = table.contentBytes + end - start
  invariant(contentBytes < 2 ** 32, `a dictionary of ${contentBytes} bytes`)
  // The base's buffers belong to others, so the first value added copies them.
  if (table.values === table.base.rows || contentBytes > table.content.bytes.length) growContent(table, contentBytes)
  const { bytes, starts } = table.content
  for (let at = start, to = table.contentBytes; at < end; at++, to++) bytes[to] = source.bytes[at]!
  table.contentBytes = contentBytes
  table.values++
  if (starts !== null) starts[table.values] = contentBytes
}

function growContent(table: DictionaryTable, bytesNeeded: number): void {
  const { content, base, addedMax } = table
  const bytes = new Uint8Array(Math.ceil(bytesNeeded * 1.5) + 64)
  bytes.set(content.bytes.subarray(0, table.contentBytes))
  let starts = content.starts
  if (starts !== null && table.values === base.rows) {
    starts = new Uint32Array(base.rows + addedMax + 1)
    starts.set(content.starts!.subarray(0, base.rows + 1))
  }
  table.content = bytesOf(content.width, starts, bytes)
}
