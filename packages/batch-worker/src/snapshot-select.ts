// The SELECT that gives the rows of a snapshot to DuckDB: every column of the table under its name and type, without the rows that
// other engines deleted by position.
//
// Columns bind by Iceberg's field id, never by name: a file written under an older name of a column is read right. Only files in
// which no column has a field id bind by the table's name mapping. Files of Hive tables lack the columns that they are partitioned by:
// they are of the partition's value (Iceberg table spec, "Column Projection").

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Field, NameMapping, PartitionValue, PrimitiveType } from '@lastwrite/merge-core'
import { decimalText } from './json-value.ts'

/** Under which name DuckDB gives a row's file; files without field ids may have a column called `filename`. */
const FILE_COLUMN = '_lastwrite_file'

export interface Snapshot {
  readonly fields: readonly Field[]
  readonly names: NameMapping
  readonly files: readonly DataFile[]
  /** Folder in which those of S3 lie by bucket and key; null where there are none. */
  readonly copies: string | null
}

export interface DataFile {
  /** Of the local file system, as are those of the delete files. */
  readonly path: string
  /** By field id: what stands for columns that the file lacks. Of the same columns in all files. */
  readonly constants: ReadonlyMap<number, PartitionValue>
  /** Position delete files that may name rows of the file. */
  readonly deleteFiles: readonly string[]
}

/** Columns of a file: by their field ids, or where none has one, by their names, each with its type. */
type StoredColumns =
  | { readonly ids: readonly number[] }
  | { readonly named: readonly (readonly [name: string, type: string])[] }

/** Reads the footers of all files, to learn which have no field ids, and which lack columns that their partition gives. */
export async function snapshotSelect(connection: DuckDBConnection, snapshot: Snapshot): Promise<string> {
  const { fields, files, copies } = snapshot
  if (files.length === 0) {
    const nulls = fields.map((field) => `NULL::${duckdbType(field.type)} AS ${quotedName(field.name)}`)
    return `SELECT ${nulls.join(', ')} WHERE false`
  }
  const unlikeOurs = await columnsUnlikeOurs(connection, files)
  const readings = files.map((file) => {
    const stored = unlikeOurs.get(file.path)
    const named = stored !== undefined && 'named' in stored ? stored.named : null
    return { file, named, columns: columnsOf(snapshot, file, stored).join(', ') }
  })
  const groups = Map.groupBy(readings, ({ file, ...reading }) => JSON.stringify([reading, file.deleteFiles.length > 0]))
  const selects = [...groups.values()].map((group) => {
    const { named, columns } = group[0]!
    const alike = group.map(({ file }) => file)
    const paths = alike.map(({ path }) => path)
    const rows = named === null ? parquetRows(paths, schemaById(fields)) : parquetRows(paths)
    return withoutDeletedRows(`SELECT ${columns} FROM ${rows} AS stored`, alike, copies)
  })
  return selects.join(' UNION ALL ')
}

/** By path, for files that lack columns that their partition gives, and for those without field ids. */
async function columnsUnlikeOurs(
  connection: DuckDBConnection,
  files: readonly DataFile[],
): Promise<Map<string, StoredColumns>> {
  const given = [...files[0]!.constants.keys()]
  const unlikeOurs = await connection.runAndReadAll(
    `SELECT file_name, list(field_id) FILTER (field_id >= 0) AS ids
      FROM parquet_schema(${pathList(files.map((file) => file.path))})
      GROUP BY file_name HAVING ids IS NULL OR NOT list_has_all(ids, [${given.join(', ')}]::BIGINT[])`,
  )
  const columns = new Map<string, StoredColumns>()
  for (const [path, ids] of unlikeOurs.getRowsJS() as [string, number[] | null][]) {
    columns.set(path, ids === null ? { named: await describedColumns(connection, path) } : { ids: ids.map(Number) })
  }
  return columns
}

async function describedColumns(connection: DuckDBConnection, path: string): Promise<[name: string, type: string][]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${parquetRows([path])}`)
  return described.getRows().map(([name, type]) => [name as string, type as string])
}

/** The table's columns from the rows of a file; without `stored`, the file has field ids and all that its partition gives. */
function columnsOf({ fields, names }: Snapshot, file: DataFile, stored: StoredColumns | undefined): string[] {
  const storedName = (id: number) => {
    if (stored === undefined) return String(id)
    if ('ids' in stored) return stored.ids.includes(id) ? String(id) : undefined
    return stored.named.find(([name]) => names.get(id)?.includes(name))?.[0]
  }
  return fields.map(({ id, name, type }) => {
    const own = storedName(id)
    const value = own === undefined ? literal(type, file.constants.get(id) ?? null) : `stored.${quotedName(own)}`
    return `${value}::${duckdbType(type)} AS ${quotedName(name)}`
  })
}

/** Calls columns by their ids: one may have the name of a column that DuckDB adds, such as `filename`. */
function schemaById(fields: readonly Field[]): string {
  const columns = fields.map(
    ({ id, type }) => `${id}: {name: '${id}', type: '${duckdbType(type)}', default_value: NULL}`,
  )
  return `schema = MAP {${columns.join(', ')}}`
}

/**
 * Of a path and a position in delete files; engines write the same path as `file:///x`, `file:/x` or `/x`, and `s3:` as `s3a:` or `s3n:`.
 */
function withoutDeletedRows(rows: string, files: readonly DataFile[], copies: string | null): string {
  const deleteFiles = new Set(files.flatMap((file) => file.deleteFiles))
  if (deleteFiles.size === 0) return rows
  const local = `regexp_replace(file_path, '^file:(//)?/', '/')`
  const path = copies === null ? local : `regexp_replace(${local}, '^s3[an]?://', ${quotedText(`${copies}/`)})`
  return `${rows} ANTI JOIN (SELECT ${path} AS path, pos FROM ${parquetRows([...deleteFiles])}) AS deleted
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

/** To be cast to the column's type; exact. */
function literal(type: PrimitiveType, value: PartitionValue): string {
  if (value === null) return 'NULL'
  if (value instanceof Uint8Array) return bytesLiteral(value)
  // DuckDB's quoted texts cannot hold the character 0.
  if (typeof value === 'string') return `decode(${bytesLiteral(Buffer.from(value))})`
  switch (type.kind) {
    case 'date':
      return `(DATE '1970-01-01' + ${value})`
    case 'timestamptz':
      return `make_timestamptz(${value})`
    case 'decimal':
      return `'${decimalText(value as bigint, type.scale)}'`
    default:
      return `'${value}'`
  }
}

function bytesLiteral(bytes: Uint8Array): string {
  return `from_hex('${Buffer.from(bytes).toString('hex')}')`
}

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
