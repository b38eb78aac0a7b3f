// How the fields of a table lie in a Parquet file (Iceberg table spec, appendix A, "Parquet").
//
// Decimals of at most 18 digits are INT64 throughout, beyond that fixed bytes, as few as hold the precision. Times are microseconds.

import type { Field, PrimitiveType } from '../primitive-type.ts'
import { ConvertedType, PhysicalType, Repetition, type SchemaElement } from './footer.ts'

const INT64_DIGITS = 18

/** The schema of a file of these fields: the root, then one element a field, in order. */
export function schemaElements(fields: readonly Field[]): SchemaElement[] {
  return [{ name: 'table', numChildren: fields.length }, ...fields.map(schemaElement)]
}

/** Bytes of a decimal of more than 18 digits: the fewest whose two's complement holds `precision` digits. */
export function decimalBytes(precision: number): number {
  const greatest = 10n ** BigInt(precision) - 1n
  let bytes = 8
  while (BigInt.asIntN(bytes * 8, greatest) !== greatest) bytes++
  return bytes
}

/**
 * Whether chunks written under `schema` may stand in a file of `fields`: a flat schema in which the fields that it has are of the same
 * physical types, units and nullability, and those that it lacks may be null; the first column is the same. Names may differ.
 */
export function isSameLayout(schema: readonly SchemaElement[], fields: readonly Field[]): boolean {
  const stored = schema.slice(1)
  if (stored.some(({ type }) => type === undefined) || stored[0]?.fieldId !== fields[0]?.id) return false
  return fields.every((field) => {
    const element = stored.find(({ fieldId }) => fieldId === field.id)
    return element === undefined ? !field.required : isSameElement(element, schemaElement(field))
  })
}

/** Whether a stored column is of the field's very type, no narrower one: decimals may lie in integers or bytes, as other writers have them. */
export function isOfType(element: SchemaElement, field: Field): boolean {
  const wanted = schemaElement(field)
  const isDecimal = field.type.kind === 'decimal' && element.precision === wanted.precision
  const isPhysical = element.type === wanted.type && (element.typeLength ?? 0) === (wanted.typeLength ?? 0)
  return (isDecimal || isPhysical) && unitOf(element) === unitOf(wanted)
}

function isSameElement(a: SchemaElement, b: SchemaElement): boolean {
  return (
    a.type === b.type &&
    (a.typeLength ?? 0) === (b.typeLength ?? 0) &&
    a.repetitionType === b.repetitionType &&
    unitOf(a) === unitOf(b)
  )
}

/** What changes the meaning of the same bytes, as one text. The converted type stands in where an older writer gave no other. */
function unitOf(element: SchemaElement): string {
  const { logicalType, convertedType } = element
  const time = logicalType?.TIMESTAMP ?? logicalType?.TIME
  if (time !== undefined)
    return `time ${Object.keys(time.unit).find((unit) => time.unit[unit as 'MICROS'] !== undefined)}`
  if (convertedType === ConvertedType.TIMESTAMP_MICROS || convertedType === ConvertedType.TIME_MICROS)
    return 'time MICROS'
  if (convertedType === ConvertedType.TIMESTAMP_MILLIS || convertedType === ConvertedType.TIME_MILLIS)
    return 'time MILLIS'
  if (logicalType?.DECIMAL !== undefined || convertedType === ConvertedType.DECIMAL)
    return `decimal scale ${logicalType?.DECIMAL?.scale ?? element.scale ?? 0}`
  return ''
}

/** The PhysicalType of a field's chunks. */
export function physicalType(type: PrimitiveType): number {
  return typeOf(type).type
}

function schemaElement(field: Field): SchemaElement {
  return {
    name: field.name,
    fieldId: field.id,
    repetitionType: field.required ? Repetition.REQUIRED : Repetition.OPTIONAL,
    ...typeOf(field.type),
  }
}

type ElementType = Omit<SchemaElement, 'name' | 'type'> & { readonly type: number }

function typeOf(type: PrimitiveType): ElementType {
  switch (type.kind) {
    case 'boolean':
      return { type: PhysicalType.BOOLEAN }
    case 'int':
      return { type: PhysicalType.INT32 }
    case 'long':
      return { type: PhysicalType.INT64 }
    case 'float':
      return { type: PhysicalType.FLOAT }
    case 'double':
      return { type: PhysicalType.DOUBLE }
    case 'date':
      return { type: PhysicalType.INT32, convertedType: ConvertedType.DATE, logicalType: { DATE: {} } }
    case 'time':
      return {
        type: PhysicalType.INT64,
        convertedType: ConvertedType.TIME_MICROS,
        logicalType: { TIME: { isAdjustedToUTC: false, unit: { MICROS: {} } } },
      }
    case 'timestamp':
    case 'timestamptz':
      return timestampType(type.kind === 'timestamptz')
    case 'string':
      return { type: PhysicalType.BYTE_ARRAY, convertedType: ConvertedType.UTF8, logicalType: { STRING: {} } }
    case 'binary':
      return { type: PhysicalType.BYTE_ARRAY }
    case 'uuid':
      return { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, typeLength: 16, logicalType: { UUID: {} } }
    case 'fixed':
      return { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, typeLength: type.bytes }
    case 'decimal':
      return decimalType(type.precision, type.scale)
  }
}

/** The converted type means UTC, so a local timestamp has none. */
function timestampType(isAdjustedToUTC: boolean): ElementType {
  const logicalType = { TIMESTAMP: { isAdjustedToUTC, unit: { MICROS: {} } } }
  if (!isAdjustedToUTC) return { type: PhysicalType.INT64, logicalType }
  return { type: PhysicalType.INT64, convertedType: ConvertedType.TIMESTAMP_MICROS, logicalType }
}

function decimalType(precision: number, scale: number): ElementType {
  const physical =
    precision <= INT64_DIGITS
      ? { type: PhysicalType.INT64 }
      : { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, typeLength: decimalBytes(precision) }
  return {
    ...physical,
    convertedType: ConvertedType.DECIMAL,
    precision,
    scale,
    logicalType: { DECIMAL: { precision, scale } },
  }
}
