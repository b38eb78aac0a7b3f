// What docs/athena.md says of types holds for a table that is made and merged, and DuckDB answers the queries that it shows.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hiveType } from '../../packages/batch-worker/src/hive-columns.ts'
import { changeLine, ORDERS_DEFINITION } from '../../packages/batch-worker/test/orders.ts'
import { newWorkspace, type Workspace } from '../../packages/batch-worker/test/run-lastwrite.ts'
import { namedQueries } from '../lib/queries.ts'

const PAGE = readFileSync(new URL('../../docs/athena.md', import.meta.url), 'utf8')

/** Amazon Athena User Guide, "Supported data types for Iceberg tables in Athena". */
const ATHENA: Readonly<Record<string, string>> = {
  ...{ boolean: 'boolean', int: 'int', long: 'bigint', double: 'double', 'decimal(12, 2)': 'decimal(12,2)' },
  ...{ string: 'string', binary: 'binary', date: 'date', timestamptz: 'timestamptz' },
}

/** Values of each type of DynamoDB: a column takes a type if it takes one of its values. */
const VALUES: readonly Readonly<Record<string, unknown>>[] = [
  ...['text', '7', '2026-11-22', '2026-11-22T08:00:00Z'].map((S) => ({ S })),
  ...['7', '12.5'].map((N) => ({ N })),
  { BOOL: true },
  { B: 'AAE=' },
  { M: { a: { N: '1' } } },
  { L: [{ S: 'x' }] },
  ...[{ SS: ['x'] }, { NS: ['1'] }, { BS: ['AAE='] }],
]
const DYNAMODB_TYPES = [...new Set(VALUES.flatMap(Object.keys))]

/** The cells of the lines of a table of the page, below a header that begins with this. */
function tableBelow(header: string): string[][] {
  const lines = PAGE.split('\n')
  const first = lines.findIndex((line) => line.startsWith(`| ${header}`)) + 2
  const end = lines.findIndex((line, i) => i > first && !line.startsWith('|'))
  return lines.slice(first, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
  )
}

describe('the types of the page', () => {
  const rows = tableBelow('in DynamoDB').map(([dynamodb, declared, iceberg, athena], i) => ({
    ...{ dynamodb: dynamodb!, declared: declared!, iceberg: iceberg!, athena: athena! },
    column: `c${i}`,
  }))
  let space: Workspace
  let metadata: { schemas: { fields: { name: string; type: string }[] }[] }
  let stored: Record<string, unknown>[]

  beforeAll(async () => {
    space = newWorkspace()
    const columns = Object.fromEntries(rows.map(({ column, declared }) => [column, declared]))
    const definition = { ...JSON.parse(ORDERS_DEFINITION), columns: { pk: 'string', ...columns }, on_ttl: 'keep' }
    space.write('orders.table.json', JSON.stringify(definition))
    const lines = VALUES.map((value, i) => {
      const item = Object.fromEntries(rows.map(({ column }) => [column, value]))
      return changeLine({ sequence: `4000${i}`, pk: `${i}`.padStart(2, '0'), item })
    })
    space.write('landing/1', lines.join(''))
    await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
    expect(await space.lastwrite('merge', 'lake/orders', '--landing', 'landing', '--quiet')).toMatchObject({ code: 0 })
    const folder = join(space.folder, 'lake/orders/metadata')
    const newest = readdirSync(folder)
      .filter((name) => /^v\d+\.metadata\.json$/.test(name))
      .sort()
      .at(-1)!
    metadata = JSON.parse(readFileSync(join(folder, newest), 'utf8'))
    stored = JSON.parse(
      (await space.lastwrite('sql', 'lake/orders', 'select * from orders order by pk', '--json')).stdout,
    )
  }, 60_000)
  afterAll(() => space.remove())

  const typeOf = (name: string) => metadata.schemas[0]!.fields.find((field) => field.name === name)!.type

  it('are those of the table', () => {
    expect(rows.map(({ column }) => typeOf(column))).toEqual(rows.map(({ iceberg }) => iceberg))
  })

  it('are, of DynamoDB, those whose values come into the column', () => {
    const taken = rows.map(({ column }) => {
      const types = VALUES.flatMap((value, i) => (stored[i]![column] === null ? [] : Object.keys(value)))
      return DYNAMODB_TYPES.every((type) => types.includes(type)) ? 'any' : [...new Set(types)].join(', ')
    })
    expect(taken).toEqual(rows.map(({ dynamodb }) => dynamodb))
  })

  it('are, in Athena, those that its manual has for the type of Iceberg, and in Glue the same but for the zone', () => {
    expect(rows.map(({ athena }) => athena)).toEqual(rows.map(({ iceberg }) => ATHENA[iceberg]))
    expect(rows.map(({ iceberg }) => hiveType(iceberg))).toEqual(
      rows.map(({ athena }) => athena.replace('timestamptz', 'timestamp')),
    )
  })

  it('leave out no type that a definition can have', () => {
    const schema = new URL('../../packages/merge-core/table-definition.schema.json', import.meta.url)
    const [{ enum: plain }, { pattern: decimal }] = JSON.parse(readFileSync(schema, 'utf8')).$defs.type.anyOf
    const declared = rows.map((row) => row.declared)
    expect(plain.filter((type: string) => !declared.includes(type))).toEqual([])
    expect(declared.some((type) => new RegExp(decimal).test(type))).toBe(true)
  })

  it('have the columns of lastwrite beside them', () => {
    const own = tableBelow('beside them').flatMap(([names, athena]) =>
      names!.split(', ').map((name) => [name.replaceAll('`', ''), athena]),
    )
    const made = metadata.schemas[0]!.fields.filter(({ name }) => name.startsWith('_'))
    expect(own).toEqual(made.map(({ name, type }) => [name, ATHENA[type]]))
  })
})

describe('the queries that people ask first', () => {
  const queries = namedQueries('shop', 'orders', ['pk'])

  let space: Workspace
  let snapshot: number

  beforeAll(async () => {
    space = newWorkspace()
    space.write('orders.table.json', ORDERS_DEFINITION)
    space.write('landing/1', changeLine({ sequence: '40001', pk: 'a', item: { status: { S: 'paid' } } }))
    await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
    await space.lastwrite('merge', 'lake/orders', '--landing', 'landing', '--quiet')
    const history = await space.lastwrite('history', 'lake/orders', '--json')
    snapshot = JSON.parse(history.stdout)[0].snapshot
  }, 60_000)
  afterAll(() => space.remove())

  it.each([
    ['rows', () => ({ pk: 'a', status: 'paid', items: null })],
    ['history', () => ({ snapshot_id: snapshot, operation: 'append' })],
    ['lag', () => ({ newest_change: '2026-11-22 08:00:00+00', newest_snapshot: '2026-11-22 09:00:00+00' })],
  ])('%s: DuckDB answers it', async (name, row) => {
    const { sql } = queries.find((query) => query.name === name)!
    // Athena has a table of the snapshots, DuckDB none.
    const snapshots = `select timestamptz '2026-11-22 09:00:00Z' as committed_at, ${snapshot} as snapshot_id, 'append' as operation, map {} as summary`
    const answer = await space.lastwrite(
      'sql',
      'lake/orders',
      `with "orders$snapshots" as (${snapshots}) ${sql}`,
      '--json',
    )
    expect(JSON.parse(answer.stdout)).toEqual([expect.objectContaining(row())])
  })
})
