import { Command, InvalidArgumentError, Option } from 'commander'
import { type CostInputs, type MonthlyBill, monthlyBill } from '../cost-model.ts'
import { example, jsonOption, parseByteSize } from '../options.ts'
import { count, print, printJson, warn } from '../print.ts'
import { printTable } from '../print-table.ts'

interface CostOptions {
  readonly writes: number
  readonly item: number
  readonly freshness: number
  readonly table: number
  readonly scatter: number
  readonly json?: true
}

export function costCommand(): Command {
  return new Command('cost')
    .description(
      'Estimate the monthly bill of the pipeline that infra lays out, by list prices of one region and date. ' +
        'Nothing is asked of AWS.',
    )
    .addOption(amount('--writes <rate>', 'LASTWRITE_WRITES', 'changes of items a second, on average'))
    .addOption(
      size('--item <size>', 'LASTWRITE_ITEM', 'bytes of a change line: the item as DynamoDB JSON, and 300 bytes'),
    )
    .addOption(size('--table <size>', 'LASTWRITE_TABLE', "size of the table's data files, such as 100GiB"))
    .addOption(
      amount('--freshness <minutes>', 'LASTWRITE_FRESHNESS', 'how old a change may be when readers see it').default(10),
    )
    .addOption(
      new Option('--scatter <share>', 'share of the data files that one merge has changes in: 1 for random keys')
        .env('LASTWRITE_SCATTER')
        .argParser(parseShare)
        .default(1),
    )
    .addOption(jsonOption('the bill'))
    .addHelpText('after', example('lastwrite cost --writes 50 --item 1KiB --table 10GiB --scatter 0.02'))
    .action(cost)
}

function amount(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable).argParser(parseAmount).makeOptionMandatory()
}

function size(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable).argParser(parseSize).makeOptionMandatory()
}

function parseAmount(text: string): number {
  const value = Number(text)
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text) && value > 0) return value
  throw new InvalidArgumentError('Write a number above 0, such as 2.5.')
}

function parseSize(text: string): number {
  const bytes = parseByteSize(text)
  if (bytes > 0) return bytes
  throw new InvalidArgumentError('Write a size above 0.')
}

function parseShare(text: string): number {
  const share = parseAmount(text)
  if (share <= 1) return share
  throw new InvalidArgumentError('Write a share above 0 and at most 1, such as 0.02.')
}

function cost({ writes, item, freshness, table, scatter, json }: CostOptions): void {
  const inputs: CostInputs = {
    writesPerSecond: writes,
    itemBytes: item,
    freshnessMinutes: freshness,
    tableBytes: table,
    scatter,
  }
  const bill = monthlyBill(inputs)
  if (json) printJson({ inputs, ...bill })
  else printBill(bill)
  if (!bill.keepsUp) {
    warn(
      `a merge takes ${count(Math.ceil(bill.merge.seconds))} s and there are ${bill.merge.everySeconds}: ` +
        'give it a later --freshness, partitions with less scatter, or shards (docs/fleet.md)',
    )
  }
}

function printBill({ region, pricesOf, costs, usd, merge }: MonthlyBill): void {
  const row = (service: string, what: string, value: number) => [service, what, value.toFixed(2)]
  printTable(
    ['service', 'what', 'USD a month'],
    [...costs.map((each) => row(each.service, each.what, each.usd)), row('all', '', usd)],
    [false, false, true],
  )
  const changes = count(Math.ceil(merge.changes))
  const files = count(Math.ceil(merge.filesRewritten))
  print(`each merge: ${changes} changes, ${files} files rewritten, ${count(Math.ceil(merge.seconds))} s`)
  print(`prices of ${region}, ${pricesOf}`)
}
