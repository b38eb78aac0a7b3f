// The primitive types of Iceberg, the one vocabulary that table definitions, columns, Parquet and metadata share.

export type PrimitiveType =
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int' }
  | { readonly kind: 'long' }
  | { readonly kind: 'float' }
  | { readonly kind: 'double' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'date' }
  | { readonly kind: 'time' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'timestamptz' }
  | { readonly kind: 'string' }
  | { readonly kind: 'binary' }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'fixed'; readonly bytes: number }

/** One column of a table. `id` is Iceberg's field id: columns bind by it, never by name or position. */
export interface Field {
  readonly id: number
  readonly name: string
  readonly type: PrimitiveType
  readonly required: boolean
}

const PLAIN_KINDS = new Set([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'binary',
  'uuid',
])

/** The type as Iceberg's metadata writes it, for example `decimal(12, 2)`. */
export function formatPrimitiveType(type: PrimitiveType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision}, ${type.scale})`
  if (type.kind === 'fixed') return `fixed[${type.bytes}]`
  return type.kind
}

/** Reads Iceberg's text of a primitive type; null where it is none (a nested type, or one of a later format version). */
export function parsePrimitiveType(text: string): PrimitiveType | null {
  if (PLAIN_KINDS.has(text)) return { kind: text } as PrimitiveType
  const decimal = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(text)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  const fixed = /^fixed\[(\d+)\]$/.exec(text)
  if (fixed !== null) return { kind: 'fixed', bytes: Number(fixed[1]) }
  return null
}
