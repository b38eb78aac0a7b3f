// Short stretches of bytes copied by loops: a call of `set` costs some 40 ns, whatever it copies, and a word of four bytes 2.

/** Longer stretches are copied by a call of `set`. */
export const WORDS_BYTES_MAX = 80

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** By words of four bytes, wherever they begin. */
export function copyByWords(source: DataView, start: number, length: number, target: DataView, to: number): void {
  let at = 0
  for (; at + 4 <= length; at += 4) target.setInt32(to + at, source.getInt32(start + at))
  for (; at < length; at++) target.setUint8(to + at, source.getUint8(start + at))
}
