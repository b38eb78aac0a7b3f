import { type ClusterEngine, type ClusterOptions, InputError, mergeLanding, type Table } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  allHoursOption,
  deadlineOption,
  dryRunOption,
  type EngineOptions,
  emrApplicationOption,
  emrRoleOption,
  engineOption,
  example,
  indexOption,
  itemBucketOption,
  jsonOption,
  type LogOptions,
  landingOption,
  landingPrefixes,
  logOption,
  memoryOption,
  noCommitOption,
  noFsyncOption,
  type OutputOptions,
  profileOption,
  quietOption,
  type SkipOptions,
  type StopOptions,
  type StoreOptions,
  shardOption,
  skipIfRunningOption,
  sparkSubmitOption,
  TABLE_ARGUMENT,
  threadsOption,
  type WriteOptions,
} from '../options.ts'
import { printJson, toJson, warn } from '../print.ts'
import { printReport, warnOf } from '../print-report.ts'
import { profilesIn } from '../profiles.ts'
import { showProgress } from '../progress.ts'
import { logFailure, runSummary } from '../run-summary.ts'
import { untilStopped } from '../signals.ts'
import { unlessRunning } from '../skip-if-running.ts'
import { SPARK_SUBMIT, sparkEngine } from '../spark-engine.ts'
import { toLandingPrefix } from '../table-location.ts'
import { planAndPrint } from './plan.ts'

interface MergeOptions
  extends EngineOptions,
    LogOptions,
    OutputOptions,
    SkipOptions,
    StopOptions,
    StoreOptions,
    WriteOptions {
  readonly dryRun?: true
  readonly allHours?: true
  readonly itemBucket?: readonly string[]
  readonly threads: number
  readonly memory: number
  readonly profile?: string
  readonly shard?: string
  readonly index: number
  readonly commit: boolean
}

export function mergeCommand(): Command {
  return new Command('merge')
    .description('Merge what has landed since the last merge: one row for each live key, the one written last.')
    .argument('[table]', TABLE_ARGUMENT)
    .addOption(landingOption().makeOptionMandatory(false))
    .addOption(shardOption())
    .addOption(indexOption())
    .addOption(noCommitOption())
    .addOption(skipIfRunningOption().conflicts('shard'))
    .addOption(allHoursOption())
    .addOption(itemBucketOption())
    .addOption(dryRunOption('say what would be touched, read and written; change nothing'))
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(engineOption())
    .addOption(sparkSubmitOption())
    .addOption(emrApplicationOption())
    .addOption(emrRoleOption())
    .addOption(noFsyncOption())
    .addOption(profileOption())
    .addOption(logOption())
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      example(
        'lastwrite merge ./lake/orders --landing ./landing/orders',
        'lastwrite merge --shard s3://lake/staging/monday/plan.json --index 3',
      ),
    )
    .action(merge)
}

async function merge(text: string | undefined, options: MergeOptions, command: Command): Promise<void> {
  if (options.shard !== undefined) {
    if (text !== undefined) command.error(`error: the plan says which table, not ${text}`)
    const { shard, index } = options
    const { mergeShardOf } = await import('./merge-shard.ts')
    return logFailure({ command: 'merge', location: shard }, options, () => mergeShardOf(shard, index, options))
  }
  if (text === undefined) return command.error("error: missing required argument 'table'")
  if (landingPrefixes(command).length === 0)
    return command.error("error: required option '--landing <prefix>' not specified")
  const run = { command: 'merge', location: text }
  return logFailure(run, options, () =>
    unlessRunning(run, options, () => mergeInto(text, landingPrefixes(command), options)),
  )
}

async function mergeInto(text: string, prefixes: readonly string[], options: MergeOptions): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(prefixes.map(toLandingPrefix))
  if (options.dryRun) return planAndPrint(table, landing, options)
  const progress = await showProgress(options)
  const profiles = options.profile === undefined ? null : await profilesIn(options.profile)
  const report = await untilStopped(options, (signal) =>
    mergeLanding(table, landing, {
      signal,
      onProgress: progress.show,
      allHours: options.allHours ?? false,
      itemBuckets: options.itemBucket ?? [],
      threads: options.threads,
      memoryBytes: options.memory,
      ...(options.engine !== 'node' && { cluster: clusterFor(table, options) }),
      ...(profiles !== null && { onProfile: profiles.add }),
    }),
  ).finally(progress.stop)
  await profiles?.write()
  warnOf(report)
  if (options.log === 'json') warn(toJson(runSummary(report, process.env, Date.now())))
  if (options.json) printJson(report)
  else if (options.log === 'text' && !options.quiet) printReport(report)
  process.exitCode = report.exitCode
}

function clusterFor(table: Table, options: MergeOptions): ClusterOptions {
  const { engine, deadline, sparkSubmit = SPARK_SUBMIT, emrApplication } = options
  return {
    engine: emrApplication === undefined ? sparkEngine(sparkSubmit) : emrEngine(table, emrApplication, options),
    use: engine === 'spark' ? 'always' : 'auto',
    deadlineMs: deadline,
  }
}

/** Who names an application has one: that it can be reached shows when there is something for it to do. */
function emrEngine({ environment }: Table, application: string, options: MergeOptions): ClusterEngine {
  const { emrRole: role, region, deadline: deadlineMs } = options
  if (role === undefined) throw new InputError('--emr-application needs --emr-role, the ARN of the role of its jobs')
  return {
    missing: async () => null,
    run: async (taskFiles, signal) => {
      // The SDK is not to load for a merge that needs no Spark.
      const { runOnEmrServerless } = await import('../emr-serverless.ts')
      await runOnEmrServerless({ application, role, region, deadlineMs }, environment, taskFiles, signal)
    },
  }
}
