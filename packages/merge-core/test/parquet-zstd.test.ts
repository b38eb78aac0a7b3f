// Frames of one context are those of zlib's own functions, and damage to one leaves the next one alone.

import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compress, decompress } from '../src/parquet/codecs.ts'
import { Codec } from '../src/parquet/footer.ts'
import { compressFrame, decompressFrame } from '../src/parquet/zstd.ts'

const PARAMETERS = { [constants.ZSTD_c_compressionLevel]: 1 }
const text = (bytes: number, seed: number) =>
  Buffer.from(`order ${seed} of many, `.repeat(Math.ceil(bytes / 8))).subarray(0, bytes)
const CONTENTS = [text(1, 1), text(500, 2), text(700_000, 3), Buffer.alloc(300_000), randomBytes(200_000)]

describe('frames of one context', () => {
  it('are those that zlib makes, whatever came before', () => {
    const out = new Uint8Array(1 << 20)
    for (const content of [...CONTENTS, ...CONTENTS.toReversed()]) {
      const bytes = compressFrame(content, out, PARAMETERS)
      expect(bytes).not.toBeNull()
      expect(Buffer.compare(out.subarray(0, bytes!), zstdCompressSync(content, { params: PARAMETERS }))).toBe(0)
    }
  })

  it('are read as zlib reads them', () => {
    const out = new Uint8Array(1 << 20)
    for (const content of CONTENTS) {
      const bytes = decompressFrame(zstdCompressSync(content), out)
      expect(Buffer.compare(out.subarray(0, bytes!), content)).toBe(0)
    }
  })

  it('are not written where the room does not suffice, and the next one is', () => {
    expect(compressFrame(CONTENTS[4]!, new Uint8Array(1000), PARAMETERS)).toBeNull()
    const out = new Uint8Array(1000)
    const bytes = compressFrame(CONTENTS[1]!, out, PARAMETERS)
    expect(zstdDecompressSync(out.subarray(0, bytes!))).toEqual(CONTENTS[1])
  })
})

describe('a damaged page', () => {
  const page = compress('zstd', CONTENTS[2]!)
  const damaged: Record<string, Uint8Array> = {
    'cut in the middle': page.subarray(0, page.length >> 1),
    'cut by its last byte': page.subarray(0, page.length - 1),
    'with a byte flipped': Buffer.from(page).fill(0xff, 6, 12),
    'that is no frame': Buffer.from('PAR1, and not a frame at all'),
    empty: new Uint8Array(0),
  }
  for (const [name, bytes] of Object.entries(damaged)) {
    it(`${name} is refused or right, and the next page is read`, () => {
      for (const keeping of ['kept', 'read at once'] as const) {
        try {
          const result = decompress(Codec.ZSTD, bytes, CONTENTS[2]!.length, keeping)
          expect(Buffer.compare(result, CONTENTS[2]!)).toBe(0)
        } catch (error) {
          expect((error as Error).name).toBe('MalformedError')
        }
        expect(Buffer.compare(decompress(Codec.ZSTD, page, CONTENTS[2]!.length, keeping), CONTENTS[2]!)).toBe(0)
      }
    })
  }

  it('that gives more or fewer bytes than its header says is refused', () => {
    for (const size of [CONTENTS[2]!.length - 1, CONTENTS[2]!.length + 1]) {
      expect(() => decompress(Codec.ZSTD, page, size, 'read at once')).toThrow(/zstd|ZSTD/)
    }
  })
})
