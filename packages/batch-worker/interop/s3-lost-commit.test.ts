// The answer to a commit is lost between an S3 server and the command line.

import { nodeEnvironment, openTable, readBatches } from '@lastwrite/merge-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type S3FaultProxy, startS3FaultProxy, type WireFault } from '../../merge-core/interop/fault-proxy.ts'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { LASTWRITE, newWorkspace, type Outcome, runProcess, type Workspace } from '../test/run-lastwrite.ts'

const CANARY = 'canary-4711'
/** The command line waits 10 s for an answer. */
const LATE_MS = 12_000

describeWithServers(['versitygw'], 'a merge whose commit is made and whose answer is lost', () => {
  let server: S3Server
  let proxy: S3FaultProxy
  let space: Workspace
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startS3FaultProxy(server.endpoint)
    space = newWorkspace()
    space.write('orders.json', ORDERS_DEFINITION)
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
    space.remove()
  })

  const faults: readonly [string, WireFault][] = [
    ['the connection is reset after the server acted', { kind: 'reset-after' }],
    ['no answer ever comes', { kind: 'stalled' }],
    ['the request acts when nobody waits for it any more', { kind: 'late', ms: LATE_MS }],
  ]

  it.each(faults)('makes one snapshot, counts right and ends with 0: %s', async (name, fault) => {
    const store = server.openStore()
    const root = `${await server.newBucket()}/lake`
    const lastwrite = async (...words: string[]): Promise<Outcome> => {
      const environment = { ...server.environment, LASTWRITE_ENDPOINT: proxy.endpoint }
      const outcome = await runProcess(process.execPath, [LASTWRITE, ...words], space.folder, environment)
      expect(outcome).toMatchObject({ code: 0 })
      expect(outcome.stdout + outcome.stderr).not.toContain(CANARY)
      return outcome
    }
    await lastwrite('init', `${root}/orders`, '--definition', 'orders.json', '--quiet')
    const item = { status: { S: CANARY } }
    const lines = [
      changeLine({ sequence: '900000000000000000000', pk: 'a', item }),
      changeLine({ sequence: '900000000000000000001', pk: 'b', item }),
      changeLine({ sequence: '900000000000000000002', pk: 'b' }),
      changeLine({ sequence: '900000000000000000003', pk: 'c', item }),
      'not json\n',
    ]
    await store.put(`${root}/landing/1`, Buffer.from(lines.join('')), { kind: 'create' })

    let commits = 0
    proxy.watch(root, ({ operation, path }) =>
      operation === 'put-create' && /\/v\d+\.metadata\.json$/.test(path) && ++commits === 1 ? fault : null,
    )
    const merge = async () =>
      JSON.parse((await lastwrite('merge', `${root}/orders`, '--landing', `${root}/landing`, '--json')).stdout)
    const report = await merge()
    expect(commits, name).toBeGreaterThan(0)
    expect(report).toMatchObject({
      lines: { read: 5, applied: 3, superseded: 1, stale: 0, quarantined: 1, deferred: 0 },
      rows: { inserted: 2, replaced: 0, removed: 0 },
      objects: { merged: 1 },
      exitCode: 0,
    })
    expect(report.commits).toHaveLength(1)
    await proxy.settled(root)

    const table = await openTable(`${root}/orders`, nodeEnvironment(store))
    const { snapshots } = (await table.catalog.load())!.metadata
    expect(snapshots!.map((snapshot) => String(snapshot['snapshot-id']))).toEqual([String(report.snapshot)])
    const keys: unknown[] = []
    for await (const batch of readBatches(table)) keys.push(...batch.getChild('pk')!)
    expect(keys.sort()).toEqual(['a', 'c'])
    expect(await merge()).toMatchObject({
      snapshot: null,
      objects: { merged: 0, alreadyMerged: 1 },
      lines: { read: 0 },
    })
  })
})
