// Table metadata, format version 2 (Iceberg table spec, "Table Metadata" and appendix C).
//
// The object is the JSON: it keeps the JSON's names and order, and whatever is not declared here rides along from parsing to writing.
// Snapshot ids are 64-bit integers and always bigints. Other integers beyond 2^53 are bigints too, and numbers that would be written
// in other digits than they were read (1.0) are raw JSON texts, so writing what was parsed changes nothing.

import * as zlib from 'node:zlib'
import { DamagedObjectError, InputError } from '../errors.ts'
import { parseJson, writeJson } from './json.ts'
import type { BoundSpec } from './manifest.ts'
import { type PartitionSpec, partitionTypes, type Schema, type SortOrder, UNPARTITIONED, UNSORTED } from './schema.ts'

export interface Snapshot {
  readonly 'snapshot-id': bigint
  readonly 'parent-snapshot-id'?: bigint
  readonly 'sequence-number': number
  readonly 'timestamp-ms': number
  readonly 'manifest-list': string
  readonly summary: Readonly<Record<string, string>>
  readonly 'schema-id'?: number
}

export interface SnapshotRef {
  readonly 'snapshot-id': bigint
  readonly type: 'branch' | 'tag'
}

export interface SnapshotLogEntry {
  readonly 'snapshot-id': bigint
  readonly 'timestamp-ms': number
}

export interface MetadataLogEntry {
  readonly 'metadata-file': string
  readonly 'timestamp-ms': number
}

/** A statistics file (puffin) of one snapshot; the rest is carried along. */
export interface StatisticsFile {
  readonly 'snapshot-id': bigint
  readonly 'statistics-path'?: string
}

export interface TableMetadata {
  readonly 'format-version': 2
  readonly 'table-uuid': string
  readonly location: string
  readonly 'last-sequence-number': number
  readonly 'last-updated-ms': number
  readonly 'last-column-id': number
  readonly 'current-schema-id': number
  readonly schemas: readonly Schema[]
  readonly 'default-spec-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'last-partition-id': number
  readonly 'default-sort-order-id': number
  readonly 'sort-orders': readonly SortOrder[]
  readonly properties?: Readonly<Record<string, string>>
  /** −1, null or absent where the table is empty. */
  readonly 'current-snapshot-id'?: bigint | null
  readonly refs?: Readonly<Record<string, SnapshotRef>>
  readonly snapshots?: readonly Snapshot[]
  readonly statistics?: readonly StatisticsFile[]
  readonly 'partition-statistics'?: readonly StatisticsFile[]
  readonly 'snapshot-log'?: readonly SnapshotLogEntry[]
  readonly 'metadata-log'?: readonly MetadataLogEntry[]
}

const METADATA_BYTES_MAX = 1 << 28
/** Ids of partition fields start above this one. */
const LAST_PARTITION_ID_OF_NONE = 999

export interface NewTable {
  readonly uuid: string
  readonly location: string
  readonly schema: Schema
  readonly spec?: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly properties: Readonly<Record<string, string>>
  readonly nowMs: number
}

/** The metadata of an empty table. */
export function newTableMetadata(table: NewTable): TableMetadata {
  const { schema, spec = UNPARTITIONED, sortOrder = UNSORTED } = table
  return {
    'format-version': 2,
    'table-uuid': table.uuid,
    location: table.location,
    'last-sequence-number': 0,
    'last-updated-ms': table.nowMs,
    'last-column-id': Math.max(0, ...schema.fields.map((field) => field.id)),
    'current-schema-id': schema['schema-id'],
    schemas: [schema],
    'default-spec-id': spec['spec-id'],
    'partition-specs': [spec],
    'last-partition-id': Math.max(LAST_PARTITION_ID_OF_NONE, ...spec.fields.map((field) => field['field-id'])),
    'default-sort-order-id': sortOrder['order-id'],
    // Spark sorts by another order only where the table knows the order of no order.
    'sort-orders': sortOrder['order-id'] === UNSORTED['order-id'] ? [sortOrder] : [UNSORTED, sortOrder],
    properties: table.properties,
    'current-snapshot-id': -1n,
    refs: {},
    snapshots: [],
    statistics: [],
    'partition-statistics': [],
    'snapshot-log': [],
    'metadata-log': [],
  }
}

export function currentSchema(metadata: TableMetadata): Schema {
  return metadata.schemas.find((schema) => schema['schema-id'] === metadata['current-schema-id'])!
}

/** The partition spec that new files are written under. */
export function defaultSpec(metadata: TableMetadata): PartitionSpec {
  return metadata['partition-specs'].find((spec) => spec['spec-id'] === metadata['default-spec-id'])!
}

/** The current snapshot of main; null where the table is empty. */
export function currentSnapshot(metadata: TableMetadata): Snapshot | null {
  const id = metadata['current-snapshot-id'] ?? null
  return id === null || id === -1n ? null : snapshotById(metadata, id)
}

export function snapshotById(metadata: TableMetadata, id: bigint): Snapshot | null {
  return metadata.snapshots?.find((snapshot) => snapshot['snapshot-id'] === id) ?? null
}

/** A partition spec with the types of its values; throws InputError where the table has no such spec. */
export function boundSpec(metadata: TableMetadata, specId: number): BoundSpec {
  const spec = metadata['partition-specs'].find((each) => each['spec-id'] === specId)
  if (spec === undefined) {
    throw new InputError(
      `${metadata.location}: a manifest names partition spec ${specId}, which the table does not have`,
    )
  }
  return { spec, types: partitionTypes(spec, [currentSchema(metadata), ...metadata.schemas.toReversed()]) }
}

/**
 * Whether main descends from a snapshot. Where the chain of parents ends at a snapshot that was expired, it does if the oldest
 * remaining ancestor is younger: `sequenceNumber` is the asked snapshot's own.
 */
export function descendsFrom(metadata: TableMetadata, snapshotId: bigint, sequenceNumber: number): boolean {
  const seen = new Set<bigint>()
  let snapshot = currentSnapshot(metadata)
  while (snapshot !== null && !seen.has(snapshot['snapshot-id'])) {
    if (snapshot['snapshot-id'] === snapshotId) return true
    seen.add(snapshot['snapshot-id'])
    const parent = snapshot['parent-snapshot-id'] ?? null
    if (parent === null) return false
    if (parent === snapshotId) return true
    const next = snapshotById(metadata, parent)
    if (next === null) return snapshot['sequence-number'] > sequenceNumber
    snapshot = next
  }
  return false
}

// ---- JSON

/** The metadata as text; parsing and writing it changes no value, known or unknown. */
export function writeTableMetadata(metadata: TableMetadata): string {
  return writeJson(metadata)
}

/** Reads a metadata file, gzip or not. Throws DamagedObjectError with `path`, and InputError for other format versions. */
export function parseTableMetadata(path: string, bytes: Uint8Array): TableMetadata {
  const text = Buffer.from(isGzip(bytes) ? gunzip(path, bytes) : bytes).toString('utf8')
  let json: unknown
  try {
    json = parseJson(text)
  } catch (cause) {
    throw new DamagedObjectError(path, 'is not JSON, or nested too deeply', { cause })
  }
  return checkTableMetadata(path, json)
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

function gunzip(path: string, bytes: Uint8Array): Uint8Array {
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: METADATA_BYTES_MAX })
  } catch (cause) {
    throw new DamagedObjectError(path, `is not valid gzip, or holds more than ${METADATA_BYTES_MAX} bytes`, { cause })
  }
}

/** Checks what a JSON value must have to be table metadata; `path` names it in errors. Snapshot ids become bigints. */
export function checkTableMetadata(path: string, json: unknown): TableMetadata {
  const check = new Checks(path)
  const metadata = check.object('the metadata', json)
  const version = metadata['format-version']
  if (version !== 2) {
    throw new InputError(
      `${path}: the table's format-version is ${version}; version 2 is supported. Upgrade or choose another table`,
    )
  }
  for (const name of ['table-uuid', 'location']) check.text(name, metadata[name])
  for (const name of INTEGERS) check.integer(name, metadata[name])
  check.each('schemas', metadata.schemas, (where, schema) => {
    check.integer(`${where}.schema-id`, schema['schema-id'])
    checkFields(check, where, schema.fields, 0)
  })
  check.each('partition-specs', metadata['partition-specs'], (where, spec) => {
    check.integer(`${where}.spec-id`, spec['spec-id'])
    check.each(`${where}.fields`, spec.fields, (at, field) => {
      check.text(`${at}.name`, field.name)
      check.text(`${at}.transform`, field.transform)
      check.integer(`${at}.source-id`, field['source-id'])
      check.integer(`${at}.field-id`, field['field-id'])
    })
  })
  check.each('sort-orders', metadata['sort-orders'], (where, order) => {
    check.integer(`${where}.order-id`, order['order-id'])
    check.each(`${where}.fields`, order.fields, () => {})
  })
  check.member('current-schema-id', metadata['current-schema-id'], metadata.schemas, 'schema-id')
  check.member('default-spec-id', metadata['default-spec-id'], metadata['partition-specs'], 'spec-id')
  if (metadata.properties !== undefined) check.texts('properties', metadata.properties)
  check.optionalEach('snapshots', metadata.snapshots, (where, snapshot) => checkSnapshot(check, where, snapshot))
  check.optionalEach('snapshot-log', metadata['snapshot-log'], (where, entry) => {
    check.id(`${where}.snapshot-id`, entry, 'snapshot-id')
    check.integer(`${where}.timestamp-ms`, entry['timestamp-ms'])
  })
  check.optionalEach('metadata-log', metadata['metadata-log'], (where, entry) => {
    check.text(`${where}.metadata-file`, entry['metadata-file'])
    check.integer(`${where}.timestamp-ms`, entry['timestamp-ms'])
  })
  for (const name of ['statistics', 'partition-statistics']) {
    check.optionalEach(name, metadata[name], (where, file) => check.id(`${where}.snapshot-id`, file, 'snapshot-id'))
  }
  if (metadata.refs !== undefined && metadata.refs !== null) {
    const refs = check.object('refs', metadata.refs)
    for (const [name, ref] of Object.entries(refs)) {
      check.id(`refs.${name}.snapshot-id`, check.object(`refs.${name}`, ref), 'snapshot-id')
    }
  }
  checkCurrentSnapshot(check, metadata)
  return metadata as unknown as TableMetadata
}

const INTEGERS = [
  'last-sequence-number',
  'last-updated-ms',
  'last-column-id',
  'current-schema-id',
  'default-spec-id',
  'last-partition-id',
  'default-sort-order-id',
]

const SCHEMA_DEPTH_MAX = 64

function checkFields(check: Checks, where: string, fields: unknown, depth: number): void {
  if (depth > SCHEMA_DEPTH_MAX) check.wrong(where, `nested at most ${SCHEMA_DEPTH_MAX} deep`, fields)
  check.each(`${where}.fields`, fields, (at, field) => {
    check.integer(`${at}.id`, field.id)
    check.text(`${at}.name`, field.name)
    if (typeof field.required !== 'boolean') check.wrong(`${at}.required`, 'true or false', field.required)
    if (typeof field.type === 'string') return
    const type = check.object(`${at}.type`, field.type)
    check.text(`${at}.type.type`, type.type)
    if (type.type === 'struct') checkFields(check, `${at}.type`, type.fields, depth + 1)
  })
}

function checkSnapshot(check: Checks, where: string, snapshot: JsonObject): void {
  check.id(`${where}.snapshot-id`, snapshot, 'snapshot-id')
  if (snapshot['parent-snapshot-id'] === null) delete snapshot['parent-snapshot-id']
  if (snapshot['parent-snapshot-id'] !== undefined)
    check.id(`${where}.parent-snapshot-id`, snapshot, 'parent-snapshot-id')
  // Snapshots of format version 1 have no sequence number; it counts as 0.
  snapshot['sequence-number'] ??= 0
  snapshot.summary ??= {}
  check.integer(`${where}.sequence-number`, snapshot['sequence-number'])
  check.integer(`${where}.timestamp-ms`, snapshot['timestamp-ms'])
  check.text(`${where}.manifest-list`, snapshot['manifest-list'])
  check.texts(`${where}.summary`, snapshot.summary)
}

function checkCurrentSnapshot(check: Checks, metadata: JsonObject): void {
  if (metadata['current-snapshot-id'] === undefined || metadata['current-snapshot-id'] === null) return
  const id = check.id('current-snapshot-id', metadata, 'current-snapshot-id')
  if (id !== -1n) check.member('current-snapshot-id', id, metadata.snapshots, 'snapshot-id')
}

type JsonObject = Record<string, unknown>

/** Checks of a JSON document that name the place. */
class Checks {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  object(where: string, value: unknown): JsonObject {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
    return this.wrong(where, 'an object', value)
  }

  text(where: string, value: unknown): void {
    if (typeof value !== 'string') this.wrong(where, 'a text', value)
  }

  integer(where: string, value: unknown): void {
    if (!Number.isSafeInteger(value)) this.wrong(where, 'an integer', value)
  }

  texts(where: string, value: unknown): void {
    for (const [name, each] of Object.entries(this.object(where, value))) this.text(`${where}.${name}`, each)
  }

  each(where: string, value: unknown, check: (where: string, item: JsonObject) => void): void {
    if (!Array.isArray(value)) this.wrong(where, 'a list', value)
    for (const [i, item] of value.entries()) check(`${where}[${i}]`, this.object(`${where}[${i}]`, item))
  }

  optionalEach(where: string, value: unknown, check: (where: string, item: JsonObject) => void): void {
    if (value !== undefined && value !== null) this.each(where, value, check)
  }

  /** Makes `holder[name]` a bigint. */
  id(where: string, holder: JsonObject, name: string): bigint {
    const value = holder[name]
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) this.wrong(where, 'an integer', value)
    const id = BigInt(value as number | bigint)
    holder[name] = id
    return id
  }

  member(where: string, id: unknown, list: unknown, idName: string): void {
    const found = Array.isArray(list) && list.some((each) => each[idName] === id)
    if (!found) this.wrong(where, `the ${idName} of one in the list`, id)
  }

  wrong(where: string, expected: string, value: unknown): never {
    const shown = writeJson(value)?.slice(0, 100) ?? 'missing'
    throw new DamagedObjectError(this.#path, `table metadata: ${where} is to be ${expected}, it is ${shown}`)
  }
}
