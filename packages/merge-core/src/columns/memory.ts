// Memory for values that are all about to be written: not set to 0 first, which costs as much as copying them once.
//
// Rewriting a row group decodes and gathers a column of a megabyte or more for each field, and needs neither once the field's pages are
// encoded. In buffers of their own they would be garbage, for which V8 marks its whole heap at each 64 MB, and fresh pages for the system
// to map. Between `beginColumn` and `endColumns` they lie in memory that the next `beginColumn` hands out again.

/** What a column takes at most, as a rule; larger requests have buffers of their own. */
const BLOCK_BYTES = 8 * 1024 * 1024
const BLOCKS_MAX = 4

const blocks: ArrayBuffer[] = []
/** Null where every request has a buffer of its own. */
let place: { block: number; at: number } | null = null

/** From here on memory is that of a column, to be encoded before the next begins: nothing of it may be kept. */
export function beginColumn(): void {
  place = { block: 0, at: 0 }
}

/** What comes from here on is kept as long as anybody has it. */
export function endColumns(): void {
  place = null
}

/** Bytes of any content, from a multiple of eight of their buffer on. For those alone who write every one of them. */
export function unwrittenBytes(length: number): Uint8Array<ArrayBuffer> {
  if (place === null || length > BLOCK_BYTES) return ownBytes(length)
  if (place.at + length > BLOCK_BYTES) {
    place.block++
    place.at = 0
  }
  if (place.block >= BLOCKS_MAX) return ownBytes(length)
  blocks[place.block] ??= ownBytes(BLOCK_BYTES).buffer
  const bytes = new Uint8Array(blocks[place.block]!, place.at, length)
  place.at += (length + 7) & -8
  return bytes
}

export function unwrittenWords(length: number): Uint32Array<ArrayBuffer> {
  const { buffer, byteOffset } = unwrittenBytes(4 * length)
  return new Uint32Array(buffer, byteOffset, length)
}

/** As unwrittenBytes, in a buffer of their own and to be kept, whoever asks. */
export function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
