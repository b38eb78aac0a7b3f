// Manifests and manifest lists, format version 2 (Iceberg table spec, "Manifests" and "Manifest Lists").
//
// Fields are found by field id, as names vary between writers and versions. Files of format version 1 are read as well: what they
// lack has the value that the spec gives it (content 0, sequence number 0).

import { DamagedObjectError } from '../errors.ts'
import type { PrimitiveType } from '../primitive-type.ts'
import {
  type AvroComplex,
  type AvroField,
  type AvroSchema,
  type AvroValue,
  readAvroFile,
  writeAvroFile,
} from './avro.ts'
import type { PartitionSpec, Schema } from './schema.ts'
import { comparePartitionValues, decodeSingleValue, encodeSingleValue, minimalTwosComplement } from './single-value.ts'
import type { PartitionValue } from './transform.ts'

export const DATA = 0
export const POSITION_DELETES = 1
export const EQUALITY_DELETES = 2

/** A data file or delete file as a manifest describes it. Statistics that are not known are missing from the maps. */
export interface DataFile {
  readonly content: typeof DATA | typeof POSITION_DELETES | typeof EQUALITY_DELETES
  /** As its writer wrote it; `storeLocation` gives what a store takes. */
  readonly path: string
  /** `PARQUET`, `ORC`, `AVRO`, in any case. */
  readonly format: string
  /** One value a field of the partition spec. */
  readonly partition: readonly PartitionValue[]
  readonly records: number
  readonly fileBytes: number
  /** By field id, as are the following maps. */
  readonly columnBytes: ReadonlyMap<number, number>
  /** Nulls and NaNs included. */
  readonly valueCounts: ReadonlyMap<number, number>
  readonly nullCounts: ReadonlyMap<number, number>
  readonly nanCounts?: ReadonlyMap<number, number>
  /** Single values (single-value.ts). */
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
  /** Where row groups start, ascending. */
  readonly splitOffsets: readonly number[]
  /** Field ids that an equality delete file compares. */
  readonly equalityIds: readonly number[]
  readonly sortOrderId: number | null
  readonly keyMetadata?: Uint8Array
  /** The one data file that a position delete file is about, where it says so. */
  readonly referencedDataFile?: string
}

export const EXISTING = 0
export const ADDED = 1
export const DELETED = 2

export interface ManifestEntry {
  readonly status: typeof EXISTING | typeof ADDED | typeof DELETED
  /** The snapshot that added the file, or removed it. */
  readonly snapshotId: bigint
  /** Of the data: delete files apply to data files of lower (position deletes: or the same) sequence numbers. */
  readonly sequenceNumber: number
  readonly fileSequenceNumber: number
  readonly file: DataFile
}

export interface FieldSummary {
  readonly containsNull: boolean
  readonly containsNan: boolean | null
  readonly lowerBound: Uint8Array | null
  readonly upperBound: Uint8Array | null
}

export interface ManifestCounts {
  readonly addedFiles: number
  readonly existingFiles: number
  readonly deletedFiles: number
  readonly addedRows: number
  readonly existingRows: number
  readonly deletedRows: number
}

/** A manifest as a manifest list describes it. */
export interface ManifestFile {
  readonly path: string
  readonly length: number
  readonly specId: number
  /** 0: data files, 1: delete files. */
  readonly content: 0 | 1
  readonly sequenceNumber: number
  readonly minSequenceNumber: number
  readonly addedSnapshotId: bigint
  /** Null where a writer of format version 1 left them out. */
  readonly counts: ManifestCounts | null
  /** One a partition field. */
  readonly partitions: readonly FieldSummary[] | null
  readonly keyMetadata: Uint8Array | null
}

/** A partition spec with the type of each field's values. */
export interface BoundSpec {
  readonly spec: PartitionSpec
  readonly types: readonly PrimitiveType[]
}

// ---- reading

/** All entries of a manifest, deleted ones too, with the ids and sequence numbers that they inherit from its list entry. */
export function readManifest(bytes: Uint8Array, manifest: ManifestFile, { spec, types }: BoundSpec): ManifestEntry[] {
  const { path } = manifest
  const { schema, rows } = readAvroFile(path, bytes)
  const entryAt = fieldPositions(schema.fields)
  const fileFields = recordFields(path, schema, 2)
  const fileAt = fieldPositions(fileFields)
  const partitionAt = fieldPositions(recordFields(path, { type: 'record', fields: fileFields }, 102))
  return rows.map((row) => {
    const entry = new Values(path, row, entryAt)
    const status = entry.oneOf(0, [EXISTING, ADDED, DELETED])
    const inherits = status === ADDED || manifest.sequenceNumber === 0
    const sequence = (fieldId: number) => {
      const own = entry.optionalCount(fieldId)
      if (own === null && !inherits) throw new DamagedObjectError(path, 'an existing entry has no sequence number')
      return own ?? manifest.sequenceNumber
    }
    const file = new Values(path, entry.list(2) ?? [], fileAt)
    const partition = new Values(path, file.list(102) ?? [], partitionAt)
    return {
      status,
      snapshotId: entry.optionalId(1) ?? manifest.addedSnapshotId,
      sequenceNumber: sequence(3),
      fileSequenceNumber: sequence(4),
      file: readDataFile(
        file,
        spec.fields.map((field, i) => partition.partitionValue(field['field-id'], types[i]!)),
      ),
    }
  })
}

function readDataFile(file: Values, partition: PartitionValue[]): DataFile {
  const nanCounts = file.countMap(137)
  const keyMetadata = file.optionalBytes(131)
  const referencedDataFile = file.optionalText(143)
  return {
    content: file.has(134) ? file.oneOf(134, [DATA, POSITION_DELETES, EQUALITY_DELETES]) : DATA,
    path: file.text(100),
    format: file.text(101),
    partition,
    records: file.count(103),
    fileBytes: file.count(104),
    columnBytes: file.countMap(108),
    valueCounts: file.countMap(109),
    nullCounts: file.countMap(110),
    ...(nanCounts.size > 0 && { nanCounts }),
    lowerBounds: file.bytesMap(125),
    upperBounds: file.bytesMap(128),
    splitOffsets: file.numbers(132),
    equalityIds: file.numbers(135),
    sortOrderId: file.optionalCount(140),
    ...(keyMetadata !== null && { keyMetadata }),
    ...(referencedDataFile !== null && { referencedDataFile }),
  }
}

export function readManifestList(path: string, bytes: Uint8Array): ManifestFile[] {
  const { schema, rows } = readAvroFile(path, bytes)
  const at = fieldPositions(schema.fields)
  const summaryAt = fieldPositions(summaryFields(schema))
  return rows.map((row) => {
    const values = new Values(path, row, at)
    return {
      path: values.text(500),
      length: values.count(501),
      specId: values.count(502),
      content: values.has(517) ? values.oneOf(517, [0, 1]) : 0,
      sequenceNumber: values.optionalCount(515) ?? 0,
      minSequenceNumber: values.optionalCount(516) ?? 0,
      addedSnapshotId: values.id(503),
      counts: readCounts(values),
      partitions:
        values.list(507)?.map((summary) => readSummary(new Values(path, asList(path, summary), summaryAt))) ?? null,
      keyMetadata: values.optionalBytes(519),
    }
  })
}

function readCounts(values: Values): ManifestCounts | null {
  const counts = [504, 505, 506, 512, 513, 514].map((fieldId) => values.optionalCount(fieldId))
  if (counts.some((count) => count === null)) return null
  const [addedFiles, existingFiles, deletedFiles, addedRows, existingRows, deletedRows] = counts as number[]
  return {
    addedFiles: addedFiles!,
    existingFiles: existingFiles!,
    deletedFiles: deletedFiles!,
    addedRows: addedRows!,
    existingRows: existingRows!,
    deletedRows: deletedRows!,
  }
}

function readSummary(values: Values): FieldSummary {
  return {
    containsNull: values.value(509) === true,
    containsNan: values.value(518) === null ? null : values.value(518) === true,
    lowerBound: values.optionalBytes(510),
    upperBound: values.optionalBytes(511),
  }
}

/** Position of each field id in a record's values. */
function fieldPositions(fields: readonly AvroField[]): ReadonlyMap<number, number> {
  return new Map(fields.flatMap((field, i) => (typeof field['field-id'] === 'number' ? [[field['field-id'], i]] : [])))
}

/** The fields of the record that lies in field `fieldId` of a record. */
function recordFields(path: string, record: AvroComplex, fieldId: number): readonly AvroField[] {
  const field = record.fields?.find((each) => each['field-id'] === fieldId)
  const inner = field === undefined ? undefined : (complexBranch(field.type)?.fields ?? undefined)
  if (!Array.isArray(inner))
    throw new DamagedObjectError(path, `the Avro schema has no record with field-id ${fieldId}`)
  return inner
}

function summaryFields(list: AvroComplex): readonly AvroField[] {
  const field = list.fields?.find((each) => each['field-id'] === 507)
  const items = field === undefined ? undefined : complexBranch(field.type)?.items
  return items === undefined ? [] : (complexBranch(items)?.fields ?? [])
}

/** The object of a type, or of the one branch of a union that is one. */
function complexBranch(type: AvroSchema): AvroComplex | undefined {
  const branches = Array.isArray(type) ? type : [type]
  return branches.find((branch): branch is AvroComplex => typeof branch === 'object' && !Array.isArray(branch))
}

/** The values of a record by field id, each checked to be what the spec says. A field that the writer left out is null. */
class Values {
  readonly #path: string
  readonly #values: readonly AvroValue[]
  readonly #positions: ReadonlyMap<number, number>

  constructor(path: string, values: readonly AvroValue[], positions: ReadonlyMap<number, number>) {
    this.#path = path
    this.#values = values
    this.#positions = positions
  }

  value(fieldId: number): AvroValue {
    const position = this.#positions.get(fieldId)
    return position === undefined ? null : (this.#values[position] ?? null)
  }

  has(fieldId: number): boolean {
    return this.value(fieldId) !== null
  }

  oneOf<T extends number>(fieldId: number, allowed: readonly T[]): T {
    const value = this.value(fieldId)
    return allowed.find((each) => each === value) ?? this.#wrong(fieldId)
  }

  text(fieldId: number): string {
    return this.optionalText(fieldId) ?? this.#wrong(fieldId)
  }

  optionalText(fieldId: number): string | null {
    const value = this.value(fieldId)
    return value === null || typeof value === 'string' ? value : this.#wrong(fieldId)
  }

  count(fieldId: number): number {
    return this.optionalCount(fieldId) ?? this.#wrong(fieldId)
  }

  optionalCount(fieldId: number): number | null {
    const value = this.value(fieldId)
    return value === null || (typeof value === 'number' && value >= 0) ? value : this.#wrong(fieldId)
  }

  id(fieldId: number): bigint {
    return this.optionalId(fieldId) ?? this.#wrong(fieldId)
  }

  optionalId(fieldId: number): bigint | null {
    const value = this.value(fieldId)
    if (value === null) return null
    return typeof value === 'bigint' || Number.isSafeInteger(value)
      ? BigInt(value as number | bigint)
      : this.#wrong(fieldId)
  }

  optionalBytes(fieldId: number): Uint8Array | null {
    const value = this.value(fieldId)
    return value === null || value instanceof Uint8Array ? value : this.#wrong(fieldId)
  }

  list(fieldId: number): AvroValue[] | null {
    const value = this.value(fieldId)
    return value === null || Array.isArray(value) ? value : this.#wrong(fieldId)
  }

  numbers(fieldId: number): number[] {
    const values = this.list(fieldId) ?? []
    return values.every((value) => typeof value === 'number') ? values : this.#wrong(fieldId)
  }

  countMap(fieldId: number): Map<number, number> {
    return new Map(this.#pairs(fieldId).filter((pair): pair is [number, number] => typeof pair[1] === 'number'))
  }

  bytesMap(fieldId: number): Map<number, Uint8Array> {
    return new Map(this.#pairs(fieldId).filter((pair): pair is [number, Uint8Array] => pair[1] instanceof Uint8Array))
  }

  /** Maps are lists of key-value records, as Avro's own maps have text keys only. */
  #pairs(fieldId: number): [number, AvroValue][] {
    return (this.list(fieldId) ?? []).map((pair) => {
      const [key, value] = asList(this.#path, pair)
      return typeof key === 'number' ? [key, value ?? null] : this.#wrong(fieldId)
    })
  }

  partitionValue(fieldId: number, type: PrimitiveType): PartitionValue {
    const value = this.value(fieldId)
    if (value === null) return null
    const expected = AVRO_CLASS[type.kind]
    if (expected === 'integer') {
      if (typeof value !== 'number' && typeof value !== 'bigint') return this.#wrong(fieldId)
      return type.kind === 'int' || type.kind === 'date' ? Number(value) : BigInt(value)
    }
    if (expected === 'bytes') {
      if (!(value instanceof Uint8Array)) return this.#wrong(fieldId)
      return decodeSingleValue(type, value) ?? this.#wrong(fieldId)
    }
    return typeof value === expected ? (value as boolean | number | string) : this.#wrong(fieldId)
  }

  #wrong(fieldId: number): never {
    const value = this.value(fieldId)
    const shown =
      value === null ? 'missing' : value instanceof Uint8Array ? `${value.length} bytes` : String(value).slice(0, 100)
    throw new DamagedObjectError(this.#path, `the field with id ${fieldId} is ${shown}`)
  }
}

function asList(path: string, value: AvroValue): AvroValue[] {
  if (Array.isArray(value)) return value
  throw new DamagedObjectError(path, 'a record is expected and something else found')
}

const AVRO_CLASS = {
  boolean: 'boolean',
  int: 'integer',
  long: 'integer',
  date: 'integer',
  time: 'integer',
  timestamp: 'integer',
  timestamptz: 'integer',
  float: 'number',
  double: 'number',
  string: 'string',
  decimal: 'bytes',
  binary: 'bytes',
  uuid: 'bytes',
  fixed: 'bytes',
} as const satisfies Record<PrimitiveType['kind'], string>

// ---- writing

export interface ManifestContent {
  readonly content: 0 | 1
  readonly spec: BoundSpec
  /** The table's schema, kept in the manifest for readers that bind its partition spec. */
  readonly schema: Schema
  readonly entries: readonly ManifestEntry[]
  /** 16 bytes that separate the file's blocks. */
  readonly sync: Uint8Array
}

/** Added entries are written without sequence numbers: they inherit those of the commit. */
export function writeManifest({ content, spec, schema, entries, sync }: ManifestContent): Uint8Array {
  return writeAvroFile({
    schema: manifestSchema(spec, content),
    metadata: {
      schema: JSON.stringify(schema),
      'partition-spec': JSON.stringify(spec.spec.fields),
      'partition-spec-id': String(spec.spec['spec-id']),
      'format-version': '2',
      content: content === 0 ? 'data' : 'deletes',
    },
    rows: entries.map((entry) => entryRow(entry, spec.types, content)),
    sync,
  })
}

function entryRow(entry: ManifestEntry, types: readonly PrimitiveType[], content: 0 | 1): AvroValue[] {
  const inherited = entry.status === ADDED
  const { file } = entry
  return [
    entry.status,
    entry.snapshotId,
    inherited ? null : entry.sequenceNumber,
    inherited ? null : entry.fileSequenceNumber,
    [
      file.content,
      file.path,
      file.format,
      file.partition.map((value, i) => avroPartitionValue(types[i]!, value)),
      file.records,
      file.fileBytes,
      pairs(file.columnBytes),
      pairs(file.valueCounts),
      pairs(file.nullCounts),
      pairs(file.nanCounts),
      pairs(file.lowerBounds),
      pairs(file.upperBounds),
      file.keyMetadata ?? null,
      file.splitOffsets.length > 0 ? [...file.splitOffsets] : null,
      file.equalityIds.length > 0 ? [...file.equalityIds] : null,
      file.sortOrderId,
      ...(content === 1 ? [file.referencedDataFile ?? null] : []),
    ],
  ]
}

function pairs(map: ReadonlyMap<number, number | Uint8Array> | undefined): AvroValue {
  return map === undefined || map.size === 0 ? null : Array.from(map, ([key, value]) => [key, value])
}

function avroPartitionValue(type: PrimitiveType, value: PartitionValue): AvroValue {
  if (value === null || type.kind !== 'decimal') return value
  return signExtended(minimalTwosComplement(value as bigint), decimalBytes(type.precision))
}

function signExtended(bytes: Uint8Array, width: number): Uint8Array {
  const wide = new Uint8Array(width).fill(bytes[0]! >= 0x80 ? 0xff : 0)
  wide.set(bytes, width - bytes.length)
  return wide
}

/** The fewest bytes that hold every unscaled value of so many digits. */
function decimalBytes(precision: number): number {
  return minimalTwosComplement(10n ** BigInt(precision) - 1n).length
}

function manifestSchema({ spec, types }: BoundSpec, content: 0 | 1): AvroComplex {
  const partition = spec.fields.map((field, i) =>
    optional(field['field-id'], avroName(field.name), avroPartitionType(types[i]!, field['field-id'])),
  )
  return record('manifest_entry', [
    required(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    required(
      2,
      'data_file',
      record('r2', [
        required(134, 'content', 'int'),
        required(100, 'file_path', 'string'),
        required(101, 'file_format', 'string'),
        required(102, 'partition', record('r102', partition)),
        required(103, 'record_count', 'long'),
        required(104, 'file_size_in_bytes', 'long'),
        optional(108, 'column_sizes', intMap(117, 118, 'long')),
        optional(109, 'value_counts', intMap(119, 120, 'long')),
        optional(110, 'null_value_counts', intMap(121, 122, 'long')),
        optional(137, 'nan_value_counts', intMap(138, 139, 'long')),
        optional(125, 'lower_bounds', intMap(126, 127, 'bytes')),
        optional(128, 'upper_bounds', intMap(129, 130, 'bytes')),
        optional(131, 'key_metadata', 'bytes'),
        optional(132, 'split_offsets', list(133, 'long')),
        optional(135, 'equality_ids', list(136, 'int')),
        optional(140, 'sort_order_id', 'int'),
        ...(content === 1 ? [optional(143, 'referenced_data_file', 'string')] : []),
      ]),
    ),
  ])
}

function avroPartitionType(type: PrimitiveType, fieldId: number): AvroSchema {
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
      return type.kind
    case 'binary':
      return 'bytes'
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'time':
      return { type: 'long', logicalType: 'time-micros' }
    case 'timestamp':
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': type.kind === 'timestamptz' }
    case 'uuid':
      return { type: 'fixed', name: `uuid_${fieldId}`, size: 16, logicalType: 'uuid' }
    case 'fixed':
      return { type: 'fixed', name: `fixed_${fieldId}`, size: type.bytes }
    case 'decimal': {
      const { precision, scale } = type
      const size = decimalBytes(precision)
      return { type: 'fixed', name: `decimal_${fieldId}`, size, logicalType: 'decimal', precision, scale }
    }
  }
}

/** A column's name as an Avro name; readers bind by field id. */
function avroName(name: string): string {
  const escaped = name.replace(/[^A-Za-z0-9_]/g, (unit) => `_x${unit.charCodeAt(0).toString(16).toUpperCase()}`)
  return /^[0-9]/.test(escaped) ? `_${escaped}` : escaped
}

const MANIFEST_LIST_SCHEMA = record('manifest_file', [
  required(500, 'manifest_path', 'string'),
  required(501, 'manifest_length', 'long'),
  required(502, 'partition_spec_id', 'int'),
  required(517, 'content', 'int'),
  required(515, 'sequence_number', 'long'),
  required(516, 'min_sequence_number', 'long'),
  required(503, 'added_snapshot_id', 'long'),
  required(504, 'added_files_count', 'int'),
  required(505, 'existing_files_count', 'int'),
  required(506, 'deleted_files_count', 'int'),
  required(512, 'added_rows_count', 'long'),
  required(513, 'existing_rows_count', 'long'),
  required(514, 'deleted_rows_count', 'long'),
  optional(
    507,
    'partitions',
    list(
      508,
      record('r508', [
        required(509, 'contains_null', 'boolean'),
        optional(518, 'contains_nan', 'boolean'),
        optional(510, 'lower_bound', 'bytes'),
        optional(511, 'upper_bound', 'bytes'),
      ]),
    ),
  ),
  optional(519, 'key_metadata', 'bytes'),
])

export interface ManifestListContent {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | null
  readonly sequenceNumber: number
  readonly manifests: readonly (ManifestFile & { readonly counts: ManifestCounts })[]
  /** 16 bytes that separate the file's blocks. */
  readonly sync: Uint8Array
}

export function writeManifestList(list: ManifestListContent): Uint8Array {
  return writeAvroFile({
    schema: MANIFEST_LIST_SCHEMA,
    metadata: {
      'snapshot-id': String(list.snapshotId),
      'parent-snapshot-id': String(list.parentSnapshotId),
      'sequence-number': String(list.sequenceNumber),
      'format-version': '2',
    },
    rows: list.manifests.map((manifest) => [
      manifest.path,
      manifest.length,
      manifest.specId,
      manifest.content,
      manifest.sequenceNumber,
      manifest.minSequenceNumber,
      manifest.addedSnapshotId,
      manifest.counts.addedFiles,
      manifest.counts.existingFiles,
      manifest.counts.deletedFiles,
      manifest.counts.addedRows,
      manifest.counts.existingRows,
      manifest.counts.deletedRows,
      manifest.partitions?.map((summary) => [
        summary.containsNull,
        summary.containsNan,
        summary.lowerBound,
        summary.upperBound,
      ]) ?? null,
      manifest.keyMetadata,
    ]),
    sync: list.sync,
  })
}

export function countEntries(entries: readonly ManifestEntry[]): ManifestCounts {
  const files = [0, 0, 0]
  const rows = [0, 0, 0]
  for (const { status, file } of entries) {
    files[status]!++
    rows[status]! += file.records
  }
  return {
    addedFiles: files[ADDED]!,
    existingFiles: files[EXISTING]!,
    deletedFiles: files[DELETED]!,
    addedRows: rows[ADDED]!,
    existingRows: rows[EXISTING]!,
    deletedRows: rows[DELETED]!,
  }
}

/** What a manifest list says of the partition values of a manifest's files. */
export function summarizePartitions(
  entries: readonly ManifestEntry[],
  types: readonly PrimitiveType[],
): FieldSummary[] {
  return types.map((type, i) => {
    const values = entries.map((entry) => entry.file.partition[i] ?? null)
    let lower: PartitionValue = null
    let upper: PartitionValue = null
    for (const value of values) {
      if (value === null || Number.isNaN(value)) continue
      if (lower === null || comparePartitionValues(value, lower) < 0) lower = value
      if (upper === null || comparePartitionValues(value, upper) > 0) upper = value
    }
    return {
      containsNull: values.includes(null),
      containsNan: type.kind === 'float' || type.kind === 'double' ? values.some(Number.isNaN) : false,
      lowerBound: lower === null ? null : encodeSingleValue(type, lower),
      upperBound: upper === null ? null : encodeSingleValue(type, upper),
    }
  })
}

function record(name: string, fields: AvroField[]): AvroComplex {
  return { type: 'record', name, fields }
}

function required(fieldId: number, name: string, type: AvroSchema): AvroField {
  return { name, type, 'field-id': fieldId }
}

function optional(fieldId: number, name: string, type: AvroSchema): AvroField {
  return { name, type: ['null', type], default: null, 'field-id': fieldId }
}

function list(elementId: number, items: AvroSchema): AvroComplex {
  return { type: 'array', items, 'element-id': elementId }
}

function intMap(keyId: number, valueId: number, value: string): AvroComplex {
  const items = record(`k${keyId}_v${valueId}`, [required(keyId, 'key', 'int'), required(valueId, 'value', value)])
  return { type: 'array', logicalType: 'map', items }
}
