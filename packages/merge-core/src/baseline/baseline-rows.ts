// Rows that a table starts from, whoever wrote them: typed columns with the key and the partition of each row.

import type { ByteStrings } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'
import { makePartitioner, partitionSources } from '../change/partition.ts'
import { type Column, isPresent, type PlainColumn } from '../columns/column.ts'
import { columnBytes } from '../columns/column-bytes.ts'
import { expandDictionary } from '../columns/gather.ts'
import { valueAt } from '../columns/values.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { Field } from '../primitive-type.ts'
import type { TableDefinition } from '../table-definition.ts'

/** Columns of equal length `count`. */
export interface BaselineRows {
  readonly count: number
  /** One a column of the definition, then `_extra`. */
  readonly columns: readonly PlainColumn[]
  readonly keys: ByteStrings
  /** Index into `partitions`. */
  readonly partition: Int32Array
  readonly partitions: readonly (readonly PartitionValue[])[]
  /** PUT or REMOVE; null where all are puts. */
  readonly operation: Uint8Array | null
  /** Of rows of one key the one of the greatest rank is taken; null where no key may come twice. */
  readonly rank: ByteStrings | null
}

/** The first row whose key lacks a part. */
export interface MissingKey {
  readonly row: number
  readonly column: TableDefinition['columns'][number]
}

/** @param columns one a column of the definition, then `_extra` */
export function baselineRows(
  definition: TableDefinition,
  columns: readonly Column[],
  more: Pick<BaselineRows, 'operation' | 'rank'>,
): BaselineRows | MissingKey {
  const plain = columns.map(expandDictionary)
  const missing = missingKey(definition, plain)
  if (missing !== null) return missing
  const { keyColumns } = definition
  const types = definition.columns.slice(0, keyColumns).map((column) => column.storedType)
  const keys = encodeKeys(plain.slice(0, keyColumns), types)
  return { count: plain[0]!.rows, columns: plain, keys, ...partitionsOf(definition, plain, keys), ...more }
}

function missingKey({ columns, keyColumns }: TableDefinition, values: readonly PlainColumn[]): MissingKey | null {
  for (let part = 0; part < keyColumns; part++) {
    const { validity, rows } = values[part]!
    if (validity === null) continue
    for (let row = 0; row < rows; row++) if (!isPresent(validity, row)) return { row, column: columns[part]! }
  }
  return null
}

function partitionsOf(
  definition: TableDefinition,
  columns: readonly PlainColumn[],
  { starts, bytes }: ByteStrings,
): Pick<BaselineRows, 'partition' | 'partitions'> {
  const partitioner = makePartitioner(definition)
  const partition = new Int32Array(starts.length - 1)
  if (definition.partitionedByKey) {
    for (let row = 0; row < partition.length; row++)
      partition[row] = partitioner.ofKey(bytes, starts[row]!, starts[row + 1]!)
  } else {
    const sources = partitionSources(definition).map(({ apply }, i) => {
      const column = definition.partitionBy[i]!.column
      const { storedType } = definition.columns[column]!
      return (row: number) => apply(valueAt(columns[column]!, storedType, row))
    })
    for (let row = 0; row < partition.length; row++)
      partition[row] = partitioner.ofTuple(sources.map((partitionAt) => partitionAt(row)))
  }
  return { partition, partitions: partitioner.partitions }
}

/** The fields of the definition's columns and `_extra`, as the table stores them. */
export function baselineFields({ fields, columns }: TableDefinition): Field[] {
  return [...fields.slice(0, columns.length), fields.findLast(({ name }) => name === '_extra')!]
}

export function baselineBytes({ columns, keys }: BaselineRows): number {
  return columns.reduce((sum, column) => sum + columnBytes(column), keys.starts.byteLength + keys.bytes.byteLength)
}

/** A place in the order in which baseline rows are brought into the table: of partitions by their text, and in each of keys. */
export interface Place {
  /** `tupleText` of the partition; '' where rows are ordered by key alone. */
  readonly partition: string
  readonly key: Uint8Array
}

export function comparePlaces(a: Place, b: Place): number {
  if (a.partition !== b.partition) return a.partition < b.partition ? -1 : 1
  return Buffer.compare(a.key, b.key)
}

/** The places from `from` up to, and without, `to`; null is beyond all. */
export interface PlaceRange {
  readonly from: Place | null
  readonly to: Place | null
}
