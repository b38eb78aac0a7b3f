// Answers SQL from the files of one snapshot, by an embedded DuckDB that sees these files and nothing else.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type DuckDBConnection,
  DuckDBDecimalValue,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValueConverter,
  type Json,
  JsonDuckDBValueConverter,
  StatementType,
} from '@duckdb/node-api'
import { DamagedObjectError, InputError } from '@lastwrite/merge-core'
import { exactNumber } from './print.ts'
import { pathPattern, quotedName, quotedText, type Snapshot, snapshotSelect } from './snapshot-select.ts'

const NUMERIC_TYPE = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE)$/

export interface QueryResult {
  readonly columns: readonly string[]
  /** Which columns hold numbers. */
  readonly numeric: readonly boolean[]
  /** Chunks of rows; values as JSON has them, numbers of any size with all their digits. */
  readonly rows: AsyncIterable<readonly (readonly unknown[])[]>
}

/**
 * Runs one query over the rows of a snapshot, which it finds under the names `t` and `table`. Throws an InputError with DuckDB's
 * words for SQL that it does not accept, and for statements that are not queries; a DamagedObjectError for a file that it cannot
 * read.
 */
export async function querySnapshot(sql: string, table: string, snapshot: Snapshot): Promise<QueryResult> {
  const files = [...new Set(snapshot.files.flatMap((file) => [file.path, ...file.deleteFiles]))]
  try {
    const connection = await connect()
    await connection.run(`CREATE VIEW t AS ${await snapshotSelect(connection, snapshot)}`)
    if (table !== 't') await connection.run(`CREATE VIEW ${quotedName(table)} AS SELECT * FROM t`)
    await shutDoors(connection, files)
    const query = await prepareQuery(connection, sql)
    const result = await query.stream()
    const types = result.columnTypes()
    return {
      columns: result.deduplicatedColumnNames(),
      numeric: types.map((type) => NUMERIC_TYPE.test(String(type))),
      rows: jsonRows(result, types, snapshot.copies, files),
    }
  } catch (error) {
    throw error instanceof InputError ? error : queryError(error, snapshot.copies, files)
  }
}

async function connect(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    // A query may read what lies there, so it is nobody else's.
    temp_directory: join(tmpdir(), `lastwrite-sql-${process.pid}`),
  })
  const connection = await instance.connect()
  // Times are shown in UTC, on every machine.
  await connection.run("SET TimeZone = 'UTC'")
  DuckDBTimestampTZValue.timezoneOffsetInMinutes = 0
  return connection
}

/** From here on a query reaches the files of the snapshot, and no other file and no network. */
async function shutDoors(connection: DuckDBConnection, files: readonly string[]): Promise<void> {
  const allowed = new Set(files.flatMap((file) => [file, pathPattern(file)]))
  await connection.run(`SET allowed_paths = [${[...allowed].map(quotedText).join(', ')}]`)
  await connection.run('SET enable_external_access = false')
  await connection.run('SET lock_configuration = true')
}

async function* jsonRows(
  result: DuckDBResult,
  types: readonly DuckDBType[],
  copies: string | null,
  files: readonly string[],
): AsyncGenerator<unknown[][]> {
  try {
    for await (const rows of result.yieldRows()) {
      yield rows.map((row) => row.map((value, i) => toJsonValue(value, types[i]!, toJsonValue)))
    }
  } catch (error) {
    throw queryError(error, copies, files)
  }
}

async function prepareQuery(connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> {
  if (sql.trim() === '') throw new InputError('sql: the query is empty; write a SELECT')
  const statements = await connection.extractStatements(sql)
  if (statements.count !== 1) throw new InputError(`sql: ${statements.count} statements; write one SELECT`)
  const statement = await statements.prepare(0)
  if (statement.statementType === StatementType.SELECT || statement.statementType === StatementType.EXPLAIN) {
    return statement
  }
  throw new InputError(`sql: ${shortened(sql)} is not a query; the table changes by merges alone, write a SELECT`)
}

/** As JSON has it, inside lists and structs too; integers beyond 32 bits and decimals with all their digits. */
const toJsonValue: DuckDBValueConverter<Json> = (value, type, nested) => {
  if (typeof value === 'bigint' || value instanceof DuckDBDecimalValue) return exactNumber(String(value)) as Json
  return JsonDuckDBValueConverter(value, type, nested)
}

/** What DuckDB says: of a file, if it names one, else of the query. */
function queryError(error: unknown, copies: string | null, files: readonly string[]): Error {
  const { message } = error as Error
  // Of a copy the name of what it was copied from.
  const named = (text: string) => (copies === null ? text : text.replaceAll(`${copies}/`, 's3://'))
  const damaged = files.find((file) => message.includes(file))
  if (damaged !== undefined) return new DamagedObjectError(named(damaged), named(message), { cause: error })
  return new InputError(`sql: ${named(message)}`, { cause: error })
}

function shortened(sql: string): string {
  return sql.length <= 60 ? sql : `${sql.slice(0, 59)}…`
}
