import { tableHistory } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, type StoreOptions, TABLE_ARGUMENT } from '../options.ts'
import { count, print, printJson } from '../print.ts'
import { printTable } from '../print-table.ts'

export function historyCommand(): Command {
  return new Command('history')
    .description('List the snapshots of the table, the latest first.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(jsonOption('the snapshots'))
    .addHelpText('after', example('lastwrite history ./lake/orders'))
    .action(history)
}

async function history(text: string, options: StoreOptions & { readonly json?: true }): Promise<void> {
  const snapshots = [...(await tableHistory(await openTableAt(text, options)))].reverse()
  if (options.json) return printJson(snapshots)
  if (snapshots.length === 0) return print('no snapshot yet; the first merge makes one')
  const inSummary = (summary: Record<string, string>, name: string) =>
    summary[name] === undefined ? '' : count(BigInt(summary[name]))
  printTable(
    ['snapshot', 'at', 'operation', 'rows', 'files', 'added', 'removed', ''],
    snapshots.map(({ snapshot, at, operation, summary, current }) => [
      String(snapshot),
      at,
      operation,
      inSummary(summary, 'total-records'),
      inSummary(summary, 'total-data-files'),
      inSummary(summary, 'added-data-files'),
      inSummary(summary, 'deleted-data-files'),
      current ? 'current' : '',
    ]),
    [true, false, false, true, true, true, true],
  )
}
