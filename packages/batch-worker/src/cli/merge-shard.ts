// `merge --shard` and `commit`: what a child of an array job runs.

import {
  type MergeOptions,
  mergeShard,
  readPlan,
  type ShardMerged,
  type ShardPlan,
  type Table,
} from '@lastwrite/merge-core'
import { openTableAt, workerEnvironment } from '../open-table.ts'
import type { LogOptions, OutputOptions, StopOptions, StoreOptions, WriteOptions } from '../options.ts'
import { breakdown, byteSize, count, counted, print, printFacts, printJson, toJson, warn } from '../print.ts'
import { printReport, warnOf } from '../print-report.ts'
import { showProgress } from '../progress.ts'
import { shardSummary } from '../run-summary.ts'
import { untilStopped } from '../signals.ts'
import { toLocation } from '../table-location.ts'

export interface ShardOptions extends LogOptions, OutputOptions, StopOptions, StoreOptions, WriteOptions {
  readonly threads: number
  readonly memory: number
  readonly itemBucket?: readonly string[]
}

/** The plan at a path as a person types it, and the table that it is for. */
export async function openPlan(
  text: string,
  options: StoreOptions & WriteOptions,
): Promise<{ readonly plan: ShardPlan; readonly table: Table }> {
  const plan = await readPlan(workerEnvironment(options).store, toLocation(text))
  return { plan, table: await openTableAt(plan.address, options) }
}

export function mergeOptionsOf(options: ShardOptions, signal: AbortSignal): MergeOptions {
  const { threads, memory: memoryBytes, itemBucket: itemBuckets = [] } = options
  return { signal, threads, memoryBytes, itemBuckets }
}

export async function mergeShardOf(
  text: string,
  shard: number,
  options: ShardOptions & { readonly commit: boolean },
): Promise<void> {
  const { plan, table } = await openPlan(text, options)
  const progress = await showProgress(options)
  const merged = await untilStopped(options, (signal) =>
    mergeShard(table, plan, shard, {
      ...mergeOptionsOf(options, signal),
      commits: options.commit,
      onProgress: progress.show,
    }),
  ).finally(progress.stop)
  for (const { path, message } of merged.damaged) warn(`damaged: ${path}: ${message}`)
  for (const warning of merged.warnings) warn(`warning: ${warning}`)
  if (merged.commit !== null) warnOf(merged.commit)
  if (options.log === 'json') warn(toJson(shardSummary(merged, process.env, Date.now())))
  if (options.json) printJson(merged)
  else if (options.log === 'text' && !options.quiet) printMerged(merged)
  process.exitCode = merged.exitCode
}

function printMerged({ shard, shards, isMerged, files, bytes, requests, seconds, commit }: ShardMerged): void {
  if (!isMerged) print(shard < shards ? `shard ${shard} has its result` : `the plan has ${counted(shards, 'shard')}`)
  else {
    print(`shard ${shard} of ${count(shards)}: merged`)
    printFacts([
      ['files', breakdown({ ...files })],
      ['bytes', `${byteSize(bytes.read)} read · ${byteSize(bytes.written)} written · ${byteSize(bytes.copied)} copied`],
      ['requests', breakdown({ ...requests })],
      ['seconds', seconds.toFixed(2)],
    ])
  }
  if (commit !== null) printReport(commit)
}
