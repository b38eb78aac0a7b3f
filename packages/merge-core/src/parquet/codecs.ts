// Compression of pages.
//
// A page says how long it is uncompressed, and that is exactly what must come out. node:zlib gives its result in one buffer
// without copying where chunkSize exceeds it by one; but the size is a stranger's word, so a claim out of all proportion to the
// compressed bytes is filled in steps, and memory is taken as bytes appear.

import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'
import snappy from 'snappy'
import { ownBytes, unwrittenBytes, writtenBytes } from '../columns/memory.ts'
import { decompressLz4Block } from './decode/lz4.ts'
import { Codec, enumName } from './footer.ts'
import { MalformedError, malformed } from './malformed.ts'
import { compressFrame, decompressFrame } from './zstd.ts'

/** The codecs that pages can be written with. */
export type CompressionCodec = 'uncompressed' | 'snappy' | 'gzip' | 'zstd' | 'brotli'

export const CODEC_NUMBERS: Readonly<Record<CompressionCodec, number>> = {
  uncompressed: Codec.UNCOMPRESSED,
  snappy: Codec.SNAPPY,
  gzip: Codec.GZIP,
  zstd: Codec.ZSTD,
  brotli: Codec.BROTLI,
}

const BROTLI_QUALITY = 4
const CHUNK_BYTES_MIN = 64
const STEP_BYTES = 1 << 20
const RATIO_IN_ONE_PIECE_MAX = 128

/**
 * Level 1 with a hash table of 32 KiB that stays in the first cache beside the page, and matches from six bytes on: 6 to 8 % faster on
 * pages of columns, and no larger.
 */
const FASTEST_ZSTD = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_hashLog]: 13,
  [constants.ZSTD_c_minMatch]: 6,
}

/** Compresses a page's bytes, into the memory of the column; `level` is for zstd (default 1). Uncompressed ones come back as they are. */
export function compress(codec: CompressionCodec, bytes: Uint8Array, level = 1): Uint8Array {
  // An upper bound of what zstd and deflate make of bytes that do not compress.
  const chunkSize = Math.max(CHUNK_BYTES_MIN, bytes.length + (bytes.length >> 7) + 128)
  switch (codec) {
    case 'uncompressed':
      return bytes
    case 'snappy':
      return snappy.compressSync(asBuffer(bytes))
    case 'gzip':
      return gzipSync(bytes, { chunkSize })
    case 'zstd':
      return level === 1
        ? compressFastest(bytes, chunkSize)
        : zstdCompressSync(bytes, { chunkSize, params: { [constants.ZSTD_c_compressionLevel]: level } })
    case 'brotli':
      return brotliCompressSync(bytes, { chunkSize, params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })
  }
}

function compressFastest(bytes: Uint8Array, bytesMax: number): Uint8Array {
  return (
    writtenBytes(bytesMax, (frame) => compressFrame(bytes, frame, FASTEST_ZSTD)) ??
    zstdCompressSync(bytes, { chunkSize: bytesMax, params: FASTEST_ZSTD })
  )
}

/** Whether what is decompressed is kept, or read before the next page is decompressed: then all pages may share their memory. */
export type Keeping = 'kept' | 'read at once'

/**
 * Decompresses a page that must give exactly `size` bytes. `codec` is a number of parquet.thrift. The result of an uncompressed
 * page is `bytes` itself. Throws MalformedError.
 */
export function decompress(codec: number, bytes: Uint8Array, size: number, keeping: Keeping = 'kept'): Uint8Array {
  const result = size === 0 && bytes.length === 0 ? bytes : inflate(codec, bytes, size, keeping)
  if (result.length !== size)
    malformed(`a page gives ${result.length} bytes instead of ${size} (${enumName(Codec, codec)})`)
  return result
}

function inflate(codec: number, bytes: Uint8Array, size: number, keeping: Keeping): Uint8Array {
  if (codec === Codec.UNCOMPRESSED) return bytes
  const inOnePiece = size <= STEP_BYTES || size <= bytes.length * RATIO_IN_ONE_PIECE_MAX
  const options = {
    chunkSize: Math.max(CHUNK_BYTES_MIN, inOnePiece ? size + 1 : STEP_BYTES),
    maxOutputLength: Math.max(1, size),
  }
  try {
    switch (codec) {
      case Codec.SNAPPY:
        return inflateSnappy(bytes, size)
      case Codec.GZIP:
        return gunzipSync(bytes, options)
      case Codec.BROTLI:
        return brotliDecompressSync(bytes, options)
      case Codec.ZSTD:
        return (inOnePiece ? inflateZstd(bytes, size, keeping) : null) ?? zstdDecompressSync(bytes, options)
      case Codec.LZ4_RAW:
        return decompressLz4Block(bytes, size)
    }
  } catch (error) {
    if (error instanceof MalformedError) throw error
    malformed(
      `a page of ${bytes.length} bytes does not decompress (${enumName(Codec, codec)}): ${(error as Error).message}`,
    )
  }
  return malformed(`compression codec ${enumName(Codec, codec)} is not read; rewrite the file with zstd`)
}

/** Pages that are read at once; larger ones have memory of their own. */
const SHARED_BYTES_MAX = 8 << 20
let shared = new Uint8Array(0)

/** Null where it does not give as many bytes; zlib's function then says why. */
function inflateZstd(bytes: Uint8Array, size: number, keeping: Keeping): Uint8Array | null {
  const isShared = keeping === 'read at once' && size < SHARED_BYTES_MAX
  // One byte more shows whether the frame ended.
  if (isShared && shared.length <= size) shared = ownBytes(size + 1 + (size >> 2))
  const out = isShared ? shared : unwrittenBytes(size + 1)
  return decompressFrame(bytes, out) === size ? out.subarray(0, size) : null
}

// Snappy begins with its length and cannot expand a byte beyond 64; both are checked before anything is allocated.
function inflateSnappy(bytes: Uint8Array, size: number): Uint8Array {
  let length = 0
  for (let i = 0, scale = 1; i < 5; i++, scale *= 128) {
    const byte = bytes[i] ?? malformed('a snappy page is empty')
    length += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  if (length !== size) malformed(`a snappy page claims ${length} bytes, its header ${size}`)
  if (length > bytes.length * 64) malformed(`a snappy page of ${bytes.length} bytes claims ${length}`)
  return snappy.uncompressSync(asBuffer(bytes)) as Buffer
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
}
