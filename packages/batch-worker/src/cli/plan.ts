import { planMerge } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, landingOption, landingPrefixes, TABLE_ARGUMENT } from '../options.ts'
import { printJson } from '../print.ts'
import { printPlan } from '../print-plan.ts'
import { toLandingPrefix } from '../table-location.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description('Say what a merge would touch, read and write, with advice on the layout. Changes nothing.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(jsonOption('the plan'))
    .addHelpText('after', example('lastwrite plan ./lake/orders --landing ./landing/orders'))
    .action(plan)
}

async function plan(text: string, options: { readonly json?: true }, command: Command): Promise<void> {
  const table = await openTableAt(text)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  const plan = await planMerge(table, landing)
  if (options.json) printJson(plan)
  else printPlan(plan)
}
