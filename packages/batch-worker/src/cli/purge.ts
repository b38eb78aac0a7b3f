import { purgeTable } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  dryRunOption,
  example,
  jsonOption,
  landingOption,
  landingPrefixes,
  type MaintenanceOptions,
  quietOption,
  TABLE_ARGUMENT,
} from '../options.ts'
import { printJson } from '../print.ts'
import { printPurge } from '../print-maintenance.ts'
import { toLandingPrefix } from '../table-location.ts'

export function purgeCommand(): Command {
  return new Command('purge')
    .description(
      'Forget removals that are older than tombstone_days and that no change under way can precede, and landing objects ' +
        'that are gone. Needs every landing prefix: what is not merged yet decides how far it may go.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(dryRunOption('say what would be forgotten; change nothing'))
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite purge ./lake/orders --landing ./landing/orders'))
    .action(purge)
}

async function purge(text: string, options: MaintenanceOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  const report = await purgeTable(table, landing, { dryRun: options.dryRun ?? false })
  if (options.json) printJson(report)
  else if (!options.quiet) printPurge(report)
}
