// Columns as Apache Arrow's, at the library's edge.
//
// Fixed-width values, validity and dictionary indices are shared, not copied: what column.ts lays out is Arrow's own layout. Strings
// and binary take one pass (Arrow has no lengths between the values), booleans one (bits), decimals one (128 bits, little-endian).
//
//   uuid, fixed[n]   FixedSizeBinary          timestamptz, timestamp   Timestamp(µs), with UTC or without a zone
//   time             Time64(µs)               a dictionary column      Dictionary, indices of 32 bits
//
// The module apache-arrow is loaded when it is first asked for: a merge never does.

import type { Field as ArrowField, Data, DataType, RecordBatch } from 'apache-arrow'
import { invariant } from '../invariant.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import { type BytesColumn, type Column, nullCount, type PlainColumn } from './column.ts'

type Arrow = typeof import('apache-arrow')

/** One record batch; `columns` are in the order of `fields`. Their memory is shared with it. */
export async function toArrowBatch(fields: readonly Field[], columns: readonly Column[]): Promise<RecordBatch> {
  const arrow = await import('apache-arrow')
  invariant(fields.length === columns.length, `${columns.length} columns for ${fields.length} fields`)
  const rows = columns[0]?.rows ?? 0
  const children = columns.map((column, at) => toArrowData(arrow, fields[at]!.type, column))
  const arrowFields = fields.map((field, at) => toArrowField(arrow, field, children[at]!.type))
  const struct = arrow.makeData({ type: new arrow.Struct(arrowFields), length: rows, nullCount: 0, children })
  return new arrow.RecordBatch(new arrow.Schema(arrowFields), struct)
}

/** The field id travels under the name that Arrow's Parquet writers read. */
function toArrowField(arrow: Arrow, field: Field, type: DataType): ArrowField {
  return new arrow.Field(field.name, type, !field.required, new Map([['PARQUET:field_id', String(field.id)]]))
}

function toArrowData(arrow: Arrow, type: PrimitiveType, column: Column): Data {
  const { rows } = column
  const validity = { length: rows, nullCount: nullCount(column.validity, rows), nullBitmap: column.validity }
  if (column.kind !== 'dictionary') return plainData(arrow, type, column, validity)
  const values = toArrowData(arrow, type, column.dictionary)
  return arrow.makeData({
    type: new arrow.Dictionary(values.type, new arrow.Uint32()),
    data: column.indices,
    dictionary: new arrow.Vector([values]),
    ...validity,
  })
}

type Validity = Pick<Data, 'length' | 'nullCount'> & { readonly nullBitmap: Uint8Array | null }

function plainData(arrow: Arrow, type: PrimitiveType, column: PlainColumn, validity: Validity): Data {
  if (type.kind === 'decimal') {
    return arrow.makeData({
      type: new arrow.Decimal(type.scale, type.precision, 128),
      data: littleEndian128(column),
      ...validity,
    })
  }
  if (column.kind === 'bytes') {
    const { valueOffsets, data } = withoutLengths(column)
    return type.kind === 'string'
      ? arrow.makeData({ type: new arrow.Utf8(), valueOffsets, data, ...validity })
      : arrow.makeData({ type: new arrow.Binary(), valueOffsets, data, ...validity })
  }
  const data = column.kind === 'boolean' ? toBits(column.data) : column.data
  return arrow.makeData({ type: fixedWidthType(arrow, type, column), data, ...validity } as never)
}

function fixedWidthType(arrow: Arrow, type: PrimitiveType, column: PlainColumn): DataType {
  switch (type.kind) {
    case 'boolean':
      return new arrow.Bool()
    case 'int':
      return new arrow.Int32()
    case 'long':
      return new arrow.Int64()
    case 'float':
      return new arrow.Float32()
    case 'double':
      return new arrow.Float64()
    case 'date':
      return new arrow.DateDay()
    case 'time':
      return new arrow.TimeMicrosecond()
    case 'timestamp':
      return new arrow.TimestampMicrosecond()
    case 'timestamptz':
      return new arrow.TimestampMicrosecond('UTC')
    default:
      return new arrow.FixedSizeBinary(column.kind === 'fixed' ? column.width : 0)
  }
}

function withoutLengths(column: BytesColumn): { valueOffsets: Int32Array; data: Uint8Array } {
  const { rows, validity, starts, bytes } = column
  const total = starts[rows]! - starts[0]! - 4 * (rows - nullCount(validity, rows))
  invariant(total < 2 ** 31, `${total} bytes of text in one Arrow batch, whose offsets are 31 bits: take fewer rows`)
  const data = new Uint8Array(total)
  const valueOffsets = new Int32Array(rows + 1)
  let to = 0
  for (let row = 0; row < rows; row++) {
    for (let from = starts[row]! + 4; from < starts[row + 1]!; from++) data[to++] = bytes[from]!
    valueOffsets[row + 1] = to
  }
  return { valueOffsets, data }
}

function toBits(bytes: Uint8Array): Uint8Array {
  const bits = new Uint8Array((bytes.length + 7) >> 3)
  for (let row = 0; row < bytes.length; row++) bits[row >> 3]! |= bytes[row]! << (row & 7)
  return bits
}

/** Unscaled values, four words each, the least significant first. */
function littleEndian128(column: PlainColumn): Uint32Array {
  const words = new Uint32Array(4 * column.rows)
  if (column.kind === 'int64') {
    const halves = new Int32Array(column.data.buffer, column.data.byteOffset, 2 * column.rows)
    for (let row = 0; row < column.rows; row++) {
      const sign = halves[2 * row + 1]! >> 31
      words[4 * row] = halves[2 * row]!
      words[4 * row + 1] = halves[2 * row + 1]!
      words[4 * row + 2] = sign
      words[4 * row + 3] = sign
    }
    return words
  }
  invariant(column.kind === 'fixed', `a decimal column of kind ${column.kind}`)
  const bytes = new Uint8Array(words.buffer)
  for (let at = 0; at < bytes.length; at++) bytes[at] = column.data[(at & ~15) + 15 - (at & 15)]!
  return words
}
