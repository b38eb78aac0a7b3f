// A key as a person writes it: `{"pk": "u#1", "sk": 5}`, or with DynamoDB's types `{"pk": {"S": "u#1"}, "sk": {"N": "5"}}`.

import { declaredValue, tagOfType } from './change/declared-value.ts'
import { InputError } from './errors.ts'
import type { PartitionValue } from './iceberg/transform.ts'
import type { DeclaredColumn, TableDefinition } from './table-definition.ts'

/**
 * The values of the key columns by their names, from the JSON text of an object that has them and nothing else. Numbers keep their
 * digits and compare as DynamoDB compares them; bytes are base64.
 * @throws InputError naming the column that is missing or of another type
 */
export function keyFromJson(definition: TableDefinition, text: string): Record<string, PartitionValue> {
  const keyColumns = definition.columns.slice(0, definition.keyColumns)
  const values = parseObject(text, keyColumns)
  const unknown = [...values.keys()].find((name) => !keyColumns.some((column) => column.name === name))
  if (unknown !== undefined) throw new InputError(`key ${text}: ${unknown} is not a key column; ${remedy(keyColumns)}`)
  return Object.fromEntries(
    keyColumns.map((column) => [column.name, keyValue(column, values.get(column.name), keyColumns)]),
  )
}

function parseObject(text: string, keyColumns: readonly DeclaredColumn[]): Map<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text, asItStands)
  } catch (error) {
    throw new InputError(`key ${text}: not valid JSON (${(error as Error).message}); ${remedy(keyColumns)}`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value))
  throw new InputError(`key ${text}: not an object; ${remedy(keyColumns)}`)
}

/** Numbers as their text: a JavaScript number would lose digits. */
function asItStands(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? { N: context?.source } : value
}

function keyValue(column: DeclaredColumn, value: unknown, keyColumns: readonly DeclaredColumn[]): PartitionValue {
  if (value === undefined) throw new InputError(`the key lacks ${column.name}; ${remedy(keyColumns)}`)
  const typed = typeof value === 'string' ? { [tagOfType(column.type)!]: value } : value
  const bytes = Buffer.from(JSON.stringify(typed))
  const parsed = declaredValue(bytes, 0, bytes.length, column.type)
  if (parsed !== undefined && parsed !== null) return parsed
  throw new InputError(
    `key column ${column.name}: ${JSON.stringify(typed)} is no value of its type ${column.type.kind}; ${remedy(keyColumns)}`,
  )
}

function remedy(keyColumns: readonly DeclaredColumn[]): string {
  const values = keyColumns.map(({ name, type }) => `${JSON.stringify(name)}: ${type.kind === 'string' ? '"…"' : '…'}`)
  return `write {${values.join(', ')}}`
}
