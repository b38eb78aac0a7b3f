// Holds a table against a DynamoDB export at a time T, key by key: as it was then, so it must be, but for what changed since.
//
//   1  All that can have happened before T must be merged: what landed up to a day and an hour later.
//   2  Of the export's items and the table's rows digests are compared, a part of all keys at a time, as many as fit in memory.
//   3  What differs is read once more and named with both versions.
//
// A key of which a row or a tombstone tells of a change as late as T was another one then, and nobody can say which.

import { InputError, TryAgainError } from '../errors.ts'
import { readManifest } from '../export/manifest.ts'
import { invariant } from '../invariant.ts'
import { hourInName, listLanding } from '../landing/list-landing.ts'
import { readLedger } from '../protected/ledger.ts'
import { stoppable } from '../store/stoppable.ts'
import { loadFiles } from '../stored-files.ts'
import type { Table } from '../table.ts'
import { loadState, snapshotIdOf, type TableState } from '../table-state.ts'
import { classOf, comparePart, isDifference, type KeyClass } from './compare-part.ts'
import type { Comparison } from './comparison.ts'
import { BYTES_PER_KEY } from './key-table.ts'
import { type Difference, nameDifferences } from './name-differences.ts'

export interface VerifyOptions {
  /** Prefix of a full export. */
  readonly against: string
  /** Every prefix that the table is merged from. */
  readonly landing: readonly string[]
  /** Do not wait until what was written before the export must have landed. Default false. */
  readonly now?: boolean
  /** Given each difference, up to `limit`. */
  readonly onDifference?: (difference: Difference) => void | Promise<void>
  /** How many differences are named; all are counted. Default: all. */
  readonly limit?: number
  /** What the process may take, in bytes. More keys than fit are compared in several passes. Default 512 MiB. */
  readonly memoryBytes?: number
  /** How many keys a pass takes. Default: by `memoryBytes`. */
  readonly keysAtOnce?: number
  readonly onProgress?: (progress: VerifyProgress) => void
  /** Aborted to stop the run. */
  readonly signal?: AbortSignal | undefined
}

export interface VerifyProgress {
  readonly step: 'verify'
  readonly done: number
  readonly total: number
  readonly unit: 'files'
}

export interface VerifyReport {
  readonly table: string
  readonly location: string
  /** Of the table. */
  readonly snapshot: bigint | null
  readonly export: string
  /** The time of the export, ISO 8601, UTC. */
  readonly at: string
  readonly items: number
  /** Every key of the export, of the table and of late tombstones is in one of them. */
  readonly keys: Record<KeyClass, number>
  readonly equal: boolean
  /** 21 where something differs. */
  readonly exitCode: 0 | 21
}

const MEMORY_BYTES = 512 * 1024 * 1024
/** Node itself, a row group, a block of an export. */
const BASE_BYTES = 288 * 1024 * 1024
const KEYS_AT_ONCE_MIN = 1_000_000
/** What the stream holds, and the hour to which names of landing objects are rounded. */
const ARRIVAL_S = 25 * 3600

/**
 * @throws InputError where the export is none of this table, or of before what the table still knows; TryAgainError where not all is
 *   merged that may have happened before it
 */
export async function verifyAgainstExport(given: Table, options: VerifyOptions): Promise<VerifyReport> {
  const environment = stoppable(given.environment, options.signal)
  const { store } = environment
  const table = { ...given, environment }
  const state = await loadState(table)
  const manifest = await readManifest(store, options.against)
  checkExport(state, manifest)
  await checkMerged(table, state, manifest.timeMs, options)
  const { byPartition } = await loadFiles(table, state)
  const comparison = comparisonOf({ store, manifest, files: [...byPartition.values()].flat() }, state)
  const slices = slicesOf(comparison, options)
  const keys: VerifyReport['keys'] = {
    equal: 0,
    changedSince: 0,
    expired: 0,
    different: 0,
    onlyInExport: 0,
    onlyInTable: 0,
    repeated: 0,
  }
  const total = slices.of * (manifest.files.length + comparison.files.length)
  let done = 0
  let named = 0
  for (let number = 0; number < slices.of; number++) {
    const slice = { number, of: slices.of }
    const part = await comparePart(comparison, slice, slices.keysMax, () => {
      options.onProgress?.({ step: 'verify', done: ++done, total, unit: 'files' })
    })
    for (let entry = 0; entry < part.count; entry++) keys[classOf(part.flags[entry]!)]++
    const left = (options.limit ?? Number.POSITIVE_INFINITY) - named
    if (options.onDifference === undefined || left <= 0) continue
    for await (const difference of nameDifferences(comparison, part, slice, left)) {
      named++
      await options.onDifference(difference)
    }
  }
  const equal = (Object.keys(keys) as KeyClass[]).every((kind) => !isDifference(kind) || keys[kind] === 0)
  return {
    table: state.definition.table,
    location: state.location,
    snapshot: snapshotIdOf(state),
    export: manifest.location,
    at: new Date(manifest.timeMs).toISOString(),
    items: manifest.items,
    keys,
    equal,
    exitCode: equal ? 0 : 21,
  }
}

function checkExport({ definition, watermark, floor }: TableState, manifest: Comparison['manifest']): void {
  const refuse = (what: string): never => {
    throw new InputError(`${manifest.location}: ${what}`)
  }
  const { kind, table, source, timeMs } = manifest
  if (kind !== 'full') refuse('is an incremental export, which does not tell of every item; give a full one')
  if (table !== definition.table || source !== definition.source) {
    refuse(`is of table ${table} of ${source}, this one is ${definition.table} of ${definition.source}`)
  }
  // The removal of a key that the export holds may be forgotten by now.
  const isForgotten = watermark !== null && timeMs / 1000 - 1 <= watermark
  if (isForgotten || (floor !== null && timeMs / 1000 < floor)) {
    const since = new Date(Math.max(watermark ?? 0, floor ?? 0) * 1000).toISOString()
    refuse(
      `is of ${new Date(timeMs).toISOString()}, and not all that went up to ${since} is remembered; make a new export`,
    )
  }
}

async function checkMerged(
  { environment, location }: Table,
  { ledgerFiles }: TableState,
  timeMs: number,
  { landing, now = false }: VerifyOptions,
): Promise<void> {
  const arrivedS = timeMs / 1000 + ARRIVAL_S
  if (!now && environment.nowMs() / 1000 < arrivedS) {
    throw new TryAgainError(
      `${location}: what was written before the export may land until ${new Date(arrivedS * 1000).toISOString()}; ` +
        'run again then, or take what has landed for all with --now',
    )
  }
  const listed = await listLanding(environment.store, landing)
  const concerned = listed.filter(({ path }) => (hourInName(path) ?? 0) <= arrivedS)
  const ledger = await readLedger(environment.store, ledgerFiles, concerned)
  const unmerged = concerned.filter(({ path, etag }) => !ledger.has(path, etag))
  if (unmerged.length === 0) return
  throw new TryAgainError(
    `${location}: landing objects that may tell of changes before the export are not merged: ${unmerged.length}, ` +
      `${unmerged[0]!.path} the first; merge them, then run again`,
  )
}

function comparisonOf(
  sides: Pick<Comparison, 'store' | 'manifest' | 'files'>,
  { definition, fields, tombstoneFiles }: TableState,
): Comparison {
  const { keyColumns, columns, onTtl } = definition
  // Metadata columns stand behind the declared ones, which may have their names.
  const own = fields.slice(0, definition.fields.length)
  const fieldOf = (name: string) => {
    const field = own.findLast((each) => each.name === name)
    invariant(field !== undefined, `a table of lastwrite has the column ${name}`)
    return field
  }
  return {
    ...sides,
    definition,
    tombstoneFiles,
    keyFields: fields.slice(0, keyColumns),
    valueFields: [...fields.slice(keyColumns, columns.length), fieldOf('_extra')],
    updatedAt: fieldOf('_updated_at'),
    stream: fieldOf('_stream'),
    sequence: fieldOf('_sequence'),
    expiredAt: onTtl === 'keep' ? fieldOf('_expired_at') : null,
  }
}

function slicesOf(
  { manifest, files, tombstoneFiles }: Comparison,
  { memoryBytes = MEMORY_BYTES, keysAtOnce }: VerifyOptions,
): { readonly of: number; readonly keysMax: number } {
  const rows = files.reduce((sum, { file }) => sum + file.records, 0)
  const tombstones = tombstoneFiles.reduce((sum, file) => sum + file.rows, 0)
  const keysMax = manifest.items + rows + tombstones
  const most = keysAtOnce ?? Math.max(KEYS_AT_ONCE_MIN, (memoryBytes - BASE_BYTES) / BYTES_PER_KEY)
  const of = Math.max(1, Math.ceil(keysMax / most))
  // Digests deal keys out evenly: of a million keys, to within a few thousand.
  return { of, keysMax: of === 1 ? keysMax : Math.min(keysMax, Math.ceil((keysMax / of) * 1.02) + 1000) }
}
