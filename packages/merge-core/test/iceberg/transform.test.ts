import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.ts'
import { applyTransform, bucketOfBytes, makeTransform, transformResultType } from '../../src/iceberg/transform.ts'
import type { PrimitiveType } from '../../src/primitive-type.ts'

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const micros = (iso: string) => BigInt(Date.parse(iso)) * 1000n
const days = (iso: string) => Date.parse(iso) / 86_400_000
const string: PrimitiveType = { kind: 'string' }

describe('bucket', () => {
  // Iceberg table spec, appendix B.
  it.each([
    [{ kind: 'int' }, 34, 2017239379],
    [{ kind: 'long' }, 34n, 2017239379],
    [{ kind: 'decimal', precision: 9, scale: 2 }, 1420n, -500754589],
    [{ kind: 'date' }, days('2017-11-16'), -653330422],
    [{ kind: 'time' }, 81_068_000_000n, -662762989],
    [{ kind: 'timestamp' }, micros('2017-11-16T22:31:08Z'), -2047944441],
    [{ kind: 'timestamptz' }, micros('2017-11-16T14:31:08-08:00'), -2047944441],
    [string, 'iceberg', 1210000089],
    [{ kind: 'uuid' }, bytes('f79c3e09677c4bbda4793f349cb785e7'), 1488055340],
    [{ kind: 'fixed', bytes: 4 }, bytes('00010203'), -188683207],
    [{ kind: 'binary' }, bytes('00010203'), -188683207],
  ] as const)('hashes %o %o as the specification does', (type, value, hash) => {
    expect(applyTransform('bucket[2147483647]', type, value)).toBe((hash & 0x7fffffff) % 0x7fffffff)
    expect(applyTransform('bucket[8]', type, value)).toBe((hash & 0x7fffffff) % 8)
  })

  it('gives a slice of UTF-8 bytes the bucket of its text', () => {
    const bucket = makeTransform('bucket[997]', string)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array(), (text, before) => {
        const encoded = Buffer.concat([before, Buffer.from(text), before])
        expect(bucketOfBytes(encoded, before.length, encoded.length - before.length, 997)).toBe(bucket(text))
      }),
    )
  })
})

describe('truncate', () => {
  it.each([
    [{ kind: 'int' }, 10, 1, 0],
    [{ kind: 'int' }, 10, -1, -10],
    [{ kind: 'int' }, 10, -10, -10],
    [{ kind: 'long' }, 10, 11n, 10n],
    [{ kind: 'long' }, 10, -1n, -10n],
    [{ kind: 'decimal', precision: 9, scale: 2 }, 50, 1065n, 1050n],
    [{ kind: 'decimal', precision: 9, scale: 2 }, 50, -5n, -50n],
    [string, 3, 'iceberg', 'ice'],
    [string, 3, 'ic', 'ic'],
    [string, 2, '𝔸𝔹ℂ', '𝔸𝔹'],
    [{ kind: 'binary' }, 2, bytes('010203'), bytes('0102')],
  ] as const)('of %o to width %i turns %o into %o', (type, width, value, expected) => {
    expect(applyTransform(`truncate[${width}]`, type, value)).toEqual(expected)
  })
})

describe('the time transforms', () => {
  const timestamp: PrimitiveType = { kind: 'timestamptz' }

  it('floor the last microsecond before 1970', () => {
    const results = ['year', 'month', 'day', 'hour'].map((transform) => applyTransform(transform, timestamp, -1n))
    expect(results).toEqual([-1, -1, -1, -1])
  })

  it('agree with the calendar of Date', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 999 }), (date, micro) => {
        const value = BigInt(date.getTime()) * 1000n + BigInt(micro)
        const year = date.getUTCFullYear() - 1970
        const day = Math.floor(date.getTime() / 86_400_000)
        expect(applyTransform('year', timestamp, value)).toBe(year)
        expect(applyTransform('month', timestamp, value)).toBe(year * 12 + date.getUTCMonth())
        expect(applyTransform('day', timestamp, value)).toBe(day)
        expect(applyTransform('hour', timestamp, value)).toBe(Math.floor(date.getTime() / 3_600_000))
        expect(applyTransform('month', { kind: 'date' }, day)).toBe(year * 12 + date.getUTCMonth())
      }),
      { numRuns: 2000 },
    )
  })
})

it('maps null to null under every transform', () => {
  for (const transform of ['identity', 'bucket[4]', 'truncate[4]', 'void']) {
    expect(applyTransform(transform, string, null)).toBeNull()
  }
})

it('names the type of the results', () => {
  expect(transformResultType('bucket[4]', string)).toEqual({ kind: 'int' })
  expect(transformResultType('truncate[4]', string)).toEqual(string)
  expect(transformResultType('day', { kind: 'timestamptz' })).toEqual({ kind: 'date' })
  expect(transformResultType('month', { kind: 'date' })).toEqual({ kind: 'int' })
})

it.each(['bucket[0]', 'bucket', 'truncate[-1]', 'week', 'day'])('refuses %s of a string', (transform) => {
  expect(() => makeTransform(transform, string)).toThrow(InputError)
})
