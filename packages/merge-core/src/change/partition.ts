// The partition of a change: the tuple of its table's partition fields, from the key or from an image.
//
// Tuples are few and lines are many: each distinct tuple is kept once and lines hold its number. A value that is null, absent or
// does not fit its declared type is null in its column, and so in its partition.

import { bucketOfBytes, makeTransform, type PartitionValue } from '../iceberg/transform.ts'
import type { TableDefinition, Transform } from '../table-definition.ts'
import { ByteSink } from './byte-sink.ts'
import { declaredValue } from './declared-value.ts'
import { type Member, membersOf } from './dynamodb-json.ts'
import { decodeString, hasEscape } from './json-scan.ts'
import { decodeKey } from './key-order.ts'

export interface Partitioner {
  /** The distinct tuples met so far. */
  readonly partitions: PartitionValue[][]
  /** Number of a tuple. */
  ofTuple(tuple: PartitionValue[]): number
  /** Number of the partition of a key, on tables partitioned by key attributes alone. */
  ofKey(keys: Uint8Array, start: number, end: number): number
  /** Number of the partition of a key and an image. */
  ofImage(keys: Uint8Array, start: number, end: number, image: readonly Member[]): number
  /** The first partition attribute that is no key attribute and that the image does not name; null where it names all. */
  missingFrom(image: readonly Member[]): string | null
}

export function makePartitioner(definition: TableDefinition): Partitioner {
  const fields = partitionSources(definition)
  const keyTypes = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
  const partitions: PartitionValue[][] = []
  const numbers = new Map<PartitionValue, number>()

  const numberOf = (tuple: PartitionValue[]): number => {
    const text = tuple.length === 1 && !(tuple[0] instanceof Uint8Array) ? tuple[0]! : tupleText(tuple)
    const known = numbers.get(text)
    if (known !== undefined) return known
    numbers.set(text, partitions.length)
    return partitions.push(tuple) - 1
  }
  const keyValues = (keys: Uint8Array, start: number, end: number) =>
    fields.some((field) => field.keyPart >= 0) ? decodeKey(keys.subarray(start, end), keyTypes) : []

  const buckets = bucketsOfWholeKey(definition)
  // The number of each bucket's partition, and one more.
  const bucketed = new Uint32Array(buckets <= BUCKETS_LISTED_MAX ? buckets : 0)
  const ofBucket = (bucket: number): number => {
    const listed = bucket < bucketed.length ? bucketed[bucket]! : 0
    if (listed > 0) return listed - 1
    const number = numberOf([bucket])
    if (bucket < bucketed.length) bucketed[bucket] = number + 1
    return number
  }

  return {
    partitions,
    ofTuple: numberOf,
    ofKey(keys, start, end) {
      if (fields.length === 0) return numberOf([])
      if (buckets > 0) return ofBucket(bucketOfBytes(keys, start, end, buckets))
      const values = keyValues(keys, start, end)
      return numberOf(fields.map((field) => field.apply(values[field.keyPart]!)))
    },
    ofImage(keys, start, end, image) {
      const values = keyValues(keys, start, end)
      return numberOf(
        fields.map((field) => field.apply(field.keyPart >= 0 ? values[field.keyPart]! : valueIn(image, field))),
      )
    },
    missingFrom(image) {
      return (
        fields.find((field) => field.keyPart < 0 && memberOf(image, field.nameBytes) === undefined)?.attribute ?? null
      )
    },
  }
}

/** So many take a list of 256 KiB. */
const BUCKETS_LISTED_MAX = 1 << 16

/**
 * The partition of an item that was fetched from an object of its own: `itemBytes` is its DynamoDB JSON `{"pk":{"S":"x"},…}`.
 * Null where it is no JSON object.
 */
export function partitionOfItem(definition: TableDefinition, itemBytes: Uint8Array): PartitionValue[] | null {
  const members = membersOf(itemBytes, 0, itemBytes.length)
  if (members === null) return null
  return partitionSources(definition).map((field) => field.apply(valueIn(members, field)))
}

export interface PartitionSource {
  readonly apply: (value: PartitionValue) => PartitionValue
  readonly attribute: string
  readonly nameBytes: Uint8Array
  readonly type: TableDefinition['columns'][number]['type']
  readonly transform: Transform
  /** Which part of the key it comes from, −1 for none. */
  readonly keyPart: number
}

/** Where the value of each partition field comes from. */
export function partitionSources(definition: TableDefinition): PartitionSource[] {
  return definition.partitionBy.map(({ transform, column }) => {
    const { attribute, type, storedType } = definition.columns[column]!
    const apply = makeTransform(transformText(transform), storedType)
    const isWidened = type.kind === 'int' && storedType.kind === 'long'
    return {
      apply: isWidened ? (value) => apply(typeof value === 'number' ? BigInt(value) : value) : apply,
      attribute,
      nameBytes: new TextEncoder().encode(attribute),
      type,
      transform,
      keyPart: column < definition.keyColumns ? column : -1,
    }
  })
}

function transformText(transform: Transform): string {
  if (transform.kind === 'bucket') return `bucket[${transform.buckets}]`
  return transform.kind === 'truncate' ? `truncate[${transform.width}]` : transform.kind
}

/** How many buckets where the partition is the bucket of the one, whole key and the key's bytes are what is hashed; else 0. */
function bucketsOfWholeKey({ partitionBy, keyColumns, columns }: TableDefinition): number {
  const transform = partitionBy[0]?.transform
  const isBytes = columns[0]!.storedType.kind === 'string' || columns[0]!.storedType.kind === 'binary'
  if (partitionBy.length !== 1 || keyColumns !== 1 || partitionBy[0]!.column !== 0 || !isBytes) return 0
  return transform?.kind === 'bucket' ? transform.buckets : 0
}

function valueIn(image: readonly Member[], field: PartitionSource): PartitionValue {
  const member = memberOf(image, field.nameBytes)
  if (member === undefined) return null
  return declaredValue(member.bytes, member.valueStart, member.valueEnd, field.type) ?? null
}

/** The first member of that name. */
function memberOf(members: readonly Member[], name: Uint8Array): Member | undefined {
  return members.find((member) => isNamed(member, name))
}

function isNamed({ bytes, nameStart, nameEnd }: Member, name: Uint8Array): boolean {
  if (!hasEscape(bytes, nameStart, nameEnd)) return equals(bytes, nameStart, nameEnd, name)
  const decoded = new ByteSink(nameEnd - nameStart)
  decodeString(bytes, nameStart, nameEnd, decoded)
  return equals(decoded.bytes, 0, decoded.length, name)
}

function equals(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length) return false
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false
  return true
}

/** The same text exactly for equal tuples. */
function tupleText(tuple: readonly PartitionValue[]): string {
  return tuple
    .map((value) => {
      const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
      return `${value === null ? 'null' : typeof value} ${text.length}:${text}`
    })
    .join()
}
