import { cleanTable } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import { dryRunOption, example, jsonOption, type MaintenanceOptions, quietOption, TABLE_ARGUMENT } from '../options.ts'
import { print, printJson } from '../print.ts'
import { printClean } from '../print-maintenance.ts'

export function cleanCommand(): Command {
  return new Command('clean')
    .description(
      'Delete files that nothing names and that are older than 24 hours: leftovers of runs that were killed or lost a race, ' +
        'and of expired snapshots. A dry run lists them.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(dryRunOption('list what would be deleted; delete nothing'))
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite clean ./lake/orders --dry-run'))
    .action(clean)
}

async function clean(text: string, options: MaintenanceOptions): Promise<void> {
  const table = await openTableAt(text, options)
  const report = await cleanTable(table, { dryRun: options.dryRun ?? false })
  if (options.json) return printJson(report)
  if (options.quiet) return
  if (options.dryRun) for (const path of report.paths) print(path)
  printClean(report)
}
