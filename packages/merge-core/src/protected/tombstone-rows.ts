// How tombstones lie in a state file, and in memory while files are read or merged.

import { encodeKeys } from '../change/key-order.ts'
import { EXPIRED, MOVED, REMOVED, type Tombstones } from '../change/tombstone.ts'
import { encodeVersions, versionColumns } from '../change/version.ts'
import type { Column } from '../columns/column.ts'
import { columnOf, valuesOf } from '../columns/values.ts'
import { DamagedObjectError } from '../errors.ts'
import { type KeyRange, keyRangesOf } from '../parquet/key-ranges.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import { keyColumns } from './key-columns.ts'
import type { OpenStateFile } from './state-file.ts'

const STRING: PrimitiveType = { kind: 'string' }

const KIND_NAMES: Readonly<Record<number, string>> = { [REMOVED]: 'removed', [MOVED]: 'moved', [EXPIRED]: 'expired' }

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
    { id: 7, name: 'at', type: { kind: 'long' }, required: true },
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
  { source, footer, file }: OpenStateFile,
  group: number,
  keyFields: readonly Field[],
): Promise<TombstoneRows> {
  const fields = tombstoneFields(keyFields)
  const columns = await readRowGroup(source, footer, group, fields)
  const [kind, stream, sequence, at] = columns.slice(keyFields.length)
  const types = keyFields.map((field) => field.type)
  return {
    columns,
    count: kind!.rows,
    keys: encodeKeys(columns.slice(0, keyFields.length), types),
    versions: encodeVersions(stream!, sequence!),
    kind: kindsOf(kind!, file.path),
    at: Float64Array.from(valuesOf(at!, { kind: 'long' }), Number),
  }
}

/** The first and last key of each row group. */
export function keyRangesOfTombstones({ footer, file }: OpenStateFile): readonly KeyRange[] {
  const ranges = keyRangesOf(footer)
  if (ranges !== null) return ranges
  throw new DamagedObjectError(
    file.path,
    'its footer does not say which keys its row groups hold; roll back, or restore it',
  )
}

function kindColumn(kind: Uint8Array): Column {
  const kinds = [REMOVED, MOVED, EXPIRED]
  return {
    kind: 'dictionary',
    rows: kind.length,
    validity: null,
    indices: Uint32Array.from(kind, (one) => kinds.indexOf(one)),
    dictionary: columnOf(
      STRING,
      kinds.map((one) => KIND_NAMES[one]!),
    ),
  }
}

function kindsOf(column: Column, path: string): Uint8Array {
  return Uint8Array.from(valuesOf(column, STRING), (name) => {
    for (const kind of [REMOVED, MOVED, EXPIRED]) if (KIND_NAMES[kind] === name) return kind
    throw new DamagedObjectError(
      path,
      `a tombstone of kind ${JSON.stringify(name)}; a later version wrote it, use that`,
    )
  })
}
