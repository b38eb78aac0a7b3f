// Memory for values that are all about to be written: not set to 0 first, which costs as much as copying them once.
//
// Rewriting a row group decodes and gathers a column of a megabyte or more for each field, and needs neither once the field's pages are
// encoded. In buffers of their own they would be garbage, for which V8 marks its whole heap again and again, and fresh pages for the
// system to map. Between `beginColumn` and `endColumns` they lie in memory that the next `beginColumn` hands out again, and what is
// made by `inMemory` lies there until that memory is given back.

/** What a column takes at most, as a rule; larger requests have buffers of their own. */
const BLOCK_BYTES = 8 * 1024 * 1024
const BLOCKS_MAX = 4

export class ColumnMemory {
  readonly #blocks: ArrayBuffer[] = []
  #block = 0
  #at = 0

  /** All of it may be handed out again. */
  clear(): void {
    this.#block = 0
    this.#at = 0
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > BLOCK_BYTES) return ownBytes(length)
    if (this.#at + length > BLOCK_BYTES) {
      this.#block++
      this.#at = 0
    }
    if (this.#block >= BLOCKS_MAX) return ownBytes(length)
    this.#blocks[this.#block] ??= ownBytes(BLOCK_BYTES).buffer
    const bytes = new Uint8Array(this.#blocks[this.#block]!, this.#at, length)
    this.#at += (length + 7) & -8
    return bytes
  }

  /** The first of the bytes that were taken last; the others may be handed out again. */
  keepFirst(taken: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
    if (taken.buffer === this.#blocks[this.#block]) this.#at = taken.byteOffset + ((length + 7) & -8)
    return taken.subarray(0, length)
  }
}

const ofColumns = new ColumnMemory()
/** Null where every request has a buffer of its own. */
let place: ColumnMemory | null = null

/** From here on memory is that of a column, to be encoded or copied before the next begins: nothing of it may be kept. */
export function beginColumn(): void {
  ofColumns.clear()
  place = ofColumns
}

/** What comes from here on is kept as long as anybody has it. */
export function endColumns(): void {
  place = null
}

const free: ColumnMemory[] = []

/** Memory that nobody uses. */
export function takeColumnMemory(): ColumnMemory {
  return free.pop() ?? new ColumnMemory()
}

/** Nothing that lies in it is used any more. */
export function freeColumnMemory(memory: ColumnMemory): void {
  memory.clear()
  free.push(memory)
}

/** What `make` makes lies in the memory. */
export function inMemory<T>(memory: ColumnMemory, make: () => T): T {
  const before = place
  place = memory
  try {
    return make()
  } finally {
    place = before
  }
}

/** Bytes of any content, from a multiple of eight of their buffer on. For those alone who write every one of them. */
export function unwrittenBytes(length: number): Uint8Array<ArrayBuffer> {
  return place === null ? ownBytes(length) : place.take(length)
}

export function unwrittenWords(length: number): Uint32Array<ArrayBuffer> {
  const { buffer, byteOffset } = unwrittenBytes(4 * length)
  return new Uint32Array(buffer, byteOffset, length)
}

/** Where bytes are made of which only the number's upper bound is known; kept between calls. */
let room = new Uint8Array(0)

/** What `write` writes to the first of `lengthMax` bytes, whose number it answers; null where it answers null. */
export function writtenBytes(
  lengthMax: number,
  write: (room: Uint8Array) => number | null,
): Uint8Array<ArrayBuffer> | null {
  if (place === null && room.length < lengthMax) room = ownBytes(lengthMax)
  const into = place === null ? room : place.take(lengthMax)
  const length = write(into)
  if (length === null) return null
  return place === null ? into.slice(0, length) : place.keepFirst(into, length)
}

/** As unwrittenBytes, in a buffer of their own and to be kept, whoever asks. */
export function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
