// Bounds as bytes of the footer: PLAIN without the length of byte arrays (parquet.thrift, Statistics).

import type { PlainColumn } from '../../columns/column.ts'
import { truncateLowerBytes, truncateUpperBytes } from '../../iceberg/single-value.ts'
import type { PrimitiveType } from '../../primitive-type.ts'
import { rowBytes } from './plain.ts'

/** Longer bounds of strings and binary are shortened. */
const BOUND_BYTES_MAX = 64

/** The value of a row as a bound. −0 and 0 compare equal, so a lower bound of 0 is written as −0 and an upper one as 0. */
export function boundBytes(column: PlainColumn, row: number, side: 'lower' | 'upper'): Uint8Array {
  if (column.kind === 'bytes') return copyOf(column.bytes, column.starts[row]! + 4, column.starts[row + 1]!)
  const { bytes, width } = rowBytes(column)
  const bound = copyOf(bytes, row * width, (row + 1) * width)
  const isFloating = column.kind === 'float' || column.kind === 'double'
  if (isFloating && column.data[row] === 0) bound[width - 1] = side === 'lower' ? 0x80 : 0
  return bound
}

/** A bound may be raised where it lies. Values may lie in a Buffer, whose `slice` copies nothing. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end))
}

/** Below 0, 0 or above 0 as one bound of a column sorts before, with or after another; neither is a NaN. */
export function compareBounds({ kind }: PrimitiveType, a: Uint8Array, b: Uint8Array): number {
  if (kind === 'string' || kind === 'binary' || kind === 'uuid' || kind === 'fixed') return Buffer.compare(a, b)
  // Big-endian two's complement: of bytes alone the sign bit would sort the wrong way.
  if (kind === 'decimal' && a.length > 8) return signedByte(a[0]!) - signedByte(b[0]!) || Buffer.compare(a, b)
  const [one, other] = [numberOf(kind, a), numberOf(kind, b)]
  return one < other ? -1 : one > other ? 1 : 0
}

function signedByte(byte: number): number {
  return (byte << 24) >> 24
}

function numberOf(kind: PrimitiveType['kind'], bound: Uint8Array): number | bigint {
  const view = new DataView(bound.buffer, bound.byteOffset, bound.byteLength)
  switch (kind) {
    case 'boolean':
      return view.getUint8(0)
    case 'int':
    case 'date':
      return view.getInt32(0, true)
    case 'float':
      return view.getFloat32(0, true)
    case 'double':
      return view.getFloat64(0, true)
    default:
      return view.getBigInt64(0, true)
  }
}

/** The bound itself, or its first 64 bytes; of a text as many whole code points as they hold. */
export function shortenedLower(type: PrimitiveType, bound: Uint8Array): Uint8Array {
  if (bound.length <= BOUND_BYTES_MAX) return bound
  return type.kind === 'string' ? bound.slice(0, wholeCodePoints(bound)) : truncateLowerBytes(bound, BOUND_BYTES_MAX)
}

/**
 * The bound itself, or a shorter one above it. Null where there is none: all highest code points, all 0xff, or a text that is no
 * UTF-8, whose order is not that of its code points.
 */
export function shortenedUpper(type: PrimitiveType, bound: Uint8Array): Uint8Array | null {
  if (bound.length <= BOUND_BYTES_MAX) return bound
  if (type.kind !== 'string') return truncateUpperBytes(bound, BOUND_BYTES_MAX)
  const text = decodeText(bound.subarray(0, wholeCodePoints(bound)))
  const raised = text === null ? null : raisedText(text)
  return raised === null ? null : new TextEncoder().encode(raised)
}

/** The shortest text above all texts that start with `prefix`, by its last code point that can be raised. */
function raisedText(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!)
  while (points.at(-1) === HIGHEST_CODE_POINT) points.pop()
  const last = points.pop()
  if (last === undefined) return null
  return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1)
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

const HIGHEST_CODE_POINT = 0x10ffff
const BEFORE_SURROGATES = 0xd7ff
const AFTER_SURROGATES = 0xe000

/** The end of the last code point that ends within the first 64 bytes. */
function wholeCodePoints(text: Uint8Array): number {
  let end = BOUND_BYTES_MAX
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end--
  return end
}
