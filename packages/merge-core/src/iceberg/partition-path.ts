// The folder of a partition below `data/`, for people who look: readers take partition values from manifests, never from paths.
//
// Different partitions have different folders. A step is at most 255 bytes long, as file systems want, and holds no character that a
// store or a URL treats specially.

import { createHash } from 'node:crypto'
import type { PartitionSpec } from './schema.ts'
import type { PartitionValue } from './transform.ts'

const NAME_BYTES_MAX = 80
const VALUE_BYTES_MAX = 160
const HASH_DIGITS = 32
const MS_PER_HOUR = 3_600_000
const MS_PER_DAY = 24 * MS_PER_HOUR

/** For example `region=eu/created_at_day=2026-11-24`; empty for a table without partitions. */
export function partitionPath(spec: PartitionSpec, partition: readonly PartitionValue[]): string {
  return spec.fields
    .map(({ name, transform }, i) => {
      const value = partition[i] ?? null
      // A text that reads null is not the null partition.
      const text = value === 'null' ? '%6Eull' : percentEscaped(partitionValueText(transform, value))
      return `${bounded(percentEscaped(name), NAME_BYTES_MAX)}=${bounded(text, VALUE_BYTES_MAX)}`
    })
    .join('/')
}

/** A partition value as people read it: days as dates, bytes as hexadecimal digits. */
export function partitionValueText(transform: string, value: PartitionValue): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value !== 'number') return String(value)
  switch (transform) {
    case 'year':
      return String(1970 + value)
    case 'month':
      return isoText(Date.UTC(1970, value), 'month')
    case 'day':
      return isoText(value * MS_PER_DAY, 'day')
    case 'hour':
      return isoText(value * MS_PER_HOUR, 'hour')
    default:
      return String(value)
  }
}

function isoText(epochMs: number, unit: 'month' | 'day' | 'hour'): string {
  const date = new Date(epochMs)
  if (Number.isNaN(date.getTime())) return String(epochMs)
  const text = date.toISOString()
  const end = text.indexOf('T')
  if (unit === 'month') return text.slice(0, end - 3)
  return unit === 'day' ? text.slice(0, end) : `${text.slice(0, end)}-${text.slice(end + 1, end + 3)}`
}

/** Everything but letters, digits and `_.-` as percent and two digits for each byte of UTF-8. */
function percentEscaped(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** A text that is too long keeps its beginning, and a hash of the whole behind a tilde, which no escaped text holds. */
function bounded(text: string, bytesMax: number): string {
  if (text.length <= bytesMax) return text
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS)
  return `${text.slice(0, bytesMax - HASH_DIGITS - 1)}~${hash}`
}
