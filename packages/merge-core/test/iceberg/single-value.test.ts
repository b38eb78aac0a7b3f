import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeSingleValue,
  encodeSingleValue,
  minimalTwosComplement,
  truncateLowerBound,
  truncateLowerBytes,
  truncateUpperBound,
  truncateUpperBytes,
} from '../../src/iceberg/single-value.ts'
import type { PrimitiveType } from '../../src/primitive-type.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('single values', () => {
  it.each([
    [{ kind: 'boolean' }, true, '01'],
    [{ kind: 'int' }, -2, 'feffffff'],
    [{ kind: 'date' }, 1, '01000000'],
    [{ kind: 'long' }, 258n, '0201000000000000'],
    [{ kind: 'timestamptz' }, -1n, 'ffffffffffffffff'],
    [{ kind: 'float' }, 1, '0000803f'],
    [{ kind: 'double' }, -2, '00000000000000c0'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, 0n, '00'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, 127n, '7f'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, 128n, '0080'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, -128n, '80'],
    [{ kind: 'decimal', precision: 12, scale: 2 }, -129n, 'ff7f'],
    [{ kind: 'string' }, '\ufeffé', 'efbbbfc3a9'],
    [{ kind: 'binary' }, Uint8Array.of(1, 0), '0100'],
  ] as const)('of %o: %o is %s, and back', (type, value, expected) => {
    expect(hex(encodeSingleValue(type, value))).toBe(expected)
    expect(decodeSingleValue(type, encodeSingleValue(type, value))).toEqual(value)
  })

  it('hold decimals of 38 digits in the fewest bytes', () => {
    const type: PrimitiveType = { kind: 'decimal', precision: 38, scale: 0 }
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), (value) => {
        const bytes = minimalTwosComplement(value)
        expect(decodeSingleValue(type, bytes)).toBe(value)
        const fewer = BigInt(8 * (bytes.length - 1))
        if (fewer > 0n) expect(value >= 2n ** (fewer - 1n) || value < -(2n ** (fewer - 1n))).toBe(true)
      }),
    )
  })

  it('are null where the bytes are no value of the type', () => {
    expect(decodeSingleValue({ kind: 'int' }, Uint8Array.of(1, 2))).toBeNull()
    expect(decodeSingleValue({ kind: 'string' }, Uint8Array.of(0xff))).toBeNull()
    expect(decodeSingleValue({ kind: 'decimal', precision: 9, scale: 0 }, new Uint8Array(0))).toBeNull()
  })

  it('of columns that were widened are read from their narrow bytes', () => {
    expect(decodeSingleValue({ kind: 'long' }, encodeSingleValue({ kind: 'int' }, -7))).toBe(-7n)
    expect(decodeSingleValue({ kind: 'double' }, encodeSingleValue({ kind: 'float' }, 0.5))).toBe(0.5)
  })
})

describe('bounds', () => {
  const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

  it('enclose the text in the order of its UTF-8 bytes', () => {
    const texts = fc.array(
      fc.oneof(fc.constantFrom('\u{10ffff}', '\ud7ff', '\ue000', '\uffff', 'a'), fc.string({ unit: 'binary' })),
    )
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 8 }), (parts, length) => {
        const text = parts.join('').toWellFormed()
        const upper = truncateUpperBound(text, length)
        expect(compare(truncateLowerBound(text, length), text)).toBeLessThanOrEqual(0)
        if (upper === null) expect([...text].slice(0, length).every((point) => point === '\u{10ffff}')).toBe(true)
        else {
          expect(compare(upper, text)).toBeGreaterThanOrEqual(0)
          expect([...upper].length).toBeLessThanOrEqual(length)
          expect(upper.isWellFormed()).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('enclose bytes', () => {
    const values = fc.array(fc.constantFrom(0, 1, 0xfe, 0xff)).map((list) => Uint8Array.from(list))
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 4 }), (value, length) => {
        const upper = truncateUpperBytes(value, length)
        expect(Buffer.compare(truncateLowerBytes(value, length), value)).toBeLessThanOrEqual(0)
        if (upper === null) expect(value.subarray(0, length).every((byte) => byte === 0xff)).toBe(true)
        else expect(Buffer.compare(upper, value)).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
