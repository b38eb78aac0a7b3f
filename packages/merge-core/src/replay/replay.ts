// Lands again what did not get through: what Firehose and Lambda put under their error prefixes, and what merges quarantined.
//
//   1  Each object is read to its end once before anything of it is used: of damaged gzip any byte may be wrong.
//   2  Its entries become lines again (decode-entry.ts), those of one object a landing object that is named by its content.
//   3  What cannot be decoded goes to quarantine, whole. It is tried again when quarantine is replayed.
//
// Nothing is deleted, and names say what objects hold, so a second replay writes nothing. Lines that a merge quarantines once more land
// under the name that they had: they do not go round. Merging is left to the next merge, and decides as ever.

import pMap from 'p-map'
import { DamagedObjectError, TryAgainError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import { quarantineEntry } from '../protected/quarantine.ts'
import { storeSource } from '../store/byte-source.ts'
import { type LineBlock, lineBlocks } from '../store/line-blocks.ts'
import type { ListedObject, ObjectStore } from '../store/object-store.ts'
import { stoppable } from '../store/stoppable.ts'
import { failureError } from '../store/stored-object.ts'
import type { Table } from '../table.ts'
import { loadState } from '../table-state.ts'
import { type ContentWriter, contentWriter, type WrittenObjects } from './content-writer.ts'
import {
  type DecodedEntry,
  type DecodeSettings,
  decodeEntry,
  isBlank,
  UNDECODABLE,
  type Undecodable,
} from './decode-entry.ts'

export interface ReplayOptions {
  /** Where the lines land: a prefix that merges read. */
  readonly landing: string
  /** Prefixes of error objects. */
  readonly errors?: readonly string[]
  /** Whether the table's own quarantine is replayed. Default false. */
  readonly quarantine?: boolean
  /** Land lines that are quarantined as `below-watermark` with a mark by which merges admit them. Default false: they are left there. */
  readonly acceptBelowWatermark?: boolean
  readonly dryRun?: boolean
  readonly onProgress?: (progress: ReplayProgress) => void
  /** Aborted to stop the run. */
  readonly signal?: AbortSignal | undefined
}

export interface ReplayProgress {
  readonly step: 'replay'
  readonly done: number
  readonly total: number
  readonly unit: 'objects'
}

export interface ReplayReport {
  readonly table: string
  readonly location: string
  readonly dryRun: boolean
  readonly objects: { read: number; readonly broken: { readonly object: string; readonly message: string }[] }
  /** How many entries there were of each kind. */
  readonly entries: Record<DecodedEntry['kind'], number>
  readonly lines: {
    /** In landing objects, whether this run made them or they stood. */
    landed: number
    /** Below the watermark, left where they are. */
    heldBack: number
    /** Of other tables, left where they are. */
    otherTable: number
    /** Entries, or records of one, that went to quarantine. */
    undecodable: number
  }
  readonly landing: WrittenObjects
  readonly undecodable: WrittenObjects
  /** 20 where something could not be decoded, 21 where an object is broken. */
  exitCode: 0 | 20 | 21
}

const OBJECTS_AT_ONCE = 4
/** The records of an invocation have 6 MB; in a string inside of JSON each byte may take six. */
const LINE_BYTES_MAX = 64 * 1024 * 1024

/**
 * Lands what lies under the prefixes, and reports what it could not decode.
 * @throws TryAgainError, InputError where the store does not let it read or write; what was written until then stays, and is not
 *   written again
 */
export async function replay(table: Table, options: ReplayOptions): Promise<ReplayReport> {
  const { store } = stoppable(table.environment, options.signal)
  const state = await loadState(table)
  const { dryRun = false, acceptBelowWatermark = false } = options
  const settings = { definition: state.definition, acceptBelowWatermark }
  const quarantine = `${state.stateFolder}/quarantine/`
  const objects = await listAll(store, [
    ...(options.errors ?? []),
    ...(options.quarantine === true ? [quarantine] : []),
  ])
  const report: ReplayReport = {
    table: state.definition.table,
    location: state.location,
    dryRun,
    objects: { read: 0, broken: [] },
    entries: { firehose: 0, lambda: 0, quarantine: 0, landed: 0, unknown: 0 },
    lines: { landed: 0, heldBack: 0, otherTable: 0, undecodable: 0 },
    landing: { created: [], standing: [], lines: 0, bytes: 0 },
    undecodable: { created: [], standing: [], lines: 0, bytes: 0 },
    exitCode: 0,
  }
  await pMap(
    objects,
    async (object) => {
      const landing = contentWriter(store, `${options.landing}replayed/`, report.landing, { dryRun })
      const undecodable = contentWriter(store, `${quarantine}undecodable-`, report.undecodable, { dryRun })
      await replayObject(store, object, settings, { report, landing, undecodable })
      report.objects.read++
      options.onProgress?.({ step: 'replay', done: report.objects.read, total: objects.length, unit: 'objects' })
    },
    { concurrency: OBJECTS_AT_ONCE },
  )
  return finish(report)
}

/** Each once, in the order of their names. */
async function listAll(store: ObjectStore, prefixes: readonly string[]): Promise<ListedObject[]> {
  const objects = new Map<string, ListedObject>()
  for (const prefix of prefixes) {
    const listed = await store.list(prefix)
    if (listed.kind !== 'ok') throw failureError(prefix, 'listing', listed)
    for (const object of listed.objects) if (!object.path.endsWith('/')) objects.set(object.path, object)
  }
  return [...objects.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

interface Output {
  readonly report: ReplayReport
  readonly landing: ContentWriter
  readonly undecodable: ContentWriter
}

async function replayObject(
  store: ObjectStore,
  { path, etag }: ListedObject,
  settings: DecodeSettings,
  output: Output,
): Promise<void> {
  const source = await storeSource(store, path, {
    etag,
    errorOf: (at, failure) =>
      failure.kind === 'missing' || failure.kind === 'conflict'
        ? new TryAgainError(`${at}: was deleted or replaced while it was replayed; run again`)
        : failureError(at, 'reading', failure),
  })
  const options = { lineBytesMax: LINE_BYTES_MAX }
  try {
    for await (const _block of lineBlocks(source, options));
  } catch (error) {
    if (!(error instanceof DamagedObjectError)) throw error
    output.report.objects.broken.push({ object: path, message: error.message })
    return
  }
  let quarantinedOf: string | null = null
  for await (const { text, line } of entriesOf(lineBlocks(source, options))) {
    const entry = await decodeEntry(text, settings)
    // A quarantine file tells of several landing objects. That each is one again, whatever else is quarantined with it, keeps names.
    if (entry.object !== quarantinedOf) await output.landing.flush()
    quarantinedOf = entry.object
    await take(entry, { object: path, line }, output)
  }
  await output.landing.flush()
  await output.undecodable.flush()
}

interface Entry {
  readonly text: Uint8Array
  /** Where it begins, from 1. */
  readonly line: number
}

/** The lines that are not blank; or all of them as one, where the first shows that somebody has laid out a document by lines. */
async function* entriesOf(blocks: AsyncIterable<LineBlock>): AsyncGenerator<Entry> {
  const laidOut: Uint8Array[] = []
  let laidOutBytes = 0
  for await (const { text, firstLine } of blocks) {
    let line = firstLine
    for (let start = 0; start < text.length; line++) {
      const newline = text.indexOf(0x0a, start)
      const end = newline < 0 ? text.length : newline
      const own = text.subarray(start, end)
      start = end + 1
      if (laidOut.length > 0 || (line === 1 && Buffer.from(own).toString('latin1').trim() === '{')) {
        laidOut.push(own, Buffer.from('\n'))
        laidOutBytes += own.length
        if (laidOutBytes <= LINE_BYTES_MAX) continue
        yield { text: Buffer.concat(laidOut.splice(0)), line: 1 }
      } else if (!isBlank(own, 0, own.length)) yield { text: own, line }
    }
  }
  if (laidOut.length > 0) yield { text: Buffer.concat(laidOut), line: 1 }
}

interface Place {
  readonly object: string
  readonly line: number
}

async function take(
  { kind, lines, heldBack, otherTable, undecodable }: DecodedEntry,
  place: Place,
  output: Output,
): Promise<void> {
  const { report } = output
  report.entries[kind]++
  report.lines.landed += lines.length
  report.lines.heldBack += heldBack
  report.lines.otherTable += otherTable
  report.lines.undecodable += undecodable.length
  for (const line of lines) await output.landing.add(line)
  for (const each of undecodable) await output.undecodable.add(entryOf(each, place))
}

function entryOf(undecodable: Undecodable, { object, line }: Place): Uint8Array {
  if ('entry' in undecodable) return undecodable.entry
  return Buffer.from(quarantineEntry(object, { reason: UNDECODABLE, line, ...undecodable }))
}

function finish(report: ReplayReport): ReplayReport {
  const { landing, undecodable, objects, lines } = report
  invariant(
    landing.lines === lines.landed && undecodable.lines === lines.undecodable,
    'every line and every entry that was decoded, or could not be, lies in an object',
  )
  for (const { created, standing } of [landing, undecodable]) {
    created.sort()
    standing.sort()
  }
  objects.broken.sort((a, b) => (a.object < b.object ? -1 : 1))
  report.exitCode = objects.broken.length > 0 ? 21 : lines.undecodable > 0 ? 20 : 0
  return report
}
