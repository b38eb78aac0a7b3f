// What a footer says of the values of a file: bounds of row groups, and counts and bounds of columns for Iceberg's manifests.
//
// Bounds of foreign files are read with distrust: what is absent, deprecated (signed order for texts) or not a value of the type is
// unknown, which is null, and never wrong. Columns are found by field id.

import { comparePartitionValues, decodeSingleValue } from '../iceberg/single-value.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import {
  type ColumnChunk,
  ConvertedType,
  type FileMetaData,
  PhysicalType,
  Repetition,
  type RowGroup,
  type SchemaElement,
} from './footer.ts'

export interface Bounds {
  /** At or below every value; null where unknown or where there are no values. */
  readonly lower: PartitionValue
  /** At or above every value. */
  readonly upper: PartitionValue
}

export interface ColumnStatistics extends Bounds {
  /** Of the column's chunks in the file, page headers included. */
  readonly columnBytes: number
  /** Nulls included. */
  readonly values: number
  /** Null where a row group does not say. */
  readonly nulls: number | null
}

/** Statistics by field id; fields that the file does not have are absent. */
export function fileStatistics(footer: FileMetaData, fields: readonly Field[]): Map<number, ColumnStatistics> {
  const statistics = new Map<number, ColumnStatistics>()
  for (const field of fields) {
    const leaf = findLeaf(footer, field)
    if (leaf !== null) statistics.set(field.id, columnStatistics(footer, leaf, field))
  }
  return statistics
}

/** Bounds of one field in one row group. */
export function rowGroupBounds(footer: Pick<FileMetaData, 'schema'>, group: RowGroup, field: Field): Bounds {
  const leaf = findLeaf(footer, field)
  return leaf === null ? UNKNOWN : chunkBoundsOf(leaf, group.columns[leaf.position], field)
}

const UNKNOWN: Bounds = { lower: null, upper: null }

interface Leaf {
  /** Among the leaves of the schema: the index of its chunk in a row group. */
  readonly position: number
  readonly element: SchemaElement
}

/** A top-level column by its field id. */
function findLeaf(footer: Pick<FileMetaData, 'schema'>, field: Field): Leaf | null {
  let position = 0
  for (const element of footer.schema.slice(1)) {
    if (element.type === undefined) continue
    if (element.fieldId === field.id) return { position, element }
    position++
  }
  return null
}

function columnStatistics(footer: FileMetaData, leaf: Leaf, field: Field): ColumnStatistics {
  let columnBytes = 0
  let values = 0
  let nulls: number | null = 0
  const groupBounds: Bounds[] = []
  for (const group of footer.rowGroups) {
    const chunk = group.columns[leaf.position]
    const chunkNulls = nullsOf(leaf, chunk)
    columnBytes += chunk?.metaData?.totalCompressedSize ?? 0
    values += chunk?.metaData?.numValues ?? group.numRows
    nulls = nulls === null || chunkNulls === null ? null : nulls + chunkNulls
    // A group of nulls alone has nothing to bound.
    if (chunkNulls !== (chunk?.metaData?.numValues ?? -1)) groupBounds.push(chunkBoundsOf(leaf, chunk, field))
  }
  return { columnBytes, values, nulls, ...joinBounds(groupBounds) }
}

function joinBounds(bounds: readonly Bounds[]): Bounds {
  return {
    lower: extreme(
      bounds.map(({ lower }) => lower),
      -1,
    ),
    upper: extreme(
      bounds.map(({ upper }) => upper),
      1,
    ),
  }
}

/** The least (−1) or greatest (1) of the values; null where one is unknown. */
function extreme(values: readonly PartitionValue[], sign: 1 | -1): PartitionValue {
  let best: PartitionValue = null
  for (const value of values) {
    if (value === null) return null
    if (best === null || comparePartitionValues(value, best) * sign > 0) best = value
  }
  return best
}

function nullsOf({ element }: Leaf, chunk: ColumnChunk | undefined): number | null {
  if (element.repetitionType === Repetition.REQUIRED) return 0
  return chunk?.metaData?.statistics?.nullCount ?? null
}

function chunkBoundsOf({ element }: Leaf, chunk: ColumnChunk | undefined, field: Field): Bounds {
  const statistics = chunk?.metaData?.statistics
  if (statistics === undefined) return UNKNOWN
  return {
    lower: boundOf(element, statistics.minValue, field.type, 'lower'),
    upper: boundOf(element, statistics.maxValue, field.type, 'upper'),
  }
}

function boundOf(
  element: SchemaElement,
  bytes: Uint8Array | undefined,
  type: PrimitiveType,
  side: 'lower' | 'upper',
): PartitionValue {
  if (bytes === undefined) return null
  switch (type.kind) {
    case 'decimal':
      return decimalBound(element, bytes)
    case 'timestamp':
    case 'timestamptz':
    case 'time':
      return timeBound(element, bytes, side)
    case 'float':
    case 'double': {
      const value = decodeSingleValue(type, bytes)
      return Number.isNaN(value) ? null : value
    }
    default:
      return decodeSingleValue(type, bytes)
  }
}

function decimalBound(element: SchemaElement, bytes: Uint8Array): PartitionValue {
  if (element.type === PhysicalType.INT32 || element.type === PhysicalType.INT64) return littleEndian(bytes)
  if (bytes.length === 0) return null
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

function littleEndian(bytes: Uint8Array): bigint | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return BigInt(view.getInt32(0, true))
  return bytes.length === 8 ? view.getBigInt64(0, true) : null
}

const NANOS_PER_MICRO = 1000n
const MICROS_PER_MILLI = 1000n

/** In microseconds. Nanoseconds are rounded outwards. */
function timeBound(element: SchemaElement, bytes: Uint8Array, side: 'lower' | 'upper'): PartitionValue {
  // An INT96 has no order.
  const value = element.type === PhysicalType.INT96 ? null : littleEndian(bytes)
  if (value === null) return null
  const unit = (element.logicalType?.TIMESTAMP ?? element.logicalType?.TIME)?.unit
  const isMillis =
    unit?.MILLIS !== undefined ||
    element.convertedType === ConvertedType.TIMESTAMP_MILLIS ||
    element.convertedType === ConvertedType.TIME_MILLIS
  if (isMillis) return value * MICROS_PER_MILLI
  if (unit?.NANOS === undefined) return value
  const rest = ((value % NANOS_PER_MICRO) + NANOS_PER_MICRO) % NANOS_PER_MICRO
  const floor = (value - rest) / NANOS_PER_MICRO
  return side === 'upper' && rest > 0n ? floor + 1n : floor
}
