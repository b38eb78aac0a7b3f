import { describe, expect, it } from 'vitest'
import { columnOf } from '../../src/columns/values.ts'
import type { PartitionValue } from '../../src/iceberg/transform.ts'
import type { PrimitiveType } from '../../src/primitive-type.ts'
import { digestOf, KeyTable, sliceOf } from '../../src/verify/key-table.ts'
import { rowBytes } from '../../src/verify/row-bytes.ts'

/** Each list is a row of two columns of this type, and of a text. */
const ROWS: readonly (readonly [PrimitiveType, readonly PartitionValue[]])[] = [
  [{ kind: 'string' }, [null, '', 'a', 'ab', '\0']],
  [{ kind: 'binary' }, [null, new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 0)]],
  [{ kind: 'long' }, [null, 0n, 1n, -1n, 2n ** 40n]],
  [{ kind: 'int' }, [null, 0, 1, -1]],
  [{ kind: 'boolean' }, [null, false, true]],
  [{ kind: 'double' }, [null, 0, -0, 1.5, Number.NaN]],
  [{ kind: 'decimal', precision: 38, scale: 2 }, [null, 0n, 1n, -1n]],
]

describe('the bytes of a row', () => {
  it.each(ROWS)('are the same for the same %j values and for no others', (type, values) => {
    const pairs = values.flatMap((a) => values.flatMap((b) => ['', 'a', null].map((c) => [a, b, c] as const)))
    const columns = [type, type, { kind: 'string' } as const].map((each, i) =>
      columnOf(
        each,
        pairs.map((pair) => pair[i]!),
      ),
    )
    const bytesOf = rowBytes(columns)
    const texts = pairs.map((_, row) => Buffer.from(bytesOf(row)).toString('hex'))
    expect(new Set(texts).size).toBe(pairs.length)
    expect(pairs.map((_, row) => Buffer.from(bytesOf(row)).toString('hex'))).toEqual(texts)
  })

  it('are the same whether a column is a dictionary or not', () => {
    const plain = columnOf({ kind: 'string' }, ['a', null, 'b', 'a'])
    const dictionary = columnOf({ kind: 'string' }, ['b', 'a'])
    const indices = Uint32Array.of(1, 0, 0, 1)
    const coded = { kind: 'dictionary', rows: 4, validity: plain.validity, indices, dictionary } as const
    for (let row = 0; row < 4; row++) {
      expect(Buffer.from(rowBytes([coded])(row))).toEqual(Buffer.from(rowBytes([plain])(row)))
    }
  })
})

describe('a table of keys', () => {
  const digests = Array.from({ length: 5000 }, (_, i) => digestOf(Buffer.from(`key ${i}`)))

  it('finds each key that was put in, and no other', () => {
    const keys = new KeyTable(2500)
    for (const [i, digest] of digests.slice(0, 2500).entries()) {
      const entry = keys.entryOf(digest)
      keys.flags[entry] = i % 100
      keys.setRow(entry, digests[i + 2500]!)
    }
    expect(keys.count).toBe(2500)
    for (const [i, digest] of digests.entries()) {
      const entry = keys.find(digest)
      expect(entry >= 0).toBe(i < 2500)
      if (i >= 2500) continue
      expect(keys.entryOf(digest)).toBe(entry)
      expect(keys.flags[entry]).toBe(i % 100)
      expect(keys.hasRow(entry, digests[i + 2500]!)).toBe(true)
      expect(keys.hasRow(entry, digests[i]!)).toBe(false)
    }
    expect(() => keys.entryOf(digests[2500]!)).toThrow(/more than 2500 keys/)
  })

  it('tells keys apart that share any two of their three words', () => {
    const alike = [1, 2, 3, 4].flatMap((i): [number, number, number][] => [
      [i, 0, 0],
      [0, i, 0],
      [0, 0, i],
    ])
    const keys = new KeyTable(alike.length)
    for (const key of alike) keys.entryOf(key)
    expect(keys.count).toBe(alike.length)
  })

  it('deals keys out to slices evenly, each to one', () => {
    const sizes = new Array(7).fill(0)
    for (const digest of digests) sizes[sliceOf(digest, 7)]++
    for (const size of sizes) expect(Math.abs(size - 5000 / 7)).toBeLessThan(130)
  })
})
