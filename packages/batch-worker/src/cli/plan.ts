import { planMerge, type Table } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  allHoursOption,
  example,
  itemBucketOption,
  jsonOption,
  landingOption,
  landingPrefixes,
  type OutputOptions,
  type StoreOptions,
  TABLE_ARGUMENT,
} from '../options.ts'
import { printJson } from '../print.ts'
import { printPlan } from '../print-plan.ts'
import { showProgress } from '../progress.ts'
import { toLandingPrefix } from '../table-location.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description(
      'Say what a merge would touch, read and write, with advice on the layout. Changes nothing. ' +
        'Takes all that has landed as one commit: a merge that takes several finds some of the superseded lines stale, ' +
        'or applies them before it replaces their rows.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(allHoursOption())
    .addOption(itemBucketOption())
    .addOption(jsonOption('the plan'))
    .addOption(new Option('--quiet', 'show no progress').env('LASTWRITE_QUIET'))
    .addHelpText('after', example('lastwrite plan ./lake/orders --landing ./landing/orders'))
    .action(plan)
}

interface PlanOptions extends OutputOptions {
  readonly allHours?: true
  readonly itemBucket?: readonly string[]
}

async function plan(text: string, options: PlanOptions & StoreOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  await planAndPrint(table, await Promise.all(landingPrefixes(command).map(toLandingPrefix)), options)
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
