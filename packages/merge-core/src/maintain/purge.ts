// Forgets removals that no older change can follow any more, and landing objects that are gone.
//
// A tombstone may go when every older put of its key has been merged, or can only come by a replay that says so. What is still under way:
//
//   - what landed and is not merged: the hour in an object's name is the arrival of its oldest record, which the stream held for up to
//     24 hours before
//   - what has not landed yet: Firehose delivers for up to 24 hours, under the hour of arrival
//   - what is replayed: within the horizon of the definition
//
// The watermark rises to the time up to which tombstones went. From then on a put of an absent key that is as old goes to quarantine.

import { commitSnapshot, nextSnapshotId, stateFolderFor } from '../commit-snapshot.ts'
import { InputError } from '../errors.ts'
import { snapshotById } from '../iceberg/metadata.ts'
import { liveFiles } from '../iceberg/snapshot.ts'
import { invariant } from '../invariant.ts'
import { hourInName, listLanding } from '../landing/list-landing.ts'
import { dropFromLedger, type LedgerEntry, readLedger, readLedgerEntries } from '../protected/ledger.ts'
import { countPurged, purgeTombstones } from '../protected/tombstones.ts'
import type { ListedObject } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { Table } from '../table.ts'
import { loadState, type TableState } from '../table-state.ts'
import { untilCommitted } from './commit-attempts.ts'
import { storeReport } from './store-report.ts'

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S
/** What the stream holds, and the hour to which names and times are rounded. */
const ARRIVAL_SLACK_S = 25 * HOUR_S

export interface PurgeReport {
  readonly table: string
  readonly location: string
  readonly dryRun: boolean
  /** Null where there was nothing to purge. */
  readonly snapshot: bigint | null
  /** Epoch seconds: removals up to this time are old enough to be forgotten. */
  readonly upTo: number
  /** The landing object that is not merged and holds `upTo` back; null where the definition's horizon does. */
  readonly heldBackBy: string | null
  /** As it is afterwards, in epoch seconds. */
  readonly watermark: number | null
  readonly tombstones: { readonly purged: number; readonly kept: number }
  /** Entries of objects that are gone from the landing area. */
  readonly ledger: { readonly dropped: number; readonly kept: number }
}

/**
 * @param landing every prefix that the table is merged from: what is not merged yet decides what may be forgotten
 * @throws InputError where the ledger knows objects that lie under none of the prefixes
 */
export async function purgeTable(
  table: Table,
  landing: readonly string[],
  options: { readonly dryRun?: boolean } = {},
): Promise<PurgeReport> {
  const { environment } = table
  const { store } = environment
  const { dryRun = false } = options
  if (landing.length === 0) {
    throw new InputError(
      `${table.location}: give every landing prefix; what is not merged yet decides what may be forgotten`,
    )
  }
  const commitId = environment.uuid()
  const attempts: PurgeReport[] = []
  let stateFolder = ''
  const report = await untilCommitted(table, async (number) => {
    const state = await loadState(table)
    stateFolder = state.stateFolder
    const { metadata } = state.loaded
    const made = attempts.find(({ snapshot }) => snapshot !== null && snapshotById(metadata, snapshot) !== null)
    if (made !== undefined) return made
    // The state first: what is merged in between counts as not merged yet, and nothing of the ledger counts as gone.
    const listed = await listLanding(store, landing)
    const { upTo, heldBackBy } = await purgeableUpTo(table, state, listed)
    const isKept = await ledgerKeeps(table, state, landing, listed)
    const tombstones = state.tombstoneFiles.reduce((sum, { rows }) => sum + rows, 0)
    const purged = await countPurged(store, state.tombstoneFiles, upTo)
    const ledger = await countDropped(table, state, isKept)
    // Where nothing is forgotten nothing has to be refused.
    const watermark = purged > 0 ? Math.max(upTo, state.watermark ?? upTo) : state.watermark
    const snapshot = nextSnapshotId(table, state)
    const isIdle = dryRun || (purged === 0 && ledger.dropped === 0)
    const report: PurgeReport = {
      table: state.definition.table,
      location: state.location,
      dryRun,
      snapshot: isIdle ? null : snapshot,
      upTo,
      heldBackBy,
      watermark,
      tombstones: { purged, kept: tombstones - purged },
      ledger,
    }
    if (isIdle) return report
    attempts.push(report)
    const keyFields = state.fields.slice(0, state.definition.keyColumns)
    const folder = stateFolderFor(table, state, commitId, number)
    const outcome = await commitSnapshot(table, state, folder, {
      commitId,
      snapshotId: snapshot,
      live: await liveFiles(store, metadata),
      removed: [],
      added: [],
      summary: { 'lastwrite.purged-tombstones': String(purged), 'lastwrite.dropped-entries': String(ledger.dropped) },
      writeState: async () => ({
        tombstones: await purgeTombstones(folder, state.tombstoneFiles, keyFields, upTo),
        ledger: ledger.dropped === 0 ? state.ledgerFiles : await dropFromLedger(folder, state.ledgerFiles, isKept),
        watermark,
        floor: state.floor,
      }),
    })
    return outcome === 'lost' ? 'lost' : report
  })
  if (report.snapshot !== null) await storeReport(table, stateFolder, commitId, report)
  return report
}

async function purgeableUpTo(
  { environment }: Table,
  { ledgerFiles, definition }: TableState,
  listed: readonly ListedObject[],
): Promise<Pick<PurgeReport, 'upTo' | 'heldBackBy'>> {
  const nowS = Math.floor(environment.nowMs() / 1000)
  const horizon = nowS - definition.tombstoneDays * DAY_S
  const ledger = await readLedger(environment.store, ledgerFiles, listed)
  let oldest: ListedObject | null = null
  for (const object of listed) {
    if (ledger.has(object.path, object.etag)) continue
    if (oldest === null || hourOf(object) < hourOf(oldest)) oldest = object
  }
  invariant(horizon <= nowS - DAY_S - ARRIVAL_SLACK_S, 'what has not landed yet is younger than the shortest horizon')
  const landed = oldest === null ? Infinity : hourOf(oldest) - ARRIVAL_SLACK_S
  const upTo = Math.min(horizon, landed)
  return { upTo, heldBackBy: landed === upTo ? oldest!.path : null }
}

/** Start of the hour in which the oldest record of a landing object arrived, in epoch seconds. */
function hourOf({ path, modifiedMs }: ListedObject): number {
  const written = Math.floor(modifiedMs / 1000 / HOUR_S) * HOUR_S
  const named = hourInName(path)
  return named === null ? written - DAY_S : Math.min(named, written)
}

/** Whether an entry stays: its object is there, or its bad lines are to be kept for a while yet. */
async function ledgerKeeps(
  { environment: { store, nowMs } }: Table,
  { location, ledgerFiles, stateFolder, definition }: TableState,
  landing: readonly string[],
  listed: readonly ListedObject[],
): Promise<(entry: LedgerEntry) => boolean> {
  const versions = new Set(listed.map(({ path, etag }) => `${path}\0${etag}`))
  for await (const { object } of readLedgerEntries(store, ledgerFiles)) {
    if (landing.some((prefix) => object.startsWith(prefix))) continue
    throw new InputError(
      `${location}: the ledger knows ${object}, which lies under none of ${landing.join(', ')}; give every landing prefix`,
    )
  }
  const prefix = `${stateFolder}/quarantine/`
  const quarantine = await store.list(prefix)
  if (quarantine.kind !== 'ok') throw failureError(prefix, 'listing', quarantine)
  const keepSinceMs = nowMs() - definition.landingDays * DAY_S * 1000
  const young = new Set(quarantine.objects.filter((each) => each.modifiedMs > keepSinceMs).map(({ path }) => path))
  return (entry) => versions.has(`${entry.object}\0${entry.etag}`) || young.has(entry.quarantine ?? '')
}

async function countDropped(
  { environment: { store } }: Table,
  { ledgerFiles }: TableState,
  isKept: (entry: LedgerEntry) => boolean,
): Promise<PurgeReport['ledger']> {
  const counts = { dropped: 0, kept: 0 }
  for await (const entry of readLedgerEntries(store, ledgerFiles)) counts[isKept(entry) ? 'kept' : 'dropped']++
  return counts
}
