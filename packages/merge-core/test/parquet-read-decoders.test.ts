// The decoders against the format's text: each value is computed bit by bit with BigInt, by no code of theirs.

import { describe, expect, it } from 'vitest'
import { CODEC_NUMBERS, type CompressionCodec, compress, decompress } from '../src/parquet/codecs.ts'
import { unpackBits } from '../src/parquet/decode/bit-packed.ts'
import { decodeDelta } from '../src/parquet/decode/delta.ts'
import { decodeDefinitionLevels } from '../src/parquet/decode/levels.ts'
import { decompressLz4Block } from '../src/parquet/decode/lz4.ts'
import { decodeHybrid } from '../src/parquet/decode/rle.ts'
import { decodeStruct, encodeStruct, list, struct } from '../src/parquet/thrift.ts'

/** `values`, `width` bits each, least significant bit first. */
function packBits(values: readonly bigint[], width: number): Uint8Array {
  let bits = 0n
  values.forEach((value, i) => {
    bits |= value << BigInt(i * width)
  })
  return Uint8Array.from({ length: Math.ceil((values.length * width) / 8) }, (_, i) =>
    Number((bits >> BigInt(i * 8)) & 0xffn),
  )
}

const draw = (i: number, width: number) => (BigInt(i + 1) * 0x9e3779b97f4a7c15n ** 3n) & ((1n << BigInt(width)) - 1n)

describe('bit-packed values', () => {
  it('are unpacked at every width, count and offset', () => {
    for (let width = 0; width <= 32; width++) {
      for (const count of [1, 7, 8, 31, 32, 33, 64, 1024, 1025, 2100]) {
        const values = Array.from({ length: count }, (_, i) => draw(i, width))
        const packed = packBits(values, width)
        const bytes = new Uint8Array(packed.length + 3)
        bytes.set(packed, 3)
        const out = new Uint32Array(count + 4).fill(99)
        unpackBits(bytes, 3, bytes.length, width, count, out, 2)
        expect([...out.subarray(2, count + 2)], `width ${width}`).toEqual(values.map(Number))
        expect([out[1], out[count + 2]]).toEqual([99, 99])
      }
    }
  })

  it('are refused where they run past the end', () => {
    expect(() => unpackBits(new Uint8Array(4), 0, 4, 11, 3, new Uint32Array(3), 0)).toThrow(/run past their page/)
  })
})

describe('the RLE/bit-packing hybrid', () => {
  it('decodes repeated and packed runs of every width', () => {
    for (let width = 1; width <= 32; width++) {
      const packed = Array.from({ length: 16 }, (_, i) => draw(i, width))
      const repeated = draw(5, width)
      const valueBytes = Array.from({ length: Math.ceil(width / 8) }, (_, i) =>
        Number((repeated >> BigInt(8 * i)) & 0xffn),
      )
      const bytes = Uint8Array.from([10 << 1, ...valueBytes, (2 << 1) | 1, ...packBits(packed, width)])
      const out = new Uint32Array(23)
      // The last three packed values are padding.
      decodeHybrid(bytes, 0, bytes.length, width, 23, out, 0)
      expect([...out]).toEqual([...Array(10).fill(Number(repeated)), ...packed.slice(0, 13).map(Number)])
    }
  })
})

describe('definition levels', () => {
  it('become validity bits at any position', () => {
    // 3 × 1, then 16 packed (the last 2 of them padding), then nothing.
    const bytes = Uint8Array.of(3 << 1, 1, (2 << 1) | 1, 0b10110010, 0b00101101)
    const { bits, present } = decodeDefinitionLevels(bytes, 0, bytes.length, 17)
    const expected = '111' + '01001101' + '101101'
    expect(Array.from({ length: 17 }, (_, i) => (bits![i >> 3]! >> (i & 7)) & 1).join('')).toBe(expected)
    expect(present).toBe([...expected].filter((bit) => bit === '1').length)
  })

  it('without a null give no bits', () => {
    expect(decodeDefinitionLevels(Uint8Array.of(16, 1), 0, 2, 8)).toEqual({ bits: null, present: 8 })
    expect(decodeDefinitionLevels(Uint8Array.of(3, 0xff), 0, 2, 8)).toEqual({ bits: null, present: 8 })
  })
})

describe('DELTA_BINARY_PACKED', () => {
  const varint = (value: bigint): number[] => {
    const bytes: number[] = []
    let rest = value
    for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
    return [...bytes, Number(rest)]
  }
  const zigzag = (value: bigint) => varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)))

  const byValue = (a: bigint, b: bigint) => (a < b ? -1 : 1)

  /** One block of 128 values in 4 miniblocks for each 128 deltas, as the format's text has it. */
  function encode(values: readonly bigint[]): Uint8Array {
    const bytes = [...varint(128n), ...varint(4n), ...varint(BigInt(values.length)), ...zigzag(values[0]!)]
    const deltas = values.slice(1).map((value, i) => BigInt.asIntN(64, value - values[i]!))
    for (let start = 0; start < deltas.length; start += 128) {
      const block = deltas.slice(start, start + 128)
      const minimum = block.toSorted(byValue)[0]!
      const relative = block.map((delta) => BigInt.asUintN(64, delta - minimum))
      const minis = [0, 32, 64, 96].map((at) => relative.slice(at, at + 32))
      const widths = minis.map((mini) => (mini.toSorted(byValue).at(-1) ?? 0n).toString(2).length)
      bytes.push(...zigzag(minimum), ...widths.map((width, i) => (minis[i]!.length === 0 ? 0 : width)))
      minis.forEach((mini, i) => {
        if (mini.length > 0) bytes.push(...packBits([...mini, ...Array(32 - mini.length).fill(0n)], widths[i]!))
      })
    }
    return Uint8Array.from(bytes)
  }

  it.each([1, 2, 8, 16, 31, 32, 33, 40, 48, 63, 64])('decodes 64-bit values that differ by up to %i bits', (width) => {
    const values = Array.from({ length: 300 }, (_, i) => BigInt.asIntN(64, draw(i, width) - (i % 2 === 0 ? 0n : 5n)))
    const bytes = encode(values)
    const out = new BigInt64Array(302)
    expect(decodeDelta(bytes, 0, bytes.length, 300, true, new Uint32Array(out.buffer), 1)).toBe(bytes.length)
    expect([...out.subarray(1, 301)]).toEqual(values)
  })

  it('decodes 32-bit values with sums that wrap', () => {
    const values = Array.from({ length: 200 }, (_, i) => BigInt.asIntN(32, draw(i, 32)))
    const bytes = encode(values)
    const out = new Int32Array(200)
    decodeDelta(bytes, 0, bytes.length, 200, false, new Uint32Array(out.buffer), 0)
    expect([...out]).toEqual(values.map(Number))
  })
})

describe('codecs', () => {
  const text = new TextEncoder().encode('{"pk":"user#000000000012","status":"paid"}\n'.repeat(500))

  it.each(Object.keys(CODEC_NUMBERS) as CompressionCodec[])('%s gives back what it was given', (codec) => {
    for (const bytes of [new Uint8Array(0), text.subarray(0, 1), text]) {
      const packed = compress(codec, bytes)
      expect(Buffer.compare(decompress(CODEC_NUMBERS[codec], packed, bytes.length), bytes)).toBe(0)
      if (bytes.length > 0) expect(() => decompress(CODEC_NUMBERS[codec], packed, bytes.length - 1)).toThrow(/./)
      expect(() => decompress(CODEC_NUMBERS[codec], packed, bytes.length + 1)).toThrow(/./)
    }
  })

  it('lz4 copies overlapping matches and long lengths', () => {
    // 2 literals, a match of 4 + 15 + 255 + 3 from 2 back, then 1 literal.
    const block = Uint8Array.of(0x2f, 0x61, 0x62, 2, 0, 255, 3, 0x10, 0x63)
    expect(Buffer.from(decompressLz4Block(block, 280)).toString()).toBe(`${'ab'.repeat(139)}ac`)
    expect(() => decompressLz4Block(Uint8Array.of(0x1f, 0x61, 2, 0, 0, 0x10, 0x63), 22)).toThrow(/from 2 back/)
  })
})

describe('thrift', () => {
  interface Inner {
    readonly flag?: boolean | undefined
    readonly far?: string | undefined
  }
  interface Outer {
    readonly number: number
    readonly long?: number | undefined
    readonly double?: number | undefined
    readonly flags?: readonly boolean[] | undefined
    readonly bytes?: Uint8Array | undefined
    readonly inners?: readonly Inner[] | undefined
  }
  const inner = struct<Inner>('Inner', { flag: [1, 'bool'], far: [300, 'string'] })
  const outer = struct<Outer>('Outer', {
    number: [1, 'i32', 'required'],
    long: [2, 'i64'],
    double: [3, 'double'],
    flags: [4, list('bool')],
    bytes: [5, 'binary'],
    inners: [20, list(inner)],
  })

  it('gives back what it was given, at every size of integer and list', () => {
    for (const long of [0, -1, 63, 64, -64, -65, 2 ** 30, -(2 ** 30), 2 ** 31, -(2 ** 45), 2 ** 53 - 1, 1 - 2 ** 53]) {
      const value: Outer = {
        number: -7,
        long,
        double: -0.1,
        flags: Array.from({ length: 20 }, (_, i) => i % 3 === 0),
        bytes: Uint8Array.of(1, 2, 255),
        inners: [{ flag: false }, { far: 'ä🙂' }, { flag: true, far: '' }],
      }
      const bytes = encodeStruct(outer, value)
      expect(decodeStruct(outer, bytes)).toEqual({ value, end: bytes.length })
    }
  })

  it('encodes as the compact protocol is written down', () => {
    // Field heads are (id difference << 4 | type), integers zigzag varints, false is type 2.
    expect([...encodeStruct(outer, { number: 150, inners: [{ flag: false }] })]).toEqual([
      0x15, 0xac, 0x02, 0x09, 0x28, 0x1c, 0x12, 0x00, 0x00,
    ])
  })

  it('skips fields that the description does not know', () => {
    const bytes = encodeStruct(outer, { number: 5, double: 1, bytes: Uint8Array.of(9), inners: [{ far: 'x' }] })
    const narrow = struct<{ readonly number: number }>('Narrow', { number: [1, 'i32', 'required'] })
    expect(decodeStruct(narrow, bytes)).toEqual({ value: { number: 5 }, end: bytes.length })
  })

  it('refuses what is missing, and numbers beyond 2^53', () => {
    expect(() => decodeStruct(outer, Uint8Array.of(0))).toThrow('Outer lacks number')
    const beyond = Uint8Array.of(0x15, 0, 0x16, ...Array(8).fill(0xff), 0x7f, 0)
    expect(() => decodeStruct(outer, beyond)).toThrow(/is beyond 2\^53/)
  })
})
