// How tombstones lie in a state file, and in memory while files are read or merged.

import type { ByteStrings } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'

import { EXPIRED, MOVED, REMOVED, type Tombstones } from '../change/tombstone.ts'
import { encodeVersions, versionColumns } from '../change/version.ts'
import type { Column } from '../columns/column.ts'
import { dictionaryTable, indexedRows, indexRows } from '../columns/dictionary-table.ts'
import { expandDictionary } from '../columns/gather.ts'
import { columnOf } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import { type KeyRange, keyRangesOf } from '../parquet/key-ranges.ts'
import { type ChunkTask, decodeChunk, planRowGroup, rangesOf, readRanges } from '../parquet/read-row-group.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import { keyColumns } from './key-columns.ts'
import type { OpenStateFile } from './state-file.ts'

const STRING: PrimitiveType = { kind: 'string' }

/** Epoch seconds of the removal. */
export const TOMBSTONE_AT: Field = { id: 7, name: 'at', type: { kind: 'long' }, required: true }

/** Rows of one row group: the columns as they are stored, and what comparisons need of them. */
export interface TombstoneRows extends Tombstones {
  readonly columns: readonly Column[]
}

/** formats.md, the columns of tombstones. Key columns have the ids 1 and 2; 3 is kept for the hash of a forgotten key. */
export function tombstoneFields(keyFields: readonly Field[]): Field[] {
  return [
    ...keyFields.map(({ name, type }, part) => ({ id: 1 + part, name, type, required: false })),
    { id: 4, name: 'kind', type: STRING, required: true },
    { id: 5, name: '_stream', type: STRING, required: true },
    { id: 6, name: '_sequence', type: STRING, required: true },
    TOMBSTONE_AT,
  ]
}

/** New tombstones as rows. */
export function rowsOfTombstones(tombstones: Tombstones, keyFields: readonly Field[]): TombstoneRows {
  const { keys, versions, kind } = tombstones
  // Whole seconds, rounded up: a tombstone is purged late rather than early.
  const at = tombstones.at.map(Math.ceil)
  const { stream, sequence } = versionColumns(versions)
  const columns = [
    ...keyColumns(
      keys,
      keyFields.map((field) => field.type),
    ),
    kindColumn(kind),
    stream,
    sequence,
    columnOf({ kind: 'long' }, Array.from(at, BigInt)),
  ]
  return { ...tombstones, at, columns }
}

export async function readTombstoneRows(
  open: OpenStateFile,
  group: number,
  keyFields: readonly Field[],
): Promise<TombstoneRows> {
  const { columns } = await readTombstoneGroup(open, group, keyFields)
  return rowsOfColumns(open, columns(), keyFields)
}

/** A row group that was read, of which the keys alone are decoded. */
export interface TombstoneGroup {
  readonly keys: ByteStrings
  /** One column for each of tombstoneFields. Throws DamagedObjectError. */
  columns(): Column[]
}

export async function readTombstoneGroup(
  { source, footer }: OpenStateFile,
  group: number,
  keyFields: readonly Field[],
): Promise<TombstoneGroup> {
  const task = planRowGroup(footer, group, tombstoneFields(keyFields))
  const read = await readRanges(source, rangesOf(task))
  const decode = (chunk: ChunkTask) => decodeChunk(task, chunk, read)
  const keyColumns = task.chunks.slice(0, keyFields.length).map(decode)
  return {
    keys: keysOfColumns(keyColumns, keyFields),
    columns: () => [...keyColumns, ...task.chunks.slice(keyFields.length).map(decode)],
  }
}

function keysOfColumns(columns: readonly Column[], keyFields: readonly Field[]): ByteStrings {
  const types = keyFields.map((field) => field.type)
  return encodeKeys(columns.slice(0, keyFields.length), types)
}

export function rowsOfColumns(
  { file }: OpenStateFile,
  columns: readonly Column[],
  keyFields: readonly Field[],
): TombstoneRows {
  const [kind, stream, sequence, at] = columns.slice(keyFields.length)
  return {
    columns,
    count: kind!.rows,
    keys: keysOfColumns(columns, keyFields),
    versions: encodeVersions(stream!, sequence!),
    kind: kindsOf(kind!, file.path),
    at: numbersOf(at!),
  }
}

/** The first and last key of each row group. */
export function keyRangesOfTombstones({ footer, file }: OpenStateFile): readonly KeyRange[] {
  const damaged = (options?: ErrorOptions) =>
    new DamagedObjectError(
      file.path,
      'its footer does not say which keys its row groups hold; restore it or roll back',
      options,
    )
  let ranges: KeyRange[] | null
  try {
    ranges = keyRangesOf(footer)
  } catch (cause) {
    throw damaged({ cause })
  }
  if (ranges === null) throw damaged()
  return ranges
}

const KINDS = [REMOVED, MOVED, EXPIRED]
const KIND_NAMES = columnOf(STRING, ['removed', 'moved', 'expired'])

function kindColumn(kind: Uint8Array): Column {
  const indices = Uint32Array.from(kind, (one) => KINDS.indexOf(one))
  return { kind: 'dictionary', rows: kind.length, validity: null, indices, dictionary: KIND_NAMES }
}

function kindsOf(column: Column, path: string): Uint8Array {
  const indices = new Uint32Array(column.rows)
  const isKnown = indexRows(indexedRows(dictionaryTable(KIND_NAMES, 0), column), 0, column.rows, indices)
  if (!isKnown)
    throw new DamagedObjectError(path, 'a tombstone of a kind that this version does not know; use a later one')
  return Uint8Array.from(indices, (index) => KINDS[index]!)
}

function numbersOf(column: Column): Float64Array {
  const plain = expandDictionary(column)
  invariant(plain.kind === 'int64', `times in a column of kind ${plain.kind}`)
  const numbers = new Float64Array(plain.rows)
  for (let row = 0; row < plain.rows; row++) numbers[row] = Number(plain.data[row]!)
  return numbers
}
