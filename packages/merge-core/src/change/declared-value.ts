// One attribute's value as its declared type holds it. Exact, and of every form that DynamoDB JSON has; parse-items.ts has a faster
// way for the forms that are common, which must give the same.

import type { PartitionValue } from '../iceberg/transform.ts'
import type { DeclaredType } from '../table-definition.ts'
import { ByteSink } from './byte-sink.ts'
import {
  decodeBase64,
  isBase64,
  stringText,
  type Tag,
  type TaggedValue,
  taggedValue,
  writePlainJson,
} from './dynamodb-json.ts'
import { QUOTE } from './json-scan.ts'
import { formatNumber, parseNumber, unscaledOf } from './number-text.ts'
import { daysOfDate, microsOfSecond, SECONDS_END, SECONDS_MIN, secondsOfTimestamp } from './time-text.ts'

/** The value in the column, null for a DynamoDB NULL, undefined where it does not fit. */
export type DeclaredValue = Exclude<PartitionValue, null> | null | undefined

/** Reads the DynamoDB JSON value at bytes[start … end), which is valid JSON. */
export function declaredValue(bytes: Uint8Array, start: number, end: number, type: DeclaredType): DeclaredValue {
  const value = taggedValue(bytes, start, end)
  if (value === null) return undefined
  if (value.tag === 'NULL') return bytes[value.start] === 0x74 ? null : undefined
  if (type.kind === 'json') return plainJson(bytes, start, end)
  if (type.kind === 'boolean') return value.tag === 'BOOL' ? booleanOf(bytes, value) : undefined
  if (value.tag !== tagOfType(type) || bytes[value.start] !== QUOTE) return undefined
  const text = stringText(bytes, value.start, value.end)
  if (value.tag === 'N') return numberValue(text, type)
  if (value.tag === 'B') return binaryValue(text)
  if (!text.isWellFormed()) return undefined
  return type.kind === 'string' ? text : timeValue(text, type)
}

/** The tag that values of this type arrive with; null for `json`, which takes any. */
export function tagOfType(type: DeclaredType): Tag | null {
  switch (type.kind) {
    case 'json':
      return null
    case 'boolean':
      return 'BOOL'
    case 'binary':
      return 'B'
    case 'string':
    case 'date':
      return 'S'
    case 'timestamptz':
      return type.unit === 'iso' ? 'S' : 'N'
    default:
      return 'N'
  }
}

function booleanOf(bytes: Uint8Array, value: TaggedValue): boolean | undefined {
  const first = bytes[value.start]
  return first === 0x74 ? true : first === 0x66 ? false : undefined
}

function plainJson(bytes: Uint8Array, start: number, end: number): string | undefined {
  const out = new ByteSink(end - start)
  if (!writePlainJson(bytes, start, end, out)) return undefined
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(out.bytes.subarray(0, out.length))
}

function binaryValue(base64: string): Uint8Array | undefined {
  const bytes = Buffer.from(base64)
  if (!isBase64(bytes, 0, bytes.length)) return undefined
  const value = new Uint8Array(bytes.length)
  return value.slice(0, decodeBase64(bytes, 0, bytes.length, value, 0))
}

function timeValue(text: string, type: DeclaredType): number | bigint | undefined {
  const bytes = Buffer.from(text)
  if (type.kind === 'date') {
    const days = daysOfDate(bytes, 0, bytes.length)
    return Number.isNaN(days) ? undefined : days
  }
  const seconds = secondsOfTimestamp(bytes, 0, bytes.length)
  return Number.isNaN(seconds) ? undefined : BigInt(seconds) * 1_000_000n + BigInt(microsOfSecond)
}

/** An N as a value of a numeric type: what does not fit without losing a digit is undefined (but `double` rounds). */
export function numberValue(text: string, type: DeclaredType): string | number | bigint | undefined {
  const number = parseNumber(text)
  if (number === null) return undefined
  switch (type.kind) {
    case 'number':
      return formatNumber(number)
    case 'double':
      return Number(formatNumber(number))
    case 'int': {
      const value = within(unscaledOf(number, 0), -0x80000000n, 0x7fffffffn)
      return value === undefined ? undefined : Number(value)
    }
    case 'long':
      return within(unscaledOf(number, 0), -0x8000000000000000n, 0x7fffffffffffffffn)
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision) - 1n
      return within(unscaledOf(number, type.scale), -limit, limit)
    }
    case 'timestamptz': {
      const micros = unscaledOf(number, type.unit === 's' ? 6 : type.unit === 'ms' ? 3 : 0)
      return within(micros, BigInt(SECONDS_MIN) * 1_000_000n, BigInt(SECONDS_END) * 1_000_000n - 1n)
    }
    default:
      return undefined
  }
}

function within(value: bigint | null, lowest: bigint, highest: bigint): bigint | undefined {
  return value !== null && value >= lowest && value <= highest ? value : undefined
}
