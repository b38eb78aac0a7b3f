import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addForeignFiles, alterColumns, foreignFile } from './foreign-commit.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

let space: Workspace
let files = 0

beforeEach(() => {
  space = newWorkspace()
})
afterEach(() => space.remove())

const ORDERS = JSON.parse(ORDERS_DEFINITION)

/** A table without partitions, with a row for each key; one file, some rows in each of its row groups. */
async function createOrders(keys: readonly string[], location = 'lake/orders'): Promise<string> {
  const folder = await createTable({ ...ORDERS, partition_by: [], row_group_rows: 3 }, location)
  const lines = keys.map((pk, i) => changeLine({ sequence: String(10n ** 21n + BigInt(i)), pk, item: {} }))
  const landing = `landing-${files++}`
  space.write(`${landing}/1`, lines.join(''))
  const merged = await space.lastwrite('merge', location, '--landing', landing)
  if (merged.code !== 0) throw new Error(merged.stderr)
  return folder
}

async function createTable(definition: Record<string, unknown>, location = 'lake/orders'): Promise<string> {
  space.write('orders.table.json', JSON.stringify(definition))
  const { code, stderr } = await space.lastwrite('init', location, '--definition', 'orders.table.json')
  if (code !== 0) throw new Error(stderr)
  return join(space.folder, location)
}

/** Writes a Parquet file by DuckDB, as another engine would; gives its path. */
async function writeParquet(select: string, ...options: string[]): Promise<string> {
  const path = join(space.folder, `foreign-${files++}.parquet`)
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(`COPY (${select}) TO '${path}' (${['FORMAT parquet', ...options].join(', ')})`)
  connection.closeSync()
  return path
}

async function deletesOf(rows: readonly (readonly [path: string, row: number])[]): Promise<string> {
  const values = rows.map(([path, row]) => `('${path}', ${row}::BIGINT)`)
  const ids = 'FIELD_IDS {file_path: 2147483546, pos: 2147483545}'
  return writeParquet(`SELECT * FROM (VALUES ${values.join(', ')}) AS deletes(file_path, pos)`, ids)
}

async function rowsOf(query: string, location = 'lake/orders'): Promise<unknown> {
  const { code, stdout, stderr } = await space.lastwrite('sql', location, query, '--json')
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

async function dataFile(location = 'lake/orders'): Promise<string> {
  const { stdout } = await space.lastwrite('why', location, '--key', '{"pk":"a"}', '--json')
  return JSON.parse(stdout).rows[0].file.replace('file://', '')
}

const KEYS = [...'abcdefghij']
const pks = (keys: string) => [...keys].map((pk) => ({ pk }))

it.each(['file://', 'file:', ''])(
  'leaves out rows that a delete file names by their position in %s/…',
  async (scheme) => {
    const table = await createOrders(KEYS)
    const path = await dataFile()
    const deletes = await deletesOf([
      [`${scheme}${path}`, 1],
      [`${scheme}${path}`, 7],
      [`${scheme}${path}.of-another-file`, 0],
    ])
    await addForeignFiles(table, [foreignFile(deletes, 'deletes', 3)])
    expect(await rowsOf('select pk from t order by pk')).toEqual(pks('acdefgij'))
    expect(await rowsOf("select pk from t where pk > 'f' order by pk")).toEqual(pks('gij'))
    expect(await rowsOf('select count(*) as n from orders')).toEqual([{ n: 8 }])
  },
)

it('applies two delete files that name the same row once, and shows files without deletes whole', async () => {
  const table = await createOrders(KEYS)
  const path = await dataFile()
  const deletes = [
    await deletesOf([[path, 0]]),
    await deletesOf([
      [path, 0],
      [path, 9],
    ]),
  ]
  await addForeignFiles(
    table,
    deletes.map((file) => foreignFile(file, 'deletes', 1)),
  )
  const more = await writeParquet(`SELECT 'z' AS pk, '' AS _stream, '' AS _sequence`)
  await addForeignFiles(table, [foreignFile(more, 'data', 1)])
  expect(await rowsOf('select pk from t order by pk')).toEqual(pks('bcdefghiz'))
})

it('leaves no file where a merge removes the rows that deletes had left', async () => {
  const table = await createOrders(['a', 'b'])
  await addForeignFiles(table, [foreignFile(await deletesOf([[await dataFile(), 1]]), 'deletes', 1)])
  space.write('removal/1', changeLine({ sequence: String(2n * 10n ** 21n), pk: 'a' }))
  const { code, stdout } = await space.lastwrite('merge', 'lake/orders', '--landing', 'removal', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ rows: { removed: 1 }, files: { added: 0, removed: 1 } })
  expect(await rowsOf('select pk from t')).toEqual([])
})

it('still reads the snapshot before a delete', async () => {
  const table = await createOrders(KEYS)
  await addForeignFiles(table, [foreignFile(await deletesOf([[await dataFile(), 0]]), 'deletes', 1)])
  const { stdout } = await space.lastwrite('history', 'lake/orders', '--json')
  const first = [...stdout.matchAll(/"snapshot": (\d+)/g)].map((id) => id[1]!).at(-1)!
  const before = await space.lastwrite(
    'sql',
    'lake/orders',
    'select count(*) as n from t',
    '--json',
    '--snapshot',
    first,
  )
  expect(JSON.parse(before.stdout)).toEqual([{ n: 10 }])
})

it('names a delete file that is missing', async () => {
  const table = await createOrders(KEYS)
  const deletes = await deletesOf([[await dataFile(), 0]])
  await addForeignFiles(table, [{ ...foreignFile(deletes, 'deletes', 1), path: `${deletes}.gone` }])
  const { code, stderr } = await space.lastwrite('sql', 'lake/orders', 'select * from t')
  expect(code).toBe(21)
  expect(stderr).toContain(`${deletes}.gone`)
})

it('binds the columns of files without field ids by their names', async () => {
  const table = await createOrders(['a'])
  // In another order, of narrower types, with a column that the table does not have, without others that it has.
  const foreign = await writeParquet(`SELECT 7::INTEGER AS items, 'new' AS status, 1 AS filename, 2 AS pos, 'z' AS pk`)
  const narrower = await writeParquet(`SELECT 'y' AS pk, 1.5::DECIMAL(4,1) AS total`)
  await addForeignFiles(table, [foreignFile(foreign, 'data', 1), foreignFile(narrower, 'data', 1)])
  const query = 'select pk, status, items, total from t order by pk'
  const nulls = { status: null, items: null, total: null }
  const a = { ...nulls, pk: 'a' }
  const y = { ...nulls, pk: 'y', total: 1.5 }
  const z = { ...nulls, pk: 'z', status: 'new', items: 7 }
  expect(await rowsOf(query)).toEqual([a, y, z])
  await addForeignFiles(table, [foreignFile(await deletesOf([[foreign, 0]]), 'deletes', 1)])
  expect(await rowsOf(query)).toEqual([a, y])
})

it('reads files without field ids whose columns differ in type alone', async () => {
  const table = await createOrders(['a'])
  const before = await writeParquet(`SELECT 'y' AS pk, 7::INTEGER AS items, 1.5::DECIMAL(4,1) AS total`)
  const since = await writeParquet(`SELECT 'z' AS pk, 5000000000::BIGINT AS items, 1.25::DECIMAL(4,2) AS total`)
  await addForeignFiles(table, [foreignFile(before, 'data', 1), foreignFile(since, 'data', 1)])
  expect(await rowsOf("select pk, items, total from t where pk > 'a' order by pk")).toEqual([
    { pk: 'y', items: 7, total: 1.5 },
    { pk: 'z', items: 5_000_000_000, total: 1.25 },
  ])
})

it('takes field ids of -1, as some writers give, for none', async () => {
  const table = await createOrders(['a'])
  const foreign = await writeParquet(`SELECT 'z' AS pk`, 'FIELD_IDS {pk: 63}')
  const bytes = readFileSync(foreign)
  // The id follows the name, zigzag-coded: 63 is 0x7e, -1 is 0x01.
  bytes[bytes.indexOf(0x7e, bytes.indexOf('pk'))] = 0x01
  writeFileSync(foreign, bytes)
  await addForeignFiles(table, [foreignFile(foreign, 'data', 1)])
  expect(await rowsOf('select pk from t order by pk')).toEqual(pks('az'))
})

describe('files of a Hive table, which lack the column that they are partitioned by,', () => {
  const BY_STATUS = ['identity(status)']

  it.each([
    ['without field ids', () => []],
    ['with field ids', (columns: string) => [`FIELD_IDS {${columns}}`]],
  ])('have the value of their partition %s', async (_, ids) => {
    const table = await createTable({ ...ORDERS, partition_by: BY_STATUS })
    const lacking = (rows: string) =>
      writeParquet(`SELECT * FROM (VALUES ${rows}) AS rows(pk, items)`, ...ids('pk: 1, items: 3'))
    const whole = await writeParquet(`SELECT 'a' AS pk, 'paid' AS status`, ...ids('pk: 1, status: 2'))
    const paid = await lacking("('b', 1::BIGINT), ('c', 2), ('d', 3)")
    await addForeignFiles(table, [
      foreignFile(whole, 'data', 1, ['paid']),
      foreignFile(paid, 'data', 3, ['paid']),
      foreignFile(await lacking("('e', 4::BIGINT)"), 'data', 1, ['paid']),
      foreignFile(await lacking("('f', 5::BIGINT)"), 'data', 1, ['new']),
      foreignFile(await lacking("('g', 6::BIGINT)"), 'data', 1, [null]),
    ])
    await addForeignFiles(table, [foreignFile(await deletesOf([[paid, 1]]), 'deletes', 1, ['paid'])])
    expect(await rowsOf('select pk, status, items from t order by pk')).toEqual([
      { pk: 'a', status: 'paid', items: null },
      { pk: 'b', status: 'paid', items: 1 },
      { pk: 'd', status: 'paid', items: 3 },
      { pk: 'e', status: 'paid', items: 4 },
      { pk: 'f', status: 'new', items: 5 },
      { pk: 'g', status: null, items: 6 },
    ])
    expect(await rowsOf("select pk from t where status = 'paid' order by pk")).toEqual(pks('abde'))
  })

  it.each([
    ['string', "it's", "it's"],
    ['string', '', ''],
    ['string', 'a\0\\n😀', 'a\0\\n😀'],
    ['number', '1e2', '1e2'],
    ['int', -(2 ** 31), -(2 ** 31)],
    ['long', '-9223372036854775808', -(2n ** 63n)],
    ['decimal(38,2)', '999999999999999999999999999999999999.99', 10n ** 38n - 1n],
    ['decimal(38,37)', '-0.0000000000000000000000000000000000001', -1n],
    ['decimal(5,0)', '-12', -12n],
    ['boolean', true, true],
    ['boolean', false, false],
    ['date', '1969-12-31', -1],
    ['date', '9999-12-31', 2_932_896],
    ['timestamptz', '1969-12-31 23:59:59.999999+00', -1n],
    ['timestamptz', '2026-11-22 08:00:00.123456+00', 1_795_334_400_123_456n],
    ['binary', 'hex 00275CFF', Uint8Array.of(0, 39, 92, 255)],
    ['binary', 'hex ', new Uint8Array()],
  ] as const)('have it exactly: %s %j', async (type, shown, value) => {
    const table = await createTable({ ...ORDERS, columns: { pk: 'string', of: type }, partition_by: ['identity(of)'] })
    await addForeignFiles(table, [foreignFile(await writeParquet(`SELECT 'a' AS pk`), 'data', 1, [value])])
    const digits = typeof value === 'bigint' ? 'of::VARCHAR' : type === 'binary' ? "'hex ' || hex(of)" : 'of'
    expect(await rowsOf(`select ${digits} as of from t`)).toEqual([{ of: shown }])
  })

  it('have it for a key too', async () => {
    const table = await createTable({
      ...ORDERS,
      key: ['pk', 'items'],
      partition_by: ['identity(pk)', 'identity(items)'],
    })
    const both = await writeParquet(`SELECT 'new' AS status`)
    const one = await writeParquet(`SELECT 8::BIGINT AS number, 'paid' AS status`, 'FIELD_IDS {number: 2, status: 3}')
    await addForeignFiles(table, [foreignFile(both, 'data', 1, ['a', 7n]), foreignFile(one, 'data', 1, ['b', 8n])])
    expect(await rowsOf('select pk, items, status from t order by pk')).toEqual([
      { pk: 'a', items: 7, status: 'new' },
      { pk: 'b', items: 8, status: 'paid' },
    ])
  })
})

it('shows columns that other engines add or rename, under the names that they have by now', async () => {
  const table = await createOrders(['a', 'b'])
  await alterColumns(table, (fields) => [
    ...fields.map((field) => (field.name === 'status' ? { ...field, name: 'state' } : field)),
    { id: 100, name: 'filename', required: false, type: { kind: 'date' } },
  ])
  const foreign = await writeParquet(
    `SELECT 'z' AS key, 'paid' AS was_status, DATE '2026-11-24' AS since`,
    'FIELD_IDS {key: 1, was_status: 2, since: 100}',
  )
  await addForeignFiles(table, [
    foreignFile(foreign, 'data', 1),
    foreignFile(await deletesOf([[await dataFile(), 1]]), 'deletes', 1),
  ])
  expect(await rowsOf('select pk, state, filename from t order by pk')).toEqual([
    { pk: 'a', state: null, filename: null },
    { pk: 'z', state: 'paid', filename: '2026-11-24' },
  ])
})

it('reads a table whose path looks like a pattern, and not the one that it matches', async () => {
  await createOrders(['neighbour'], 'lake1/orders')
  await createOrders(['a'], 'lake[1]/orders')
  expect(await rowsOf('select pk from t', 'lake[1]/orders')).toEqual([{ pk: 'a' }])
})
