// Avro object container files, read and written by their schema (Apache Avro 1.12 specification).
//
// Values lie as the schema lays them out: a record is an array of its fields' values in their order, a map an array of [key, value].
// A long is a number where it is a safe integer and else a bigint. The schema is kept as it stands, Iceberg's field ids included.
//
// Bytes come from strangers. Every count is checked against the bytes that are left before anything is allocated, and a schema
// cannot describe values that take no bytes but cost time: null stands only in unions, types do not contain themselves.

import * as zlib from 'node:zlib'
import { DamagedObjectError } from '../errors.ts'
import { invariant } from '../invariant.ts'

export type AvroValue = null | boolean | number | bigint | string | Uint8Array | AvroValue[]

export type AvroSchema = string | AvroSchema[] | AvroComplex

export interface AvroComplex {
  readonly type: AvroSchema
  readonly name?: string
  readonly namespace?: string
  readonly fields?: readonly AvroField[]
  readonly items?: AvroSchema
  readonly values?: AvroSchema
  readonly symbols?: readonly string[]
  readonly size?: number
  readonly [attribute: string]: unknown
}

export interface AvroField {
  readonly name: string
  readonly type: AvroSchema
  readonly 'field-id'?: number
  readonly [attribute: string]: unknown
}

export interface AvroFile {
  /** The record type of the rows. */
  readonly schema: AvroComplex & { readonly fields: readonly AvroField[] }
  /** The file's own metadata, `avro.schema` and `avro.codec` included. */
  readonly metadata: ReadonlyMap<string, Uint8Array>
  readonly rows: AvroValue[][]
}

const MAGIC = [0x4f, 0x62, 0x6a, 1]
const SYNC_BYTES = 16
const SCHEMA_DEPTH_MAX = 32
/** Nodes of a schema with every reference written out. */
const SCHEMA_NODES_MAX = 10_000
/** Deflate cannot exceed 1032 : 1. */
const INFLATION_MAX = 1100
const VARINT_BYTES_MAX = 10
const BLOCK_BYTES_MAX = 1 << 29

/** Reads a whole container file; `path` names it in errors. Codecs: null, deflate, zstandard. */
export function readAvroFile(path: string, bytes: Uint8Array): AvroFile {
  const input = inputOf(path, bytes)
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) damaged(input, 'is no Avro file')
  input.at = MAGIC.length
  const metadata = new Map<string, Uint8Array>()
  for (const [key, value] of METADATA_TYPE.read(input) as [string, Uint8Array][]) metadata.set(key, value)
  const sync = take(input, SYNC_BYTES)
  const schema = parseSchema(input, metadata.get('avro.schema'))
  const type = compile(schema, (problem) => damaged(input, `schema: ${problem}`))
  const inflate = inflater(input, metadata.get('avro.codec'))
  const rows: AvroValue[][] = []
  while (input.at < input.end) {
    const count = readCount(input)
    const block = inflate(take(input, readCount(input)))
    readRows(inputOf(path, block), count, type, rows)
    if (Buffer.compare(take(input, SYNC_BYTES), sync) !== 0) damaged(input, 'a block does not end with the sync marker')
  }
  return { schema, metadata, rows }
}

export interface AvroFileParts {
  readonly schema: AvroComplex
  readonly metadata: Readonly<Record<string, string>>
  readonly rows: readonly AvroValue[][]
  /** 16 bytes that separate blocks. */
  readonly sync: Uint8Array
}

/** A container file of one deflated block. */
export function writeAvroFile({ schema, metadata, rows, sync }: AvroFileParts): Uint8Array {
  invariant(sync.length === SYNC_BYTES, 'a sync marker has 16 bytes')
  const type = compile(schema, (problem) => {
    throw new Error(`Avro schema: ${problem}`)
  })
  const encoder = new TextEncoder()
  const all = { 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate', ...metadata }
  const output: Output = { bytes: new Uint8Array(4096), at: 0 }
  append(output, Uint8Array.from(MAGIC))
  METADATA_TYPE.write(
    output,
    Object.entries(all).map(([key, value]) => [key, encoder.encode(value)]),
  )
  append(output, sync)
  if (rows.length > 0) {
    const block: Output = { bytes: new Uint8Array(64 * 1024), at: 0 }
    for (const row of rows) type.write(block, row)
    const deflated = zlib.deflateRawSync(block.bytes.subarray(0, block.at))
    writeLong(output, rows.length)
    writeLong(output, deflated.length)
    append(output, deflated)
    append(output, sync)
  }
  return output.bytes.slice(0, output.at)
}

function parseSchema(input: Input, text: Uint8Array | undefined): AvroFile['schema'] {
  if (text === undefined) damaged(input, 'has no avro.schema')
  let schema: AvroFile['schema']
  try {
    schema = JSON.parse(Buffer.from(text).toString('utf8'))
  } catch (cause) {
    throw new DamagedObjectError(input.path, 'avro.schema is not JSON', { cause })
  }
  if (schema?.type !== 'record' || !Array.isArray(schema.fields)) damaged(input, 'the rows are no records')
  return schema
}

function inflater(input: Input, codec: Uint8Array | undefined): (block: Uint8Array) => Uint8Array {
  const name = codec === undefined ? 'null' : Buffer.from(codec).toString('utf8')
  if (name === 'null') return (block) => block
  const inflate = name === 'deflate' ? zlib.inflateRawSync : name === 'zstandard' ? zlib.zstdDecompressSync : null
  if (inflate === null)
    damaged(input, `the codec ${JSON.stringify(name)} is not supported (null, deflate, zstandard are)`)
  return (block) => {
    try {
      return inflate(block, { maxOutputLength: Math.min(BLOCK_BYTES_MAX, block.length * INFLATION_MAX + 1024) })
    } catch (cause) {
      throw new DamagedObjectError(input.path, `a block cannot be inflated (${name})`, { cause })
    }
  }
}

function readRows(block: Input, count: number, type: AvroType, rows: AvroValue[][]): void {
  if (count > block.end) damaged(block, `a block of ${block.end} bytes claims ${count} rows`)
  for (let i = 0; i < count; i++) rows.push(type.read(block) as AvroValue[])
  if (block.at !== block.end) damaged(block, `a block has ${block.end - block.at} bytes after its last row`)
}

interface Input {
  readonly path: string
  readonly bytes: Uint8Array
  readonly end: number
  at: number
}

/** Plain bytes, as a Buffer's slices are views: each value that is kept would hold its whole block. */
function inputOf(path: string, { buffer, byteOffset, length }: Uint8Array): Input {
  return { path, bytes: new Uint8Array(buffer, byteOffset, length), at: 0, end: length }
}

interface Output {
  bytes: Uint8Array
  at: number
}

interface AvroType {
  readonly read: (input: Input) => AvroValue
  readonly write: (output: Output, value: AvroValue) => void
  /** Nodes of the type with every reference written out. */
  readonly nodes: number
}

function compile(schema: AvroSchema, refuse: (problem: string) => never): AvroType {
  const named = new Map<string, AvroType>()
  return compileNode(schema, 0)

  function compileNode(node: AvroSchema, depth: number): AvroType {
    const type = compileUnbounded(node, depth)
    if (type.nodes > SCHEMA_NODES_MAX) refuse(`more than ${SCHEMA_NODES_MAX} nodes`)
    return type
  }

  function compileUnbounded(node: AvroSchema, depth: number): AvroType {
    if (depth > SCHEMA_DEPTH_MAX) refuse(`nested more than ${SCHEMA_DEPTH_MAX} deep`)
    if (typeof node === 'string') {
      return PRIMITIVES.get(node) ?? named.get(node) ?? refuse(`unknown type ${JSON.stringify(node)}`)
    }
    if (Array.isArray(node)) {
      return unionType(node.map((branch) => (isNull(branch) ? null : compileNode(branch, depth + 1))))
    }
    if (typeof node !== 'object' || node === null) return refuse('a type is neither text, list nor object')
    switch (node.type) {
      case 'record':
        return register(node, recordType(fieldsOf(node).map((field) => compileNode(field.type, depth + 1))))
      case 'array':
        return arrayType(compileNode(node.items!, depth + 1))
      case 'map':
        return arrayType(recordType([STRING_TYPE, compileNode(node.values!, depth + 1)]))
      case 'fixed':
        if (!Number.isSafeInteger(node.size) || node.size! < 1) refuse(`a fixed type of size ${node.size}`)
        return register(node, fixedType(node.size!))
      case 'enum':
        if (!Array.isArray(node.symbols)) refuse('an enum without symbols')
        return register(node, enumType(node.symbols!))
      default:
        return compileNode(node.type, depth + 1)
    }
  }

  // Registered after its parts are compiled, so a type that contains itself is an unknown type.
  function register(node: AvroComplex, type: AvroType): AvroType {
    if (typeof node.name === 'string') {
      named.set(node.name, type)
      if (typeof node.namespace === 'string') named.set(`${node.namespace}.${node.name}`, type)
    }
    return type
  }

  function fieldsOf(node: AvroComplex): readonly AvroField[] {
    const fields = node.fields
    if (!Array.isArray(fields) || fields.some((field) => typeof field !== 'object' || field === null)) {
      return refuse('a record without fields')
    }
    return fields
  }
}

function isNull(branch: AvroSchema): boolean {
  return branch === 'null' || (typeof branch === 'object' && (branch as AvroComplex | null)?.type === 'null')
}

function recordType(fields: AvroType[]): AvroType {
  return {
    nodes: fields.reduce((nodes, field) => nodes + field.nodes, 1),
    read(input) {
      const values = new Array<AvroValue>(fields.length)
      for (let i = 0; i < fields.length; i++) values[i] = fields[i]!.read(input)
      return values
    },
    write(output, value) {
      invariant(Array.isArray(value) && value.length === fields.length, `a record of ${fields.length} fields`)
      for (let i = 0; i < fields.length; i++) fields[i]!.write(output, value[i]!)
    },
  }
}

/** Reads any union. Writes the optional ones: null, or the one branch that is not null. */
function unionType(branches: (AvroType | null)[]): AvroType {
  const nullBranch = branches.indexOf(null)
  const valueBranch = branches.findIndex((branch) => branch !== null)
  return {
    nodes: branches.reduce((nodes, branch) => nodes + (branch?.nodes ?? 1), 1),
    read(input) {
      const branch = branches[readCount(input)]
      if (branch === undefined) damaged(input, 'a union names a branch that it does not have')
      return branch === null ? null : branch.read(input)
    },
    write(output, value) {
      invariant(branches.length === 2 && nullBranch !== -1, 'a written union is of null and one type')
      writeLong(output, value === null ? nullBranch : valueBranch)
      if (value !== null) branches[valueBranch]!.write(output, value)
    },
  }
}

function arrayType(item: AvroType): AvroType {
  return {
    nodes: item.nodes + 1,
    read(input) {
      const values: AvroValue[] = []
      for (;;) {
        const count = readLong(input)
        if (count === 0) return values
        // A negative count is followed by the block's length in bytes.
        if (count < 0) readCount(input)
        const items = Math.abs(Number(count))
        if (items > input.end - input.at)
          damaged(input, `a list claims ${items} items, ${input.end - input.at} bytes are left`)
        for (let i = 0; i < items; i++) values.push(item.read(input))
      }
    },
    write(output, value) {
      const values = value as AvroValue[]
      if (values.length > 0) {
        writeLong(output, values.length)
        for (const each of values) item.write(output, each)
      }
      writeLong(output, 0)
    },
  }
}

function fixedType(size: number): AvroType {
  return {
    nodes: 1,
    read: (input) => take(input, size).slice(),
    write(output, value) {
      const bytes = value as Uint8Array
      invariant(bytes.length === size, `a fixed value of ${size} bytes`)
      append(output, bytes)
    },
  }
}

function enumType(symbols: readonly string[]): AvroType {
  return {
    nodes: 1,
    read: (input) => symbols[readCount(input)] ?? damaged(input, 'an enum names a symbol that it does not have'),
    write: (output, value) => writeLong(output, symbols.indexOf(value as string)),
  }
}

const LONG_TYPE: AvroType = {
  nodes: 1,
  read: readLong,
  write: (output, value) => writeLong(output, value as number | bigint),
}

const INT_TYPE: AvroType = {
  ...LONG_TYPE,
  read(input) {
    const value = readLong(input)
    if (value !== Number(value) || value !== (value | 0)) damaged(input, `${value} is no int`)
    return value
  },
}

const BYTES_TYPE: AvroType = {
  nodes: 1,
  read: (input) => take(input, readCount(input)).slice(),
  write(output, value) {
    const bytes = value as Uint8Array
    writeLong(output, bytes.length)
    append(output, bytes)
  },
}

const STRING_TYPE: AvroType = {
  nodes: 1,
  read(input) {
    const bytes = take(input, readCount(input))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  },
  write: (output, value) => BYTES_TYPE.write(output, new TextEncoder().encode(value as string)),
}

const BOOLEAN_TYPE: AvroType = {
  nodes: 1,
  read: (input) => take(input, 1)[0] !== 0,
  write: (output, value) => append(output, Uint8Array.of(value ? 1 : 0)),
}

const FLOAT_TYPE: AvroType = {
  nodes: 1,
  read: (input) => viewOf(take(input, 4)).getFloat32(0, true),
  write(output, value) {
    const bytes = new Uint8Array(4)
    viewOf(bytes).setFloat32(0, value as number, true)
    append(output, bytes)
  },
}

const DOUBLE_TYPE: AvroType = {
  nodes: 1,
  read: (input) => viewOf(take(input, 8)).getFloat64(0, true),
  write(output, value) {
    const bytes = new Uint8Array(8)
    viewOf(bytes).setFloat64(0, value as number, true)
    append(output, bytes)
  },
}

const PRIMITIVES = new Map([
  ['boolean', BOOLEAN_TYPE],
  ['int', INT_TYPE],
  ['long', LONG_TYPE],
  ['float', FLOAT_TYPE],
  ['double', DOUBLE_TYPE],
  ['bytes', BYTES_TYPE],
  ['string', STRING_TYPE],
])

const METADATA_TYPE = arrayType(recordType([STRING_TYPE, BYTES_TYPE]))

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Integers whose zigzag code is below this are coded in plain numbers. */
const PLAIN_MAX = 2 ** 49

/** A zigzag varint of at most 64 bits. */
function readLong(input: Input): number | bigint {
  let code = 0
  for (let scale = 1; scale < PLAIN_MAX; scale *= 128) {
    const byte = readByte(input)
    code += (byte & 0x7f) * scale
    if (byte < 0x80) return code % 2 === 0 ? code / 2 : -(code + 1) / 2
  }
  let wide = BigInt(code)
  for (let shift = 49n; shift < 70n; shift += 7n) {
    const byte = readByte(input)
    wide |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) {
      const value = BigInt.asIntN(64, (wide >> 1n) ^ -(wide & 1n))
      const number = Number(value)
      return Number.isSafeInteger(number) ? number : value
    }
  }
  return damaged(input, 'an integer is longer than 10 bytes')
}

function readByte(input: Input): number {
  if (input.at >= input.end) damaged(input, 'ends inside a value')
  return input.bytes[input.at++]!
}

function readCount(input: Input): number {
  const count = readLong(input)
  if (typeof count === 'bigint' || count < 0) damaged(input, `${count} is no count`)
  return count
}

/** The next `count` bytes, as a view. */
function take(input: Input, count: number): Uint8Array {
  if (count > input.end - input.at) damaged(input, `a value of ${count} bytes, ${input.end - input.at} are left`)
  input.at += count
  return input.bytes.subarray(input.at - count, input.at)
}

function damaged(input: Input, problem: string): never {
  throw new DamagedObjectError(input.path, `Avro, byte ${input.at}: ${problem}`)
}

function writeLong(output: Output, value: number | bigint): void {
  reserve(output, VARINT_BYTES_MAX)
  const code = typeof value === 'number' ? (value < 0 ? -2 * value - 1 : 2 * value) : PLAIN_MAX
  if (code < PLAIN_MAX) {
    let rest = code
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) output.bytes[output.at++] = (rest % 128) | 0x80
    output.bytes[output.at++] = rest
    return
  }
  const wide = BigInt(value)
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) output.bytes[output.at++] = Number(rest & 0x7fn) | 0x80
  output.bytes[output.at++] = Number(rest)
}

function append(output: Output, bytes: Uint8Array): void {
  reserve(output, bytes.length)
  output.bytes.set(bytes, output.at)
  output.at += bytes.length
}

function reserve(output: Output, bytes: number): void {
  const end = output.at + bytes
  if (end <= output.bytes.length) return
  const grown = new Uint8Array(Math.max(end, output.bytes.length * 2))
  grown.set(output.bytes.subarray(0, output.at))
  output.bytes = grown
}
