import type { PartitionValue } from '../src/iceberg/transform.ts'

/** The order of Parquet's types, defined on values. */
export function compare(a: PartitionValue, b: PartitionValue): number {
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string))
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array)
  return a! < b! ? -1 : a! > b! ? 1 : 0
}
