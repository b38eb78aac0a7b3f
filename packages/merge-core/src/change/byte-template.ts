// Bytes that are expected to stand in a text, compared eight at a time.
//
// Eight bytes are compared as one double. That is exact: a template is JSON in UTF-8, and no eight bytes of that are a NaN or a zero, the
// only doubles that do not compare like their bits.

export interface Template {
  readonly bytes: Uint8Array
  readonly length: number
  /** The bytes eight by eight, little-endian; the last one overlaps the one before it. Empty where there are fewer than eight bytes. */
  readonly words: Float64Array
}

/** `text` holds neither control characters nor lone surrogates. */
export function templateOf(text: string): Template {
  const bytes = Buffer.from(text)
  const { length } = bytes
  const words = Float64Array.from({ length: length < 8 ? 0 : Math.ceil(length / 8) }, (_, index) =>
    bytes.readDoubleLE(Math.min(8 * index, length - 8)),
  )
  return { bytes, length, words }
}

/** Whether the template stands at `at` of the text that `view` shows, and ends at `end` (at most the view's) or before. */
export function stands(view: DataView, at: number, end: number, { bytes, length, words }: Template): boolean {
  if (at + length > end) return false
  const last = words.length - 1
  if (last < 0) {
    for (let i = 0; i < length; i++) if (view.getUint8(at + i) !== bytes[i]) return false
    return true
  }
  for (let i = 0; i < last; i++) if (view.getFloat64(at + 8 * i, true) !== words[i]) return false
  return view.getFloat64(at + length - 8, true) === words[last]
}

/** Shows the text, and up to eight bytes of its buffer behind it: what reads words of a text may read so far beyond its end. */
export function viewOf(text: Uint8Array): DataView {
  const behind = text.buffer.byteLength - text.byteOffset - text.length
  return new DataView(text.buffer, text.byteOffset, text.length + Math.min(behind, 8))
}
