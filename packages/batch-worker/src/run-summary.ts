// What a merge says of itself in a container's log: one line of JSON that people search and CloudWatch takes its metrics from.
//
// The form is the Embedded Metric Format (Amazon CloudWatch User Guide, "Specification: Embedded metric format"): `_aws` names the members
// that are metrics. Only what alarms watch is one, as each costs by the month; the others can be searched in the log. There are counts and
// names in it, never a key or an item.

import type { MergeReport } from '@lastwrite/merge-core'

const NAMESPACE = 'lastwrite'
const METRICS = [
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
    job: {
      id: environment.AWS_BATCH_JOB_ID ?? null,
      attempt: numberOf(environment.AWS_BATCH_JOB_ATTEMPT),
      index: numberOf(environment.AWS_BATCH_JOB_ARRAY_INDEX),
    },
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

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}
