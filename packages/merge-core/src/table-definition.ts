// A table's definition: what the user says of it once, parsed and checked once.

import { InputError } from './errors.ts'
import type { Field, PrimitiveType } from './primitive-type.ts'

/** How a DynamoDB value becomes the value of a column (semantics, section 7). */
export type DeclaredType =
  | { readonly kind: 'string' }
  /** Exact canonical text of an N. */
  | { readonly kind: 'number' }
  | { readonly kind: 'long' }
  | { readonly kind: 'int' }
  | { readonly kind: 'double' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  /** `iso`: text; else an epoch number in that unit. */
  | { readonly kind: 'timestamptz'; readonly unit: 'iso' | 's' | 'ms' | 'us' }
  | { readonly kind: 'date' }
  | { readonly kind: 'binary' }
  | { readonly kind: 'json' }

export interface DeclaredColumn {
  readonly name: string
  /** The DynamoDB attribute that it is taken from. */
  readonly attribute: string
  readonly type: DeclaredType
  /** The Iceberg type that holds it: that of `type`, or one that another writer widened it to. */
  readonly storedType: PrimitiveType
}

export type Transform =
  | { readonly kind: 'identity' }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }
  | { readonly kind: 'year' }
  | { readonly kind: 'month' }
  | { readonly kind: 'day' }
  | { readonly kind: 'hour' }

export interface PartitionBy {
  /** Name of the partition field: `region`, `pk_bucket`, `created_at_day` … */
  readonly name: string
  readonly transform: Transform
  /** Index into `columns`. */
  readonly column: number
}

export interface TableDefinition {
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  /** The key columns first (partition key, then sort key), then the others in the definition's order. */
  readonly columns: readonly DeclaredColumn[]
  /** 1 or 2: the first so many of `columns` are the key. */
  readonly keyColumns: number
  readonly partitionBy: readonly PartitionBy[]
  /** Every partition field comes from a key column: an item never moves. */
  readonly partitionedByKey: boolean
  readonly landingDays: number
  readonly tombstoneDays: number
  readonly keepSnapshotsHours: number
  readonly onTtl: 'remove' | 'keep'
  readonly fileBytes: number
  readonly rowGroupRows: number
  /** Buckets that items may be read from which lie in objects of their own, beside that of their landing object. No part of the text. */
  readonly itemBuckets: readonly string[]
  /** All columns of the table, the metadata columns included, in their order at creation, with ids from 1. */
  readonly fields: readonly Field[]
  /** The JSON text that it was parsed from, as the table's property `lastwrite.definition` keeps it. */
  readonly text: string
}

/** The metadata columns, in their order after the declared ones; `_expired_at` stands only where TTL removals are kept. */
const METADATA_COLUMNS: readonly { readonly name: string; readonly type: PrimitiveType }[] = [
  { name: '_updated_at', type: { kind: 'timestamptz' } },
  { name: '_stream', type: { kind: 'string' } },
  { name: '_sequence', type: { kind: 'string' } },
  { name: '_extra', type: { kind: 'string' } },
  { name: '_expired_at', type: { kind: 'timestamptz' } },
]

/** Iceberg's own metadata columns (table spec, "Reserved Field IDs"): engines refuse tables that hold columns of these names. */
const ICEBERG_COLUMNS = [
  '_file',
  '_pos',
  '_deleted',
  '_spec_id',
  '_partition',
  '_row_id',
  '_last_updated_sequence_number',
]

const PROPERTIES = [
  'table',
  'source',
  'key',
  'columns',
  'partition_by',
  'landing_days',
  'tombstone_days',
  'keep_snapshots_hours',
  'on_ttl',
  'file_bytes',
  'row_group_rows',
  // Editors find the JSON Schema by it.
  '$schema',
]

const KEY_TYPES: readonly DeclaredType['kind'][] = ['string', 'number', 'long', 'int', 'decimal', 'binary']

const TYPE_NAMES =
  'string, number, long, int, double, boolean, decimal(p,s), timestamptz, timestamptz(s), timestamptz(ms), timestamptz(us), date, binary, json'

/** Which declared types a transform takes. A `number` is text in the table, so truncating it would cut digits, not round;
 *  a `double` has several bit patterns of one value, and `json` no order that a reader could use. */
const TRANSFORMS: Readonly<Record<Transform['kind'], readonly DeclaredType['kind'][]>> = {
  identity: ['string', 'number', 'long', 'int', 'boolean', 'decimal', 'timestamptz', 'date', 'binary'],
  bucket: ['string', 'number', 'long', 'int', 'decimal', 'timestamptz', 'date', 'binary'],
  truncate: ['string', 'long', 'int', 'decimal', 'binary'],
  year: ['timestamptz', 'date'],
  month: ['timestamptz', 'date'],
  day: ['timestamptz', 'date'],
  hour: ['timestamptz'],
}

const INT_MAX = 2 ** 31 - 1
const COLUMN_NAME_BYTES_MAX = 255

/**
 * Parses and checks a definition: the JSON text of `orders.table.json` (formats, "Definition"). Absent properties take their
 * defaults. Throws an InputError for the first thing that is wrong, naming the property, its value and what to write instead.
 */
export function parseTableDefinition(text: string): TableDefinition {
  const properties = parseProperties(text)
  const table = parseTable(properties.get('table'))
  const source = parseSource(properties.get('source'))
  const declared = parseColumns(properties.get('columns'))
  const key = parseKey(properties.get('key'), declared)
  const columns = [...key, ...declared.filter((column) => !key.includes(column))]
  const partitionBy = parsePartitionBy(properties.get('partition_by'), columns)
  const moving = partitionBy.filter((field) => field.column >= key.length)
  const landingDays = parseCount(properties, 'landing_days', 14, 365)
  const tombstoneDays = parseCount(properties, 'tombstone_days', 30, 3650)
  checkHorizon(landingDays, tombstoneDays)
  const onTtl = parseOnTtl(properties.get('on_ttl'), moving)
  return {
    table,
    source,
    columns,
    keyColumns: key.length,
    partitionBy,
    partitionedByKey: moving.length === 0,
    landingDays,
    tombstoneDays,
    keepSnapshotsHours: parseCount(properties, 'keep_snapshots_hours', 24, INT_MAX),
    onTtl,
    fileBytes: parseCount(properties, 'file_bytes', 128 * 1024 * 1024, INT_MAX),
    rowGroupRows: parseCount(properties, 'row_group_rows', 100_000, INT_MAX),
    itemBuckets: [],
    fields: tableFields(columns, key.length, onTtl),
    text,
  }
}

function parseProperties(text: string): Map<string, unknown> {
  const value = parseJson(text)
  if (!isObject(value))
    throw refuse('', value, 'is not an object', 'write { "table": …, "source": …, "key": […], "columns": {…} }')
  const properties = new Map(Object.entries(value))
  for (const [name, of] of properties) {
    if (!PROPERTIES.includes(name))
      throw refuse(name, of, 'is no property of a definition', suggestion(name, PROPERTIES))
  }
  return properties
}

function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new InputError(`definition: not valid JSON (${(error as Error).message}); correct the text there`)
  }
  const repeated = findRepeatedName(text)
  if (repeated !== null) {
    throw refuse(
      repeated,
      undefined,
      'stands twice in one object',
      'remove one of the two, or give one another name and "from"',
    )
  }
  return value
}

/** JSON.parse keeps the last of two equal names without a word. `text` is valid JSON, so strings and brackets are all there is to see. */
function findRepeatedName(text: string): string | null {
  const open: Set<string>[] = []
  for (const token of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token[0] === '{') open.push(new Set())
    else if (token[0] === '}') open.pop()
    else if (token[2] !== undefined) {
      const name = JSON.parse(token[1] as string) as string
      const names = open.at(-1)
      if (names?.has(name)) return name
      names?.add(name)
    }
  }
  return null
}

function parseTable(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/.test(value)) return value
  throw refuse(
    'table',
    value,
    'is not a DynamoDB table name',
    'write the name of the table whose changes are merged, for example "orders"',
  )
}

function parseSource(value: unknown): string {
  if (typeof value === 'string' && /^\d{12}\/[a-z0-9-]+$/.test(value)) return value
  throw refuse(
    'source',
    value,
    'is not "<account>/<region>"',
    'write the 12 digits of the account and the region of the stream, for example "123456789012/eu-west-1"',
  )
}

function parseColumns(value: unknown): DeclaredColumn[] {
  if (!isObject(value)) {
    throw refuse(
      'columns',
      value,
      'is not an object of columns',
      'write { "pk": "string", … }, the key columns included',
    )
  }
  const columns: DeclaredColumn[] = []
  const byLowerName = new Map<string, DeclaredColumn>()
  const byAttribute = new Map<string, DeclaredColumn>()
  for (const [name, declaration] of Object.entries(value)) {
    checkColumnName(name, declaration)
    const column = parseColumn(name, declaration)
    const twin = byLowerName.get(name.toLowerCase())
    if (twin !== undefined) {
      throw refuse(
        `columns.${name}`,
        declaration,
        `collides with columns.${twin.name}: names are compared without case`,
        renamed(name, `${name}_2`),
      )
    }
    const sibling = byAttribute.get(column.attribute)
    if (sibling !== undefined) {
      throw refuse(
        `columns.${name}`,
        declaration,
        `takes the attribute "${column.attribute}" that columns.${sibling.name} has`,
        'remove one of the two columns',
      )
    }
    byLowerName.set(name.toLowerCase(), column)
    byAttribute.set(column.attribute, column)
    columns.push(column)
  }
  return columns
}

function checkColumnName(name: string, declaration: unknown): void {
  const place = `columns.${name}`
  const reserved = [...METADATA_COLUMNS.map((column) => column.name), ...ICEBERG_COLUMNS]
  if (reserved.includes(name.toLowerCase())) {
    throw refuse(place, declaration, 'has the name of a metadata column', renamed(name, `item${name}`))
  }
  if (name === '' || name !== name.trim() || /\p{Cc}/u.test(name)) {
    throw refuse(
      place,
      declaration,
      'has an empty name, blanks around it or control characters in it',
      renamed(name, 'a_name'),
    )
  }
  if (new TextEncoder().encode(name).length > COLUMN_NAME_BYTES_MAX) {
    throw refuse(place, declaration, `has a name of more than ${COLUMN_NAME_BYTES_MAX} bytes`, renamed(name, 'a_name'))
  }
}

function parseColumn(name: string, declaration: unknown): DeclaredColumn {
  const place = `columns.${name}`
  if (typeof declaration === 'string') return declaredColumn(name, name, parseType(place, declaration))
  if (!isObject(declaration)) throw refuse(place, declaration, 'is not a type', `write one of ${TYPE_NAMES}`)
  for (const [property, value] of Object.entries(declaration)) {
    if (property !== 'type' && property !== 'from') {
      throw refuse(`${place}.${property}`, value, 'is no property of a column', suggestion(property, ['type', 'from']))
    }
  }
  const { type, from = name } = declaration
  if (typeof type !== 'string') throw refuse(`${place}.type`, type, 'is not a type', `write one of ${TYPE_NAMES}`)
  if (typeof from !== 'string' || from === '') {
    throw refuse(
      `${place}.from`,
      from,
      'is not the name of an attribute',
      'write the name that the attribute has in DynamoDB',
    )
  }
  return declaredColumn(name, from, parseType(`${place}.type`, type))
}

function declaredColumn(name: string, attribute: string, type: DeclaredType): DeclaredColumn {
  return { name, attribute, type, storedType: storedType(type) }
}

function parseType(place: string, text: string): DeclaredType {
  const type = /^([a-z]+)(?:\(\s*([^()]*?)\s*\))?$/.exec(text)
  const kind = type?.[1]
  const argument = type?.[2]
  switch (kind) {
    case 'string':
    case 'number':
    case 'long':
    case 'int':
    case 'double':
    case 'boolean':
    case 'date':
    case 'binary':
    case 'json':
      if (argument === undefined) return { kind }
      break
    case 'timestamptz':
      if (argument === undefined) return { kind, unit: 'iso' }
      if (argument === 's' || argument === 'ms' || argument === 'us') return { kind, unit: argument }
      throw refuse(
        place,
        text,
        'has an unknown unit',
        'write timestamptz(s), timestamptz(ms) or timestamptz(us) for an epoch number, timestamptz for ISO-8601 text',
      )
    case 'decimal':
      return parseDecimal(place, text, argument)
  }
  throw refuse(place, text, 'is not a type', suggestion(text, TYPE_NAMES.split(', ')))
}

function parseDecimal(place: string, text: string, argument: string | undefined): DeclaredType {
  const digits = /^(\d{1,4})\s*,\s*(\d{1,4})$/.exec(argument ?? '')
  const precision = Number(digits?.[1])
  const scale = Number(digits?.[2])
  if (precision >= 1 && precision <= 38 && scale <= precision) return { kind: 'decimal', precision, scale }
  throw refuse(
    place,
    text,
    'is not a decimal with 1 to 38 digits, of which no more than all stand after the point',
    'write for example "decimal(12,2)"',
  )
}

function storedType(type: DeclaredType): PrimitiveType {
  switch (type.kind) {
    case 'number':
    case 'json':
      return { kind: 'string' }
    case 'timestamptz':
      return { kind: 'timestamptz' }
    default:
      return type
  }
}

function parseKey(value: unknown, declared: readonly DeclaredColumn[]): DeclaredColumn[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > 2) {
    throw refuse(
      'key',
      value,
      'is not one or two column names',
      'write ["pk"] or ["pk", "sk"]: the partition key, then the sort key',
    )
  }
  const key = value.map((name: unknown, i) => parseKeyColumn(`key[${i}]`, name, declared))
  if (key[0] === key[1])
    throw refuse('key', value, 'names one column twice', 'name the partition key, then the sort key')
  return key
}

function parseKeyColumn(place: string, name: unknown, declared: readonly DeclaredColumn[]): DeclaredColumn {
  const column = declared.find((candidate) => candidate.name === name)
  if (column === undefined) {
    const renamedColumn = declared.find((candidate) => candidate.attribute === name)
    const names = declared.map((candidate) => candidate.name)
    throw refuse(
      place,
      name,
      'is not a column',
      renamedColumn === undefined
        ? `add it to "columns", or ${suggestion(String(name), names)}`
        : `write the column's name "${renamedColumn.name}"`,
    )
  }
  if (KEY_TYPES.includes(column.type.kind)) return column
  throw refuse(
    place,
    name,
    `is a column of type ${column.type.kind}, under which two keys could become one`,
    `declare columns.${column.name} as one of ${KEY_TYPES.join(', ')}`,
  )
}

function parsePartitionBy(value: unknown, columns: readonly DeclaredColumn[]): PartitionBy[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw refuse('partition_by', value, 'is not a list', 'write for example ["bucket(pk, 8)"]')
  const fields: PartitionBy[] = []
  for (const [i, text] of value.entries()) {
    const place = `partition_by[${i}]`
    const field = parsePartitionField(place, text, columns)
    const twin = fields.find(
      (other) => other.column === field.column && family(other.transform) === family(field.transform),
    )
    if (twin !== undefined)
      throw refuse(place, text, `partitions by the same as the field "${twin.name}"`, 'remove one of the two')
    const shadowed = columns.find(
      (column, j) =>
        column.name.toLowerCase() === field.name.toLowerCase() &&
        (j !== field.column || field.transform.kind !== 'identity'),
    )
    if (shadowed !== undefined) {
      throw refuse(
        place,
        text,
        `gives a partition field "${field.name}", which is the name of a column`,
        `give that column another name and "from": "${shadowed.attribute}"`,
      )
    }
    fields.push(field)
  }
  return fields
}

/** Iceberg refuses two time transforms of one column: the coarser follows from the finer. */
function family(transform: Transform): string {
  return ['year', 'month', 'day', 'hour'].includes(transform.kind) ? 'time' : transform.kind
}

function parsePartitionField(place: string, text: unknown, columns: readonly DeclaredColumn[]): PartitionBy {
  const call = typeof text === 'string' ? /^\s*([A-Za-z_]+)\s*\((.*)\)\s*$/s.exec(text) : null
  if (call === null) {
    const column = columns.find((candidate) => candidate.name === text)
    throw refuse(
      place,
      text,
      'is not a transform of a column',
      `write ${column === undefined ? '"identity(region)", "bucket(pk, 8)" or "day(created_at)"' : `"identity(${column.name})"`}`,
    )
  }
  const kind = Object.keys(TRANSFORMS).find((name) => name === call[1]) as Transform['kind'] | undefined
  if (kind === undefined)
    throw refuse(
      place,
      text,
      `has an unknown transform "${call[1]}"`,
      suggestion(call[1] as string, Object.keys(TRANSFORMS)),
    )
  const { name, transform } = parseTransform(place, text, kind, call[2] as string)
  const column = columns.findIndex((candidate) => candidate.name === name)
  if (column < 0) {
    throw refuse(
      place,
      text,
      `names "${name}", which is not a column`,
      `add it to "columns", or ${suggestion(
        name,
        columns.map((candidate) => candidate.name),
      )}`,
    )
  }
  const type = (columns[column] as DeclaredColumn).type.kind
  if (!TRANSFORMS[kind].includes(type)) {
    throw refuse(
      place,
      text,
      `partitions a column of type ${type} by ${kind}`,
      `${kind} takes ${TRANSFORMS[kind].join(', ')}: declare columns.${name} as one of them, or partition by another column`,
    )
  }
  return { name: partitionFieldName(name, kind), transform, column }
}

function parseTransform(
  place: string,
  text: unknown,
  kind: Transform['kind'],
  inside: string,
): { name: string; transform: Transform } {
  if (kind !== 'bucket' && kind !== 'truncate') return { name: inside.trim(), transform: { kind } }
  // The last comma: a column's name may hold one.
  const parts = /^(.*),\s*(\d{1,10})\s*$/s.exec(inside)
  const size = Number(parts?.[2])
  if (parts === null || size < 1 || size > INT_MAX) {
    const what = kind === 'bucket' ? 'number of buckets' : 'width'
    throw refuse(place, text, `lacks a ${what} from 1 to ${INT_MAX}`, `write for example "${kind}(pk, 8)"`)
  }
  const transform: Transform = kind === 'bucket' ? { kind, buckets: size } : { kind, width: size }
  return { name: (parts[1] as string).trim(), transform }
}

function partitionFieldName(column: string, kind: Transform['kind']): string {
  if (kind === 'identity') return column
  return `${column}_${kind === 'truncate' ? 'trunc' : kind}`
}

function parseCount(properties: ReadonlyMap<string, unknown>, name: string, otherwise: number, max: number): number {
  const value = properties.get(name)
  if (value === undefined) return otherwise
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) return value as number
  throw refuse(
    name,
    value,
    `is not a whole number from 1 to ${max}`,
    `write for example ${otherwise}, or leave it out for that default`,
  )
}

/** A tombstone must outlast every older change that can still arrive, after one more journey through the landing area (a replay). */
function checkHorizon(landingDays: number, tombstoneDays: number): void {
  const daysMin = 2 * landingDays + 2
  if (tombstoneDays >= daysMin) return
  throw refuse(
    'tombstone_days',
    tombstoneDays,
    `is less than 2 × landing_days + 2 = ${daysMin}, so a removed item could come back`,
    `write "tombstone_days": ${daysMin} or more, or a smaller "landing_days"`,
  )
}

/** `moving`: the partition fields that an update can change. */
function parseOnTtl(value: unknown, moving: readonly PartitionBy[]): 'remove' | 'keep' {
  if (value === undefined || value === 'remove') return 'remove'
  if (value !== 'keep') {
    throw refuse('on_ttl', value, 'is neither "remove" nor "keep"', 'write "keep" to keep rows that TTL removed')
  }
  if (moving.length === 0) return 'keep'
  const names = moving.map((field) => field.name).join(', ')
  throw refuse(
    'on_ttl',
    value,
    `is not possible on a table partitioned by attributes outside the key (${names})`,
    'partition by key columns only, or write "remove"',
  )
}

function tableFields(columns: readonly DeclaredColumn[], keyColumns: number, onTtl: 'remove' | 'keep'): Field[] {
  const metadata = METADATA_COLUMNS.filter((column) => column.name !== '_expired_at' || onTtl === 'keep')
  return [
    ...columns.map((column, i) => ({
      id: i + 1,
      name: column.name,
      type: column.storedType,
      required: i < keyColumns,
    })),
    ...metadata.map((column, i) => ({
      id: columns.length + i + 1,
      name: column.name,
      type: column.type,
      required: false,
    })),
  ]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `problem` continues the sentence that place and value begin, with "is" or another verb. */
function refuse(place: string, value: unknown, problem: string, remedy: string): InputError {
  const where = place === '' ? 'definition' : `definition: ${place}`
  if (value !== undefined) return new InputError(`${where}: ${shorten(JSON.stringify(value))} ${problem}; ${remedy}`)
  return new InputError(`${where} ${problem.replace(/^is not/, 'is missing, or not')}; ${remedy}`)
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`
}

function renamed(attribute: string, example: string): string {
  return `give the column another name and set columns.<name>.from, for example "${example}": { "type": …, "from": ${JSON.stringify(attribute)} }`
}

function suggestion(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names)
  return nearest === null ? `write one of ${names.join(', ')}` : `did you mean "${nearest}"?`
}

/** The name that differs by the fewest letters, case and separators aside; null where most of them differ. */
function nearestName(name: string, names: readonly string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const letters = plain(name).length
  let nearest: string | null = null
  let fewest = Math.min(Math.ceil(letters / 3) + 1, letters)
  for (const candidate of names) {
    const edits = editDistance(plain(name), plain(candidate))
    if (edits < fewest) [nearest, fewest] = [candidate, edits]
  }
  return nearest
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] as number) + 1, (row[j - 1] as number) + 1))
    }
    above = row
  }
  return above[b.length] as number
}
