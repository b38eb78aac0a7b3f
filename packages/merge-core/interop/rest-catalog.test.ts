// Tables in Iceberg's own REST catalog: read, written and raced by other engines, and by merges whose answers are lost.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Catalog } from '../src/iceberg/catalog.ts'
import { currentSnapshot } from '../src/iceberg/metadata.ts'
import { restCatalog } from '../src/iceberg/rest-catalog.ts'
import {
  createTable,
  loadState,
  maintainTable,
  mergeLanding,
  nodeEnvironment,
  openTable,
  type PurgeReport,
  parseTableDefinition,
  purgeTable,
  readBatches,
  rollbackTable,
  snapshotIdOf,
  tableHistory,
} from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import { arrivalsOf } from '../test/change-sets.ts'
import { type HandChange, handTable, line, objectOf } from '../test/hand-changes.ts'
import { type Cells, expectedRows } from '../test/model.ts'
import { cellsOfBatches } from '../test/read-rows.ts'
import { land } from '../test/table-run.ts'
import {
  type CatalogServer,
  createNamespace,
  describeWithCatalogs,
  type LossyProxy,
  startLossyProxy,
  startRestCatalog,
} from './catalog-servers.ts'
import { type Engines, openEngines, type Row } from './parts.ts'
import {
  cellsOf,
  createSharedTable,
  foreignCells,
  keyOf,
  placed,
  type SharedTable,
  sampleItems,
  sorted,
  tableOf,
} from './shared-table.ts'

const SPEC = tableOf(['string', 'long'], [], { file_bytes: 2_000, row_group_rows: 3 })
const LETTERS = [...'abcdefghijkl']
const NAMESPACE = 'shop'

/** Readers of the torn-read test hold on to a snapshot for less than that. */
const HELD_MS_MAX = 30_000
const DAY_MS = 24 * 3600 * 1000

let folder = ''
let warehouse = ''
let server: CatalogServer
let proxy: LossyProxy
let engines: Engines

describeWithCatalogs(['rest', 'python', 'spark'], 'tables in a REST catalog', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rest-catalog-'))
    warehouse = `file://${folder}/warehouse`
    server = await startRestCatalog(folder)
    proxy = await startLossyProxy(server.uri)
    await createNamespace(server, NAMESPACE)
    engines = openEngines({ warehouse, restUri: server.uri })
    await engines.pyicebergRun(
      `from pyiceberg.catalog.rest import RestCatalog; import builtins; builtins.rest = RestCatalog('rest', uri='${server.uri}')`,
    )
    await engines.duckdb(`attach '' as rest (type iceberg, endpoint '${server.uri}', authorization_type 'none')`)
    await engines.duckdb('set unsafe_iceberg_ignore_sort_order = true')
    // Spark starts slowly on a busy machine.
    await engines.spark('select 1')
  })
  afterAll(async () => {
    await engines?.close()
    await proxy?.stop()
    await server?.stop()
    rmSync(folder, { recursive: true })
  })

  interface RestTable extends SharedTable {
    /** Lands with the next merge. */
    readonly put: (pk: string) => void
    readonly remove: (pk: string) => void
    /** Happens before the next commit goes out, after all that it was made of was read. */
    readonly beforeCommit: (act: () => Promise<unknown>) => void
  }

  /** A table that one merge filled with the keys a to l. Its merges go through the proxy. */
  async function filled(name: string): Promise<RestTable> {
    let armed: (() => Promise<unknown>) | null = null
    const t = await createSharedTable(warehouse, name, SPEC, undefined, async (definition, environment) => {
      const settings = { uri: proxy.uri, namespace: [NAMESPACE], table: name, auth: { kind: 'none' } as const }
      const catalog = restCatalog(settings, environment)
      const commit: Catalog['commit'] = async (...asked) => {
        const act = armed
        armed = null
        await act?.()
        return catalog.commit(...asked)
      }
      return createTable({ catalog: { ...catalog, commit }, name }, definition, environment)
    })
    const items = sampleItems(SPEC, 60, 7)
    let used = 0
    const put = (pk: string) =>
      t.change(keyOf(SPEC, pk, '1'), placed(items[used++ % items.length]!, 'eu', '2026-11-23T00:00:00.000Z'))
    const remove = (pk: string) => t.change(keyOf(SPEC, pk, '1'), null)
    for (const pk of LETTERS) put(pk)
    await t.merge()
    const beforeCommit = (act: () => Promise<unknown>) => {
      armed = act
    }
    return { ...t, put, remove, beforeCommit }
  }

  const inCatalog = ({ name }: SharedTable) => `${NAMESPACE}.${name}`
  const duckdb = (t: SharedTable, sql: string) => engines.duckdb(sql.replaceAll('$t', `rest.${inCatalog(t)}`))
  const spark = (t: SharedTable, sql: string) =>
    engines.spark(sql.replaceAll('$t', `rest.${inCatalog(t)}`).replaceAll('$n', inCatalog(t)))
  /** Runs Python that finds the table as `t`. */
  const pyiceberg = (t: SharedTable, code: string) =>
    engines.pyicebergRun(`t = rest.load_table('${inCatalog(t)}')\n${code}`)

  /** The same rows by each engine, through the catalog. */
  async function expectRead(t: SharedTable, rows: Iterable<Cells>, readers = ['duckdb', 'pyiceberg']): Promise<void> {
    const expected = sorted(SPEC, rows)
    const { metadataLocation } = (await t.table.catalog.load())!
    const readBy: Record<string, () => Promise<Row[]>> = {
      duckdb: () => duckdb(t, 'select * from $t'),
      pyiceberg: () => engines.pyiceberg(metadataLocation),
      spark: () => spark(t, 'select * from $t'),
    }
    expect(await pyiceberg(t, 'result = t.metadata_location')).toBe(metadataLocation)
    for (const engine of readers) {
      const cells = (await readBy[engine]!()).map((row) => cellsOf(SPEC, row))
      expect(sorted(SPEC, cells), engine).toEqual(expected)
    }
    const own = await Array.fromAsync(readBatches(t.table))
    expect(sorted(SPEC, cellsOfBatches(SPEC, own)), 'lastwrite').toEqual(expected)
  }

  const without = (t: SharedTable, ...keys: string[]) => [...t.rows().values()].filter(({ pk }) => !keys.includes(pk!))
  const snapshots = async (t: SharedTable) => (await tableHistory(t.table)).length

  it('are read by other engines, commit by commit', async () => {
    const t = await filled('read')
    await expectRead(t, t.rows().values(), ['duckdb', 'pyiceberg', 'spark'])
    t.put('b')
    t.remove('c')
    t.put('m')
    await t.merge()
    await expectRead(t, t.rows().values(), ['duckdb', 'pyiceberg', 'spark'])
    expect(await snapshots(t)).toBe(2)
  })

  const FOREIGN: Record<string, { act: (t: SharedTable) => Promise<unknown>; rows: (t: SharedTable) => Cells[] }> = {
    'pyiceberg appends': {
      act: (t) =>
        pyiceberg(
          t,
          `
import pyarrow as pa
fields = [pa.field('pk', pa.string(), False), pa.field('sk', pa.int64(), False), pa.field('note', pa.string())]
t.append(pa.table({'pk': ['b', 'cc', 'zz'], 'sk': [1, 1, 1], 'note': ['of pyiceberg', 'beside', 'far']}, schema=pa.schema(fields)))`,
        ),
      rows: (t) => [
        ...t.rows().values(),
        foreignCells(SPEC, { pk: 'cc', sk: '1', note: 'beside' }),
        foreignCells(SPEC, { pk: 'zz', sk: '1', note: 'far' }),
      ],
    },
    'pyiceberg deletes by rewriting files': {
      act: (t) => pyiceberg(t, `t.delete("pk == 'c' or pk == 'k'")`),
      rows: (t) => without(t, 'c', 'k'),
    },
    'DuckDB inserts': {
      act: (t) => duckdb(t, `insert into $t (pk, sk, note) values ('b', 1, 'of DuckDB'), ('cc', 1, 'beside')`),
      rows: (t) => [...t.rows().values(), foreignCells(SPEC, { pk: 'cc', sk: '1', note: 'beside' })],
    },
    'Spark inserts': {
      act: (t) => spark(t, `insert into $t (pk, sk, note) values ('b', 1, 'of Spark'), ('zz', 1, 'far')`),
      rows: (t) => [...t.rows().values(), foreignCells(SPEC, { pk: 'zz', sk: '1', note: 'far' })],
    },
    'Spark rewrites all files': {
      act: (t) => spark(t, `call rest.system.rewrite_data_files(table => '$n', options => map('rewrite-all', 'true'))`),
      rows: (t) => [...t.rows().values()],
    },
    'Spark adds a column': {
      act: (t) => spark(t, 'alter table $t add column later string'),
      rows: (t) => [...t.rows().values()],
    },
    'Spark expires snapshots': {
      act: async (t) => {
        await spark(t, `insert into $t (pk, sk, note) values ('zz', 1, 'far')`)
        await spark(t, `call rest.system.expire_snapshots(table => '$n', older_than => now(), retain_last => 1)`)
      },
      rows: (t) => [...t.rows().values(), foreignCells(SPEC, { pk: 'zz', sk: '1', note: 'far' })],
    },
    'DuckDB deletes by position': {
      act: (t) => duckdb(t, `delete from $t where pk in ('a', 'c', 'k')`),
      rows: (t) => without(t, 'a', 'c', 'k'),
    },
  }

  it.each(Object.entries(FOREIGN))('lose nothing when %s between plan and commit', async (what, { act, rows }) => {
    const t = await filled(`race_${what.replaceAll(' ', '_').toLowerCase()}`)
    let raced = 0
    t.beforeCommit(async () => {
      await act(t)
      raced++
    })
    t.put('b')
    t.remove('d')
    t.put('m')
    await t.merge()
    expect(raced).toBe(1)
    await expectRead(t, rows(t))
    // What others wrote is merged with, not only kept.
    for (const pk of LETTERS) t.put(pk)
    t.remove('cc')
    t.remove('zz')
    await t.merge()
    await expectRead(t, t.rows().values())
  })

  it('refuse to go on with a partition spec that pyiceberg changed between plan and commit, and say what to do', async () => {
    const t = await filled('spec_changed')
    t.beforeCommit(() => pyiceberg(t, `t.update_spec().add_identity('note').commit()`))
    t.put('b')
    await expect(t.merge()).rejects.toThrow(/another writer changed the partition spec.*set the old spec again/)
  })

  it('keep the ids of others, beyond 2^53, digit by digit', async () => {
    const t = await filled('ids')
    await FOREIGN['pyiceberg appends']!.act(t)
    const before = currentSnapshot((await t.table.catalog.load())!.metadata)!
    t.put('e')
    await t.merge()
    const { metadata } = (await t.table.catalog.load())!
    expect(currentSnapshot(metadata)!['parent-snapshot-id']).toBe(before['snapshot-id'])
    const ids = (await pyiceberg(t, 'result = [str(s.snapshot_id) for s in t.snapshots()]')) as string[]
    expect(metadata.snapshots?.map((snapshot) => String(snapshot['snapshot-id']))).toEqual(ids)
    expect(ids.some((id) => BigInt(id) > 2n ** 53n)).toBe(true)
  })

  const isCommitOf = (t: SharedTable) => (method: string, path: string) =>
    method === 'POST' && path.endsWith(`/tables/${t.name}`)

  it.each(['cut', 500, 502, 504] as const)('hold a commit once whose answer was lost (%s)', async (loss) => {
    const t = await filled(`lost_${loss}`)
    const before = await snapshots(t)
    const lost = proxy.lost
    proxy.loseNext(isCommitOf(t), loss)
    t.put('b')
    t.remove('c')
    const report = await t.merge()
    expect(proxy.lost).toBe(lost + 1)
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 2, applied: 2 }, rows: { replaced: 1, removed: 1 } })
    expect(report.commits).toHaveLength(1)
    expect(await snapshots(t)).toBe(before + 1)
    expect(currentSnapshot((await t.table.catalog.load())!.metadata)!['snapshot-id']).toBe(BigInt(report.snapshot!))
    await expectRead(t, t.rows().values())
  })

  it('hold a commit once whose answer was lost and which others went on from meanwhile', async () => {
    const t = await filled('lost_and_on')
    const before = await snapshots(t)
    proxy.loseNext(isCommitOf(t), 'cut')
    const load = t.table.catalog.load
    let reloaded = false
    // The append comes between the lost answer and the look for it.
    Object.assign(t.table.catalog, {
      load: async () => {
        if (proxy.lost > lost && !reloaded) {
          reloaded = true
          await FOREIGN['pyiceberg appends']!.act(t)
        }
        return load()
      },
    })
    const lost = proxy.lost
    t.put('e')
    expect(await t.merge()).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 } })
    expect(reloaded).toBe(true)
    expect(await snapshots(t)).toBe(before + 2)
  })

  it('take a commit that a commit to another branch made impossible for a lost race', async () => {
    const t = await filled('branch')
    const append = FOREIGN['pyiceberg appends']!
    await append.act(t)
    t.beforeCommit(() =>
      pyiceberg(
        t,
        `
import pyarrow as pa
t.manage_snapshots().create_branch(t.current_snapshot().snapshot_id, 'side').commit()
fields = [pa.field('pk', pa.string(), False), pa.field('sk', pa.int64(), False)]
t.append(pa.table({'pk': ['side'], 'sk': [1]}, schema=pa.schema(fields)), branch='side')`,
      ),
    )
    t.put('b')
    await t.merge()
    await expectRead(t, append.rows(t))
  })

  it('come to the table of the model whatever merges race for the commits', async () => {
    const spec = handTable([], { row_group_rows: 2 })
    const environment = nodeEnvironment(localStore())
    const settings = { uri: proxy.uri, namespace: [NAMESPACE], table: 'racing', auth: { kind: 'none' } as const }
    const at = { catalog: restCatalog(settings, environment), name: 'racing' }
    await createTable(at, parseTableDefinition(spec.text), environment)
    const racers = await Promise.all(
      Array.from({ length: 5 }, async (_, racer) => {
        // Every racer has a change of every key, and which of them is the last is another one for each key.
        const changes = LETTERS.map((pk, i): HandChange => {
          const sequence = 100 + ((racer + i) % 5)
          return (racer + i) % 4 === 3 ? { pk, sequence, from: 'A' } : { pk, sequence, to: 'A' }
        })
        const object = objectOf(
          'change.ndjson',
          changes.map((change) => line(spec, change)),
        )
        const prefix = `${warehouse}/landing/racing-${racer}/`
        await land(environment.store, [object], prefix)
        return {
          object,
          prefix,
          table: await openTable({ ...at, catalog: restCatalog(settings, environment) }, environment),
        }
      }),
    )
    proxy.loseNext((method, path) => method === 'POST' && path.endsWith('/tables/racing'), 'cut')
    const reports = await Promise.all(racers.map(({ table, prefix }) => mergeLanding(table, [prefix])))
    expect(reports.map(({ exitCode, lines: { read } }) => [exitCode, read])).toEqual(
      racers.map(() => [0, LETTERS.length]),
    )
    const [first] = racers
    expect(await tableHistory(first!.table)).toHaveLength(racers.length)
    const own = cellsOfBatches(spec, await Array.fromAsync(readBatches(first!.table)))
    const expected = expectedRows(arrivalsOf(racers.map(({ object }) => [object])))
    expect(sorted(spec, own)).toEqual(sorted(spec, expected.values()))
  })

  it('show every reader whole commits while merges run and maintenance removes what they replaced', async () => {
    const t = await filled('torn')
    // Judges as if it were tomorrow: what was replaced a moment ago is a day old.
    const environment = { ...t.table.environment, nowMs: () => Date.now() + DAY_MS - HELD_MS_MAX }
    let isRead = false
    const reading = pyiceberg(
      t,
      `
import __main__, time
from pyspark.sql import SparkSession
duckdb, spark = __main__.Duckdb().connection, SparkSession.builder.getOrCreate()
seen, until = [], time.monotonic() + 60
def saw(engine, keys):
    seen.append((engine, len(keys), len(set(keys)), sum(1 for key in keys if key.startswith('r'))))
while time.monotonic() < until:
    table = rest.load_table('${inCatalog(t)}')
    saw('pyiceberg', [row['pk'] for row in table.scan(selected_fields=('pk',)).to_arrow().to_pylist()])
    path = table.metadata_location.removeprefix('file:')
    saw('duckdb', [row[0] for row in duckdb.execute(f"select pk from iceberg_scan('{path}')").fetchall()])
    saw('spark', [row[0] for row in spark.sql('select pk from rest.${inCatalog(t)}').collect()])
result = seen`,
    ).finally(() => {
      isRead = true
    })
    // Each commit adds four rows at once and takes those of the one before.
    let round = 0
    let removed = 0
    for (; !isRead; round++) {
      for (let i = 0; i < 4; i++) t.put(`r${round}-${i}`)
      if (round > 0) for (let i = 0; i < 4; i++) t.remove(`r${round - 1}-${i}`)
      await t.merge()
      if (round % 3 < 2) continue
      const { expire, clean } = await maintainTable({ ...t.table, environment }, [`${warehouse}/landing/torn/`])
      for (const { deleted } of [expire, clean]) removed += deleted.data?.files ?? 0
    }
    const seen = (await reading) as [engine: string, rows: number, keys: number, added: number][]
    expect(round).toBeGreaterThan(3)
    expect(removed).toBeGreaterThan(0)
    expect(new Set(seen.map(([engine]) => engine)).size).toBe(3)
    const torn = seen.filter(([, rows, keys, added]) => rows !== keys || (added !== 0 && added !== 4))
    expect(torn).toEqual([])
    await expectRead(t, t.rows().values())
  })

  it('redo a merge that a purge of the same snapshot was before', async () => {
    const t = await filled('purged')
    t.remove('c')
    await t.merge()
    const base = snapshotIdOf(await loadState(t.table))
    const nowMs = () => Date.now() + 400 * 24 * 3600 * 1000
    let purged: PurgeReport | null = null
    t.beforeCommit(async () => {
      const table = { ...t.table, environment: { ...t.table.environment, nowMs } }
      purged = await purgeTable(table, [`${warehouse}/landing/purged/`])
    })
    t.put('b')
    const merged = await t.merge()
    expect(purged).toMatchObject({ tombstones: { purged: 1, kept: 0 } })
    const ids = (await tableHistory(t.table)).map(({ snapshot }) => snapshot)
    expect(ids.slice(-2)).toEqual([purged!.snapshot, BigInt(merged.snapshot!)])
    const { tombstoneFiles, watermark } = await loadState(t.table)
    expect([tombstoneFiles, watermark]).toEqual([[], purged!.watermark])
    const parents = (await t.table.catalog.load())!.metadata.snapshots!.map((each) => each['parent-snapshot-id'])
    // One of the two went on from the other: nobody else descends from the snapshot that both had seen.
    expect(parents.filter((parent) => parent === base)).toHaveLength(1)
    // DuckDB leaves out snapshots of the future.
    await expectRead(t, t.rows().values(), ['pyiceberg'])
  })

  it('keep a removal that was rolled back and reapplied', async () => {
    const t = await filled('reapplied')
    const filledBy = snapshotIdOf(await loadState(t.table))!
    t.remove('c')
    t.put('d')
    await t.merge()
    await rollbackTable(t.table, { to: filledBy, ledger: 'reapply' })
    await mergeLanding(t.table, [`${warehouse}/landing/reapplied/`])
    await expectRead(t, t.rows().values())
  })
})
