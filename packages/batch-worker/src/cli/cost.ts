import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type CostInputs, type MonthlyBill, monthlyBill, PRICES, type Prices } from '../cost-model.ts'
import { example, jsonOption, parseByteSize } from '../options.ts'
import { count, print, printJson, warn } from '../print.ts'
import { printTable } from '../print-table.ts'

interface CostOptions {
  readonly writes: number
  readonly item: number
  readonly freshness: number
  readonly table: number
  readonly scatter: number
  readonly prices: Partial<Prices>
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
    .addOption(
      new Option('--prices <file>', 'JSON file with other prices in USD than those below; or its text')
        .env('LASTWRITE_PRICES')
        .argParser(parsePrices)
        .default({}, 'list prices'),
    )
    .addOption(jsonOption('the bill'))
    .addHelpText(
      'after',
      `${example(
        'lastwrite cost --writes 50 --item 1KiB --table 10GiB --scatter 0.02',
        'lastwrite cost --writes 50 --item 1KiB --table 10GiB --prices \'{"fargatePerVcpuHour": 0.0122}\'',
      )}
Prices:
${JSON.stringify(PRICES, null, 2).replaceAll(/^/gm, '  ')}`,
    )
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

function parsePrices(text: string): Partial<Prices> {
  const given = readObject(text)
  for (const [name, value] of Object.entries(given)) {
    const known = Object.hasOwn(PRICES, name) ? PRICES[name as keyof Prices] : undefined
    if (known === undefined) throw new InvalidArgumentError(`There is no "${name}"; --help lists all prices.`)
    if (typeof value !== typeof known || (typeof value === 'number' && !(value >= 0 && Number.isFinite(value))))
      throw new InvalidArgumentError(`"${name}" must be ${typeof known === 'number' ? 'a number from 0' : 'a text'}.`)
  }
  return given
}

function readObject(text: string): object {
  try {
    const value: unknown = JSON.parse(/^\s*\{/.test(text) ? text : readFileSync(text, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
  throw new InvalidArgumentError('Write an object, such as {"s3PerGbMonth": 0.02}.')
}

function cost({ writes, item, freshness, table, scatter, prices: given, json }: CostOptions): void {
  const inputs: CostInputs = {
    writesPerSecond: writes,
    itemBytes: item,
    freshnessMinutes: freshness,
    tableBytes: table,
    scatter,
  }
  const prices = { ...PRICES, ...given }
  const bill = monthlyBill(inputs, prices)
  if (json) printJson({ inputs, prices, ...bill })
  else printBill(bill, given)
  if (!bill.keepsUp) {
    warn(
      `a merge takes ${count(Math.ceil(bill.merge.seconds))} s and there are ${bill.merge.everySeconds}: ` +
        'give it a later --freshness, partitions with less scatter, or shards (docs/fleet.md)',
    )
  }
}

function printBill({ region, pricesOf, costs, usd, merge }: MonthlyBill, given: Partial<Prices>): void {
  const row = (service: string, what: string, value: number) => [service, what, value.toFixed(2)]
  printTable(
    ['service', 'what', 'USD a month'],
    [...costs.map((each) => row(each.service, each.what, each.usd)), row('all', '', usd)],
    [false, false, true],
  )
  const changes = count(Math.ceil(merge.changes))
  const files = count(Math.ceil(merge.filesRewritten))
  print(`each merge: ${changes} changes, ${files} files rewritten, ${count(Math.ceil(merge.seconds))} s`)
  const { region: _, date: __, ...others } = given
  const names = Object.keys(others)
  print(`prices of ${region}, ${pricesOf}${names.length === 0 ? '' : `; given: ${names.join(', ')}`}`)
}
