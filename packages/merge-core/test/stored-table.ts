// A table as it lies in a store, found the way another reader of Iceberg finds it: the highest version of the metadata, its
// manifest list, the manifests; and the state files that its properties name. Shares nothing with the library.

import avro from 'avsc'
import type { MemoryStore } from '../src/store/memory.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import { NumberToken, parseJson } from './model-values.ts'
import { type DataFile, readParquet } from './read-rows.ts'

export const LOCATION = 'memory://lake/orders'

export async function readObject(store: ObjectStore, path: string): Promise<Uint8Array> {
  const result = await store.get(path)
  if (result.kind !== 'ok') throw new Error(`${path}: ${result.kind}`)
  return result.bytes
}

export interface StoredMetadata {
  readonly path: string
  readonly version: number
  readonly text: string
  readonly properties: Readonly<Record<string, string>>
  /** Null for an empty table. */
  readonly manifestList: string | null
}

export async function currentMetadata(store: ObjectStore, location = LOCATION): Promise<StoredMetadata> {
  const listed = await store.list(`${location}/metadata/`)
  if (listed.kind !== 'ok') throw new Error(listed.kind)
  const versions = listed.objects.flatMap(({ path }) => {
    const match = /\/v(\d+)\.metadata\.json$/.exec(path)
    return match === null ? [] : [{ path, version: Number(match[1]) }]
  })
  const { path, version } = versions.sort((a, b) => a.version - b.version).at(-1) as (typeof versions)[number]
  const text = Buffer.from(await readObject(store, path)).toString()
  const metadata = parseJson(text) as {
    readonly properties: Readonly<Record<string, string>>
    readonly 'current-snapshot-id'?: unknown
    readonly snapshots?: readonly { readonly 'snapshot-id': NumberToken; readonly 'manifest-list': string }[]
  }
  const current = metadata['current-snapshot-id']
  const id = current instanceof NumberToken && current.text !== '-1' ? current.text : null
  const snapshot = metadata.snapshots?.find((each) => each['snapshot-id'].text === id)
  if (id !== null && snapshot === undefined) throw new Error(`${path}: no snapshot ${id}`)
  return { path, version, text, properties: metadata.properties, manifestList: snapshot?.['manifest-list'] ?? null }
}

/** Gives the table a floor or a watermark as `purge` or an authoritative export would, without a snapshot. */
export async function setProperties(store: MemoryStore, properties: Readonly<Record<string, string>>): Promise<void> {
  const { text, version } = await currentMetadata(store)
  const added = Object.entries(properties).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)},`)
  // As text: ids of snapshots have more digits than a JavaScript number.
  const changed = text.replace(/"properties"\s*:\s*\{/, (start) => start + added.join(''))
  store.plant(`${LOCATION}/metadata/v${version + 1}.metadata.json`, Buffer.from(changed))
  store.plant(`${LOCATION}/metadata/version-hint.text`, Buffer.from(String(version + 1)))
}

// Manifests

const DELETED = 2
const DATA = 0

interface ManifestEntry {
  readonly status: number
  readonly data_file: {
    readonly content: number
    readonly file_path: string
    readonly partition: Readonly<Record<string, unknown>>
  }
}

/** The data files of the current snapshot in the order of its manifests. */
export async function currentFiles(store: ObjectStore, location = LOCATION): Promise<DataFile[]> {
  const { manifestList } = await currentMetadata(store, location)
  if (manifestList === null) return []
  const manifests = (await avroRecords(store, manifestList)) as { manifest_path: string }[]
  const files: DataFile[] = []
  for (const { manifest_path } of manifests) {
    for (const { status, data_file } of (await avroRecords(store, manifest_path)) as ManifestEntry[]) {
      if (status === DELETED) continue
      if (data_file.content !== DATA) throw new Error(`${data_file.file_path} is not a data file`)
      files.push({ path: data_file.file_path, partition: Object.values(data_file.partition) })
    }
  }
  return files
}

const bigints = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: () => Buffer.alloc(8),
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

class UnscaledDecimal extends avro.types.LogicalType {
  protected override _fromValue(bytes: Buffer): bigint {
    return BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`))
  }
}

const avroTypes = new Map<string, avro.Type>()

/** Avro compiles a type to code, which costs more than reading a small file with it. */
function avroType(schema: avro.Schema): avro.Type {
  const text = JSON.stringify(schema)
  const known =
    avroTypes.get(text) ??
    avro.Type.forSchema(schema, { registry: { long: bigints }, logicalTypes: { decimal: UnscaledDecimal } })
  avroTypes.set(text, known)
  return known
}

/** Longs as bigint, decimals unscaled. */
export async function avroRecords(store: ObjectStore, path: string): Promise<unknown[]> {
  const bytes = await readObject(store, path)
  const decoder = new avro.streams.BlockDecoder({
    parseHook: avroType,
  })
  return new Promise((resolve, reject) => {
    const read: unknown[] = []
    decoder.on('data', (record: unknown) => read.push(record))
    decoder.on('error', reject)
    decoder.on('end', () => resolve(read))
    decoder.end(Buffer.from(bytes))
  })
}

// State

/** That of the commit which the table's properties name; ids as numbers. */
export async function storedReport(store: ObjectStore): Promise<unknown> {
  const { properties } = await currentMetadata(store)
  const path = `${properties['lastwrite.state']}/reports/${properties['lastwrite.commit-id']}.json`
  return JSON.parse(Buffer.from(await readObject(store, path)).toString())
}

export interface LedgerEntry {
  readonly object: string
  readonly etag: string
  readonly lines: bigint
  readonly quarantined: bigint
  readonly status: string
  readonly quarantine: string | null
}

/** The rows of the table's ledger files. */
export async function ledger(store: ObjectStore, location = LOCATION): Promise<LedgerEntry[]> {
  return (await stateRows(store, 'lastwrite.ledger', location)) as unknown[] as LedgerEntry[]
}

export async function tombstones(store: ObjectStore, location = LOCATION): Promise<Record<string, unknown>[]> {
  return stateRows(store, 'lastwrite.tombstones', location)
}

async function stateRows(store: ObjectStore, property: string, location: string): Promise<Record<string, unknown>[]> {
  const { properties } = await currentMetadata(store, location)
  const files = JSON.parse(properties[property] ?? '[]') as { path: string }[]
  const rows = await Promise.all(files.map(async ({ path }) => readParquet(await readObject(store, path))))
  return rows.flat()
}
