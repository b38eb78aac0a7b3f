// Keys as columns again: the reverse of key-order.ts's encodeKeys, for many keys at once.

import { ByteSink } from '../change/byte-sink.ts'
import type { ByteStrings } from '../change/byte-strings.ts'
import { keyPartWidth } from '../change/key-order.ts'

import type { PlainColumn } from '../columns/column.ts'
import { invariant } from '../invariant.ts'
import type { PrimitiveType } from '../primitive-type.ts'

/** One column a part of the key. `keys` are well-formed: encodeKeys or a scan made them. */
export function keyColumns(keys: ByteStrings, types: readonly PrimitiveType[]): PlainColumn[] {
  // Where the next part of each key begins.
  const at = keys.starts.slice(0, keys.starts.length - 1)
  const columns = types.map((type, part) => partColumn(keys, at, type, part === types.length - 1))
  invariant(
    at.every((end, key) => end === keys.starts[key + 1]),
    'every key ends where its last part ends',
  )
  return columns
}

function partColumn(keys: ByteStrings, at: Uint32Array, type: PrimitiveType, isLast: boolean): PlainColumn {
  const width = keyPartWidth(type)
  if (width === 0) return variablePart(keys, at, isLast)
  if (width === 4) return { kind: 'int32', rows: at.length, validity: null, data: int32Part(keys.bytes, at) }
  if (width === 8) return { kind: 'int64', rows: at.length, validity: null, data: int64Part(keys.bytes, at) }
  return { kind: 'fixed', rows: at.length, validity: null, width, data: fixedPart(keys.bytes, at, width) }
}

function variablePart({ starts, bytes }: ByteStrings, at: Uint32Array, isLast: boolean): PlainColumn {
  const rows = at.length
  const values = new ByteSink(bytes.length + 4 * rows)
  const valueStarts = new Uint32Array(rows + 1)
  for (let row = 0; row < rows; row++) {
    const start = values.length
    values.push(NO_LENGTH, 0, 4)
    at[row] = isLast ? pushRest(values, bytes, at[row]!, starts[row + 1]!) : pushEscaped(values, bytes, at[row]!)
    writeLength(values.bytes, start, values.length - start - 4)
    valueStarts[row + 1] = values.length
  }
  const view = values.bytes.subarray(0, values.length)
  return { kind: 'bytes', rows, validity: null, starts: valueStarts, bytes: view }
}

const NO_LENGTH = new Uint8Array(4)

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length
  bytes[at + 1] = length >>> 8
  bytes[at + 2] = length >>> 16
  bytes[at + 3] = length >>> 24
}

function pushRest(values: ByteSink, bytes: Uint8Array, start: number, end: number): number {
  values.push(bytes, start, end)
  return end
}

/** 0x00 0xFF stands for 0x00, and 0x00 0x00 ends the part. */
function pushEscaped(values: ByteSink, bytes: Uint8Array, start: number): number {
  let from = start
  for (;;) {
    const zero = bytes.indexOf(0, from)
    if (bytes[zero + 1] === 0) {
      values.push(bytes, from, zero)
      return zero + 2
    }
    values.push(bytes, from, zero + 1)
    from = zero + 2
  }
}

function int32Part(bytes: Uint8Array, at: Uint32Array): Int32Array {
  const data = new Int32Array(at.length)
  for (let row = 0; row < at.length; row++) {
    data[row] = readBigEndian(bytes, at[row]!) ^ 0x80000000
    at[row]! += 4
  }
  return data
}

function int64Part(bytes: Uint8Array, at: Uint32Array): BigInt64Array {
  const data = new BigInt64Array(at.length)
  const halves = new Int32Array(data.buffer)
  for (let row = 0; row < at.length; row++) {
    halves[2 * row + 1] = readBigEndian(bytes, at[row]!) ^ 0x80000000
    halves[2 * row] = readBigEndian(bytes, at[row]! + 4)
    at[row]! += 8
  }
  return data
}

function fixedPart(bytes: Uint8Array, at: Uint32Array, width: number): Uint8Array {
  const data = new Uint8Array(at.length * width)
  for (let row = 0; row < at.length; row++) {
    for (let i = 0; i < width; i++) data[row * width + i] = bytes[at[row]! + i]!
    data[row * width]! ^= 0x80
    at[row]! += width
  }
  return data
}

function readBigEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
