import type { Field } from '../primitive-type.ts'
import type { ByteStream, ObjectPart, ObjectReader } from '../store/object-store.ts'

/** How rows, row groups and files of a table are laid out: plain data, the same for all tasks of a merge. */
export interface TableLayout {
  /** All columns of the table, the key columns first. */
  readonly fields: readonly Field[]
  readonly keyColumns: number
  /** Positions of `_stream`, `_sequence` and `_expired_at` in `fields`; the last is −1 where the table has none. */
  readonly streamColumn: number
  readonly sequenceColumn: number
  readonly expiredColumn: number
  /** A stored row counts as having no version, so that any change beats it, where this column holds a time before this, or none. */
  readonly overruled?: { readonly column: number; readonly beforeMicros: bigint }
  readonly fileBytes: number
  readonly rowGroupRows: number
  readonly sortOrderId: number
}

export type FileContent = readonly ObjectPart[] | ByteStream

/** What a task works with. */
export interface MergeContext extends TableLayout {
  readonly store: ObjectReader
  /** Writes a new data file of the task's partition under a name never used before, and tells its location. The parts' bytes are its own from then on. */
  readonly createFile: (content: FileContent) => Promise<string>
}

export function keyFieldsOf(context: Pick<TableLayout, 'fields' | 'keyColumns'>): readonly Field[] {
  return context.fields.slice(0, context.keyColumns)
}
