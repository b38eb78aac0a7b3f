import { commitShards } from '@lastwrite/merge-core'
import { Command } from 'commander'
import {
  deadlineOption,
  example,
  itemBucketOption,
  jsonOption,
  logOption,
  memoryOption,
  noFsyncOption,
  quietOption,
  threadsOption,
} from '../options.ts'
import { printJson, toJson, warn } from '../print.ts'
import { printReport, warnOf } from '../print-report.ts'
import { showProgress } from '../progress.ts'
import { logFailure, runSummary } from '../run-summary.ts'
import { untilStopped } from '../signals.ts'
import { mergeOptionsOf, openPlan, type ShardOptions } from './merge-shard.ts'

export function commitCommand(): Command {
  return new Command('commit')
    .description(
      'Commit what the shards of a plan have merged, as one snapshot. The last shard does so itself; this is for whoever stopped it. ' +
        'A plan is committed once, however often it is asked.',
    )
    .argument('<plan>', 'the plan.json that `lastwrite plan --shards` wrote')
    .addOption(itemBucketOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(noFsyncOption())
    .addOption(logOption())
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite commit s3://lake/staging/monday/plan.json'))
    .action((plan: string, options: ShardOptions) =>
      logFailure({ command: 'commit', location: plan }, options, () => commit(plan, options)),
    )
}

async function commit(text: string, options: ShardOptions): Promise<void> {
  const { plan, table } = await openPlan(text, options)
  const progress = await showProgress(options)
  const report = await untilStopped(options, (signal) =>
    commitShards(table, plan, { ...mergeOptionsOf(options, signal), onProgress: progress.show }),
  ).finally(progress.stop)
  warnOf(report)
  if (options.log === 'json') warn(toJson(runSummary(report, process.env, Date.now())))
  if (options.json) printJson(report)
  else if (options.log === 'text' && !options.quiet) printReport(report)
  process.exitCode = report.exitCode
}
