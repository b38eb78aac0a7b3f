// What a backfill says of itself.

import type { Baseline } from './backfill-source.ts'
import type { Table } from './table.ts'

export interface BackfillReport {
  readonly table: string
  readonly location: string
  readonly source: {
    readonly name: string
    /** Epoch milliseconds of the export; null for files that are before everything. */
    readonly timeMs: number | null
    readonly files: number
    items: number
  }
  readonly authoritative: boolean
  /** Id of the last snapshot that the run made; null where there was nothing to do. */
  snapshot: number | null
  /** Commits of key ranges; `before` were made by an earlier run that did not finish. */
  readonly commits: { made: number; before: number; total: number }
  /** What became of the items of this run's ranges. */
  readonly items: { read: number; applied: number; superseded: number; stale: number }
  readonly rows: {
    inserted: number
    replaced: number
    /** By an incremental export's removals, and those that an authoritative export does not hold. */
    removed: number
    /** Rows that went from another partition. */
    movedOut: number
  }
  /** Values that did not fit their declared type (they are in `_extra`), by attribute and DynamoDB type. */
  readonly misfits: { attribute: string; type: string; count: number }[]
  readonly files: { added: number; removed: number }
  readonly bytes: { read: number; written: number; copied: number }
  readonly requests: { get: number; put: number; copyPart: number; list: number; delete: number }
  /** Of the process up to the end of the run (resident set); null where the environment does not tell. */
  peakMemoryBytes: number | null
  readonly seconds: { split: number; read: number; merge: number; commit: number; total: number }
}

export function emptyBackfillReport(
  { location, definition }: Table,
  { name, at, files, overrulesBefore }: Baseline,
): BackfillReport {
  return {
    table: definition.table,
    location,
    source: { name, timeMs: at === null ? null : Math.round(at * 1000), files: files.length, items: 0 },
    authoritative: overrulesBefore !== null,
    snapshot: null,
    commits: { made: 0, before: 0, total: 0 },
    items: { read: 0, applied: 0, superseded: 0, stale: 0 },
    rows: { inserted: 0, replaced: 0, removed: 0, movedOut: 0 },
    misfits: [],
    files: { added: 0, removed: 0 },
    bytes: { read: 0, written: 0, copied: 0 },
    requests: { get: 0, put: 0, copyPart: 0, list: 0, delete: 0 },
    peakMemoryBytes: null,
    seconds: { split: 0, read: 0, merge: 0, commit: 0, total: 0 },
  }
}
