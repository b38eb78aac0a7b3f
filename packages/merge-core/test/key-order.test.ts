import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes } from '../src/change/byte-strings.ts'
import { decodeKey, decodeKeys, encodeKeyPart, encodeKeys, keyText } from '../src/change/key-order.ts'
import type { BytesColumn, Column } from '../src/columns/column.ts'
import type { PartitionValue } from '../src/iceberg/transform.ts'
import { type PrimitiveType, parsePrimitiveType } from '../src/primitive-type.ts'

interface Vector {
  readonly about: string
  readonly types: string[]
  readonly keys: string[][]
  readonly hex: string[]
}
const vectors = JSON.parse(readFileSync(new URL('key-order-vectors.json', import.meta.url), 'utf8')) as Vector[]

function typedValue(text: string, type: PrimitiveType): PartitionValue {
  if (type.kind === 'string') return text
  return type.kind === 'int' ? Number(text) : BigInt(text)
}

function encode(key: readonly PartitionValue[], types: readonly PrimitiveType[]): Buffer {
  return Buffer.concat(key.map((value, part) => encodeKeyPart(types[part]!, value, part === types.length - 1)))
}

function bytesColumn(values: readonly Buffer[]): BytesColumn {
  const starts = new Uint32Array(values.length + 1)
  const pieces = values.map((value, row) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(value.length)
    starts[row + 1] = starts[row]! + 4 + value.length
    return Buffer.concat([length, value])
  })
  return { kind: 'bytes', rows: values.length, validity: null, starts, bytes: Buffer.concat(pieces) }
}

function columnOf(values: readonly PartitionValue[], type: PrimitiveType): Column {
  const rows = values.length
  if (type.kind === 'string') return bytesColumn(values.map((value) => Buffer.from(value as string)))
  if (type.kind === 'binary') return bytesColumn(values.map((value) => Buffer.from(value as Uint8Array)))
  if (type.kind === 'int') return { kind: 'int32', rows, validity: null, data: Int32Array.from(values as number[]) }
  if (type.kind === 'decimal' && type.precision > 18) {
    const hex = values.map((value) =>
      BigInt.asUintN(128, value as bigint)
        .toString(16)
        .padStart(32, '0'),
    )
    return { kind: 'fixed', rows, validity: null, width: 16, data: Buffer.from(hex.join(''), 'hex') }
  }
  return { kind: 'int64', rows, validity: null, data: BigInt64Array.from(values as bigint[]) }
}

const STRING: PrimitiveType = { kind: 'string' }
const keyStrings = fc
  .array(fc.oneof(fc.constantFrom('\0', '\u0001', 'a', '\u{1f600}', '\uff5e', 'é'), fc.string({ unit: 'grapheme' })))
  .map((parts) => parts.join(''))

describe('the order of keys', () => {
  for (const { about, types, keys, hex } of vectors) {
    const parsed = types.map((type) => parsePrimitiveType(type)!)
    it(`has these bytes: ${about}`, () => {
      const encoded = keys.map((key) =>
        encode(
          key.map((text, part) => typedValue(text, parsed[part]!)),
          parsed,
        ),
      )
      expect(encoded.map((bytes) => bytes.toString('hex'))).toEqual(hex)
      for (const [index, bytes] of encoded.entries()) {
        if (index === 0) continue
        const before = encoded[index - 1]!
        expect(compareBytes(before, 0, before.length, bytes, 0, bytes.length)).toBeLessThan(0)
        expect(compareBytes(bytes, 0, bytes.length, before, 0, before.length)).toBeGreaterThan(0)
      }
    })

    it(`is the same by columns: ${about}`, () => {
      const columns = parsed.map((type, part) =>
        columnOf(
          keys.map((key) => typedValue(key[part]!, type)),
          type,
        ),
      )
      const { starts, bytes } = encodeKeys(columns, parsed)
      expect(hex.map((_, row) => Buffer.from(bytes.subarray(starts[row], starts[row + 1])).toString('hex'))).toEqual(
        hex,
      )
      expect(decodeKeys({ starts, bytes }, parsed).map((column) => ({ ...column, bytes: null }))).toEqual(
        columns
          .map((column) => ({ ...column, bytes: null }))
          .map((column) => (column.kind === 'fixed' ? { ...column, data: Uint8Array.from(column.data) } : column)),
      )
    })
  }

  it('is that of UTF-8 for one string, and of the first part for two', () => {
    fc.assert(
      fc.property(fc.tuple(keyStrings, keyStrings), fc.tuple(keyStrings, keyStrings), (a, b) => {
        const types = [STRING, STRING]
        const first = Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0]))
        const expected = first !== 0 ? first : Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1]))
        const left = encode(a, types)
        const right = encode(b, types)
        expect(Math.sign(compareBytes(left, 0, left.length, right, 0, right.length))).toBe(expected)
        expect(decodeKey(left, types)).toEqual(a)
      }),
    )
  })

  it('is that of the values for integers, behind a string too', () => {
    const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(fc.constantFrom('long', 'decimal(18, 3)', 'decimal(30, 3)'), long, long, (name, a, b) => {
        const types = [STRING, parsePrimitiveType(name)!]
        const left = encode(['k', a], types)
        const right = encode(['k', b], types)
        expect(Math.sign(Buffer.compare(left, right))).toBe(a < b ? -1 : a > b ? 1 : 0)
        expect(decodeKey(left, types)).toEqual(['k', a])
      }),
    )
  })

  it('reads a dictionary column by its values', () => {
    const dictionary = bytesColumn([Buffer.from('b'), Buffer.from('a\0')])
    const column: Column = { kind: 'dictionary', rows: 3, validity: null, indices: Uint32Array.of(1, 0, 1), dictionary }
    const { starts, bytes } = encodeKeys([column], [STRING])
    expect(Buffer.from(bytes).toString()).toBe('a\0ba\0')
    expect([...starts]).toEqual([0, 2, 3, 5])
  })

  it('refuses a key that is null, a type that is no key and bytes that are none', () => {
    const column: Column = { kind: 'int32', rows: 2, validity: Uint8Array.of(1), data: Int32Array.of(1, 0) }
    expect(() => encodeKeys([column], [{ kind: 'int' }])).toThrow('row 1: key column 1 is null')
    expect(() => encodeKeyPart({ kind: 'double' }, 1, true)).toThrow('a key column cannot be of type double')
    expect(() => decodeKey(Buffer.from('a'), [STRING, STRING])).toThrow('has no end')
    expect(() => decodeKey(Buffer.alloc(7), [{ kind: 'long' }])).toThrow('ends within part 1')
    expect(() => decodeKey(Buffer.alloc(9), [{ kind: 'long' }])).toThrow('1 bytes too many')
  })

  it('shows keys in messages', () => {
    expect(keyText(encode(['u"1'], [STRING]), [STRING])).toBe('"u\\"1"')
    expect(
      keyText(encode([Buffer.from([1, 2]), -12n], [{ kind: 'binary' }, { kind: 'long' }]), [
        { kind: 'binary' },
        { kind: 'long' },
      ]),
    ).toBe('["AQI=",-12]')
  })
})
