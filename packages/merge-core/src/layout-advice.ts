// What would keep the changes of a tick together that are scattered over a table.

import type { TableDefinition } from './table-definition.ts'

/** A tick that touches so much of a table rewrites nearly all of it. */
const SCATTERED_SHARE = 0.5
/** Below this a whole rewrite takes a few seconds. */
const SCATTERED_BYTES_MIN = 256 * 1024 * 1024

/** In bytes of data files. */
export interface TouchedBytes {
  readonly touched: number
  readonly table: number
}

/** Sentences for people; none where the changes lie together, or the table is partitioned by time already. */
export function layoutAdvice({ columns, partitionBy }: TableDefinition, { touched, table }: TouchedBytes): string[] {
  if (table < SCATTERED_BYTES_MIN || touched < SCATTERED_SHARE * table) return []
  const isTime = (column: number) => columns[column]!.type.kind === 'timestamptz'
  if (partitionBy.some(({ column }) => isTime(column))) return []
  const time = columns.find((_, column) => isTime(column))
  const remedy =
    time === undefined
      ? 'an attribute that holds the time of creation, and a partition by its day, would keep them together'
      : `a table partitioned by day(${time.name}), if ${time.name} never changes, would keep them together`
  return [
    `the changes are scattered over ${Math.round((100 * touched) / table)} % of the table's bytes: ${remedy}, where most are of new items`,
  ]
}
