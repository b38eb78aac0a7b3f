// Rows as bytes: two rows of the same columns have the same bytes if and only if each value is the same, null for null.

import { ByteSink } from '../change/byte-sink.ts'
import { type Column, isPresent, type PlainColumn } from '../columns/column.ts'
import { expandDictionary } from '../columns/gather.ts'

interface Values {
  readonly validity: PlainColumn['validity']
  readonly bytes: Uint8Array
  /** Where the values of varying length lie, each behind its length; null where all have `width` bytes. */
  readonly starts: Uint32Array | null
  readonly width: number
}

/** Answers the bytes of a row; they are good until the next call. */
export function rowBytes(columns: readonly Column[]): (row: number) => Uint8Array {
  const values = columns.map(valuesOf)
  const sink = new ByteSink(4096)
  return (row) => {
    sink.length = 0
    for (const { validity, bytes, starts, width } of values) {
      const present = isPresent(validity, row)
      sink.pushByte(present ? 1 : 0)
      if (!present) continue
      if (starts === null) sink.push(bytes, row * width, (row + 1) * width)
      else sink.push(bytes, starts[row]!, starts[row + 1]!)
    }
    return sink.bytes.subarray(0, sink.length)
  }
}

function valuesOf(column: Column): Values {
  const plain = expandDictionary(column)
  const { validity } = plain
  if (plain.kind === 'bytes') return { validity, bytes: plain.bytes, starts: plain.starts, width: 0 }
  const { data } = plain
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return { validity, bytes, starts: null, width: plain.kind === 'fixed' ? plain.width : data.BYTES_PER_ELEMENT }
}
