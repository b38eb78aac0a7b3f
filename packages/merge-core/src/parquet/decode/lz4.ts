// LZ4's block format (lz4_Block_format.md), strict: every length and offset is checked before it is used.

import { malformed } from '../malformed.ts'

/** Decompresses one block that must give exactly `size` bytes. Throws MalformedError. */
export function decompressLz4Block(input: Uint8Array, size: number): Uint8Array {
  const output = new Uint8Array(size)
  let from = 0
  let to = 0
  while (from < input.length) {
    const token = input[from++]!
    let literals = token >> 4
    if (literals === 15) {
      let byte: number
      do {
        if (from >= input.length) malformed('an lz4 block ends inside a length')
        byte = input[from++]!
        literals += byte
      } while (byte === 255)
    }
    if (literals > input.length - from || literals > size - to)
      malformed(`an lz4 block claims ${literals} literal bytes`)
    output.set(input.subarray(from, from + literals), to)
    from += literals
    to += literals
    // The last sequence has no match.
    if (from === input.length) break
    if (input.length - from < 2) malformed('an lz4 block ends inside an offset')
    const offset = input[from]! | (input[from + 1]! << 8)
    from += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let byte: number
      do {
        if (from >= input.length) malformed('an lz4 block ends inside a length')
        byte = input[from++]!
        match += byte
      } while (byte === 255)
    }
    if (offset === 0 || offset > to || match > size - to)
      malformed(`an lz4 block copies ${match} bytes from ${offset} back`)
    if (offset >= match) output.copyWithin(to, to - offset, to - offset + match)
    else for (let i = 0; i < match; i++) output[to + i] = output[to + i - offset]!
    to += match
  }
  if (to !== size) malformed(`an lz4 block gives ${to} bytes instead of ${size}`)
  return output
}
