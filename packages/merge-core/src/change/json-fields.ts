// The members of one JSON object that a reader knows by name, in one pass that also checks the whole object.
//
// Names are compared as they stand: a name written with escapes is another, unknown one. Of a repeated name the first stands.

import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  INVALID,
  isAscii,
  OPEN_OBJECT,
  skipSpace,
  skipString,
  skipValue,
} from './json-scan.ts'

/** Where the known fields' values are: field i at starts[i] … ends[i], absent where starts[i] is −1. Reused from line to line. */
export interface FieldStretches {
  readonly names: readonly string[]
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** `names` are ASCII. */
export function fieldStretches(names: readonly string[]): FieldStretches {
  return { names, starts: new Int32Array(names.length).fill(-1), ends: new Int32Array(names.length).fill(-1) }
}

/** Fills `fields` from the object at bytes[start … end); false where that is not one whole valid JSON object. */
export function readFields(bytes: Uint8Array, start: number, end: number, fields: FieldStretches): boolean {
  fields.starts.fill(-1)
  let at = skipSpace(bytes, start, end)
  if (at >= end || bytes[at] !== OPEN_OBJECT) return false
  at = skipSpace(bytes, at + 1, end)
  if (at < end && bytes[at] === CLOSE_OBJECT) return skipSpace(bytes, at + 1, end) === end
  for (;;) {
    const nameStart = at + 1
    const behindName = skipString(bytes, at, end)
    if (behindName === INVALID) return false
    at = skipSpace(bytes, behindName, end)
    if (at >= end || bytes[at] !== COLON) return false
    const valueStart = skipSpace(bytes, at + 1, end)
    const valueEnd = skipValue(bytes, valueStart, end)
    if (valueEnd === INVALID) return false
    const field = fieldNamed(bytes, nameStart, behindName - 1, fields.names)
    if (field >= 0 && fields.starts[field] === -1) {
      fields.starts[field] = valueStart
      fields.ends[field] = valueEnd
    }
    at = skipSpace(bytes, valueEnd, end)
    if (at >= end) return false
    const byte = bytes[at++]!
    if (byte === CLOSE_OBJECT) return skipSpace(bytes, at, end) === end
    if (byte !== COMMA) return false
    at = skipSpace(bytes, at, end)
  }
}

function fieldNamed(bytes: Uint8Array, start: number, end: number, names: readonly string[]): number {
  const length = end - start
  for (let i = 0; i < names.length; i++) {
    if (names[i]!.length === length && isAscii(bytes, start, end, names[i]!)) return i
  }
  return -1
}
