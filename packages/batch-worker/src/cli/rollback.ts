import { type RollbackReport, rollbackTable } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  dryRunOption,
  example,
  jsonOption,
  type MaintenanceOptions,
  parseSnapshotId,
  quietOption,
  TABLE_ARGUMENT,
} from '../options.ts'
import { counted, print, printFacts, printJson, warn } from '../print.ts'

interface RollbackOptions extends MaintenanceOptions {
  readonly to: bigint
  readonly reapply?: true
  readonly skip?: true
}

export function rollbackCommand(): Command {
  return new Command('rollback')
    .description(
      'Make the table what it was at an earlier snapshot, with the removals that were remembered then. ' +
        'Say what becomes of the landing objects that were merged since: --reapply or --skip.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--to <snapshot>', 'the snapshot to go back to, as `lastwrite history` shows it')
        .env('LASTWRITE_TO')
        .argParser(parseSnapshotId)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--reapply', 'the next merge merges them again').env('LASTWRITE_REAPPLY').conflicts('skip'))
    .addOption(new Option('--skip', 'they stay known, and their changes are left out').env('LASTWRITE_SKIP'))
    .addOption(dryRunOption('say what would be undone; change nothing'))
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite rollback ./lake/orders --to 1234567890123456 --reapply'))
    .action(rollback)
}

async function rollback(text: string, options: RollbackOptions, command: Command): Promise<void> {
  if (!options.reapply && !options.skip) command.error('error: say --reapply or --skip')
  const table = await openTableAt(text, options)
  const report = await rollbackTable(table, {
    to: options.to,
    ledger: options.reapply ? 'reapply' : 'skip',
    dryRun: options.dryRun ?? false,
  })
  for (const warning of report.warnings) warn(`warning: ${warning}`)
  if (options.json) printJson(report)
  else if (!options.quiet) printRollback(report)
}

function printRollback({ table, dryRun, from, to, snapshot, ledger, objects }: RollbackReport): void {
  print(
    dryRun
      ? `${table}: dry run, nothing changed: from snapshot ${from} back to ${to}`
      : `${table}: snapshot ${snapshot}, from ${from} back to ${to}`,
  )
  const becomes = ledger === 'reapply' ? 'to be merged again' : 'left out'
  printFacts([
    ['objects', `${counted(objects.mergedSince, 'object')} merged since, ${becomes}`],
    ['gone', objects.gone.length === 0 ? '' : objects.gone.join(', ')],
  ])
}
