// Makes the table what it was at an earlier snapshot, by a new snapshot on top of it.
//
//   rows         those of the target: its manifests, named again
//   tombstones   and floor: those of the target, from the list that its summary names
//   watermark    never falls: removals that were forgotten since stay forgotten
//   ledger       `reapply`: that of the target, so what was merged since is merged again; `skip`: it stays as it is
//
// It is a decision about the head that somebody looked at, so it is made for that head or not at all. The commit goes back to the target
// before it adds its snapshot: a catalog refuses that where the target was expired meanwhile.

import { unfinishedBackfill } from '../backfill-progress.ts'
import { commitSnapshot, nextSnapshotId, stateFolderFor } from '../commit-snapshot.ts'
import { InputError, TryAgainError } from '../errors.ts'
import type { LoadedTable, TableUpdate } from '../iceberg/catalog.ts'
import { currentSnapshot, type Snapshot, snapshotById, type TableMetadata } from '../iceberg/metadata.ts'
import { liveFiles } from '../iceberg/snapshot.ts'
import { listLanding } from '../landing/list-landing.ts'
import { readLedger, readLedgerEntries } from '../protected/ledger.ts'
import { type ProtectedState, readStateLists } from '../protected/state-lists.ts'
import type { Table } from '../table.ts'
import { loadTable, PROPERTY, STATE_LISTS, stateOf, type TableState } from '../table-state.ts'
import { untilCommitted } from './commit-attempts.ts'
import { ancestors, stateOwner } from './retention.ts'
import { storeReport } from './store-report.ts'

export interface RollbackOptions {
  /** A retained snapshot. */
  readonly to: bigint
  /** What becomes of the landing objects that were merged since: merged again by the next merge, or never. */
  readonly ledger: 'reapply' | 'skip'
  readonly dryRun?: boolean
}

export interface RollbackReport {
  readonly table: string
  readonly location: string
  readonly dryRun: boolean
  /** What main was; null for an empty table. */
  readonly from: bigint | null
  readonly to: bigint
  /** The snapshot that was made; null after a dry run. */
  readonly snapshot: bigint | null
  readonly ledger: 'reapply' | 'skip'
  /** Landing objects that were merged since: `gone` are no longer in the landing area, so that nothing can merge them again. */
  readonly objects: { readonly mergedSince: number; readonly gone: readonly string[] }
  /** Backfills that are undone in part or whole, as their commits called them. */
  readonly backfills: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * @throws InputError where there is no such snapshot, or nobody knows which protected state belongs to it; TryAgainError where another
 *   writer moved main meanwhile
 */
export async function rollbackTable(table: Table, options: RollbackOptions): Promise<RollbackReport> {
  const { environment, location } = table
  const { store } = environment
  const commitId = environment.uuid()
  const attempts: RollbackReport[] = []
  let seen: bigint | null | undefined
  let stateFolder = ''
  const report = await untilCommitted(table, async (number) => {
    const loaded = await loadTable(table)
    const { metadata } = loaded
    const made = attempts.find(({ snapshot }) => snapshot !== null && snapshotById(metadata, snapshot) !== null)
    if (made !== undefined) return made
    const head = currentSnapshot(metadata)?.['snapshot-id'] ?? null
    seen = seen === undefined ? head : seen
    if (head !== seen) {
      throw new TryAgainError(
        `${location}: another writer moved main from snapshot ${seen} to ${head}; look at "lastwrite history", and decide again`,
      )
    }
    const target = targetOf(location, metadata, options.to)
    const { state, schemaId } = stateFor(location, loaded, target)
    stateFolder = state.stateFolder
    const then = await stateAt(table, state, target)
    const snapshot = nextSnapshotId(table, state)
    const report = await reportOf(table, state, target, then, options, head, snapshot)
    if (options.dryRun) return report
    attempts.push(report)
    const outcome = await commitSnapshot(table, state, stateFolderFor(table, state, commitId, number), {
      commitId,
      snapshotId: snapshot,
      live: await liveFiles(store, metadata, options.to),
      removed: [],
      added: [],
      summary: { 'lastwrite.rolled-back-from': String(head), 'lastwrite.rolled-back-ledger': options.ledger },
      writeState: async () => ({
        tombstones: then.tombstones,
        ledger: options.ledger === 'reapply' ? then.ledger : state.ledgerFiles,
        watermark: state.watermark === null ? then.watermark : Math.max(state.watermark, then.watermark ?? -Infinity),
        floor: then.floor,
      }),
      first: backTo(metadata, target, schemaId),
      schemaId,
      // Without the note on the landing area the next merge lists all of it.
      removeProperties: [PROPERTY.backfill, PROPERTY.listed],
    })
    return outcome === 'lost' ? 'lost' : report
  })
  if (report.snapshot !== null) await storeReport(table, stateFolder, commitId, report)
  return report
}

function targetOf(location: string, metadata: TableMetadata, id: bigint): Snapshot {
  const target = snapshotById(metadata, id)
  if (target !== null) return target
  throw new InputError(`${location}: there is no snapshot ${id}; "lastwrite history" lists those that are kept`)
}

/**
 * The table's state, and the schema to go on with: the current one, or the target's where the current one lacks what the definition
 * needs.
 */
function stateFor(location: string, loaded: LoadedTable, target: Snapshot): { state: TableState; schemaId: number } {
  const { metadata } = loaded
  const schemaId = target['schema-id'] ?? metadata['current-schema-id']
  try {
    return { state: stateOf(location, loaded), schemaId: metadata['current-schema-id'] }
  } catch (error) {
    if (!(error instanceof InputError) || schemaId === metadata['current-schema-id']) throw error
    const then = stateOf(location, { ...loaded, metadata: { ...metadata, 'current-schema-id': schemaId } })
    return { state: { ...then, loaded }, schemaId }
  }
}

function backTo(metadata: TableMetadata, target: Snapshot, schemaId: number): TableUpdate[] {
  const id = target['snapshot-id']
  return [
    ...(schemaId === metadata['current-schema-id']
      ? []
      : [{ action: 'set-current-schema', 'schema-id': schemaId } as const]),
    ...(currentSnapshot(metadata)?.['snapshot-id'] === id
      ? []
      : [{ action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id } as const]),
  ]
}

const NO_STATE: ProtectedState = { tombstones: [], ledger: [], watermark: null, floor: null }

/** The protected state that belonged to the target. */
async function stateAt({ environment }: Table, state: TableState, target: Snapshot): Promise<ProtectedState> {
  const { metadata } = state.loaded
  const owner = stateOwner(metadata, target)
  if (owner !== null) return readStateLists(environment.store, owner.summary[STATE_LISTS]!)
  const root = [...ancestors(metadata, target['snapshot-id'])].at(-1)!
  // Before our first commit there was nothing to remember.
  if (root['parent-snapshot-id'] === undefined) return NO_STATE
  throw new InputError(
    `${state.location}: snapshot ${target['snapshot-id']} was made by another engine, and the one of ours before it was expired: ` +
      'nobody knows which removals stood at that time; choose a snapshot that lastwrite made',
  )
}

async function reportOf(
  table: Table,
  state: TableState,
  target: Snapshot,
  then: ProtectedState,
  { to, ledger, dryRun = false }: RollbackOptions,
  head: bigint | null,
  snapshot: bigint,
): Promise<RollbackReport> {
  const objects = await mergedSince(table, state, then)
  const backfills = undoneBackfills(state, target)
  return {
    table: state.definition.table,
    location: table.location,
    dryRun,
    from: head,
    to,
    snapshot: dryRun ? null : snapshot,
    ledger,
    objects,
    backfills,
    warnings: [
      ...(ledger === 'reapply' && objects.gone.length > 0
        ? [
            `${objects.gone.length} objects that were merged since are gone from the landing area: their changes are lost`,
          ]
        : []),
      ...(backfills.length > 0 ? [`a backfill is undone in part or whole, run it again: ${backfills.join(', ')}`] : []),
    ],
  }
}

async function mergedSince(
  { environment: { store } }: Table,
  { ledgerFiles }: TableState,
  then: ProtectedState,
): Promise<RollbackReport['objects']> {
  const merged: { path: string; etag: string }[] = []
  for await (const { object, etag } of readLedgerEntries(store, ledgerFiles)) merged.push({ path: object, etag })
  const before = await readLedger(store, then.ledger, merged)
  const since = merged.filter(({ path, etag }) => !before.has(path, etag))
  const folders = [...new Set(since.map(({ path }) => path.slice(0, path.lastIndexOf('/') + 1)))]
  const there = new Set((await listLanding(store, folders)).map(({ path, etag }) => `${path}\0${etag}`))
  const gone = since.filter(({ path, etag }) => !there.has(`${path}\0${etag}`)).map(({ path }) => path)
  return { mergedSince: since.length, gone }
}

/** An unfinished backfill, and those of the snapshots that main leaves. */
function undoneBackfills({ loaded: { metadata } }: TableState, target: Snapshot): string[] {
  const kept = new Set(ancestors(metadata, target['snapshot-id']))
  const head = currentSnapshot(metadata)
  const left = head === null ? [] : [...ancestors(metadata, head['snapshot-id'])].filter((each) => !kept.has(each))
  const named = [unfinishedBackfill(metadata)?.name, ...left.map(({ summary }) => summary[PROPERTY.backfill])]
  return [...new Set(named.filter((name) => name !== undefined))]
}
