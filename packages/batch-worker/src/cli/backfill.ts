import { type BackfillReport, type BackfillSource, backfillTable, InputError } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import {
  deadlineOption,
  example,
  jsonOption,
  memoryOption,
  noFsyncOption,
  type OutputOptions,
  quietOption,
  type StopOptions,
  type StoreOptions,
  TABLE_ARGUMENT,
  threadsOption,
  type WriteOptions,
} from '../options.ts'
import { breakdown, byteSize, count, counted, print, printFacts, printJson, secondsOfSteps, warn } from '../print.ts'
import { showProgress } from '../progress.ts'
import { untilStopped } from '../signals.ts'
import { toPrefix } from '../table-location.ts'

interface BackfillCommandOptions extends OutputOptions, StopOptions, StoreOptions, WriteOptions {
  readonly export?: string
  readonly stream?: string
  readonly authoritative?: true
  readonly parquet?: string
  readonly latestBy?: string
  readonly without?: string
  readonly threads: number
  readonly memory: number
}

export function backfillCommand(): Command {
  return new Command('backfill')
    .description(
      'Bring a DynamoDB export to S3, or Parquet files of any writer, into the table. For an export, enable the stream first and ' +
        'export then. Merges may go on meanwhile. Run again after a kill, it goes on where it was.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option(
        '--export <prefix>',
        'a full or incremental export in DYNAMODB_JSON: the folder of manifest-summary.json, or one above it',
      ).env('LASTWRITE_EXPORT'),
    )
    .addOption(
      new Option(
        '--stream <label>',
        'label of the stream that was live when the table was exported (LatestStreamLabel), or "none"',
      ).env('LASTWRITE_STREAM'),
    )
    .addOption(
      new Option(
        '--authoritative',
        'repair a gap in the stream by a full export: what the table holds of before it, and the export does not, goes',
      ),
    )
    .addOption(
      new Option(
        '--parquet <prefix>',
        'Parquet files, in any folders: their columns are those of the definition that have their name',
      )
        .env('LASTWRITE_PARQUET')
        .conflicts(['export', 'stream', 'authoritative']),
    )
    .addOption(new Option('--latest-by <column>', 'of several rows of a key take the one where this is the greatest'))
    .addOption(new Option('--without <columns>', 'columns of the Parquet files to leave out, with commas between them'))
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(noFsyncOption())
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      example(
        'lastwrite backfill ./lake/orders --export ./exports/AWSDynamoDB/01693685827463-2d8752fd --stream 2026-11-22T08:00:00.000',
        'lastwrite backfill ./lake/orders --parquet ./old-orders --latest-by updated_at',
      ),
    )
    .action(backfill)
}

async function backfill(text: string, options: BackfillCommandOptions): Promise<void> {
  const source = await sourceOf(options)
  const table = await openTableAt(text, options)
  const progress = await showProgress(options)
  const report = await untilStopped(options, (signal) =>
    backfillTable(table, source, {
      signal,
      onProgress: progress.show,
      threads: options.threads,
      memoryBytes: options.memory,
    }),
  ).finally(progress.stop)
  for (const { attribute, type, count: times } of report.misfits) {
    warn(`kept in _extra: "${attribute}" was ${type}, which its column does not hold, ${counted(times, 'time')}`)
  }
  if (options.json) printJson(report)
  else if (!options.quiet) printReport(report)
}

async function sourceOf(options: BackfillCommandOptions): Promise<BackfillSource> {
  const { export: prefix, stream, authoritative = false, parquet, latestBy, without } = options
  if (parquet !== undefined) {
    const names = without?.split(',').map((name) => name.trim()) ?? []
    return { kind: 'parquet', prefix: await toPrefix('--parquet', parquet), latestBy: latestBy ?? null, without: names }
  }
  if (prefix === undefined) throw new InputError('say what to bring in: --export <prefix> or --parquet <prefix>')
  if (stream === undefined) {
    throw new InputError(
      '--export needs --stream: the label of the stream that was live at the time of the export ' +
        '(LatestStreamLabel of aws dynamodb describe-table), or "none"',
    )
  }
  const label = stream === 'none' ? null : stream
  return { kind: 'export', prefix: await toPrefix('--export', prefix), stream: label, authoritative }
}

function printReport(report: BackfillReport): void {
  const { source, items, rows, files, commits, bytes, seconds } = report
  if (report.snapshot === null) {
    print(`${report.table}: nothing to do, the table holds all ${count(source.items)} items or later ones`)
    return
  }
  const { total, ...steps } = seconds
  const { read, ...classes } = items
  const ofTime = source.timeMs === null ? '' : ` of ${new Date(source.timeMs).toISOString()}`
  print(`${report.table}: snapshot ${report.snapshot}`)
  printFacts([
    ['source', `${source.name}${ofTime}, ${count(source.items)} items in ${counted(source.files, 'file')}`],
    ['items', `${count(read)} merged: ${breakdown({ ...classes })}`],
    ['rows', breakdown({ ...rows })],
    ['commits', `${commits.made} of ${commits.total}${commits.before > 0 ? `, ${commits.before} before` : ''}`],
    ['files', breakdown({ ...files })],
    ['bytes', `${byteSize(bytes.read)} read · ${byteSize(bytes.written)} written · ${byteSize(bytes.copied)} copied`],
    ['requests', breakdown({ ...report.requests })],
    ['memory', report.peakMemoryBytes === null ? '' : `${byteSize(report.peakMemoryBytes)} at most`],
    ['seconds', secondsOfSteps(total, steps)],
    ['rate', `${count(Math.round(read / Math.max(total, 0.001)))} items a second`],
  ])
}
