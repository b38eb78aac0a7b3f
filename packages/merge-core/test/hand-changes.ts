// Changes written by hand: orders with a key `pk`, a `region` and a `note`.

import {
  type Item,
  image,
  type Key,
  type LandedLine,
  type LandedObject,
  modelChange,
  oldAttributes,
  SOURCE,
  TABLE,
  type TableSpec,
} from './change-sets.ts'
import { encodeLine, encodeObject, type LandedChange, PLAIN_PACKING, PLAIN_SPELLING } from './landing-lines.ts'
import { parsePartitionSpec } from './model-partitions.ts'
import type { Attribute } from './model-values.ts'

export function handTable(partitionBy: readonly string[], settings: Readonly<Record<string, unknown>> = {}): TableSpec {
  const columns = ['pk', 'region', 'note'].map((name) => ({ name, attribute: name, type: 'string' }))
  return {
    text: JSON.stringify({
      table: TABLE,
      source: SOURCE,
      key: ['pk'],
      columns: Object.fromEntries(columns.map(({ name, type }) => [name, type])),
      partition_by: partitionBy,
      ...settings,
    }),
    table: TABLE,
    source: SOURCE,
    columns,
    keyColumns: 1,
    partitionBy: partitionBy.map(parsePartitionSpec),
    partitionedByKey: partitionBy.every((text) => text.includes('(pk')),
    keepsExpired: settings.on_ttl === 'keep',
  }
}

export const STREAM = '2026-11-22T08:00:00.000'

export interface HandChange {
  readonly pk: string
  readonly sequence: number | bigint
  /** The region of the new image; absent for a removal. */
  readonly to?: string
  /** The region of the old image; absent for an insert. */
  readonly from?: string
  readonly note?: string
  readonly at?: number
  readonly stream?: string
  readonly byTtl?: boolean
}

function item(region: string | undefined, note: string | undefined): Item | null {
  if (region === undefined) return null
  const text = (value: string): Attribute => ({ raw: { S: value }, cell: value, extra: null })
  const declared = new Map([['region', text(region)]])
  if (note !== undefined) declared.set('note', text(note))
  return { declared, others: new Map() }
}

/** The change as it lands, before it is spelled. */
export function landedChange(spec: TableSpec, change: HandChange): LandedChange {
  const { before, after, key } = images(change)
  return {
    table: spec.table,
    source: spec.source,
    stream: change.stream ?? STREAM,
    sequence: change.sequence.toString().padStart(21, '0'),
    operation: after === null ? 'remove' : before === null ? 'insert' : 'modify',
    at: change.at ?? 1_795_334_400 + Number(BigInt(change.sequence) % 1000n),
    byTtl: change.byTtl ?? false,
    keys: { pk: { S: change.pk } },
    item: after && image(spec, key, after),
    old: before && image(spec, key, before),
  }
}

function images({ pk, sequence, to, from, note }: HandChange): { before: Item | null; after: Item | null; key: Key } {
  const key = { attributes: [{ raw: { S: pk }, cell: pk, extra: null }] }
  return { before: item(from, undefined), after: item(to, note ?? `change ${sequence}`), key }
}

export function line(spec: TableSpec, change: HandChange): LandedLine {
  const landed = landedChange(spec, change)
  const { before, after, key } = images(change)
  return {
    text: encodeLine(landed, oldAttributes(spec), PLAIN_SPELLING),
    change: modelChange(spec, key, landed, before, after),
    class: 'change',
  }
}

export function objectOf(name: string, lines: readonly LandedLine[]): LandedObject {
  return {
    name,
    bytes: encodeObject(
      lines.map(({ text }) => text),
      PLAIN_PACKING,
    ),
    lines,
  }
}
