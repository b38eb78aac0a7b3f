import { InputError, type ReplayReport, replay } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  deadlineOption,
  dryRunOption,
  example,
  jsonOption,
  type OutputOptions,
  quietOption,
  type StopOptions,
  type StoreOptions,
  TABLE_ARGUMENT,
} from '../options.ts'
import { breakdown, counted, print, printFacts, printJson, warn } from '../print.ts'
import { showProgress } from '../progress.ts'
import { untilStopped } from '../signals.ts'
import { toPrefix } from '../table-location.ts'

interface ReplayOptions extends OutputOptions, StopOptions, StoreOptions {
  readonly landing: string
  readonly errors?: readonly string[]
  readonly quarantine?: true
  readonly acceptBelowWatermark?: true
  readonly dryRun?: true
}

export function replayCommand(): Command {
  return new Command('replay')
    .description(
      'Land again what failed on its way: error objects of Firehose, on-failure objects of Lambda, and lines that merges quarantined, ' +
        'once the cause is mended. Deletes nothing; a second time it writes nothing. The next merge takes up what landed.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--errors <prefix>', 'folder of error objects, or s3://bucket/errors/; may be given several times')
        .env('LASTWRITE_ERRORS')
        .argParser((prefix: string, before: readonly string[] | undefined) => [...(before ?? []), prefix]),
    )
    .addOption(new Option('--quarantine', "the table's own quarantine too").env('LASTWRITE_QUARANTINE'))
    .addOption(
      new Option('--landing <prefix>', 'where lines land, below replayed/: a prefix that merges read')
        .env('LASTWRITE_LANDING')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--accept-below-watermark',
        'have merges admit lines that are quarantined as older than what was purged; they may bring back removed items',
      ).env('LASTWRITE_ACCEPT_BELOW_WATERMARK'),
    )
    .addOption(deadlineOption())
    .addOption(dryRunOption('say what would be landed; write nothing'))
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      example(
        'lastwrite replay ./lake/orders --errors ./errors/orders --landing ./landing/orders',
        'lastwrite replay ./lake/orders --quarantine --landing ./landing/orders',
      ),
    )
    .action(runReplay)
}

async function runReplay(text: string, options: ReplayOptions, command: Command): Promise<void> {
  const errors = errorPrefixes(command)
  if (errors.length === 0 && options.quarantine !== true) {
    throw new InputError('nothing to replay: give --errors <prefix>, --quarantine, or both')
  }
  if (command.getOptionValueSource('landing') === 'env' && options.landing.includes(',')) {
    throw new InputError(
      `LASTWRITE_LANDING names several prefixes, ${options.landing}: say by --landing where lines shall land`,
    )
  }
  const table = await openTableAt(text, options)
  const landing = await toPrefix('landing', options.landing)
  const prefixes = await Promise.all(errors.map((prefix) => toPrefix('errors', prefix)))
  const progress = await showProgress(options)
  const report = await untilStopped(options, (signal) =>
    replay(table, {
      signal,
      landing,
      errors: prefixes,
      quarantine: options.quarantine ?? false,
      acceptBelowWatermark: options.acceptBelowWatermark ?? false,
      dryRun: options.dryRun ?? false,
      onProgress: progress.show,
    }),
  ).finally(progress.stop)
  warnOf(report)
  if (options.json) printJson(report)
  else if (!options.quiet) printReport(report)
  process.exitCode = report.exitCode
}

/** A variable holds several with commas between them. */
function errorPrefixes(command: Command): string[] {
  const prefixes = (command.getOptionValue('errors') ?? []) as string[]
  if (command.getOptionValueSource('errors') !== 'env') return prefixes
  return prefixes.flatMap((text) => text.split(',')).filter((prefix) => prefix !== '')
}

function warnOf({ objects, lines, undecodable }: ReplayReport): void {
  for (const { message } of objects.broken) warn(`broken: ${message}; restore the object and replay it`)
  if (lines.undecodable > 0) {
    const where = [...undecodable.created, ...undecodable.standing].join(', ')
    warn(`not decoded: ${counted(lines.undecodable, 'record')}, with what is wrong with each, in ${where}`)
  }
  if (lines.heldBack > 0) {
    warn(
      `held back: ${counted(lines.heldBack, 'line')} below the watermark: what removed such keys may be forgotten, so they may bring ` +
        'back removed items. --accept-below-watermark has merges admit them',
    )
  }
}

function printReport(report: ReplayReport): void {
  const { objects, entries, lines, landing, dryRun } = report
  const { firehose, lambda, quarantine, landed: landedLines, unknown } = entries
  print(
    `${report.table}: ${counted(lines.landed, 'line')}, ${counted(landing.created.length, 'landing object')} ` +
      `${dryRun ? 'would be written' : 'written'}, ${landing.standing.length} stood already`,
  )
  printFacts([
    ['objects', breakdown({ read: objects.read, broken: objects.broken.length })],
    [
      'records',
      breakdown({
        'of Firehose': firehose,
        'of Lambda': lambda,
        quarantined: quarantine,
        'as they land': landedLines,
        'of an unknown form': unknown,
      }),
    ],
    [
      'left',
      breakdown({ 'held back': lines.heldBack, otherTable: lines.otherTable, 'not decoded': lines.undecodable }),
    ],
  ])
}
