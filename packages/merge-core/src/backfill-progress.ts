// What a table's property says of a backfill that is not finished.

import type { TableMetadata } from './iceberg/metadata.ts'
import { PROPERTY } from './table-state.ts'

export interface BackfillProgress {
  /** What messages call it: the export, or the folder of Parquet files. */
  readonly name: string
  /** Of the same source, brought in the same way. */
  readonly id: string
  /** Of the plan that says which ranges each commit takes. */
  readonly plan: string
  /** Its commits, made and in all. */
  readonly done: number
  readonly total: number
}

/** Where the sorted runs of a backfill wait to be merged (backfill-staging.ts). */
export function stagingFolder(stateFolder: string, id: string): string {
  return `${stateFolder}/staging/backfill-${id}`
}

export function formatProgress(progress: BackfillProgress): string {
  return JSON.stringify(progress)
}

/** Null where none is under way. What nobody can read is the name of one. */
export function unfinishedBackfill({ properties }: TableMetadata): BackfillProgress | null {
  const text = properties?.[PROPERTY.backfill]
  if (text === undefined) return null
  try {
    const { name, id, plan, done, total } = Object(JSON.parse(text)) as Partial<BackfillProgress>
    if (typeof name === 'string' && typeof id === 'string' && isCount(done) && isCount(total)) {
      return { name, id, plan: String(plan), done, total }
    }
  } catch {
    // Below.
  }
  return { name: text, id: '', plan: '', done: 0, total: 0 }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
