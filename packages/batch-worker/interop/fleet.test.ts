// Plans and their shards in real processes against a real S3 server: killed at any moment, started twice, committed twice.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import type { ObjectStore } from '../../merge-core/src/store/object-store.ts'
import type { LandedObject } from '../../merge-core/test/change-sets.ts'
import { snapshotIds } from '../../merge-core/test/named-by-table.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { land } from '../../merge-core/test/table-run.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'
import { expectModel, lookThrough, objectsFrom, spec } from './battered-table.ts'
import { endOf, startLastwrite } from './processes.ts'

const rounds = Number(process.env.LASTWRITE_FLEETS ?? 4)
const seed = Number(process.env.LASTWRITE_SEED ?? Date.now() % 1_000_000)

describeWithServers(['versitygw'], `a fleet on versitygw, killed (LASTWRITE_SEED=${seed})`, () => {
  const random = randomFrom(seed)
  const nextObject = objectsFrom(random)
  const landed: LandedObject[] = []
  let server: S3Server
  let space: Workspace
  let store: ObjectStore
  let table: string
  let landing: string

  const run = (...words: string[]) => startLastwrite(space.folder, server.environment, words)

  beforeAll(async () => {
    server = await startS3('versitygw')
    space = newWorkspace()
    store = server.openStore()
    const bucket = await server.newBucket()
    ;[table, landing] = [`${bucket}/orders`, `${bucket}/landing/`]
    space.write('orders.json', spec.text)
    expect(await endOf(run('init', table, '--definition', 'orders.json', '--quiet'))).toBe(0)
  })
  afterAll(async () => {
    await server.stop()
    space.remove()
  })

  it(`makes one snapshot of each of ${rounds} plans, whoever is killed, comes twice or commits again`, async () => {
    for (let round = 0; round < rounds; round++) {
      const objects = [0, 1].map((number) => nextObject(`${round}-${number}.ndjson`))
      landed.push(...objects)
      await land(store, objects, landing)
      const out = `${table}-plans/${round}`
      const plan = `${out}/plan.json`
      const shard = (index: number) => run('merge', '--shard', plan, '--index', String(index), '--quiet')
      expect(await endOf(run('plan', table, '--landing', landing, '--shards', '2', '--out', out, '--quiet'))).toBe(0)
      const before = await snapshotIds(store, table)

      const killed = [shard(0), shard(1)]
      for (const child of killed) void sleep(300 + 700 * random()).then(() => child.kill('SIGKILL'))
      await Promise.all(killed.map(endOf))
      const again = await Promise.all([0, 1, 0, 1].map((index) => endOf(shard(index))))
      expect(again).toEqual([0, 0, 0, 0])
      expect(await Promise.all([endOf(run('commit', plan)), endOf(run('commit', plan))])).toEqual([0, 0])

      const after = await snapshotIds(store, table)
      expect(after.filter((id) => !before.includes(id))).toHaveLength(1)
      await expectModel(store, table, landing, landed)
      await lookThrough(store, table)
    }
  })
})
