// Parquet that Spark, pyarrow and DuckDB wrote, each in its own way, becomes a table that the stream then changes.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { backfillTable, createTable, mergeLanding, nodeEnvironment, parseTableDefinition } from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import { describeWith, type Engines, openEngines, type Row } from './parts.ts'

const ROWS = 5000
const KEYS = 1200

const DEFINITION = JSON.stringify({
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk'],
  columns: {
    pk: 'string',
    region: 'string',
    counted: 'long',
    small: 'int',
    price: 'decimal(12,2)',
    wide: 'decimal(38,9)',
    ratio: 'double',
    flag: 'boolean',
    seen: 'timestamptz',
    born: 'date',
    raw: 'binary',
    note: 'string',
  },
  partition_by: ['identity(region)'],
  row_group_rows: 500,
})

/** The rows, the same to the last bit whoever makes them: keys repeat, and `changed` tells which is the latest. */
const SQL = `select concat('k', id * 7919 % ${KEYS}) as pk, concat('R ', id % 5) as region, id * 1000000007 as counted,
  cast(id as int) as small, cast(id * 0.25 as decimal(12, 2)) as price, cast(id * 1000000007 as decimal(38, 9)) as wide,
  cast(id as double) / 8 as ratio, id % 2 = 0 as flag, cast('2026-11-22 08:00:00Z' as TIMESTAMPTZ) as seen,
  cast('2026-11-22' as date) as born, cast(concat('x', id) as BYTES) as raw,
  case when id % 3 = 0 then null else concat('note ', id) end as note, id * 6007 % ${ROWS} as changed from IDS`

const sparkSql = SQL.replace('TIMESTAMPTZ', 'timestamp').replace('BYTES', 'binary').replace('IDS', `range(${ROWS})`)
const duckdbSql = SQL.replace('TIMESTAMPTZ', 'timestamptz')
  .replace('BYTES', 'blob')
  .replace('IDS', `range(${ROWS}) t(id)`)

describeWith('spark', 'a table that begins with the Parquet files of another engine', () => {
  let engines: Engines
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'baseline-'))
    engines = openEngines({ warehouse: `file://${folder}/warehouse` })
  })
  afterAll(async () => {
    await engines.close()
    rmSync(folder, { recursive: true })
  })

  const writers: Record<string, (to: string) => Promise<unknown>> = {
    'Spark, in folders': (to) =>
      engines.sparkRun(
        `spark.sql("""${sparkSql}""").repartition(3).write.partitionBy("region").option("compression", "snappy").parquet("file://${to}")`,
      ),
    'Spark, with INT96 times': (to) =>
      engines.sparkRun(
        `spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
spark.sql("""${sparkSql}""").repartition(2).write.option("compression", "gzip").parquet("file://${to}")`,
      ),
    'DuckDB, in folders': (to) =>
      engines.duckdb(`copy (${duckdbSql}) to '${to}' (format parquet, partition_by (region), compression zstd)`),
    'pyarrow, in small row groups with pages of its second version': (to) =>
      engines.pyicebergRun(`
import duckdb, os, pyarrow.parquet as pq
os.makedirs(${JSON.stringify(to)})
table = duckdb.sql("""set TimeZone = 'UTC'; ${duckdbSql}""").arrow()
table = table.read_all() if hasattr(table, "read_all") else table
pq.write_table(table.slice(0, 2000), ${JSON.stringify(`${to}/a.parquet`)}, row_group_size=300, data_page_version="2.0", compression="brotli")
pq.write_table(table.slice(2000), ${JSON.stringify(`${to}/b.parquet`)}, use_dictionary=False, store_decimal_as_integer=True)`),
  }

  it.each(Object.keys(writers))('%s', async (name) => {
    const own = mkdtempSync(join(folder, 'case-'))
    await writers[name]!(`${own}/old`)
    const environment = nodeEnvironment(localStore({ durable: false }))
    const table = await createTable(`file://${own}/orders`, parseTableDefinition(DEFINITION), environment)
    const source = { kind: 'parquet', prefix: `file://${own}/old`, without: [] } as const
    const settings = { runBytes: 100_000, rangeBytes: 400_000 }
    const refused = backfillTable(table, { ...source, without: ['changed'], latestBy: null }, settings)
    await expect(refused).rejects.toThrow('two different rows have the key "k0"')
    const report = await backfillTable(table, { ...source, latestBy: 'changed' }, settings)
    expect(report.items).toMatchObject({ read: ROWS, applied: KEYS, superseded: ROWS - KEYS })
    expect(report.commits.total).toBeGreaterThan(1)

    const latest = `select * exclude (changed) from (${duckdbSql}) qualify row_number() over (partition by pk order by changed desc) = 1`
    const expected = await engines.duckdb(`${latest} order by pk`)
    expect(await rowsOf(`${own}/orders`, report.commits.made)).toEqual(expected)

    await environment.store.put(
      `file://${own}/landing/1`,
      Buffer.from(CHANGES.map((line) => `${JSON.stringify(line)}\n`).join('')),
      { kind: 'create' },
    )
    const { lines } = await mergeLanding(table, [`file://${own}/landing/`])
    expect(lines).toMatchObject({ read: 2, applied: 2 })
    const changed = expected
      .filter(({ pk }) => pk !== 'k1')
      .map((row): Row => (row.pk === 'k2' ? { ...row, region: 'R 9', note: 'new', ...NULLS } : row))
    expect(await rowsOf(`${own}/orders`, report.commits.made + 1)).toEqual(changed)
  })

  async function rowsOf(location: string, commits: number): Promise<Row[]> {
    const metadata = `${location}/metadata/v${commits + 1}.metadata.json`
    return engines.duckdb(
      `select * exclude (_updated_at, _stream, _sequence, _extra) from iceberg_scan('${metadata}') order by pk`,
    )
  }
})

const NULLS = Object.fromEntries(
  ['counted', 'small', 'price', 'wide', 'ratio', 'flag', 'seen', 'born', 'raw'].map((name) => [name, null]),
)

const change = {
  format: 'lastwrite/1',
  table: 'orders',
  source: '123456789012/eu-west-1',
  stream: '2026-11-22T08:00:00.000',
  at: 1795334400,
}
/** k1 goes, and k2 moves to another region; the old images say where they were. */
const CHANGES = [
  { ...change, sequence: '1', operation: 'remove', keys: { pk: { S: 'k1' } }, old: { region: { S: regionOf('k1') } } },
  {
    ...change,
    sequence: '2',
    operation: 'modify',
    keys: { pk: { S: 'k2' } },
    item: { pk: { S: 'k2' }, region: { S: 'R 9' }, note: { S: 'new' } },
    old: { region: { S: regionOf('k2') } },
  },
]

/** Of the latest row of a key, by the formulas above. */
function regionOf(key: string): string {
  const ids = Array.from({ length: ROWS }, (_, id) => id).filter((id) => `k${(id * 7919) % KEYS}` === key)
  const latest = ids.reduce((a, b) => ((a * 6007) % ROWS > (b * 6007) % ROWS ? a : b))
  return `R ${latest % 5}`
}
