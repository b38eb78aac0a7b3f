import type { CleanReport, ExpireReport, FileSums, PurgeReport, SupersededStorage } from '@lastwrite/merge-core'
import { byteSize, count, counted, isoTime, print, printFacts } from './print.ts'

export function printExpire({ table, dryRun, snapshots, deleted }: ExpireReport): void {
  const { removed, kept } = snapshots
  print(`${table}: ${would(dryRun)}${counted(removed.length, 'snapshot')} expired, ${count(kept)} kept`)
  printFacts([['files', filesText(deleted)]])
}

export function printPurge(report: PurgeReport): void {
  const { table, dryRun, tombstones, ledger, watermark, upTo, heldBackBy } = report
  print(`${table}: ${would(dryRun)}${counted(tombstones.purged, 'tombstone')} purged, ${count(tombstones.kept)} kept`)
  printFacts([
    ['up to', `${isoTime(upTo)}${heldBackBy === null ? '' : `, held back by ${heldBackBy}, which is not merged`}`],
    ['watermark', watermark === null ? '' : isoTime(watermark)],
    ['ledger', `${counted(ledger.dropped, 'object')} gone, ${count(ledger.kept)} kept`],
  ])
}

export function printClean({ table, dryRun, listed, young, deleted, uploads, paths }: CleanReport): void {
  print(`${table}: ${would(dryRun)}${counted(paths.length, 'object')} deleted that nothing named`)
  printFacts([
    ['looked at', `${counted(listed, 'object')}, ${count(young)} too young to judge`],
    ['files', filesText(deleted)],
    ['uploads', uploads === 0 ? '' : `${counted(uploads, 'object')} of which only parts were sent`],
  ])
}

/** `12 files, 3.4 MiB, since 2026-11-24T08:00:00.000Z`; nothing where there are none. */
export function supersededText(superseded: SupersededStorage | null): string {
  if (superseded === null || superseded.sinceMs === null) return ''
  const { files, bytes, sinceMs } = superseded
  return `${counted(files, 'file')}, ${byteSize(bytes)}, since ${isoTime(sinceMs / 1000)}`
}

/** Goes before what was done. */
function would(dryRun: boolean): string {
  return dryRun ? 'dry run, nothing changed: ' : ''
}

/** `3 data (12.4 MiB) · 2 manifests (8.1 KiB)` */
function filesText(sums: FileSums): string {
  return Object.entries(sums)
    .map(([kind, { files, bytes }]) => `${count(files)} ${kind}${bytes > 0 ? ` (${byteSize(bytes)})` : ''}`)
    .join(' · ')
}
