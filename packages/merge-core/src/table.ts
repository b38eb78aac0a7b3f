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
import { FORMAT, loadState, PROPERTY } from './table-state.ts'

export interface Table {
  /** Absolute, with its scheme, without a slash at its end. */
  readonly location: string
  readonly definition: TableDefinition
  readonly environment: Environment
  readonly catalog: Catalog
}

/**
 * Creates an empty table at an absolute location (`file:///lake/orders`).
 * @throws InputError where a table stands there, or the store has no working conditional writes
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
  const stateFolder = stateFolderOf(root, uuid)
  const proven = await proveStore(environment, root, stateFolder)
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
      return { location: root, definition, environment, catalog }
    case 'conflict':
      throw new InputError(
        `${root}: another process created a table there just now; merge into it, or choose another location`,
      )
    case 'unknown':
      throw new TryAgainError(`${root}: no clear answer whether the table was created; look, and run again`, {
        cause: created.cause,
      })
    case 'failed':
      throw failureError(root, 'creating the table', created.failure)
  }
}

/**
 * Opens the table at an absolute location.
 * @throws InputError where there is none, or it is not one of lastwrite's
 */
export async function openTable(location: string, environment: Environment): Promise<Table> {
  const root = withoutSlash(location)
  const catalog = fileCatalog(environment.store, root, environment)
  const { definition } = await loadState({ location: root, catalog })
  return { location: root, definition, environment, catalog }
}

function stateFolderOf(location: string, uuid: string): string {
  const cut = location.lastIndexOf('/')
  return `${location.slice(0, cut)}/_lastwrite/${location.slice(cut + 1)}-${uuid.slice(0, 8)}`
}
