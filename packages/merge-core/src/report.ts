// What a merge says of itself: counts that add up, what was touched, and what to look at.

import type { EngineShare } from './engines/share-tasks.ts'
import type { SupersededStorage } from './maintain/superseded-storage.ts'

export interface LineCounts {
  read: number
  applied: number
  superseded: number
  stale: number
  quarantined: number
  deferred: number
  otherTable: number
  ttlKept: number
}

export interface MergeReport {
  readonly table: string
  readonly location: string
  /** Id of the last snapshot that the run made; null where there was nothing to do. */
  snapshot: number | null
  /** `attempts`: 1, and one more for each race that was lost. */
  readonly commits: { snapshot: number; commitId: string; attempts: number }[]
  readonly lines: LineCounts
  /** Rows that a move took out of their old partition. */
  movedOut: number
  /** Changes of equal key and version that differed. */
  conflicts: number
  readonly rows: { inserted: number; replaced: number; removed: number }
  /** Values that did not fit their declared type (they are in `_extra`), by attribute and DynamoDB type. */
  readonly misfits: { attribute: string; type: string; count: number }[]
  readonly objects: {
    listed: number
    /** `2026/11/28/18`: landing hours before were left out, as they were listed less than a day ago. Null where none were. */
    openSince: string | null
    alreadyMerged: number
    merged: number
    broken: number
    skipped: { object: string; reason: string }[]
    /** Seconds since the oldest object landed that the run skipped, or did not come to before it was stopped; 0 where there is none. */
    oldestUnmergedS: number
  }
  readonly files: { added: number; removed: number; kept: number }
  /** What only older snapshots hold, after the run; null while it runs. */
  superseded: SupersededStorage | null
  /** Where there was a choice of engines: which did the tasks of how many partitions, and why. */
  engines: readonly EngineShare[]
  readonly rowGroups: { copied: number; encoded: number }
  /** Of the encoded row groups; `bytesEncoded` of the encoded chunks, compressed. */
  readonly columnChunks: { copied: number; encoded: number; bytesEncoded: number }
  /** All traffic with the store, metadata included; `copied` never left it. */
  readonly bytes: { read: number; written: number; copied: number }
  /** To the store, by kind: of S3 each request of every call, with those that failed; of others each call. */
  readonly requests: { get: number; put: number; copyPart: number; list: number; delete: number }
  /** Of the process up to the end of the run (resident set); null where the environment does not tell. */
  peakMemoryBytes: number | null
  readonly damaged: { path: string; message: string }[]
  readonly warnings: string[]
  readonly seconds: { plan: number; scan: number; fold: number; merge: number; commit: number; total: number }
  exitCode: 0 | 10 | 20 | 21
}

export function emptyReport(table: string, location: string): MergeReport {
  return {
    table,
    location,
    snapshot: null,
    commits: [],
    lines: noLines(),
    movedOut: 0,
    conflicts: 0,
    rows: { inserted: 0, replaced: 0, removed: 0 },
    misfits: [],
    objects: { listed: 0, openSince: null, alreadyMerged: 0, merged: 0, broken: 0, skipped: [], oldestUnmergedS: 0 },
    files: { added: 0, removed: 0, kept: 0 },
    superseded: null,
    engines: [],
    rowGroups: { copied: 0, encoded: 0 },
    columnChunks: { copied: 0, encoded: 0, bytesEncoded: 0 },
    bytes: { read: 0, written: 0, copied: 0 },
    requests: { get: 0, put: 0, copyPart: 0, list: 0, delete: 0 },
    peakMemoryBytes: null,
    damaged: [],
    warnings: [],
    seconds: { plan: 0, scan: 0, fold: 0, merge: 0, commit: 0, total: 0 },
    exitCode: 0,
  }
}

export function noLines(): LineCounts {
  return { read: 0, applied: 0, superseded: 0, stale: 0, quarantined: 0, deferred: 0, otherTable: 0, ttlKept: 0 }
}

/** What one commit adds to the report of its run. */
export interface CommitReport {
  readonly snapshot: bigint
  readonly commitId: string
  readonly attempts: number
  readonly lines: LineCounts
  readonly movedOut: number
  readonly conflicts: number
  readonly rows: { readonly inserted: number; readonly replaced: number; readonly removed: number }
  readonly misfits: ReadonlyMap<string, number>
  readonly merged: number
  readonly broken: number
  readonly files: { readonly added: number; readonly removed: number; readonly kept: number }
  readonly rowGroups: { readonly copied: number; readonly encoded: number }
  readonly columnChunks: Readonly<MergeReport['columnChunks']>
  readonly damaged: readonly { readonly path: string; readonly message: string }[]
}

export function addCommit(report: MergeReport, commit: CommitReport): void {
  report.snapshot = Number(commit.snapshot)
  report.commits.push({ snapshot: Number(commit.snapshot), commitId: commit.commitId, attempts: commit.attempts })
  addUncommitted(report, commit)
}

/** Adds what came of a batch of which there was nothing to commit: all of it waits for a damaged file. */
export function addUncommitted(report: MergeReport, commit: CommitReport): void {
  addCounts(report.lines, commit.lines)
  report.movedOut += commit.movedOut
  report.conflicts += commit.conflicts
  addCounts(report.rows, commit.rows)
  addMisfits(report.misfits, commit.misfits)
  report.objects.merged += commit.merged
  report.objects.broken += commit.broken
  report.files.added += commit.files.added
  report.files.removed += commit.files.removed
  report.files.kept = commit.files.kept
  addCounts(report.rowGroups, commit.rowGroups)
  addCounts(report.columnChunks, commit.columnChunks)
  report.damaged.push(...commit.damaged)
}

/** Adds each count of `more` to that of `sum`. */
export function addCounts<Counts extends object>(sum: Counts, more: Readonly<Record<keyof Counts, number>>): void {
  const counts = sum as Record<string, number>
  for (const name of Object.keys(counts)) counts[name]! += more[name as keyof Counts]
}

export function addMisfits(sum: MergeReport['misfits'], more: ReadonlyMap<string, number>): void {
  for (const [misfit, count] of more) {
    const cut = misfit.lastIndexOf(':')
    const attribute = misfit.slice(0, cut)
    const type = misfit.slice(cut + 1)
    const known = sum.find((each) => each.attribute === attribute && each.type === type)
    if (known === undefined) sum.push({ attribute, type, count })
    else known.count += count
  }
}
