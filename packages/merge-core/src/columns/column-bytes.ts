import type { Column } from './column.ts'

/** What a column takes in memory; of values that it shares with a larger one, its own part. */
export function columnBytes(column: Column): number {
  const validity = column.validity?.byteLength ?? 0
  if (column.kind === 'dictionary') return validity + column.indices.byteLength + columnBytes(column.dictionary)
  if (column.kind === 'bytes')
    return validity + column.starts.byteLength + column.starts[column.rows]! - column.starts[0]!
  return validity + column.data.byteLength
}
