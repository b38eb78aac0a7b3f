// The SELECT that gives the rows of a snapshot to DuckDB: every column of the table under its name and type, without the rows that
// other engines deleted by position.
//
// Columns bind by Iceberg's field id, never by name: a file written under an older name of a column is read right. Only files in
// which no column has a field id bind by the table's name mapping.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Field, NameMapping, PrimitiveType } from '@lastwrite/merge-core'

/** Under which name DuckDB gives a row's file; files without field ids may have a column called `filename`. */
const FILE_COLUMN = '_lastwrite_file'

export interface Snapshot {
  readonly fields: readonly Field[]
  readonly names: NameMapping
  readonly files: readonly DataFile[]
}

export interface DataFile {
  /** Of the local file system, as are those of the delete files. */
  readonly path: string
  /** Position delete files that may name rows of the file. */
  readonly deleteFiles: readonly string[]
}

/** Reads the footers of all files, to learn which have no field ids. */
export async function snapshotSelect(
  connection: DuckDBConnection,
  { fields, names, files }: Snapshot,
): Promise<string> {
  if (files.length === 0) {
    const nulls = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${quotedName(field.name)}`)
    return `SELECT ${nulls.join(', ')} WHERE false`
  }
  const columns = await columnsOfFilesWithoutIds(connection, files)
  const groups = Map.groupBy(files, (file) => JSON.stringify([columns.get(file.path), file.deleteFiles.length > 0]))
  const selects = [...groups.values()].map((group) => {
    const named = columns.get(group[0]!.path)
    const rows = named === undefined ? rowsByFieldId(fields, group) : rowsByName(fields, names, group, named)
    return withoutDeletedRows(rows, group)
  })
  return selects.join(' UNION ALL ')
}

/** The column names of each file in which no column has a field id. */
async function columnsOfFilesWithoutIds(
  connection: DuckDBConnection,
  files: readonly DataFile[],
): Promise<Map<string, readonly string[]>> {
  const columns = new Map<string, readonly string[]>()
  const paths = files.map((file) => file.path)
  const without = await connection.runAndReadAll(
    `SELECT file_name FROM parquet_schema(${pathList(paths)}) GROUP BY file_name HAVING count(field_id) = 0`,
  )
  for (const [path] of without.getRows() as [string][]) {
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${parquetRows([path])}`)
    columns.set(
      path,
      described.getRows().map(([name]) => name as string),
    )
  }
  return columns
}

/** Inside, columns are called by their ids: a column may have the name of one that DuckDB adds, such as `filename`. */
function rowsByFieldId(fields: readonly Field[], files: readonly DataFile[]): string {
  const schema = fields.map(
    ({ id, type }) => `${id}: {name: '${id}', type: '${duckdbType(type)}', default_value: NULL}`,
  )
  const columns = fields.map(({ id, name }) => `stored."${id}" AS ${quotedName(name)}`)
  const paths = files.map((file) => file.path)
  return `SELECT ${columns.join(', ')} FROM ${parquetRows(paths, `schema = MAP {${schema.join(', ')}}`)} AS stored`
}

function rowsByName(
  fields: readonly Field[],
  names: NameMapping,
  files: readonly DataFile[],
  stored: readonly string[],
): string {
  const columns = fields.map(({ id, name, type }) => {
    const own = stored.find((column) => names.get(id)?.includes(column))
    const value = own === undefined ? 'NULL' : `stored.${quotedName(own)}`
    return `${value}::${duckdbType(type)} AS ${quotedName(name)}`
  })
  return `SELECT ${columns.join(', ')} FROM ${parquetRows(files.map((file) => file.path))} AS stored`
}

/** Of a path and a position in delete files; engines write the same path as `file:///x`, `file:/x` or `/x`. */
function withoutDeletedRows(rows: string, files: readonly DataFile[]): string {
  const deleteFiles = new Set(files.flatMap((file) => file.deleteFiles))
  if (deleteFiles.size === 0) return rows
  const path = `regexp_replace(file_path, '^file:(//)?/', '/') AS path`
  return `${rows} ANTI JOIN (SELECT ${path}, pos FROM ${parquetRows([...deleteFiles])}) AS deleted
    ON stored.${FILE_COLUMN} = deleted.path AND stored.file_row_number = deleted.pos`
}

function parquetRows(paths: readonly string[], ...options: readonly string[]): string {
  const all = [pathList(paths), 'hive_partitioning = false', `filename = '${FILE_COLUMN}'`, ...options]
  return `read_parquet(${all.join(', ')})`
}

function pathList(paths: readonly string[]): string {
  return `[${paths.map((path) => quotedText(pathPattern(path))).join(', ')}]`
}

/** DuckDB takes every path for a pattern: this one matches the path alone. */
export function pathPattern(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]')
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

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
