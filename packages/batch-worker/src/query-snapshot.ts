// Answers SQL from the files of one snapshot, by an embedded DuckDB that sees these files and nothing else.
//
// Columns bind by Iceberg's field id, never by name: a file written under an older name of a column is read right.

import { tmpdir } from 'node:os'
import {
  type DuckDBConnection,
  DuckDBDecimalValue,
  DuckDBInstance,
  type DuckDBResult,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  JsonDuckDBValueConverter,
  StatementType,
} from '@duckdb/node-api'
import { type Field, InputError, type PrimitiveType } from '@lastwrite/merge-core'
import { exactNumber } from './print.ts'

export interface QueryResult {
  readonly columns: readonly string[]
  /** Which columns hold numbers. */
  readonly numeric: readonly boolean[]
  /** Chunks of rows; values as JSON has them, numbers of any size with all their digits. */
  readonly rows: AsyncIterable<readonly (readonly unknown[])[]>
}

/**
 * Runs one query over `files` (paths of the local file system), which it finds under the names `t` and `table`. Throws an
 * InputError with DuckDB's words for SQL that it does not accept, and for statements that are not queries.
 */
export async function querySnapshot(
  sql: string,
  table: string,
  fields: readonly Field[],
  files: readonly string[],
): Promise<QueryResult> {
  // Times are shown in UTC, on every machine.
  DuckDBTimestampTZValue.timezoneOffsetInMinutes = 0
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    temp_directory: tmpdir(),
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(`CREATE VIEW t AS ${snapshotSelect(fields, files)}`)
  if (table !== 't') await connection.run(`CREATE VIEW ${quotedName(table)} AS SELECT * FROM t`)
  await connection.run(`SET allowed_paths = [${files.map(quotedText).join(', ')}]`)
  await connection.run('SET enable_external_access = false')
  await connection.run('SET lock_configuration = true')
  const result = await runQuery(connection, sql)
  const types = result.columnTypes()
  return {
    columns: result.deduplicatedColumnNames(),
    numeric: types.map((type) => /INT|DECIMAL|DOUBLE|FLOAT/.test(String(type))),
    rows: jsonRows(result, types),
  }
}

async function* jsonRows(result: DuckDBResult, types: readonly DuckDBType[]): AsyncGenerator<unknown[][]> {
  for await (const rows of result.yieldRows()) {
    yield rows.map((row) => row.map((value, i) => toJsonValue(value, types[i]!)))
  }
}

async function runQuery(connection: DuckDBConnection, sql: string): Promise<DuckDBResult> {
  try {
    const statements = await connection.extractStatements(sql)
    if (statements.count !== 1) throw new InputError(`sql: ${statements.count} statements; give one query`)
    const statement = await statements.prepare(0)
    if (statement.statementType !== StatementType.SELECT && statement.statementType !== StatementType.EXPLAIN) {
      throw new InputError(`sql: ${shortened(sql)} is not a query; the table changes by merges alone, write a SELECT`)
    }
    return await statement.stream()
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(`sql: ${(error as Error).message}`, { cause: error })
  }
}

function snapshotSelect(fields: readonly Field[], files: readonly string[]): string {
  if (files.length === 0) {
    const nulls = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${quotedName(field.name)}`)
    return `SELECT ${nulls.join(', ')} WHERE false`
  }
  const columns = fields.map(
    (field) => `${field.id}: {name: ${quotedText(field.name)}, type: '${duckdbType(field.type)}', default_value: NULL}`,
  )
  const list = files.map(quotedText).join(', ')
  return `SELECT * FROM read_parquet([${list}], schema = MAP {${columns.join(', ')}}, hive_partitioning = false)`
}

function duckdbType(type: PrimitiveType): string {
  switch (type.kind) {
    case 'int':
      return 'INTEGER'
    case 'long':
      return 'BIGINT'
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'string':
      return 'VARCHAR'
    case 'binary':
    case 'fixed':
      return 'BLOB'
    default:
      return type.kind.toUpperCase()
  }
}

function toJsonValue(value: DuckDBValue, type: DuckDBType): unknown {
  if (typeof value === 'bigint' || value instanceof DuckDBDecimalValue) return exactNumber(String(value))
  return JsonDuckDBValueConverter(value, type, JsonDuckDBValueConverter)
}

function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function shortened(sql: string): string {
  return sql.length <= 60 ? sql : `${sql.slice(0, 59)}…`
}
