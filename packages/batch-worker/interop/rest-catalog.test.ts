// The command line with a table in Iceberg's own REST catalog.

import { mkdirSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type CatalogServer,
  createNamespace,
  describeWithCatalogs,
  type LossyProxy,
  startLossyProxy,
  startRestCatalog,
} from '../../merge-core/interop/catalog-servers.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'

describeWithCatalogs(['rest'], 'the command line with a REST catalog', () => {
  let server: CatalogServer
  let proxy: LossyProxy
  let space: Workspace

  beforeAll(async () => {
    space = newWorkspace()
    mkdirSync(`${space.folder}/catalog`)
    server = await startRestCatalog(`${space.folder}/catalog`)
    proxy = await startLossyProxy(server.uri)
    await createNamespace(server, 'shop')
    space.write('orders.table.json', ORDERS_DEFINITION)
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
    space.remove()
  })

  const order = (pk: string, sequence: number) => ({
    pk,
    sequence: String(10n ** 21n + BigInt(sequence)),
    item: { items: { N: String(sequence) } },
  })
  const land = (name: string, ...changes: Parameters<typeof changeLine>[0][]) =>
    space.write(name, changes.map(changeLine).join(''))

  async function json(...words: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await space.lastwrite(...words, '--json')
    if (code !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  const init = (table: string, ...more: string[]) => json('init', table, '--definition', 'orders.table.json', ...more)
  const rows = (table: string) => json('sql', table, 'select pk, items from t order by pk')

  it('makes a table where the catalog wants it, merges into it, asks it and rolls it back', async () => {
    const table = `rest:${server.uri}#shop.orders`
    expect(await init(table)).toMatchObject({ location: `file://${space.folder}/catalog/warehouse/shop/orders` })
    land('landing/1', order('a', 1), order('b', 2))
    await json('merge', table, '--landing', 'landing')
    land('landing/2', order('b', 3), { pk: 'a', sequence: String(10n ** 21n + 4n) })
    expect(await json('merge', table, '--landing', 'landing')).toMatchObject({ lines: { read: 2, applied: 2 } })
    expect(await rows(table)).toEqual([{ pk: 'b', items: 3 }])
    expect(await json('why', table, '--key', '{"pk":"a"}')).toMatchObject({ rows: [] })
    const { stdout } = await space.lastwrite('history', table, '--json')
    const [first] = [...stdout.matchAll(/"snapshot": ?(\d+)/g)].map(([, id]) => id!).slice(-1)
    await json('rollback', table, '--to', first!, '--reapply')
    expect(await rows(table)).toEqual([
      { pk: 'a', items: 1 },
      { pk: 'b', items: 2 },
    ])
    await json('merge', table, '--landing', 'landing')
    expect(await rows(table)).toEqual([{ pk: 'b', items: 3 }])
    expect(await json('maintain', table, '--landing', 'landing')).toBeDefined()
    expect(await rows(table)).toEqual([{ pk: 'b', items: 3 }])
  })

  it('makes a table where it is told to', async () => {
    const table = `rest:${server.uri}#shop.elsewhere`
    const placed = await init(table, '--location', './lake/elsewhere', '--state', './state/elsewhere')
    expect(placed).toMatchObject({ location: `file://${space.folder}/lake/elsewhere` })
    land('elsewhere/1', order('a', 1))
    await json('merge', table, '--landing', 'elsewhere')
    expect(await rows(table)).toEqual([{ pk: 'a', items: 1 }])
    expect(readdirSync(`${space.folder}/state/elsewhere`).sort()).toEqual(['ledger', 'lists', 'reports'])
  })

  it('is done once, with exit code 0, where the answer to its commit was lost', async () => {
    const table = `rest:${proxy.uri}#shop.lost`
    await init(table)
    land('lost/1', order('a', 1), order('b', 2))
    proxy.loseNext((method, path) => method === 'POST' && path.endsWith('/tables/lost'), 'cut')
    const { code, stdout } = await space.lastwrite('merge', table, '--landing', 'lost', '--json')
    expect(code).toBe(0)
    expect(proxy.lost).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ lines: { read: 2, applied: 2 }, rows: { inserted: 2 } })
    const history = await space.lastwrite('history', table, '--json')
    expect(history.stdout.match(/"snapshot":/g)).toHaveLength(1)
  })

  it.each([
    ['#shop.nothing', /shop\.nothing: there is no table; create it with "lastwrite init"/],
    ['/elsewhere#shop.orders', /no Iceberg REST catalog answers/],
  ])('says what to do about %s', async (entry, message) => {
    const { code, stderr } = await space.lastwrite('inspect', `rest:${server.uri}${entry}`)
    expect({ code, stderr }).toEqual({ code: 20, stderr: expect.stringMatching(message) })
  })

  it('says to run again where nobody answers', async () => {
    const { code, stderr } = await space.lastwrite('inspect', 'rest:http://127.0.0.1:1#shop.orders')
    expect({ code, stderr }).toEqual({ code: 10, stderr: expect.stringMatching(/gives no answer .*run again/) })
  })
})
