// Memory that is handed out again: never twice within a column, and never once columns have ended.

import { afterEach, describe, expect, it } from 'vitest'
import {
  beginColumn,
  endColumns,
  freeColumnMemory,
  inMemory,
  takeColumnMemory,
  unwrittenBytes,
  unwrittenWords,
  writtenBytes,
} from '../../src/columns/memory.ts'

const SIZES = [0, 1, 7, 8, 100_001, 3 << 20, 5 << 20, 4 << 20, 9 << 20, 7 << 20, 6 << 20]

afterEach(endColumns)

describe('memory of a column', () => {
  it('is handed out once, whatever sizes are asked for', () => {
    beginColumn()
    const given = SIZES.map((size, i) => unwrittenBytes(size).fill(i + 1))
    for (const [i, bytes] of given.entries()) {
      expect(bytes).toHaveLength(SIZES[i]!)
      expect(bytes.byteOffset % 8).toBe(0)
      expect(Buffer.compare(bytes, Buffer.alloc(SIZES[i]!, i + 1))).toBe(0)
    }
  })

  it('is handed out again for the next column', () => {
    beginColumn()
    const first = unwrittenWords(1000)
    beginColumn()
    expect(unwrittenWords(1000).buffer).toBe(first.buffer)
  })

  it('is nobody else’s after the last column', () => {
    beginColumn()
    const last = unwrittenBytes(1000).fill(7)
    endColumns()
    unwrittenBytes(1000).fill(1)
    expect(Buffer.compare(last, Buffer.alloc(1000, 7))).toBe(0)
    beginColumn()
    const kept = [unwrittenBytes(10).buffer]
    endColumns()
    expect(kept).not.toContain(unwrittenBytes(10).buffer)
  })

  it('takes what is made in another memory from there alone', () => {
    const memory = takeColumnMemory()
    beginColumn()
    const own = unwrittenBytes(1000).fill(1)
    const other = inMemory(memory, () => unwrittenBytes(1000).fill(2))
    const next = unwrittenBytes(1000).fill(3)
    for (const [i, bytes] of [own, other, next].entries())
      expect(Buffer.compare(bytes, Buffer.alloc(1000, i + 1))).toBe(0)
    freeColumnMemory(memory)
    expect(inMemory(takeColumnMemory(), () => unwrittenBytes(1000)).buffer).toBe(other.buffer)
  })

  for (const place of ['of a column', 'of its own']) {
    it(`keeps of bytes ${place} those that were written, and hands out the others again`, () => {
      if (place === 'of a column') beginColumn()
      const write = (length: number, value: number) => (room: Uint8Array) => {
        room.fill(value, 0, length)
        return length
      }
      const given = SIZES.map((size, i) => writtenBytes(size, write(size >> 1, i + 1))!)
      expect(writtenBytes(10, () => null)).toBeNull()
      for (const [i, bytes] of given.entries())
        expect(Buffer.compare(bytes, Buffer.alloc(SIZES[i]! >> 1, i + 1))).toBe(0)
    })
  }
})
