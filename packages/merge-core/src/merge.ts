// START HERE. One merge of landing objects into a table.
//
//   plan    list the landing objects, drop those in the ledger, take the oldest up to the budget of one commit
//   scan    read each line: key, version, and its item into typed columns
//   fold    keep per (partition, key) what can still win
//   locate  route the changes to the data files that can hold their keys: one task a cluster of files
//   merge   each task's files, row groups without an applied change copied as they are
//   commit  one snapshot with the new files, the ledger and the tombstones; on a lost race, again from the table's new state
//
// What is left of the landing objects is the next commit of the same run.

import { commitBatch } from './commit-batch.ts'
import { type MergeOptions, timed, withRun } from './merge-run.ts'
import { noteListing } from './note-listing.ts'
import type { MergeReport } from './report.ts'
import type { Table } from './table.ts'
import { listOpen, look, takeBatch } from './take-batch.ts'

/**
 * Merges the landing objects under the prefixes (`s3://bucket/landing/`, `file:///landing/`) that the table's ledger does not know.
 * Bad lines and broken objects are quarantined, unreadable objects skipped, changes to a damaged data file deferred: the report says
 * so, and its `exitCode` is the worker's. So it is with a run that was stopped.
 * @throws TryAgainError, InputError, DamagedObjectError where nothing more could be committed
 */
export function mergeLanding(
  table: Table,
  landing: readonly string[],
  options: MergeOptions = {},
): Promise<MergeReport> {
  return withRun(table, landing, options, async (run) => {
    const first = await timed(run, 'plan', () => look(run))
    const { objects, openSince, whole } = await timed(run, 'plan', () => listOpen(run, first))
    Object.assign(run.report.objects, { listed: objects.length, openSince })
    run.objects = objects
    run.unmerged = objects
    while (run.objects.length > 0) {
      const batch = await takeBatch(run)
      if (batch.landing.length > 0) await commitBatch(run, batch)
      run.here.memory?.release()
      run.unmerged = run.objects
    }
    const isAllMerged = run.skipped.length === 0 && run.report.damaged.length === 0
    if (whole.size > 0 && isAllMerged) await timed(run, 'commit', () => noteListing(run.table, first, whole))
  })
}
