// Processes that merge overlapping batches into one table on a real S3 server, all at once.
//
// They are long-lived, each with a store and a table of its own as the command line has them: 160 starts of a program would leave them
// little time to meet.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createTable, type MergeReport, nodeEnvironment, parseTableDefinition } from '@lastwrite/merge-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { expectModel, lookThrough, objectsFrom, spec } from './battered-table.ts'
import type { RacerTask } from './racer.ts'

const processes = Number(process.env.LASTWRITE_RACERS ?? 8)
const merges = Number(process.env.LASTWRITE_RACES ?? 20)
const seed = Number(process.env.LASTWRITE_SEED ?? Date.now() % 1_000_000)

describeWithServers(['versitygw'], `lastwrite on versitygw, raced (LASTWRITE_SEED=${seed})`, () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3('versitygw')
  })
  afterAll(() => server.stop())

  it(`has ${processes} processes make ${merges} overlapping merges each, and loses nothing`, {
    timeout: 1_800_000,
  }, async () => {
    const store = server.openStore()
    const bucket = await server.newBucket()
    const [table, landing] = [`${bucket}/orders`, `${bucket}/landing/`]
    await createTable(table, parseTableDefinition(spec.text), nodeEnvironment(store))
    const nextObject = objectsFrom(randomFrom(seed))
    const objects = Array.from({ length: processes }, (_, racer) =>
      Array.from({ length: merges }, (_, round) => nextObject(`${racer}/${String(round).padStart(3, '0')}.ndjson`)),
    )

    const all = objects.map((own, racer) => {
      // Beside its own objects each takes those of the next: whoever is first merges them.
      const prefixes = [racer, (racer + 1) % processes].map((of) => `${landing}${of}/`)
      return race({
        endpoint: server.endpoint,
        table,
        objects: own.map(({ name, bytes }) => ({ path: landing + name, bytes })),
        landing: prefixes,
      })
    })
    const reports = (await Promise.all(all)).flat()

    expect(reports).toHaveLength(processes * merges)
    expect(reports.filter(({ exitCode }) => exitCode !== 0)).toEqual([])
    await expectModel(store, table, landing, objects.flat())
    const lines = objects.flat().flatMap((object) => object.lines).length
    expect(reports.reduce((sum, report) => sum + report.lines.read, 0)).toBe(lines)
    await lookThrough(store, table)
    const attempts = reports
      .flatMap(({ commits }) => commits)
      .map((commit) => commit.attempts)
      .sort((a, b) => a - b)
    console.log(`${attempts.length} commits, attempts of each: ${attempts.join(' ')}`)
    expect(attempts[Math.floor(attempts.length / 2)]).toBeLessThanOrEqual(3)
  })

  async function race(task: RacerTask): Promise<MergeReport[]> {
    const env = { ...process.env, ...server.environment }
    const racer = fork(new URL('./racer.ts', import.meta.url), { env, serialization: 'advanced' })
    const ended = once(racer, 'exit')
    racer.send(task)
    const first = await Promise.race([once(racer, 'message'), ended])
    expect(await ended).toEqual([0, null])
    return first[0]
  }
})
