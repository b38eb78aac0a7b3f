// What damaged and hostile files do to the reader: an error with the file's name, never another row, never a dead process.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decompress } from '../src/parquet/codecs.ts'
import { decodeColumnChunk } from '../src/parquet/decode/column-chunk.ts'
import {
  Codec,
  decodeFileMetaData,
  Encoding,
  encodeFileMetaData,
  encodePageHeader,
  type FileMetaData,
  PageType,
  PhysicalType,
  Repetition,
} from '../src/parquet/footer.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { readRowGroup } from '../src/parquet/read-row-group.ts'
import { bytesSource } from '../src/store/byte-source.ts'

interface Outcome {
  readonly refused: number
  readonly same: number
  readonly other: number[]
  readonly unexpected: string[]
  readonly rssMb: number
}

async function readMutations(file: string, seeds: number, mode: 'sealed' | 'as stored'): Promise<Outcome> {
  const script = fileURLToPath(new URL('parquet-mutations.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, file, '0', String(seeds), mode], {
    timeout: 60_000,
  })
  return JSON.parse(stdout) as Outcome
}

describe('flipped bits, cuts and overwritten stretches', () => {
  it.each([
    ['pyarrow-none-v2-dictionary.parquet', 200],
    ['pyarrow-zstd-v1-delta.parquet', 200],
    ['pyarrow-zstd-v1-fallback.parquet', 200],
  ])(
    'never give another row where pages and footer carry checksums (%s, %i mutations)',
    async (file, seeds) => {
      const outcome = await readMutations(file, seeds, 'sealed')
      expect(outcome.unexpected).toEqual([])
      expect(outcome.other).toEqual([])
      expect(outcome.refused + outcome.same).toBe(seeds)
      expect(outcome.refused).toBeGreaterThan(seeds / 2)
    },
    60_000,
  )

  it.each([
    ['pyarrow-none-v2-delta.parquet', 100],
    ['spark-zstd-v2.parquet', 100],
    ['pyarrow-lz4-v1-plain.parquet', 100],
  ])(
    'never end the process where there are no checksums (%s, %i mutations)',
    async (file, seeds) => {
      const outcome = await readMutations(file, seeds, 'as stored')
      expect(outcome.unexpected).toEqual([])
      expect(outcome.rssMb).toBeLessThan(400)
    },
    60_000,
  )
})

const golden = (file: string) => readFileSync(new URL(`golden/${file}`, import.meta.url))

function withTail(body: Uint8Array, footerBytes: number, magic: string): Buffer {
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(footerBytes)
  tail.write(magic, 4)
  return Buffer.concat([body, tail])
}

const open = (bytes: Uint8Array) => readFooter(bytesSource('memory://lake/a.parquet', bytes))

describe('a footer', () => {
  const file = golden('pyarrow-zstd-v1-fallback.parquet')
  const body = file.subarray(0, file.length - 8)

  it.each([
    ['a file of nothing', new Uint8Array(0), /0 bytes are no Parquet file/],
    ['another kind of file', Buffer.from('{"not": "parquet at all"}'), /does not end with PAR1/],
    ['a cut file', file.subarray(0, file.length - 100), /does not end with PAR1/],
    ['a length beyond the file', withTail(body, 0x7fffffff, 'PAR1'), /claims a footer of 2147483647 bytes in \d+/],
    ['a length that reaches the first magic', withTail(body, body.length, 'PAR1'), /claims a footer of \d+ bytes/],
    ['an encrypted footer', withTail(body, 100, 'PARE'), /the footer is encrypted/],
  ])('that is none is refused by path: %s', async (_, bytes, message) => {
    await expect(open(bytes)).rejects.toThrow(message)
    await expect(open(bytes)).rejects.toMatchObject({ name: 'DamagedObjectError', path: 'memory://lake/a.parquet' })
  })

  it('whose lists claim more elements than there are bytes is refused before they are allocated', async () => {
    // version, then a schema of 2^31 structs.
    const thrift = Uint8Array.of(0x15, 0x04, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07)
    const bytes = withTail(Buffer.concat([Buffer.from('PAR1'), thrift]), thrift.length, 'PAR1')
    await expect(open(bytes)).rejects.toThrow(/footer: a thrift list claims 2147483647 elements where 0 bytes are left/)
  })

  it('with structs nested without end is refused', async () => {
    const thrift = new Uint8Array(100_000).fill(0xfc)
    const bytes = withTail(Buffer.concat([Buffer.from('PAR1'), thrift]), thrift.length, 'PAR1')
    await expect(open(bytes)).rejects.toThrow(/nest deeper than 32/)
  })

  it('whose counts contradict each other is refused', async () => {
    const footer = await open(file)
    const reopen = (change: Partial<FileMetaData>) => {
      const thrift = encodeFileMetaData({ ...footer, ...change })
      return open(withTail(Buffer.concat([file.subarray(0, footer.footerStart), thrift]), thrift.length, 'PAR1'))
    }
    await expect(reopen({ numRows: 151 })).rejects.toThrow(/claims 151 rows, its row groups have 150/)
    await expect(reopen({ schema: footer.schema.slice(0, -1) })).rejects.toThrow(/the schema ends inside its tree/)
    const [group, ...others] = footer.rowGroups
    const wide = { ...group!, columns: [...group!.columns, group!.columns[0]!] }
    await expect(reopen({ rowGroups: [wide, ...others] })).rejects.toThrow(/row group 0 has 11 columns, the schema 10/)
    const huge = { ...group!, numRows: 2 ** 40 }
    await expect(reopen({ rowGroups: [huge, ...others] })).rejects.toThrow(/row group 0 claims 1099511627776 rows/)
  })

  it('of ours is refused when any of its bits is flipped', async () => {
    const { rowGroups, ...footer } = await open(file)
    const createdBy = 'lastwrite version 0.1.0 (build test)'
    const thrift = encodeFileMetaData({ ...footer, rowGroups: rowGroups.slice(0, 1), createdBy })
    expect(decodeFileMetaData(thrift).createdBy).toBe(createdBy)
    const name = Buffer.from(thrift).indexOf(createdBy)
    for (let bit = 0; bit < thrift.length * 8; bit += 3) {
      // Another writer's name makes it another writer's footer.
      if (bit >> 3 >= name && bit >> 3 < name + 'lastwrite '.length) continue
      const flipped = Uint8Array.from(thrift)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeFileMetaData(flipped), `bit ${bit}`).toThrow()
    }
  })

  it('whose chunks lie outside the file is refused with the column and the place', async () => {
    const footer = await open(file)
    const group = footer.rowGroups[0]!
    const metaData = {
      ...group.columns[2]!.metaData!,
      dataPageOffset: 10,
      dictionaryPageOffset: 0,
      totalCompressedSize: 2 ** 40,
    }
    const columns = group.columns.with(2, { ...group.columns[2]!, metaData })
    const moved = { ...footer, rowGroups: [{ ...group, columns }] }
    const field = { id: footer.leaves[2]!.fieldId!, name: 'str', type: { kind: 'string' as const }, required: false }
    await expect(readRowGroup(bytesSource('a', file), moved, 0, [field])).rejects.toThrow(
      /^memory:\/\/lake\/a.parquet: row group 0, column "str": claims bytes 10 to 1099511627786 of \d+$/,
    )
  })
})

// A chunk of one data page (version 1) of an optional int64 column.
function chunkOf(body: Uint8Array, values: number, encoding: number = Encoding.PLAIN, size = body.length): Uint8Array {
  const header = encodePageHeader({
    type: PageType.DATA_PAGE,
    uncompressedPageSize: size,
    compressedPageSize: body.length,
    dataPageHeader: {
      numValues: values,
      encoding,
      definitionLevelEncoding: Encoding.RLE,
      repetitionLevelEncoding: Encoding.RLE,
    },
  })
  return Buffer.concat([header, body])
}

function decodeLongs(chunk: Uint8Array, rows: number, codec: number = Codec.UNCOMPRESSED) {
  const element = { name: 'n', type: PhysicalType.INT64, repetitionType: Repetition.OPTIONAL }
  return decodeColumnChunk(chunk, codec, element, rows, { kind: 'long' })
}

const levels = (...bytes: number[]) => Buffer.from([bytes.length, 0, 0, 0, ...bytes])

describe('a page', () => {
  it.each([
    [
      'a run longer than the page',
      chunkOf(levels(0xfe, 0xff, 0xff, 0xff, 0x0f, 1), 8),
      /a run of 2147483647 definition levels/,
    ],
    ['levels that claim more bytes than there are', chunkOf(Buffer.from([200, 0, 0, 0, 3]), 8), /claim 200 bytes of 1/],
    ['a level that a flat column cannot have', chunkOf(levels(16, 2), 8), /a definition level of 2/],
    ['more rows than the group', chunkOf(levels(18, 1), 9), /claims 9 rows where 8 are left/],
    ['fewer rows than the group', chunkOf(levels(14, 0), 7), /pages hold 7 of 8 rows/],
    [
      'values cut short',
      chunkOf(Buffer.concat([levels(16, 1), Buffer.alloc(63)]), 8),
      /8 values of 8 bytes in 63 bytes/,
    ],
    [
      'indices without a dictionary',
      chunkOf(Buffer.concat([levels(16, 1), Buffer.from([1, 16, 0])]), 8, 8),
      /RLE_DICTIONARY of INT64/,
    ],
    [
      'a delta block of 2^31 values',
      chunkOf(Buffer.concat([levels(16, 1), Buffer.from([0x80, 0x80, 0x80, 0x80, 8, 4, 8, 0])]), 8, 5),
      /delta blocks of 2147483648 values/,
    ],
    [
      'deltas of 65 bits',
      chunkOf(Buffer.concat([levels(16, 1), Buffer.from([0x80, 1, 4, 8, 0, 0, 65, 0, 0, 0])]), 8, 5),
      /deltas of 65 bits/,
    ],
    ['an encoding that does not exist', chunkOf(levels(16, 1), 8, 77), /encoding number 77 of INT64/],
    ['a negative size', chunkOf(levels(16, 1), 8, 0, -1), /claims -1 bytes uncompressed/],
  ])('is refused for %s', (_, chunk, message) => {
    expect(() => decodeLongs(chunk, 8)).toThrow(message)
  })

  it('whose header claims a gigabyte costs no gigabyte', () => {
    const before = process.memoryUsage().rss
    const body = zstdCompressSync(Buffer.alloc(1000))
    expect(() => decodeLongs(chunkOf(body, 8, Encoding.PLAIN, 2 ** 30), 8, Codec.ZSTD)).toThrow(
      /gives 1000 bytes instead of/,
    )
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })

  it('that would expand a prefix without end is refused before it is expanded', () => {
    // One value of 100 bytes, then 99,999 that repeat it: lengths by runs of equal deltas.
    const long = Buffer.alloc(100, 'x')
    const zigzag = (value: number) => varint(value < 0 ? -value * 2 - 1 : value * 2)
    const constant = (first: number, then: number, count: number) => {
      const blocks = Array.from({ length: Math.ceil((count - 1) / 65536) }, (_, i) => [
        ...zigzag(i === 0 ? then - first : 0),
        ...(i === 0 ? [8] : [0]),
      ])
      return { head: [...varint(65536), 1, ...varint(count), ...zigzag(first)], blocks }
    }
    const count = 4_000_000
    const prefixes = constant(0, 100, count)
    const page: number[] = [...prefixes.head]
    // First block: 0 → 100, then deltas of 0: minimum 0, one byte a delta, the first of them 100.
    page.push(...zigzag(0), 8)
    const first = Buffer.alloc(65536)
    first[0] = 100
    const rest = Array.from({ length: Math.ceil((count - 1) / 65536) - 1 }, () => [0, 0]).flat()
    const suffixHead = [...varint(65536), 1, ...varint(count), ...zigzag(100), ...zigzag(-100), 8]
    const suffixFirst = Buffer.alloc(65536, 100)
    suffixFirst[0] = 0
    const body = Buffer.concat([
      Buffer.from(page),
      first,
      Buffer.from(rest),
      Buffer.from(suffixHead),
      suffixFirst,
      Buffer.from(rest),
      long,
    ])
    const element = { name: 's', type: PhysicalType.BYTE_ARRAY, repetitionType: Repetition.REQUIRED }
    const chunk = chunkOf(body, count, Encoding.DELTA_BYTE_ARRAY)
    expect(() => decodeColumnChunk(chunk, Codec.UNCOMPRESSED, element, count, { kind: 'string' })).toThrow(
      /a page of 416000000 bytes of values/,
    )
  })
})

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

describe('compressed bytes', () => {
  it.each(Object.entries(Codec))('of %s that are noise are refused', (_, codec) => {
    for (let size = 0; size < 40; size++) {
      const noise = Uint8Array.from({ length: size }, (_, i) => (i * 73 + size * 31) & 0xff)
      expect(() => decompress(codec, noise, 1000)).toThrow(/./)
    }
  })
})
