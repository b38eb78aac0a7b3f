// One commit of a backfill: its ranges merged against the table's newest state, and the progress moved on in the same compare-and-set.

import { formatProgress, unfinishedBackfill } from './backfill-progress.ts'
import type { BackfillReport } from './backfill-report.ts'
import { type Baseline, checkAdmission } from './backfill-source.ts'
import type { PlaceRange } from './baseline/baseline-rows.ts'
import { excludedDuplicates, withVersion } from './baseline/distinct-rows.ts'
import { findRowsBefore, findRowsElsewhere, type StoredTable } from './baseline/stored-rows.ts'
import { APPLIED, CLEAR, groupByKey, type KeyGroups, STALE, SUPERSEDED, tombstonesOf } from './change/fold.ts'
import { concatLines, type LandedLines, type Lines, tupleOf, tupleText } from './change/lines.ts'
import { commitSnapshot, nextSnapshotId, stateFolderFor } from './commit-snapshot.ts'
import type { GroupedBatch } from './fold-batch.ts'
import { snapshotById } from './iceberg/metadata.ts'
import { liveFiles } from './iceberg/snapshot.ts'
import { invariant } from './invariant.ts'
import { untilCommitted } from './maintain/commit-attempts.ts'
import { type MergedBatch, mergeBatch, type TaskResults } from './merge-batch.ts'
import type { Field } from './primitive-type.ts'
import { addTombstones, purgeTombstones } from './protected/tombstones.ts'
import { idleDeletes, loadFiles, tableLayoutOf } from './stored-files.ts'
import type { Table } from './table.ts'
import { loadState, PROPERTY, type TableState } from './table-state.ts'
import type { LineMemory } from './threads/line-memory.ts'
import { sharedLines, type Workers } from './threads/workers.ts'

export interface CommitRanges {
  readonly ranges: readonly PlaceRange[]
  /** Id of the plan that they are of. */
  readonly plan: string
  /** Which commit it is of how many, from 0. */
  readonly number: number
  readonly total: number
  /** All rows of the baseline in the ranges. */
  readonly lines: readonly LandedLines[]
}

export interface BackfilledTable {
  /** Of which nothing goes on once the run is stopped. */
  readonly table: Table
  /** The same for a commit that has begun. */
  readonly lasting: Table
}

export interface RangeCommit {
  /** Null where nothing had to be committed. */
  readonly snapshot: bigint | null
  readonly items: BackfillReport['items']
  readonly rows: BackfillReport['rows']
  readonly files: BackfillReport['files']
}

type Timed = <T>(step: 'merge' | 'commit', work: () => Promise<T>) => Promise<T>

/**
 * Before any range of an authoritative export: from here on lines of before it are stale, and what the table remembers of removals before
 * it is void. The snapshot; null where another process has done so.
 */
export async function raiseFloor(
  table: Table,
  baseline: Baseline,
  plan: Pick<CommitRanges, 'plan' | 'total'>,
): Promise<bigint | null> {
  const { store, uuid } = table.environment
  const commitId = uuid()
  const attempts: bigint[] = []
  const floor = baseline.overrulesBefore!
  return untilCommitted(table, async (attempt) => {
    const state = await loadState(table)
    checkAdmission(baseline, state)
    const { metadata } = state.loaded
    const made = attempts.find((snapshot) => snapshotById(metadata, snapshot) !== null)
    if (made !== undefined || unfinishedBackfill(metadata) !== null) return made ?? null
    const folder = stateFolderFor(table, state, commitId, attempt)
    const snapshotId = nextSnapshotId(table, state)
    attempts.push(snapshotId)
    const outcome = await commitSnapshot(table, state, folder, {
      commitId,
      snapshotId,
      live: await liveFiles(store, metadata),
      removed: [],
      added: [],
      summary: { [PROPERTY.backfill]: baseline.name, 'lastwrite.raised-floor': String(floor) },
      writeState: async () => ({
        tombstones: await purgeTombstones(folder, state.tombstoneFiles, keyFieldsOf(state), floor - 1),
        ledger: state.ledgerFiles,
        watermark: state.watermark,
        floor,
      }),
      properties: { [PROPERTY.backfill]: progressText(baseline, plan, 0) },
    })
    return outcome === 'lost' ? 'lost' : snapshotId
  })
}

function keyFieldsOf({ fields, definition }: TableState): readonly Field[] {
  return fields.slice(0, definition.keyColumns)
}

function progressText(
  { name, id }: Baseline,
  { plan, total }: Pick<CommitRanges, 'plan' | 'total'>,
  done: number,
): string {
  return formatProgress({ name, id, plan, done, total })
}

/** Merges the rows and commits them; null where another process has done so. */
export async function bringIn(
  { table, lasting }: BackfilledTable,
  baseline: Baseline,
  commit: CommitRanges,
  workers: Workers,
  timed: Timed,
): Promise<RangeCommit | null> {
  const { uuid, nowMs } = table.environment
  const commitId = uuid()
  const startedMs = nowMs()
  const { memory } = workers
  const incoming = distinctLines(table, baseline, commit.lines, memory)
  const attempts: RangeCommit[] = []
  let known: TaskResults = new Map()
  return untilCommitted(table, async (attempt) => {
    const state = await loadState(lasting)
    checkAdmission(baseline, state)
    const { metadata } = state.loaded
    const made = attempts.find(({ snapshot }) => snapshotById(metadata, snapshot!) !== null)
    if (made !== undefined) return made
    const begun = unfinishedBackfill(metadata)
    if (begun?.plan === commit.plan && begun.done > commit.number) return null
    const batch = await timed('merge', () => placeInTable(table, state, baseline, commit.ranges, incoming, memory))
    // Where the table's state is in the lines, a result of before may be of other lines of the same number.
    if (batch.lines !== incoming.lines) known = new Map()
    const merged = await mergeBatch(table, state, batch, known, `${commitId}-${attempt}`, {
      timed: (_, work) => timed('merge', work),
      workersFor: async () => workers,
      onTask: () => {},
    })
    // Nothing is lost: the ranges are merged once the file is mended.
    if (merged.damaged.length > 0) throw merged.damaged[0]
    return timed('commit', () =>
      commitMerged(lasting, state, baseline, merged, commit, { commitId, attempt, startedMs }, attempts),
    )
  })
}

async function commitMerged(
  table: Table,
  state: TableState,
  baseline: Baseline,
  merged: MergedBatch,
  commit: CommitRanges,
  { commitId, attempt, startedMs }: { readonly commitId: string; readonly attempt: number; readonly startedMs: number },
  attempts: RangeCommit[],
): Promise<RangeCommit | 'lost'> {
  invariant(merged.folded.quarantined.length === 0, 'no row of an admitted baseline is below the watermark')
  const snapshotId = nextSnapshotId(table, state)
  const folder = stateFolderFor(table, state, commitId, attempt)
  const made = { ...countsOf(merged), snapshot: snapshotId }
  const { number, total } = commit
  const isLast = number + 1 === total
  const found = tombstonesOf(merged.batch.lines, merged.folded.fold.tombstoneLines, () => false)
  // What is before everything is as old as can be.
  const tombstones = { ...found, at: found.at.map((at) => (Number.isNaN(at) ? 0 : at)) }
  const changesNothing = merged.results.every(({ added, removed }) => added.length + removed.length === 0)
  const endsProgress = isLast && unfinishedBackfill(state.loaded.metadata) !== null
  // The next commit moves the progress on; after a kill before it, these ranges change nothing again.
  if (changesNothing && tombstones.count === 0 && !endsProgress) return { ...made, snapshot: null }
  attempts.push(made)
  const removed = merged.results.flatMap((result) => result.removed.map((file) => file.path))
  const outcome = await commitSnapshot(table, state, folder, {
    commitId,
    snapshotId,
    live: merged.live,
    removed: [...removed, ...idleDeletes(merged.live, removed)],
    added: merged.results.flatMap((result) => result.added),
    addedSinceMs: startedMs,
    summary: { [PROPERTY.backfill]: baseline.name, 'lastwrite.backfill-commit': `${number + 1} of ${total}` },
    writeState: async () => ({
      tombstones: await addTombstones(folder, state.tombstoneFiles, keyFieldsOf(state), tombstones),
      ledger: state.ledgerFiles,
      watermark: state.watermark,
      floor: state.floor,
    }),
    ...(isLast
      ? { removeProperties: [PROPERTY.backfill] }
      : { properties: { [PROPERTY.backfill]: progressText(baseline, commit, number + 1) } }),
  })
  return outcome === 'lost' ? 'lost' : made
}

const ITEM_CLASSES = { [APPLIED]: 'applied', [SUPERSEDED]: 'superseded', [STALE]: 'stale' } as const

function countsOf({
  batch: { lines },
  lineClass,
  rows,
  movedOut,
  results,
}: MergedBatch): Omit<RangeCommit, 'snapshot'> {
  const items = { read: 0, applied: 0, superseded: 0, stale: 0 }
  for (let line = 0; line < lines.count; line++) {
    if (lines.operation[line] === CLEAR) continue
    items.read++
    items[ITEM_CLASSES[lineClass[line] as keyof typeof ITEM_CLASSES]]++
  }
  invariant(items.applied + items.superseded + items.stale === items.read, 'every item is applied, superseded or stale')
  return {
    items,
    rows: { ...rows, movedOut },
    files: {
      added: results.reduce((sum, { added }) => sum + added.length, 0),
      removed: results.reduce((sum, { removed }) => sum + removed.length, 0),
    },
  }
}

/** The baseline's own lines, whatever the table holds. */
interface IncomingLines {
  readonly lines: Lines
  readonly groups: KeyGroups
  readonly excluded: Uint8Array
}

function distinctLines(
  { definition }: Table,
  { version, isRanked, duplicates }: Baseline,
  landed: readonly LandedLines[],
  memory: LineMemory | null,
): IncomingLines {
  const lines = concatLines(landed, memory?.take)
  const groups = groupByKey(lines)
  const excluded = excludedDuplicates(lines, groups, definition, duplicates)
  return { lines: isRanked ? withVersion(lines, version, memory?.take) : lines, groups, excluded }
}

/** The lines, with what the table's state adds to them. */
async function placeInTable(
  table: Table,
  state: TableState,
  { version, at, overrulesBefore }: Baseline,
  ranges: readonly PlaceRange[],
  incoming: IncomingLines,
  memory: LineMemory | null,
): Promise<GroupedBatch> {
  const { definition } = state
  const batch = { definition, landing: [], tiedItems: new Map(), overrulesBefore }
  if (definition.partitionedByKey && overrulesBefore === null) return { ...batch, ...incoming }
  const { byPartition } = await loadFiles(table, state)
  const { store } = table.environment
  const stored: StoredTable = { store, layout: tableLayoutOf(state, overrulesBefore), byPartition }
  const { lines, groups } = incoming
  const clearing =
    overrulesBefore === null ? null : await findRowsBefore(stored, definition, lines, groups, ranges, at!)
  const all = clearing === null || clearing.count === 0 ? incoming : await withMore(incoming, clearing, memory)
  return { ...batch, ...(definition.partitionedByKey ? all : await placeAmongPartitions(stored, all, version)) }
}

/** Lines behind those that stand, which keep their numbers. */
async function withMore(
  { lines, excluded }: IncomingLines,
  more: LandedLines,
  memory: LineMemory | null,
): Promise<IncomingLines> {
  const placed = memory === null ? more : await sharedLines(more, memory.take)
  const all = concatLines([...lines.objects, placed], memory?.take)
  const excludedOfAll = new Uint8Array(all.count)
  excludedOfAll.set(excluded)
  return { lines: all, groups: groupByKey(all), excluded: excludedOfAll }
}

/** The rows of other partitions become the old partitions of lines, or show that a line is out of date. */
async function placeAmongPartitions(
  stored: StoredTable,
  { lines, groups, excluded }: IncomingLines,
  version: Uint8Array,
): Promise<IncomingLines> {
  const { below, outdated } = await findRowsElsewhere(stored, lines, groups, excluded, version)
  const partitions = [...lines.partitions]
  const numbers = new Map(partitions.map((tuple, number) => [tupleText(tuple), number]))
  const oldPartition = lines.oldPartition.slice()
  for (const [line, text] of below) {
    const number = numbers.get(text) ?? partitions.push(tupleOf(text)) - 1
    numbers.set(text, number)
    oldPartition[line] = number
  }
  const withOutdated = excluded.slice()
  for (const line of outdated) withOutdated[line] = STALE
  return { lines: { ...lines, partitions, oldPartition }, groups, excluded: withOutdated }
}
