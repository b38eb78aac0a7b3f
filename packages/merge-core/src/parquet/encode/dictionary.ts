// Dictionaries of a chunk: an open-addressing table over the bytes of values, read where they lie.
//
// An entry is the row of its first occurrence, so nothing is copied while rows are added. Values are equal when their bytes are: a
// NaN keeps its pattern and −0 stays apart from 0.

import type { DictionaryColumn, PlainColumn } from '../../columns/column.ts'
import { viewOf } from '../../columns/copy-bytes.ts'
import { takeRows } from '../../columns/gather.ts'
import { hashBytes, mix } from '../../columns/hash-bytes.ts'
import { unwrittenWords } from '../../columns/memory.ts'
import { rowBytes } from './plain.ts'

/** Not of booleans: two values need no dictionary. */
export type DictionarySource = Exclude<PlainColumn, { kind: 'boolean' }>

/** Its arrays are kept between chunks: only the last builder made may be used. */
export interface DictionaryBuilder {
  readonly column: DictionarySource
  readonly entriesMax: number
  entries: number
  /** Bytes of the entries in PLAIN. */
  entryBytes: number
  /** So many slots are in use; a power of two, at least twice the entries. */
  slotCount: number
}

const SLOTS_AT_FIRST = 2048

/** Entry + 1, or 0. */
let slots = new Uint32Array(SLOTS_AT_FIRST)
/** Where each entry first occurs: the row, and for values of bytes the place among them. */
let firstRows = new Uint32Array(SLOTS_AT_FIRST / 2)
let firstStarts = new Uint32Array(SLOTS_AT_FIRST / 2)
let hashes = new Int32Array(SLOTS_AT_FIRST / 2)
/** Of each row. */
let indices = new Uint32Array(0)

/** For a column without nulls. */
export function dictionaryBuilder(column: DictionarySource, entriesMax: number): DictionaryBuilder {
  if (indices.length < column.rows) indices = new Uint32Array(column.rows)
  slots.fill(0, 0, SLOTS_AT_FIRST)
  return { column, entriesMax, entries: 0, entryBytes: 0, slotCount: SLOTS_AT_FIRST }
}

/** Adds rows [from, to), in order. Answers false, unfinished, where there are more distinct values than `entriesMax`. */
export function addRows(builder: DictionaryBuilder, from: number, to: number): boolean {
  const { column } = builder
  if (column.kind === 'bytes') return addBytes(builder, viewOf(column.bytes), column.starts, from, to)
  const { bytes, width } = rowBytes(column)
  if (width === 8) return addPairs(builder, new Int32Array(bytes.buffer, bytes.byteOffset, column.rows * 2), from, to)
  if (width === 4) return addWords(builder, new Int32Array(bytes.buffer, bytes.byteOffset, column.rows), from, to)
  return addBytes(builder, viewOf(bytes), evenStarts(width, from, to), from, to)
}

/** The column of the entries and the indices into it, once all rows were added. The next builder overwrites the indices. */
export function builtDictionary(builder: DictionaryBuilder): DictionaryColumn {
  const { column, entries } = builder
  const dictionary = takeRows(column, firstRows.subarray(0, entries)) as PlainColumn
  return {
    kind: 'dictionary',
    rows: column.rows,
    validity: null,
    indices: indices.subarray(0, column.rows),
    dictionary,
  }
}

/**
 * The same rows over the entries that occur, in the order of the dictionary; the column itself where all occur. Values are not
 * hashed. `column` has no nulls.
 */
export function dropUnusedEntries(column: DictionaryColumn): DictionaryColumn {
  const { dictionary, indices, rows } = column
  const used = new Uint8Array(dictionary.rows)
  for (let row = 0; row < rows; row++) used[indices[row]!] = 1
  const kept = new Uint32Array(dictionary.rows)
  const newIndex = new Uint32Array(dictionary.rows)
  let entries = 0
  for (let entry = 0; entry < used.length; entry++) {
    if (used[entry] === 0) continue
    newIndex[entry] = entries
    kept[entries++] = entry
  }
  if (entries === dictionary.rows) return column
  const moved = unwrittenWords(rows)
  for (let row = 0; row < rows; row++) moved[row] = newIndex[indices[row]!]!
  return { ...column, indices: moved, dictionary: takeRows(dictionary, kept.subarray(0, entries)) as PlainColumn }
}

/** Where values of the same width start, for rows [from, to]. */
function evenStarts(width: number, from: number, to: number): Uint32Array {
  const starts = new Uint32Array(to + 1)
  for (let row = from; row <= to; row++) starts[row] = row * width
  return starts
}

function addWords(builder: DictionaryBuilder, words: Int32Array, from: number, to: number): boolean {
  let mask = builder.slotCount - 1
  for (let row = from; row < to; row++) {
    const word = words[row]!
    const hash = mix(Math.imul(word, 0x9e3779b1))
    let slot = hash & mask
    let held = slots[slot]!
    while (held !== 0 && words[firstRows[held - 1]!] !== word) {
      slot = (slot + 1) & mask
      held = slots[slot]!
    }
    if (held === 0) {
      if (!addEntry(builder, row, 0, hash, slot, 4)) return false
      mask = builder.slotCount - 1
      held = builder.entries
    }
    indices[row] = held - 1
  }
  return true
}

/** Values of 64 bits as halves. */
function addPairs(builder: DictionaryBuilder, halves: Int32Array, from: number, to: number): boolean {
  let mask = builder.slotCount - 1
  for (let row = from; row < to; row++) {
    const low = halves[row * 2]!
    const high = halves[row * 2 + 1]!
    const hash = mix(Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77))
    let slot = hash & mask
    let held = slots[slot]!
    while (held !== 0) {
      const first = firstRows[held - 1]! * 2
      if (halves[first] === low && halves[first + 1] === high) break
      slot = (slot + 1) & mask
      held = slots[slot]!
    }
    if (held === 0) {
      if (!addEntry(builder, row, 0, hash, slot, 8)) return false
      mask = builder.slotCount - 1
      held = builder.entries
    }
    indices[row] = held - 1
  }
  return true
}

/** Row i is bytes starts[i] … starts[i + 1]. The length in front of each value of PLAIN is a part of it. */
function addBytes(builder: DictionaryBuilder, bytes: DataView, starts: Uint32Array, from: number, to: number): boolean {
  let mask = builder.slotCount - 1
  let start = starts[from]!
  for (let row = from; row < to; row++) {
    const end = starts[row + 1]!
    const hash = hashBytes(bytes, start, end)
    let slot = hash & mask
    let held = slots[slot]!
    while (held !== 0) {
      if (hashes[held - 1] === hash && isSameBytes(bytes, firstStarts[held - 1]!, start, end)) break
      slot = (slot + 1) & mask
      held = slots[slot]!
    }
    if (held === 0) {
      if (!addEntry(builder, row, start, hash, slot, end - start)) return false
      mask = builder.slotCount - 1
      held = builder.entries
    }
    indices[row] = held - 1
    start = end
  }
  return true
}

function addEntry(
  builder: DictionaryBuilder,
  row: number,
  start: number,
  hash: number,
  slot: number,
  bytes: number,
): boolean {
  if (builder.entries === builder.entriesMax) return false
  firstRows[builder.entries] = row
  firstStarts[builder.entries] = start
  hashes[builder.entries] = hash
  builder.entries++
  builder.entryBytes += bytes
  slots[slot] = builder.entries
  if (builder.entries * 2 === builder.slotCount) growTable(builder)
  return true
}

function growTable(builder: DictionaryBuilder): void {
  const { entries } = builder
  builder.slotCount *= 2
  if (slots.length < builder.slotCount) growArrays(builder.slotCount)
  const mask = builder.slotCount - 1
  slots.fill(0, 0, builder.slotCount)
  for (let entry = 0; entry < entries; entry++) {
    let slot = hashes[entry]! & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = entry + 1
  }
}

function growArrays(slotCount: number): void {
  slots = new Uint32Array(slotCount)
  const entries = slotCount / 2
  const before = [firstRows, firstStarts, hashes] as const
  firstRows = new Uint32Array(entries)
  firstStarts = new Uint32Array(entries)
  hashes = new Int32Array(entries)
  firstRows.set(before[0])
  firstStarts.set(before[1])
  hashes.set(before[2])
}

/** Whether the bytes from `held` on are those of [start, end). A shorter value differs in the length in front of it. */
function isSameBytes(bytes: DataView, held: number, start: number, end: number): boolean {
  let at = start
  for (; at + 4 <= end; at += 4, held += 4) if (bytes.getInt32(at, true) !== bytes.getInt32(held, true)) return false
  for (; at < end; at++, held++) if (bytes.getUint8(at) !== bytes.getUint8(held)) return false
  return true
}
