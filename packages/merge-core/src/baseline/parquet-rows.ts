// A Parquet file of any writer to typed rows: its columns are those of the definition that have their name.
//
// Nothing is left out or bent silently. A column that the definition does not name has to be left out by name; a value is taken where the
// column's type holds it exactly. A timestamp without a zone is taken to be in UTC. Folders of Hive tables (`region=EU`) are columns.

import type { ByteStrings } from '../change/byte-strings.ts'
import { declaredValue, tagOfType } from '../change/declared-value.ts'
import { INVALID, skipSpace, skipValue } from '../change/json-scan.ts'
import { encodeKeyPart } from '../change/key-order.ts'
import { canonicalNumber } from '../change/number-text.ts'
import type { Column } from '../columns/column.ts'
import { constantColumn, nullColumn } from '../columns/constant.ts'
import { columnOf, valuesOf } from '../columns/values.ts'
import { InputError } from '../errors.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { representationOf } from '../parquet/decode/represent.ts'
import { type Footer, type Leaf, readFooter } from '../parquet/read-footer.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import { formatPrimitiveType, type PrimitiveType } from '../primitive-type.ts'
import { storeSource } from '../store/byte-source.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { DeclaredColumn, TableDefinition } from '../table-definition.ts'
import { type BaselineRows, baselineFields, baselineRows } from './baseline-rows.ts'

/** Plain data. */
export interface ParquetFile {
  readonly path: string
  readonly etag: string
  /** Columns that its folders name; null is SQL null. */
  readonly folders: Readonly<Record<string, string | null>>
  /** The column whose greatest value says which of several rows of a key is taken; null where no key may stand twice. */
  readonly latestBy: string | null
  /** Columns to leave out. */
  readonly without: readonly string[]
}

/**
 * The rows of one row group after the other.
 * @throws InputError where the file does not fit the definition; DamagedObjectError where it is no Parquet file, or a wrong one
 */
export async function* readParquetRows(
  store: ObjectReader,
  file: ParquetFile,
  definition: TableDefinition,
): AsyncGenerator<BaselineRows> {
  const { path, etag, latestBy } = file
  const source = await storeSource(store, path, {
    etag,
    errorOf: (at, failure) =>
      failure.kind === 'missing' || failure.kind === 'conflict'
        ? new InputError(`${at}: was deleted or replaced since it was listed; run again once nobody writes there`)
        : failureError(at, 'reading', failure),
  })
  const footer = withoutFieldIds(await readFooter(source))
  refuseUnnamed(footer, file, definition)
  const readers = definition.columns.map((column) => readerOf(footer, file, column))
  const rank = latestBy === null ? null : rankReader(footer, latestBy)
  const [extra] = baselineFields(definition).slice(-1)
  for (const [group, { numRows }] of footer.rowGroups.entries()) {
    if (numRows === 0) continue
    const read = async (leaf: Leaf, type: PrimitiveType): Promise<Column> => {
      const field = { id: 0, name: leaf.name, type, required: false }
      return (await readRowGroup(source, footer, group, [field], new Map([[0, [leaf.name]]])))[0]!
    }
    const columns: Column[] = []
    for (const reader of readers) columns.push(await reader(read, numRows))
    columns.push(nullColumn(extra!.type, numRows))
    const ranks = rank === null ? null : await rank(read)
    const rows = baselineRows(definition, columns, { operation: null, rank: ranks })
    if (!('row' in rows)) yield rows
    else
      throw new InputError(
        `${path}: row ${rows.row} of row group ${group} has no ${rows.column.name}, and it is of the key`,
      )
  }
}

/** Ids of another schema say nothing of this one. */
function withoutFieldIds(footer: Footer): Footer {
  return {
    ...footer,
    leaves: footer.leaves.map((leaf) => ({ ...leaf, fieldId: null })),
    nestedGroups: footer.nestedGroups.map((group) => ({ ...group, fieldId: null })),
  }
}

/** The columns of the file: nested ones by the name of their outermost group. */
function namesIn({ leaves }: Footer): string[] {
  return [...new Set(leaves.map(({ name, nested }) => (nested ? name.split('.')[0]! : name)))]
}

function refuseUnnamed(
  footer: Footer,
  { path, folders, without, latestBy }: ParquetFile,
  { columns }: TableDefinition,
) {
  const known = [...columns.map(({ name }) => name), ...without, ...(latestBy === null ? [] : [latestBy])]
  const unnamed = [...namesIn(footer), ...Object.keys(folders)].filter(
    (name) => !known.some((each) => isSame(each, name)),
  )
  if (unnamed.length === 0) return
  throw new InputError(
    `${path}: the definition has no column ${unnamed.join(', ')}; declare it, or leave it out with --without ${unnamed.join(',')}`,
  )
}

/** As the engines of a lake compare names. */
function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

type ReadLeaf = (leaf: Leaf, type: PrimitiveType) => Promise<Column>
type ColumnReader = (read: ReadLeaf, rows: number) => Promise<Column>

function readerOf(footer: Footer, file: ParquetFile, column: DeclaredColumn): ColumnReader {
  const { name, storedType } = column
  const inFolder = Object.entries(file.folders).find(([folder]) => isSame(folder, name))
  const leaf = footer.leaves.find((each) => isSame(each.name, name))
  if (leaf !== undefined) return leafReader(file.path, leaf, column)
  if (footer.nestedGroups.some((group) => isSame(group.name, name))) {
    throw new InputError(
      `${file.path}: column ${name} is nested; write it as JSON text, or leave it out of the definition`,
    )
  }
  const value = inFolder === undefined ? null : folderValue(file.path, column, inFolder[1])
  return async (_, rows) => constantColumn(storedType, value, rows)
}

function folderValue(path: string, { name, type }: DeclaredColumn, text: string | null): PartitionValue {
  if (text === null) return null
  const tag = tagOfType(type)
  const json = tag === 'BOOL' ? text : JSON.stringify(text)
  const bytes = Buffer.from(`{"${tag}":${json}}`)
  const value = tag === null || tag === 'B' ? undefined : declaredValue(bytes, 0, bytes.length, type)
  if (value !== undefined && value !== null) return value
  throw new InputError(`${path}: its folder says ${name}=${text}, which is no ${type.kind}`)
}

function leafReader(path: string, leaf: Leaf, { name, type, storedType }: DeclaredColumn): ColumnReader {
  const as = (wanted: PrimitiveType) => (canRead(leaf, wanted) ? wanted : null)
  const converted = (from: PrimitiveType, convert: (value: PartitionValue) => string | null): ColumnReader => {
    return async (read) => {
      const values = valuesOf(await read(leaf, from), from)
      return columnOf(
        storedType,
        values.map((value, row) => {
          const text = value === null ? null : convert(value)
          if (value === null || text !== null) return text
          throw new InputError(
            `${path}: column ${name} holds ${JSON.stringify(value)} in row ${row}, which is no ${type.kind}`,
          )
        }),
      )
    }
  }
  if (type.kind === 'number') {
    if (as({ kind: 'string' })) return converted({ kind: 'string' }, (text) => canonicalNumber(text as string))
    if (as({ kind: 'long' })) return converted({ kind: 'long' }, (value) => canonicalNumber(String(value)))
    const decimal = decimalOf(leaf)
    if (decimal !== null) return converted(decimal, (value) => canonicalNumber(`${value}E-${decimal.scale}`))
  }
  if (type.kind === 'json' && as({ kind: 'string' })) return converted({ kind: 'string' }, jsonText)
  const plain = as(storedType) ?? (type.kind === 'timestamptz' ? as({ kind: 'timestamp' }) : null)
  if (plain === null) {
    throw new InputError(
      `${path}: column ${name} is stored as ${describe(leaf)}, the definition declares ${type.kind} (${formatPrimitiveType(storedType)}); declare its own type, or write the file with this one`,
    )
  }
  return (read) => read(leaf, plain)
}

function jsonText(value: PartitionValue): string | null {
  const bytes = Buffer.from(value as string)
  const start = skipSpace(bytes, 0, bytes.length)
  const end = start < bytes.length ? skipValue(bytes, start, bytes.length) : INVALID
  return end !== INVALID && skipSpace(bytes, end, bytes.length) === bytes.length ? (value as string) : null
}

function canRead({ element, nested }: Leaf, type: PrimitiveType): boolean {
  if (nested) return false
  try {
    representationOf(element, type)
    return true
  } catch {
    return false
  }
}

function decimalOf({ element, nested }: Leaf): { kind: 'decimal'; precision: number; scale: number } | null {
  const { DECIMAL: decimal } = element.logicalType ?? {}
  const precision = decimal?.precision ?? element.precision
  const scale = decimal?.scale ?? element.scale ?? 0
  return nested || precision === undefined ? null : { kind: 'decimal', precision, scale }
}

function describe({ element }: Leaf): string {
  const [logical] = Object.entries(element.logicalType ?? {}).find(([, value]) => value !== undefined) ?? []
  return `${logical ?? 'a plain'} column of physical type ${element.type}`
}

/** Reads the column's values as byte strings in their order; a null is below all. */
function rankReader(footer: Footer, name: string): (read: ReadLeaf) => Promise<ByteStrings> {
  const leaf = footer.leaves.find((each) => isSame(each.name, name))
  if (leaf === undefined)
    throw new InputError(`${footer.path}: has no column ${name} to tell which row is the latest by`)
  const decimal = decimalOf(leaf)
  const types: PrimitiveType[] = [
    { kind: 'long' },
    { kind: 'timestamptz' },
    { kind: 'timestamp' },
    { kind: 'date' },
    { kind: 'string' },
    ...(decimal === null ? [] : [decimal]),
  ]
  const type = types.find((each) => canRead(leaf, each))
  if (type === undefined) {
    throw new InputError(
      `${footer.path}: column ${name} is stored as ${describe(leaf)}; the latest row is told by an integer, decimal, time or text`,
    )
  }
  const keyType: PrimitiveType = type.kind === 'string' || type.kind === 'decimal' ? type : { kind: 'long' }
  return async (read) => {
    const values = valuesOf(await read(leaf, type), type)
    const ranks = values.map((value) => (value === null ? NOTHING : encodeKeyPart(keyType, value, true)))
    const starts = new Uint32Array(ranks.length + 1)
    for (const [row, { length }] of ranks.entries()) starts[row + 1] = starts[row]! + length
    return { starts, bytes: Buffer.concat(ranks) }
  }
}

const NOTHING = new Uint8Array(0)

const HIVE_NULL = '__HIVE_DEFAULT_PARTITION__'

/** The columns that the folders between `prefix` and the file name, as Hive, Spark and DuckDB write them. */
export function foldersOf(prefix: string, path: string): Record<string, string | null> {
  const folders = path.slice(prefix.length).split('/').slice(0, -1)
  return Object.fromEntries(
    folders.flatMap((folder) => {
      const cut = folder.indexOf('=')
      if (cut <= 0) return []
      const value = decoded(folder.slice(cut + 1))
      return [[decoded(folder.slice(0, cut)), value === HIVE_NULL ? null : value]]
    }),
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Whether an object under a prefix is a data file: engines hide theirs behind `_` and `.`. */
export function isParquetFile(prefix: string, path: string): boolean {
  const names = path.slice(prefix.length).split('/')
  return path.endsWith('.parquet') && !names.some((name) => /^[_.]/.test(name) && !name.includes('='))
}
