// The catalog that Athena reads: a table of AWS Glue whose parameter `metadata_location` is the pointer.
//
// Glue compares the version of its table entry (`VersionId`), which every change of the entry moves on: a crawler's as well as a
// commit's. The entry is taken over as it stands, but for the pointer and the columns that the schema changed. A request that moves the
// pointer goes out once; the SDK's own retries would take their own success for a lost race.

import {
  CreateTableCommand,
  GetDatabaseCommand,
  GetTableCommand,
  GlueClient,
  type GlueClientConfig,
  type Table as TableEntry,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue'
import { type Environment, InputError, TryAgainError } from '@lastwrite/merge-core'
import { type MetadataPointer, type MoveResult, pointerCatalog } from '@lastwrite/merge-core/iceberg/pointer-catalog'
import { callOptions } from './aws-calls.ts'
import { glueColumns } from './hive-columns.ts'

export interface GlueSettings {
  readonly database: string
  readonly table: string
  /** Account whose Data Catalog it is. Default: that of the credentials. */
  readonly catalogId?: string
  /** Of the client: endpoint, region, credentials. Default: as the environment says. */
  readonly client?: GlueClientConfig
}

type GlueCatalog = ReturnType<typeof pointerCatalog>
type LoadedTable = NonNullable<Awaited<ReturnType<GlueCatalog['load']>>>

/**
 * @throws from its calls InputError where the right or the database is missing, or the entry is no Iceberg table; TryAgainError where
 *   Glue cannot be reached
 */
export function glueCatalog(settings: GlueSettings, environment: Environment): GlueCatalog {
  return pointerCatalog(environment, gluePointer(settings))
}

function gluePointer({ database, table, catalogId, client: config }: GlueSettings): MetadataPointer<TableEntry> {
  const name = `glue:${database}.${table}`
  const reader = new GlueClient({ ...config })
  const writer = new GlueClient({ ...config, maxAttempts: 1 })
  const inCatalog = catalogId === undefined ? {} : { CatalogId: catalogId }
  return { name, read, create, move, newLocation }

  async function read(): Promise<{ metadataLocation: string; state: TableEntry } | null> {
    const found = await orMissing(
      () => reader.send(new GetTableCommand({ ...inCatalog, DatabaseName: database, Name: table }), callOptions()),
      'reading it',
    )
    const entry = found?.Table
    if (entry === undefined) return null
    const metadataLocation = entry.Parameters?.metadata_location
    if (entry.Parameters?.table_type?.toUpperCase() !== 'ICEBERG' || metadataLocation === undefined) {
      throw new InputError(`${name}: stands in Glue and is no Iceberg table; choose another name`)
    }
    return { metadataLocation, state: entry }
  }

  function create(created: LoadedTable): Promise<MoveResult> {
    const input = { ...entryOf(null, created), Name: table }
    return moving(
      () =>
        writer.send(new CreateTableCommand({ ...inCatalog, DatabaseName: database, TableInput: input }), callOptions()),
      'AlreadyExistsException',
      'creating it',
    )
  }

  function move(standing: TableEntry, committed: LoadedTable): Promise<MoveResult> {
    const command = new UpdateTableCommand({
      ...inCatalog,
      DatabaseName: database,
      TableInput: { ...entryOf(standing, committed), Name: table },
      VersionId: standing.VersionId,
      SkipArchive: true,
    })
    return moving(() => writer.send(command, callOptions()), 'ConcurrentModificationException', 'committing')
  }

  async function newLocation(): Promise<string | null> {
    const found = await orMissing(
      () => reader.send(new GetDatabaseCommand({ ...inCatalog, Name: database }), callOptions()),
      'reading its database',
    )
    if (found === null) throw noDatabase()
    const folder = found.Database?.LocationUri?.replace(/\/+$/, '')
    return folder === undefined || folder === '' ? null : `${folder}/${table}`
  }

  async function orMissing<T>(call: () => Promise<T>, doing: string): Promise<T | null> {
    try {
      return await call()
    } catch (error) {
      if (nameOf(error) === 'EntityNotFoundException') return null
      throw errorOf(error, doing)
    }
  }

  async function moving(call: () => Promise<unknown>, conflict: string, doing: string): Promise<MoveResult> {
    try {
      await call()
      return { kind: 'moved' }
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error))
      if (nameOf(error) === conflict) return { kind: 'conflict' }
      if (nameOf(error) === 'EntityNotFoundException' && doing === 'creating it') throw noDatabase()
      if (isUnknown(error)) return { kind: 'unknown', cause }
      throw errorOf(error, doing)
    }
  }

  function noDatabase(): InputError {
    return new InputError(`${name}: there is no database ${database}; create it, or correct the name`)
  }

  function errorOf(error: unknown, doing: string): Error {
    const said = error instanceof Error ? error.message : String(error)
    const options = { cause: error }
    if (isThrottled(error)) return new TryAgainError(`${name}: ${doing} was throttled by Glue; run again`, options)
    if (/^Region is missing/.test(said)) return new InputError(`${name}: ${said}; give --region or AWS_REGION`, options)
    if (isUnknown(error)) return new TryAgainError(`${name}: ${doing} failed (${said}); run again`, options)
    const remedy = REMEDIES[nameOf(error)] ?? 'change what the message names'
    return new InputError(`${name}: ${doing} was refused (${nameOf(error)}: ${said}); ${remedy} and run again`, options)
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  AccessDeniedException: 'grant the right on catalog, database and table',
  CredentialsProviderError: 'give AWS credentials',
  EntityNotFoundException: 'create the table again, or correct the name',
  UnrecognizedClientException: 'correct the AWS credentials',
}

/** What of a table can be given back; the rest of what Glue tells of it is its own. */
const INPUT_FIELDS = [
  'Description',
  'Owner',
  'LastAccessTime',
  'LastAnalyzedTime',
  'Retention',
  'PartitionKeys',
  'ViewOriginalText',
  'ViewExpandedText',
  'TargetTable',
] as const

function entryOf(standing: TableEntry | null, { metadata, metadataLocation }: LoadedTable): Omit<TableInput, 'Name'> {
  const kept = INPUT_FIELDS.flatMap((field) => (standing?.[field] === undefined ? [] : [[field, standing[field]]]))
  const previous = standing?.Parameters?.metadata_location
  const current = metadata.schemas.find((schema) => schema['schema-id'] === metadata['current-schema-id'])!
  const older = metadata.schemas.filter((schema) => schema !== current)
  return {
    ...Object.fromEntries(kept),
    TableType: 'EXTERNAL_TABLE',
    Parameters: {
      ...standing?.Parameters,
      table_type: 'ICEBERG',
      metadata_location: metadataLocation,
      ...(previous !== undefined && { previous_metadata_location: previous }),
    },
    StorageDescriptor: {
      ...standing?.StorageDescriptor,
      Location: metadata.location,
      Columns: glueColumns(current, older, standing?.StorageDescriptor?.Columns),
    },
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

function isThrottled(error: unknown): boolean {
  return ['ThrottlingException', 'ResourceNumberLimitExceededException'].includes(nameOf(error))
}

/** Whether the call may have acted: no answer came, or one that does not say. */
function isUnknown(error: unknown): boolean {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  if (nameOf(error) === 'CredentialsProviderError') return false
  return status === undefined || status >= 500
}
