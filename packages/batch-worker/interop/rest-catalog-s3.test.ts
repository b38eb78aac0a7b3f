// A table in a REST catalog whose files lie in S3.

import { mkdirSync } from 'node:fs'
import { readTable } from '@lastwrite/merge-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type CatalogServer,
  createNamespace,
  describeWithCatalogs,
  startRestCatalog,
} from '../../merge-core/interop/catalog-servers.ts'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import { openTableAt } from '../src/open-table.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'

describeWithServers(['versitygw'], 'files in S3', () => {
  describeWithCatalogs(['rest'], 'of a table in a REST catalog', () => {
    let s3: S3Server
    let catalog: CatalogServer
    let space: Workspace
    let bucket = ''
    const before = { ...process.env }

    beforeAll(async () => {
      space = newWorkspace()
      mkdirSync(`${space.folder}/catalog`)
      s3 = await startS3('versitygw')
      bucket = await s3.newBucket()
      catalog = await startRestCatalog(`${space.folder}/catalog`, `${bucket}/warehouse`, {
        'io-impl': 'org.apache.iceberg.aws.s3.S3FileIO',
        's3.endpoint': s3.endpoint,
        's3.path-style-access': 'true',
        's3.access-key-id': s3.credentials.accessKeyId,
        's3.secret-access-key': s3.credentials.secretAccessKey,
        'client.region': 'us-east-1',
      })
      await createNamespace(catalog, 'shop')
      Object.assign(process.env, s3.environment)
      space.write('orders.table.json', ORDERS_DEFINITION)
    })
    afterAll(async () => {
      process.env = { ...before }
      await catalog.stop()
      await s3.stop()
      space.remove()
    })

    async function json(...words: string[]): Promise<Record<string, unknown>> {
      const { code, stdout, stderr } = await space.lastwrite(...words, '--json')
      if (code !== 0) throw new Error(stderr)
      return JSON.parse(stdout)
    }

    it('are written by merges, whose commits the server makes', async () => {
      const table = `rest:${catalog.uri}#shop.orders`
      const location = `${bucket}/warehouse/shop/orders`
      expect(await json('init', table, '--definition', 'orders.table.json')).toMatchObject({ location })
      const lines = ['a', 'b', 'c'].map((pk, i) => {
        return changeLine({ pk, sequence: String(10n ** 21n + BigInt(i)), item: { items: { N: String(i) } } })
      })
      space.write('landing/1', lines.join(''))
      await json('merge', table, '--landing', 'landing')
      space.write('landing/2', changeLine({ pk: 'b', sequence: String(10n ** 21n + 9n) }))
      expect(await json('merge', table, '--landing', 'landing')).toMatchObject({ rows: { removed: 1 } })
      const opened = await openTableAt(table, { endpoint: s3.endpoint })
      const rows = (await readTable(opened, { columns: ['pk', 'items'] })).toArray()
      expect(rows.map((row) => [row.pk, Number(row.items)]).sort()).toEqual([
        ['a', 0],
        ['c', 2],
      ])
      const listed = await s3.openStore().list(`${location}/`)
      if (listed.kind !== 'ok') throw new Error(listed.kind)
      const metadata = listed.objects.filter(({ path }) => path.endsWith('.metadata.json'))
      expect(metadata.map(({ path }) => /\/(\d{5})-[^/]+$/.exec(path)?.[1])).toEqual([
        '00000',
        '00001',
        '00002',
        '00003',
      ])
      expect(listed.objects.filter(({ path }) => path.includes('/data/')).length).toBeGreaterThan(1)
    })
  })
})
