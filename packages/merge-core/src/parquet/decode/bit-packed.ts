// Bit-packed integers, least significant bit first, of 0 to 32 bits (Parquet format, Encodings.md, RLE/bit-packing hybrid).
//
// One loop for each width, with its shifts and masks as constants: 0.7–1.5 ns a value where a general one takes 3–5. The text of
// the loops is made from the width alone.

import { malformed } from '../malformed.ts'

/** Unpacks `blocks` times 32 values from `words` (32 bits each) to out[at …]. */
type UnpackBlocks = (words: Uint32Array, blocks: number, out: Uint32Array, at: number) => void

const BLOCK = 32
const BATCH_BLOCKS = 32
const WIDTH_MAX = 32

function makeUnpacker(width: number): UnpackBlocks {
  const lines = ['let from = 0, to = at', 'for (let block = 0; block < blocks; block++) {']
  for (let word = 0; word < width; word++) lines.push(`const w${word} = words[from + ${word}]`)
  for (let i = 0; i < BLOCK; i++) {
    const word = (i * width) >> 5
    const shift = (i * width) & 31
    let value = shift === 0 ? `w${word}` : `w${word} >>> ${shift}`
    if (shift + width > 32) value = `(${value}) | (w${word + 1} << ${32 - shift})`
    if (width < 32 && shift + width !== 32) value = `(${value}) & ${2 ** width - 1}`
    lines.push(`out[to + ${i}] = ${value}`)
  }
  lines.push(`from += ${width}; to += ${BLOCK}`, '}')
  return new Function('words', 'blocks', 'out', 'at', lines.join('\n')) as UnpackBlocks
}

const unpackers: UnpackBlocks[] = []
const scratch = new Uint32Array(BATCH_BLOCKS * WIDTH_MAX)
const scratchBytes = new Uint8Array(scratch.buffer)
const tail = new Uint32Array(BLOCK)

/** Unpacks `count` values of `width` bits that start at bytes[at] to out[to …]. Throws MalformedError where they run past `end`. */
export function unpackBits(
  bytes: Uint8Array,
  at: number,
  end: number,
  width: number,
  count: number,
  out: Uint32Array,
  to: number,
): void {
  if (width < 0 || width > WIDTH_MAX) malformed(`a bit width of ${width}`)
  if (Math.ceil((count * width) / 8) > end - at) malformed(`${count} values of ${width} bits run past their page`)
  if (width === 0) {
    out.fill(0, to, to + count)
    return
  }
  let unpack = unpackers[width]
  if (unpack === undefined) {
    unpack = makeUnpacker(width)
    unpackers[width] = unpack
  }
  let from = at
  for (let done = 0; done < count; ) {
    const values = Math.min(count - done, BATCH_BLOCKS * BLOCK)
    const size = (values * width + 7) >> 3
    copyToScratch(bytes, from, size)
    const blocks = values >> 5
    unpack(scratch, blocks, out, to + done)
    if ((values & 31) !== 0) unpackTail(unpack, blocks * width, values & 31, out, to + done + blocks * BLOCK)
    from += size
    done += values
  }
}

function copyToScratch(bytes: Uint8Array, from: number, size: number): void {
  if (size > 64) scratchBytes.set(bytes.subarray(from, from + size))
  else for (let i = 0; i < size; i++) scratchBytes[i] = bytes[from + i]!
}

function unpackTail(unpack: UnpackBlocks, word: number, count: number, out: Uint32Array, to: number): void {
  if (word > 0) scratch.copyWithin(0, word, word + WIDTH_MAX)
  unpack(scratch, 1, tail, 0)
  for (let i = 0; i < count; i++) out[to + i] = tail[i]!
}
