/** Bytes that grow at their end: `bytes[0 … length)` holds what was written. Whoever writes reserves first, then writes into `bytes` and moves `length`. */
export class ByteSink {
  bytes: Uint8Array
  length = 0
  private shown: DataView | null = null

  constructor(capacity: number) {
    this.bytes = new Uint8Array(Math.max(capacity, 64))
  }

  /** Makes room for `more` bytes behind `length`; `bytes` may be another array afterwards. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.shown = null
  }

  /** Over `bytes`, as long as they are what they were. */
  get view(): DataView {
    this.shown ??= new DataView(this.bytes.buffer)
    return this.shown
  }

  pushByte(byte: number): void {
    this.reserve(1)
    this.bytes[this.length++] = byte
  }

  push(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start)
    const { bytes } = this
    let at = this.length
    if (end - start > 128) {
      bytes.set(source.subarray(start, end), at)
      at += end - start
    } else {
      for (let i = start; i < end; i++) bytes[at++] = source[i]!
    }
    this.length = at
  }

  /** ASCII text only. */
  pushAscii(text: string): void {
    this.reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length + i] = text.charCodeAt(i)
    this.length += text.length
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}
