import * as zlib from 'node:zlib'
import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DamagedObjectError } from '../../src/errors.ts'
import { type AvroComplex, type AvroValue, readAvroFile, writeAvroFile } from '../../src/iceberg/avro.ts'

const SYNC = new Uint8Array(16).fill(7)

const SCHEMA: AvroComplex = {
  type: 'record',
  name: 'row',
  fields: [
    { name: 'yes', type: 'boolean' },
    { name: 'small', type: 'int', 'field-id': 5 },
    { name: 'wide', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'half', type: 'float' },
    { name: 'real', type: 'double' },
    { name: 'text', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'id', type: { type: 'fixed', name: 'four', size: 4 } },
    { name: 'maybe', type: ['null', 'long'], default: null },
    { name: 'list', type: { type: 'array', items: ['null', 'string'] } },
    { name: 'pair', type: { type: 'record', name: 'pair', fields: [{ name: 'left', type: 'int' }] } },
    { name: 'again', type: 'pair' },
  ],
}
const NAMES = SCHEMA.fields!.map((field) => field.name)

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })
const row = fc.tuple(
  fc.boolean(),
  fc.integer(),
  long,
  fc.float(),
  fc.double(),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array(),
  bytes(4),
  fc.option(long),
  fc.array(fc.option(fc.string({ unit: 'grapheme' }))),
  fc.tuple(fc.integer()),
  fc.tuple(fc.integer()),
)

/** Longs as bigints, which avsc rounds unless told. */
const oracleLong = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer(value: bigint) {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})
const oracle = avsc.Type.forSchema(
  SCHEMA as unknown as avsc.Schema,
  {
    wrapUnions: false,
    typeHook: (schema: unknown) =>
      schema === 'long' || (schema as { type?: unknown } | null)?.type === 'long' ? oracleLong : undefined,
  } as never,
)

/** A row as avsc has it. */
function asObject(values: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = Object.fromEntries(NAMES.map((name, i) => [name, values[i]]))
  for (const name of ['pair', 'again']) object[name] = { left: (object[name] as number[])[0] }
  for (const name of ['raw', 'id']) object[name] = Buffer.from(object[name] as Uint8Array)
  for (const name of ['wide', 'maybe']) if (object[name] !== null) object[name] = BigInt(object[name] as number)
  return object
}

const container = (body: Uint8Array, codec: string, count: number): Uint8Array => {
  const empty = writeAvroFile({ schema: SCHEMA, metadata: { 'avro.codec': codec }, rows: [], sync: SYNC })
  const head = avsc.Type.forSchema('long').toBuffer(count)
  return Buffer.concat([empty, head, avsc.Type.forSchema('long').toBuffer(body.length), body, SYNC])
}

describe('Avro files', () => {
  it('hold rows as another implementation decodes them', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const file = writeAvroFile({ schema: SCHEMA, metadata: {}, rows: rows as AvroValue[][], sync: SYNC })
        const empty = writeAvroFile({ schema: SCHEMA, metadata: {}, rows: [], sync: SYNC })
        const sizes = Buffer.from(file.subarray(empty.length))
        const start = sizes.length - SYNC.length
        let at = 0
        for (let varints = 0; varints < 2; at++) if (sizes[at]! < 0x80) varints++
        const block = zlib.inflateRawSync(sizes.subarray(at, start))
        let offset = 0
        for (const expected of rows) {
          const decoded = oracle.decode(block, offset)
          expect({ ...(decoded.value as object) }).toEqual(asObject(expected))
          offset = decoded.offset
        }
        expect(offset).toBe(block.length)
      }),
    )
  })

  it.each([
    ['null', (body: Buffer) => body],
    ['deflate', (body: Buffer) => zlib.deflateRawSync(body)],
    ['zstandard', (body: Buffer) => zlib.zstdCompressSync(body)],
  ] as const)('of codec %s are read as another implementation encoded them', (codec, compress) => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const body = Buffer.concat(rows.map((values) => oracle.toBuffer(asObject(values))))
        const read = readAvroFile('f.avro', container(compress(body), codec, rows.length))
        expect(read.rows.map(asObject)).toEqual(rows.map(asObject))
      }),
      { numRuns: 30 },
    )
  })

  it('keep the schema with its own attributes, and the metadata', () => {
    const { schema, metadata } = readAvroFile(
      'f.avro',
      writeAvroFile({ schema: SCHEMA, metadata: { content: 'data' }, rows: [], sync: SYNC }),
    )
    expect(schema).toEqual(SCHEMA)
    expect(Buffer.from(metadata.get('content')!).toString()).toBe('data')
  })
})

describe('Avro files of strangers', () => {
  const withSchema = (schema: AvroComplex | string, body: number[]) => {
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
    const metadata = { 'avro.codec': 'null', 'avro.schema': text }
    const empty = writeAvroFile({ schema: SCHEMA, metadata, rows: [], sync: SYNC })
    return Buffer.concat([empty, Uint8Array.from([2, body.length * 2, ...body]), SYNC])
  }
  const listOf = (items: unknown) =>
    ({ type: 'record', name: 'r', fields: [{ name: 'a', type: { type: 'array', items } }] }) as AvroComplex

  it.each([
    ['a list of 2^27 items in 6 bytes', withSchema(listOf('int'), [0x80, 0x80, 0x80, 0x80, 0x01, 0])],
    [
      'a text longer than the file',
      withSchema({ type: 'record', name: 'r', fields: [{ name: 'a', type: 'string' }] }, [0x80, 0x80, 0x80, 0x02]),
    ],
    ['items without bytes', withSchema(listOf('null'), [0xfe, 0xff, 0xff, 0xff, 0x0f, 0])],
    [
      'items that are empty records',
      withSchema(listOf({ type: 'record', name: 'e', fields: [] }), [0x80, 0x80, 0x80, 0x04, 0]),
    ],
    [
      'a block that ends otherwise than the others',
      Buffer.concat([withSchema(listOf('int'), [0]).subarray(0, -1), Uint8Array.of(0)]),
    ],
    ['a type within itself', withSchema(listOf('r'), [0])],
    ['a schema that is no JSON', withSchema('{', [0])],
    [
      'a schema nested without end',
      withSchema(
        `{"type":"record","name":"r","fields":[{"name":"a","type":${'['.repeat(5000)}"int"${']'.repeat(5000)}}]}`,
        [0],
      ),
    ],
    ['a bomb', container(zlib.zstdCompressSync(Buffer.alloc(1 << 26)), 'zstandard', 1)],
    ['a codec of which we know nothing', container(new Uint8Array(1), 'bzip2', 1)],
    ['nothing at all', new Uint8Array(0)],
  ])('are refused: %s', (_, file) => {
    expect(() => readAvroFile('f.avro', file)).toThrow(DamagedObjectError)
  })

  it('are refused or read, never worse, wherever a byte is changed or the end cut off', () => {
    const rows = fc.sample(row, { numRuns: 3, seed: 1 }) as AvroValue[][]
    const file = writeAvroFile({ schema: SCHEMA, metadata: {}, rows, sync: SYNC })
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, cut) => {
        const damaged = cut ? file.slice(0, at) : file.slice()
        if (!cut) damaged[at]! ^= change
        try {
          readAvroFile('f.avro', damaged)
        } catch (error) {
          expect(error).toBeInstanceOf(DamagedObjectError)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
