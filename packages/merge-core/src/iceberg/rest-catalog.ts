// The catalog that is an Iceberg REST server. It checks the requirements of a commit and applies its updates itself, on top of whatever
// is current by then: what a requirement does not name may have changed meanwhile.
//
//   409   a requirement does not hold: nothing was committed
//   400   so is what the server would not apply any more, such as a sequence number that a commit to another branch took
//   5xx, no answer   nobody knows; the caller reloads and looks for its snapshot

import type { Environment } from '../environment.ts'
import { InputError, TryAgainError } from '../errors.ts'
import type { Catalog, CommitResult, LoadedTable, TableRequirement, TableUpdate } from './catalog.ts'
import { type LentStorage, lentStorage, runsOutMs } from './lent-storage.ts'
import { checkTableMetadata, currentSchema, defaultSpec, type TableMetadata } from './metadata.ts'
import { type RestAnswer, type RestSettings, restSession } from './rest-session.ts'
import { type PartitionSpec, type Schema, type SortOrder, UNPARTITIONED, UNSORTED } from './schema.ts'

export interface RestCatalogSettings extends RestSettings {
  /** Outermost first. */
  readonly namespace: readonly string[]
  readonly table: string
}

export interface RestCatalog extends Catalog {
  newLocation(): Promise<string | null>
  /** What the server lends to reach the table's files, renewed before it runs out; empty where it lends nothing. */
  storage(): Promise<readonly LentStorage[]>
}

/** What is lent is asked for again so long before it runs out. */
const STORAGE_MARGIN_MS = 5 * 60_000
/** Between the levels of a namespace in a path. */
const UNIT_SEPARATOR = '\u001f'

/**
 * @throws from its calls InputError naming what to change, TryAgainError where the server gives no answer, DamagedObjectError where it
 *   answers with what is no metadata
 */
export function restCatalog(
  settings: RestCatalogSettings,
  environment: Pick<Environment, 'nowMs' | 'random' | 'sleep'>,
): RestCatalog {
  const { namespace, table, uri } = settings
  const session = restSession(settings, environment)
  const name = `${uri} ${[...namespace, table].join('.')}`
  const tables = `namespaces/${encodeURIComponent(namespace.join(UNIT_SEPARATOR))}/tables`
  const path = `${tables}/${encodeURIComponent(table)}`
  let lent: readonly LentStorage[] | null = null
  return { load, create, commit, newLocation, storage }

  async function load(): Promise<LoadedTable | null> {
    const answer = await session.send(path)
    if (answer.kind === 'ok') return tableIn(answer.body)
    if (answer.kind === 'refused' && answer.status === 404) return null
    throw errorOf('loading the table', answer)
  }

  function tableIn(body: Readonly<Record<string, unknown>>): LoadedTable {
    const location = body['metadata-location']
    const metadata = checkTableMetadata(typeof location === 'string' ? location : name, body.metadata)
    const found = lentStorage(metadata.location, body)
    // The answer to a commit lends nothing.
    if (found.length > 0 || lent === null) lent = found
    return { metadata, metadataLocation: typeof location === 'string' ? location : '' }
  }

  async function storage(): Promise<readonly LentStorage[]> {
    if (lent === null || environment.nowMs() > runsOutMs(lent) - STORAGE_MARGIN_MS) await load()
    return lent ?? []
  }

  /** Servers number columns anew. What they make of ours is compared with it, because everything binds by those numbers. */
  async function create(metadata: TableMetadata): Promise<CommitResult> {
    const answer = await session.send(tables, creation(metadata, false))
    if (answer.kind === 'unknown') return { kind: 'unknown', cause: answer.cause }
    if (answer.kind === 'refused') {
      if (answer.status === 409) return { kind: 'conflict' }
      throw errorOf('creating the table', answer)
    }
    const created = tableIn(answer.body)
    const changed = whatChanged(metadata, created.metadata)
    if (changed !== null) {
      throw new InputError(
        `${name}: the catalog created the table with another ${changed} than it was given; drop it, and use another catalog`,
      )
    }
    return { kind: 'committed', table: await withOrderOfNoOrder(created) }
  }

  /**
   * Servers keep the order that a table is created with and no other, and Spark sorts by another only where the table knows the order of
   * no order. No harm is done where it cannot be added.
   */
  async function withOrderOfNoOrder(created: LoadedTable): Promise<LoadedTable> {
    const { metadata } = created
    if (metadata['sort-orders'].some((order) => order['order-id'] === UNSORTED['order-id'])) return created
    const answer = await session.send(path, {
      identifier: { namespace, name: table },
      requirements: [{ type: 'assert-table-uuid', uuid: metadata['table-uuid'] }],
      updates: [{ action: 'add-sort-order', 'sort-order': UNSORTED }],
    })
    return answer.kind === 'ok' ? tableIn(answer.body) : created
  }

  /** Where the server would put the table; null where it says so only of a table that stands. */
  async function newLocation(): Promise<string | null> {
    const nothing = { type: 'struct', 'schema-id': 0, fields: [] } as const
    const answer = await session.send(tables, {
      name: table,
      schema: nothing,
      'stage-create': true,
      properties: {},
    })
    if (answer.kind === 'ok') return tableIn(answer.body).metadata.location
    if (answer.kind === 'refused' && [400, 406, 501].includes(answer.status)) return null
    if (answer.kind === 'refused' && answer.status === 409)
      throw new InputError(`${name}: a table stands there; merge into it, or choose another name`)
    throw errorOf('asking where a table would lie', answer)
  }

  function creation(metadata: TableMetadata, staged: boolean): object {
    const { location, properties } = metadata
    return {
      name: table,
      ...(location !== '' && { location }),
      schema: currentSchema(metadata),
      'partition-spec': defaultSpec(metadata),
      'write-order': defaultOrder(metadata),
      'stage-create': staged,
      properties: { ...properties, 'format-version': String(metadata['format-version']) },
    }
  }

  async function commit(
    base: LoadedTable,
    updates: readonly TableUpdate[],
    requirements: readonly TableRequirement[],
  ): Promise<CommitResult> {
    const answer = await session.send(path, { identifier: { namespace, name: table }, requirements, updates })
    if (answer.kind === 'ok') return { kind: 'committed', table: tableIn(answer.body) }
    if (answer.kind === 'unknown') return { kind: 'unknown', cause: answer.cause }
    if (answer.status === 409) return { kind: 'conflict' }
    if (answer.status === 400 && (await hasMoved(base))) return { kind: 'conflict' }
    throw errorOf('committing', answer)
  }

  async function hasMoved(base: LoadedTable): Promise<boolean> {
    return (await load())?.metadataLocation !== base.metadataLocation
  }

  function errorOf(doing: string, answer: Exclude<RestAnswer, { kind: 'ok' }>): Error {
    if (answer.kind === 'unknown') {
      return new TryAgainError(`${name}: ${doing} failed (${answer.cause.message}); run again`, { cause: answer.cause })
    }
    const remedy =
      answer.status === 403
        ? 'grant the right'
        : answer.status === 404
          ? 'create the namespace, or correct the name'
          : 'change what the message names'
    return new InputError(`${name}: ${doing} was refused (${answer.message}); ${remedy} and run again`)
  }
}

function defaultOrder(metadata: TableMetadata): SortOrder {
  return metadata['sort-orders'].find((order) => order['order-id'] === metadata['default-sort-order-id']) ?? UNSORTED
}

/** What of a table's columns or partitions is not as it was asked for; null where all is. */
function whatChanged(asked: TableMetadata, created: TableMetadata): 'schema' | 'partition spec' | null {
  if (columnsOf(currentSchema(asked)) !== columnsOf(currentSchema(created))) return 'schema'
  return partitionsOf(defaultSpec(asked)) === partitionsOf(defaultSpec(created)) ? null : 'partition spec'
}

function columnsOf({ fields }: Schema): string {
  return JSON.stringify(fields.map(({ id, name, required, type }) => [id, name, required, type]))
}

function partitionsOf({ fields }: PartitionSpec = UNPARTITIONED): string {
  return JSON.stringify(fields.map((field) => [field['source-id'], field.transform, field.name]))
}
