// The partition of a row that an item parser has read but not kept yet.
//
// Most rows lie in the partition of some row before. So of each field the results are numbered, a tuple of numbers is a number again,
// and only what was not met before becomes a tuple of values. Times need no value at all to be found: their day or hour is enough.

import { bucketOfBytes, type PartitionValue } from '../iceberg/transform.ts'
import type { TableDefinition } from '../table-definition.ts'
import type { ColumnBuilder } from './column-builder.ts'
import { decodeKey } from './key-order.ts'
import { type Partitioner, type PartitionSource, partitionSources } from './partition.ts'

/**
 * Number of the partition of row `row` of the builders, one a partition field, and of the key keys[start … end). Fields of key attributes
 * have no builder.
 */
export type RowPartitioner = (
  builders: readonly (ColumnBuilder | null)[],
  row: number,
  keys: Uint8Array,
  start: number,
  end: number,
) => number

/** `partitioner` holds the tuples. */
export function makeRowPartitioner(definition: TableDefinition, partitioner: Partitioner): RowPartitioner {
  const keyTypes = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
  const fields = partitionSources(definition).map((source, index): Field => {
    const { kind } = definition.columns[definition.partitionBy[index]!.column]!.storedType
    return {
      source,
      isText: kind === 'string',
      timeUnit: kind === 'timestamptz' ? timeUnitOf(source) : 0,
      buckets:
        source.keyPart === 0 && isBytes(kind) && source.transform.kind === 'bucket' ? source.transform.buckets : 0,
      numbers: new Map(),
      results: [],
      ofUnit: new Map(),
      tuples: new Map(),
    }
  })
  const isFirstOfTwo = definition.keyColumns === 2
  const found = new Uint32Array(fields.length)

  const ofKeyPart = (field: Field, keys: Uint8Array, start: number, end: number): number => {
    const partEnd = field.buckets === 0 ? -1 : isFirstOfTwo ? endOfPlainPart(keys, start, end) : end
    if (partEnd >= 0) return numbered(field, bucketOfBytes(keys, start, partEnd, field.buckets))
    const { keyPart, apply } = field.source
    return numbered(field, apply(decodeKey(keys.subarray(start, end), keyTypes)[keyPart]!))
  }

  return (builders, row, keys, start, end) => {
    let tuple = 0
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!
      const builder = builders[i]!
      const number = builder === null ? ofKeyPart(field, keys, start, end) : ofValue(field, builder, row)
      found[i] = number
      if (i === fields.length - 1) {
        const key = tuple * NUMBERS_MAX + number
        let partition = field.tuples.get(key)
        if (partition === undefined) {
          partition = partitioner.ofTuple(fields.map(({ results }, index) => results[found[index]!]!))
          field.tuples.set(key, partition)
        }
        return partition
      }
      const key = tuple * NUMBERS_MAX + number
      const known = field.tuples.get(key)
      tuple = known ?? field.tuples.size
      if (known === undefined) field.tuples.set(key, tuple)
    }
    throw new Error('a table whose partitions come from images has a partition field')
  }
}

interface Field {
  readonly source: PartitionSource
  readonly isText: boolean
  /** Microseconds within which all times have one result; 0 where it is not from a time that is truncated. */
  readonly timeUnit: number
  /** Where the first part of the key is hashed as it stands; else 0. */
  readonly buckets: number
  /** The number of each result met, bytes as Latin-1 text. */
  readonly numbers: Map<PartitionValue, number>
  readonly results: PartitionValue[]
  readonly ofUnit: Map<number, number>
  /** By (number of the tuple of the fields before) × NUMBERS_MAX + (number of this field's result): the number of both. */
  readonly tuples: Map<number, number>
}

/** More results than a text of 1 GiB has lines. */
const NUMBERS_MAX = 2 ** 26

function isBytes(kind: string): boolean {
  return kind === 'string' || kind === 'binary'
}

function timeUnitOf({ transform }: PartitionSource): number {
  switch (transform.kind) {
    case 'hour':
      return 3_600_000_000
    case 'day':
    case 'month':
    case 'year':
      return 86_400_000_000
    default:
      return 0
  }
}

function numbered(field: Field, result: PartitionValue): number {
  const key = result instanceof Uint8Array ? Buffer.from(result).toString('latin1') : result
  const known = field.numbers.get(key)
  if (known !== undefined) return known
  field.numbers.set(key, field.results.length)
  return field.results.push(result) - 1
}

function ofValue(field: Field, builder: ColumnBuilder, row: number): number {
  if (!builder.has(row)) return numbered(field, null)
  const { timeUnit, source, isText } = field
  if (timeUnit === 0) return numbered(field, source.apply(valueAt(builder, row, isText)))
  // The times that are read are of four-digit years: microseconds beyond 53 bits come about 2255.
  const micros = builder.halves[2 * row + 1]! * 0x100000000 + (builder.halves[2 * row]! >>> 0)
  if (!Number.isSafeInteger(micros)) return numbered(field, source.apply(valueAt(builder, row, isText)))
  // Floors rightly: a quotient of safe integers never rounds up to a whole one.
  const unit = Math.floor(micros / timeUnit)
  const known = field.ofUnit.get(unit)
  if (known !== undefined) return known
  const number = numbered(field, source.apply(BigInt(micros)))
  field.ofUnit.set(unit, number)
  return number
}

/** The value of a row that is the builder's last one and not null. */
function valueAt(builder: ColumnBuilder, row: number, isText: boolean): PartitionValue {
  const { view } = builder
  switch (builder.kind) {
    case 'boolean':
      return builder.booleans[row] === 1
    case 'int32':
      return builder.ints[row]!
    case 'int64':
      return (BigInt(builder.halves[2 * row + 1]!) << 32n) | BigInt(builder.halves[2 * row]! >>> 0)
    case 'double':
      return builder.doubles[row]!
    case 'fixed':
      return (view.getBigInt64(row * 16) << 64n) | view.getBigUint64(row * 16 + 8)
    case 'bytes': {
      const start = builder.starts[row]! + 4
      if (!isText) return builder.bytes.slice(start, builder.length)
      return Buffer.prototype.utf8Slice.call(builder.bytes, start, builder.length)
    }
  }
}

/** Where the first of two parts ends, or −1 where it holds a zero byte. */
function endOfPlainPart(keys: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && keys[at] !== 0) at++
  return keys[at + 1] === 0 ? at : -1
}
