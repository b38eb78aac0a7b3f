import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const COMMANDS = [
  ...['init', 'merge', 'plan', 'inspect', 'history', 'sql', 'why'],
  ...['maintain', 'expire', 'purge', 'clean', 'rollback'],
]
const TOLD_BY_BATCH: Readonly<Record<string, string>> = {
  index: 'AWS_BATCH_JOB_ARRAY_INDEX',
  queue: 'AWS_BATCH_JQ_NAME',
}
const BIG = '12345678901234567890123456789012345.67'

let space: Workspace

beforeAll(() => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
})
afterAll(() => space.remove())

describe('lastwrite', () => {
  it('lists its commands', async () => {
    const { code, stdout } = await space.lastwrite('--help')
    expect(code).toBe(0)
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
  })

  it('says which version it is', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    expect(await space.lastwrite('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it.each(COMMANDS)('explains %s with an example and the variables of its options', async (command) => {
    const { code, stdout } = await space.lastwrite(command, '--help')
    expect(code).toBe(0)
    expect(stdout).toContain(`Example:\n  lastwrite ${command} ./lake/orders`)
    const text = stdout.replaceAll(/\s+/g, ' ')
    const options = stdout.match(/^ {2}--[a-z-]+/gm)!.map((option) => option.trim().slice(2))
    for (const option of options) {
      const variable = TOLD_BY_BATCH[option] ?? `LASTWRITE_${option.toUpperCase().replaceAll('-', '_')}`
      expect(text).toContain(`env: ${variable})`)
    }
  })

  it.each([
    [['merrge', './lake/orders'], 'merge'],
    [['merge', './lake/orders'], '--landing'],
    [['merge', './lake/orders', '--landing', '.', '--fast'], '--fast'],
    [['sql', './lake/orders'], 'query'],
    [['sql', './lake/orders', 'select 1', '--snapshot', 'first'], 'lastwrite history'],
  ])('refuses the command line %j', async (words, named) => {
    const { code, stdout, stderr } = await space.lastwrite(...words)
    expect(code).toBe(20)
    expect(stdout).toBe('')
    expect(stderr).toContain(named)
  })

  it('gives its outcome as the exit code of its process', async () => {
    const [done, refused] = await Promise.all([space.lastwriteProcess('--help'), space.lastwriteProcess('merrge')])
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(refused).toMatchObject({ code: 20, stdout: '' })
    expect(refused.stderr).toContain('Did you mean merge?')
  })
})

describe('lastwrite init', () => {
  it('creates a table once', async () => {
    const first = await space.lastwrite('init', './once/orders', '--definition', 'orders.table.json', '--json')
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(first.stdout)).toEqual({
      table: 'orders',
      location: `file://${join(space.folder, 'once/orders')}`,
      partitions: ['pk_bucket'],
    })
    const second = await space.lastwrite('init', './once/orders', '--definition', 'orders.table.json')
    expect(second.code).toBe(20)
    expect(second.stderr).toMatch(/once\/orders.*stands/)
  })

  it.each([
    ['missing.json', ORDERS_DEFINITION, /missing\.json.*no such file.*correct --definition/],
    [
      'bad.json',
      ORDERS_DEFINITION.replace('bucket', 'buckets'),
      /unknown transform "buckets"; did you mean "bucket"\?/,
    ],
  ])('says in one line what is wrong with %s', async (file, content, message) => {
    if (file !== 'missing.json') space.write(file, content)
    const { code, stdout, stderr } = await space.lastwrite('init', './never/orders', '--definition', file)
    expect({ code, stdout }).toEqual({ code: 20, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it('refuses a store that it cannot reach', async () => {
    const { code, stderr } = await space.lastwrite('init', 's3://b/orders', '--definition', 'orders.table.json')
    expect(code).toBe(20)
    expect(stderr).toContain('s3://b/orders')
  })
})

describe('a table of orders', () => {
  const table = './lake/orders'
  const query = (sql: string, ...more: string[]) => space.lastwrite('sql', table, sql, '--json', ...more)

  beforeAll(async () => {
    await space.lastwrite('init', table, '--definition', 'orders.table.json')
    const lines = [
      changeLine({ sequence: '900000000000000000000', pk: 'a', item: { status: { S: 'open' }, items: { N: '1' } } }),
      // Shorter sequence numbers sort after longer ones as text, and before them as numbers.
      changeLine({ sequence: '1000000000000000000000', pk: 'a', item: { status: { S: 'paid' }, total: { N: BIG } } }),
      changeLine({ sequence: '900000000000000000001', pk: 'b', item: { items: { N: '9007199254740993' } } }),
      changeLine({ sequence: '900000000000000000002', pk: 'c', item: { status: { S: 'open' }, note: { S: 'hi' } } }),
      changeLine({ sequence: '900000000000000000003', pk: 'c' }),
      changeLine({ sequence: '900000000000000000004', pk: 'x', item: {}, table: 'customers' }),
      'not json\n',
    ]
    space.write('landing/2026/11/24/08/orders-1.gz', gzipSync(lines.join('')))
  })

  it('plans without changing anything', async () => {
    const [plan, dryRun] = await Promise.all([
      space.lastwrite('plan', table, '--landing', 'landing', '--json'),
      space.lastwrite('merge', table, '--landing', 'landing', '--dry-run', '--json'),
    ])
    expect(plan).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(dryRun.stdout)).toEqual(JSON.parse(plan.stdout))
    expect(JSON.parse(plan.stdout)).toMatchObject({
      objects: { listed: 1, alreadyMerged: 0, toMerge: 1 },
      lines: { read: 7, superseded: 2, quarantined: 1, otherTable: 1, stale: 0 },
    })
    expect(JSON.parse((await space.lastwrite('history', table, '--json')).stdout)).toEqual([])
    expect(JSON.parse((await query('select * from orders')).stdout)).toEqual([])
  })

  it('merges, and reports where each line went', async () => {
    const { code, stdout } = await space.lastwrite('merge', table, '--landing', 'landing', '--json')
    expect(code).toBe(0)
    const report = JSON.parse(stdout)
    const { read, ...classes } = report.lines
    expect(read).toBe(7)
    expect(Object.values<number>(classes).reduce((sum, lines) => sum + lines)).toBe(7)
    expect(report.lines).toMatchObject({ applied: 3, superseded: 2, quarantined: 1, otherTable: 1 })
    expect(report.rows).toEqual({ inserted: 2, replaced: 0, removed: 0 })
  })

  it('has nothing to do the second time', async () => {
    const { code, stdout, stderr } = await space.lastwrite('merge', table, '--landing', 'landing')
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'orders: nothing to do, 1 object already merged\n',
      stderr: '',
    })
  })

  it('answers SQL with every digit of a number', async () => {
    const { code, stdout } = await query('select pk, status, items, total, _sequence from orders order by pk')
    expect(code).toBe(0)
    expect(stdout).toBe(
      `[
{"pk":"a","status":"paid","items":null,"total":${BIG},"_sequence":"221000000000000000000000"},
{"pk":"b","status":null,"items":9007199254740993,"total":null,"_sequence":"21900000000000000000001"}
]
`,
    )
  })

  it('answers SQL in a table for people', async () => {
    const { stdout } = await space.lastwrite('sql', table, 'select pk, items, _updated_at from t order by pk')
    expect(stdout.split('\n')).toEqual([
      'pk             items  _updated_at',
      'a                     2026-11-22 08:00:00+00',
      'b   9007199254740993  2026-11-22 08:00:00+00',
      '',
    ])
  })

  it.each([
    ['select nothing from orders', /nothing/],
    ["copy (select 1) to 'x.parquet'", /x\.parquet/],
    ['drop view orders', /not a query/],
    ['create table x (a int)', /not a query/],
    ['select 1; select 2', /2 statements/],
    ["select * from read_text('orders.table.json')", /orders\.table\.json/],
  ])('refuses the SQL %s', async (sql, message) => {
    const { code, stderr } = await query(sql)
    expect(code).toBe(20)
    expect(stderr).toMatch(message)
  })

  it('says why a row is what it is, and why another is not there', async () => {
    const [row, removed, unknown] = await Promise.all(
      ['a', 'c', 'z'].map((pk) => space.lastwrite('why', table, '--key', JSON.stringify({ pk }), '--json')),
    )
    expect(JSON.parse(row!.stdout)).toMatchObject({
      rows: [
        { sequence: '1000000000000000000000', row: { pk: 'a', status: 'paid', _updated_at: '2026-11-22T08:00:00Z' } },
      ],
      tombstones: [],
    })
    expect(JSON.parse(removed!.stdout)).toMatchObject({
      rows: [],
      tombstones: [{ kind: 'removed', sequence: '900000000000000000003' }],
    })
    expect(JSON.parse(unknown!.stdout)).toMatchObject({ rows: [], tombstones: [] })
  })

  it.each([
    ['pk=a', /not valid JSON/],
    ['{"sk":"a"}', /pk/],
  ])('refuses the key %s', async (key, message) => {
    const { code, stderr } = await space.lastwrite('why', table, '--key', key)
    expect(code).toBe(20)
    expect(stderr).toMatch(message)
  })

  it('shows what it is', async () => {
    const { stdout } = await space.lastwrite('inspect', table, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      table: 'orders',
      rows: 2,
      key: ['pk'],
      state: { tombstones: { rows: 1 }, ledger: { rows: 1 }, watermark: null },
      definition: JSON.parse(ORDERS_DEFINITION),
    })
  })

  it('takes its options from the environment, reads earlier snapshots, and lists them', async () => {
    space.write('late/1', changeLine({ sequence: '2000000000000000000000', pk: 'b' }))
    space.write('later/1', changeLine({ sequence: '900000000000000000002', pk: 'c', item: {} }))
    const environment = { LASTWRITE_LANDING: 'landing,late,later', LASTWRITE_JSON: '1', LASTWRITE_DRY_RUN: '0' }
    const { stdout } = await space.lastwriteWith(environment, 'merge', table)
    expect(JSON.parse(stdout)).toMatchObject({
      objects: { listed: 3, alreadyMerged: 1, merged: 2 },
      lines: { read: 2, applied: 1, stale: 1 },
    })
    const history = JSON.parse((await space.lastwrite('history', table, '--json')).stdout)
    expect(history).toHaveLength(2)
    expect(Date.parse(history[0].at)).toBeGreaterThanOrEqual(Date.parse(history[1].at))
    const snapshot = /"snapshot": (\d+)/g
    const ids = [...(await space.lastwrite('history', table, '--json')).stdout.matchAll(snapshot)].map((id) => id[1]!)
    expect(JSON.parse((await query('select pk from orders')).stdout)).toEqual([{ pk: 'a' }])
    expect(JSON.parse((await query('select count(*) as n from orders', '--snapshot', ids[1]!)).stdout)).toEqual([
      { n: 2 },
    ])
  })

  it('ends with 20 for a landing folder that does not exist, and for a table that does not', async () => {
    const landing = await space.lastwrite('merge', table, '--landing', './landnig')
    expect(landing.code).toBe(20)
    expect(landing.stderr).toContain('./landnig')
    const absent = await space.lastwrite('merge', './lake/ordres', '--landing', 'landing')
    expect(absent.code).toBe(20)
    expect(absent.stderr).toMatch(/lake\/ordres.*lastwrite init/)
  })
})
