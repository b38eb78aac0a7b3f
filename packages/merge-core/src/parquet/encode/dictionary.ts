// Dictionaries of a chunk: an open-addressing table over the bytes of values, read where they lie.
//
// An entry is the row of its first occurrence, so nothing is copied while rows are added. Values are equal when their bytes are: a
// NaN keeps its pattern and −0 stays apart from 0.

import type { DictionaryColumn, PlainColumn } from '../../columns/column.ts'
import { takeRows } from '../../columns/gather.ts'
import { rowBytes } from './plain.ts'

/** Not of booleans: two values need no dictionary. */
export type DictionarySource = Exclude<PlainColumn, { kind: 'boolean' }>

export interface DictionaryBuilder {
  readonly column: DictionarySource
  readonly entriesMax: number
  readonly indices: Uint32Array
  entries: number
  /** Bytes of the entries in PLAIN. */
  entryBytes: number
  firstRows: Uint32Array
  hashes: Int32Array
  /** Entry + 1, or 0. */
  slots: Uint32Array
}

const SLOTS_AT_FIRST = 2048

/** For a column without nulls. */
export function dictionaryBuilder(column: DictionarySource, entriesMax: number): DictionaryBuilder {
  return {
    column,
    entriesMax,
    indices: new Uint32Array(column.rows),
    entries: 0,
    entryBytes: 0,
    firstRows: new Uint32Array(SLOTS_AT_FIRST / 2),
    hashes: new Int32Array(SLOTS_AT_FIRST / 2),
    slots: new Uint32Array(SLOTS_AT_FIRST),
  }
}

/** Adds rows [from, to), in order. Answers false, unfinished, where there are more distinct values than `entriesMax`. */
export function addRows(builder: DictionaryBuilder, from: number, to: number): boolean {
  const { column } = builder
  if (column.kind === 'bytes') return addBytes(builder, column.bytes, column.starts, 0, from, to)
  const { bytes, width } = rowBytes(column)
  if (width === 8) return addPairs(builder, new Int32Array(bytes.buffer, bytes.byteOffset, column.rows * 2), from, to)
  if (width === 4) return addWords(builder, new Int32Array(bytes.buffer, bytes.byteOffset, column.rows), from, to)
  return addBytes(builder, bytes, null, width, from, to)
}

/** The column of the entries and the indices into it, once all rows were added. */
export function builtDictionary(builder: DictionaryBuilder): DictionaryColumn {
  const { column, indices, firstRows, entries } = builder
  const dictionary = takeRows(column, firstRows.subarray(0, entries)) as PlainColumn
  return { kind: 'dictionary', rows: column.rows, validity: null, indices, dictionary }
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
  const moved = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) moved[row] = newIndex[indices[row]!]!
  return { ...column, indices: moved, dictionary: takeRows(dictionary, kept.subarray(0, entries)) as PlainColumn }
}

function addWords(builder: DictionaryBuilder, words: Int32Array, from: number, to: number): boolean {
  const { indices } = builder
  let { slots, firstRows } = builder
  for (let row = from; row < to; row++) {
    const word = words[row]!
    const hash = mix(Math.imul(word, 0x9e3779b1))
    let slot = hash & (slots.length - 1)
    while (slots[slot] !== 0 && words[firstRows[slots[slot]! - 1]!] !== word) slot = (slot + 1) & (slots.length - 1)
    if (slots[slot] === 0) {
      if (!addEntry(builder, row, hash, slot, 4)) return false
      slots = builder.slots
      firstRows = builder.firstRows
      indices[row] = builder.entries - 1
    } else indices[row] = slots[slot]! - 1
  }
  return true
}

function addPairs(builder: DictionaryBuilder, halves: Int32Array, from: number, to: number): boolean {
  const { indices } = builder
  let { slots, firstRows } = builder
  for (let row = from; row < to; row++) {
    const low = halves[row * 2]!
    const high = halves[row * 2 + 1]!
    const hash = mix(Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77))
    let slot = hash & (slots.length - 1)
    while (slots[slot] !== 0) {
      const held = firstRows[slots[slot]! - 1]! * 2
      if (halves[held] === low && halves[held + 1] === high) break
      slot = (slot + 1) & (slots.length - 1)
    }
    if (slots[slot] === 0) {
      if (!addEntry(builder, row, hash, slot, 8)) return false
      slots = builder.slots
      firstRows = builder.firstRows
      indices[row] = builder.entries - 1
    } else indices[row] = slots[slot]! - 1
  }
  return true
}

/** Values of `width` bytes each, or from `starts` where it is given. */
function addBytes(
  builder: DictionaryBuilder,
  bytes: Uint8Array,
  starts: Uint32Array | null,
  width: number,
  from: number,
  to: number,
): boolean {
  const { indices } = builder
  let { slots, firstRows, hashes } = builder
  for (let row = from; row < to; row++) {
    const start = starts === null ? row * width : starts[row]!
    const end = starts === null ? start + width : starts[row + 1]!
    const hash = hashBytes(bytes, start, end)
    let slot = hash & (slots.length - 1)
    while (slots[slot] !== 0) {
      const entry = slots[slot]! - 1
      const held = starts === null ? firstRows[entry]! * width : starts[firstRows[entry]!]!
      // The length in front of each value of PLAIN is compared with it.
      if (hashes[entry] === hash && isSameBytes(bytes, held, start, end)) break
      slot = (slot + 1) & (slots.length - 1)
    }
    if (slots[slot] === 0) {
      if (!addEntry(builder, row, hash, slot, end - start)) return false
      slots = builder.slots
      firstRows = builder.firstRows
      hashes = builder.hashes
      indices[row] = builder.entries - 1
    } else indices[row] = slots[slot]! - 1
  }
  return true
}

function addEntry(builder: DictionaryBuilder, row: number, hash: number, slot: number, bytes: number): boolean {
  if (builder.entries === builder.entriesMax) return false
  builder.firstRows[builder.entries] = row
  builder.hashes[builder.entries] = hash
  builder.entries++
  builder.entryBytes += bytes
  builder.slots[slot] = builder.entries
  if (builder.entries * 2 === builder.slots.length) growTable(builder)
  return true
}

function growTable(builder: DictionaryBuilder): void {
  const { entries } = builder
  const slots = new Uint32Array(entries * 4)
  const firstRows = new Uint32Array(entries * 2)
  firstRows.set(builder.firstRows)
  const hashes = new Int32Array(entries * 2)
  hashes.set(builder.hashes)
  for (let entry = 0; entry < entries; entry++) {
    let slot = hashes[entry]! & (slots.length - 1)
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
    slots[slot] = entry + 1
  }
  builder.slots = slots
  builder.firstRows = firstRows
  builder.hashes = hashes
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  let at = start
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return mix(hash)
}

/** The table takes the low bits: they must depend on all. */
function mix(hash: number): number {
  const folded = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return folded ^ (folded >>> 13)
}

function isSameBytes(bytes: Uint8Array, held: number, start: number, end: number): boolean {
  for (let at = start; at < end; at++, held++) if (bytes[at] !== bytes[held]) return false
  return true
}
