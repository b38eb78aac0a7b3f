// A table and its state at one moment: Iceberg metadata, and the protected state that its properties name.

import { tupleText } from './change/lines.ts'
import type { Environment } from './environment.ts'
import { InputError } from './errors.ts'
import type { StoredFile } from './files/locate.ts'
import type { MergeContext } from './files/merge-context.ts'
import type { Catalog, LoadedTable } from './iceberg/catalog.ts'
import { fileCatalog } from './iceberg/file-catalog.ts'
import { EQUALITY_DELETES } from './iceberg/manifest.ts'
import {
  currentSchema,
  currentSnapshot,
  defaultSpec,
  descendsFrom,
  newTableMetadata,
  snapshotById,
} from './iceberg/metadata.ts'
import { fieldsOf, nestedFieldNames, type PartitionSpec, type Schema, schemaOf } from './iceberg/schema.ts'
import { liveFiles } from './iceberg/snapshot.ts'
import type { PartitionValue } from './iceberg/transform.ts'
import type { NameMapping } from './parquet/read-footer.ts'
import type { Field } from './primitive-type.ts'
import { parseStateFiles, type StateFile } from './protected/state-file.ts'
import { storeLocation } from './store/stored-object.ts'
import { parseTableDefinition, type TableDefinition, type Transform } from './table-definition.ts'

/** The version of our formats that this code reads and writes. */
const FORMAT = 1
const FIRST_PARTITION_FIELD_ID = 1000

/** Iceberg's own property for files without field ids. */
const NAME_MAPPING = 'schema.name-mapping.default'

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
  snapshot: 'lastwrite.snapshot',
} as const

export interface Table {
  /** Absolute, with its scheme, without a slash at its end. */
  readonly location: string
  readonly definition: TableDefinition
  readonly environment: Environment
  readonly catalog: Catalog
}

/** What a table is at one moment. */
export interface TableState {
  readonly location: string
  readonly loaded: LoadedTable
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

/**
 * Creates an empty table at an absolute location (`file:///lake/orders`).
 * @throws InputError where a table stands there
 */
export async function createTable(
  location: string,
  definition: TableDefinition,
  environment: Environment,
): Promise<Table> {
  const root = withoutSlash(location)
  const catalog = fileCatalog(environment.store, root, environment)
  if ((await catalog.load()) !== null) {
    throw new InputError(`${root}: a table stands there; merge into it, or choose another location`)
  }
  const uuid = environment.uuid()
  const schema: Schema = {
    ...schemaOf(definition.fields, 0),
    'identifier-field-ids': definition.fields.slice(0, definition.keyColumns).map((field) => field.id),
  }
  const created = await catalog.create(
    newTableMetadata({
      uuid,
      location: root,
      schema,
      spec: partitionSpecOf(definition),
      sortOrder: {
        'order-id': 1,
        fields: definition.fields.slice(0, definition.keyColumns).map((field) => ({
          transform: 'identity',
          'source-id': field.id,
          direction: 'asc',
          'null-order': 'nulls-first',
        })),
      },
      properties: {
        [PROPERTY.format]: String(FORMAT),
        [PROPERTY.definition]: definition.text,
        [PROPERTY.stateFolder]: stateFolderOf(root, uuid),
        [PROPERTY.tombstones]: '[]',
        [PROPERTY.ledger]: '[]',
        // For files without field ids that other engines add; without it they are bound by position, silently.
        [NAME_MAPPING]: JSON.stringify(definition.fields.map(({ id, name }) => ({ 'field-id': id, names: [name] }))),
        'write.parquet.compression-codec': 'zstd',
      },
      nowMs: environment.nowMs(),
    }),
  )
  if (created.kind === 'conflict')
    throw new InputError(
      `${root}: another process created a table there just now; merge into it, or choose another location`,
    )
  if (created.kind !== 'committed')
    throw new InputError(
      `${root}: the table could not be created (${created.kind}); look whether it stands, and try again`,
    )
  return { location: root, definition, environment, catalog }
}

/**
 * Opens the table at an absolute location.
 * @throws InputError where there is none, or it is not one of lastwrite's
 */
export async function openTable(location: string, environment: Environment): Promise<Table> {
  const root = withoutSlash(location)
  const catalog = fileCatalog(environment.store, root, environment)
  const state = stateOf(root, await loadOrRefuse(root, catalog))
  return { location: root, definition: state.definition, environment, catalog }
}

/** The table's state by its newest metadata. */
export async function loadState(table: Table): Promise<TableState> {
  return stateOf(table.location, await loadOrRefuse(table.location, table.catalog))
}

async function loadOrRefuse(location: string, catalog: Catalog): Promise<LoadedTable> {
  const loaded = await catalog.load()
  if (loaded === null) throw new InputError(`${location}: there is no table; create it with "lastwrite init"`)
  return loaded
}

function stateOf(location: string, loaded: LoadedTable): TableState {
  const { metadata } = loaded
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
  const definition = parseTableDefinition(properties[PROPERTY.definition] ?? '')
  checkSpec(location, defaultSpec(metadata), definition)
  checkHistory(location, loaded)
  return {
    location,
    loaded,
    definition,
    fields: tableFields(location, currentSchema(metadata), definition),
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

function partitionSpecOf(definition: TableDefinition): PartitionSpec {
  return {
    'spec-id': 0,
    fields: definition.partitionBy.map((partition, i) => ({
      name: partition.name,
      transform: transformText(partition.transform),
      'source-id': definition.fields[partition.column]!.id,
      'field-id': FIRST_PARTITION_FIELD_ID + i,
    })),
  }
}

/** The transform as Iceberg's metadata writes it. */
export function transformText(transform: Transform): string {
  if (transform.kind === 'bucket') return `bucket[${transform.buckets}]`
  if (transform.kind === 'truncate') return `truncate[${transform.width}]`
  return transform.kind
}

function stateFolderOf(location: string, uuid: string): string {
  const cut = location.lastIndexOf('/')
  return `${location.slice(0, cut)}/_lastwrite/${location.slice(cut + 1)}-${uuid.slice(0, 8)}`
}

function withoutSlash(location: string): string {
  return storeLocation(location.replace(/\/+$/, ''))
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text)
}

/** The live data files of a snapshot by partition (`tupleText` of its tuple), with the delete files that apply to each. */
export async function filesByPartition(
  table: Table,
  state: TableState,
  snapshot?: bigint,
): Promise<Map<string, StoredFile[]>> {
  if (snapshot !== undefined && snapshotById(state.loaded.metadata, snapshot) === null) {
    throw new InputError(
      `${state.location}: there is no snapshot ${snapshot}; "lastwrite history" lists those that are kept`,
    )
  }
  const live = await liveFiles(table.environment.store, state.loaded.metadata, snapshot)
  const specId = defaultSpec(state.loaded.metadata)['spec-id']
  const deletes = live.deleteFiles.filter(({ file }) => {
    if (file.content !== EQUALITY_DELETES) return true
    throw new InputError(
      `${file.path}: equality deletes are not supported; let the engine that wrote it rewrite its data files, then merge again`,
    )
  })
  const names = nameMappingOf(state)
  const partitions = new Map<string, StoredFile[]>()
  for (const entry of live.dataFiles) {
    if (entry.specId !== specId)
      throw new InputError(
        `${entry.file.path}: written under partition spec ${entry.specId}, the table's is ${specId}; rewrite it under the table's spec`,
      )
    const partition = tupleText(entry.file.partition)
    const applying = deletes.filter(
      (other) =>
        other.sequenceNumber >= entry.sequenceNumber &&
        tupleText(other.file.partition) === partition &&
        (other.file.referencedDataFile === undefined || other.file.referencedDataFile === entry.file.path),
    )
    const files = partitions.get(partition)
    const stored = { file: entry.file, deletes: applying.map(({ file }) => file), names }
    if (files === undefined) partitions.set(partition, [stored])
    else files.push(stored)
  }
  return partitions
}

/** By which names the columns of files without field ids bind: the table's mapping, or the columns' own names. */
export function nameMappingOf({ location, fields, loaded }: TableState): NameMapping {
  const text = loaded.metadata.properties?.[NAME_MAPPING]
  if (text === undefined) return new Map(fields.map(({ id, name }) => [id, [name]]))
  try {
    const mapping = JSON.parse(text) as { 'field-id'?: number; names: string[] }[]
    return new Map(mapping.flatMap(({ 'field-id': id, names }) => (id === undefined ? [] : [[id, names] as const])))
  } catch (cause) {
    throw new InputError(`${location}: property ${NAME_MAPPING} is no name mapping; remove or mend it`, { cause })
  }
}

export function mergeContextOf(
  table: Table,
  state: TableState,
  newFilePath: (partition: readonly PartitionValue[]) => string,
): MergeContext {
  const { definition, fields } = state
  const position = (name: string) => {
    const field = definition.fields.findLast((each) => each.name === name)
    return field === undefined ? -1 : definition.fields.indexOf(field)
  }
  return {
    store: table.environment.store,
    fields,
    keyColumns: definition.keyColumns,
    streamColumn: position('_stream'),
    sequenceColumn: position('_sequence'),
    expiredColumn: definition.onTtl === 'keep' ? position('_expired_at') : -1,
    fileBytes: definition.fileBytes,
    rowGroupRows: definition.rowGroupRows,
    sortOrderId: state.loaded.metadata['default-sort-order-id'],
    newFilePath,
  }
}

/** The id of the current snapshot; null where the table is empty. */
export function snapshotIdOf(state: TableState): bigint | null {
  return currentSnapshot(state.loaded.metadata)?.['snapshot-id'] ?? null
}
