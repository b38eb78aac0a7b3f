import { type PlanShardsOptions, planMerge, planShards, type Table } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  allHoursOption,
  example,
  itemBucketOption,
  jsonOption,
  landingOption,
  landingPrefixes,
  memoryOption,
  noFsyncOption,
  type OutputOptions,
  outOption,
  type StoreOptions,
  shardsOption,
  TABLE_ARGUMENT,
  threadsOption,
  type WriteOptions,
} from '../options.ts'
import { counted, nothingToDo, print, printJson } from '../print.ts'
import { printPlan } from '../print-plan.ts'
import { warnOf } from '../print-report.ts'
import { showProgress } from '../progress.ts'
import { parseTableAddress } from '../table-address.ts'
import { toLandingPrefix, toLocation } from '../table-location.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description(
      'Say what a merge would touch, read and write, with advice on the layout. Changes nothing of the table. ' +
        'Takes all that has landed as one commit: a merge that takes several finds some of the superseded lines stale, ' +
        'or applies them before it replaces their rows. With --shards it writes the plan of one commit for several processes.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(allHoursOption())
    .addOption(itemBucketOption())
    .addOption(shardsOption())
    .addOption(outOption())
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(noFsyncOption())
    .addOption(jsonOption('the plan'))
    .addOption(new Option('--quiet', 'show no progress').env('LASTWRITE_QUIET'))
    .addHelpText(
      'after',
      example(
        'lastwrite plan ./lake/orders --landing ./landing/orders',
        'lastwrite plan s3://lake/orders --landing s3://landing/orders/ --shards 100 --out s3://lake/staging/monday',
      ),
    )
    .action(plan)
}

interface PlanOptions extends OutputOptions {
  readonly allHours?: true
  readonly itemBucket?: readonly string[]
}

interface ShardsOptions extends PlanOptions, StoreOptions, WriteOptions {
  readonly shards?: number
  readonly out?: string
  readonly threads: number
  readonly memory: number
}

async function plan(text: string, options: ShardsOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  const { shards, out, threads, memory: memoryBytes, allHours = false, itemBucket: itemBuckets = [] } = options
  if (shards === undefined) {
    if (out !== undefined)
      command.error('error: --out is the folder of a plan for several processes; give --shards, too')
    return planAndPrint(table, landing, options)
  }
  const address = parseTableAddress(text)
  await planShardsAndPrint(table, landing, options, {
    shards,
    // The shards may be started in another folder.
    address: address.kind === 'location' ? address.location : text,
    ...(out !== undefined && { out: toLocation(out).replace(/\/+$/, '') }),
    ...{ threads, memoryBytes, allHours, itemBuckets },
  })
}

async function planShardsAndPrint(
  table: Table,
  landing: readonly string[],
  { json, quiet }: PlanOptions,
  options: PlanShardsOptions,
): Promise<void> {
  const progress = await showProgress({ ...(quiet && { quiet }) })
  const { plan, report, objectsLeft } = await planShards(table, landing, {
    ...options,
    onProgress: progress.show,
  }).finally(progress.stop)
  warnOf(report)
  const shards = plan?.shards ?? []
  if (json)
    printJson({
      table: report.table,
      plan: plan?.path ?? null,
      shards: shards.map(({ tasks }) => ({
        tasks: tasks.length,
        changes: tasks.reduce((sum, { from, to }) => sum + to - from, 0),
        fileBytes: tasks.reduce((sum, { files }) => files.reduce((bytes, { file }) => bytes + file.fileBytes, sum), 0),
      })),
      objects: { planned: plan?.landing.length ?? 0, left: objectsLeft },
    })
  else if (plan === null) print(nothingToDo(report.table, report.objects))
  else {
    const left = objectsLeft === 0 ? '' : `, ${counted(objectsLeft, 'object')} left for the next plan`
    print(`${report.table}: ${counted(shards.length, 'shard')} of ${counted(plan.landing.length, 'object')}${left}`)
    print(plan.path)
  }
  process.exitCode = report.exitCode
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
