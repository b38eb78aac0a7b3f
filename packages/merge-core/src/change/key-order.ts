// The order of keys, defined here and nowhere else: a key is a string of bytes, and comparing bytes (memcmp) compares keys.
//
//   type                   bytes of the part
//   string                 its UTF-8
//   binary                 as they are
//   int                    4, big-endian, sign flipped
//   long                   8, big-endian, sign flipped
//   decimal(≤ 18 digits)   8, the unscaled value, big-endian, sign flipped
//   decimal(> 18 digits)   16, likewise
//
// A declared `number` is stored as a string: its canonical text is what is compared. A key of one part is the part. A key of two
// is the first part, then the second: where the first is of variable length each 0x00 in it becomes 0x00 0xFF and 0x00 0x00 ends it,
// so that no first part is a prefix of another and a shorter one sorts first.

import type { BytesColumn, Column, FixedColumn, PlainColumn } from '../columns/column.ts'
import { isPresent } from '../columns/column.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { formatPrimitiveType, type PrimitiveType } from '../primitive-type.ts'
import { ByteSink } from './byte-sink.ts'
import type { ByteStrings } from './byte-strings.ts'

/** Bytes of a part of this type, or 0 where its length varies. Throws for a type that cannot be part of a key. */
export function keyPartWidth(type: PrimitiveType): number {
  if (type.kind === 'string' || type.kind === 'binary') return 0
  if (type.kind === 'int') return 4
  if (type.kind === 'long') return 8
  if (type.kind === 'decimal') return type.precision <= 18 ? 8 : 16
  throw new Error(`a key column cannot be of type ${formatPrimitiveType(type)}`)
}

/**
 * The keys of every row, from its one or two key columns in the layout of column.ts.
 * Throws where a key is null: key columns are required.
 */
export function encodeKeys(columns: readonly Column[], types: readonly PrimitiveType[]): ByteStrings {
  const rows = columns[0]!.rows
  for (const [part, column] of columns.entries()) refuseNulls(column, part)
  const [first] = columns
  if (columns.length === 1 && first!.kind === 'bytes') return withoutLengths(first!)
  const starts = new Uint32Array(rows + 1)
  columns.forEach((column, part) => {
    addPartLengths(column, types[part]!, part === columns.length - 1, starts)
  })
  let total = 0
  for (let row = 1; row <= rows; row++) {
    total += starts[row]!
    starts[row] = total
  }
  if (total > 0xffffffff) throw new Error(`the keys of ${rows} rows take ${total} bytes, more than 4 GiB`)
  const bytes = new Uint8Array(total)
  const at = starts.slice(0, rows)
  columns.forEach((column, part) => {
    writeParts(column, types[part]!, part === columns.length - 1, bytes, at)
  })
  return { starts, bytes }
}

/** Longer values are copied by a call of `set`. */
const LOOP_BYTES_MAX = 96

/** The values of a column without nulls, one after the other. */
function withoutLengths({ rows, starts, bytes }: BytesColumn): ByteStrings {
  const base = starts[0]!
  const keyStarts = new Uint32Array(rows + 1)
  for (let row = 0; row <= rows; row++) keyStarts[row] = starts[row]! - base - 4 * row
  // Short values are copied by four bytes, up to three too many, which the next value overwrites.
  const total = keyStarts[rows]!
  const out = new Uint8Array(total + 3)
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = new DataView(out.buffer)
  const wholeRows = rows === 0 ? 0 : rows - 1
  for (let row = 0; row < wholeRows; row++) {
    const from = starts[row]! + 4
    const length = starts[row + 1]! - from
    const to = keyStarts[row]!
    if (length > LOOP_BYTES_MAX) out.set(bytes.subarray(from, from + length), to)
    else for (let byte = 0; byte < length; byte += 4) target.setInt32(to + byte, source.getInt32(from + byte))
  }
  if (rows > 0) out.set(bytes.subarray(starts[wholeRows]! + 4, starts[rows]!), keyStarts[wholeRows]!)
  return { starts: keyStarts, bytes: out.subarray(0, total) }
}

/** The bytes of one part of a key. `value` is of the type, as PartitionValue holds it. */
export function encodeKeyPart(type: PrimitiveType, value: PartitionValue, isLast: boolean): Uint8Array {
  const width = keyPartWidth(type)
  if (width === 0) {
    const bytes = type.kind === 'string' ? new TextEncoder().encode(value as string) : (value as Uint8Array)
    const sink = new ByteSink(bytes.length + 2)
    appendVariablePart(sink, bytes, 0, bytes.length, isLast)
    return sink.toBytes()
  }
  const bytes = new Uint8Array(width)
  let rest = BigInt.asUintN(width * 8, BigInt(value as number | bigint) + (1n << BigInt(width * 8 - 1)))
  for (let i = width - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** Appends a string or binary part, escaped and ended where another part follows. */
export function appendVariablePart(
  sink: ByteSink,
  source: Uint8Array,
  start: number,
  end: number,
  isLast: boolean,
): void {
  if (isLast) {
    sink.push(source, start, end)
    return
  }
  sink.reserve(2 * (end - start) + 2)
  const { bytes } = sink
  let at = sink.length
  for (let i = start; i < end; i++) {
    const byte = source[i]!
    bytes[at++] = byte
    if (byte === 0) bytes[at++] = 0xff
  }
  bytes[at++] = 0
  bytes[at++] = 0
  sink.length = at
}

/** The values of a key. Throws where the bytes are no key of these types. */
export function decodeKey(bytes: Uint8Array, types: readonly PrimitiveType[]): PartitionValue[] {
  const values: PartitionValue[] = []
  let at = 0
  types.forEach((type, part) => {
    const isLast = part === types.length - 1
    const width = keyPartWidth(type)
    if (width > 0) {
      if (bytes.length < at + width) throw new Error(`a key of ${bytes.length} bytes ends within part ${part + 1}`)
      values.push(integerOfPart(bytes, at, width, type))
      at += width
      return
    }
    const end = isLast ? bytes.length : endOfEscaped(bytes, at)
    const raw = isLast ? bytes.slice(at) : unescapePart(bytes, at, end)
    values.push(type.kind === 'string' ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(raw) : raw)
    at = isLast ? end : end + 2
  })
  if (at !== bytes.length) throw new Error(`a key has ${bytes.length - at} bytes too many`)
  return values
}

/** The key columns of many keys: the inverse of encodeKeys. Throws where the bytes are no keys of these types. */
export function decodeKeys(keys: ByteStrings, types: readonly PrimitiveType[]): Column[] {
  const rows = keys.starts.length - 1
  const at = keys.starts.slice(0, rows)
  return types.map((type, part) => {
    const width = keyPartWidth(type)
    return width === 0 ? readVariable(keys, at, part === types.length - 1) : readIntegers(keys, at, width)
  })
}

/** Reads each row's part at at[row] and moves at[row] behind it. */
function readVariable({ starts, bytes }: ByteStrings, at: Uint32Array, isLast: boolean): BytesColumn {
  const rows = at.length
  const out = new Uint8Array(bytes.length + 4 * rows)
  const outStarts = new Uint32Array(rows + 1)
  let length = 0
  for (let row = 0; row < rows; row++) {
    const prefix = length
    length += 4
    const keyEnd = starts[row + 1]!
    let i = at[row]!
    for (; i < keyEnd; i++) {
      const byte = bytes[i]!
      if (byte === 0 && !isLast && bytes[++i] !== 0xff) break
      out[length++] = byte
    }
    if (!isLast && i >= keyEnd) throw new Error(`the first part of key ${row} has no end`)
    at[row] = i + 1
    const valueBytes = length - prefix - 4
    for (let k = 0; k < 4; k++) out[prefix + k] = valueBytes >>> (8 * k)
    outStarts[row + 1] = length
  }
  return { kind: 'bytes', rows, validity: null, starts: outStarts, bytes: out.subarray(0, length) }
}

function readIntegers({ starts, bytes }: ByteStrings, at: Uint32Array, width: number): Column {
  const rows = at.length
  const data = new Uint8Array(rows * width)
  for (let row = 0; row < rows; row++) {
    if (at[row]! + width > starts[row + 1]!) throw new Error(`key ${row} ends within a part of ${width} bytes`)
    // Columns of 4 and 8 bytes are little-endian, like the machine; those of 16 stay big-endian.
    for (let i = 0; i < width; i++) {
      const byte = bytes[at[row]! + i]! ^ (i === 0 ? 0x80 : 0)
      data[row * width + (width === 16 ? i : width - 1 - i)] = byte
    }
    at[row]! += width
  }
  if (width === 16) return { kind: 'fixed', rows, validity: null, width, data }
  if (width === 8) return { kind: 'int64', rows, validity: null, data: new BigInt64Array(data.buffer) }
  return { kind: 'int32', rows, validity: null, data: new Int32Array(data.buffer) }
}

/** The key for messages: `"u#1"`, `["u#1",12]`; binary as base64 text. */
export function keyText(bytes: Uint8Array, types: readonly PrimitiveType[]): string {
  const parts = decodeKey(bytes, types).map((value) => {
    if (typeof value === 'string') return JSON.stringify(value)
    if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
    return String(value)
  })
  return parts.length === 1 ? parts[0]! : `[${parts.join(',')}]`
}

/** Where the escaped first part that starts at `at` ends (its two closing zeros excluded). */
export function endOfEscaped(bytes: Uint8Array, at: number): number {
  for (let i = at; i + 1 < bytes.length; i++) {
    if (bytes[i] !== 0) continue
    if (bytes[i + 1] === 0) return i
    i++
  }
  throw new Error(`the first part of a key of ${bytes.length} bytes has no end`)
}

function unescapePart(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const out = new Uint8Array(end - start)
  let length = 0
  for (let i = start; i < end; i++) {
    out[length++] = bytes[i]!
    if (bytes[i] === 0) i++
  }
  return out.slice(0, length)
}

function integerOfPart(bytes: Uint8Array, at: number, width: number, type: PrimitiveType): number | bigint {
  let value = 0n
  for (let i = 0; i < width; i++) value = (value << 8n) | BigInt(bytes[at + i]!)
  value -= 1n << BigInt(width * 8 - 1)
  return type.kind === 'int' ? Number(value) : value
}

function refuseNulls(column: Column, part: number): void {
  for (let row = 0; row < column.rows && column.validity !== null; row++) {
    if (!isPresent(column.validity, row)) throw new Error(`row ${row}: key column ${part + 1} is null`)
  }
}

/** Adds each row's bytes of this part to lengths[row + 1]. */
function addPartLengths(column: Column, type: PrimitiveType, isLast: boolean, lengths: Uint32Array): void {
  const width = keyPartWidth(type)
  const { rows } = column
  if (width > 0) {
    for (let row = 1; row <= rows; row++) lengths[row]! += width
    return
  }
  const indices = column.kind === 'dictionary' ? column.indices : null
  const { starts, bytes } = bytesColumn(column)
  for (let row = 0; row < rows; row++) {
    const index = indices === null ? row : indices[row]!
    const from = starts[index]! + 4
    const to = starts[index + 1]!
    let length = to - from
    if (!isLast) {
      for (let i = from; i < to; i++) if (bytes[i] === 0) length++
      length += 2
    }
    lengths[row + 1]! += length
  }
}

/** Writes each row's part at at[row] and moves at[row] behind it. */
function writeParts(column: Column, type: PrimitiveType, isLast: boolean, out: Uint8Array, at: Uint32Array): void {
  const indices = column.kind === 'dictionary' ? column.indices : null
  if (type.kind === 'string' || type.kind === 'binary') writeVariable(column, indices, isLast, out, at)
  else if (type.kind === 'int') writeInt32(column, indices, out, at)
  else if (keyPartWidth(type) === 8) writeInt64(column, indices, out, at)
  else writeFixed(column, indices, out, at)
}

function writeVariable(
  column: Column,
  indices: Uint32Array | null,
  isLast: boolean,
  out: Uint8Array,
  at: Uint32Array,
): void {
  const { starts, bytes } = bytesColumn(column)
  const { rows } = column
  for (let row = 0; row < rows; row++) {
    const index = indices === null ? row : indices[row]!
    const to = starts[index + 1]!
    let position = at[row]!
    for (let i = starts[index]! + 4; i < to; i++) {
      const byte = bytes[i]!
      out[position++] = byte
      if (byte === 0 && !isLast) out[position++] = 0xff
    }
    at[row] = isLast ? position : position + 2
  }
}

function writeInt32(column: Column, indices: Uint32Array | null, out: Uint8Array, at: Uint32Array): void {
  const plain = plainOf(column)
  if (plain.kind !== 'int32') throw wrongKind(plain, 'int32')
  for (let row = 0; row < column.rows; row++) {
    writeBigEndian(out, at[row]!, plain.data[indices === null ? row : indices[row]!]! ^ 0x80000000)
    at[row]! += 4
  }
}

function writeInt64(column: Column, indices: Uint32Array | null, out: Uint8Array, at: Uint32Array): void {
  const plain = plainOf(column)
  if (plain.kind !== 'int64') throw wrongKind(plain, 'int64')
  const halves = new Int32Array(plain.data.buffer, plain.data.byteOffset, plain.data.length * 2)
  for (let row = 0; row < column.rows; row++) {
    const index = indices === null ? row : indices[row]!
    const position = at[row]!
    writeBigEndian(out, position, halves[2 * index + 1]! ^ 0x80000000)
    writeBigEndian(out, position + 4, halves[2 * index]!)
    at[row] = position + 8
  }
}

function writeFixed(column: Column, indices: Uint32Array | null, out: Uint8Array, at: Uint32Array): void {
  const plain = plainOf(column)
  if (plain.kind !== 'fixed') throw wrongKind(plain, 'fixed')
  const { data, width }: FixedColumn = plain
  for (let row = 0; row < column.rows; row++) {
    const from = (indices === null ? row : indices[row]!) * width
    const position = at[row]!
    for (let i = 0; i < width; i++) out[position + i] = data[from + i]!
    out[position]! ^= 0x80
    at[row] = position + width
  }
}

function writeBigEndian(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

function plainOf(column: Column): PlainColumn {
  return column.kind === 'dictionary' ? column.dictionary : column
}

function bytesColumn(column: Column) {
  const plain = plainOf(column)
  if (plain.kind !== 'bytes') throw wrongKind(plain, 'bytes')
  return plain
}

function wrongKind(column: PlainColumn, wanted: string): Error {
  return new Error(`a key column of kind ${column.kind} came where ${wanted} was declared`)
}
