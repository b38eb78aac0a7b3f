// Tables whose metadata, manifests and commits are ours, over data files that pyarrow wrote, as other engines read and change them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Environment } from '../src/environment.ts'
import { advanceMain, type Catalog, type LoadedTable } from '../src/iceberg/catalog.ts'
import { fileCatalog } from '../src/iceberg/file-catalog.ts'
import type { DataFile } from '../src/iceberg/manifest.ts'
import { newTableMetadata } from '../src/iceberg/metadata.ts'
import { partitionPath } from '../src/iceberg/partition-path.ts'
import { schemaOf } from '../src/iceberg/schema.ts'
import { encodeSingleValue, truncateLowerBound, truncateUpperBound } from '../src/iceberg/single-value.ts'
import { type LiveFiles, liveFiles, newSnapshotId, prepareSnapshot } from '../src/iceberg/snapshot.ts'
import { makeTransform, type PartitionValue, transformResultType } from '../src/iceberg/transform.ts'
import type { Field, PrimitiveType } from '../src/primitive-type.ts'
import { localStore } from '../src/store/local.ts'
import { describeWith, type Engines, openEngines, python, type Row } from './parts.ts'

const FIELDS: Field[] = [
  { id: 1, name: 'id', required: true, type: { kind: 'long' } },
  { id: 2, name: 'name', required: false, type: { kind: 'string' } },
  { id: 3, name: 'amount', required: false, type: { kind: 'decimal', precision: 12, scale: 2 } },
  { id: 4, name: 'happened', required: false, type: { kind: 'timestamptz' } },
  { id: 5, name: 'born', required: false, type: { kind: 'date' } },
  { id: 6, name: 'small', required: false, type: { kind: 'int' } },
  { id: 7, name: 'raw', required: false, type: { kind: 'binary' } },
]
type Values = readonly PartitionValue[]

const micros = (iso: string) => BigInt(Date.parse(iso)) * 1000n
const ROWS: Values[] = [
  [1n, 'alpha', 1234n, micros('2024-02-29T23:59:59Z'), 19_782, -11, Uint8Array.of(0, 255)],
  [-2n, 'beta', -1n, -1n, -1, 0, Uint8Array.of(1)],
  [3n, 'zürich 🚲 with a name that is longer than its bounds', 0n, 0n, 0, 10, new Uint8Array(0)],
  [4n, null, null, null, null, null, null],
  [5_000_000_000n, '', 999_999_999_999n, micros('1969-12-31T23:00:00Z'), -365, 2_147_483_647, Uint8Array.of(255, 255)],
  [6n, 'null', -99_999n, micros('2024-03-01T00:00:00Z'), 19_783, -2_147_483_640, Uint8Array.of(7)],
  [7n, 'a/b=c d%', 1250n, micros('2024-02-29T12:00:00Z'), 19_785, 9, Uint8Array.of(0)],
]
const BOUND_LENGTH = 16

const store = localStore()
const environment: Environment = {
  store,
  nowMs: Date.now,
  random: Math.random,
  uuid: () => crypto.randomUUID(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}

/** The row as `parts.ts` says that engines give it. */
function shown(values: Values): Row {
  const text = (value: PartitionValue, type: PrimitiveType): unknown => {
    if (value === null) return null
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    if (type.kind === 'decimal') return decimalText(value as bigint)
    if (type.kind === 'timestamptz') return instantText(value as bigint)
    if (type.kind === 'date') return new Date((value as number) * 86_400_000).toISOString().slice(0, 10)
    return typeof value === 'bigint' ? Number(value) : value
  }
  return Object.fromEntries(FIELDS.map(({ name, type }, i) => [name, text(values[i]!, type)]))
}

function decimalText(unscaled: bigint): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(3, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

function instantText(value: bigint): string {
  const micro = ((value % 1000n) + 1000n) % 1000n
  return new Date(Number((value - micro) / 1000n)).toISOString().replace('Z', `${String(micro).padStart(3, '0')}Z`)
}

const byId = (rows: Row[]) => rows.toSorted((a, b) => Number(a.id) - Number(b.id))
const shownAll = (rows: readonly Values[]) => byId(rows.map(shown))

interface TestTable {
  readonly location: string
  readonly catalog: Catalog
  readonly transform: string | null
  readonly source: number
}

async function createTable(location: string, transform: string | null, source: number): Promise<TestTable> {
  const catalog = fileCatalog(store, location, environment)
  const fields = transform === null ? [] : [{ name: 'part', transform, 'source-id': source + 1, 'field-id': 1000 }]
  const created = await catalog.create(
    newTableMetadata({
      uuid: environment.uuid(),
      location,
      schema: schemaOf(FIELDS, 0),
      spec: { 'spec-id': 0, fields },
      properties: {
        'schema.name-mapping.default': JSON.stringify(
          FIELDS.map(({ id, name }) => ({ 'field-id': id, names: [name] })),
        ),
      },
      nowMs: environment.nowMs(),
    }),
  )
  expect(created.kind).toBe('committed')
  return { location, catalog, transform, source }
}

/** Writes the rows as one file a partition. */
async function writeFiles(table: TestTable, rows: readonly Values[]): Promise<DataFile[]> {
  const { metadata } = (await table.catalog.load())!
  const spec = metadata['partition-specs'][0]!
  const partitions = new Map<string, { partition: Values; rows: Values[] }>()
  const transform = table.transform === null ? null : makeTransform(table.transform, FIELDS[table.source]!.type)
  for (const row of rows) {
    const partition = transform === null ? [] : [transform(row[table.source]!)]
    const path = `${table.location}/data/${[partitionPath(spec, partition), ''].filter((step) => step !== '').join('/')}`
    const known = partitions.get(path)
    if (known === undefined) partitions.set(path, { partition, rows: [row] })
    else known.rows.push(row)
  }
  const files = Array.from(partitions, ([folder, part]) => ({
    ...part,
    path: `${folder.replace(/\/$/, '')}/${environment.uuid()}.parquet`,
  }))
  const request = files.map((file) => ({ path: file.path.slice('file://'.length), rows: file.rows.map(asText) }))
  const requestPath = join(folder, `${environment.uuid()}.json`)
  writeFileSync(requestPath, JSON.stringify(request))
  const sizes = JSON.parse(await python(join(import.meta.dirname, 'write_parquet.py'), [requestPath])) as number[]
  return files.map((file, i) => describeFile(file.path, file.partition, file.rows, sizes[i]!))
}

function asText(values: Values): Record<string, string | null> {
  const text = (value: PartitionValue) => {
    return value === null ? null : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
  }
  return Object.fromEntries(FIELDS.map(({ name }, i) => [name, text(values[i]!)]))
}

function describeFile(path: string, partition: Values, rows: readonly Values[], fileBytes: number): DataFile {
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  for (const [i, { id, type }] of FIELDS.entries()) {
    const values = rows.map((row) => row[i]!).filter((value) => value !== null)
    if (values.length === 0 || type.kind === 'binary') continue
    const order = (a: PartitionValue, b: PartitionValue) => {
      return typeof a === 'string'
        ? Buffer.compare(Buffer.from(a), Buffer.from(b as string))
        : a! < b!
          ? -1
          : a! > b!
            ? 1
            : 0
    }
    const sorted = values.toSorted(order)
    const lower = sorted[0]!
    const upper = sorted.at(-1)!
    const raised = typeof upper === 'string' ? truncateUpperBound(upper, BOUND_LENGTH) : upper
    lowerBounds.set(
      id,
      encodeSingleValue(type, typeof lower === 'string' ? truncateLowerBound(lower, BOUND_LENGTH) : lower),
    )
    if (raised !== null) upperBounds.set(id, encodeSingleValue(type, raised))
  }
  return {
    content: 0,
    path,
    format: 'PARQUET',
    partition,
    records: rows.length,
    fileBytes,
    columnBytes: new Map(),
    valueCounts: new Map(FIELDS.map(({ id }) => [id, rows.length])),
    nullCounts: new Map(FIELDS.map(({ id }, i) => [id, rows.filter((row) => row[i] === null).length])),
    lowerBounds,
    upperBounds,
    splitOffsets: [4],
    equalityIds: [],
    sortOrderId: 0,
  }
}

async function commit(table: TestTable, removed: readonly string[], added: readonly DataFile[]): Promise<LoadedTable> {
  const base = (await table.catalog.load())!
  const live = await liveFiles(store, base.metadata)
  const snapshot = await prepareSnapshot({
    store,
    metadata: base.metadata,
    live,
    removed,
    added,
    summary: { 'lastwrite.commit-id': environment.uuid() },
    snapshotId: newSnapshotId(base.metadata, environment.random),
    nowMs: environment.nowMs(),
    uuid: environment.uuid(),
  })
  const result = await table.catalog.commit(base, advanceMain(snapshot), [])
  if (result.kind !== 'committed') throw new Error(`the commit is ${result.kind}`)
  return result.table
}

async function live(table: TestTable): Promise<LiveFiles> {
  return liveFiles(store, (await table.catalog.load())!.metadata)
}

let folder = ''
let engines: Engines
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'iceberg-'))
  engines = openEngines({ warehouse: `file://${folder}` })
})
afterAll(async () => {
  await engines.close()
  rmSync(folder, { recursive: true })
})
const locationOf = (name: string) => `file://${folder}/db/${name}`

describeWith('python', 'partition transforms', () => {
  it('give what pyiceberg gives', async () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n) + 1000n, max: 2n ** 63n - 1n })
    const instant = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })
    const day = fc.integer({ min: -719_162, max: 2_932_896 })
    const time = ['year', 'month', 'day']
    const kinds: [PrimitiveType, fc.Arbitrary<PartitionValue>, string[]][] = [
      [{ kind: 'int' }, fc.integer({ min: -(2 ** 31) + 1000 }), ['bucket[7]', 'truncate[10]']],
      [{ kind: 'long' }, int64, ['bucket[16]', 'truncate[1000]']],
      [
        { kind: 'decimal', precision: 38, scale: 5 },
        fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }),
        ['bucket[5]', 'truncate[50]'],
      ],
      [{ kind: 'string' }, fc.string({ unit: 'grapheme' }), ['bucket[16]', 'truncate[3]']],
      [{ kind: 'binary' }, fc.uint8Array(), ['bucket[16]', 'truncate[2]']],
      [{ kind: 'uuid' }, fc.uint8Array({ minLength: 16, maxLength: 16 }), ['bucket[16]']],
      [{ kind: 'fixed', bytes: 5 }, fc.uint8Array({ minLength: 5, maxLength: 5 }), ['bucket[16]']],
      [{ kind: 'date' }, day, ['bucket[16]', ...time]],
      [{ kind: 'time' }, fc.bigInt({ min: 0n, max: 86_399_999_999n }), ['bucket[16]']],
      [{ kind: 'timestamp' }, instant, ['bucket[16]', 'hour', ...time]],
      [{ kind: 'timestamptz' }, instant, ['bucket[16]', 'hour', ...time]],
    ]
    const plain = (value: PartitionValue) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
    const typeText = (type: PrimitiveType) => {
      if (type.kind === 'decimal') return `decimal(${type.precision}, ${type.scale})`
      return type.kind === 'fixed' ? `fixed[${type.bytes}]` : type.kind
    }
    const cases = kinds.flatMap(([type, values, transforms]) =>
      fc.sample(values, 100).flatMap((value) =>
        transforms.map((transform) => ({
          question: [typeText(type), transform, plain(value)],
          answer: plain(makeTransform(transform, type)(value)),
          resultType: typeText(transformResultType(transform, type)),
        })),
      ),
    )
    const path = join(folder, 'transforms.json')
    writeFileSync(path, JSON.stringify(cases.map(({ question }) => question)))
    const answers = await python(
      `
import decimal, json, sys, uuid
from pydantic import TypeAdapter
from pyiceberg.transforms import parse_transform
from pyiceberg.types import IcebergType
of_text = TypeAdapter(IcebergType).validate_json
def run(type_text, transform_text, text):
    type = of_text(json.dumps(type_text))
    if type_text.startswith('decimal'):
        value = decimal.Decimal(text).scaleb(-5, decimal.Context(prec=60))
    elif type_text in ('binary', 'uuid') or type_text.startswith('fixed'):
        value = bytes.fromhex(text)
        if type_text == 'uuid': value = uuid.UUID(bytes=value)
    else:
        value = text if type_text == 'string' else int(text)
    transform = parse_transform(transform_text)
    result = transform.transform(type)(value)
    if isinstance(result, decimal.Decimal): result = int(result.scaleb(5, decimal.Context(prec=60)))
    return [result.hex() if isinstance(result, bytes) else str(result), str(transform.result_type(type))]
print(json.dumps([run(*case) for case in json.load(open(sys.argv[1], encoding='utf-8'))]))
`,
      [path],
    )
    expect(JSON.parse(answers)).toEqual(cases.map(({ answer, resultType }) => [answer, resultType]))
  })
})

const PARTITIONED: [transform: string | null, source: string][] = [
  [null, 'name'],
  ['identity', 'name'],
  ['identity', 'raw'],
  ['bucket[4]', 'name'],
  ['bucket[4]', 'amount'],
  ['truncate[2]', 'name'],
  ['truncate[10]', 'small'],
  ['truncate[50]', 'amount'],
  ['year', 'happened'],
  ['month', 'happened'],
  ['day', 'happened'],
  ['hour', 'happened'],
  ['day', 'born'],
]

describeWith('spark', 'tables of ours', () => {
  // Spark starts slowly on a busy machine.
  beforeAll(async () => {
    await engines.spark('select 1')
  })

  it('take turns of commits by Spark and by us', async () => {
    const table = await createTable(locationOf('shared'), 'bucket[4]', 1)
    await commit(table, [], await writeFiles(table, ROWS.slice(0, 4)))
    const spark = (sql: string) => engines.spark(sql.replaceAll('$t', 'lake.db.shared'))
    await spark(
      `insert into $t values (20, 'of Spark', 1.5, timestamp'2024-01-01 00:00:00Z', date'2024-01-01', 5, X'01')`,
    )
    await commit(table, [], await writeFiles(table, ROWS.slice(4, 5)))
    await spark('delete from $t where id = 1')
    await spark(
      `alter table $t set tblproperties ('write.delete.mode' = 'merge-on-read', 'write.metadata.compression-codec' = 'gzip')`,
    )
    await spark(
      `insert into $t values (21, 'alpha', null, null, null, null, null), (22, 'alpha', null, null, null, null, null)`,
    )
    await spark('delete from $t where id = 21')
    const { dataFiles, deleteFiles, equalityDeletes } = await live(table)
    expect(deleteFiles.map(({ file }) => file.content)).toEqual([1])
    expect(equalityDeletes).toEqual([])

    const before = await spark('select * from $t')
    const gzipped = await commit(table, [], await writeFiles(table, ROWS.slice(5, 6)))
    expect(gzipped.metadataLocation).toMatch(/\.gz\.metadata\.json$/)
    const expected = byId([...before, shown(ROWS[5]!)])
    expect(expected.map((row) => row.id)).toEqual([-2, 3, 4, 6, 20, 22, 5_000_000_000])
    expect(byId(await spark('select * from $t'))).toEqual(expected)
    expect(byId(await engines.pyiceberg(gzipped.metadataLocation))).toEqual(expected)

    // The file under the delete file goes, with it.
    const covered = dataFiles.find(
      ({ file }) => deleteFiles[0]!.file.referencedDataFile === file.path || file.records === 2,
    )!
    await commit(table, [covered.file.path, deleteFiles[0]!.file.path], [])
    expect(byId(await spark('select * from $t'))).toEqual(expected.filter((row) => row.id !== 22))
    await spark("call lake.system.rewrite_data_files(table => 'db.shared', options => map('rewrite-all', 'true'))")
    await spark("call lake.system.rewrite_manifests('db.shared')")
    await spark("call lake.system.expire_snapshots(table => 'db.shared', older_than => now(), retain_last => 1)")
    await spark('alter table $t add column later string')
    const last = await commit(table, [], await writeFiles(table, ROWS.slice(6)))
    expect(byId(await spark('select * from $t'))).toEqual(
      byId([...expected.filter((row) => row.id !== 22), shown(ROWS[6]!)]).map((row) => ({ ...row, later: null })),
    )
    expect(last.metadata.snapshots!.at(-1)!.summary['total-records']).toBe('7')
  })

  it.each(PARTITIONED)(
    'partitioned by %s of %s are read whole, pruned and back in time by every engine',
    async (transform, column) => {
      const name = `t_${transform ?? 'none'}_${column}`.replace(/\W/g, '_')
      const source = FIELDS.findIndex((field) => field.name === column)
      const table = await createTable(locationOf(name), transform, source)
      const first = await commit(table, [], await writeFiles(table, ROWS))
      // The file that holds id 1 is replaced by one whose row has another decimal.
      const files = (await live(table)).dataFiles
      const holder = files.find(({ file }) => holdsRow(table, file, ROWS[0]!))!
      const others = ROWS.filter((row) => row[0] !== 1n && holdsRow(table, holder.file, row))
      const changed = ROWS[0]!.with(column === 'small' ? 6 : 5, column === 'small' ? Uint8Array.of(9) : 77)
      const second = await commit(table, [holder.file.path], await writeFiles(table, [changed, ...others]))
      const current = [changed, ...ROWS.slice(1)]

      const old = first.metadata['current-snapshot-id']!
      const path = second.metadataLocation.slice('file://'.length)
      expect(byId(await engines.pyiceberg(second.metadataLocation))).toEqual(shownAll(current))
      expect(byId(await engines.pyiceberg(second.metadataLocation, { snapshotId: old }))).toEqual(shownAll(ROWS))
      expect(byId(await engines.duckdb(`select * from iceberg_scan('${path}')`))).toEqual(shownAll(current))
      expect(byId(await engines.duckdb(`select * from iceberg_scan('${path}', snapshot_from_id = ${old})`))).toEqual(
        shownAll(ROWS),
      )
      expect(byId(await engines.spark(`select * from lake.db.${name}`))).toEqual(shownAll(current))
      expect(byId(await engines.spark(`select * from lake.db.${name} version as of ${old}`))).toEqual(shownAll(ROWS))

      const withValue = current.filter((row) => row[source] !== null)
      const expected = withValue.map((row) => ({ id: Number(row[0]), found: String(row[0]) }))
      const query = (from: string, rows: readonly Values[]) =>
        rows
          .map(
            (row) =>
              `select ${row[0]} as id, max(cast(id as varchar(30))) as found from ${from} where ${column} = ${literal(row[source]!, source)}`,
          )
          .join(' union all ')
      expect(byId(await engines.spark(query(`lake.db.${name}`, withValue)))).toEqual(byId(expected))
      // DuckDB 1.5.5 skips days and months of instants before 1970, in tables that Spark wrote too.
      const skips = column === 'happened' && (transform === 'day' || transform === 'month')
      const prunedRight = withValue.filter((row) => !skips || (row[source] as bigint) >= 0n)
      const found = new Set(prunedRight.map((row) => String(row[0])))
      expect(
        byId(
          await engines.duckdb(
            query(`iceberg_scan('${path}')`, prunedRight)
              .replaceAll("X'", "'\\x")
              .replaceAll(/'\\x([0-9a-f]*)'/g, blobLiteral),
          ),
        ),
      ).toEqual(byId(expected.filter((row) => found.has(row.found))))
      if (column === 'raw') return
      for (const row of withValue) {
        const rowFilter = `${column} == ${pyicebergLiteral(row[source]!, source)}`
        expect(await engines.pyiceberg(second.metadataLocation, { rowFilter }), rowFilter).toEqual([shown(row)])
      }
    },
  )
})

/** Whether the row's partition is the file's. */
function holdsRow(table: TestTable, file: DataFile, row: Values): boolean {
  if (table.transform === null) return true
  const value = makeTransform(table.transform, FIELDS[table.source]!.type)(row[table.source]!)
  const same = (a: PartitionValue, b: PartitionValue) =>
    a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b
  return same(value, file.partition[0]!)
}

function literal(value: PartitionValue, column: number): string {
  const { name, type } = FIELDS[column]!
  const text = shown(FIELDS.map((_, i) => (i === column ? value : null)))[name]
  switch (type.kind) {
    case 'string':
      return `'${text}'`
    case 'timestamptz':
      return `timestamp '${text}'`
    case 'date':
      return `date '${text}'`
    case 'binary':
      return `X'${text}'`
    default:
      return String(text)
  }
}

function blobLiteral(_: string, hex: string): string {
  return `'${hex.replace(/../g, (byte) => `\\x${byte}`)}'::blob`
}

function pyicebergLiteral(value: PartitionValue, column: number): string {
  const text = literal(value, column).replace(/^(timestamp|date) /, '')
  return FIELDS[column]!.type.kind === 'timestamptz' ? text.replace('Z', '+00:00') : text
}
