import { maintainTable } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  deadlineOption,
  dryRunOption,
  example,
  jsonOption,
  keepHoursOption,
  keepSnapshotsOption,
  landingOption,
  landingPrefixes,
  type MaintenanceOptions,
  quietOption,
  retentionOf,
  type StopOptions,
  TABLE_ARGUMENT,
} from '../options.ts'
import { printJson, warn } from '../print.ts'
import { printClean, printExpire, printPurge } from '../print-maintenance.ts'
import { untilStopped } from '../signals.ts'
import { toLandingPrefix } from '../table-location.ts'

export function maintainCommand(): Command {
  return new Command('maintain')
    .description(
      'Expire, purge and clean by the settings of the table: a daily job. Safe beside merges and queries. ' +
        'Without --landing nothing is purged.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption().makeOptionMandatory(false))
    .addOption(keepHoursOption())
    .addOption(keepSnapshotsOption())
    .addOption(deadlineOption())
    .addOption(dryRunOption('say what would be done; change nothing'))
    .addOption(jsonOption('the reports'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite maintain ./lake/orders --landing ./landing/orders'))
    .action(maintain)
}

async function maintain(text: string, options: MaintenanceOptions & StopOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  const { expire, purge, clean } = await untilStopped(options, (signal) =>
    maintainTable(table, landing, { ...retentionOf(options), dryRun: options.dryRun ?? false, signal }),
  )
  if (purge === null) warn('warning: nothing was purged; give every landing prefix with --landing')
  if (options.json) return printJson({ expire, purge, clean })
  if (options.quiet) return
  printExpire(expire)
  if (purge !== null) printPurge(purge)
  printClean(clean)
}
