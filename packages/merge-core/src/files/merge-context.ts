import type { PartitionValue } from '../iceberg/transform.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What a task must know of its table. */
export interface MergeContext {
  readonly store: ObjectStore
  /** All columns of the table, the key columns first. */
  readonly fields: readonly Field[]
  readonly keyColumns: number
  /** Positions of `_stream`, `_sequence` and `_expired_at` in `fields`; the last is −1 where the table has none. */
  readonly streamColumn: number
  readonly sequenceColumn: number
  readonly expiredColumn: number
  readonly fileBytes: number
  readonly rowGroupRows: number
  readonly sortOrderId: number
  /** A location for a new data file of this partition, never used before. */
  readonly newFilePath: (partition: readonly PartitionValue[]) => string
}

export function keyFieldsOf(context: MergeContext): readonly Field[] {
  return context.fields.slice(0, context.keyColumns)
}
