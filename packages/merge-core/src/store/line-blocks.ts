// An NDJSON object of any size, gzip or plain (told apart by its first bytes), as blocks of whole lines: memory is bounded by a block
// and the longest line.

import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { DamagedObjectError } from '../errors.ts'
import type { ByteSource } from './byte-source.ts'

export interface LineBlock {
  /** Whole lines, each with its newline; the object's last line may lack it. */
  readonly text: Uint8Array
  /** Number of the first line in the object, from 1. */
  readonly firstLine: number
}

export interface LineBlockOptions {
  /** A line beyond this makes the object damaged. */
  readonly lineBytesMax: number
  /** Sees the object's bytes as they are stored, in order. */
  readonly onBytes?: (bytes: Uint8Array) => void
}

const READ_BYTES = 4 * 1024 * 1024
const INFLATE_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/**
 * What was whole before a damaged place comes before the error for it.
 * @throws DamagedObjectError where the object cannot be inflated to its end or holds a line that is too long; what its source throws
 */
export async function* lineBlocks(source: ByteSource, options: LineBlockOptions): AsyncGenerator<LineBlock> {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let firstLine = 1
  for await (const piece of inflated(source, options)) {
    const end = piece.lastIndexOf(NEWLINE) + 1
    if (end > 0) {
      const text = waiting.length === 0 ? piece.subarray(0, end) : Buffer.concat([...waiting, piece.subarray(0, end)])
      yield { text, firstLine }
      firstLine += countLines(text)
      waiting = []
      waitingBytes = 0
    }
    if (end < piece.length) {
      waiting.push(piece.subarray(end))
      waitingBytes += piece.length - end
    }
    if (waitingBytes > options.lineBytesMax) {
      throw new DamagedObjectError(source.path, `line ${firstLine} is longer than ${options.lineBytesMax} bytes`)
    }
  }
  if (waitingBytes > 0) yield { text: Buffer.concat(waiting), firstLine }
}

function countLines(text: Uint8Array): number {
  let lines = 0
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) lines++
  return lines
}

async function* inflated(source: ByteSource, { onBytes }: LineBlockOptions): AsyncGenerator<Uint8Array> {
  const magic = await source.read(0, Math.min(2, source.bytes))
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return yield* stored(source, onBytes)
  const gunzip = createGunzip({ chunkSize: INFLATE_BYTES })
  // An error of the source destroys the inflater with it; a reader that stops early stops the source.
  pipeline(Readable.from(stored(source, onBytes), { highWaterMark: 1 }), gunzip, () => {})
  try {
    yield* gunzip as AsyncIterable<Uint8Array>
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (!code.startsWith('Z_')) throw error
    throw new DamagedObjectError(source.path, `cannot be inflated to its end: ${message}`, { cause: error })
  }
  // Behind the last member Node ignores what is no gzip.
  if (gunzip.bytesWritten === source.bytes) return
  const rest = source.bytes - gunzip.bytesWritten
  throw new DamagedObjectError(source.path, `its last ${rest} bytes are no gzip member`)
}

async function* stored(source: ByteSource, onBytes: LineBlockOptions['onBytes']): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < source.bytes; start += READ_BYTES) {
    const bytes = await source.read(start, Math.min(start + READ_BYTES, source.bytes))
    onBytes?.(bytes)
    yield bytes
  }
}
