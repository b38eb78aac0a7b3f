// Thrift's compact protocol, as far as Parquet uses it (thrift-compact-protocol.md of Apache Thrift).
//
// A struct is described once, as data; the description reads it and writes it. Fields that a description does not know, or knows as
// optional and of another type, are skipped, as Thrift's own readers do. Nothing is allocated before the bytes that fill it are known to exist: a list element takes at least one byte, and
// a struct without its required fields is refused at once.

import { malformed } from './malformed.ts'

export type ThriftType =
  | 'bool'
  | 'i8'
  | 'i16'
  | 'i32'
  | 'i64'
  | 'double'
  | 'binary'
  | 'string'
  | ThriftList
  | ThriftStruct<object>

export interface ThriftList {
  readonly list: ThriftType
}

interface ThriftField {
  readonly id: number
  readonly name: string
  readonly type: ThriftType
  readonly required: boolean
}

/** Describes how a `T` lies in bytes: its fields in ascending order of their ids. */
export interface ThriftStruct<T extends object> {
  readonly struct: string
  readonly fields: readonly ThriftField[]
  readonly byId: ReadonlyMap<number, ThriftField>
  /** Never set: carries the type. */
  readonly shape?: T
}

type FieldDescriptions<T> = {
  readonly [Name in keyof T]-?: readonly [id: number, type: ThriftType, required?: 'required']
}

export function list(element: ThriftType): ThriftList {
  return { list: element }
}

export function struct<T extends object>(name: string, descriptions: FieldDescriptions<T>): ThriftStruct<T> {
  const entries = Object.entries(descriptions) as [string, readonly [number, ThriftType, 'required'?]][]
  const fields = entries.map(([field, [id, type, required]]) => ({
    id,
    name: field,
    type,
    required: required === 'required',
  }))
  fields.sort((a, b) => a.id - b.id)
  return { struct: name, fields, byId: new Map(fields.map((field) => [field.id, field])) }
}

const STOP = 0
const TRUE = 1
const FALSE = 2
const I8 = 3
const I16 = 4
const I32 = 5
const I64 = 6
const DOUBLE = 7
const BINARY = 8
const LIST = 9
const SET = 10
const MAP = 11
const STRUCT = 12
const UUID = 13

const WIRE_TYPES = { bool: TRUE, i8: I8, i16: I16, i32: I32, i64: I64, double: DOUBLE, binary: BINARY, string: BINARY }

function wireType(type: ThriftType): number {
  if (typeof type === 'string') return WIRE_TYPES[type]
  return 'list' in type ? LIST : STRUCT
}

// No Parquet struct is deeper than 8; the limit is for skipping fields of strangers.
const DEPTH_MAX = 32

interface Reader {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
}

const text = new TextDecoder()

/**
 * Reads one struct from bytes [start, end). int64 values come as numbers and are refused beyond the safe integers; binary values
 * are views of `bytes`. `end` of the result is where the struct ends. Throws MalformedError.
 */
export function decodeStruct<T extends object>(
  type: ThriftStruct<T>,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): { readonly value: T; readonly end: number } {
  const reader = { bytes, at: start, end }
  const value = readStruct(reader, type) as T
  return { value, end: reader.at }
}

function readByte(reader: Reader): number {
  if (reader.at >= reader.end) malformed(`a thrift struct runs past its ${reader.end} bytes`)
  return reader.bytes[reader.at++]!
}

function readVarint(reader: Reader): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(reader)
    if (shift === 28 && byte > 15) break
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value >>> 0
  }
  return malformed('a thrift varint exceeds 32 bits')
}

function readZigzag32(reader: Reader): number {
  const value = readVarint(reader)
  return (value >>> 1) ^ -(value & 1)
}

function readZigzag64(reader: Reader): number {
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = readByte(reader)
    low |= (byte & 0x7f) << shift
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
  }
  let value = BigInt(low)
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = readByte(reader)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return safeInteger(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)))
  }
  return malformed('a thrift varint exceeds 64 bits')
}

function safeInteger(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) malformed(`a count or offset of ${value} is beyond 2^53`)
  return number
}

function readBinary(reader: Reader): Uint8Array {
  const length = readVarint(reader)
  if (length > reader.end - reader.at) {
    malformed(`a thrift string claims ${length} bytes where ${reader.end - reader.at} are left`)
  }
  const start = reader.at
  reader.at += length
  return reader.bytes.subarray(start, reader.at)
}

function readDouble(reader: Reader): number {
  if (reader.end - reader.at < 8) malformed('a thrift double runs past its bytes')
  const view = new DataView(reader.bytes.buffer, reader.bytes.byteOffset + reader.at, 8)
  reader.at += 8
  return view.getFloat64(0, true)
}

function readListHead(reader: Reader): { size: number; element: number } {
  const head = readByte(reader)
  const size = head >> 4 === 15 ? readVarint(reader) : head >> 4
  if (size > reader.end - reader.at)
    malformed(`a thrift list claims ${size} elements where ${reader.end - reader.at} bytes are left`)
  return { size, element: head & 15 }
}

function readList(reader: Reader, type: ThriftType): unknown[] {
  const { size, element } = readListHead(reader)
  const expected = wireType(type)
  if (size > 0 && element !== expected && !(expected === TRUE && element === FALSE)) {
    malformed(`a thrift list holds elements of wire type ${element} instead of ${expected}`)
  }
  const values: unknown[] = []
  for (let i = 0; i < size; i++) values.push(type === 'bool' ? readByte(reader) === TRUE : readValue(reader, type))
  return values
}

function readValue(reader: Reader, type: ThriftType): unknown {
  switch (type) {
    case 'i8':
      return (readByte(reader) << 24) >> 24
    case 'i16':
    case 'i32':
      return readZigzag32(reader)
    case 'i64':
      return readZigzag64(reader)
    case 'double':
      return readDouble(reader)
    case 'binary':
      return readBinary(reader)
    case 'string':
      return text.decode(readBinary(reader))
    case 'bool':
      return malformed('a thrift boolean outside a field or list')
    default:
      return 'list' in type ? readList(reader, type.list) : readStruct(reader, type)
  }
}

function readStruct(reader: Reader, type: ThriftStruct<object>): object {
  const value: Record<string, unknown> = {}
  let id = 0
  for (;;) {
    const head = readByte(reader)
    if (head === STOP) break
    id = head >> 4 === 0 ? readZigzag32(reader) : id + (head >> 4)
    const wire = head & 15
    const field = type.byId.get(id)
    if (field === undefined) {
      skipValue(reader, wire, DEPTH_MAX)
      continue
    }
    const expected = wireType(field.type)
    if (expected === TRUE && (wire === TRUE || wire === FALSE)) {
      value[field.name] = wire === TRUE
      continue
    }
    if (wire === expected) value[field.name] = readValue(reader, field.type)
    else if (field.required) malformed(`${type.struct}.${field.name} has wire type ${wire} instead of ${expected}`)
    else skipValue(reader, wire, DEPTH_MAX)
  }
  for (const field of type.fields) {
    if (field.required && value[field.name] === undefined) malformed(`${type.struct} lacks ${field.name}`)
  }
  return value
}

function skipBytes(reader: Reader, count: number): void {
  if (count > reader.end - reader.at) malformed('a thrift value runs past its bytes')
  reader.at += count
}

function skipVarint(reader: Reader): void {
  for (let i = 0; i < 10; i++) if (readByte(reader) < 0x80) return
  malformed('a thrift varint exceeds 64 bits')
}

function skipValue(reader: Reader, wire: number, depth: number): void {
  if (depth === 0) malformed(`thrift structs nest deeper than ${DEPTH_MAX}`)
  switch (wire) {
    case TRUE:
    case FALSE:
      break
    case I8:
      skipBytes(reader, 1)
      break
    case I16:
    case I32:
    case I64:
      skipVarint(reader)
      break
    case DOUBLE:
      skipBytes(reader, 8)
      break
    case UUID:
      skipBytes(reader, 16)
      break
    case BINARY:
      readBinary(reader)
      break
    case LIST:
    case SET: {
      const { size, element } = readListHead(reader)
      for (let i = 0; i < size; i++) skipElement(reader, element, depth)
      break
    }
    case MAP:
      skipMap(reader, depth)
      break
    case STRUCT:
      for (let head = readByte(reader); head !== STOP; head = readByte(reader)) {
        if (head >> 4 === 0) skipVarint(reader)
        skipValue(reader, head & 15, depth - 1)
      }
      break
    default:
      malformed(`thrift wire type ${wire} does not exist`)
  }
}

// In lists and maps a boolean takes a byte; in fields it is part of the head.
function skipElement(reader: Reader, wire: number, depth: number): void {
  if (wire === TRUE || wire === FALSE) skipBytes(reader, 1)
  else skipValue(reader, wire, depth - 1)
}

function skipMap(reader: Reader, depth: number): void {
  const size = readVarint(reader)
  if (size === 0) return
  if (size > reader.end - reader.at) malformed(`a thrift map claims ${size} entries`)
  const types = readByte(reader)
  for (let i = 0; i < size; i++) {
    skipElement(reader, types >> 4, depth)
    skipElement(reader, types & 15, depth)
  }
}

interface Writer {
  bytes: Uint8Array
  length: number
}

const utf8 = new TextEncoder()

/** The bytes of a struct. Absent and undefined fields are left out; throws where a required one is absent. */
export function encodeStruct<T extends object>(type: ThriftStruct<T>, value: T): Uint8Array {
  const writer = { bytes: new Uint8Array(256), length: 0 }
  writeStruct(writer, type, value as Record<string, unknown>)
  return writer.bytes.slice(0, writer.length)
}

function reserve(writer: Writer, count: number): void {
  if (writer.length + count <= writer.bytes.length) return
  const grown = new Uint8Array(Math.max(writer.bytes.length * 2, writer.length + count))
  grown.set(writer.bytes.subarray(0, writer.length))
  writer.bytes = grown
}

function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1)
  writer.bytes[writer.length++] = byte
}

// `value` is a whole number from 0 to 2^54.
function writeVarint(writer: Writer, value: number): void {
  let rest = value
  while (rest >= 0x80) {
    writeByte(writer, (rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  writeByte(writer, rest)
}

function writeZigzag(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value)) throw new Error(`thrift cannot write ${value} as an integer`)
  if (value >= -0x40000000 && value < 0x40000000) {
    writeVarint(writer, ((value << 1) ^ (value >> 31)) >>> 0)
    return
  }
  let rest = value < 0 ? BigInt(value) * -2n - 1n : BigInt(value) * 2n
  for (; rest >= 0x80n; rest >>= 7n) writeByte(writer, Number(rest & 0x7fn) | 0x80)
  writeByte(writer, Number(rest))
}

function writeBinary(writer: Writer, bytes: Uint8Array): void {
  writeVarint(writer, bytes.length)
  reserve(writer, bytes.length)
  writer.bytes.set(bytes, writer.length)
  writer.length += bytes.length
}

function writeDouble(writer: Writer, value: number): void {
  reserve(writer, 8)
  new DataView(writer.bytes.buffer).setFloat64(writer.length, value, true)
  writer.length += 8
}

function writeList(writer: Writer, type: ThriftType, values: readonly unknown[]): void {
  const short = Math.min(values.length, 15)
  writeByte(writer, (short << 4) | wireType(type))
  if (short === 15) writeVarint(writer, values.length)
  for (const value of values) {
    if (type === 'bool') writeByte(writer, value === true ? TRUE : FALSE)
    else writeValue(writer, type, value)
  }
}

function writeValue(writer: Writer, type: ThriftType, value: unknown): void {
  switch (type) {
    case 'bool':
      throw new Error('a thrift boolean outside a field or list')
    case 'i8':
      writeByte(writer, (value as number) & 0xff)
      break
    case 'i16':
    case 'i32':
    case 'i64':
      writeZigzag(writer, value as number)
      break
    case 'double':
      writeDouble(writer, value as number)
      break
    case 'binary':
      writeBinary(writer, value as Uint8Array)
      break
    case 'string':
      writeBinary(writer, utf8.encode(value as string))
      break
    default:
      if ('list' in type) writeList(writer, type.list, value as unknown[])
      else writeStruct(writer, type, value as Record<string, unknown>)
  }
}

function writeStruct(writer: Writer, type: ThriftStruct<object>, value: Record<string, unknown>): void {
  let last = 0
  for (const field of type.fields) {
    const content = value[field.name]
    if (content === undefined) {
      if (field.required) throw new Error(`${type.struct} cannot be written without ${field.name}`)
      continue
    }
    const wire = field.type === 'bool' ? (content === true ? TRUE : FALSE) : wireType(field.type)
    if (field.id - last <= 15) writeByte(writer, ((field.id - last) << 4) | wire)
    else {
      writeByte(writer, wire)
      writeZigzag(writer, field.id)
    }
    last = field.id
    if (field.type !== 'bool') writeValue(writer, field.type, content)
  }
  writeByte(writer, STOP)
}
