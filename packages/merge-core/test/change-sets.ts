// Random tables, the histories that DynamoDB could have given their keys, and the ways in which those can reach a landing area.
//
// A history is consistent: insert, modifies and removals alternate as they must, versions rise, each old image is the image
// before. Its delivery is not: lines come in any order, twice, in any split into objects and merges, in both forms, between
// lines that have no effect. By the last merge every change has arrived.

import fc from 'fast-check'
import { encodeLine, encodeObject, type Image, type LandedChange, type Spelling } from './landing-lines.ts'
import { type Arrival, type Cells, type Change, microseconds } from './model.ts'
import { type PartitionSpec, parsePartitionSpec, partitionText, partitionValue } from './model-partitions.ts'
import {
  type Attribute,
  type AttributeValue,
  attributeNames,
  attributesOf,
  canonicalJson,
  keysOf,
  type Value,
  values,
} from './model-values.ts'

export interface ColumnSpec {
  readonly name: string
  readonly attribute: string
  /** As the definition writes it. */
  readonly type: string
}

export interface TableSpec {
  /** The definition's JSON text. */
  readonly text: string
  readonly table: string
  readonly source: string
  /** The key columns first. */
  readonly columns: readonly ColumnSpec[]
  readonly keyColumns: number
  readonly partitionBy: readonly PartitionSpec[]
  readonly partitionedByKey: boolean
  readonly keepsExpired: boolean
}

export interface LandedLine {
  readonly text: string
  /** What it says; null where it must have no effect. */
  readonly change: Change | null
  readonly class: 'change' | 'other-table' | 'quarantined'
}

export interface LandedObject {
  readonly name: string
  readonly bytes: Uint8Array
  readonly lines: readonly LandedLine[]
}

export interface ChangeSet {
  readonly table: TableSpec
  /** The objects that land before each merge. */
  readonly merges: readonly (readonly LandedObject[])[]
  /** Each landing object gets a commit of its own. */
  readonly commitsEachObject: boolean
}

export const SOURCE = '123456789012/eu-west-1'
export const TABLE = 'orders'

/** The objects of each commit. */
export function commitsOf({
  merges,
  commitsEachObject,
}: Omit<ChangeSet, 'table'>): readonly (readonly LandedObject[])[] {
  return commitsEachObject ? merges.flat().map((object) => [object]) : merges
}

/** What one commit after the other sees. */
export function arrivalsOf(commits: readonly (readonly LandedObject[])[]): Arrival[] {
  return commits.flatMap((objects, commit) =>
    objects.flatMap(({ lines }) => lines.flatMap(({ change }) => (change === null ? [] : [{ change, commit }]))),
  )
}

type Generator = fc.GeneratorValue

function pick<T>(g: Generator, options: readonly T[]): T {
  return options[g(fc.nat, options.length - 1)] as T
}

function chance(g: Generator, percent: number): boolean {
  return g(fc.nat, 99) < percent
}

export function changeSet(g: Generator): ChangeSet {
  const table = tableSpec(g)
  const histories = keys(g, table).map((key) => history(g, table, key))
  return { table, merges: deliver(g, table, histories.flat()), commitsEachObject: chance(g, 25) }
}

// Tables

const KEY_TYPES = ['string', 'number', 'binary', 'long', 'int', 'decimal(20,4)', 'decimal(38,0)']

const OTHER_COLUMNS: readonly ColumnSpec[] = [
  { name: 'note', attribute: 'note', type: 'string' },
  { name: 'amount', attribute: 'amount', type: 'number' },
  { name: 'counted', attribute: 'counted', type: 'long' },
  { name: 'small', attribute: 'small', type: 'int' },
  { name: 'price', attribute: 'price', type: 'decimal(12,2)' },
  { name: 'wide', attribute: 'wide', type: 'decimal(38,10)' },
  { name: 'ratio', attribute: 'ratio', type: 'double' },
  { name: 'flag', attribute: 'flag', type: 'boolean' },
  { name: 'seen', attribute: 'seenMs', type: 'timestamptz(ms)' },
  { name: 'heard', attribute: 'heard', type: 'timestamptz(us)' },
  { name: 'born', attribute: 'born', type: 'date' },
  { name: 'blob', attribute: 'blob', type: 'binary' },
  { name: 'doc', attribute: 'Document', type: 'json' },
]

const ELSEWHERE = [
  ['identity(region)'],
  ['truncate(region, 1)'],
  ['day(created_at)'],
  ['identity(region)', 'month(created_at)'],
  ['bucket(pk, 2)', 'identity(region)'],
  ['hour(expires)'],
  ['year(created_at)', 'bucket(region, 3)'],
]

function tableSpec(g: Generator): TableSpec {
  const keyColumns = 1 + g(fc.nat, 1)
  const keyTypes = [pick(g, KEY_TYPES), pick(g, KEY_TYPES)]
  const columns: ColumnSpec[] = [
    ...['pk', 'sk'].slice(0, keyColumns).map((name, i) => ({ name, attribute: name, type: keyTypes[i] as string })),
    { name: 'region', attribute: 'Region', type: 'string' },
    { name: 'created_at', attribute: 'created_at', type: 'timestamptz' },
    { name: 'expires', attribute: 'expires', type: 'timestamptz(s)' },
    ...OTHER_COLUMNS.filter(() => chance(g, 35)),
  ]
  const truncatable = keyTypes[0] !== 'number'
  const byKey = [
    [],
    ['bucket(pk, 3)'],
    [truncatable ? 'truncate(pk, 1)' : 'bucket(pk, 2)'],
    ['identity(pk)'],
    [`bucket(${keyColumns === 2 ? 'sk' : 'pk'}, 2)`],
  ]
  const partitionedByKey = chance(g, 45)
  const partitionBy = pick(g, partitionedByKey ? byKey : ELSEWHERE)
  const keepsExpired = partitionedByKey && chance(g, 40)
  const definition = {
    table: TABLE,
    source: SOURCE,
    key: columns.slice(0, keyColumns).map(({ name }) => name),
    columns: Object.fromEntries(
      columns.map(({ name, attribute, type }) => [name, attribute === name ? type : { type, from: attribute }]),
    ),
    partition_by: partitionBy,
    on_ttl: keepsExpired ? 'keep' : 'remove',
    row_group_rows: pick(g, [1, 2, 3, 100_000]),
    file_bytes: pick(g, [1_500, 6_000, 134_217_728]),
  }
  return {
    text: JSON.stringify(definition),
    table: TABLE,
    source: SOURCE,
    columns,
    keyColumns,
    partitionBy: partitionBy.map(parsePartitionSpec),
    partitionedByKey,
    keepsExpired,
  }
}

// Histories

export interface Key {
  readonly attributes: readonly Attribute[]
}

function keys(g: Generator, table: TableSpec): Key[] {
  const found = new Map<string, Key>()
  const tries = 1 + g(fc.nat, 5)
  for (let i = 0; i < tries; i++) {
    const attributes = table.columns.slice(0, table.keyColumns).map(({ type }) => g(keysOf, type))
    found.set(keyText(attributes.map(({ cell }) => cell)), { attributes })
  }
  return [...found.values()]
}

export function keyText(cells: readonly (string | null)[]): string {
  return JSON.stringify(cells)
}

export interface Item {
  /** By column name; an absent one is not there. */
  readonly declared: ReadonlyMap<string, Attribute>
  readonly others: ReadonlyMap<string, Value>
}

/** A change as it lands and as the model sees it. */
export interface TwofoldChange {
  readonly landed: LandedChange
  readonly change: Change
}

const STREAMS = ['2026-11-22T08:00:00.000', '2026-11-22T08:00:00.001', '2027-01-05T23:59:59.999']

function history(g: Generator, table: TableSpec, key: Key): TwofoldChange[] {
  const changes: TwofoldChange[] = []
  const length = 1 + g(fc.nat, 4)
  let stream = 0
  let sequence = g(firstSequences)
  let at = 1_795_334_400 + g(fc.nat, 86_400)
  let item: Item | null = null
  for (let i = 0; i < length; i++) {
    const before: Item | null = item
    const removal: boolean = before !== null && chance(g, 35)
    const byTtl = removal && chance(g, 50)
    item = removal ? null : nextItem(g, table, before)
    if (stream < STREAMS.length - 1 && chance(g, 12)) {
      stream++
      sequence = g(firstSequences)
    }
    const operation = removal ? 'remove' : before === null ? 'insert' : 'modify'
    const landed: LandedChange = {
      table: table.table,
      source: table.source,
      stream: STREAMS[stream] as string,
      sequence: sequence.toString().padStart(pick(g, [21, 24, 40]), '0'),
      operation,
      at,
      byTtl,
      keys: keyImage(g, table, key),
      item: item && image(table, key, item),
      old: before === null || (table.partitionedByKey && chance(g, 50)) ? null : image(table, key, before),
    }
    changes.push({ landed, change: modelChange(table, key, landed, before, item) })
    sequence += g(sequenceSteps)
    at += pick(g, [0, 0, 1, 0.125, 3600])
  }
  return changes
}

const firstSequences = () =>
  fc.oneof(
    fc.bigInt({ min: 1n, max: 10n ** 22n }),
    fc.integer({ min: 20, max: 38 }).map((power) => 10n ** BigInt(power) - 2n),
  )

const sequenceSteps = () => fc.oneof(fc.constant(1n), fc.bigInt({ min: 1n, max: 10n ** 36n }))

/** The key's attributes as this line spells them: a number may be written in another way in each. */
function keyImage(g: Generator, table: TableSpec, key: Key): Image {
  const entries = key.attributes.map(({ raw, cell }, i): [string, AttributeValue] => {
    const { attribute } = table.columns[i] as ColumnSpec
    const respelled = typeof raw.N === 'string' && chance(g, 30)
    return [attribute, respelled ? { N: cell as string } : raw]
  })
  return Object.fromEntries(entries)
}

function nextItem(g: Generator, table: TableSpec, before: Item | null): Item {
  const declared = new Map<string, Attribute>()
  for (const { name, type } of table.columns.slice(table.keyColumns)) {
    const kept = before?.declared.get(name)
    if (kept !== undefined && chance(g, 50)) declared.set(name, kept)
    else if (chance(g, 85))
      declared.set(name, isPartitionSource(table, name) ? g(placesOf, name) : g(attributesOf, type))
  }
  const names = new Set(table.columns.map(({ attribute }) => attribute))
  const others = new Map<string, Value>(before !== null && chance(g, 50) ? before.others : [])
  for (let i = g(fc.nat, 2); i > 0; i--) {
    const name = g(otherNames)
    if (!names.has(name)) others.set(name, g(anyValues))
  }
  return { declared, others }
}

const otherNameValues = fc.oneof(attributeNames, fc.constantFrom('aws:rep:deleting', '_stream', '_extra'))
const otherNames = () => otherNameValues
const anyValues = () => values

function isPartitionSource(table: TableSpec, name: string): boolean {
  return table.partitionBy.some(({ column }) => column === name)
}

/** Few values of each partition source, so that items move away and come back. */
function placesOf(name: string): fc.Arbitrary<Attribute> {
  const empty = { raw: { NULL: true }, cell: null, extra: { NULL: true } }
  const wrong = { raw: { BOOL: true }, cell: null, extra: { BOOL: true } }
  const text = (value: string): Attribute => ({ raw: { S: value }, cell: value, extra: null })
  const instant = (seconds: number): Attribute => ({
    raw: name === 'expires' ? { N: String(seconds) } : { S: new Date(seconds * 1000).toISOString() },
    cell: microseconds(seconds),
    extra: null,
  })
  if (name === 'region') {
    return fc.constantFrom(text('eu'), text('us'), text('us'), text(''), text('../a=b%/\u{1F600}c'), empty, wrong)
  }
  return fc.constantFrom(instant(0), instant(-1), instant(1_795_334_400), instant(1_795_420_799), empty, wrong)
}

export function image(table: TableSpec, key: Key, item: Item): Image {
  const entries = new Map<string, AttributeValue>()
  for (const [i, { raw }] of key.attributes.entries()) entries.set((table.columns[i] as ColumnSpec).attribute, raw)
  for (const { name, attribute } of table.columns) {
    const value = item.declared.get(name)
    if (value !== undefined) entries.set(attribute, value.raw)
  }
  for (const [name, { raw }] of item.others) entries.set(name, raw)
  return Object.fromEntries(entries)
}

export function modelChange(
  table: TableSpec,
  key: Key,
  landed: LandedChange,
  before: Item | null,
  after: Item | null,
): Change {
  const place = (item: Item | null) => partitionText(partitionTuple(table, declaredCells(table, key, item)))
  const inKey = table.partitionedByKey ? place(null) : null
  return {
    key: keyText(key.attributes.map(({ cell }) => cell)),
    stream: landed.stream,
    sequence: BigInt(landed.sequence),
    at: landed.at,
    operation: after !== null ? 'put' : landed.byTtl && table.keepsExpired ? 'expire' : 'remove',
    partition: after === null ? null : place(after),
    oldPartition: before === null ? null : (inKey ?? place(before)),
    cells: after === null ? {} : { ...declaredCells(table, key, after), ...metadataCells(table, landed, after) },
  }
}

export function partitionTuple(table: TableSpec, cells: Cells): (string | null)[] {
  return table.partitionBy.map((spec) => {
    const { type } = table.columns.find(({ name }) => name === spec.column) as ColumnSpec
    return partitionValue(spec, type, cells[spec.column] as string | null)
  })
}

function declaredCells(table: TableSpec, key: Key, item: Item | null): Cells {
  return Object.fromEntries(
    table.columns.map(({ name }, i) => {
      const attribute = i < table.keyColumns ? key.attributes[i] : item?.declared.get(name)
      return [name, attribute?.cell ?? null]
    }),
  )
}

function metadataCells(table: TableSpec, landed: LandedChange, item: Item): Cells {
  const digits = BigInt(landed.sequence).toString()
  const extra: [string, AttributeValue][] = []
  for (const { name, attribute } of table.columns) {
    const misfit = item.declared.get(name)?.extra ?? null
    if (misfit !== null) extra.push([attribute, misfit])
  }
  for (const [name, { typed }] of item.others) if (!name.startsWith('aws:rep:')) extra.push([name, typed])
  return {
    _updated_at: microseconds(landed.at),
    _stream: landed.stream,
    _sequence: `${String(digits.length).padStart(2, '0')}${digits}`,
    _extra: extra.length === 0 ? null : canonicalJson(Object.fromEntries(extra)),
    ...(table.keepsExpired && { _expired_at: null }),
  }
}

// Deliveries

const spellings = () =>
  fc.record<Spelling>({
    form: fc.constantFrom('change-line', 'change-line', 'stream-record'),
    spaces: fc.boolean(),
    escapes: fc.boolean(),
    order: fc.nat(1000),
    extraFields: fc.boolean(),
  })

const packings = () =>
  fc.record({
    gzip: fc.boolean(),
    memberLines: fc.constantFrom(1, 2, 1000),
    blankLines: fc.boolean(),
    lastNewline: fc.boolean(),
  })

/** What the forwarder of this table keeps of old images. */
export function oldAttributes(table: TableSpec): string[] {
  const sources = table.columns.filter(({ name }, i) => i >= table.keyColumns && isPartitionSource(table, name))
  return sources.map(({ attribute }) => attribute)
}

function deliver(g: Generator, table: TableSpec, changes: readonly TwofoldChange[]): LandedObject[][] {
  const mergeCount = 1 + g(fc.nat, 3)
  const objectCounts = Array.from({ length: mergeCount }, () => 1 + g(fc.nat, 2))
  const placed: { merge: number; object: number; order: number; line: LandedLine }[] = []
  const place = (line: LandedLine) => {
    const merge = g(fc.nat, mergeCount - 1)
    placed.push({ merge, object: g(fc.nat, (objectCounts[merge] as number) - 1), order: g(fc.nat, 1000), line })
  }
  const kept = oldAttributes(table)
  for (const { landed, change } of changes) {
    for (let copies = pick(g, [1, 1, 1, 2, 3]); copies > 0; copies--) {
      place({ text: encodeLine(landed, kept, g(spellings)), change, class: 'change' })
    }
    if (chance(g, 20)) place(lineWithoutEffect(g, table, landed))
  }
  return objectCounts.map((objects, merge) =>
    Array.from({ length: objects }, (_, object) => {
      const inObject = placed.filter((line) => line.merge === merge && line.object === object)
      const lines = inObject.sort((a, b) => a.order - b.order).map(({ line }) => line)
      const bytes = encodeObject(
        lines.map(({ text }) => text),
        g(packings),
      )
      return { name: `2026/11/22/08/${merge}-${object}.ndjson`, bytes, lines }
    }),
  )
}

/** A line about a key that stands, newer than all of its changes, which must change nothing. */
function lineWithoutEffect(g: Generator, table: TableSpec, landed: LandedChange): LandedLine {
  const newest = { ...landed, stream: '2027-02-01T00:00:00.000' }
  const kept = oldAttributes(table)
  const spelling = g(spellings)
  const quarantined = (text: string): LandedLine => ({ text, change: null, class: 'quarantined' })
  const changeLine = (change: LandedChange) => encodeLine(change, kept, { ...spelling, form: 'change-line' })
  const kinds = [
    (): LandedLine => ({
      text: encodeLine({ ...newest, table: 'orders-2' }, kept, spelling),
      change: null,
      class: 'other-table',
    }),
    () => quarantined(encodeLine({ ...newest, source: '123456789012/eu-west-2' }, kept, spelling)),
    () => quarantined(changeLine(newest).replace('lastwrite/1', 'lastwrite/2')),
    () => quarantined(encodeLine(newest, kept, spelling).slice(0, -1 - g(fc.nat, 60))),
    () => quarantined(encodeLine({ ...newest, operation: 'insert', item: null }, kept, spelling)),
    () => quarantined(encodeLine({ ...newest, keys: {} }, kept, spelling)),
    () => quarantined(encodeLine({ ...newest, keys: { ...newest.keys, pk: { BOOL: true } } }, kept, spelling)),
    () => quarantined(encodeLine({ ...newest, sequence: '12a' }, kept, spelling)),
    () => quarantined(changeLine(newest).replace(/"at": ?[\d.]+(, ?)?/, '')),
    ...(table.partitionedByKey
      ? []
      : [() => quarantined(encodeLine({ ...newest, operation: 'remove', item: null, old: null }, kept, spelling))]),
  ]
  return pick(g, kinds)()
}
