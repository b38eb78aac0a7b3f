// Real processes that end at any moment, against a real S3 server: whatever is left of them, one more run completes the table.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleanTable, nodeEnvironment, openTable } from '@lastwrite/merge-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import type { ObjectStore } from '../../merge-core/src/store/object-store.ts'
import type { LandedObject } from '../../merge-core/test/change-sets.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { land } from '../../merge-core/test/table-run.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'
import { expectModel, lookThrough, objectsFrom, spec } from './battered-table.ts'
import { endOf, startLastwrite } from './processes.ts'

const kills = Number(process.env.LASTWRITE_KILLS ?? 50)
const seed = Number(process.env.LASTWRITE_SEED ?? Date.now() % 1_000_000)
const DAY = 24 * 3600 * 1000

describeWithServers(['versitygw'], `lastwrite on versitygw, killed (LASTWRITE_SEED=${seed})`, () => {
  const random = randomFrom(seed)
  const nextObject = objectsFrom(random)
  const landed: LandedObject[] = []
  let server: S3Server
  /** Before the server, to see when a process begins to work. */
  let door: Server
  let space: Workspace
  let store: ObjectStore
  let table: string
  let landing: string

  const start = (...words: string[]): ChildProcess => {
    const { port } = door.address() as { port: number }
    const env = { ...server.environment, LASTWRITE_ENDPOINT: `http://127.0.0.1:${port}` }
    return startLastwrite(space.folder, env, words)
  }
  const startMerge = () => start('merge', table, '--landing', landing, '--quiet')
  const landOne = async () => {
    const object = nextObject(`${String(landed.length).padStart(4, '0')}.ndjson`)
    landed.push(object)
    await land(store, [object], landing)
  }

  beforeAll(async () => {
    server = await startS3('versitygw')
    door = createServer((socket) => joinTo(socket, Number(new URL(server.endpoint).port))).listen(0, '127.0.0.1')
    await once(door, 'listening')
    space = newWorkspace()
    store = server.openStore()
    const bucket = await server.newBucket()
    ;[table, landing] = [`${bucket}/orders`, `${bucket}/landing/`]
    space.write('orders.json', spec.text)
    expect(await endOf(start('init', table, '--definition', 'orders.json', '--quiet'))).toBe(0)
  })
  afterAll(async () => {
    door.close()
    await server.stop()
    space.remove()
  })

  it(`merges in the end what ${kills} killed runs left`, { timeout: 1_800_000 }, async () => {
    // From the first request to the end, of the last run that nobody killed; and a little more with each that was, so that some come
    // to their end however busy the machine has become. Late moments are likelier: there files have been written.
    let atWorkMs = 0
    for (let killed = 0; killed < kills; ) {
      await landOne()
      const isAtWork = once(door, 'connection')
      const run = startMerge()
      const ended = endOf(run)
      await Promise.race([isAtWork, ended])
      const startMs = performance.now()
      if (atWorkMs > 0) void sleep(atWorkMs * Math.sqrt(random())).then(() => run.kill('SIGKILL'))
      const end = await ended
      if (end === 'SIGKILL') {
        killed++
        atWorkMs *= 1.15
      } else {
        expect(end).toBe(0)
        atWorkMs = performance.now() - startMs
      }
    }
    expect((await lookThrough(store, table)).leftOver).not.toEqual([])
  })

  it('takes SIGTERM for an end', async () => {
    for (const share of [0.3, 0.6, 0.9]) {
      await landOne()
      const run = startMerge()
      void sleep(1000 * share).then(() => run.kill('SIGTERM'))
      expect([0, 10, 'SIGTERM']).toContain(await endOf(run))
    }
  })

  it('merges beside a run that was stopped for five seconds, which then goes on', async () => {
    for (const delayMs of [300, 700]) {
      await landOne()
      const stopped = startMerge()
      const end = endOf(stopped)
      await sleep(delayMs)
      stopped.kill('SIGSTOP')
      await landOne()
      const [other] = await Promise.all([endOf(startMerge()), sleep(5000)])
      expect(other).toBe(0)
      stopped.kill('SIGCONT')
      expect(await end).toBe(0)
    }
  })

  it('has the table of the model then, and cleans up what the dead left and nothing else', async () => {
    expect(await endOf(startMerge())).toBe(0)
    await expectModel(store, table, landing, landed)
    const { named, leftOver } = await lookThrough(store, table)

    const at = (ms: number) => ({ ...nodeEnvironment(store), nowMs: () => Date.now() + ms })
    expect((await cleanTable(await openTable(table, at(0)))).paths).toEqual([])
    const cleaned = await cleanTable(await openTable(table, at(2 * DAY)))
    expect(cleaned.paths.toSorted()).toEqual(leftOver.toSorted())
    expect(await lookThrough(store, table)).toEqual({ named, leftOver: [] })
    console.log(
      `${landed.length} objects landed, ${named.length} files named, ${leftOver.length} left over and cleaned`,
    )

    await landOne()
    expect(await endOf(startMerge())).toBe(0)
    await expectModel(store, table, landing, landed)
  })
})

function joinTo(socket: Socket, port: number): void {
  const upstream = connect(port, '127.0.0.1')
  for (const [from, to] of [
    [socket, upstream],
    [upstream, socket],
  ] as const) {
    from.on('error', () => to.destroy())
    from.pipe(to)
  }
}
