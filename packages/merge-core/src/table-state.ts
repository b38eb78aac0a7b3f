// What a table is at one moment, by its metadata: its definition, its columns, and the protected state that its properties name.
//
// It is checked here for everything that another writer may have changed and that a merge could not live with.

import { InputError } from './errors.ts'
import type { LoadedTable } from './iceberg/catalog.ts'
import { currentSchema, currentSnapshot, defaultSpec, descendsFrom, type TableMetadata } from './iceberg/metadata.ts'
import { fieldsOf, nestedFieldNames, type PartitionSpec, type Schema } from './iceberg/schema.ts'
import { withItemBuckets } from './landing/item-buckets.ts'
import type { WholeListings } from './landing/list-landing.ts'
import { partitionSpecOf } from './partition-spec.ts'
import { type Field, formatPrimitiveType } from './primitive-type.ts'
import { parseStateFiles, type StateFile } from './protected/state-file.ts'
import { withoutSlash } from './store/stored-object.ts'
import type { Table } from './table.ts'
import { type DeclaredColumn, parseTableDefinition, type TableDefinition } from './table-definition.ts'

/** The version of our formats that this code reads and writes. */
export const FORMAT = 1
/** Names of the table properties that carry protected state. They change only together with a new snapshot. */
export const PROPERTY = {
  format: 'lastwrite.format',
  definition: 'lastwrite.definition',
  stateFolder: 'lastwrite.state',
  tombstones: 'lastwrite.tombstones',
  ledger: 'lastwrite.ledger',
  watermark: 'lastwrite.watermark',
  floor: 'lastwrite.floor',
  commitId: 'lastwrite.commit-id',
  /** Export and progress of an unfinished backfill. */
  backfill: 'lastwrite.backfill',
  snapshot: 'lastwrite.snapshot',
  /** When landing prefixes were listed whole (note-listing.ts). No part of the protected state. */
  listed: 'lastwrite.landing-listed',
  /** Version of the probe that the store has passed (prove-store.ts). No part of the protected state. */
  probed: 'lastwrite.probed',
} as const
/** What a snapshot's summary calls the file of its protected state (protected/state-lists.ts). */
export const STATE_LISTS = 'lastwrite.state-lists'

/** What a table is at one moment. */
export interface TableState {
  readonly location: string
  readonly loaded: LoadedTable
  /** Its stored types are those of the table's columns by now. */
  readonly definition: TableDefinition
  /** All columns of the current schema, those of the definition first. */
  readonly fields: readonly Field[]
  readonly stateFolder: string
  readonly tombstoneFiles: readonly StateFile[]
  readonly ledgerFiles: readonly StateFile[]
  /** Epoch seconds. */
  readonly watermark: number | null
  readonly floor: number | null
}

/** The table's state by its newest metadata. Throws InputError where there is no table, or not one of lastwrite's. */
export async function loadState({ location, catalog }: Pick<Table, 'location' | 'catalog'>): Promise<TableState> {
  const state = stateOf(location, await loadTable({ location, catalog }))
  checkHistory(location, state.loaded)
  return state
}

/** The table's newest metadata. Throws InputError where there is no table. */
export async function loadTable({ location, catalog }: Pick<Table, 'location' | 'catalog'>): Promise<LoadedTable> {
  const loaded = await catalog.load()
  if (loaded === null) throw new InputError(`${location}: there is no table; create it with "lastwrite init"`)
  return loaded
}

/**
 * The definition as the table was made by it. Another writer may have left the table in a state that no merge can live with: a rollback
 * still has to open it.
 */
export function declaredBy(location: string, { metadata }: LoadedTable): TableDefinition {
  const properties = metadata.properties ?? {}
  const format = properties[PROPERTY.format]
  if (format === undefined)
    throw new InputError(
      `${location}: an Iceberg table, but not one of lastwrite's (it has no property ${PROPERTY.format})`,
    )
  if (Number(format) > FORMAT) {
    throw new InputError(
      `${location}: written in format ${format}, this version reads up to ${FORMAT}; use a newer lastwrite`,
    )
  }
  if (withoutSlash(metadata.location) !== location) {
    throw new InputError(
      `${location}: its metadata says that it lies at ${metadata.location}: a copy, or moved; open it where it was made`,
    )
  }
  return parseTableDefinition(properties[PROPERTY.definition] ?? '')
}

/** The state by one metadata, whether main descends from the snapshot that it belongs to or somebody went back behind it. */
export function stateOf(location: string, loaded: LoadedTable): TableState {
  const { metadata } = loaded
  const properties = metadata.properties ?? {}
  const declared = declaredBy(location, loaded)
  checkSpec(location, defaultSpec(metadata), declared)
  const fields = tableFields(location, currentSchema(metadata), declared)
  const definition = widened(location, declared, fields)
  return {
    location,
    loaded,
    definition: withItemBuckets(definition, [location]),
    fields,
    stateFolder: properties[PROPERTY.stateFolder]!,
    tombstoneFiles: parseStateFiles(properties[PROPERTY.tombstones], PROPERTY.tombstones, loaded.metadataLocation),
    ledgerFiles: parseStateFiles(properties[PROPERTY.ledger], PROPERTY.ledger, loaded.metadataLocation),
    watermark: numberOrNull(properties[PROPERTY.watermark]),
    floor: numberOrNull(properties[PROPERTY.floor]),
  }
}

/** The definition's columns first, as the merge wants its keys; then columns that others added. */
function tableFields(location: string, schema: Schema, definition: TableDefinition): Field[] {
  const nested = nestedFieldNames(schema)
  if (nested.length > 0) {
    throw new InputError(
      `${location}: column ${nested[0]} is not of a primitive type; lastwrite keeps such values as json text: drop the column`,
    )
  }
  const stored = new Map(fieldsOf(schema).map((field) => [field.id, field]))
  const own = definition.fields.map((field) => {
    const present = stored.get(field.id)
    if (present === undefined) {
      throw new InputError(
        `${location}: column ${field.name} (field id ${field.id}) was dropped by another writer; roll back to the snapshot before, or create a table without it`,
      )
    }
    stored.delete(field.id)
    return present
  })
  return [...own, ...stored.values()]
}

/**
 * Iceberg lets anybody widen a column and nobody narrow it again: its values are stored so from then on, and fit by the declared type
 * as before, so that old images name the partitions that rows lie in. A key's may not change: the order of files and tombstones rests
 * on it.
 */
function widened(location: string, definition: TableDefinition, stored: readonly Field[]): TableDefinition {
  const columns = definition.columns.map((column, index): DeclaredColumn => {
    const { name, type } = stored[index]!
    const [before, now] = [column.storedType, type].map(formatPrimitiveType)
    if (before === now) return column
    if (index >= definition.keyColumns) return { ...column, storedType: type }
    throw new InputError(
      `${location}: another writer changed key column ${name} from ${before} to ${now}, and the order of files and tombstones rests on it: build a new table`,
    )
  })
  const fields = definition.fields.map((field, index) => ({ ...field, type: stored[index]!.type }))
  return { ...definition, columns, fields }
}

function checkSpec(location: string, spec: PartitionSpec, definition: TableDefinition): void {
  const expected = partitionSpecOf(definition).fields
  const same =
    spec.fields.length === expected.length &&
    expected.every(
      (field, i) =>
        spec.fields[i]!.transform === field.transform && spec.fields[i]!['source-id'] === field['source-id'],
    )
  if (!same) {
    throw new InputError(
      `${location}: another writer changed the partition spec; its definition says ${JSON.stringify(expected.map((field) => field.name))}: set the old spec again, or build a new table`,
    )
  }
}

/** Protected state belongs to one snapshot: somebody who went back behind it by other means has to say what shall become of it. */
function checkHistory(location: string, { metadata }: LoadedTable): void {
  const owner = metadata.properties?.[PROPERTY.snapshot]
  if (owner === undefined) return
  const [id, sequenceNumber] = owner.split(' ')
  if (descendsFrom(metadata, BigInt(id!), Number(sequenceNumber))) return
  throw new InputError(
    `${location}: main does not descend from snapshot ${id}, to which its tombstones and ledger belong: somebody rolled back by other means. ` +
      'Run "lastwrite rollback --to <snapshot> --reapply|--skip" to decide what becomes of the changes merged since',
  )
}

/** As noteListing left them. What nobody can read says nothing, and everything is listed. */
export function wholeListingsOf({ properties }: TableMetadata): WholeListings {
  try {
    const entries = Object.entries(JSON.parse(properties?.[PROPERTY.listed] ?? '{}') as object)
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  } catch {
    return new Map()
  }
}

/** The id of the current snapshot; null where the table is empty. */
export function snapshotIdOf(state: TableState): bigint | null {
  return currentSnapshot(state.loaded.metadata)?.['snapshot-id'] ?? null
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}
