// From what a file stores to how a field's values lie in memory: the legal promotions of Iceberg and the representations that
// engines choose for one type. Whatever else is asked is refused by name, before a page is read.

import type { BytesColumn, FixedColumn, PlainColumn } from '../../columns/column.ts'
import { isPresent } from '../../columns/column.ts'
import { formatPrimitiveType, type PrimitiveType } from '../../primitive-type.ts'
import {
  ConvertedType,
  enumName,
  type IntegerType,
  type LogicalType,
  PhysicalType,
  type SchemaElement,
} from '../footer.ts'
import { malformed } from '../malformed.ts'

/** Turns a column of the physical type's own kind into the field's. */
export interface Representation {
  readonly convert: (column: PlainColumn) => PlainColumn
  /** Whether two stored values may become one. */
  readonly lossy: boolean
}

const asStored: Representation = { convert: (column) => column, lossy: false }

/** How a leaf's values become values of `type`. Throws MalformedError where they cannot. */
export function representationOf(element: SchemaElement, type: PrimitiveType): Representation {
  return (
    representation(element, type) ??
    malformed(`is stored as ${describe(element)} and cannot be read as ${formatPrimitiveType(type)}`)
  )
}

function representation(element: SchemaElement, type: PrimitiveType): Representation | null {
  const physical = element.type
  const logical = logicalTypeOf(element)
  switch (type.kind) {
    case 'boolean':
      return physical === PhysicalType.BOOLEAN ? asStored : null
    case 'int':
      return physical === PhysicalType.INT32 && fitsInt32(logical) ? asStored : null
    case 'long':
      if (physical === PhysicalType.INT32 && fitsInt32(logical)) return lossless(widenInt32)
      return physical === PhysicalType.INT64 && fitsInt64(logical) ? asStored : null
    case 'float':
      return physical === PhysicalType.FLOAT && logical === null ? asStored : null
    case 'double':
      if (logical !== null) return null
      if (physical === PhysicalType.FLOAT) return lossless(widenFloat)
      return physical === PhysicalType.DOUBLE ? asStored : null
    case 'decimal':
      return decimal(physical, logical, type.precision, type.scale)
    case 'date':
      return physical === PhysicalType.INT32 && logical?.DATE !== undefined ? asStored : null
    case 'time':
      return logical?.TIME === undefined ? null : timeOrTimestamp(physical, logical.TIME.unit)
    case 'timestamp':
    case 'timestamptz':
      return timestamp(physical, logical, type.kind === 'timestamptz')
    case 'string':
      return physical === PhysicalType.BYTE_ARRAY && isText(logical) ? asStored : null
    case 'binary':
      return physical === PhysicalType.BYTE_ARRAY && (logical === null || logical.BSON !== undefined) ? asStored : null
    case 'uuid':
      return isFixed(element, 16) && (logical === null || logical.UUID !== undefined) ? asStored : null
    case 'fixed':
      return isFixed(element, type.bytes) && logical === null ? asStored : null
  }
}

function lossless(convert: (column: PlainColumn) => PlainColumn): Representation {
  return { convert, lossy: false }
}

function isFixed(element: SchemaElement, bytes: number): boolean {
  return element.type === PhysicalType.FIXED_LEN_BYTE_ARRAY && element.typeLength === bytes
}

function isText(logical: LogicalType | null): boolean {
  return logical === null || logical.STRING !== undefined || logical.ENUM !== undefined || logical.JSON !== undefined
}

function fitsInt32(logical: LogicalType | null): boolean {
  if (logical === null) return true
  const integer = logical.INTEGER
  return integer !== undefined && (integer.isSigned ? integer.bitWidth <= 32 : integer.bitWidth < 32)
}

function fitsInt64(logical: LogicalType | null): boolean {
  if (logical === null) return true
  const integer = logical.INTEGER
  return integer !== undefined && (integer.isSigned ? integer.bitWidth <= 64 : integer.bitWidth < 64)
}

function decimal(
  physical: number | undefined,
  logical: LogicalType | null,
  precision: number,
  scale: number,
): Representation | null {
  const stored = logical?.DECIMAL
  if (stored === undefined || stored.scale !== scale || stored.precision > precision) return null
  const narrow = precision <= 18
  switch (physical) {
    case PhysicalType.INT32:
      return lossless(narrow ? widenInt32 : (column) => int64ToFixed16(widenInt32(column)))
    case PhysicalType.INT64:
      return narrow ? asStored : lossless(int64ToFixed16)
    case PhysicalType.FIXED_LEN_BYTE_ARRAY:
    case PhysicalType.BYTE_ARRAY:
      return lossless(narrow ? bigEndianToInt64 : bigEndianToFixed16)
    default:
      return null
  }
}

function timestamp(physical: number | undefined, logical: LogicalType | null, utc: boolean): Representation | null {
  // INT96 does not say whether it is adjusted to UTC.
  if (physical === PhysicalType.INT96 && logical === null) return { convert: int96ToMicros, lossy: true }
  const stored = logical?.TIMESTAMP
  if (stored === undefined || stored.isAdjustedToUTC !== utc) return null
  return timeOrTimestamp(physical, stored.unit)
}

function timeOrTimestamp(
  physical: number | undefined,
  unit: { readonly MILLIS?: unknown; readonly MICROS?: unknown; readonly NANOS?: unknown },
): Representation | null {
  if (physical === PhysicalType.INT32) {
    return unit.MILLIS === undefined ? null : lossless((column) => millisToMicros(widenInt32(column)))
  }
  if (physical !== PhysicalType.INT64) return null
  if (unit.MICROS !== undefined) return asStored
  if (unit.MILLIS !== undefined) return lossless(millisToMicros)
  return unit.NANOS === undefined ? null : { convert: nanosToMicros, lossy: true }
}

/** The logical type, also where a writer only gave the older converted type; null where there is none. */
function logicalTypeOf(element: SchemaElement): LogicalType | null {
  if (element.logicalType !== undefined) return element.logicalType
  const converted = element.convertedType
  return converted === undefined
    ? null
    : (fromConvertedType(converted, element) ?? malformed(`converted type ${converted} does not exist`))
}

const utc = { isAdjustedToUTC: true }
const integer = (bitWidth: number, isSigned: boolean): { INTEGER: IntegerType } => ({ INTEGER: { bitWidth, isSigned } })

function fromConvertedType(converted: number, element: SchemaElement): LogicalType | null {
  switch (converted) {
    case ConvertedType.UTF8:
      return { STRING: {} }
    case ConvertedType.MAP:
    case ConvertedType.MAP_KEY_VALUE:
      return { MAP: {} }
    case ConvertedType.LIST:
      return { LIST: {} }
    case ConvertedType.ENUM:
      return { ENUM: {} }
    case ConvertedType.DECIMAL:
      return {
        DECIMAL: {
          scale: element.scale ?? 0,
          precision: element.precision ?? malformed('a decimal without precision'),
        },
      }
    case ConvertedType.DATE:
      return { DATE: {} }
    case ConvertedType.TIME_MILLIS:
      return { TIME: { ...utc, unit: { MILLIS: {} } } }
    case ConvertedType.TIME_MICROS:
      return { TIME: { ...utc, unit: { MICROS: {} } } }
    case ConvertedType.TIMESTAMP_MILLIS:
      return { TIMESTAMP: { ...utc, unit: { MILLIS: {} } } }
    case ConvertedType.TIMESTAMP_MICROS:
      return { TIMESTAMP: { ...utc, unit: { MICROS: {} } } }
    case ConvertedType.UINT_8:
      return integer(8, false)
    case ConvertedType.UINT_16:
      return integer(16, false)
    case ConvertedType.UINT_32:
      return integer(32, false)
    case ConvertedType.UINT_64:
      return integer(64, false)
    case ConvertedType.INT_8:
      return integer(8, true)
    case ConvertedType.INT_16:
      return integer(16, true)
    case ConvertedType.INT_32:
      return integer(32, true)
    case ConvertedType.INT_64:
      return integer(64, true)
    case ConvertedType.JSON:
      return { JSON: {} }
    case ConvertedType.BSON:
      return { BSON: {} }
    // 12 bytes of months, days and milliseconds: nothing that Iceberg has.
    case ConvertedType.INTERVAL:
      return {}
    default:
      return null
  }
}

function describe(element: SchemaElement): string {
  const physical = enumName(PhysicalType, element.type ?? -1)
  const length = element.typeLength === undefined ? '' : `(${element.typeLength})`
  const annotation = element.logicalType !== undefined ? ` ${JSON.stringify(element.logicalType)}` : ''
  const converted = element.convertedType === undefined ? '' : ` ${enumName(ConvertedType, element.convertedType)}`
  return `${physical}${length}${annotation === '' ? converted : annotation}`
}

// Each conversion below takes a column of the one kind that its physical type decodes to.

function wrongKind(column: PlainColumn): never {
  throw new Error(`a column of kind ${column.kind} came to a conversion for another one`)
}

function widenInt32(column: PlainColumn): PlainColumn {
  if (column.kind !== 'int32') return wrongKind(column)
  const { rows, validity, data } = column
  const halves = new Int32Array(rows * 2)
  for (let i = 0; i < rows; i++) {
    halves[2 * i] = data[i]!
    halves[2 * i + 1] = data[i]! >> 31
  }
  return { kind: 'int64', rows, validity, data: new BigInt64Array(halves.buffer) }
}

function widenFloat(column: PlainColumn): PlainColumn {
  if (column.kind !== 'float') return wrongKind(column)
  return { kind: 'double', rows: column.rows, validity: column.validity, data: Float64Array.from(column.data) }
}

// Milliseconds beyond this many times 1000 are no exact double.
const MILLIS_AS_DOUBLE_MAX = 9e12

function millisToMicros(column: PlainColumn): PlainColumn {
  if (column.kind !== 'int64') return wrongKind(column)
  const { rows, validity, data } = column
  const halves = new Int32Array(data.buffer, data.byteOffset, rows * 2)
  const out = new Int32Array(rows * 2)
  const micros = new BigInt64Array(out.buffer)
  for (let i = 0; i < rows; i++) {
    const millis = halves[2 * i + 1]! * 0x100000000 + (halves[2 * i]! >>> 0)
    if (millis > MILLIS_AS_DOUBLE_MAX || millis < -MILLIS_AS_DOUBLE_MAX) {
      micros[i] = inInt64(data[i]! * 1000n)
      continue
    }
    const value = millis * 1000
    out[2 * i] = value | 0
    out[2 * i + 1] = Math.floor(value / 0x100000000)
  }
  return { kind: 'int64', rows, validity, data: micros }
}

function inInt64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) malformed(`holds ${value}, which is beyond 64 bits`)
  return value
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient
}

function nanosToMicros(column: PlainColumn): PlainColumn {
  if (column.kind !== 'int64') return wrongKind(column)
  const { rows, validity, data } = column
  return { kind: 'int64', rows, validity, data: data.map((nanos) => floorDivide(nanos, 1000n)) }
}

const JULIAN_DAY_OF_EPOCH = 2440588n
const MICROS_PER_DAY = 86_400_000_000n

// INT96: eight bytes of nanoseconds of the day, four of the Julian day.
function int96ToMicros(column: PlainColumn): PlainColumn {
  if (column.kind !== 'fixed') return wrongKind(column)
  const { rows, validity, data } = column
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const micros = new BigInt64Array(rows)
  for (let i = 0; i < rows; i++) {
    if (!isPresent(validity, i)) continue
    const nanos = view.getBigInt64(i * 12, true)
    const day = BigInt(view.getInt32(i * 12 + 8, true)) - JULIAN_DAY_OF_EPOCH
    micros[i] = inInt64(day * MICROS_PER_DAY + floorDivide(nanos, 1000n))
  }
  return { kind: 'int64', rows, validity, data: micros }
}

function int64ToFixed16(column: PlainColumn): PlainColumn {
  if (column.kind !== 'int64') return wrongKind(column)
  const { rows, validity, data } = column
  const out = new DataView(new ArrayBuffer(rows * 16))
  for (let i = 0; i < rows; i++) {
    out.setBigInt64(i * 16, data[i]! < 0n ? -1n : 0n)
    out.setBigInt64(i * 16 + 8, data[i]!)
  }
  return { kind: 'fixed', rows, validity, width: 16, data: new Uint8Array(out.buffer) }
}

function bigEndianToInt64(column: PlainColumn): PlainColumn {
  const out = new Uint8Array(column.rows * 8)
  eachBigEndian(column, 8, (bytes, from, length, row) => {
    for (let i = 0; i < 8; i++) {
      out[row * 8 + i] = i < length ? bytes[from + length - 1 - i]! : signByte(bytes[from]!)
    }
  })
  return { kind: 'int64', rows: column.rows, validity: column.validity, data: new BigInt64Array(out.buffer) }
}

function bigEndianToFixed16(column: PlainColumn): PlainColumn {
  if (column.kind === 'fixed' && column.width === 16) return column
  const out = new Uint8Array(column.rows * 16)
  eachBigEndian(column, 16, (bytes, from, length, row) => {
    for (let i = 0; i < 16; i++) {
      out[row * 16 + 15 - i] = i < length ? bytes[from + length - 1 - i]! : signByte(bytes[from]!)
    }
  })
  return { kind: 'fixed', rows: column.rows, validity: column.validity, width: 16, data: out }
}

function signByte(first: number): number {
  return first < 0x80 ? 0 : 0xff
}

// Calls `take` with the bytes of each present two's complement number, its needless leading sign bytes cut to `width` at most.
function eachBigEndian(
  column: PlainColumn,
  width: number,
  take: (bytes: Uint8Array, from: number, length: number, row: number) => void,
): void {
  if (column.kind !== 'fixed' && column.kind !== 'bytes') wrongKind(column)
  for (let row = 0; row < column.rows; row++) {
    if (!isPresent(column.validity, row)) continue
    const { bytes, from, length } = bytesOfRow(column, row)
    if (length === 0) malformed('holds a decimal of no bytes')
    const sign = signByte(bytes[from]!)
    let cut = 0
    while (length - cut > width && bytes[from + cut] === sign && signByte(bytes[from + cut + 1]!) === sign) cut++
    if (length - cut > width) malformed(`holds a decimal of ${length} bytes that does not fit ${width}`)
    take(bytes, from + cut, length - cut, row)
  }
}

function bytesOfRow(
  column: FixedColumn | BytesColumn,
  row: number,
): { bytes: Uint8Array; from: number; length: number } {
  if (column.kind === 'fixed') return { bytes: column.data, from: row * column.width, length: column.width }
  const from = column.starts[row]! + 4
  return { bytes: column.bytes, from, length: column.starts[row + 1]! - from }
}
