// Iceberg's partition transforms on single values (Iceberg table spec, "Partition Transforms" and appendix B).
//
// Every transform maps null to null. Times floor: one microsecond before 1970 lies in day −1.

import { InputError } from '../errors.ts'
import { formatPrimitiveType, type PrimitiveType } from '../primitive-type.ts'
import { firstCodePoints, minimalTwosComplement } from './single-value.ts'

/** A partition value: null, boolean, int/date as number, long/timestamp/decimal (unscaled) as bigint, float/double as number,
 *  string, or bytes (binary, fixed, uuid). */
export type PartitionValue = null | boolean | number | bigint | string | Uint8Array

/**
 * Reads a transform as metadata writes it (`identity`, `bucket[8]`, `truncate[4]`, `year`, `month`, `day`, `hour`, `void`) once.
 * Throws InputError where the transform is unknown or not one of this type's.
 */
export function makeTransform(transform: string, type: PrimitiveType): (value: PartitionValue) => PartitionValue {
  const apply = nonNullTransform(transform, type)
  return (value) => (value === null ? null : apply(value))
}

export function applyTransform(transform: string, type: PrimitiveType, value: PartitionValue): PartitionValue {
  return makeTransform(transform, type)(value)
}

/** The type of a transform's results. A day is a `date`, as the Java implementation writes it; the spec calls it an int. */
export function transformResultType(transform: string, type: PrimitiveType): PrimitiveType {
  const { name } = parseTransform(transform)
  if (name === 'day') return { kind: 'date' }
  return name === 'identity' || name === 'truncate' || name === 'void' ? type : { kind: 'int' }
}

/** Bucket of a string's UTF-8 bytes or of a binary value: bytes[start … end). */
export function bucketOfBytes(bytes: Uint8Array, start: number, end: number, buckets: number): number {
  return (murmur3(bytes, start, end) & 0x7fffffff) % buckets
}

type NonNull = Exclude<PartitionValue, null>

function nonNullTransform(transform: string, type: PrimitiveType): (value: NonNull) => PartitionValue {
  const { name, parameter } = parseTransform(transform)
  if (name === 'identity') return (value) => value
  if (name === 'void') return () => null
  const apply =
    name === 'bucket'
      ? bucketTransform(type, parameter)
      : name === 'truncate'
        ? truncateTransform(type, parameter)
        : timeTransform(name, type)
  if (apply === null) {
    throw new InputError(`partition transform ${transform} does not apply to type ${formatPrimitiveType(type)}`)
  }
  return apply
}

const TRANSFORM = /^(?:(identity|void|year|month|day|hour)|(bucket|truncate)\[(\d+)\])$/

function parseTransform(transform: string): { name: string; parameter: number } {
  const match = TRANSFORM.exec(transform)
  const parameter = Number(match?.[3] ?? 1)
  if (match === null || parameter < 1 || parameter > 0x7fffffff) {
    throw new InputError(
      `partition transform "${transform}" is unknown; known are identity, bucket[n], truncate[n], year, month, day, hour`,
    )
  }
  return { name: (match[1] ?? match[2])!, parameter }
}

function bucketTransform(type: PrimitiveType, buckets: number): ((value: NonNull) => number) | null {
  const bucket = (bytes: Uint8Array) => bucketOfBytes(bytes, 0, bytes.length, buckets)
  switch (type.kind) {
    case 'int':
    case 'date':
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz': {
      // Integers of every width hash as 8 bytes, so that widening a column does not move its rows.
      const bytes = new Uint8Array(8)
      const view = new DataView(bytes.buffer)
      return (value) => {
        view.setBigInt64(0, BigInt(value as number | bigint), true)
        return bucket(bytes)
      }
    }
    case 'decimal':
      return (value) => bucket(minimalTwosComplement(value as bigint))
    case 'string': {
      const encoder = new TextEncoder()
      return (value) => bucket(encoder.encode(value as string))
    }
    case 'binary':
    case 'fixed':
    case 'uuid':
      return (value) => bucket(value as Uint8Array)
    default:
      return null
  }
}

function truncateTransform(type: PrimitiveType, width: number): ((value: NonNull) => PartitionValue) | null {
  switch (type.kind) {
    case 'int':
      // Wraps below the smallest int, like the Java implementation.
      return (value) => ((value as number) - floorModulo(value as number, width)) | 0
    case 'long':
      return (value) => BigInt.asIntN(64, truncateInteger(value as bigint, BigInt(width)))
    case 'decimal':
      return (value) => truncateInteger(value as bigint, BigInt(width))
    case 'string':
      return (value) => firstCodePoints(value as string, width)
    case 'binary':
      return (value) => (value as Uint8Array).slice(0, width)
    default:
      return null
  }
}

function floorModulo(value: number, by: number): number {
  return ((value % by) + by) % by
}

function truncateInteger(value: bigint, width: bigint): bigint {
  return value - (((value % width) + width) % width)
}

const MICROS_PER_HOUR = 3_600_000_000n
const HOURS_PER_DAY = 24

function timeTransform(name: string, type: PrimitiveType): ((value: NonNull) => number) | null {
  const isTimestamp = type.kind === 'timestamp' || type.kind === 'timestamptz'
  if (!isTimestamp && (type.kind !== 'date' || name === 'hour')) return null
  const hour = (value: NonNull) => Number(truncateInteger(value as bigint, MICROS_PER_HOUR) / MICROS_PER_HOUR)
  const day = isTimestamp
    ? (value: NonNull) => Math.floor(hour(value) / HOURS_PER_DAY)
    : (value: NonNull) => value as number
  if (name === 'hour') return hour
  if (name === 'day') return day
  if (name === 'month') return (value) => monthsSince1970(day(value))
  return (value) => Math.floor(monthsSince1970(day(value)) / 12)
}

const DAYS_PER_400_YEARS = 146_097
/** From 0000-03-01, where the 400-year cycles of the calendar start, to 1970-01-01. */
const DAYS_FROM_CYCLE_START = 719_468

/** Months of the proleptic Gregorian calendar; days may lie beyond what Date holds. */
function monthsSince1970(day: number): number {
  const sinceCycleStart = day + DAYS_FROM_CYCLE_START
  const cycle = Math.floor(sinceCycleStart / DAYS_PER_400_YEARS)
  const dayOfCycle = sinceCycleStart - cycle * DAYS_PER_400_YEARS
  const yearOfCycle = Math.floor(
    (dayOfCycle - Math.floor(dayOfCycle / 1460) + Math.floor(dayOfCycle / 36_524) - Math.floor(dayOfCycle / 146_096)) /
      365,
  )
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100))
  const monthsFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  return (cycle * 400 + yearOfCycle - 1970) * 12 + monthsFromMarch + 2
}

/** Murmur3, x86 variant, 32 bits, seed 0, as a signed integer. */
function murmur3(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0
  const tail = start + ((end - start) & ~3)
  for (let i = start; i < tail; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    hash ^= mixBlock(block)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let i = end - 1; i >= tail; i--) rest = (rest << 8) | bytes[i]!
  hash ^= mixBlock(rest) ^ (end - start)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function mixBlock(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
