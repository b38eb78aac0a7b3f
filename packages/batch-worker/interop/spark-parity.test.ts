// Spark does what Node does: the same change sets merged into two tables, by one and by the other, leave the same rows in the same order.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import {
  type ClusterOptions,
  createTable,
  type MergeOptions,
  mergeLanding,
  parseTableDefinition,
} from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from '../../merge-core/interop/parts.ts'
import { type ChangeSet, changeSet } from '../../merge-core/test/change-sets.ts'
import { partitionText } from '../../merge-core/test/model-partitions.ts'
import type { DataFile } from '../../merge-core/test/read-rows.ts'
import { currentFiles } from '../../merge-core/test/stored-table.ts'
import { createTestTable, environmentOver, land, storedRows } from '../../merge-core/test/table-run.ts'
import { addForeignFiles, alterColumns, foreignFile } from '../test/foreign-commit.ts'
import { ORDERS_DEFINITION } from '../test/orders.ts'
import { openSparkSession, type SparkSession } from './spark-session.ts'

const STREAM = '2026-11-22T08:00:00.000'
const ORDERS = { ...JSON.parse(ORDERS_DEFINITION), partition_by: [] }

const KEYS = [
  ...['string', 'number', 'long', 'int', 'decimal(38,0)', 'decimal(9,4)', 'binary'].map((type) => [type]),
  ['string', 'decimal(20,4)'],
  ['binary', 'string'],
]
const texts = ['', 'a', 'a\0', 'a\0b', 'b', '\uffee', '\u{1f600}']
const numbers = (...values: string[]) => values.map((N) => ({ N }))
const KEY_VALUES: Readonly<Record<string, readonly object[]>> = {
  string: texts.slice(1).map((S) => ({ S })),
  number: numbers('-1', '0', '9', '10', '1E-130', '9.9E125'),
  long: numbers('-9223372036854775808', '-1', '0', '10', '9223372036854775807'),
  int: numbers('-2147483648', '-1', '0', '10', '2147483647'),
  decimal: numbers('-99999', '-1', '0', '2', '10', '99999'),
  binary: ['AA==', 'AAA=', 'AP8=', 'fw==', 'gA==', '/w=='].map((B) => ({ B })),
}
const LIMIT_COLUMNS = {
  wide: 'decimal(38,10)',
  whole: 'decimal(38,0)',
  middle: 'decimal(18,2)',
  small: 'decimal(5,2)',
  ratio: 'double',
  flag: 'boolean',
  long: 'long',
  born: 'date',
  seen: 'timestamptz(us)',
  blob: 'binary',
  note: 'string',
}
const LIMITS: readonly object[] = [
  {},
  {
    wide: { N: '9999999999999999999999999999.9999999999' },
    whole: { N: '99999999999999999999999999999999999999' },
    middle: { N: '9999999999999999.99' },
    small: { N: '999.99' },
    ratio: { N: '1.7976931348623157E+125' },
    flag: { BOOL: true },
    long: { N: '9223372036854775807' },
    born: { S: '9999-12-31' },
    seen: { N: '253402300799999999' },
    blob: { B: '/w==' },
    note: { S: '\u{1f600}' },
  },
  {
    wide: { N: '-9999999999999999999999999999.9999999999' },
    whole: { N: '-99999999999999999999999999999999999999' },
    middle: { N: '-0.01' },
    small: { N: '-999.99' },
    ratio: { N: '-1E-130' },
    flag: { BOOL: false },
    long: { N: '-9223372036854775808' },
    born: { S: '0001-01-01' },
    seen: { N: '-62135596800000000' },
    blob: { B: '' },
    note: { S: '' },
  },
  { wide: { NULL: true }, whole: { S: 'no number' }, small: { N: '1' } },
]

function lineOf(keys: object, sequence: number, item: object | null, more: object = {}): string {
  return `${JSON.stringify({
    ...{
      format: 'lastwrite/1',
      table: 'orders',
      source: ORDERS.source,
      stream: STREAM,
      at: 1_795_334_400,
      keys,
      ...more,
    },
    sequence: String(10n ** 21n + BigInt(sequence)),
    operation: item === null ? 'remove' : 'modify',
    ...(item !== null && { item: { ...keys, ...item } }),
  })}\n`
}

const put = (pk: string, sequence: number) =>
  lineOf({ pk: { S: pk } }, sequence, { status: { S: `${pk} ${sequence}` } })
const removal = (pk: string, sequence: number) => lineOf({ pk: { S: pk } }, sequence, null)

async function rowsInOrder(files: readonly DataFile[]): Promise<unknown> {
  const connection = await (await DuckDBInstance.create()).connect()
  const byPartition = new Map<string, unknown[]>()
  for (const { path, partition } of files) {
    const query = `SELECT columns(*)::VARCHAR FROM read_parquet('${path}', hive_partitioning = false)`
    const rows = byPartition.get(String(partition)) ?? []
    rows.push(...(await connection.runAndReadAll(query)).getRowObjects())
    byPartition.set(String(partition), rows)
  }
  connection.closeSync()
  return byPartition
}

async function writeParquet(folder: string, select: string, ids: string): Promise<string> {
  const path = `${folder}-${select.length}.parquet`
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, ${ids})`)
  connection.closeSync()
  return `file://${path}`
}

// `LASTWRITE_SPARK_SETS` sets how many; a failure prints its seed, and `LASTWRITE_SEED=<seed>` runs the same sets again.
const sets = Number(process.env.LASTWRITE_SPARK_SETS ?? 10)
const seed = process.env.LASTWRITE_SEED
const runs = { numRuns: sets, ...(seed !== undefined && { seed: Number(seed) }) }

describeWith('spark', 'the same changes merged by Node and by Spark', () => {
  let spark: SparkSession
  beforeAll(() => {
    spark = openSparkSession()
  })
  afterAll(() => spark.close())

  it(`leave the same rows in the same order, ${sets} times`, { timeout: 1_800_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), (g) => expectSameTable(changeSet(g))),
      runs,
    )
    expect(spark.done).toBeGreaterThan(sets / 2)
  })

  it.each(KEYS)('leave the same rows at the limits of each type: keys %j', async (...types) => {
    const key = types.map((_, i) => `k${i}`)
    const columns = { ...Object.fromEntries(types.map((type, i) => [key[i], type])), ...LIMIT_COLUMNS }
    const definition = { ...ORDERS, key, columns, partition_by: [`bucket(${key.at(-1)}, 2)`], on_ttl: 'keep' }
    const keys = types.map((type) => KEY_VALUES[type.replace(/\(.*/, '')]!)
    const all = keys[0]!.flatMap((first) =>
      (keys[1] ?? [null]).map((second) => (second === null ? [first] : [first, second])),
    )
    const line = (values: readonly object[], sequence: number, item: object | null, more: object = {}) =>
      lineOf(Object.fromEntries(values.map((value, i) => [key[i], value])), sequence, item, more)
    const first = all.slice(0, -1).map((values, i) => line(values, 10 + i, LIMITS[i % LIMITS.length]!))
    const second = all.map((values, i) => {
      if (i % 4 === 0) return line(values, 5, LIMITS[0]!)
      if (i % 4 === 1) return line(values, 100, null)
      if (i % 4 === 2) return line(values, 100, null, { by: 'ttl' })
      return line(values, 100, LIMITS[(i + 1) % LIMITS.length]!)
    })
    await expectSameRows(definition, first, second)
  })

  it.each([
    ['where nothing is stored', [], ['a', 'b', 'c'].map((pk, i) => put(pk, i))],
    ['where all rows go', ['a', 'b'].map((pk, i) => put(pk, i)), ['a', 'b'].map((pk) => removal(pk, 9))],
    [
      'where all that comes is removals of nothing',
      [put('a', 1), put('c', 2)],
      ['b', 'bb'].map((pk) => removal(pk, 9)),
    ],
    ['where all that comes is late', ['a', 'b'].map((pk, i) => put(pk, 5 + i)), ['a', 'b'].map((pk) => put(pk, 1))],
  ])('leave the same rows %s', async (_, first, second) => {
    await expectSameRows(ORDERS, first, second)
  })

  it('leave the same rows of files that others wrote twice over, deleted from, and left columns out of', async () => {
    const first = [...'abcdefgh'].map((pk, i) => put(pk, 10 + i))
    const second = [put('a', 99), put('c', 12), removal('x', 99), put('z', 99), removal('y', 99)]
    await expectSameRows(ORDERS, first, second, async (folder) => {
      const [stored] = await currentFiles(localStore(), `file://${folder}`)
      const ids = 'FIELD_IDS {pk: 1, status: 2, _stream: 7, _sequence: 8}'
      const foreign = await writeParquet(
        folder,
        `SELECT * FROM (VALUES ('x', 'old', '${STREAM}', '0150'), ('x', 'new', '${STREAM}', '0151'), ('y', 'none', NULL, NULL),
          ('b', 'newer', '${STREAM}', '0299'), ('d', 'older', '${STREAM}', '0111')) AS t(pk, status, _stream, _sequence)`,
        ids,
      )
      const deletes = await writeParquet(
        folder,
        `SELECT * FROM (VALUES ('${stored!.path}', 4::BIGINT), ('${foreign.slice('file://'.length)}', 1)) AS t(file_path, pos)`,
        'FIELD_IDS {file_path: 2147483546, pos: 2147483545}',
      )
      await alterColumns(folder, (fields) => [
        ...fields,
        { id: 100, name: 'later', required: false, type: { kind: 'decimal', precision: 5, scale: 2 } },
      ])
      await addForeignFiles(folder, [foreignFile(foreign, 'data', 5)])
      await addForeignFiles(folder, [foreignFile(deletes, 'deletes', 2)])
    })
  })

  /** Both tables are made by Node, and changed by `between`, before the last merge. */
  async function expectSameRows(
    definition: object,
    first: readonly string[],
    second: readonly string[],
    between: (folder: string) => Promise<void> = async () => {},
  ): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'lastwrite-parity-'))
    const mergeAll = async (name: string, options: MergeOptions) => {
      const store = localStore({ durable: false })
      const [location, landing] = [`${folder}/${name}`, `file://${folder}/landing-${name}/`]
      const environment = environmentOver(store)
      const table = await createTable(
        `file://${location}`,
        parseTableDefinition(JSON.stringify(definition)),
        environment,
      )
      const counts: object[] = []
      for (const [number, lines] of [first, second].entries()) {
        if (number === 1) await between(location)
        await store.put(`${landing}${number}`, Buffer.from(lines.join('')), { kind: 'create' })
        const report = await mergeLanding(table, [landing], number === 1 ? options : {})
        expect(report).toMatchObject({ exitCode: 0, lines: { quarantined: 0 } })
        counts.push(report.lines, report.rows)
      }
      return { rows: await rowsInOrder(await currentFiles(store, `file://${location}`)), counts }
    }
    try {
      const before = spark.done
      const byNode = await mergeAll('node', {})
      expect(await mergeAll('spark', { cluster: { engine: spark, use: 'always' } })).toEqual(byNode)
      expect(spark.done).toBeGreaterThan(before)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  /** All merges but the last are Node's for both. */
  async function expectSameTable({ table: spec, merges }: ChangeSet): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'lastwrite-parity-'))
    const mergeAll = async (name: string, cluster: ClusterOptions | null) => {
      const store = localStore({ durable: false })
      const [location, landing] = [`file://${folder}/${name}`, `file://${folder}/landing-${name}/`]
      const table = await createTestTable(spec, environmentOver(store), location)
      const reports = []
      for (const [number, objects] of merges.entries()) {
        await land(store, objects, landing)
        const isLast = number === merges.length - 1
        reports.push(await mergeLanding(table, [landing], isLast && cluster !== null ? { cluster } : {}))
      }
      const files = await storedRows(spec, store, location)
      const byPartition = Map.groupBy(files, ({ file }) => partitionText(file.partition))
      const { lines, rows, movedOut, exitCode } = reports.at(-1)!
      return {
        rows: new Map([...byPartition].map(([partition, of]) => [partition, of.flatMap((file) => file.rows)])),
        report: { lines, rows, movedOut, exitCode },
      }
    }
    try {
      const byNode = await mergeAll('node', null)
      const bySpark = await mergeAll('spark', { engine: spark, use: 'always' })
      expect(bySpark).toEqual(byNode)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
})
