// The ledger: which landing objects were merged, by name and tag, with what became of their lines.
//
// It saves work and proves completeness; which change wins never rests on it. An entry is written with the very snapshot that holds
// the object's changes.

import pMap from 'p-map'
import { encodeKeys } from '../change/key-order.ts'
import { orderByBytes } from '../change/order-keys.ts'
import type { Column } from '../columns/column.ts'
import { concat, sliceRows, takeRows } from '../columns/gather.ts'
import { columnOf, valueAt } from '../columns/values.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { KeyRange } from '../parquet/key-ranges.ts'
import type { Field, PrimitiveType } from '../primitive-type.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { quarantinedObject } from './quarantine.ts'
import { filesToMerge, readStateFile, type StateFile, type StateFolder, stateFileWriter } from './state-file.ts'

export interface LedgerEntry {
  /** The landing object's location. */
  readonly object: string
  readonly etag: string
  readonly bytes: number
  /** Lines read; the classes below add up to it (semantics, section 1). */
  readonly lines: number
  readonly applied: number
  readonly superseded: number
  readonly stale: number
  readonly quarantined: number
  readonly otherTable: number
  readonly ttlKept: number
  /** `broken`: could not be inflated to its end, and is kept whole in quarantine. */
  readonly status: 'merged' | 'broken'
  /** The location of its quarantine file, or null. */
  readonly quarantine: string | null
  readonly snapshot: bigint
}

export interface LedgerIndex {
  has(object: string, etag: string): boolean
}

const STRING: PrimitiveType = { kind: 'string' }
const LONG: PrimitiveType = { kind: 'long' }

const OBJECT = required(1, 'object', STRING)
const ETAG = required(2, 'etag', STRING)
const STATUS = required(11, 'status', STRING)
const QUARANTINE: Field = { id: 12, name: 'quarantine', type: STRING, required: false }
const COUNTS = ['bytes', 'lines', 'applied', 'superseded', 'stale', 'quarantined', 'otherTable', 'ttlKept'] as const

/** formats.md, the ledger's columns. */
const FIELDS: readonly Field[] = [
  OBJECT,
  ETAG,
  ...COUNTS.map((name, at) =>
    required(
      3 + at,
      name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`),
      LONG,
    ),
  ),
  STATUS,
  QUARANTINE,
  required(13, 'snapshot', LONG),
]

/** What a look at the ledger leaves unread is whole row groups. */
const ROW_GROUP_ROWS = 16_384
/** Each costs a run with nothing to do a request. */
const FILES_MAX = 5
const READS_AT_ONCE = 8

function required(id: number, name: string, type: PrimitiveType): Field {
  return { id, name, type, required: true }
}

/**
 * What ledger files say of the objects that were asked for, by path. They never change, so a run keeps it from one look at the ledger to
 * the next; it may ask for fewer objects then, not for others.
 */
export type LedgerCache = Map<string, ReadonlySet<string>>

/** Which of these objects are in the ledger. Only names and tags are read, of the row groups that can hold one of them. */
export async function readLedger(
  store: ObjectStore,
  files: readonly StateFile[],
  objects: readonly { readonly path: string }[],
  cache: LedgerCache = new Map(),
): Promise<LedgerIndex> {
  const asked = objects.map(({ path }) => Buffer.from(path)).sort(Buffer.compare)
  const known = await pMap(
    files,
    async (file) => cache.get(file.path) ?? (await readNamesAndTags(store, file, asked)),
    {
      concurrency: READS_AT_ONCE,
    },
  )
  cache.clear()
  for (const [i, { path }] of files.entries()) cache.set(path, known[i]!)
  return { has: (object, etag) => known.some((names) => names.has(nameAndTag(object, etag))) }
}

async function readNamesAndTags(store: ObjectStore, file: StateFile, asked: readonly Buffer[]): Promise<Set<string>> {
  const [objects, etags] = await readStateFile(store, file, [OBJECT, ETAG], (range) => holdsAny(range, asked))
  const known = new Set<string>()
  for (let row = 0; row < objects!.rows; row++) known.add(nameAndTag(textAt(objects!, row), textAt(etags!, row)))
  return known
}

/** Whether one of the names, which ascend, lies in the range. */
function holdsAny({ first, last }: KeyRange, names: readonly Buffer[]): boolean {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (Buffer.compare(names[middle]!, first) < 0) low = middle + 1
    else high = middle
  }
  return low < names.length && Buffer.compare(names[low]!, last) <= 0
}

/** Where the bad lines of a ledger file's objects lie, and the copies of those that could not be inflated. */
export async function readQuarantineNames(folder: string, store: ObjectStore, file: StateFile): Promise<Set<string>> {
  const [objects, etags, statuses, quarantines] = await readStateFile(store, file, [OBJECT, ETAG, STATUS, QUARANTINE])
  const names = new Set<string>()
  for (let row = 0; row < objects!.rows; row++) {
    const quarantine = valueAt(quarantines!, STRING, row) as string | null
    if (quarantine !== null) names.add(quarantine)
    if (textAt(statuses!, row) === 'merged') continue
    names.add(quarantinedObject(folder, textAt(objects!, row), textAt(etags!, row)))
  }
  return names
}

/** Whole entries, one file at a time, in the order of their objects: for people and maintenance. */
export async function* readLedgerEntries(
  store: ObjectStore,
  files: readonly StateFile[],
): AsyncGenerator<LedgerEntry, void> {
  for (const file of files) {
    const columns = await readStateFile(store, file, FIELDS)
    for (let row = 0; row < columns[0]!.rows; row++) yield entryAt(columns, row)
  }
}

/** Writes a file of new entries, merged with standing ones where there are many. Answers the ledger's files from then on. */
export async function addToLedger(
  folder: StateFolder,
  files: readonly StateFile[],
  entries: readonly LedgerEntry[],
): Promise<StateFile[]> {
  if (entries.length === 0) return [...files]
  const merged = filesToMerge(files, entries.length, FILES_MAX)
  const parts = [columnsOf(entries)]
  for (const file of merged) parts.push(await readStateFile(folder.store, file, FIELDS))
  return [...files.filter((file) => !merged.includes(file)), ...(await writeLedger(folder, parts))]
}

/** The ledger without the entries that `isKept` refuses; files that lose none stay as they are. */
export async function dropFromLedger(
  folder: StateFolder,
  files: readonly StateFile[],
  isKept: (entry: LedgerEntry) => boolean,
): Promise<StateFile[]> {
  const left: StateFile[] = []
  for (const file of files) {
    const columns = await readStateFile(folder.store, file, FIELDS)
    const rows = Uint32Array.from({ length: columns[0]!.rows }, (_, row) => row)
    const kept = rows.filter((row) => isKept(entryAt(columns, row)))
    if (kept.length === rows.length) left.push(file)
    else left.push(...(await writeLedger(folder, [columns.map((column) => takeRows(column, kept))])))
  }
  return left
}

async function writeLedger(folder: StateFolder, parts: readonly (readonly Column[])[]): Promise<StateFile[]> {
  const columns = FIELDS.map((field, at) =>
    concat(
      field.type,
      parts.map((part) => part[at]!),
    ),
  )
  const order = orderOfObjects(columns[0]!)
  const sorted = columns.map((column) => takeRows(column, order))
  const writer = stateFileWriter(folder, 'ledger', FIELDS, 1)
  for (let start = 0; start < order.length; start += ROW_GROUP_ROWS) {
    const end = Math.min(start + ROW_GROUP_ROWS, order.length)
    writer.add(
      sorted.map((column) => sliceRows(column, start, end)),
      { first: nameAt(sorted[0]!, start), last: nameAt(sorted[0]!, end - 1) },
    )
  }
  const file = await writer.finish()
  return file === null ? [] : [file]
}

function orderOfObjects(objects: Column): Uint32Array {
  return orderByBytes(encodeKeys([objects], [STRING]), (a, b) => a - b)
}

function columnsOf(entries: readonly LedgerEntry[]): Column[] {
  const values: readonly PartitionValue[][] = [
    entries.map((entry) => entry.object),
    entries.map((entry) => entry.etag),
    ...COUNTS.map((name) => entries.map((entry) => BigInt(entry[name]))),
    entries.map((entry) => entry.status),
    entries.map((entry) => entry.quarantine),
    entries.map((entry) => entry.snapshot),
  ]
  return FIELDS.map((field, at) => columnOf(field.type, values[at]!))
}

function entryAt(columns: readonly Column[], row: number): LedgerEntry {
  const value = (at: number) => valueAt(columns[at]!, FIELDS[at]!.type, row)
  const [bytes, lines, applied, superseded, stale, quarantined, otherTable, ttlKept] = COUNTS.map((_, at) =>
    Number(value(2 + at)),
  ) as [number, number, number, number, number, number, number, number]
  return {
    object: value(0) as string,
    etag: value(1) as string,
    ...{ bytes, lines, applied, superseded, stale, quarantined, otherTable, ttlKept },
    status: value(10) as LedgerEntry['status'],
    quarantine: value(11) as string | null,
    snapshot: value(12) as bigint,
  }
}

/** A key of one part is its text. */
function nameAt(objects: Column, row: number): Uint8Array {
  return Buffer.from(textAt(objects, row))
}

function textAt(column: Column, row: number): string {
  return valueAt(column, STRING, row) as string
}

/** No name has a control character in it (a store refuses it). */
function nameAndTag(object: string, etag: string): string {
  return `${object}\0${etag}`
}
