// A table's definition: what the user says of it once, parsed and checked once.

import type { Field, PrimitiveType } from './primitive-type.ts'

/** How a DynamoDB value becomes the value of a column (semantics, section 7). */
export type DeclaredType =
  | { readonly kind: 'string' }
  /** Exact canonical text of an N. */
  | { readonly kind: 'number' }
  | { readonly kind: 'long' }
  | { readonly kind: 'int' }
  | { readonly kind: 'double' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  /** `iso`: text; else an epoch number in that unit. */
  | { readonly kind: 'timestamptz'; readonly unit: 'iso' | 's' | 'ms' | 'us' }
  | { readonly kind: 'date' }
  | { readonly kind: 'binary' }
  | { readonly kind: 'json' }

export interface DeclaredColumn {
  readonly name: string
  /** The DynamoDB attribute that it is taken from. */
  readonly attribute: string
  readonly type: DeclaredType
  /** The Iceberg type that holds it. */
  readonly storedType: PrimitiveType
}

export type Transform =
  | { readonly kind: 'identity' }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }
  | { readonly kind: 'year' }
  | { readonly kind: 'month' }
  | { readonly kind: 'day' }
  | { readonly kind: 'hour' }

export interface PartitionBy {
  /** Name of the partition field: `region`, `pk_bucket`, `created_at_day` … */
  readonly name: string
  readonly transform: Transform
  /** Index into `columns`. */
  readonly column: number
}

export interface TableDefinition {
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  /** The key columns first (partition key, then sort key), then the others in the definition's order. */
  readonly columns: readonly DeclaredColumn[]
  /** 1 or 2: the first so many of `columns` are the key. */
  readonly keyColumns: number
  readonly partitionBy: readonly PartitionBy[]
  /** Every partition field comes from a key column: an item never moves. */
  readonly partitionedByKey: boolean
  readonly landingDays: number
  readonly tombstoneDays: number
  readonly keepSnapshotsHours: number
  readonly onTtl: 'remove' | 'keep'
  readonly fileBytes: number
  readonly rowGroupRows: number
  /** All columns of the table, the metadata columns included, in their order at creation, with ids from 1. */
  readonly fields: readonly Field[]
  /** The JSON text that it was parsed from, as the table's property `lastwrite.definition` keeps it. */
  readonly text: string
}
