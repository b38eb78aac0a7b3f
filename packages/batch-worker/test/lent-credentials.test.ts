// A catalog lends credentials for a table's files. One server here is the catalog and the S3 of both.

import { createTable, parseTableDefinition } from '@lastwrite/merge-core'
import { afterEach, expect, it } from 'vitest'
import { newTableMetadata } from '../../merge-core/src/iceberg/metadata.ts'
import { type Asked, type ScriptedServer, scriptedServer } from '../../merge-core/test/iceberg/rest-server.ts'
import { findTable } from '../src/open-table.ts'

const METADATA = newTableMetadata({
  uuid: 'eaf74208-439c-4e8e-8472-e972bfc23721',
  location: 's3://lake/shop/orders',
  schema: { type: 'struct', 'schema-id': 0, fields: [] },
  properties: {},
  nowMs: 1000,
})

let server: ScriptedServer
const before = { ...process.env }
afterEach(() => {
  process.env = { ...before }
  return server.stop()
})

const accessKeyOf = ({ headers }: Asked) => /Credential=([^/]+)/.exec(String(headers.authorization))?.[1]

it('reaches the files of the table by what the catalog lends, and all else by its own', async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'own', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-west-1' })
  let lends = 0
  server = await scriptedServer(({ path }) => {
    if (path === '/v1/config') return { body: {} }
    if (!path.startsWith('/v1/')) return { status: 404 }
    const config = {
      's3.access-key-id': `lent-${++lends}`,
      's3.secret-access-key': 'secret',
      's3.session-token': 'session',
      // So late that every look at it asks again.
      's3.session-token-expires-at-ms': String(Date.now() + 60_000),
      's3.endpoint': 'http://127.0.0.1:1',
    }
    return { body: { metadata: { ...METADATA, 'current-snapshot-id': -1 }, config } }
  })
  const { environment } = await findTable(`rest:${server.uri}#shop.orders`, { endpoint: server.uri })
  const keyFor = async (location: string): Promise<string | undefined> => {
    expect((await environment.store.get(location)).kind).toBe('missing')
    return accessKeyOf(server.asked.at(-1)!)
  }
  expect(await keyFor('s3://lake/shop/orders/data/1.parquet')).toMatch(/^lent-\d$/)
  expect(server.asked.at(-1)!.headers['x-amz-security-token']).toBe('session')
  expect(await keyFor('s3://lake/shop/_lastwrite/orders-1/ledger/1.parquet')).toBe('own')
  expect(await keyFor('s3://lake/shop/orders-of-others/1.parquet')).toBe('own')
  const [first, second] = [await keyFor('s3://lake/shop/orders/data/2.parquet'), lends]
  expect([first?.startsWith('lent-'), second > 1]).toEqual([true, true])
})

it('does without where the catalog lends nothing, and names a table that is missing', async () => {
  server = await scriptedServer(({ path }) => (path === '/v1/config' ? { body: {} } : { status: 404 }))
  const { at, environment } = await findTable(`rest:${server.uri}#shop.orders`)
  const definition = parseTableDefinition(
    JSON.stringify({ table: 'orders', source: '123456789012/eu-west-1', key: ['pk'], columns: { pk: 'string' } }),
  )
  await expect(createTable(at, definition, environment)).rejects.toThrow(
    /shop\.orders: asking where .*create the namespace/,
  )
})
