import { planMerge, planShards, type ShardPlan, type ShardsPlanned, type Table } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import type { SubmittedJobs } from '../batch-jobs.ts'
import { DONE } from '../exit-codes.ts'
import { openTableAt } from '../open-table.ts'
import {
  allHoursOption,
  commitJobOption,
  deadlineOption,
  example,
  itemBucketOption,
  jsonOption,
  type LogOptions,
  landingOption,
  landingPrefixes,
  logOption,
  memoryOption,
  noFsyncOption,
  type OutputOptions,
  outOption,
  queueOption,
  type SkipOptions,
  type StopOptions,
  type StoreOptions,
  shardJobOption,
  shardsOption,
  skipIfRunningOption,
  submitOption,
  TABLE_ARGUMENT,
  threadsOption,
  type WriteOptions,
} from '../options.ts'
import { count, counted, nothingToDo, print, printJson, toJson, warn } from '../print.ts'
import { printPlan } from '../print-plan.ts'
import { warnOf } from '../print-report.ts'
import { showProgress } from '../progress.ts'
import { logFailure, planSummary } from '../run-summary.ts'
import { untilStopped } from '../signals.ts'
import { unlessRunning } from '../skip-if-running.ts'
import { parseTableAddress } from '../table-address.ts'
import { toLandingPrefix, toLocation } from '../table-location.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description(
      'Say what a merge would touch, read and write, with advice on the layout. Changes nothing of the table. ' +
        'Takes all that has landed as one commit: a merge that takes several finds some of the superseded lines stale, ' +
        'or applies them before it replaces their rows. With --shards it writes the plan of one commit for several processes, and ' +
        'with --submit has jobs of AWS Batch do it.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(allHoursOption())
    .addOption(itemBucketOption())
    .addOption(shardsOption())
    .addOption(outOption())
    .addOption(submitOption())
    .addOption(queueOption())
    .addOption(shardJobOption())
    .addOption(commitJobOption())
    .addOption(skipIfRunningOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(noFsyncOption())
    .addOption(logOption())
    .addOption(jsonOption('the plan'))
    .addOption(new Option('--quiet', 'show no progress').env('LASTWRITE_QUIET'))
    .addHelpText(
      'after',
      example(
        'lastwrite plan ./lake/orders --landing ./landing/orders',
        'lastwrite plan s3://lake/orders --landing s3://landing/orders/ --shards 100 --out s3://lake/staging/monday',
        'lastwrite plan s3://lake/orders --landing s3://landing/orders/ --shards 100 --submit --queue lake --shard-job shard --commit-job commit',
      ),
    )
    .action(plan)
}

interface PlanOptions extends OutputOptions {
  readonly allHours?: true
  readonly itemBucket?: readonly string[]
}

interface ShardsOptions extends LogOptions, PlanOptions, SkipOptions, StopOptions, StoreOptions, WriteOptions {
  readonly shards?: number
  readonly out?: string
  readonly submit?: true
  readonly queue?: string
  readonly shardJob?: string
  readonly commitJob?: string
  readonly threads: number
  readonly memory: number
}

async function plan(text: string, options: ShardsOptions, command: Command): Promise<void> {
  const { shards, out, submit: isSubmitting = false } = options
  const run = { command: 'plan', location: text }
  if (shards !== undefined) {
    const submit = isSubmitting ? await submitterOf(shards, options, command) : null
    return logFailure(run, options, () =>
      unlessRunning(run, options, () => planForShards(text, shards, landingPrefixes(command), submit, options)),
    )
  }
  if (isSubmitting) command.error('error: --submit is for the shards of a plan; give --shards, too')
  if (out !== undefined) command.error('error: --out is the folder of a plan for several processes; give --shards, too')
  const table = await openTableAt(text, options)
  return planAndPrint(table, await Promise.all(landingPrefixes(command).map(toLandingPrefix)), options)
}

type Submit = (plan: ShardPlan) => Promise<SubmittedJobs>

async function submitterOf(
  shards: number,
  { queue, shardJob, commitJob, region }: ShardsOptions,
  command: Command,
): Promise<Submit> {
  if (queue === undefined || shardJob === undefined || commitJob === undefined)
    return command.error('error: --submit needs --queue, --shard-job and --commit-job')
  const { ARRAY_SIZE_MAX, submitPlan } = await import('../batch-jobs.ts')
  if (shards > ARRAY_SIZE_MAX)
    return command.error(`error: an array job takes ${count(ARRAY_SIZE_MAX)} shards at most, not ${count(shards)}`)
  return (plan) => submitPlan(plan, { queue, shardJob, commitJob, ...(region !== undefined && { region }) })
}

async function planForShards(
  text: string,
  shards: number,
  prefixes: readonly string[],
  submit: Submit | null,
  options: ShardsOptions,
): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(prefixes.map(toLandingPrefix))
  const address = parseTableAddress(text)
  const { out, threads, memory: memoryBytes, allHours = false, itemBucket: itemBuckets = [] } = options
  const progress = await showProgress(options)
  const planned = await untilStopped(options, (signal) =>
    planShards(table, landing, {
      shards,
      // The shards may be started in another folder.
      address: address.kind === 'location' ? address.location : text,
      ...(out !== undefined && { out: toLocation(out).replace(/\/+$/, '') }),
      ...{ threads, memoryBytes, allHours, itemBuckets, signal },
      onProgress: progress.show,
    }),
  ).finally(progress.stop)
  const { plan, report } = planned
  warnOf(report)
  const jobs = plan === null || submit === null ? null : await submit(plan)
  if (options.log === 'json') warn(toJson(planSummary(planned, jobs, process.env, Date.now())))
  if (options.json) printJson(planJson(planned, jobs))
  else if (options.log === 'text') printShards(planned, jobs)
  process.exitCode = report.exitCode
}

function planJson({ plan, report, objectsLeft }: ShardsPlanned, jobs: SubmittedJobs | null): object {
  return {
    table: report.table,
    plan: plan?.path ?? null,
    shards: (plan?.shards ?? []).map(({ tasks }) => ({
      tasks: tasks.length,
      changes: tasks.reduce((sum, { from, to }) => sum + to - from, 0),
      fileBytes: tasks.reduce((sum, { files }) => files.reduce((bytes, { file }) => bytes + file.fileBytes, sum), 0),
    })),
    objects: { planned: plan?.landing.length ?? 0, left: objectsLeft },
    jobs,
  }
}

function printShards({ plan, report, objectsLeft }: ShardsPlanned, jobs: SubmittedJobs | null): void {
  const { table, objects, exitCode } = report
  if (plan === null) {
    print(exitCode === DONE ? nothingToDo(table, objects) : `${table}: nothing planned`)
    return
  }
  const left = objectsLeft === 0 ? '' : `, ${counted(objectsLeft, 'object')} left for the next plan`
  print(`${table}: ${counted(plan.shards.length, 'shard')} of ${counted(plan.landing.length, 'object')}${left}`)
  print(plan.path)
  if (jobs !== null) print(`submitted: shards ${jobs.shards} · commit ${jobs.commit}`)
}

export async function planAndPrint(table: Table, landing: readonly string[], options: PlanOptions): Promise<void> {
  const progress = await showProgress(options)
  const plan = await planMerge(table, landing, {
    onProgress: progress.show,
    allHours: options.allHours ?? false,
    itemBuckets: options.itemBucket ?? [],
  }).finally(progress.stop)
  if (options.json) printJson(plan)
  else printPlan(plan)
}
