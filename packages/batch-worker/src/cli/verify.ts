import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import {
  type Difference,
  type Field,
  InputError,
  loadState,
  type VerifyReport,
  verifyAgainstExport,
} from '@lastwrite/merge-core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { jsonValue } from '../json-value.ts'
import { openTableAt } from '../open-table.ts'
import {
  deadlineOption,
  example,
  jsonOption,
  landingOption,
  landingPrefixes,
  memoryOption,
  type OutputOptions,
  quietOption,
  type StopOptions,
  type StoreOptions,
  TABLE_ARGUMENT,
} from '../options.ts'
import { breakdown, count, print, printFacts, printJson, toJson } from '../print.ts'
import { showProgress } from '../progress.ts'
import { untilStopped } from '../signals.ts'
import { toLandingPrefix, toPrefix } from '../table-location.ts'

interface VerifyOptions extends OutputOptions, StopOptions, StoreOptions {
  readonly against: string
  readonly now?: true
  readonly limit: number
  readonly out?: string
  readonly memory: number
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description(
      'Hold the table against a full DynamoDB export, key by key: as the table was at the time of the export, so it must be, but for ' +
        'keys that changed since. Exit code 21 where it is not. Changes nothing.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--against <prefix>', 'folder of the export, or s3://bucket/prefix/AWSDynamoDB/<export id>')
        .env('LASTWRITE_AGAINST')
        .makeOptionMandatory(),
    )
    .addOption(landingOption())
    .addOption(
      new Option(
        '--now',
        'take for all what has landed by now; else the command is refused until 25 hours after the export, as lines come late',
      ).env('LASTWRITE_NOW'),
    )
    .addOption(
      new Option('--limit <count>', 'how many differences to print')
        .env('LASTWRITE_LIMIT')
        .argParser(parseLimit)
        .default(20),
    )
    .addOption(
      new Option('--out <file>', 'write all differences there, with both versions, one JSON object a line').env(
        'LASTWRITE_OUT',
      ),
    )
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption('the counts, and differences up to the limit,'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      example(
        'lastwrite verify ./lake/orders --against ./exports/AWSDynamoDB/01764000000000-abcd --landing ./landing/orders',
      ),
    )
    .action(verify)
}

function parseLimit(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a whole number.')
}

async function verify(text: string, options: VerifyOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  const against = await toPrefix('against', options.against)
  const shownOf = showing((await loadState(table)).fields)
  const out = options.out === undefined ? null : lineFile(options.out)
  const shown: ShownDifference[] = []
  const progress = await showProgress(options)
  const report = await untilStopped(options, (signal) =>
    verifyAgainstExport(table, {
      signal,
      against,
      landing,
      now: options.now ?? false,
      memoryBytes: options.memory,
      ...(out === null && { limit: options.limit }),
      onDifference: async (difference) => {
        const one = shownOf(difference)
        if (shown.length < options.limit) shown.push(one)
        await out?.write(toJson(one))
      },
      onProgress: progress.show,
    }),
  ).finally(progress.stop)
  await out?.end()
  if (options.json) printJson({ ...report, differences: shown })
  else if (!options.quiet) printReport(report, shown, options)
  process.exitCode = report.exitCode
}

type ShownRow = Record<string, unknown>

interface ShownDifference extends Pick<Difference, 'kind' | 'columns'> {
  readonly key: ShownRow
  readonly export: ShownRow | null
  readonly table: readonly ShownRow[]
}

function showing(fields: readonly Field[]): (difference: Difference) => ShownDifference {
  const types = new Map(fields.map(({ name, type }) => [name, type]))
  const rowOf = (row: Difference['key']): ShownRow =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonValue(types.get(name)!, value)]))
  return ({ kind, key, columns, export: exported, table }) => ({
    kind,
    key: rowOf(key),
    columns,
    export: exported === null ? null : rowOf(exported),
    table: table.map(rowOf),
  })
}

/** A file of lines that waits for the disk where it is slower than who writes. */
function lineFile(path: string) {
  const stream = createWriteStream(path)
  const failed = once(stream, 'error').then(([error]) => {
    throw new InputError(`--out ${path}: ${error.message}`, { cause: error })
  })
  failed.catch(() => {})
  return {
    write: async (line: string) => {
      if (!stream.write(`${line}\n`)) await Promise.race([once(stream, 'drain'), failed])
    },
    end: async () => {
      stream.end()
      await Promise.race([finished(stream), failed])
    },
  }
}

const KIND_WORDS: Readonly<Record<Difference['kind'], string>> = {
  different: 'differs',
  onlyInExport: 'is in the export only',
  onlyInTable: 'is in the table only',
  repeated: 'has several rows',
}

function printReport(report: VerifyReport, shown: readonly ShownDifference[], options: VerifyOptions): void {
  const { equal, changedSince, expired, ...different } = report.keys
  print(`${report.table}: ${report.equal ? 'equal' : 'NOT EQUAL'} to the export of ${report.at}`)
  printFacts([
    ['items', count(report.items)],
    ['keys', breakdown({ equal, 'changed since': changedSince, expired })],
    [
      'differences',
      breakdown({
        different: different.different,
        'in the export only': different.onlyInExport,
        'in the table only': different.onlyInTable,
        'with several rows': different.repeated,
      }),
    ],
  ])
  for (const difference of shown) printDifference(difference)
  const left = Object.values(different).reduce((sum, keys) => sum + keys, 0) - shown.length
  if (left > 0)
    print(
      `\n… and ${count(left)} more; ${options.out === undefined ? '--out <file> writes all' : `all are in ${options.out}`}`,
    )
}

function printDifference({ kind, key, columns, export: exported, table }: ShownDifference): void {
  print(`\n${toJson(key)} ${KIND_WORDS[kind]}`)
  for (const name of columns)
    print(`  ${name}: ${toJson(exported![name])} in the export, ${toJson(table[0]![name])} in the table`)
  for (const { _updated_at, _stream, _sequence } of table) {
    print(
      `  row of ${_updated_at ?? 'no time'}, sequence ${_sequence === null ? 'none' : String(_sequence).slice(2)} of stream ${_stream ?? 'none'}`,
    )
  }
}
