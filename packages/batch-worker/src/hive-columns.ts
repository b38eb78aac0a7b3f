// The columns of a table as Glue lists them: Hive's types, with the field ids of Iceberg, as Iceberg's own GlueCatalog writes them.
// Athena shows them and reads by the metadata.

import type { Column } from '@aws-sdk/client-glue'

/** A field as table metadata writes it; the type of nested ones is an object. */
export interface MetadataField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: unknown
  readonly doc?: string
}

export interface MetadataSchema {
  readonly fields: readonly MetadataField[]
}

const FIELD_ID = 'iceberg.field.id'
const FIELD_OPTIONAL = 'iceberg.field.optional'
const FIELD_CURRENT = 'iceberg.field.current'
/** Glue's limit of a comment. */
const COMMENT_LENGTH_MAX = 255

/**
 * The columns of the current schema, then those that only older ones have, marked as gone. What stands in Glue already stays as it is
 * where it says the same: others may have added to it.
 */
export function glueColumns(
  current: MetadataSchema,
  older: readonly MetadataSchema[],
  standing: readonly Column[] = [],
): Column[] {
  const columns = current.fields.map((field) => columnOf(field, true))
  const names = new Set(current.fields.map(({ name }) => name))
  for (const field of older.flatMap(({ fields }) => fields)) {
    if (names.has(field.name)) continue
    names.add(field.name)
    columns.push(columnOf(field, false))
  }
  return columns.map((column) => keepStanding(column, standing))
}

function columnOf({ id, name, required, type, doc }: MetadataField, isCurrent: boolean): Column {
  return {
    Name: name,
    Type: hiveType(type),
    ...(doc !== undefined && { Comment: doc.slice(0, COMMENT_LENGTH_MAX) }),
    Parameters: {
      [FIELD_ID]: String(id),
      [FIELD_OPTIONAL]: String(!required),
      [FIELD_CURRENT]: String(isCurrent),
    },
  }
}

function keepStanding(column: Column, standing: readonly Column[]): Column {
  const before = standing.find(({ Parameters }) => Parameters?.[FIELD_ID] === column.Parameters![FIELD_ID])
  if (before === undefined) return column
  return { ...before, ...column, Parameters: { ...before.Parameters, ...column.Parameters } }
}

const HIVE_TYPES: Readonly<Record<string, string>> = {
  long: 'bigint',
  time: 'string',
  uuid: 'string',
  timestamptz: 'timestamp',
}

/** The type of a field, nested or not, as Hive writes it. */
export function hiveType(type: unknown): string {
  if (typeof type === 'string') {
    if (type.startsWith('fixed')) return 'binary'
    return HIVE_TYPES[type] ?? type.replaceAll(' ', '')
  }
  const nested = type as Readonly<Record<string, unknown>>
  switch (nested.type) {
    case 'struct':
      return `struct<${(nested.fields as MetadataField[]).map((field) => `${field.name}:${hiveType(field.type)}`).join(',')}>`
    case 'list':
      return `array<${hiveType(nested.element)}>`
    case 'map':
      return `map<${hiveType(nested.key)},${hiveType(nested.value)}>`
    default:
      return 'string'
  }
}
