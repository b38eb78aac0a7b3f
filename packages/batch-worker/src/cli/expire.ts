import { type ExpireOptions, expireSnapshots } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  dryRunOption,
  example,
  jsonOption,
  keepHoursOption,
  keepSnapshotsOption,
  type MaintenanceOptions,
  quietOption,
  retentionOf,
  TABLE_ARGUMENT,
} from '../options.ts'
import { printJson } from '../print.ts'
import { printExpire } from '../print-maintenance.ts'

export function expireCommand(): Command {
  return new Command('expire')
    .description(
      'Remove snapshots that were superseded longer ago than the definition keeps them, then the files that they alone named. ' +
        'What was in use within the last 24 hours stays for running queries; "lastwrite clean" takes it later. ' +
        'Branches and tags stay.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(keepHoursOption())
    .addOption(keepSnapshotsOption())
    .addOption(dryRunOption('say what would be removed; change nothing'))
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite expire ./lake/orders --keep-hours 48 --dry-run'))
    .action(expire)
}

async function expire(text: string, options: MaintenanceOptions): Promise<void> {
  const table = await openTableAt(text, options)
  const settings: ExpireOptions = { ...retentionOf(options), dryRun: options.dryRun ?? false }
  const report = await expireSnapshots(table, settings)
  if (options.json) printJson(report)
  else if (!options.quiet) printExpire(report)
}
