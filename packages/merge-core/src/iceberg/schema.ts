// Schemas, partition specs and sort orders as table metadata writes them (Iceberg table spec, appendix C).
//
// Objects keep the JSON's own names, and attributes that are not listed here ride along untouched.

import { InputError } from '../errors.ts'
import { type Field, formatPrimitiveType, type PrimitiveType, parsePrimitiveType } from '../primitive-type.ts'
import { transformResultType } from './transform.ts'

/** Text of a primitive type, or a struct, list or map, which is carried and never looked into except for struct fields. */
export type IcebergType = string | { readonly type: string; readonly fields?: readonly NestedField[] }

export interface NestedField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: IcebergType
  readonly doc?: string
}

export interface Schema {
  readonly type: 'struct'
  readonly 'schema-id': number
  readonly 'identifier-field-ids'?: readonly number[]
  readonly fields: readonly NestedField[]
}

export interface PartitionField {
  readonly name: string
  readonly transform: string
  readonly 'source-id': number
  readonly 'field-id': number
}

export interface PartitionSpec {
  readonly 'spec-id': number
  readonly fields: readonly PartitionField[]
}

export interface SortField {
  readonly transform: string
  readonly 'source-id': number
  readonly direction: 'asc' | 'desc'
  readonly 'null-order': 'nulls-first' | 'nulls-last'
}

export interface SortOrder {
  readonly 'order-id': number
  readonly fields: readonly SortField[]
}

export const UNSORTED: SortOrder = { 'order-id': 0, fields: [] }
export const UNPARTITIONED: PartitionSpec = { 'spec-id': 0, fields: [] }

export function schemaOf(fields: readonly Field[], schemaId: number): Schema {
  return {
    type: 'struct',
    'schema-id': schemaId,
    fields: fields.map(({ id, name, required, type }) => ({ id, name, required, type: formatPrimitiveType(type) })),
  }
}

/** The top-level fields of primitive type, in the schema's order. The others are those of `nestedFieldNames`. */
export function fieldsOf(schema: Schema): Field[] {
  return schema.fields.flatMap((field) => {
    const type = primitiveTypeOf(field)
    return type === null ? [] : [{ id: field.id, name: field.name, required: field.required, type }]
  })
}

/** Top-level fields that are structs, lists or maps, or of a type of a later format version. */
export function nestedFieldNames(schema: Schema): string[] {
  return schema.fields.filter((field) => primitiveTypeOf(field) === null).map((field) => field.name)
}

function primitiveTypeOf(field: NestedField): PrimitiveType | null {
  return typeof field.type === 'string' ? parsePrimitiveType(field.type) : null
}

/**
 * The type of each partition field's values. Schemas are searched in the order given: the current one first, and older ones for
 * columns that were dropped. Throws InputError where no schema has a source column of primitive type.
 */
export function partitionTypes(spec: PartitionSpec, schemas: readonly Schema[]): PrimitiveType[] {
  return spec.fields.map((field) => {
    // What is left of a dropped partition field; its column may be gone from every schema, and its values are null.
    if (field.transform === 'void') return { kind: 'int' }
    for (const schema of schemas) {
      const source = findField(schema.fields, field['source-id'])
      const type = source === null ? null : primitiveTypeOf(source)
      if (type !== null) return transformResultType(field.transform, type)
    }
    throw new InputError(
      `partition field ${field.name}: its source column (field id ${field['source-id']}) is not of a supported type`,
    )
  })
}

function findField(fields: readonly NestedField[], id: number): NestedField | null {
  for (const field of fields) {
    if (field.id === id) return field
    const inner = typeof field.type === 'object' && field.type.fields ? findField(field.type.fields, id) : null
    if (inner !== null) return inner
  }
  return null
}
