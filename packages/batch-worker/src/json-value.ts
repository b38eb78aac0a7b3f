import type { PartitionValue, PrimitiveType } from '@lastwrite/merge-core'
import { exactNumber } from './print.ts'

const MS_PER_DAY = 86_400_000
const MICROS_PER_SECOND = 1_000_000n

/** A column's value as JSON shows it to people: days and times in ISO 8601, decimals and longs with all their digits. */
export function jsonValue(type: PrimitiveType, value: PartitionValue): unknown {
  if (value === null) return null
  switch (type.kind) {
    case 'date':
      return new Date(Number(value) * MS_PER_DAY).toISOString().slice(0, 10)
    case 'timestamp':
    case 'timestamptz':
      return isoTimeOfMicros(value as bigint)
    case 'decimal':
      return exactNumber(decimalText(BigInt(value as number | bigint), type.scale))
    default:
      return value
  }
}

/** `2026-11-24T08:00:00Z`, with six digits of the second where it is not whole. */
function isoTimeOfMicros(micros: bigint): string {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND
  const second = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, -'.000Z'.length)
  return fraction === 0n ? `${second}Z` : `${second}.${String(fraction).padStart(6, '0')}Z`
}

/** All digits of a decimal, those behind the point included. */
export function decimalText(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : ''
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const point = digits.length - scale
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}
