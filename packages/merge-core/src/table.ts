// A table of lastwrite: where it lies, and who holds the pointer to its metadata.

import type { Environment } from './environment.ts'
import { InputError, TryAgainError } from './errors.ts'
import type { Catalog } from './iceberg/catalog.ts'
import { fileCatalog } from './iceberg/file-catalog.ts'
import { newTableMetadata } from './iceberg/metadata.ts'
import { schemaOf } from './iceberg/schema.ts'
import { partitionSpecOf } from './partition-spec.ts'
import { proveStore } from './prove-store.ts'
import { failureError, withoutSlash } from './store/stored-object.ts'
import { NAME_MAPPING } from './stored-files.ts'
import type { TableDefinition } from './table-definition.ts'
import { declaredBy, FORMAT, loadTable, PROPERTY } from './table-state.ts'

export interface Table {
  /** Absolute, with its scheme, without a slash at its end. */
  readonly location: string
  readonly definition: TableDefinition
  readonly environment: Environment
  readonly catalog: Catalog
}

/** A table in a catalog that keeps its pointer elsewhere than beside its files. */
export interface CatalogEntry {
  readonly catalog: Catalog
  /** What messages call it. */
  readonly name: string
}

export interface Placement {
  /** Absolute. Default: where the catalog puts new tables. */
  readonly location?: string
  /** Absolute folder of tombstones and ledger. Default: beside the location. */
  readonly stateFolder?: string
}

/**
 * Creates an empty table at an absolute location (`file:///lake/orders`), or in a catalog.
 * @throws InputError where a table stands there, the store has no working conditional writes, or nobody says where the files shall lie
 */
export async function createTable(
  at: string | CatalogEntry,
  definition: TableDefinition,
  environment: Environment,
  placement: Placement = {},
): Promise<Table> {
  const { catalog, name } = entryOf(at, environment)
  if ((await catalog.load()) !== null) {
    throw new InputError(`${name}: a table stands there; merge into it, or choose another place`)
  }
  const uuid = environment.uuid()
  const { root, stateFolder } = await placeTable(typeof at === 'string' ? { ...placement, location: at } : placement)
  const proven = await proveStore(environment, root === '' ? stateFolder : root, stateFolder)
  const keyIds = definition.fields.slice(0, definition.keyColumns).map((field) => field.id)
  const created = await catalog.create(
    newTableMetadata({
      uuid,
      location: root,
      schema: { ...schemaOf(definition.fields, 0), 'identifier-field-ids': keyIds },
      spec: partitionSpecOf(definition),
      sortOrder: {
        'order-id': 1,
        fields: keyIds.map((id) => ({
          transform: 'identity',
          'source-id': id,
          direction: 'asc',
          'null-order': 'nulls-first',
        })),
      },
      properties: {
        [PROPERTY.format]: String(FORMAT),
        [PROPERTY.definition]: definition.text,
        [PROPERTY.stateFolder]: stateFolder,
        [PROPERTY.tombstones]: '[]',
        [PROPERTY.ledger]: '[]',
        // For files without field ids that other engines add; without it they are bound by position, silently.
        [NAME_MAPPING]: JSON.stringify(definition.fields.map(({ id, name }) => ({ 'field-id': id, names: [name] }))),
        'write.parquet.compression-codec': 'zstd',
        ...proven,
      },
      nowMs: environment.nowMs(),
    }),
  )
  switch (created.kind) {
    case 'committed':
      return { location: withoutSlash(created.table.metadata.location), definition, environment, catalog }
    case 'conflict':
      throw new InputError(
        `${name}: another process created a table there just now; merge into it, or choose another place`,
      )
    case 'unknown':
      throw new TryAgainError(`${name}: no clear answer whether the table was created; look, and run again`, {
        cause: created.cause,
      })
    case 'failed':
      throw failureError(name, 'creating the table', created.failure)
  }

  async function placeTable({
    location,
    stateFolder: folder,
  }: Placement): Promise<{ root: string; stateFolder: string }> {
    const chosen = location ?? (await catalog.newLocation?.()) ?? null
    if (chosen === null && folder === undefined) {
      throw new InputError(
        `${name}: its catalog does not say where a new table would lie; give its location, or where it chooses one itself the folder of its state`,
      )
    }
    const root = chosen === null ? '' : withoutSlash(chosen)
    return { root, stateFolder: folder === undefined ? stateFolderOf(root, uuid) : withoutSlash(folder) }
  }
}

/**
 * Opens the table at an absolute location, or in a catalog.
 * @throws InputError where there is none, or it is not one of lastwrite's
 */
export async function openTable(at: string | CatalogEntry, environment: Environment): Promise<Table> {
  const { catalog, name } = entryOf(at, environment)
  const loaded = await loadTable({ location: name, catalog })
  const location = typeof at === 'string' ? name : withoutSlash(loaded.metadata.location)
  return { location, definition: declaredBy(location, loaded), environment, catalog }
}

/** The table whose metadata lies in a folder is known by that folder. */
function entryOf(at: string | CatalogEntry, environment: Environment): CatalogEntry {
  if (typeof at !== 'string') return at
  const name = withoutSlash(at)
  return { catalog: fileCatalog(environment.store, name, environment), name }
}

function stateFolderOf(location: string, uuid: string): string {
  const cut = location.lastIndexOf('/')
  return `${location.slice(0, cut)}/_lastwrite/${location.slice(cut + 1)}-${uuid.slice(0, 8)}`
}
