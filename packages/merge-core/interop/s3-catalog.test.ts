// The probe, and commits of the file catalog, against real servers.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { advanceMain } from '../src/iceberg/catalog.ts'
import { fileCatalog } from '../src/iceberg/file-catalog.ts'
import { newTableMetadata } from '../src/iceberg/metadata.ts'
import { nodeEnvironment } from '../src/node-environment.ts'
import { probeStore } from '../src/store/probe.ts'
import { describeWithServers, type S3Server, type ServerName, startS3 } from './s3-servers.ts'

const WRITERS = 8
const COMMITS = 10

const names: readonly ServerName[] = ['versitygw', 'ministack']
for (const name of names) {
  describeWithServers([name], `commits on ${name}`, () => {
    let server: S3Server
    beforeAll(async () => {
      server = await startS3(name)
    })
    afterAll(() => server.stop())

    it('passes the probe, in few requests and without leftovers', async () => {
      const store = server.openStore()
      const bucket = await server.newBucket()
      await probeStore(store, server.endpoint, `${bucket}/_lastwrite/orders-1/probe/1`)
      expect(await store.list(`${bucket}/`)).toEqual({ kind: 'ok', objects: [] })
      expect(store.traffic!.requests.put).toBeLessThan(50)
    })

    it('keeps each commit of 8 writers that commit at the same time, one after the other', async () => {
      const location = `${await server.newBucket()}/orders`
      const catalogOf = () => {
        const store = server.openStore({ random: Math.random })
        return fileCatalog(store, location, nodeEnvironment(store))
      }
      const creators = Array.from({ length: WRITERS }, (_, writer) => {
        const schema = { type: 'struct', 'schema-id': 0, fields: [] } as const
        return newTableMetadata({ uuid: `writer ${writer}`, location, schema, properties: {}, nowMs: 1000 })
      })
      const created = await Promise.all(creators.map((metadata) => catalogOf().create(metadata)))
      expect(created.filter(({ kind }) => kind === 'committed')).toHaveLength(1)
      expect(created.filter(({ kind }) => kind === 'conflict')).toHaveLength(WRITERS - 1)

      const write = async (writer: number): Promise<void> => {
        const catalog = catalogOf()
        for (let commit = 0; commit < COMMITS; ) {
          const base = (await catalog.load())!
          const parent = base.metadata.snapshots?.at(-1)?.['snapshot-id']
          const id = BigInt(writer * COMMITS + commit + 1)
          const result = await catalog.commit(
            base,
            advanceMain({
              'sequence-number': base.metadata['last-sequence-number'] + 1,
              'snapshot-id': id,
              ...(parent !== undefined && { 'parent-snapshot-id': parent }),
              'timestamp-ms': Date.now(),
              summary: { operation: 'append' },
              'manifest-list': `${location}/metadata/snap-${id}.avro`,
              'schema-id': 0,
            }),
            [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': parent ?? null }],
          )
          expect(['committed', 'conflict']).toContain(result.kind)
          if (result.kind === 'committed') commit++
        }
      }
      await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
      const { snapshots = [], ...rest } = (await catalogOf().load())!.metadata
      expect(new Set(snapshots.map((snapshot) => snapshot['snapshot-id'])).size).toBe(WRITERS * COMMITS)
      expect(snapshots.map((snapshot) => snapshot['sequence-number'])).toEqual(snapshots.map((_, i) => i + 1))
      const parents = snapshots.map((snapshot) => snapshot['parent-snapshot-id'])
      expect(parents).toEqual([undefined, ...snapshots.slice(0, -1).map((snapshot) => snapshot['snapshot-id'])])
      expect(rest['current-snapshot-id']).toBe(snapshots.at(-1)!['snapshot-id'])
    })
  })
}
