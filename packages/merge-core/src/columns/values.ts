// Single values of a column. Exact and slow: for messages, `why`, state files and tests, never for rows on the way.

import type { PartitionValue } from '../iceberg/transform.ts'
import { invariant } from '../invariant.ts'
import type { PrimitiveType } from '../primitive-type.ts'
import { type Column, isPresent, type PlainColumn } from './column.ts'
import { fixedWidthOf, kindOf } from './kind-of-type.ts'
import { nullIfAllPresent, setBit } from './validity.ts'

/** The value of one row as PartitionValue describes it. Bytes are a copy. */
export function valueAt(column: Column, type: PrimitiveType, row: number): PartitionValue {
  invariant(row >= 0 && row < column.rows, `row ${row} of a column of ${column.rows} rows`)
  if (!isPresent(column.validity, row)) return null
  switch (column.kind) {
    case 'dictionary':
      return valueAt(column.dictionary, type, column.indices[row]!)
    case 'boolean':
      return column.data[row] === 1
    case 'bytes': {
      const value = column.bytes.slice(column.starts[row]! + 4, column.starts[row + 1]!)
      return type.kind === 'string' ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(value) : value
    }
    case 'fixed': {
      const value = column.data.slice(row * column.width, (row + 1) * column.width)
      return type.kind === 'decimal' ? bigEndianToBigInt(value) : value
    }
    default:
      return column.data[row]!
  }
}

/** All values of a column. */
export function valuesOf(column: Column, type: PrimitiveType): PartitionValue[] {
  return Array.from({ length: column.rows }, (_, row) => valueAt(column, type, row))
}

/** A plain column of these values. Long, decimal (unscaled), time and timestamp values are bigints. */
export function columnOf(type: PrimitiveType, values: readonly PartitionValue[]): PlainColumn {
  const rows = values.length
  const validity = validityOf(values)
  const kind = kindOf(type)
  switch (kind) {
    case 'boolean':
      return { kind, rows, validity, data: Uint8Array.from(values, (value) => (value === true ? 1 : 0)) }
    case 'int32':
      return { kind, rows, validity, data: Int32Array.from(values, (value) => (value ?? 0) as number) }
    case 'int64':
      return { kind, rows, validity, data: BigInt64Array.from(values, (value) => (value ?? 0n) as bigint) }
    case 'float':
      return { kind, rows, validity, data: Float32Array.from(values, (value) => (value ?? 0) as number) }
    case 'double':
      return { kind, rows, validity, data: Float64Array.from(values, (value) => (value ?? 0) as number) }
    case 'bytes':
      return bytesColumnOf(values.map(toBytes), validity)
    case 'fixed':
      return fixedColumnOf(type, values, validity)
  }
}

function validityOf(values: readonly PartitionValue[]): Uint8Array | null {
  const validity = new Uint8Array((values.length + 7) >> 3)
  for (const [row, value] of values.entries()) if (value !== null) setBit(validity, row)
  return nullIfAllPresent(validity, values.length)
}

function toBytes(value: PartitionValue): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value
  return new TextEncoder().encode(value as string)
}

function bytesColumnOf(values: readonly (Uint8Array | null)[], validity: Uint8Array | null): PlainColumn {
  const starts = new Uint32Array(values.length + 1)
  for (const [row, value] of values.entries()) starts[row + 1] = starts[row]! + (value === null ? 0 : 4 + value.length)
  const bytes = new Uint8Array(starts[values.length]!)
  const view = new DataView(bytes.buffer)
  for (const [row, value] of values.entries()) {
    if (value === null) continue
    view.setUint32(starts[row]!, value.length, true)
    bytes.set(value, starts[row]! + 4)
  }
  return { kind: 'bytes', rows: values.length, validity, starts, bytes }
}

function fixedColumnOf(
  type: PrimitiveType,
  values: readonly PartitionValue[],
  validity: Uint8Array | null,
): PlainColumn {
  const width = fixedWidthOf(type)
  const data = new Uint8Array(values.length * width)
  for (const [row, value] of values.entries()) {
    if (value === null) continue
    const bytes = type.kind === 'decimal' ? bigIntToBigEndian(value as bigint, width) : (value as Uint8Array)
    invariant(bytes.length === width, `a value of ${bytes.length} bytes in a column of ${width} bytes a row`)
    data.set(bytes, row * width)
  }
  return { kind: 'fixed', rows: values.length, validity, width, data }
}

function bigEndianToBigInt(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

function bigIntToBigEndian(value: bigint, width: number): Uint8Array {
  const bytes = new Uint8Array(width)
  let rest = BigInt.asUintN(width * 8, value)
  for (let at = width - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}
