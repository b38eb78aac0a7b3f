// Byte strings brought together from several columns of them: keys, versions and texts.
//
// Each string is copied by a call of its own, which is compiled after a few hundred of them: the loop around it runs once or twice in a
// process, too short to be compiled well.

import { copyStretch, viewOf } from './copy-bytes.ts'
import { unwrittenBytes, unwrittenWords } from './memory.ts'

/** String i is bytes[starts[i] … starts[i + 1]). */
export interface StringBytes {
  readonly starts: Uint32Array
  readonly bytes: Uint8Array
}

/** String i of the result is string rows[i] of parts[of[i]]; `of` is null where there is one part. */
export function takeBytesFromAll(
  parts: readonly StringBytes[],
  of: Uint32Array | null,
  rows: Uint32Array,
): { starts: Uint32Array; bytes: Uint8Array } {
  const starts = unwrittenWords(rows.length + 1)
  starts[0] = 0
  for (let i = 0; i < rows.length; i++) {
    starts[i + 1] = starts[i]! + lengthOf(parts[of === null ? 0 : of[i]!]!, rows[i]!)
  }
  const bytes = unwrittenBytes(starts[rows.length]!)
  const views = parts.map((part) => viewOf(part.bytes))
  const target = viewOf(bytes)
  for (let i = 0; i < rows.length; i++) {
    const part = of === null ? 0 : of[i]!
    const { starts: partStarts, bytes: partBytes } = parts[part]!
    const to = starts[i]!
    copyStretch(views[part]!, partBytes, partStarts[rows[i]!]!, target, bytes, to, starts[i + 1]! - to)
  }
  return { starts, bytes }
}

function lengthOf({ starts }: StringBytes, row: number): number {
  return starts[row + 1]! - starts[row]!
}
