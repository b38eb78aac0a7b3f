// Merges into tables of AWS Glue, as moto plays it: created by the command line, raced for, and read by pyiceberg through Glue.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { CreateDatabaseCommand, GetTableCommand, GlueClient } from '@aws-sdk/client-glue'
import { mergeLanding, tableHistory } from '@lastwrite/merge-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { motoPython } from '../../../scripts/parts.ts'
import { type CatalogServer, describeWithCatalogs, startGlue } from '../../merge-core/interop/catalog-servers.ts'
import { openTableAt } from '../src/open-table.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'

describeWithCatalogs(['glue'], 'tables in Glue', () => {
  let server: CatalogServer
  let space: Workspace
  let glue: GlueClient
  const before = { ...process.env }

  beforeAll(async () => {
    server = await startGlue()
    space = newWorkspace()
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_GLUE: server.uri,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    })
    glue = new GlueClient({})
    const LocationUri = `file://${space.folder}/lake/shop`
    await glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'shop', LocationUri } }))
    space.write('orders.table.json', JSON.stringify({ ...JSON.parse(ORDERS_DEFINITION), partition_by: [] }))
  })
  afterAll(async () => {
    process.env = { ...before }
    glue.destroy()
    space.remove()
    await server.stop()
  })

  async function lastwrite(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await space.lastwrite(...words)
    if (code !== 0) throw new Error(stderr)
    return stdout
  }

  const land = (name: string, ...changes: Parameters<typeof changeLine>[0][]) =>
    space.write(name, changes.map(changeLine).join(''))
  const order = (pk: string, sequence: number, status = 'paid') => ({
    pk,
    sequence: String(10n ** 21n + BigInt(sequence)),
    item: { status: { S: status }, items: { N: String(sequence) } },
  })

  const entryOf = async (table: string) =>
    (await glue.send(new GetTableCommand({ DatabaseName: 'shop', Name: table }))).Table!

  /** The rows by pyiceberg's own Glue catalog, in the order of their keys. */
  async function readByPyiceberg(table: string): Promise<unknown> {
    const script = `
import json, sys
from pyiceberg.catalog.glue import GlueCatalog
table = GlueCatalog('glue', **{'glue.endpoint': sys.argv[1], 'glue.region': 'eu-west-1'}).load_table('shop.${table}')
rows = table.scan(selected_fields=('pk', 'status', 'items')).to_arrow().to_pylist()
print(json.dumps(sorted(rows, key=lambda row: row['pk'])))`
    return JSON.parse((await promisify(execFile)(motoPython.program, ['-c', script, server.uri])).stdout)
  }

  it('are made, merged into and asked by the command line', async () => {
    expect(await lastwrite('init', 'glue:shop.orders', '--definition', 'orders.table.json')).toContain(
      `created orders at file://${space.folder}/lake/shop/orders`,
    )
    land('landing/1', order('a', 1), order('b', 2), order('c', 3, 'new'))
    await lastwrite('merge', 'glue:shop.orders', '--landing', 'landing')
    land('landing/2', order('b', 4), { pk: 'c', sequence: String(10n ** 21n + 5n) })
    await lastwrite('merge', 'glue:shop.orders', '--landing', 'landing')
    const rows = [
      { pk: 'a', status: 'paid', items: 1 },
      { pk: 'b', status: 'paid', items: 4 },
    ]
    expect(
      JSON.parse(await lastwrite('sql', 'glue:shop.orders', 'select pk, status, items from t order by pk', '--json')),
    ).toEqual(rows)
    expect(await readByPyiceberg('orders')).toEqual(rows)

    const { Parameters, StorageDescriptor, TableType } = await entryOf('orders')
    expect([TableType, Parameters!.table_type]).toEqual(['EXTERNAL_TABLE', 'ICEBERG'])
    expect(Parameters!.metadata_location).toMatch(
      /\/lake\/shop\/orders\/metadata\/00002-[0-9a-f-]{36}\.metadata\.json$/,
    )
    expect(Parameters!.previous_metadata_location).toMatch(/\/00001-[0-9a-f-]{36}\.metadata\.json$/)
    expect(StorageDescriptor!.Columns!.map(({ Name, Type }) => `${Name} ${Type}`)).toEqual([
      'pk string',
      'status string',
      'items bigint',
      'total decimal(38,2)',
      'created_at timestamp',
      '_updated_at timestamp',
      '_stream string',
      '_sequence string',
      '_extra string',
    ])
  })

  it('are refused with what to do', async () => {
    const missing = await space.lastwrite('inspect', 'glue:shop.nothing')
    expect(missing).toMatchObject({ code: 20, stderr: expect.stringContaining('glue:shop.nothing: there is no table') })
    const nowhere = await space.lastwrite('init', 'glue:nowhere.orders', '--definition', 'orders.table.json')
    expect(nowhere).toMatchObject({ code: 20, stderr: expect.stringContaining('there is no database nowhere') })
  })

  it('hold every commit of merges that race for them', async () => {
    await lastwrite('init', 'glue:shop.raced', '--definition', 'orders.table.json')
    const racers = 6
    for (let racer = 0; racer < racers; racer++) {
      land(`raced-${racer}/1`, order('shared', 100 + racer), order(`own-${racer}`, racer))
    }
    const reports = await Promise.all(
      Array.from({ length: racers }, async (_, racer) =>
        mergeLanding(await openTableAt('glue:shop.raced'), [`file://${space.folder}/raced-${racer}/`]),
      ),
    )
    expect(reports.map(({ exitCode, lines }) => [exitCode, lines.read])).toEqual(Array(racers).fill([0, 2]))
    expect(await tableHistory(await openTableAt('glue:shop.raced'))).toHaveLength(racers)
    expect(await readByPyiceberg('raced')).toEqual([
      ...Array.from({ length: racers }, (_, racer) => ({ pk: `own-${racer}`, status: 'paid', items: racer })),
      { pk: 'shared', status: 'paid', items: 100 + racers - 1 },
    ])
  })

  it('take over what pyiceberg commits through Glue', async () => {
    await lastwrite('init', 'glue:shop.shared', '--definition', 'orders.table.json')
    land('shared/1', order('a', 1), order('b', 2))
    await lastwrite('merge', 'glue:shop.shared', '--landing', 'shared')
    const script = `
import sys
from pyiceberg.catalog.glue import GlueCatalog
table = GlueCatalog('glue', **{'glue.endpoint': sys.argv[1], 'glue.region': 'eu-west-1'}).load_table('shop.shared')
table.delete("pk == 'a'")
with table.update_schema() as update:
    from pyiceberg.types import LongType
    update.add_column('later', LongType())`
    await promisify(execFile)(motoPython.program, ['-c', script, server.uri])
    land('shared/2', order('b', 3), order('c', 4))
    await lastwrite('merge', 'glue:shop.shared', '--landing', 'shared')
    expect(await readByPyiceberg('shared')).toEqual([
      { pk: 'b', status: 'paid', items: 3 },
      { pk: 'c', status: 'paid', items: 4 },
    ])
    const columns = (await entryOf('shared')).StorageDescriptor!.Columns!
    expect(columns.filter(({ Name }) => Name === 'later').map(({ Type }) => Type)).toEqual(['bigint'])
  })
})
