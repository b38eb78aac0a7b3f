import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BackfillSource, backfillTable, createTable, mergeLanding, parseTableDefinition } from '../../src/index.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { handTable, line, objectOf } from '../hand-changes.ts'
import { readParquet } from '../read-rows.ts'
import { currentFiles, LOCATION, readObject, setProperties } from '../stored-table.ts'
import { environmentOver, LANDING, land } from '../table-run.ts'

const PREFIX = 'memory://old/orders/'

let duckdb: DuckDBConnection
let folder: string

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create()).connect()
  folder = mkdtempSync(join(tmpdir(), 'lastwrite-parquet-'))
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(folder, { recursive: true })
})

/** What a query gives, written by DuckDB and planted below the prefix. */
async function write(store: MemoryStore, query: string, options = 'FORMAT parquet', name = 'part.parquet') {
  const target = mkdtempSync(join(folder, 'written-'))
  const path = options.includes('PARTITION_BY') ? target : join(target, name)
  await duckdb.run(`COPY (${query}) TO '${path}' (${options})`)
  for await (const file of glob('**/*.parquet', { cwd: target }))
    store.plant(PREFIX + file, readFileSync(join(target, file)))
}

function definitionOf(columns: Record<string, string>, more: object = {}) {
  const [key] = Object.keys(columns)
  return parseTableDefinition(
    JSON.stringify({ table: 'orders', source: '123456789012/eu-west-1', key: [key], columns, ...more }),
  )
}

function source(more: Partial<BackfillSource> = {}): BackfillSource {
  return { kind: 'parquet', prefix: PREFIX, latestBy: null, without: [], ...more } as BackfillSource
}

async function rowsOf(store: MemoryStore): Promise<Record<string, unknown>[]> {
  const files = await currentFiles(store)
  const rows = await Promise.all(files.map(async ({ path }) => readParquet(await readObject(store, path))))
  return rows.flat().sort((a, b) => (String(a.pk) < String(b.pk) ? -1 : 1))
}

async function adopt(
  store: MemoryStore,
  definition: ReturnType<typeof parseTableDefinition>,
  more: Partial<BackfillSource> = {},
  threads = 1,
) {
  const table = await createTable(LOCATION, definition, environmentOver(store))
  return backfillTable(table, source(more), { runBytes: 1, rangeBytes: 500, threads })
}

const text = { pk: 'string', region: 'string', note: 'string' }

describe('Parquet files of another writer', () => {
  it('become rows, whatever their order and files, each type as it is declared', async () => {
    const store = memoryStore()
    const query = `select 'k' || (7 * i % 100) as pk, i::integer as small, i::bigint * 5000000000 as counted, i / 8 as ratio,
      i % 2 = 0 as flag, (i * 1.25)::decimal(12, 2) as price, (i::hugeint * 100000000000000000000)::decimal(38, 0) as wide,
      timestamptz '2026-11-22 08:00:00.123456+00' + to_seconds(i) as seen, timestamp '2026-11-22 08:00:00' as heard,
      date '2026-11-22' + i::integer as born, ('x' || i)::blob as blob, '{"a":' || i || '}' as doc, (i * 10)::varchar as amount,
      case when i % 3 = 0 then null else 'note ' || i end as note from range(100) t(i)`
    await write(store, query, 'FORMAT parquet, ROW_GROUP_SIZE 2048')
    const definition = definitionOf({
      pk: 'string',
      small: 'int',
      counted: 'long',
      ratio: 'double',
      flag: 'boolean',
      price: 'decimal(12,2)',
      wide: 'decimal(38,0)',
      seen: 'timestamptz',
      heard: 'timestamptz',
      born: 'date',
      blob: 'binary',
      doc: 'json',
      amount: 'number',
      note: 'string',
      absent: 'string',
    })
    const report = await adopt(store, definition)
    expect(report.items).toEqual({ read: 100, applied: 100, superseded: 0, stale: 0 })
    const row = (await rowsOf(store)).find(({ pk }) => pk === 'k21')!
    expect(row).toMatchObject({
      small: 3,
      counted: 15000000000n,
      ratio: 0.375,
      flag: false,
      price: 375n,
      doc: '{"a":3}',
      amount: '30',
      note: null,
      absent: null,
      _stream: '',
      _sequence: '',
      _updated_at: null,
      _extra: null,
      born: 20779 + 3,
      seen: 1795334403123456n,
      heard: 1795334400000000n,
    })
    expect(Buffer.from(row.blob as Uint8Array).toString()).toBe('x3')
    expect(BigInt(`0x${Buffer.from(row.wide as Uint8Array).toString('hex')}`)).toBe(300000000000000000000n)
  })

  it('may lie in folders that name columns', async () => {
    const store = memoryStore()
    const query = `select 'k' || i as pk, 'n' || i as note, case i % 3 when 0 then 'A b=/c' when 1 then 'B' end as region from range(9) t(i)`
    await write(store, query, 'FORMAT parquet, PARTITION_BY (region)')
    await adopt(store, definitionOf(text, { partition_by: ['identity(region)'] }))
    expect((await rowsOf(store)).map(({ pk, region }) => [pk, region])).toEqual(
      Array.from({ length: 9 }, (_, i) => [`k${i}`, ['A b=/c', 'B', null][i % 3]]),
    )
  })

  it.each([[[]], [['bucket(pk, 4)']], [['identity(region)']]])(
    'may hold a key several times where a column tells the latest row, in any partition (%j)',
    async (partition_by) => {
      const store = memoryStore()
      const rows = (from: number) =>
        `select 'k' || i % 10 as pk, chr((65 + i % 7)::integer) as region, 'note ' || i as note,
         timestamp '2026-01-01 00:00:00' + to_seconds(hash(i) % 1000000) as changed from range(${from}, ${from + 40}) t(i)`
      await write(store, rows(0), 'FORMAT parquet', 'a.parquet')
      await write(store, rows(40), 'FORMAT parquet', 'b.parquet')
      const report = await adopt(store, definitionOf(text, { partition_by }), { latestBy: 'changed' }, 2)
      const latest = await duckdb.runAndReadAll(
        `select pk, arg_max(note, changed) from (${rows(0)} union all ${rows(40)}) group by pk order by pk`,
      )
      expect((await rowsOf(store)).map(({ pk, note }) => [pk, note])).toEqual(latest.getRows())
      expect(report.items).toMatchObject({ read: 80, applied: 10, superseded: 70 })
    },
  )

  it.each([[[]], [['identity(region)']]])('are refused with the key that stands twice (%j)', async (partition_by) => {
    const store = memoryStore()
    const query = `select 'k' || i % 9 as pk, 'R' || i as region, 'n' as note from range(10) t(i)`
    await write(store, query)
    const refused = adopt(store, definitionOf(text, { partition_by }))
    await expect(refused).rejects.toThrow('two different rows have the key "k0": say with --latest-by')
    expect(await currentFiles(store)).toEqual([])
  })

  it.each([
    ['select 1 as pk, 2 as more', { pk: 'long' }, {}, 'the definition has no column more'],
    ['select 1 as pk', { pk: 'string' }, {}, 'column pk is stored as'],
    ["select 'k' as pk, {'a': 1} as doc", { pk: 'string', doc: 'json' }, {}, 'column doc is nested'],
    ["select null::varchar as pk, 'x' as note", { pk: 'string', note: 'string' }, {}, 'row 0 of row group 0 has no pk'],
    ["select 'k' as pk, 'no' as amount", { pk: 'string', amount: 'number' }, {}, 'column amount holds "no" in row 0'],
    ["select 'k' as pk", { pk: 'string' }, { latestBy: 'changed' }, 'has no column changed'],
  ])('are refused where they do not fit the definition: %s', async (query, columns, more, message) => {
    const store = memoryStore()
    await write(store, query)
    await expect(adopt(store, definitionOf(columns as never), more)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringContaining(message),
    })
  })

  it.each(['lastwrite.floor', 'lastwrite.watermark'])('are refused once the table has a %s', async (property) => {
    const store = memoryStore()
    await write(store, "select 'k' as pk")
    const table = await createTable(LOCATION, definitionOf({ pk: 'string' }), environmentOver(store))
    await setProperties(store, { [property]: '1' })
    await expect(backfillTable(table, source())).rejects.toThrow('is of before everything')
  })

  it('change nothing where the stream has been before or since', async () => {
    const spec = handTable([])
    const store = memoryStore()
    await write(store, `select 'k' || i as pk, 'A' as region, 'old' as note, 1 as more from range(4) t(i)`)
    const table = await createTable(LOCATION, parseTableDefinition(spec.text), environmentOver(store))
    const merge = async (name: string, ...changes: Parameters<typeof line>[1][]) => {
      await land(store, [
        objectOf(
          name,
          changes.map((change) => line(spec, change)),
        ),
      ])
      await mergeLanding(table, [LANDING])
    }
    await merge('1', { pk: 'k0', sequence: 5, to: 'A', note: 'new' }, { pk: 'k1', sequence: 6, from: 'A' })
    await backfillTable(table, source({ without: ['more'] }))
    await merge('2', { pk: 'k2', sequence: 7, from: 'A', to: 'A', note: 'new' }, { pk: 'k3', sequence: 8, from: 'A' })
    expect((await rowsOf(store)).map(({ pk, note }) => [pk, note])).toEqual([
      ['k0', 'new'],
      ['k2', 'new'],
    ])
    expect((await backfillTable(table, source({ without: ['more'] }))).snapshot).toBeNull()
  })
})
