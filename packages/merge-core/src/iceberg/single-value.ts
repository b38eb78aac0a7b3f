// Single values as bytes, the form of bounds in manifests (Iceberg table spec, appendix D, "Binary single-value serialization").

import type { PrimitiveType } from '../primitive-type.ts'
import type { PartitionValue } from './transform.ts'

/** The shortest big-endian two's complement of an integer: one byte for 0, and never a byte that only repeats the sign. */
export function minimalTwosComplement(value: bigint): Uint8Array {
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++
  const result = new Uint8Array(bytes)
  let rest = value
  for (let i = bytes - 1; i >= 0; i--) {
    result[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return result
}

export function encodeSingleValue(type: PrimitiveType, value: Exclude<PartitionValue, null>): Uint8Array {
  switch (type.kind) {
    case 'boolean':
      return Uint8Array.of(value ? 1 : 0)
    case 'int':
    case 'date':
      return fixedWidth(4, (view) => view.setInt32(0, value as number, true))
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return fixedWidth(8, (view) => view.setBigInt64(0, value as bigint, true))
    case 'float':
      return fixedWidth(4, (view) => view.setFloat32(0, value as number, true))
    case 'double':
      return fixedWidth(8, (view) => view.setFloat64(0, value as number, true))
    case 'decimal':
      return minimalTwosComplement(value as bigint)
    case 'string':
      return new TextEncoder().encode(value as string)
    case 'binary':
    case 'fixed':
    case 'uuid':
      return value as Uint8Array
  }
}

function fixedWidth(bytes: number, write: (view: DataView) => void): Uint8Array {
  const result = new Uint8Array(bytes)
  write(new DataView(result.buffer))
  return result
}

/**
 * The value of a bound. Null where the bytes are no value of the type: a damaged bound is as good as none, pruning by it stops.
 * A long or double column that was an int or float when the file was written keeps its 4-byte bounds; they are read as well.
 */
export function decodeSingleValue(type: PrimitiveType, bytes: Uint8Array): PartitionValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (type.kind) {
    case 'boolean':
      return bytes.length === 1 ? bytes[0] !== 0 : null
    case 'int':
    case 'date':
      return bytes.length === 4 ? view.getInt32(0, true) : null
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      if (bytes.length === 4 && type.kind === 'long') return BigInt(view.getInt32(0, true))
      return bytes.length === 8 ? view.getBigInt64(0, true) : null
    case 'float':
      return bytes.length === 4 ? view.getFloat32(0, true) : null
    case 'double':
      if (bytes.length === 4) return view.getFloat32(0, true)
      return bytes.length === 8 ? view.getFloat64(0, true) : null
    case 'decimal':
      return bytes.length >= 1 && bytes.length <= 17 ? readTwosComplement(bytes) : null
    case 'string':
      return decodeText(bytes)
    case 'binary':
      return bytes
    case 'fixed':
      return bytes.length === type.bytes ? bytes : null
    case 'uuid':
      return bytes.length === 16 ? bytes : null
  }
}

function readTwosComplement(bytes: Uint8Array): bigint {
  let value = BigInt((bytes[0]! << 24) >> 24)
  for (let i = 1; i < bytes.length; i++) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The first `count` code points of a text. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text
  let end = 0
  for (let taken = 0; taken < count && end < text.length; taken++) end += text.codePointAt(end)! > 0xffff ? 2 : 1
  return text.slice(0, end)
}

const HIGHEST_CODE_POINT = 0x10ffff

/** A text's lower bound of at most `codePoints` code points. */
export function truncateLowerBound(text: string, codePoints: number): string {
  return firstCodePoints(text, codePoints)
}

/**
 * A text's upper bound of at most `codePoints` code points: the shortened text with its last code point that can be raised raised
 * by one. Null where there is none (only highest code points), and the bound must be omitted: a merely shortened text would lie
 * below the values that it is to bound.
 */
export function truncateUpperBound(text: string, codePoints: number): string | null {
  const shortened = firstCodePoints(text, codePoints)
  if (shortened.length === text.length) return text
  const points = Array.from(shortened, (character) => character.codePointAt(0)!)
  for (let last = points.length - 1; last >= 0; last--) {
    const raised = points[last] === 0xd7ff ? 0xe000 : points[last]! + 1
    if (raised <= HIGHEST_CODE_POINT) return String.fromCodePoint(...points.slice(0, last), raised)
  }
  return null
}

/** As truncateLowerBound, for bytes. */
export function truncateLowerBytes(value: Uint8Array, bytes: number): Uint8Array {
  return value.subarray(0, bytes)
}

/** As truncateUpperBound, for bytes. */
export function truncateUpperBytes(value: Uint8Array, bytes: number): Uint8Array | null {
  if (value.length <= bytes) return value
  for (let last = bytes - 1; last >= 0; last--) {
    if (value[last]! === 0xff) continue
    const raised = value.slice(0, last + 1)
    raised[last]!++
    return raised
  }
  return null
}

/** Below 0, 0 or above 0. The order of bounds: texts by UTF-8 bytes, bytes unsigned, −0 with 0. */
export function comparePartitionValues(a: Exclude<PartitionValue, null>, b: Exclude<PartitionValue, null>): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
  if (typeof a === 'object') return Buffer.compare(a, b as Uint8Array)
  return a < b ? -1 : a > b ? 1 : 0
}
