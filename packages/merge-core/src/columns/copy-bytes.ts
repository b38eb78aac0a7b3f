// Stretches of bytes copied one by one: a call of `set` costs some 40 ns, whatever it copies, and a word of four bytes 2.

/** Longer stretches are copied by a call of `set`. */
const WORDS_BYTES_MAX = 80

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Copies `length` bytes, wherever they begin; each side comes as a view for short stretches, and as bytes for long ones. */
export function copyStretch(
  source: DataView,
  sourceBytes: Uint8Array,
  from: number,
  target: DataView,
  targetBytes: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > WORDS_BYTES_MAX) {
    targetBytes.set(sourceBytes.subarray(from, from + length), to)
    return
  }
  let at = 0
  for (; at + 4 <= length; at += 4) target.setInt32(to + at, source.getInt32(from + at))
  for (; at < length; at++) target.setUint8(to + at, source.getUint8(from + at))
}
