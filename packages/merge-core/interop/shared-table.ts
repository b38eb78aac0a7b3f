// A table in a local folder that merges and other engines write in turns, beside the model of what it must hold.

import fc from 'fast-check'
import { expect } from 'vitest'
import type { Environment } from '../src/environment.ts'
import {
  createTable,
  type MergeReport,
  mergeLanding,
  nodeEnvironment,
  parseTableDefinition,
  type Table,
  type TableDefinition,
} from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import {
  type ColumnSpec,
  type Item,
  image,
  type Key,
  keyText,
  type LandedLine,
  type LandedObject,
  modelChange,
  oldAttributes,
  partitionTuple,
  SOURCE,
  TABLE,
  type TableSpec,
} from '../test/change-sets.ts'
import { encodeLine, encodeObject, type LandedChange, PLAIN_PACKING, PLAIN_SPELLING } from '../test/landing-lines.ts'
import { type Arrival, type Cells, expectedRows, rowId } from '../test/model.ts'
import { parsePartitionSpec, partitionText } from '../test/model-partitions.ts'
import {
  type Attribute,
  attributesOf,
  canonicalExtra,
  canonicalJson,
  parseJson,
  type Value,
  values,
} from '../test/model-values.ts'
import { rowKey } from '../test/read-rows.ts'
import type { Row } from './parts.ts'

/** One column of each declared type. */
const COLUMNS: readonly (readonly [name: string, type: string])[] = [
  ['region', 'string'],
  ['created_at', 'timestamptz'],
  ['note', 'string'],
  ['amount', 'number'],
  ['counted', 'long'],
  ['small', 'int'],
  ['ratio', 'double'],
  ['flag', 'boolean'],
  ['price', 'decimal(12,2)'],
  ['wide', 'decimal(38,9)'],
  ['seen', 'timestamptz(ms)'],
  ['born', 'date'],
  ['blob', 'binary'],
  ['doc', 'json'],
]

export function tableOf(
  keyTypes: readonly [string, string],
  partitionBy: readonly string[],
  settings: Readonly<Record<string, unknown>> = {},
): TableSpec {
  const columns: ColumnSpec[] = [['pk', keyTypes[0]] as const, ['sk', keyTypes[1]] as const, ...COLUMNS].map(
    ([name, type]) => ({ name, attribute: name, type }),
  )
  return {
    text: JSON.stringify({
      table: TABLE,
      source: SOURCE,
      key: ['pk', 'sk'],
      columns: Object.fromEntries(columns.map(({ name, type }) => [name, type])),
      partition_by: partitionBy,
      ...settings,
    }),
    table: TABLE,
    source: SOURCE,
    columns,
    keyColumns: 2,
    partitionBy: partitionBy.map(parsePartitionSpec),
    partitionedByKey: partitionBy.every((text) => text.includes('(pk') || text.includes('(sk')),
    keepsExpired: settings.on_ttl === 'keep',
  }
}

export interface SharedTable {
  readonly name: string
  readonly spec: TableSpec
  readonly table: Table
  /** Lands with the next merge. Without an item: a removal. */
  change(key: Key, item: Item | null): void
  /** Merges what was changed since the last time. Where the report is expected to be another one, the changes wait for the next. */
  merge(expected?: object): Promise<MergeReport>
  /** The rows by the model, as if nobody else had written. */
  rows(): Map<string, Cells>
}

const STREAM = '2026-11-22T08:00:00.000'

/**
 * @param wrap puts something between the merges and their store
 * @param create makes the table elsewhere than in the folder of its catalog
 */
export async function createSharedTable(
  warehouse: string,
  name: string,
  spec: TableSpec,
  wrap: (environment: Environment) => Environment = (environment) => environment,
  create: (definition: TableDefinition, environment: Environment) => Promise<Table> = (definition, environment) =>
    createTable(`${warehouse}/db/${name}`, definition, environment),
): Promise<SharedTable> {
  const store = localStore()
  const environment = wrap(nodeEnvironment(store))
  const table = await create(parseTableDefinition(spec.text), environment)
  const landing = `${warehouse}/landing/${name}/`
  const items = new Map<string, Item>()
  const arrivals: Arrival[] = []
  let pending: LandedLine[] = []
  let commits = 0
  let refused = false
  let sequence = 10n ** 20n - 3n

  function change(key: Key, item: Item | null): void {
    const id = keyText(key.attributes.map(({ cell }) => cell))
    const before = items.get(id) ?? null
    const landed: LandedChange = {
      table: spec.table,
      source: spec.source,
      stream: STREAM,
      sequence: String(sequence++).padStart(21, '0'),
      operation: item === null ? 'remove' : before === null ? 'insert' : 'modify',
      at: 1_795_334_400 + commits,
      byTtl: false,
      keys: Object.fromEntries(key.attributes.map(({ raw }, i) => [spec.columns[i]!.attribute, raw])),
      item: item && image(spec, key, item),
      old: before && image(spec, key, before),
    }
    const text = encodeLine(landed, oldAttributes(spec), PLAIN_SPELLING)
    pending.push({ text, change: modelChange(spec, key, landed, before, item), class: 'change' })
    if (item === null) items.delete(id)
    else items.set(id, item)
  }

  async function merge(expected?: object): Promise<MergeReport> {
    const object: LandedObject = {
      name: `${commits}.ndjson`,
      bytes: encodeObject(
        pending.map(({ text }) => text),
        PLAIN_PACKING,
      ),
      lines: pending,
    }
    const put = await store.put(landing + object.name, object.bytes, { kind: 'create' })
    // A merge that was refused is tried again.
    expect(put.kind).toBe(refused ? 'conflict' : 'ok')
    refused = true
    const report = await mergeLanding(table, [landing])
    if (expected !== undefined) {
      expect(report).toMatchObject(expected)
      return report
    }
    expect(report).toMatchObject({
      exitCode: 0,
      conflicts: 0,
      damaged: [],
      lines: { read: pending.length, quarantined: 0 },
    })
    for (const { change } of pending) arrivals.push({ change: change!, commit: commits })
    refused = false
    pending = []
    commits++
    return report
  }

  return { name, spec, table, change, merge, rows: () => expectedRows(arrivals) }
}

// Keys and items

export function keyOf(spec: TableSpec, pk: string, sk: string): Key {
  const attribute = (type: string, text: string): Attribute => {
    if (type === 'string') return { raw: { S: text }, cell: text, extra: null }
    if (type === 'binary') return { raw: { B: Buffer.from(text, 'hex').toString('base64') }, cell: text, extra: null }
    return { raw: { N: text }, cell: text, extra: null }
  }
  return { attributes: [pk, sk].map((text, i) => attribute(spec.columns[i]!.type, text)) }
}

/** `count` items with any values in their columns, the same for the same seed. */
export function sampleItems(spec: TableSpec, count: number, seed: number): Item[] {
  const columns = spec.columns.slice(spec.keyColumns)
  const declared = fc.tuple(...columns.map(({ type }) => attributesOf(type)))
  const others = fc.dictionary(fc.constantFrom('weather', 'tags', 'é'), values, { maxKeys: 2 })
  return fc.sample(fc.tuple(declared, others), { numRuns: count, seed }).map(([attributes, rest]) => ({
    declared: new Map(attributes.map((attribute, i) => [columns[i]!.name, attribute])),
    others: new Map<string, Value>(Object.entries(rest)),
  }))
}

export function placed(item: Item, region: string | null, createdAt: string | null): Item {
  const nothing: Attribute = { raw: { NULL: true }, cell: null, extra: { NULL: true } }
  const declared = new Map(item.declared)
  declared.set('region', region === null ? nothing : { raw: { S: region }, cell: region, extra: null })
  declared.set(
    'created_at',
    createdAt === null ? nothing : { raw: { S: createdAt }, cell: String(Date.parse(createdAt) * 1000), extra: null },
  )
  return { ...item, declared }
}

// Rows of engines

/** An engine's row (parts.ts) as the model writes it, without the columns that the definition does not have. */
export function cellsOf(spec: TableSpec, row: Row): Cells {
  const columns = [
    ...spec.columns,
    { name: '_updated_at', type: 'timestamptz' },
    { name: '_stream', type: 'string' },
    { name: '_sequence', type: 'string' },
    { name: '_extra', type: 'extra' },
  ]
  return Object.fromEntries(
    columns.map(({ name, type }) => {
      if (!(name in row)) throw new Error(`the row lacks ${name}: ${Object.keys(row)}`)
      const value = row[name]
      return [name, value === null ? null : cellOf(type, value)]
    }),
  )
}

function cellOf(type: string, value: unknown): string {
  if (type === 'json') return canonicalJson(parseJson(value as string))
  if (type === 'extra') return canonicalExtra(value as string)
  if (type.startsWith('timestamptz')) return microsOf(value as string)
  if (type === 'date') return String(Date.parse(`${value}T00:00:00Z`) / 86_400_000)
  return String(value)
}

function microsOf(text: string): string {
  const match = /^(.*)\.(\d{6})Z$/.exec(text)
  if (match === null) throw new Error(`${text} is no instant with microseconds`)
  return String(BigInt(Date.parse(`${match[1]}Z`)) * 1000n + BigInt(match[2]!))
}

export function idOf(spec: TableSpec, cells: Cells): string {
  return rowId(partitionText(partitionTuple(spec, cells)), rowKey(spec, cells))
}

/** Rows in a fixed order; two of one key stay two. */
export function sorted(spec: TableSpec, rows: Iterable<Cells>): [string, Cells][] {
  return Array.from(rows, (cells): [string, Cells] => [idOf(spec, cells), cells]).sort(([a, x], [b, y]) =>
    `${a}${x._sequence}` < `${b}${y._sequence}` ? -1 : 1,
  )
}

/** The cells of a row that another engine wrote: what it did not name is null. */
export function foreignCells(spec: TableSpec, named: Cells): Cells {
  const names = [...spec.columns.map(({ name }) => name), '_updated_at', '_stream', '_sequence', '_extra']
  return Object.fromEntries(names.map((name) => [name, named[name] ?? null]))
}
