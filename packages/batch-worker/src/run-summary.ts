// What a merge says of itself in a container's log: one line of JSON that people search and CloudWatch takes its metrics from. So do a
// shard, a commit of shards, and a run that fails.
//
// The form is the Embedded Metric Format (Amazon CloudWatch User Guide, "Specification: Embedded metric format"): `_aws` names the members
// that are metrics. Only what alarms watch is one, as each costs by the month; the others can be searched in the log. There are counts and
// names in it, never a key or an item.

import type { MergeReport, ShardMerged, ShardsPlanned } from '@lastwrite/merge-core'
import { DONE, exitCodeOf } from './exit-codes.ts'
import type { LogOptions } from './options.ts'
import { toJson, warn } from './print.ts'

const NAMESPACE = 'lastwrite'
export const METRICS = [
  { Name: 'LinesRead', Unit: 'Count' },
  { Name: 'LinesQuarantined', Unit: 'Count' },
  { Name: 'LinesDeferred', Unit: 'Count' },
  { Name: 'Commits', Unit: 'Count' },
  { Name: 'Duration', Unit: 'Seconds' },
  { Name: 'OldestUnmergedAge', Unit: 'Seconds' },
] as const

/** @param environment tells which job of AWS Batch it is */
export function runSummary(report: MergeReport, environment: NodeJS.ProcessEnv, nowMs: number): object {
  const { table, location, lines, rows, objects, files, bytes, requests, peakMemoryBytes, seconds, exitCode } = report
  const { skipped, oldestUnmergedS, ...counts } = objects
  return {
    _aws: {
      Timestamp: nowMs,
      CloudWatchMetrics: [{ Namespace: NAMESPACE, Dimensions: [['Table']], Metrics: METRICS }],
    },
    Table: table,
    LinesRead: lines.read,
    LinesQuarantined: lines.quarantined,
    LinesDeferred: lines.deferred,
    Commits: report.commits.length,
    Duration: seconds.total,
    OldestUnmergedAge: oldestUnmergedS,
    exitCode,
    job: jobIn(environment),
    location,
    // Beyond 2 ** 53 readers of JSON lose digits.
    snapshot: report.snapshot === null ? null : String(report.snapshot),
    lines,
    rows,
    objects: { ...counts, skipped: skipped.length },
    files,
    bytes,
    requests,
    peakMemoryBytes,
    seconds,
  }
}

/** Of a shard's merge; where it was the last, of the commit too. */
export function shardSummary(merged: ShardMerged, environment: NodeJS.ProcessEnv, nowMs: number): object {
  const { commit, exitCode, damaged, warnings, ...shard } = merged
  return {
    ...(commit === null ? { job: jobIn(environment) } : runSummary(commit, environment, nowMs)),
    exitCode,
    shard: { ...shard, damaged: damaged.length, warnings: warnings.length },
  }
}

/** Of a plan: its report is that of a merge which has merged nothing yet. */
export function planSummary(
  { plan, report, objectsLeft }: ShardsPlanned,
  jobs: object | null,
  environment: NodeJS.ProcessEnv,
  nowMs: number,
): object {
  const planned = plan === null ? null : { path: plan.path, shards: plan.shards.length, objectsLeft, jobs }
  return { ...runSummary(report, environment, nowMs), plan: planned }
}

/** Of a run that was left to another job. */
export function skipSummary(run: RunOf, skipped: object, environment: NodeJS.ProcessEnv): object {
  return { ...run, exitCode: DONE, skipped, job: jobIn(environment) }
}

/** What was asked for: the command, and the table or the plan. */
export interface RunOf {
  readonly command: string
  readonly location: string
}

/**
 * Does a run's work. If it throws, the log that containers ask for has the exit code and the class of the error in one line; its
 * message goes to standard error as always.
 */
export async function logFailure(run: RunOf, { log }: LogOptions, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (log === 'json') warn(toJson({ ...run, ...failure(error), job: jobIn(process.env) }))
    throw error
  }
}

function failure(error: unknown): object {
  return { exitCode: exitCodeOf(error), error: error instanceof Error ? error.name : typeof error }
}

function jobIn(environment: NodeJS.ProcessEnv): object {
  return {
    id: environment.AWS_BATCH_JOB_ID ?? null,
    attempt: numberOf(environment.AWS_BATCH_JOB_ATTEMPT),
    index: numberOf(environment.AWS_BATCH_JOB_ARRAY_INDEX),
  }
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}
