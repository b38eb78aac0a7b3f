import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { bytesSource, storeSource } from '../src/store/byte-source.ts'
import { lineBlocks } from '../src/store/line-blocks.ts'
import { memoryStore } from '../src/store/memory.ts'

/** The lines by number, and what went wrong behind them. */
async function read(bytes: Uint8Array, lineBytesMax = 1000) {
  const lines = new Map<number, string>()
  try {
    for await (const { text, firstLine } of lineBlocks(bytesSource('the object', bytes), { lineBytesMax })) {
      const split = Buffer.from(text).toString().split('\n')
      if (split.at(-1) === '') split.pop()
      for (const [i, line] of split.entries()) lines.set(firstLine + i, line)
    }
  } catch (error) {
    return { lines, error: (error as Error).message }
  }
  return { lines, error: null }
}

const numbered = (lines: readonly string[]) => new Map(lines.map((line, i) => [i + 1, line]))

const MEMBERS = ['a\nb', 'c\n\nd\n', 'e'].map((text) => gzipSync(text))
const LINES = ['a', 'bc', '', 'd', 'e']

describe('line blocks', () => {
  it('are the lines of gzip of several members, and of plain text', async () => {
    expect(await read(Buffer.concat(MEMBERS))).toEqual({ lines: numbered(LINES), error: null })
    expect(await read(Buffer.from(LINES.join('\n')))).toEqual({ lines: numbered(LINES), error: null })
    expect(await read(Buffer.alloc(0))).toEqual({ lines: new Map(), error: null })
  })

  it('are the same for objects of many reads, with lines across them', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat((i * 37) % 9000)}`)
    expect(await read(gzipSync(lines.join('\n')), 20_000)).toEqual({ lines: numbered(lines), error: null })
    expect(await read(Buffer.from(lines.join('\n')), 20_000)).toEqual({ lines: numbered(lines), error: null })
  })

  it('end with an error where the object is cut, damaged or followed by something else', async () => {
    const whole = Buffer.concat(MEMBERS)
    for (let length = 2; length < whole.length; length++) {
      if (length === MEMBERS[0]!.length || length === whole.length - MEMBERS[2]!.length) continue
      expect((await read(whole.subarray(0, length))).error, `${length} bytes`).toMatch(/^the object: /)
    }
    const flipped = Buffer.from(whole)
    flipped[whole.length - 5]! ^= 1
    expect(await read(flipped)).toMatchObject({ error: expect.stringMatching(/cannot be inflated to its end/) })
    for (const behind of ['xyz', '\0\0\0']) {
      expect(await read(Buffer.concat([whole, Buffer.from(behind)]))).toMatchObject({ error: expect.any(String) })
    }
  })

  it('end with an error at a line that is too long, however small it is stored', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('a\n'), Buffer.alloc(50_000_000, 'x')]))
    expect(await read(bomb, 1_000_000)).toMatchObject({ error: 'the object: line 2 is longer than 1000000 bytes' })
  })

  it('hand on what the store says', async () => {
    const store = memoryStore()
    store.plant('memory://a/b', gzipSync('x\n'.repeat(1_000_000)))
    const source = await storeSource(store, 'memory://a/b', { tailBytes: 10 })
    await store.delete('memory://a/b')
    const reading = Array.fromAsync(lineBlocks(source, { lineBytesMax: 10 }))
    await expect(reading).rejects.toThrow(/memory:\/\/a\/b: is named by the table and does not exist/)
  })
})
