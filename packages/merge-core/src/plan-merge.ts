// What a merge would do: everything up to the point where data files are opened.

import { QUARANTINED, STALE, SUPERSEDED } from './change/fold.ts'
import { groupBatch } from './fold-batch.ts'
import { defaultSpec } from './iceberg/metadata.ts'
import { partitionPath } from './iceberg/partition-path.ts'
import { withItemBuckets } from './landing/item-buckets.ts'
import { listOpenLanding } from './landing/list-landing.ts'
import { type LandedObject, readLanding } from './landing/read-landing.ts'
import type { SkippedLanding } from './landing/scan-landing.ts'
import { layoutAdvice } from './layout-advice.ts'
import { routeBatch } from './merge-batch.ts'
import type { MergeOptions } from './merge-run.ts'
import { readLedger } from './protected/ledger.ts'
import type { Table } from './table.ts'
import { loadState, wholeListingsOf } from './table-state.ts'

export interface MergePlan {
  readonly table: string
  readonly location: string
  readonly objects: {
    readonly listed: number
    /** As in a MergeReport. */
    readonly openSince: string | null
    readonly alreadyMerged: number
    readonly toMerge: number
    readonly skipped: number
  }
  /** `open` lines can still win: the stored rows decide. */
  readonly lines: {
    readonly read: number
    readonly open: number
    readonly superseded: number
    readonly stale: number
    readonly quarantined: number
    readonly otherTable: number
  }
  readonly tasks: readonly {
    readonly partition: string
    readonly files: number
    readonly fileBytes: number
    readonly changes: number
    /** No data file is read or written: removals of keys that no file can hold. */
    readonly tombstonesOnly: boolean
  }[]
  readonly bytes: { readonly landing: number; readonly files: number }
  readonly advice: readonly string[]
}

/**
 * Reads landing objects and metadata, no data file; writes nothing. Takes all landing objects as one commit: of lines that count as
 * superseded here, a merge of several commits may find some stale, and apply others before it replaces their rows.
 */
export async function planMerge(
  table: Table,
  landing: readonly string[],
  options: Pick<MergeOptions, 'onProgress' | 'allHours' | 'itemBuckets'> = {},
): Promise<MergePlan> {
  const { store } = table.environment
  const state = await loadState(table)
  const definition = withItemBuckets(state.definition, options.itemBuckets ?? [])
  const listings = options.allHours === true ? new Map() : wholeListingsOf(state.loaded.metadata)
  const nowS = Math.floor(table.environment.nowMs() / 1000)
  const { objects: listed, openSince } = await listOpenLanding(store, landing, listings, nowS)
  const ledger = await readLedger(store, state.ledgerFiles, listed)
  const unknown = listed.filter((object) => !ledger.has(object.path, object.etag))
  const read: (LandedObject | SkippedLanding)[] = []
  for (const object of unknown) {
    read.push(await readLanding(store, object, definition))
    options.onProgress?.({ step: 'scan', done: read.length, total: unknown.length, unit: 'objects' })
  }
  const readable = read.filter((each): each is LandedObject => !('reason' in each))
  const batch = await groupBatch(store, definition, readable)
  const excluded = new Uint8Array(batch.lines.count)
  const { folded, tasks, files } = await routeBatch(table, state, batch, excluded, { timed: (_, work) => work() })
  const classes = folded.fold.lineClass
  const count = (...wanted: number[]) =>
    classes.reduce((sum, lineClass) => sum + (wanted.includes(lineClass) ? 1 : 0), 0)
  const sum = (of: (landed: LandedObject) => number) => readable.reduce((total, landed) => total + of(landed), 0)
  const spec = defaultSpec(state.loaded.metadata)
  const fileBytes = tasks.reduce((total, task) => total + bytesOf(task.files), 0)
  return {
    table: state.definition.table,
    location: table.location,
    objects: {
      listed: listed.length,
      openSince,
      alreadyMerged: listed.length - unknown.length,
      toMerge: readable.length,
      skipped: read.length - readable.length,
    },
    lines: {
      read: sum(({ linesRead }) => linesRead),
      open: classes.length - count(SUPERSEDED, STALE, QUARANTINED),
      superseded: count(SUPERSEDED),
      stale: count(STALE),
      quarantined: count(QUARANTINED) + sum(({ quarantined }) => quarantined.length),
      otherTable: sum(({ otherTable }) => otherTable),
    },
    tasks: tasks.map((task) => ({
      partition: partitionPath(spec, task.partition),
      files: task.files.length,
      fileBytes: bytesOf(task.files),
      changes: task.to - task.from,
      tombstonesOnly: !task.touchesFiles,
    })),
    bytes: { landing: readable.reduce((total, { object }) => total + object.objectBytes, 0), files: fileBytes },
    advice: layoutAdvice(definition, { touched: fileBytes, table: bytesOf(files.live.dataFiles) }),
  }
}

function bytesOf(files: readonly { readonly file: { readonly fileBytes: number } }[]): number {
  return files.reduce((total, { file }) => total + file.fileBytes, 0)
}
