// What a merge tells people.

import type { MergeReport } from '@lastwrite/merge-core'
import { DONE } from './exit-codes.ts'
import { breakdown, byteSize, count, counted, nothingToDo, print, printFacts, secondsOfSteps, warn } from './print.ts'
import { supersededText } from './print-maintenance.ts'

export function warnOf(report: MergeReport): void {
  for (const { object, reason } of report.objects.skipped) warn(`skipped: ${object}: ${reason}`)
  for (const { path, message } of report.damaged) warn(`damaged: ${path}: ${message}`)
  for (const { attribute, type, count: times } of report.misfits) {
    warn(`kept in _extra: "${attribute}" was ${type}, which its column does not hold, ${counted(times, 'time')}`)
  }
  for (const warning of report.warnings) warn(`warning: ${warning}`)
}

export function printReport(report: MergeReport): void {
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
