// Tables that merges made, file by file and commit by commit, as other engines read them, change them and leave them to the next merge.

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { advanceMain } from '../src/iceberg/catalog.ts'
import { liveFiles, newSnapshotId, prepareSnapshot } from '../src/iceberg/snapshot.ts'
import { explainKey, InputError, type MergeReport, readBatches, tableHistory } from '../src/index.ts'
import { localStore } from '../src/store/local.ts'
import type { Item, TableSpec } from '../test/change-sets.ts'
import type { Cells } from '../test/model.ts'
import { cellsOfBatches, readByHyparquet } from '../test/read-rows.ts'
import { readObject } from '../test/stored-table.ts'
import { expectSortedAndDisjoint } from '../test/table-run.ts'
import { describeWith, type Engines, openEngines, python, type Row } from './parts.ts'
import {
  cellsOf,
  createSharedTable,
  foreignCells,
  idOf,
  keyOf,
  placed,
  type SharedTable,
  sampleItems,
  sorted,
  tableOf,
} from './shared-table.ts'

let folder = ''
let warehouse = ''
let engines: Engines
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'merged-'))
  warehouse = `file://${folder}`
  engines = openEngines({ warehouse })
})
afterAll(async () => {
  await engines.close()
  rmSync(folder, { recursive: true })
})

const sparkName = ({ name }: SharedTable) => `lake.db.${name}`
/** Runs a statement in which `$t` is the table. */
const spark = (t: SharedTable, sql: string) => engines.spark(sql.replaceAll('$t', sparkName(t)))

async function metadataPath({ table }: SharedTable): Promise<string> {
  return (await table.catalog.load())!.metadataLocation.slice('file://'.length)
}

/** The rows by each engine, of the current snapshot or of an earlier one. */
async function readByEach(t: SharedTable, snapshot?: bigint): Promise<Map<string, Row[]>> {
  const path = await metadataPath(t)
  const of = snapshot === undefined ? {} : { snapshotId: snapshot }
  const back = snapshot === undefined ? '' : `, snapshot_from_id = ${snapshot}`
  return new Map([
    ['spark', await engines.sparkLoad(t.table.location, of)],
    ['duckdb', await engines.duckdb(`select * from iceberg_scan('${path}'${back})`)],
    ['pyiceberg', await engines.pyiceberg(path, of)],
  ])
}

async function expectRefused(t: SharedTable, message: RegExp): Promise<void> {
  const refusal = await t.merge().then(
    () => null,
    (error: unknown) => error,
  )
  expect(refusal).toBeInstanceOf(InputError)
  expect((refusal as InputError).message).toMatch(message)
}

async function expectRead(t: SharedTable, rows: Iterable<Cells>, snapshot?: bigint): Promise<void> {
  const expected = sorted(t.spec, rows)
  for (const [engine, found] of await readByEach(t, snapshot)) {
    const cells = found.map((row) => cellsOf(t.spec, row))
    expect(sorted(t.spec, cells), `${engine}, snapshot ${snapshot ?? 'current'}`).toEqual(expected)
  }
  const own = await Array.fromAsync(readBatches(t.table, snapshot === undefined ? {} : { snapshot }))
  expect(sorted(t.spec, cellsOfBatches(t.spec, own)), `lastwrite, snapshot ${snapshot ?? 'current'}`).toEqual(expected)
}

/** The files that a merge wrote hold their rows in order and do not overlap. */
async function expectInOrder(t: SharedTable, report: MergeReport): Promise<void> {
  const store = localStore()
  const { commitId } = report.commits[0]!
  const live = await liveFiles(store, (await t.table.catalog.load())!.metadata)
  const written = live.dataFiles.map(({ file }) => file).filter(({ path }) => path.includes(commitId))
  expect(written.length).toBe(report.files.added)
  expectSortedAndDisjoint(t.spec, await readByHyparquet(t.spec, written, (path) => readObject(store, path)))
}

// Spark starts slowly on a busy machine.
describeWith('spark', 'tables that merges made', () => {
  beforeAll(async () => {
    await engines.spark('select 1')
  })

  interface Predicate {
    readonly spark: string
    readonly pyiceberg: string
    readonly holds: (cells: Cells) => boolean
  }
  const number = (cell: string | null) => (cell === null ? Number.NaN : Number(cell))
  const micros = (iso: string) => Date.parse(iso) * 1000
  const RANGES: readonly Predicate[] = [
    { spark: 'price >= 0', pyiceberg: 'price >= 0.00', holds: ({ price }) => number(price!) >= 0 },
    { spark: 'wide < 0', pyiceberg: 'wide < 0.000000000', holds: ({ wide }) => number(wide!) < 0 },
    { spark: 'counted < -10', pyiceberg: 'counted < -10', holds: ({ counted }) => number(counted!) < -10 },
    {
      spark: 'small between 1 and 1000000000',
      pyiceberg: 'small >= 1 and small <= 1000000000',
      holds: ({ small }) => number(small!) >= 1 && number(small!) <= 1e9,
    },
    { spark: 'ratio > 1', pyiceberg: 'ratio > 1.0', holds: ({ ratio }) => number(ratio!) > 1 },
    {
      spark: "seen >= timestamp '2000-01-01 00:00:00+00:00'",
      pyiceberg: "seen >= '2000-01-01T00:00:00+00:00'",
      holds: ({ seen }) => number(seen!) >= micros('2000-01-01T00:00:00Z'),
    },
    {
      spark: "born < date '2000-01-01'",
      pyiceberg: "born < '2000-01-01'",
      holds: ({ born }) => number(born!) < 10_957,
    },
    { spark: 'flag = true', pyiceberg: 'flag == true', holds: ({ flag }) => flag === 'true' },
    { spark: 'note is null', pyiceberg: 'note is null', holds: ({ note }) => note === null },
    { spark: "region = 'eu'", pyiceberg: "region == 'eu'", holds: ({ region }) => region === 'eu' },
    {
      spark:
        "created_at >= timestamp '2026-11-23 00:00:00+00:00' and created_at < timestamp '2026-11-24 00:00:00+00:00'",
      pyiceberg: "created_at >= '2026-11-23T00:00:00+00:00' and created_at < '2026-11-24T00:00:00+00:00'",
      holds: ({ created_at }) =>
        number(created_at!) >= micros('2026-11-23T00:00:00Z') && number(created_at!) < micros('2026-11-24T00:00:00Z'),
    },
  ]

  interface Kind {
    readonly name: string
    readonly spec: TableSpec
    readonly keys: readonly (readonly [pk: string, sk: string])[]
    /** SQL literals of key cells, and pyiceberg's where it can write them. */
    readonly literal: (column: number, cell: string, engine: 'spark' | 'duckdb' | 'pyiceberg') => string | null
  }

  const SMALL = { file_bytes: 2_000, row_group_rows: 3 }
  const quoted = (cell: string) => `'${cell}'`
  const kinds: readonly Kind[] = [
    {
      name: 'by_bucket',
      spec: tableOf(['string', 'number'], ['bucket(pk, 3)'], SMALL),
      keys: [
        ...Array.from({ length: 12 }, (_, i) => [`customer#000000000000000000${i}`, '1'] as const),
        ...['-12.5', '0', '7', '1E+30', '1.5E-20'].map((sk) => ['é', sk] as const),
        ...['\uffff', '\u{1F600}', '\u{10FFFF}', `${'\u{10FFFF}'.repeat(20)}z`, 'a', 'B'].map(
          (pk) => [pk, '3'] as const,
        ),
      ],
      literal: (_, cell) => quoted(cell),
    },
    {
      name: 'by_region_and_day',
      spec: tableOf(['binary', 'long'], ['identity(region)', 'day(created_at)'], SMALL),
      keys: [
        ...Array.from({ length: 10 }, (_, i) => ['00ff', String(i - 5)] as const),
        ...['00', 'ff', 'ffff', 'ff'.repeat(20), '80'].flatMap(
          (pk) =>
            [
              [pk, '9223372036854775807'],
              [pk, '-1'],
            ] as const,
        ),
      ],
      literal: (column, cell, engine) => {
        if (column === 1) return cell
        if (engine === 'pyiceberg') return null
        return engine === 'spark' ? `X'${cell}'` : `'${cell.replace(/../g, (byte) => `\\x${byte}`)}'::blob`
      },
    },
    {
      name: 'by_decimal',
      spec: tableOf(['decimal(38,9)', 'int'], ['bucket(pk, 2)'], SMALL),
      keys: [
        '-99999999999999999999999999999.999999999',
        '-0.000000001',
        '0.000000000',
        '0.000000001',
        '128.000000000',
        '-129.000000000',
        '12345678901234567890123456789.123456789',
      ].flatMap(
        (pk) =>
          [
            [pk, '-2147483648'],
            [pk, '3'],
            [pk, '2147483647'],
          ] as const,
      ),
      literal: (column, cell, engine) => {
        if (column === 1) return cell
        if (engine === 'pyiceberg') return null
        return engine === 'spark' ? `cast('${cell}' as decimal(38,9))` : `'${cell}'::decimal(38,9)`
      },
    },
  ]
  const REGIONS = ['eu', 'us', '', '../a=b%/\u{1F600}c d+', null]
  const DAYS = ['2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00.000Z', '2026-11-23T12:30:00.500Z', null]

  /** Merges of inserts; of updates, moves and removals; of both and keys that come back. */
  async function mergeThrice(t: SharedTable, keys: Kind['keys']): Promise<Map<string, Cells>[]> {
    const items = sampleItems(t.spec, keys.length * 3, 11)
    const next = (i: number): Item =>
      placed(items[i % items.length]!, REGIONS[(i * 7) % REGIONS.length]!, DAYS[(i * 5) % DAYS.length]!)
    const after: Map<string, Cells>[] = []
    for (const round of [0, 1, 2]) {
      for (const [i, [pk, sk]] of keys.entries()) {
        const key = keyOf(t.spec, pk, sk)
        if (round === 0 && i % 4 === 3) continue
        if (round === 1 && i % 3 === 1 && i % 4 !== 3) t.change(key, null)
        else if (round === 0 || (i + round) % 2 === 0) t.change(key, next(round * keys.length + i))
      }
      await t.merge()
      after.push(t.rows())
    }
    return after
  }

  it.each(kinds)('$name are read by every engine, now and back in time, pruned and whole', async (kind) => {
    const t = await createSharedTable(warehouse, kind.name, kind.spec)
    const after = await mergeThrice(t, kind.keys)
    const history = await tableHistory(t.table)
    expect(history.map(({ operation }) => operation)).toEqual(['append', 'overwrite', 'overwrite'])
    for (const [i, rows] of after.entries()) {
      expect(rows.size).toBeGreaterThan(kind.keys.length / 3)
      await expectRead(t, rows.values(), history[i]!.snapshot)
    }
    const rows = [...after.at(-1)!.values()]
    await expectRead(t, rows)
    await expectPruned(t, kind, rows)
    await expectTrueStatistics(t)
  })

  async function expectPruned(t: SharedTable, { spec, keys, literal }: Kind, rows: readonly Cells[]): Promise<void> {
    const [first, second] = [spec.columns[0]!, spec.columns[1]!]
    const equalities = (engine: 'spark' | 'duckdb' | 'pyiceberg') =>
      keys.map((cells) => {
        const is = engine === 'pyiceberg' ? '==' : '='
        const terms = [first, second].flatMap(({ name }, i) => {
          const text = literal(i, cells[i]!, engine)
          return text === null ? [] : [{ sql: `${name} ${is} ${text}`, name, cell: cells[i]! }]
        })
        return {
          sql: terms.map(({ sql }) => sql).join(' and '),
          holds: (row: Cells) => terms.every(({ name, cell }) => row[name] === cell),
        }
      })
    const keyRange: Predicate[] =
      second.type === 'number'
        ? []
        : [{ spark: 'sk > -1', pyiceberg: 'sk > -1', holds: ({ sk }) => BigInt(sk as string) > -1n }]
    const ranges = [...RANGES, ...keyRange]
    const path = await metadataPath(t)
    const ids = (found: readonly Row[]) => found.map((row) => idOf(spec, cellsOf(spec, row))).sort()
    const expected = (holds: Predicate['holds']) =>
      rows
        .filter(holds)
        .map((row) => idOf(spec, row))
        .sort()
    const asked = {
      spark: [...equalities('spark'), ...ranges.map(({ spark, holds }) => ({ sql: spark, holds }))],
      duckdb: [...equalities('duckdb'), ...ranges.map(({ spark, holds }) => ({ sql: spark, holds }))],
    }
    for (const [engine, from] of [
      ['spark', sparkName(t)],
      ['duckdb', `iceberg_scan('${path}')`],
    ] as const) {
      const sql = asked[engine].map((each, i) => `select ${i} as asked, t.* from ${from} t where ${each.sql}`)
      const found = Map.groupBy(await engines[engine](sql.join(' union all ')), ({ asked }) => Number(asked))
      for (const [i, { sql, holds }] of asked[engine].entries()) {
        expect(ids(found.get(i) ?? []), `${engine}: ${sql}`).toEqual(expected(holds))
      }
    }
    const filters = [...equalities('pyiceberg'), ...ranges.map(({ pyiceberg, holds }) => ({ sql: pyiceberg, holds }))]
    for (const { sql, holds } of filters) {
      expect(ids(await engines.pyiceberg(path, { rowFilter: sql })), `pyiceberg: ${sql}`).toEqual(expected(holds))
    }
  }

  /** What manifests and summaries say of files is what lies on the disk. */
  async function expectTrueStatistics(t: SharedTable): Promise<void> {
    const files = await spark(t, 'select content, file_path, record_count, file_size_in_bytes from $t.files')
    for (const file of files) {
      const path = (file.file_path as string).replace(/^file:\/*/, '/')
      expect(file.file_size_in_bytes, path).toBe(statSync(path).size)
      const counted = await engines.duckdb(
        `select count(*) as n from read_parquet('${path.replaceAll("'", "''")}', hive_partitioning = false)`,
      )
      expect(file.record_count, path).toBe(counted[0]!.n)
    }
    const snapshots = await spark(t, 'select snapshot_id, parent_id, summary from $t.snapshots order by committed_at')
    const sum = (of: readonly Row[], column: string) => of.reduce((total, row) => total + Number(row[column]), 0)
    const filesOf = new Map<string, Map<string, Row>>()
    for (const { snapshot_id, parent_id, summary } of snapshots) {
      const said = summary as Record<string, string>
      const live = await engines.spark(
        `select content, file_path, record_count, file_size_in_bytes from ${sparkName(t)}.files version as of ${snapshot_id}`,
      )
      const now = new Map(live.map((row) => [row.file_path as string, row]))
      const data = live.filter(({ content }) => content === 0)
      const count = (name: string) => Number(said[name] ?? 0)
      expect({
        records: count('total-records'),
        dataFiles: count('total-data-files'),
        deleteFiles: count('total-delete-files'),
        size: count('total-files-size'),
      }).toEqual({
        records: sum(data, 'record_count'),
        dataFiles: data.length,
        deleteFiles: live.length - data.length,
        size: sum(live, 'file_size_in_bytes'),
      })
      const before = parent_id === null ? new Map<string, Row>() : filesOf.get(String(parent_id))
      filesOf.set(String(snapshot_id), now)
      // Of a parent that was expired nothing is known.
      if (before === undefined) continue
      const added = live.filter(({ file_path }) => !before.has(file_path as string))
      const removed = [...before.values()].filter(({ file_path }) => !now.has(file_path as string))
      const isData = ({ content }: Row) => content === 0
      expect({
        addedRecords: count('added-records'),
        removedRecords: count('deleted-records'),
        addedSize: count('added-files-size'),
        removedSize: count('removed-files-size'),
      }).toEqual({
        addedRecords: sum(added.filter(isData), 'record_count'),
        removedRecords: sum(removed.filter(isData), 'record_count'),
        addedSize: sum(added, 'file_size_in_bytes'),
        removedSize: sum(removed, 'file_size_in_bytes'),
      })
    }
    const manifests = await spark(
      t,
      `select path, length, added_data_files_count + existing_data_files_count as files,
        added_delete_files_count + existing_delete_files_count as deletes from $t.manifests`,
    )
    expect(sum(manifests, 'files') + sum(manifests, 'deletes')).toBe(files.length)
    for (const { path, length } of manifests) {
      expect(length).toBe(statSync((path as string).replace(/^file:\/*/, '/')).size)
    }
  }

  it('hold pages of older files between new ones, read and pruned by every engine', async () => {
    const spec = tableOf(['string', 'long'], [], { row_group_rows: 60_000 })
    const t = await createSharedTable(warehouse, 'pages', spec)
    const items = sampleItems(spec, 300, 5).map((item, i) => placed(item, REGIONS[i % 2]!, DAYS[i % 3]!))
    const key = (row: number) => keyOf(spec, `order-${String(row).padStart(6, '0')}`, '1')
    // Pages of 20,000 rows.
    for (let row = 0; row < 50_000; row++) t.change(key(2 * row), items[row % 200]!)
    await t.merge()
    // At the end, at the front, and between pages that were copied already.
    for (const from of [98_000, 0, 50_000]) {
      for (let i = 0; i < 600; i++) t.change(key(from + 3 * i), i % 5 === 4 ? null : items[(7 * i) % 300]!)
      const { rowGroups, columnChunks } = await t.merge()
      expect(rowGroups).toEqual({ copied: 0, encoded: 1 })
      const live = await liveFiles(localStore(), (await t.table.catalog.load())!.metadata)
      expect(columnChunks.bytesEncoded).toBeLessThan(0.7 * live.dataFiles[0]!.file.fileBytes)
    }
    const rows = [...t.rows().values()]
    await expectRead(t, rows)
    const path = await metadataPath(t)
    const keys = [0, 3, 19_999, 40_002, 51_797, 99_797].map((row) => `order-${String(row).padStart(6, '0')}`)
    const asked = [
      ...keys.map((pk) => ({ sql: `pk = '${pk}'`, holds: (cells: Cells) => cells.pk === pk })),
      ...RANGES.map(({ spark, holds }) => ({ sql: spark, holds })),
    ]
    for (const [engine, from] of [
      ['spark', sparkName(t)],
      ['duckdb', `iceberg_scan('${path}')`],
    ] as const) {
      const sql = asked.map(({ sql }, i) => `select ${i} as asked, count(*) as n from ${from} where ${sql}`)
      const found = new Map((await engines[engine](sql.join(' union all '))).map((row) => [Number(row.asked), row.n]))
      for (const [i, { sql, holds }] of asked.entries()) {
        expect(Number(found.get(i)), `${engine}: ${sql}`).toBe(rows.filter(holds).length)
      }
    }
    for (const pk of keys) {
      const found = await engines.pyiceberg(path, { rowFilter: `pk == '${pk}'` })
      expect(found.length, `pyiceberg: ${pk}`).toBe(rows.filter((cells) => cells.pk === pk).length)
    }
    await expectTrueStatistics(t)
  })

  // Other writers

  const UNPARTITIONED = tableOf(['string', 'long'], [], SMALL)
  const LETTERS = Array.from('abcdefghijkl', (pk) => [pk, '1'] as const)

  /** A table that one merge filled with the keys a to l. */
  async function filled(
    name: string,
    spec = UNPARTITIONED,
    wrap?: Parameters<typeof createSharedTable>[3],
  ): Promise<SharedTable & { readonly put: (pk: string) => void; readonly remove: (pk: string) => void }> {
    const t = await createSharedTable(warehouse, name, spec, wrap)
    const items = sampleItems(spec, 40, 7)
    let used = 0
    const put = (pk: string) =>
      t.change(keyOf(spec, pk, '1'), placed(items[used++]!, used % 2 === 0 ? 'eu' : 'us', DAYS[used % 3]!))
    const remove = (pk: string) => t.change(keyOf(spec, pk, '1'), null)
    for (const [pk] of LETTERS) put(pk)
    await t.merge()
    return { ...t, put, remove }
  }

  const without = (rows: ReadonlyMap<string, Cells>, ...keys: string[]) =>
    [...rows.values()].filter(({ pk }) => !keys.includes(pk as string))
  const deleteFiles = async (t: SharedTable) =>
    (await spark(t, 'select file_path, record_count from $t.delete_files')).length

  it('take rows that Spark adds: they rank below any version and stay until a change of their key', async () => {
    const t = await filled('spark_inserts')
    await spark(
      t,
      `insert into $t (pk, sk, note, price, wide, created_at, born, blob) values
        ('b', 1, 'of Spark', 1.50, 0.000000001, timestamp'1969-12-31 23:59:59.999999Z', date'0001-01-01', X'00ff'),
        ('bb', 1, 'new', -1.00, null, null, null, X'')`,
    )
    const b = foreignCells(t.spec, {
      pk: 'b',
      sk: '1',
      note: 'of Spark',
      price: '1.50',
      wide: '0.000000001',
      created_at: '-1',
      born: '-719162',
      blob: '00ff',
    })
    const bb = foreignCells(t.spec, { pk: 'bb', sk: '1', note: 'new', price: '-1.00', blob: '' })
    await expectRead(t, [...t.rows().values(), b, bb])

    t.put('l')
    await expectInOrder(t, await t.merge())
    await expectRead(t, [...t.rows().values(), b, bb])

    // A change near by brings the key that stands twice in order.
    t.put('a')
    await expectInOrder(t, await t.merge())
    await expectRead(t, [...t.rows().values(), bb])

    t.put('bb')
    await expectInOrder(t, await t.merge())
    await expectRead(t, t.rows().values())

    await spark(t, `insert into $t (pk, sk, note) values ('c', 1, 'again'), ('cc', 1, 'beside')`)
    t.remove('c')
    await expectInOrder(t, await t.merge())
    const cc = foreignCells(t.spec, { pk: 'cc', sk: '1', note: 'beside' })
    await expectRead(t, [...t.rows().values(), cc])
    t.put('c')
    t.remove('cc')
    await expectInOrder(t, await t.merge())
    await expectRead(t, t.rows().values())
    await expectTrueStatistics(t)
  })

  const BY_REGION = tableOf(['string', 'long'], ['identity(region)'], SMALL)
  const LARGE_FILES = tableOf(['string', 'long'], [], { row_group_rows: 3 })
  it.each([
    { mode: 'copy-on-write', granularity: 'file', from: 'files', spec: UNPARTITIONED },
    { mode: 'merge-on-read', granularity: 'file', from: 'files', spec: UNPARTITIONED },
    { mode: 'merge-on-read', granularity: 'file', from: 'a file of several row groups', spec: LARGE_FILES },
    { mode: 'merge-on-read', granularity: 'partition', from: 'files', spec: UNPARTITIONED },
    { mode: 'merge-on-read', granularity: 'partition', from: 'partitions', spec: BY_REGION },
  ])(
    'leave out what Spark deletes from $from by $mode, one delete file a $granularity',
    async ({ mode, granularity, from, spec }) => {
      const t = await filled(`deletes_${mode}_${granularity}_${from}`.replace(/\W/g, '_'), spec)
      await spark(
        t,
        `alter table $t set tblproperties ('write.delete.mode' = '${mode}', 'write.update.mode' = '${mode}',
          'write.delete.granularity' = '${granularity}')`,
      )
      await spark(t, `delete from $t where pk in ('b', 'd', 'k')`)
      await spark(t, `update $t set note = 'of Spark' where pk = 'e'`)
      if (mode === 'merge-on-read') expect(await deleteFiles(t)).toBeGreaterThan(0)
      const rows = (...deleted: string[]) =>
        without(t.rows(), ...deleted).map((row) => (row.pk === 'e' ? { ...row, note: 'of Spark' } : row))
      await expectRead(t, rows('b', 'd', 'k'))
      await expectTrueStatistics(t)

      t.put('l')
      t.put('a')
      await expectInOrder(t, await t.merge())
      await expectRead(t, rows('b', 'd', 'k'))
      await expectTrueStatistics(t)

      // Put again, removed although Spark did so before, and changed beside.
      t.put('b')
      t.remove('d')
      t.put('c')
      t.put('j')
      await expectInOrder(t, await t.merge())
      await expectRead(t, rows('k'))
      await spark(t, `delete from $t where pk = 'b'`)
      t.put('c')
      await expectInOrder(t, await t.merge())
      await expectRead(t, rows('b', 'k'))
      for (const [pk] of LETTERS) t.put(pk)
      await expectInOrder(t, await t.merge())
      await expectRead(t, t.rows().values())
      await expectTrueStatistics(t)
      expect(await deleteFiles(t)).toBe(0)
    },
  )

  it('survive what Spark does to keep a table in shape', async () => {
    const t = await filled('maintained')
    const call = (procedure: string) => engines.spark(`call lake.system.${procedure}`)
    await call(`rewrite_data_files(table => 'db.maintained', options => map('rewrite-all', 'true'))`)
    await call(`rewrite_manifests('db.maintained')`)
    await call(`compute_table_stats(table => 'db.maintained')`)
    await call(`expire_snapshots(table => 'db.maintained', older_than => now(), retain_last => 1)`)
    expect(await tableHistory(t.table)).toHaveLength(1)
    await expectRead(t, t.rows().values())
    await spark(t, 'alter table $t write ordered by note')
    t.put('b')
    t.remove('c')
    t.put('m')
    await expectInOrder(t, await t.merge())
    await expectRead(t, t.rows().values())
    const ours = await spark(t, 'select distinct sort_order_id as id from $t.files')
    expect(ours.map(({ id }) => id)).toContain(1)
    await call(
      `rewrite_data_files(table => 'db.maintained', strategy => 'sort', sort_order => 'note desc', options => map('rewrite-all', 'true'))`,
    )
    await call(`expire_snapshots(table => 'db.maintained', older_than => now(), retain_last => 1)`)
    t.put('c')
    t.put('k')
    await expectInOrder(t, await t.merge())
    await expectRead(t, t.rows().values())
    await expectTrueStatistics(t)
  })

  it('refuse to go on where Spark rolled back behind what was merged', async () => {
    const t = await filled('rolled_back')
    const [first] = await tableHistory(t.table)
    t.put('b')
    await t.merge()
    await engines.spark(`call lake.system.rollback_to_snapshot('db.rolled_back', ${first!.snapshot})`)
    t.put('c')
    await expectRefused(t, /does not descend.*lastwrite rollback/)
  })

  it('keep row groups when Spark adds a column, and its values', async () => {
    const t = await filled('column_added', LARGE_FILES)
    await spark(t, 'alter table $t add column later string first')
    t.put('b')
    const report = await t.merge()
    expect(report.rowGroups).toEqual({ copied: 3, encoded: 1 })
    await expectRead(t, t.rows().values())
    await spark(t, `update $t set later = 'since' where pk in ('b', 'f', 'l')`)
    t.put('f')
    t.put('a')
    await t.merge()
    await expectRead(t, t.rows().values())
    const path = await metadataPath(t)
    // A put replaces the whole row.
    const expected = LETTERS.map(([pk]) => ({ pk, later: 'bl'.includes(pk) ? 'since' : null }))
    const sql = (from: string) => `select pk, later from ${from} order by pk`
    expect(await engines.spark(sql(sparkName(t)))).toEqual(expected)
    expect(await engines.duckdb(sql(`iceberg_scan('${path}')`))).toEqual(expected)
  })

  it('follow when Spark renames a column', async () => {
    const t = await filled('column_renamed', LARGE_FILES)
    await spark(t, 'alter table $t rename column note to remark')
    await spark(t, 'alter table $t rename column pk to id')
    t.put('b')
    expect((await t.merge()).rowGroups).toEqual({ copied: 3, encoded: 1 })
    for (const [engine, found] of await readByEach(t)) {
      const cells = found.map(({ remark, id, ...row }) => cellsOf(t.spec, { ...row, note: remark, pk: id }))
      expect(sorted(t.spec, cells), engine).toEqual(sorted(t.spec, t.rows().values()))
    }
  })

  it('follow when Spark widens columns', async () => {
    const t = await filled('column_widened', LARGE_FILES)
    await spark(t, 'alter table $t alter column small type bigint')
    await spark(t, 'alter table $t alter column price type decimal(20,2)')
    t.put('b')
    await t.merge()
    await expectRead(t, t.rows().values())

    // What fits is told by the declared type, as before; an int may be spelled in more ways than one.
    const [item] = sampleItems(t.spec, 1, 3)
    const spelled = [
      ['small', { raw: { N: '-0.2147483648E10' }, cell: '-2147483648', extra: null }],
      ['price', { raw: { N: '10000000000' }, cell: null, extra: { N: '10000000000' } }],
    ] as const
    t.change(keyOf(t.spec, 'c', '1'), { ...item!, declared: new Map([...item!.declared, ...spelled]) })
    await t.merge()
    await expectRead(t, t.rows().values())
  })

  it('refuse a key column that Spark widened', async () => {
    const t = await filled('key_widened', tableOf(['string', 'int'], []))
    await spark(t, 'alter table $t alter column sk type bigint')
    t.put('b')
    await expectRefused(t, /changed key column sk from int to long/)
  })

  it('refuse a table whose declared column Spark dropped', async () => {
    const t = await filled('column_dropped')
    await spark(t, 'alter table $t drop column note')
    t.put('b')
    await expectRefused(t, /column note .*was dropped by another writer/)
  })

  it('refuse a partition spec that Spark changed, until it is the old one again', async () => {
    const t = await filled('spec_changed')
    await spark(t, 'alter table $t add partition field bucket(4, pk)')
    t.put('b')
    await expectRefused(t, /another writer changed the partition spec/)
    await spark(t, 'alter table $t drop partition field bucket(4, pk)')
    await t.merge()
    await expectRead(t, t.rows().values())
  })

  it('refuse equality deletes by name', async () => {
    const t = await filled('equality_deletes')
    const { catalog, environment } = t.table
    const base = (await catalog.load())!
    const path = `${t.table.location}/data/equality-deletes.parquet`
    const snapshot = await prepareSnapshot({
      store: environment.store,
      metadata: base.metadata,
      live: await liveFiles(environment.store, base.metadata),
      removed: [],
      added: [{ ...NO_STATISTICS, path, content: 2, equalityIds: [1] }],
      summary: {},
      snapshotId: newSnapshotId(base.metadata, environment.random),
      nowMs: environment.nowMs(),
      uuid: environment.uuid(),
    })
    expect((await catalog.commit(base, advanceMain(snapshot), [])).kind).toBe('committed')
    t.put('b')
    await expectRefused(t, /equality-deletes.parquet: equality deletes are not supported/)
  })

  const RACES = {
    inserts: `insert into $t (pk, sk, note) values ('b', 1, 'of Spark'), ('cc', 1, 'beside'), ('zz', 1, 'far')`,
    deletes: `delete from $t where pk in ('c', 'k')`,
    'rewrites all files': `call lake.system.rewrite_data_files(table => 'db.$n', options => map('rewrite-all', 'true'))`,
    'adds a column': 'alter table $t add column later string',
    'expires snapshots': `call lake.system.expire_snapshots(table => 'db.$n', older_than => now(), retain_last => 1)`,
  }
  it.each(Object.entries(RACES))('lose nothing when Spark %s between plan and commit', async (what, sql) => {
    const name = `race_${what.replaceAll(' ', '_')}`
    let races = 0
    let armed = false
    const t = await filled(name, UNPARTITIONED, (environment) => {
      const { store } = environment
      const put: typeof store.put = async (path, content, mode) => {
        if (armed && /\/metadata\/v\d+\.metadata\.json$/.test(path)) {
          armed = false
          races++
          await engines.spark(sql.replaceAll('$t', `lake.db.${name}`).replaceAll('$n', name))
        }
        return store.put(path, content, mode)
      }
      return { ...environment, store: { ...store, put } }
    })
    if (what === 'expires snapshots') {
      t.put('l')
      await t.merge()
    }
    armed = true
    t.put('b')
    t.remove('d')
    t.put('m')
    await expectInOrder(t, await t.merge())
    expect(races).toBe(1)
    const foreign = [
      { pk: 'cc', sk: '1', note: 'beside' },
      { pk: 'zz', sk: '1', note: 'far' },
    ]
    const expected =
      what === 'inserts'
        ? [...t.rows().values(), ...foreign.map((cells) => foreignCells(t.spec, cells))]
        : without(t.rows(), ...(what === 'deletes' ? ['c', 'k'] : []))
    await expectRead(t, expected)
    await expectTrueStatistics(t)
  })

  it('take files without field ids by the names of their columns', async () => {
    const t = await filled('files_added')
    const path = join(folder, 'plain.parquet')
    // Columns in another order than the table's, and most of them absent.
    await python(
      `
import datetime, decimal, sys
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({
    'note': pa.array(['of pyarrow', None, 'beside']),
    'price': pa.array([decimal.Decimal('1.50'), None, decimal.Decimal('-0.01')], pa.decimal128(12, 2)),
    'seen': pa.array([datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), None, None], pa.timestamp('us', 'UTC')),
    'sk': pa.array([1, 1, 1], pa.int64()),
    'pk': pa.array(['cc', 'b', 'aa']),
}), sys.argv[1])`,
      [path],
    )
    await engines.spark(
      `call lake.system.add_files(table => 'db.files_added', source_table => '\`parquet\`.\`${path}\`')`,
    )
    const foreign = (pk: string, named: Cells) => foreignCells(t.spec, { pk, sk: '1', ...named })
    const aa = foreign('aa', { note: 'beside', price: '-0.01' })
    const b = foreign('b', {})
    const cc = foreign('cc', { note: 'of pyarrow', price: '1.50', seen: '-1' })
    await expectRead(t, [...t.rows().values(), aa, b, cc])
    t.put('bb')
    await expectInOrder(t, await t.merge())
    await expectRead(t, [...t.rows().values(), aa, cc])
    t.put('cc')
    t.remove('aa')
    await expectInOrder(t, await t.merge())
    await expectRead(t, t.rows().values())
  })

  it('take files that Spark wrote outside of Iceberg, with their own types of times and numbers', async () => {
    const t = await filled('spark_files_added')
    const path = join(folder, 'spark-parquet')
    await engines.sparkRun(`
spark.sql('''select 'bb' as pk, 1 as sk, timestamp'1969-12-31 23:59:59.999999Z' as created_at, timestamp'2024-02-29 12:00:00.5Z' as seen,
  cast(1.50 as decimal(12, 2)) as price, cast(-0.000000001 as decimal(38, 9)) as wide, cast(7 as int) as counted,
  date'2024-02-29' as born, X'00ff' as blob, cast(0.1 as float) as ratio''').write.parquet('${path}')`)
    await engines.spark(
      `call lake.system.add_files(table => 'db.spark_files_added', source_table => '\`parquet\`.\`${path}\`')`,
    )
    const bb = foreignCells(t.spec, {
      pk: 'bb',
      sk: '1',
      created_at: '-1',
      seen: '1709208000500000',
      price: '1.50',
      wide: '-0.000000001',
      counted: '7',
      born: '19782',
      blob: '00ff',
      ratio: '0.10000000149011612',
    })
    t.put('b')
    await expectInOrder(t, await t.merge())
    await expectRead(t, [...t.rows().values(), bb])
  })

  it('follow when Spark widens a column that the table is partitioned by', async () => {
    const t = await filled(
      'partition_widened',
      tableOf(['string', 'long'], ['identity(small)', 'truncate(price, 50)'], SMALL),
    )
    await spark(t, 'alter table $t alter column small type bigint')
    await spark(t, 'alter table $t alter column price type decimal(20,2)')
    for (const [pk] of LETTERS.slice(0, 6)) t.put(pk)
    t.remove('h')
    await t.merge()
    await expectRead(t, t.rows().values())
  })

  it('leave out partitions that Spark deletes whole', async () => {
    const t = await filled('partition_deleted', BY_REGION)
    await spark(t, "delete from $t where region = 'us'")
    const standing = () => [...t.rows().values()].filter(({ region }) => region !== 'us')
    await expectRead(t, standing())
    t.remove('a')
    t.remove('b')
    await t.merge()
    await expectRead(t, standing())
    await spark(t, 'truncate table $t')
    t.put('c')
    await t.merge()
    await expectRead(
      t,
      [...t.rows().values()].filter(({ pk }) => pk === 'c'),
    )
  })

  it('refuse data files of another format by name, until Spark rewrites them', async () => {
    const t = await filled('avro_added')
    await spark(t, `alter table $t set tblproperties ('write.format.default' = 'avro')`)
    await spark(t, `insert into $t (pk, sk) values ('bb', 1)`)
    t.put('b')
    await expectRefused(t, /\.avro: an AVRO file, and only Parquet/i)
    await spark(t, `alter table $t set tblproperties ('write.format.default' = 'parquet')`)
    await engines.spark(
      "call lake.system.rewrite_data_files(table => 'db.avro_added', options => map('rewrite-all', 'true'))",
    )
    await t.merge()
    await expectRead(t, [...t.rows().values(), foreignCells(t.spec, { pk: 'bb', sk: '1' })])
  })

  it('defer changes of a file in which Spark left a key column null, until it deletes the row', async () => {
    const t = await filled('null_keys')
    await spark(t, 'alter table $t drop identifier fields pk, sk')
    await spark(t, 'alter table $t alter column sk drop not null')
    await spark(t, `insert into $t (pk, sk, note) values ('bb', null, 'no key'), ('b', 1, 'b')`)
    t.put('b')
    const { damaged } = await t.merge({ exitCode: 21, lines: { read: 1, deferred: 1 } })
    expect(damaged[0]!.message).toMatch(/key column sk is null in 1 rows; delete them/)
    const { rows } = await explainKey(t.table, { pk: 'b', sk: 1n })
    expect(rows.map(({ stream }) => stream === null).sort()).toEqual([false, true])
    await spark(t, `alter table $t set tblproperties ('write.delete.mode' = 'merge-on-read')`)
    await spark(t, 'delete from $t where sk is null')
    await t.merge()
    await expectRead(t, t.rows().values())
  })

  const BY_KEY = tableOf(['string', 'long'], ['identity(pk)'])

  it('take keys from the folders of a Hive table that is partitioned by them', async () => {
    const t = await filled('hive_keys_added', BY_KEY)
    const hive = join(folder, 'hive-keys')
    await python(
      `
import os, sys
import pyarrow as pa, pyarrow.parquet as pq
for pk in ('b', 'bb'):
    os.makedirs(sys.argv[1] + '/pk=' + pk)
    pq.write_table(pa.table({'sk': [1, 2], 'note': ['x', 'y']}), sys.argv[1] + '/pk=' + pk + '/1.parquet')`,
      [hive],
    )
    await engines.spark(
      `call lake.system.add_files(table => 'db.hive_keys_added', source_table => '\`parquet\`.\`${hive}\`')`,
    )
    t.put('b')
    t.put('bb')
    await expectInOrder(t, await t.merge())
    const untouched = ['b', 'bb'].map((pk) => foreignCells(t.spec, { pk, sk: '2', note: 'y' }))
    await expectRead(t, [...t.rows().values(), ...untouched])
  })

  it('take the value of a partition from its folder where the files of a Hive table lack the column', async () => {
    const t = await filled('hive_files_added', BY_REGION)
    const hive = join(folder, 'hive')
    await python(
      `
import os, sys
import pyarrow as pa, pyarrow.parquet as pq
os.makedirs(sys.argv[1] + '/region=eu')
pq.write_table(pa.table({'pk': ['bb', 'cc'], 'sk': [1, 1], 'note': ['x', 'y']}), sys.argv[1] + '/region=eu/1.parquet')`,
      [hive],
    )
    await engines.spark(
      `call lake.system.add_files(table => 'db.hive_files_added', source_table => '\`parquet\`.\`${hive}\`')`,
    )
    const foreign = (pk: string, note: string) => foreignCells(t.spec, { pk, sk: '1', region: 'eu', note })
    const bySpark = async () =>
      sorted(
        t.spec,
        (await spark(t, 'select * from $t')).map((row) => cellsOf(t.spec, row)),
      )
    expect(await bySpark()).toEqual(sorted(t.spec, [...t.rows().values(), foreign('bb', 'x'), foreign('cc', 'y')]))
    for (const [pk] of LETTERS) t.put(pk)
    await expectInOrder(t, await t.merge())
    const expected = [...t.rows().values(), foreign('bb', 'x'), foreign('cc', 'y')]
    expect(await bySpark()).toEqual(sorted(t.spec, expected))
    await expectRead(t, expected)
  })
})

const NO_STATISTICS = {
  format: 'PARQUET',
  partition: [],
  records: 1,
  fileBytes: 1000,
  columnBytes: new Map(),
  valueCounts: new Map(),
  nullCounts: new Map(),
  lowerBounds: new Map(),
  upperBounds: new Map(),
  splitOffsets: [4],
  sortOrderId: 0,
}
