// Packs 32 values of one bit width, least significant bits first (Parquet format, Encodings.md, "bit-packed").
//
// 32 values of w bits are w words of 32 bits, so the shifts of every value are constants once w is known: the packer of a width
// is made from text on first use. Values are two halves, the high one read only where w > 32; bits beyond w must be 0.

export type Packer = (low: Uint32Array, high: Uint32Array, from: number, out: Uint8Array, at: number) => void

const packers: (Packer | undefined)[] = []

/** Writes 4 × `width` bytes at `at` for the 32 values from `from`. Width 1 to 64. */
export function packerOf(width: number): Packer {
  packers[width] ??= makePacker(width)
  return packers[width]
}

function makePacker(width: number): Packer {
  const words: string[][] = Array.from({ length: width }, () => [])
  const place = (name: string, index: number, bit: number, bits: number) => {
    const shift = bit & 31
    const value = `${name}[from + ${index}]`
    words[bit >> 5]!.push(shift === 0 ? value : `(${value} << ${shift})`)
    if (shift + bits > 32) words[(bit >> 5) + 1]!.push(`(${value} >>> ${32 - shift})`)
  }
  for (let index = 0; index < 32; index++) {
    place('low', index, index * width, Math.min(width, 32))
    if (width > 32) place('high', index, index * width + 32, width - 32)
  }
  const body = ['let word']
  for (const [word, pieces] of words.entries()) {
    body.push(`word = ${pieces.join(' | ')}`)
    for (let byte = 0; byte < 4; byte++) body.push(`out[at + ${word * 4 + byte}] = word >>> ${byte * 8}`)
  }
  return new Function('low', 'high', 'from', 'out', 'at', body.join('\n')) as Packer
}

/** Bits that the largest of the values takes, all of them or-ed together; 0 for none. */
export function bitWidth(low: number, high = 0): number {
  return high === 0 ? 32 - Math.clz32(low) : 64 - Math.clz32(high)
}
