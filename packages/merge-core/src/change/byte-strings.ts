// Keys and versions in bulk: byte strings that compare as what they stand for compares.

/** Byte strings one after the other: number i is bytes[starts[i] … starts[i + 1]); `starts` has one entry more than there are strings,
 *  and its first is 0 but where the strings are a stretch of others. */
export interface ByteStrings {
  readonly starts: Uint32Array
  readonly bytes: Uint8Array
}

export const NO_STRINGS: ByteStrings = { starts: new Uint32Array(1), bytes: new Uint8Array(0) }

/** Like memcmp: negative, 0 or positive; where one is a prefix of the other the shorter comes first. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

/** Orders string i of `a` against string j of `b`; an empty one (no version) is below all. */
export function compareAt(a: ByteStrings, i: number, b: ByteStrings, j: number): number {
  return compareBytes(a.bytes, a.starts[i]!, a.starts[i + 1]!, b.bytes, b.starts[j]!, b.starts[j + 1]!)
}

/** The strings of these indices, in their order. */
export function takeStrings(strings: ByteStrings, indices: Uint32Array): ByteStrings {
  const starts = new Uint32Array(indices.length + 1)
  for (let i = 0; i < indices.length; i++) {
    starts[i + 1] = starts[i]! + strings.starts[indices[i]! + 1]! - strings.starts[indices[i]!]!
  }
  const bytes = new Uint8Array(starts[indices.length]!)
  for (let i = 0; i < indices.length; i++) {
    // A loop: keys and versions are short, and a call of set costs more than copying them.
    let to = starts[i]!
    const end = strings.starts[indices[i]! + 1]!
    for (let from = strings.starts[indices[i]!]!; from < end; from++) bytes[to++] = strings.bytes[from]!
  }
  return { starts, bytes }
}

/** String i of the result is string rows[i] of parts[of[i]]. */
export function takeStringsFromAll(parts: readonly ByteStrings[], of: Uint32Array, rows: Uint32Array): ByteStrings {
  const starts = new Uint32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) {
    const source = parts[of[i]!]!.starts
    starts[i + 1] = starts[i]! + source[rows[i]! + 1]! - source[rows[i]!]!
  }
  const bytes = new Uint8Array(starts[rows.length]!)
  for (let i = 0; i < rows.length; i++) {
    const part = parts[of[i]!]!
    const source = part.bytes
    const end = part.starts[rows[i]! + 1]!
    let to = starts[i]!
    for (let from = part.starts[rows[i]!]!; from < end; from++) bytes[to++] = source[from]!
  }
  return { starts, bytes }
}

/** The strings [from, to); their bytes are shared. */
export function sliceStrings(strings: ByteStrings, from: number, to: number): ByteStrings {
  const first = strings.starts[from]!
  return {
    starts: strings.starts.slice(from, to + 1).map((start) => start - first),
    bytes: strings.bytes.subarray(first, strings.starts[to]!),
  }
}

/** The strings of all parts, one part after the other, in buffers of `Buffer`. */
export function concatStrings(
  parts: readonly ByteStrings[],
  Buffer: new (bytes: number) => ArrayBufferLike = ArrayBuffer,
): ByteStrings {
  const strings = parts.reduce((sum, part) => sum + part.starts.length - 1, 0)
  const bytes = parts.reduce((sum, { starts }) => sum + starts[starts.length - 1]! - starts[0]!, 0)
  const whole = {
    starts: new Uint32Array(new Buffer(4 * (strings + 1))),
    bytes: new Uint8Array(new Buffer(bytes)),
  }
  let string = 0
  let offset = 0
  for (const { starts, bytes: source } of parts) {
    const count = starts.length - 1
    const first = starts[0]!
    for (let i = 0; i < count; i++) whole.starts[string++] = offset + starts[i]! - first
    whole.bytes.set(source.subarray(first, starts[count]!), offset)
    offset += starts[count]! - first
  }
  whole.starts[strings] = offset
  return whole
}
