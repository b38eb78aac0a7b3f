// Commits a merged batch: state files first, then one snapshot that names them and the new data files, moved in by one compare-and-set.
//
// Every file is written under a name never used before, so an attempt that loses leaves files that nothing names, never a file that
// something names and that is not what it was.

import { APPLIED, DEFERRED, QUARANTINED, STALE, SUPERSEDED, TTL_KEPT, tombstonesOf } from './change/fold.ts'
import type { QuarantinedLine } from './change/scanned-lines.ts'
import { commitSnapshot, nextSnapshotId, stateFolderFor } from './commit-snapshot.ts'
import type { GroupedBatch } from './fold-batch.ts'
import type { LoadedTable } from './iceberg/catalog.ts'
import { snapshotById } from './iceberg/metadata.ts'
import { invariant } from './invariant.ts'
import { lineText, readTextAgain } from './landing/read-landing.ts'
import type { MergedBatch } from './merge-batch.ts'
import { addToLedger, type LedgerEntry } from './protected/ledger.ts'
import { type QuarantinedLines, quarantineObject, writeQuarantine } from './protected/quarantine.ts'
import type { StateFolder } from './protected/state-file.ts'
import { addTombstones } from './protected/tombstones.ts'
import { addCounts, type CommitReport, type LineCounts, noLines } from './report.ts'
import type { ObjectStore } from './store/object-store.ts'
import { idleDeletes } from './stored-files.ts'
import type { Table } from './table.ts'
import type { TableState } from './table-state.ts'

/** A commit that went out, with what to report should it turn out to have been made. */
export interface CommitAttempt {
  readonly snapshot: bigint
  readonly report: CommitReport
}

export interface CommitOutcome {
  /** The table with the commit. `nothing`: every object of the batch waits for a damaged file, there is nothing to commit. */
  readonly outcome: LoadedTable | 'lost' | 'nothing'
  readonly attempt: CommitAttempt
}

/** The attempt of ours whose snapshot is in the table's history: its answer was lost, the commit was made. */
export function findCommit(state: TableState, attempts: readonly CommitAttempt[]): CommitAttempt | null {
  return attempts.find(({ snapshot }) => snapshotById(state.loaded.metadata, snapshot) !== null) ?? null
}

export async function commitMerge(
  table: Table,
  state: TableState,
  merged: MergedBatch,
  { commitId, attempt, startedMs }: { readonly commitId: string; readonly attempt: number; readonly startedMs: number },
): Promise<CommitOutcome> {
  const snapshotId = nextSnapshotId(table, state)
  const folder = stateFolderFor(table, state, commitId, attempt)
  const counts = countsByObject(merged)
  const entries = await ledgerEntries(folder, merged, counts, commitId, snapshotId)
  const report = reportOf(merged, counts, { commitId, attempt, snapshotId }, entries)
  if (entries.length === 0 && report.lines.applied === 0)
    return { outcome: 'nothing', attempt: { snapshot: snapshotId, report } }

  const { lines } = merged.batch
  const tombstones = tombstonesOf(
    lines,
    merged.folded.fold.tombstoneLines,
    (line) => merged.lineClass[line] === DEFERRED,
  )
  const keyFields = state.fields.slice(0, state.definition.keyColumns)
  const removed = merged.results.flatMap((result) => result.removed.map((file) => file.path))
  const outcome = await commitSnapshot(table, state, folder, {
    commitId,
    snapshotId,
    live: merged.live,
    removed: [...removed, ...idleDeletes(merged.live, removed)],
    added: merged.results.flatMap((result) => result.added),
    addedSinceMs: startedMs,
    summary: summaryCounts(report.lines),
    writeState: async () => {
      const [tombstoneFiles, ledger] = await Promise.all([
        addTombstones(folder, state.tombstoneFiles, keyFields, tombstones),
        addToLedger(folder, state.ledgerFiles, entries),
      ])
      return { tombstones: tombstoneFiles, ledger, watermark: state.watermark, floor: state.floor }
    },
  })
  return { outcome, attempt: { snapshot: snapshotId, report } }
}

/** The entries of all objects whose every line has found its class for good; what is bad of them is in quarantine by then. */
async function ledgerEntries(
  folder: StateFolder,
  merged: MergedBatch,
  counts: readonly LineCounts[],
  commitId: string,
  snapshot: bigint,
): Promise<LedgerEntry[]> {
  const complete = [...merged.batch.landing.entries()].filter(([index]) => counts[index]!.deferred === 0)
  const bad: QuarantinedLines[] = []
  for (const [index, { object, etag, broken }] of complete) {
    const lines = await badLines(folder.store, merged, index)
    if (broken !== null) lines.push(brokenEntry(broken, await quarantineObject(folder, { ...object, etag })))
    bad.push({ object: object.path, lines })
  }
  const withBadLines = bad.filter(({ lines }) => lines.length > 0)
  const path = withBadLines.length === 0 ? null : await writeQuarantine(folder, commitId, withBadLines)
  return complete.map(([index, { object, etag, broken }], i): LedgerEntry => {
    const { read: lines, deferred: _, ...classes } = counts[index]!
    return {
      object: object.path,
      etag,
      bytes: object.objectBytes,
      lines,
      ...classes,
      status: broken === null ? 'merged' : 'broken',
      quarantine: bad[i]!.lines.length > 0 ? path : null,
      snapshot,
    }
  })
}

/** The lines of a landing object that have no effect: those that could not be read, and those that turned out so later. */
async function badLines(store: ObjectStore, { batch, folded }: MergedBatch, index: number): Promise<QuarantinedLine[]> {
  const landed = batch.landing[index]!
  const late = folded.quarantined.filter(({ line }) => batch.lines.object[line] === index)
  if (late.length === 0) return [...landed.quarantined]
  const text = await readTextAgain(store, landed, batch.definition)
  const lateLines = late.map(({ line, reason, message }): QuarantinedLine => {
    const number = landed.lines.lineNumber[batch.lines.row[line]!]!
    return { line: number, reason, message, text: lineText(text, text.lineNumber.indexOf(number)) }
  })
  return [...landed.quarantined, ...lateLines]
}

/** Stands for the whole object: line 0 is none of its lines. */
function brokenEntry(why: string, copy: string): QuarantinedLine {
  return {
    line: 0,
    reason: 'broken-object',
    message: `${why}; the object is kept whole as ${copy}`,
    text: new Uint8Array(0),
  }
}

const COUNT_OF_CLASS = {
  [APPLIED]: 'applied',
  [SUPERSEDED]: 'superseded',
  [STALE]: 'stale',
  [QUARANTINED]: 'quarantined',
  [TTL_KEPT]: 'ttlKept',
  [DEFERRED]: 'deferred',
} as const

function countsByObject({ batch, lineClass }: MergedBatch): LineCounts[] {
  const counts = batch.landing.map(({ linesRead, quarantined, otherTable }): LineCounts => {
    return { ...noLines(), read: linesRead, quarantined: quarantined.length, otherTable }
  })
  for (let line = 0; line < lineClass.length; line++) {
    counts[batch.lines.object[line]!]![COUNT_OF_CLASS[lineClass[line] as keyof typeof COUNT_OF_CLASS]]++
  }
  for (const [index, each] of counts.entries()) {
    const sum =
      each.applied + each.superseded + each.stale + each.quarantined + each.deferred + each.otherTable + each.ttlKept
    invariant(
      sum === each.read,
      `the classes of ${batch.landing[index]!.object.path} add up to its lines (${sum} of ${each.read})`,
    )
  }
  return counts
}

function reportOf(
  merged: MergedBatch,
  counts: readonly LineCounts[],
  {
    commitId,
    attempt,
    snapshotId,
  }: { readonly commitId: string; readonly attempt: number; readonly snapshotId: bigint },
  entries: readonly LedgerEntry[],
): CommitReport {
  const sum = noLines()
  for (const each of counts) addCounts(sum, each)
  const { results } = merged
  const total = (of: (result: (typeof results)[number]) => number) =>
    results.reduce((count, result) => count + of(result), 0)
  return {
    snapshot: snapshotId,
    commitId,
    attempts: attempt,
    lines: sum,
    movedOut: merged.movedOut,
    conflicts: merged.folded.fold.conflicts,
    rows: merged.rows,
    misfits: misfitsOf(merged.batch),
    merged: entries.filter(({ status }) => status === 'merged').length,
    broken: entries.filter(({ status }) => status === 'broken').length,
    files: {
      added: total(({ added }) => added.length),
      removed: total(({ removed }) => removed.length),
      kept: merged.filesKept,
    },
    rowGroups: {
      copied: total((result) => result.rowGroupsCopied),
      encoded: total((result) => result.rowGroupsEncoded),
    },
    columnChunks: {
      copied: total((result) => result.chunksCopied),
      encoded: total((result) => result.chunksEncoded),
      bytesEncoded: total((result) => result.bytesEncoded),
    },
    damaged: merged.damaged.map(({ path, message }) => ({ path, message })),
  }
}

function misfitsOf({ landing }: GroupedBatch): Map<string, number> {
  const sum = new Map<string, number>()
  for (const { misfits } of landing)
    for (const [misfit, count] of misfits) sum.set(misfit, (sum.get(misfit) ?? 0) + count)
  return sum
}

function summaryCounts(lines: LineCounts): Record<string, string> {
  return Object.fromEntries(
    Object.entries(lines).map(([name, count]) => [`lastwrite.lines-${kebab(name)}`, String(count)]),
  )
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
