// A column without its nulls: pages hold values of present rows only.
//
// Everything that looks at values (dictionary, differences, bounds) then works on rows that are all present.

import { type Column, nullCount } from '../../columns/column.ts'

/** The present rows of a column, in order; the column itself where nothing is null. Variable-length values are not copied. */
export function presentRows(column: Column): Column {
  const { validity, rows } = column
  if (validity === null) return column
  const present = rows - nullCount(validity, rows)
  switch (column.kind) {
    case 'bytes':
      return { ...column, rows: present, validity: null, starts: presentStarts(column.starts, validity, rows, present) }
    case 'dictionary':
      return {
        ...column,
        rows: present,
        validity: null,
        indices: pick(column.indices, new Uint32Array(present), validity),
      }
    case 'boolean':
      return { ...column, rows: present, validity: null, data: pick(column.data, new Uint8Array(present), validity) }
    case 'int32':
      return { ...column, rows: present, validity: null, data: pick(column.data, new Int32Array(present), validity) }
    case 'int64':
      return { ...column, rows: present, validity: null, data: pickLongs(column.data, present, validity) }
    case 'float': {
      // As integers: a NaN keeps its pattern.
      const words = new Uint32Array(column.data.buffer, column.data.byteOffset, rows)
      const picked = pick(words, new Uint32Array(present), validity)
      return { ...column, rows: present, validity: null, data: new Float32Array(picked.buffer) }
    }
    case 'double': {
      const longs = new BigInt64Array(column.data.buffer, column.data.byteOffset, rows)
      const picked = pickLongs(longs, present, validity)
      return { ...column, rows: present, validity: null, data: new Float64Array(picked.buffer) }
    }
    case 'fixed': {
      const { data, width } = column
      return { ...column, rows: present, validity: null, data: pickFixed(data, width, present, validity) }
    }
  }
}

/** Present rows among rows [from, to). */
export function countPresent(validity: Uint8Array | null, from: number, to: number): number {
  if (validity === null) return to - from
  let present = 0
  for (let row = from; row < to; row++) present += (validity[row >> 3]! >> (row & 7)) & 1
  return present
}

function pick<A extends Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
  source: Uint32Array | Int32Array | Uint8Array,
  target: A,
  validity: Uint8Array,
): A {
  let at = 0
  for (let row = 0; at < target.length; row++) {
    if ((validity[row >> 3]! >> (row & 7)) & 1) target[at++] = source[row]!
  }
  return target
}

function pickLongs(source: BigInt64Array, present: number, validity: Uint8Array): BigInt64Array<ArrayBuffer> {
  const target = new BigInt64Array(present)
  let at = 0
  for (let row = 0; at < present; row++) {
    if ((validity[row >> 3]! >> (row & 7)) & 1) target[at++] = source[row]!
  }
  return target
}

function pickFixed(source: Uint8Array, width: number, present: number, validity: Uint8Array): Uint8Array {
  const target = new Uint8Array(present * width)
  let at = 0
  for (let row = 0; at < target.length; row++) {
    if (((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue
    for (let byte = row * width; byte < (row + 1) * width; byte++) target[at++] = source[byte]!
  }
  return target
}

function presentStarts(starts: Uint32Array, validity: Uint8Array, rows: number, present: number): Uint32Array {
  const target = new Uint32Array(present + 1)
  let at = 0
  for (let row = 0; at < present; row++) {
    if ((validity[row >> 3]! >> (row & 7)) & 1) target[at++] = starts[row]!
  }
  target[present] = starts[rows]!
  return target
}
