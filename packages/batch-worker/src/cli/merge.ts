import { type ClusterOptions, type MergeReport, mergeLanding } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { DONE } from '../exit-codes.ts'
import { openTableAt } from '../open-table.ts'
import {
  allHoursOption,
  deadlineOption,
  dryRunOption,
  type EngineOptions,
  engineOption,
  example,
  itemBucketOption,
  jsonOption,
  type LogOptions,
  landingOption,
  landingPrefixes,
  logOption,
  memoryOption,
  noFsyncOption,
  type OutputOptions,
  profileOption,
  quietOption,
  type StopOptions,
  type StoreOptions,
  sparkSubmitOption,
  TABLE_ARGUMENT,
  threadsOption,
  type WriteOptions,
} from '../options.ts'
import {
  breakdown,
  byteSize,
  count,
  counted,
  nothingToDo,
  print,
  printFacts,
  printJson,
  secondsOfSteps,
  toJson,
  warn,
} from '../print.ts'
import { supersededText } from '../print-maintenance.ts'
import { profilesIn } from '../profiles.ts'
import { showProgress } from '../progress.ts'
import { runSummary } from '../run-summary.ts'
import { untilStopped } from '../signals.ts'
import { SPARK_SUBMIT, sparkEngine } from '../spark-engine.ts'
import { toLandingPrefix } from '../table-location.ts'
import { planAndPrint } from './plan.ts'

interface MergeOptions extends EngineOptions, LogOptions, OutputOptions, StopOptions, StoreOptions, WriteOptions {
  readonly dryRun?: true
  readonly allHours?: true
  readonly itemBucket?: readonly string[]
  readonly threads: number
  readonly memory: number
  readonly profile?: string
}

export function mergeCommand(): Command {
  return new Command('merge')
    .description('Merge what has landed since the last merge: one row for each live key, the one written last.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(landingOption())
    .addOption(allHoursOption())
    .addOption(itemBucketOption())
    .addOption(dryRunOption('say what would be touched, read and written; change nothing'))
    .addOption(threadsOption())
    .addOption(memoryOption())
    .addOption(deadlineOption())
    .addOption(engineOption())
    .addOption(sparkSubmitOption())
    .addOption(noFsyncOption())
    .addOption(profileOption())
    .addOption(logOption())
    .addOption(jsonOption('the report'))
    .addOption(quietOption())
    .addHelpText('after', example('lastwrite merge ./lake/orders --landing ./landing/orders'))
    .action(merge)
}

async function merge(text: string, options: MergeOptions, command: Command): Promise<void> {
  const table = await openTableAt(text, options)
  const landing = await Promise.all(landingPrefixes(command).map(toLandingPrefix))
  if (options.dryRun) return planAndPrint(table, landing, options)
  const progress = await showProgress(options)
  const profiles = options.profile === undefined ? null : await profilesIn(options.profile)
  const report = await untilStopped(options, (signal) =>
    mergeLanding(table, landing, {
      signal,
      onProgress: progress.show,
      allHours: options.allHours ?? false,
      itemBuckets: options.itemBucket ?? [],
      threads: options.threads,
      memoryBytes: options.memory,
      ...(options.engine !== 'node' && { cluster: clusterFor(options) }),
      ...(profiles !== null && { onProfile: profiles.add }),
    }),
  ).finally(progress.stop)
  await profiles?.write()
  warnOf(report)
  if (options.log === 'json') warn(toJson(runSummary(report, process.env, Date.now())))
  if (options.json) printJson(report)
  else if (options.log === 'text' && !options.quiet) printReport(report)
  process.exitCode = report.exitCode
}

function clusterFor({ engine, sparkSubmit = SPARK_SUBMIT, deadline }: MergeOptions): ClusterOptions {
  return { engine: sparkEngine(sparkSubmit), use: engine === 'spark' ? 'always' : 'auto', deadlineMs: deadline }
}

function warnOf(report: MergeReport): void {
  for (const { object, reason } of report.objects.skipped) warn(`skipped: ${object}: ${reason}`)
  for (const { path, message } of report.damaged) warn(`damaged: ${path}: ${message}`)
  for (const { attribute, type, count: times } of report.misfits) {
    warn(`kept in _extra: "${attribute}" was ${type}, which its column does not hold, ${counted(times, 'time')}`)
  }
  for (const warning of report.warnings) warn(`warning: ${warning}`)
}

function printReport(report: MergeReport): void {
  const { lines, rows, objects, files, rowGroups, columnChunks, bytes, seconds } = report
  if (report.snapshot === null && report.exitCode !== DONE) {
    const skipped = objects.skipped.length > 0 ? `, ${counted(objects.skipped.length, 'object')} skipped` : ''
    const deferred = lines.deferred > 0 ? `, ${counted(lines.deferred, 'line')} deferred` : ''
    print(`${report.table}: nothing merged${skipped}${deferred}`)
    return
  }
  if (report.snapshot === null) {
    print(nothingToDo(report.table, objects))
    return
  }
  const { read, ...classes } = lines
  const { total, ...steps } = seconds
  const { merged, broken, alreadyMerged } = objects
  const { copied, encoded, bytesEncoded } = columnChunks
  const lost = report.commits.reduce((sum, { attempts }) => sum + attempts - 1, 0)
  print(`${report.table}: snapshot ${report.snapshot}`)
  printFacts([
    ['objects', breakdown({ merged, broken, alreadyMerged })],
    ['lines', `${count(read)} read: ${breakdown({ ...classes })}`],
    ['rows', breakdown({ ...rows, movedOut: report.movedOut })],
    ['lost races', lost === 0 ? '' : count(lost)],
    ['files', breakdown({ ...files })],
    ['superseded', supersededText(report.superseded)],
    ...report.engines.map(({ engine, partitions, fileBytes, why }): [string, string] => [
      engine,
      `${counted(partitions, 'partition')}, ${byteSize(fileBytes)}: ${why}`,
    ]),
    ['row groups', breakdown({ ...rowGroups })],
    ['column chunks', encoded === 0 ? '' : `${breakdown({ copied, encoded })} (${byteSize(bytesEncoded)})`],
    ['bytes', `${byteSize(bytes.read)} read · ${byteSize(bytes.written)} written · ${byteSize(bytes.copied)} copied`],
    ['requests', breakdown({ ...report.requests })],
    ['memory', report.peakMemoryBytes === null ? '' : `${byteSize(report.peakMemoryBytes)} at most`],
    ['seconds', secondsOfSteps(total, steps)],
  ])
}
