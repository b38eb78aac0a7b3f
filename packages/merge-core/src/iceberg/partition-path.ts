// Folder names of partitions, `region=eu/created_at_day=2024-02-29`, for people: readers take the values from manifests.
//
// Different partitions have different names. A step is at most 255 bytes long, as file systems want, and holds no character that
// any store or URL treats specially.

import { createHash } from 'node:crypto'
import type { PrimitiveType } from '../primitive-type.ts'
import type { PartitionSpec } from './schema.ts'
import type { PartitionValue } from './transform.ts'

const NAME_BYTES_MAX = 80
const VALUE_BYTES_MAX = 160
const LAST_NAMED_DAY = 2_932_896 // 9999-12-31

/** The path below `data/`; empty for an unpartitioned table. */
export function partitionPath(
  spec: PartitionSpec,
  partition: readonly PartitionValue[],
  types: readonly PrimitiveType[],
): string {
  return spec.fields
    .map((field, i) => {
      const name = bounded(escaped(field.name), NAME_BYTES_MAX)
      return `${name}=${bounded(valueText(partition[i] ?? null, types[i]!), VALUE_BYTES_MAX)}`
    })
    .join('/')
}

function valueText(value: PartitionValue, type: PrimitiveType): string {
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (type.kind === 'date' && Math.abs(value as number) <= LAST_NAMED_DAY) return dayText(value as number)
  // A text that reads null is not the null partition.
  return value === 'null' ? '%6Eull' : escaped(String(value))
}

function dayText(day: number): string {
  return escaped(new Date(day * 86_400_000).toISOString().slice(0, -'T00:00:00.000Z'.length))
}

/** Everything but unreserved characters of URLs as percent and two digits for each byte of UTF-8. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** A text that is too long keeps its beginning and a hash of the whole behind a tilde, which no other text holds. */
function bounded(text: string, bytesMax: number): string {
  if (text.length <= bytesMax) return text
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32)
  return `${text.slice(0, bytesMax - hash.length - 1)}~${hash}`
}
