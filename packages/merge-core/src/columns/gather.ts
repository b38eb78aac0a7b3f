// Rows brought together from other columns, in runs: what a merge does with every column of a touched row group.
//
// A run of rows is one stretch of memory in every layout, so the work is per run where runs are long and per row where they are
// short. Values move as bit patterns, so a NaN stays the NaN it was and no BigInt is made. Dictionaries are kept: values are hashed
// only where a side brings a dictionary of its own or none, and only those that are taken.

import { invariant } from '../invariant.ts'
import type { PrimitiveType } from '../primitive-type.ts'
import {
  type BytesColumn,
  type Column,
  type DictionaryColumn,
  isPresent,
  type PlainColumn,
  type Validity,
} from './column.ts'
import { nullColumn } from './constant.ts'
import { copyStretch, viewOf } from './copy-bytes.ts'
import { dictionaryTable, extendedDictionary, indexedRows, indexRows } from './dictionary-table.ts'
import { columnOverLanes, type FixedWidthColumn, type Lanes, lanesOf, lanesPerRow, newLanes } from './lanes.ts'
import { unwrittenBytes, unwrittenWords } from './memory.ts'
import { copyBits, nullIfAllPresent, setBit, setBits, sliceValidity } from './validity.ts'

export const STORED = 0
export const INCOMING = 1

/** Runs of rows taken from one of two sides, in output order. The arrays may be longer than `runs`. */
export interface Selection {
  /** The sum of the lengths. */
  readonly rows: number
  readonly runs: number
  /** STORED or INCOMING. */
  readonly side: Uint8Array
  readonly start: Uint32Array
  readonly length: Uint32Array
}

/** Up to so many elements are copied by a loop: at about 1.3 ns each, whatever their width, it beats the 45 ns of a call to `set`. */
const LOOP_ELEMENTS_MAX = 32

/** A dictionary grows by at most a quarter (256 values where it is small); beyond, it is expanded. */
function addedValuesMax(dictionary: PlainColumn): number {
  return Math.max(256, dictionary.rows >> 2)
}

/** The selected rows, one after the other. Both columns have the layout of `type`; a side that gives no row is not read. */
export function gather(type: PrimitiveType, stored: Column, incoming: Column, selection: Selection): Column {
  const taken = movesOf(selection).incomingRow.length
  if (taken === 0 && selection.rows === 0) return nullColumn(type, 0)
  if (taken === 0) return gatherAlike(stored, stored, selection)
  if (taken === selection.rows) return gatherAlike(incoming, incoming, selection)
  if (stored.kind !== 'dictionary') return gatherAlike(stored, expandDictionary(incoming), selection)
  return (
    gatherOverDictionary(stored, incoming, selection) ??
    gatherAlike(expandDictionary(stored), expandDictionary(incoming), selection)
  )
}

/** As gather, over the stored dictionary with the values that it lacks behind its own; null where it would grow too much. */
export function gatherOverDictionary(
  stored: DictionaryColumn,
  incoming: Column,
  selection: Selection,
): DictionaryColumn | null {
  const { incomingRow } = movesOf(selection)
  if (incomingRow.length === 0) return gatherAlike(stored, stored, selection) as DictionaryColumn
  const indexed = indexIncoming(stored.dictionary, incoming, selection)
  if (indexed === null) return null
  return gatherAlike({ ...stored, dictionary: indexed.dictionary }, indexed, selection) as DictionaryColumn
}

/** Rows in any order, any number of times. A dictionary is kept. */
export function takeRows(column: Column, rows: Uint32Array): Column {
  const validity = takeValidity(column.validity, rows)
  if (column.kind === 'bytes') return takeBytes(column, rows, validity)
  return columnOverLanes(column, rows.length, validity, takeLanes(lanesOf(column), lanesPerRow(column), rows))
}

/** Of `perRow` lanes a row those of the rows, in any order, any number of times. */
export function takeLanes<L extends Lanes>(source: L, perRow: number, rows: Uint32Array): L {
  const target = newLanes(source, rows.length * perRow)
  if (perRow > 1) takeFixed(source as Uint8Array, perRow, rows, target as Uint8Array)
  else if (source instanceof BigUint64Array) takeLongs(source, rows, target as BigUint64Array)
  else if (source instanceof Uint32Array) takeWords(source, rows, target as Uint32Array)
  else takeSingleBytes(source as Uint8Array, rows, target as Uint8Array)
  return target as L
}

/** Rows [start, end). Shares the values' memory with `column`. */
export function sliceRows<C extends Column>(column: C, start: number, end: number): C
export function sliceRows(column: Column, start: number, end: number): Column {
  invariant(start >= 0 && start <= end && end <= column.rows, `rows ${start} to ${end} of ${column.rows}`)
  const rows = end - start
  const validity = sliceValidity(column.validity, start, end)
  if (column.kind === 'bytes') return { ...column, rows, validity, ...sliceBytes(column, start, end) }
  const perRow = lanesPerRow(column)
  return columnOverLanes(column, rows, validity, lanesOf(column).subarray(start * perRow, end * perRow))
}

/** All rows of all columns. One dictionary serves all where it need not grow much, else the result is plain. */
export function concat(type: PrimitiveType, columns: readonly Column[]): Column {
  const filled = columns.filter((column) => column.rows > 0)
  const [first] = filled
  if (first === undefined) return nullColumn(type, 0)
  if (filled.length === 1) return first
  return concatAlike(withOneDictionary(filled) ?? filled.map(expandDictionary))
}

/** The values themselves; a plain column as it is. */
export function expandDictionary(column: Column): PlainColumn {
  if (column.kind !== 'dictionary') return column
  const { dictionary, indices, rows, validity } = column
  if (validity === null) return takeRows(dictionary, indices) as PlainColumn
  if (dictionary.kind === 'bytes') return takeBytes(dictionary, indices, validity)
  const taken = dictionary.rows === 0 ? zeros(dictionary, rows) : (takeRows(dictionary, indices) as typeof dictionary)
  zeroNullRows(lanesOf(taken), lanesPerRow(taken), validity, rows)
  return { ...taken, validity }
}

function gatherAlike(stored: Column, incoming: Column, selection: Selection): Column {
  invariant(stored.kind === incoming.kind, `a ${incoming.kind} column for a ${stored.kind} column`)
  const validity = gatherValidity(stored.validity, incoming.validity, selection)
  if (stored.kind === 'bytes') return gatherBytes(stored, incoming as BytesColumn, selection, validity)
  const source = lanesOf(stored)
  const other = lanesOf(incoming as typeof stored)
  const target = newLanes(source, selection.rows * lanesPerRow(stored))
  const moves = movesOf(selection)
  if (stored.kind === 'fixed')
    gatherFixed(source as Uint8Array, other as Uint8Array, stored.width, moves, target as Uint8Array)
  else if (source instanceof BigUint64Array)
    gatherLongs(source, other as BigUint64Array, moves, target as BigUint64Array)
  else if (source instanceof Uint32Array) gatherWords(source, other as Uint32Array, moves, target as Uint32Array)
  else gatherFixed(source, other as Uint8Array, 1, moves, target as Uint8Array)
  return columnOverLanes(stored, selection.rows, validity, target)
}

/**
 * A selection for values of one width, where a row may be written twice: stored rows in runs that reach over replaced rows, then each
 * incoming row to its place. So many short runs become few long ones, and a loop without a branch.
 */
interface Moves {
  readonly runs: number
  readonly start: Uint32Array
  readonly length: Uint32Array
  readonly to: Uint32Array
  readonly incomingRow: Uint32Array
  readonly incomingTo: Uint32Array
}

function incomingRows(selection: Selection): number {
  let rows = 0
  let all = 0
  for (let run = 0; run < selection.runs; run++) {
    all += selection.length[run]!
    if (selection.side[run] === INCOMING) rows += selection.length[run]!
  }
  invariant(all === selection.rows, `runs of ${all} rows in a selection of ${selection.rows}`)
  return rows
}

/** All columns of a row group are gathered by one selection. */
const movesBySelection = new WeakMap<Selection, Moves>()

function movesOf(selection: Selection): Moves {
  let moves = movesBySelection.get(selection)
  if (moves === undefined) {
    moves = makeMoves(selection)
    movesBySelection.set(selection, moves)
  }
  return moves
}

function makeMoves(selection: Selection): Moves {
  const taken = incomingRows(selection)
  const start = new Uint32Array(selection.runs)
  const length = new Uint32Array(selection.runs)
  const to = new Uint32Array(selection.runs)
  const incomingRow = new Uint32Array(taken)
  const incomingTo = new Uint32Array(taken)
  let runs = 0
  let incoming = 0
  let row = 0
  for (let run = 0; run < selection.runs; run++) {
    const from = selection.start[run]!
    const rows = selection.length[run]!
    if (rows === 0) continue
    if (selection.side[run] === INCOMING) {
      for (let i = 0; i < rows; i++, incoming++) {
        incomingRow[incoming] = from + i
        incomingTo[incoming] = row + i
      }
    } else if (runs > 0 && from - start[runs - 1]! === row - to[runs - 1]!) {
      length[runs - 1] = row + rows - to[runs - 1]!
    } else {
      start[runs] = from
      length[runs] = rows
      to[runs++] = row
    }
    row += rows
  }
  return { runs, start, length, to, incomingRow, incomingTo }
}

function gatherValidity(stored: Validity, incoming: Validity, selection: Selection): Validity {
  if (stored === null && incoming === null) return null
  const { runs, start, length, to, incomingRow, incomingTo } = movesOf(selection)
  const target = new Uint8Array((selection.rows + 7) >> 3)
  for (let run = 0; run < runs; run++) {
    if (stored === null) setBits(target, to[run]!, length[run]!)
    else copyBits(stored, start[run]!, target, to[run]!, length[run]!)
  }
  for (let i = 0; i < incomingTo.length; i++) {
    if (isPresent(incoming, incomingRow[i]!)) setBit(target, incomingTo[i]!)
    else target[incomingTo[i]! >> 3]! &= ~(1 << (incomingTo[i]! & 7))
  }
  return nullIfAllPresent(target, selection.rows)
}

function gatherLongs(stored: BigUint64Array, incoming: BigUint64Array, moves: Moves, target: BigUint64Array): void {
  const { runs, start, length, to, incomingRow, incomingTo } = moves
  for (let run = 0; run < runs; run++) copyLongs(stored, start[run]!, length[run]!, target, to[run]!)
  for (let i = 0; i < incomingTo.length; i++) target[incomingTo[i]!] = incoming[incomingRow[i]!]!
}

function copyLongs(source: BigUint64Array, start: number, length: number, target: BigUint64Array, to: number): void {
  if (length > LOOP_ELEMENTS_MAX) target.set(source.subarray(start, start + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[start + i]!
}

function gatherWords(stored: Uint32Array, incoming: Uint32Array, moves: Moves, target: Uint32Array): void {
  const { runs, start, length, to, incomingRow, incomingTo } = moves
  for (let run = 0; run < runs; run++) copyWords(stored, start[run]!, length[run]!, target, to[run]!)
  for (let i = 0; i < incomingTo.length; i++) target[incomingTo[i]!] = incoming[incomingRow[i]!]!
}

function copyWords(source: Uint32Array, start: number, length: number, target: Uint32Array, to: number): void {
  if (length > LOOP_ELEMENTS_MAX) target.set(source.subarray(start, start + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[start + i]!
}

function gatherFixed(stored: Uint8Array, incoming: Uint8Array, width: number, moves: Moves, target: Uint8Array): void {
  const { runs, start, length, to, incomingRow, incomingTo } = moves
  for (let run = 0; run < runs; run++) {
    copyBytes(stored, start[run]! * width, length[run]! * width, target, to[run]! * width)
  }
  for (let i = 0; i < incomingTo.length; i++) {
    copyBytes(incoming, incomingRow[i]! * width, width, target, incomingTo[i]! * width)
  }
}

function copyBytes(source: Uint8Array, start: number, length: number, target: Uint8Array, to: number): void {
  if (length > LOOP_ELEMENTS_MAX) target.set(source.subarray(start, start + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[start + i]!
}

function gatherBytes(
  stored: BytesColumn,
  incoming: BytesColumn,
  selection: Selection,
  validity: Validity,
): BytesColumn {
  const { rows, runs, side, start, length } = selection
  const bytes = newBytes(selectedBytes(stored.starts, incoming.starts, selection))
  const starts = unwrittenWords(rows + 1)
  const storedView = viewOf(stored.bytes)
  const incomingView = viewOf(incoming.bytes)
  const target = viewOf(bytes)
  let row = 0
  let to = 0
  for (let run = 0; run < runs; run++) {
    // An empty run may name a row that its side has not.
    if (length[run] === 0) continue
    const isIncoming = side[run] === INCOMING
    const source = isIncoming ? incoming : stored
    const from = source.starts[start[run]!]!
    const runBytes = source.starts[start[run]! + length[run]!]! - from
    copyStretch(isIncoming ? incomingView : storedView, source.bytes, from, target, bytes, to, runBytes)
    moveStarts(source.starts, start[run]!, length[run]!, starts, row, to - from)
    row += length[run]!
    to += runBytes
  }
  starts[rows] = to
  return { kind: 'bytes', rows, validity, starts, bytes }
}

function selectedBytes(stored: Uint32Array, incoming: Uint32Array, selection: Selection): number {
  const { runs, side, start, length } = selection
  let bytes = 0
  for (let run = 0; run < runs; run++) {
    if (length[run] === 0) continue
    const starts = side[run] === INCOMING ? incoming : stored
    bytes += starts[start[run]! + length[run]!]! - starts[start[run]!]!
  }
  return bytes
}

function moveStarts(
  source: Uint32Array,
  start: number,
  length: number,
  target: Uint32Array,
  to: number,
  by: number,
): void {
  for (let i = 0; i < length; i++) target[to + i] = source[start + i]! + by
}

/** Row starts are 32 bits. */
function newBytes(length: number): Uint8Array {
  invariant(length < 2 ** 32, `a column of ${length} bytes`)
  return unwrittenBytes(length)
}

function takeValidity(validity: Validity, rows: Uint32Array): Validity {
  if (validity === null) return null
  const target = new Uint8Array((rows.length + 7) >> 3)
  for (let i = 0; i < rows.length; i++) if (isPresent(validity, rows[i]!)) setBit(target, i)
  return nullIfAllPresent(target, rows.length)
}

function takeLongs(source: BigUint64Array, rows: Uint32Array, target: BigUint64Array): void {
  for (let i = 0; i < rows.length; i++) target[i] = source[rows[i]!]!
}

function takeWords(source: Uint32Array, rows: Uint32Array, target: Uint32Array): void {
  for (let i = 0; i < rows.length; i++) target[i] = source[rows[i]!]!
}

function takeSingleBytes(source: Uint8Array, rows: Uint32Array, target: Uint8Array): void {
  for (let i = 0; i < rows.length; i++) target[i] = source[rows[i]!]!
}

function takeFixed(source: Uint8Array, width: number, rows: Uint32Array, target: Uint8Array): void {
  for (let i = 0; i < rows.length; i++) copyBytes(source, rows[i]! * width, width, target, i * width)
}

/** `validity` is the result's: a null takes no bytes, whatever row it names. */
function takeBytes(column: BytesColumn, rows: Uint32Array, validity: Validity): BytesColumn {
  const starts = takenStarts(column.starts, rows, validity)
  const bytes = newBytes(starts[rows.length]!)
  const source = viewOf(column.bytes)
  const target = viewOf(bytes)
  for (let i = 0; i < rows.length; i++) {
    const to = starts[i]!
    copyStretch(source, column.bytes, column.starts[rows[i]!]!, target, bytes, to, starts[i + 1]! - to)
  }
  return { kind: 'bytes', rows: rows.length, validity, starts, bytes }
}

function takenStarts(source: Uint32Array, rows: Uint32Array, validity: Validity): Uint32Array {
  const starts = unwrittenWords(rows.length + 1)
  let at = 0
  starts[0] = 0
  for (let i = 0; i < rows.length; i++) {
    if (isPresent(validity, i)) at += source[rows[i]! + 1]! - source[rows[i]!]!
    invariant(at < 2 ** 32, `a column of ${at} bytes`)
    starts[i + 1] = at
  }
  return starts
}

function sliceBytes(column: BytesColumn, start: number, end: number): Pick<BytesColumn, 'starts' | 'bytes'> {
  const from = column.starts[start]!
  const bytes = column.bytes.subarray(from, column.starts[end]!)
  if (from === 0) return { starts: column.starts.subarray(start, end + 1), bytes }
  const starts = new Uint32Array(end - start + 1)
  moveStarts(column.starts, start, starts.length, starts, 0, -from)
  return { starts, bytes }
}

/** The rows taken from the incoming side as indices into the stored dictionary, extended; null where it would grow too much. */
function indexIncoming(dictionary: PlainColumn, incoming: Column, selection: Selection): DictionaryColumn | null {
  const table = dictionaryTable(dictionary, addedValuesMax(dictionary))
  const rows = indexedRows(table, incoming)
  const indices = unwrittenWords(incoming.rows).fill(0)
  const { incomingRow } = movesOf(selection)
  if (incomingRow.length === incoming.rows) {
    if (!indexRows(rows, 0, incoming.rows, indices)) return null
  } else for (const row of incomingRow) if (!indexRows(rows, row, row + 1, indices)) return null
  return {
    kind: 'dictionary',
    rows: incoming.rows,
    validity: incoming.validity,
    indices,
    dictionary: extendedDictionary(table),
  }
}

/** The columns over one dictionary; null where there is none to start from, or it would grow too much. */
function withOneDictionary(columns: readonly Column[]): DictionaryColumn[] | null {
  const first = columns[0]!
  if (first.kind !== 'dictionary') return null
  const { dictionary } = first
  if (columns.every((column) => column.kind === 'dictionary' && column.dictionary === dictionary))
    return columns as DictionaryColumn[]
  const table = dictionaryTable(dictionary, addedValuesMax(dictionary))
  const indexed: Uint32Array[] = []
  for (const column of columns) {
    const indices = column === first ? first.indices : new Uint32Array(column.rows)
    if (column !== first && !indexRows(indexedRows(table, column), 0, column.rows, indices)) return null
    indexed.push(indices)
  }
  const extended = extendedDictionary(table)
  return columns.map(({ rows, validity }, at) => ({
    kind: 'dictionary',
    rows,
    validity,
    indices: indexed[at]!,
    dictionary: extended,
  }))
}

function concatAlike(columns: readonly Column[]): Column {
  const first = columns[0]!
  const rows = columns.reduce((sum, column) => sum + column.rows, 0)
  const validity = concatValidity(columns, rows)
  if (first.kind === 'bytes') return concatBytes(columns as readonly BytesColumn[], rows, validity)
  const target = newLanes(lanesOf(first), rows * lanesPerRow(first))
  let to = 0
  for (const column of columns as readonly (typeof first)[]) {
    invariant(column.kind === first.kind, `a ${column.kind} column after a ${first.kind} column`)
    const lanes = lanesOf(column).subarray(0, column.rows * lanesPerRow(column))
    target.set(lanes as never, to)
    to += lanes.length
  }
  return columnOverLanes(first, rows, validity, target)
}

function concatValidity(columns: readonly Column[], rows: number): Validity {
  if (columns.every((column) => column.validity === null)) return null
  const target = new Uint8Array((rows + 7) >> 3)
  let row = 0
  for (const column of columns) {
    if (column.validity === null) setBits(target, row, column.rows)
    else copyBits(column.validity, 0, target, row, column.rows)
    row += column.rows
  }
  return nullIfAllPresent(target, rows)
}

function concatBytes(columns: readonly BytesColumn[], rows: number, validity: Validity): BytesColumn {
  const length = columns.reduce((sum, column) => sum + column.starts[column.rows]! - column.starts[0]!, 0)
  const bytes = newBytes(length)
  const starts = unwrittenWords(rows + 1)
  let row = 0
  let to = 0
  for (const column of columns) {
    const from = column.starts[0]!
    bytes.set(column.bytes.subarray(from, column.starts[column.rows]!), to)
    moveStarts(column.starts, 0, column.rows + 1, starts, row, to - from)
    row += column.rows
    to = starts[row]!
  }
  return { kind: 'bytes', rows, validity, starts, bytes }
}

function zeros<C extends FixedWidthColumn>(like: C, rows: number): C {
  const lanes = newLanes(lanesOf(like), rows * lanesPerRow(like))
  if (lanes instanceof BigUint64Array) lanes.fill(0n)
  else lanes.fill(0)
  return columnOverLanes(like, rows, null, lanes)
}

function zeroNullRows(lanes: Lanes, perRow: number, validity: Uint8Array, rows: number): void {
  const zero = lanes instanceof BigUint64Array ? 0n : 0
  for (let row = 0; row < rows; row++) {
    if (!isPresent(validity, row)) lanes.fill(zero as never, row * perRow, (row + 1) * perRow)
  }
}
