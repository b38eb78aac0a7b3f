// The command line on an S3 server: the same files as in a local folder, and what a run asks of the server.

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type MergeReport, mergeLanding, nodeEnvironment, openTable } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithServers, type S3Server, startS3 } from '../../merge-core/interop/s3-servers.ts'
import type { ObjectStore } from '../../merge-core/src/store/object-store.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { LASTWRITE, newWorkspace, type Outcome, runProcess, type Workspace } from '../test/run-lastwrite.ts'

const MIB = 1024 * 1024
/** As merge-core cuts them. */
const ROW_GROUP_ROWS = 100_000

describeWithServers(['versitygw'], 'lastwrite on versitygw', () => {
  let server: S3Server
  let space: Workspace
  let s3: ObjectStore
  const local = localStore({ durable: false })
  beforeAll(async () => {
    server = await startS3('versitygw')
    space = newWorkspace()
    s3 = server.openStore()
  })
  afterAll(async () => {
    await server.stop()
    space.remove()
  })

  const lastwrite = async (...words: string[]): Promise<Outcome> => {
    const outcome = await runProcess(process.execPath, [LASTWRITE, ...words], space.folder, server.environment)
    expect(outcome).toMatchObject({ code: 0 })
    return outcome
  }

  /** A table in a local folder and one in a bucket of its own, which get the same changes. */
  async function twins(name: string, definition: string) {
    const bucket = await server.newBucket()
    space.write(`${name}.json`, definition)
    const places = [
      { store: local, table: join(space.folder, name, 'orders'), landing: join(space.folder, name, 'landing') },
      { store: s3, table: `${bucket}/orders`, landing: `${bucket}/landing` },
    ]
    for (const { table } of places) await lastwrite('init', table, '--definition', `${name}.json`, '--quiet')
    return {
      bucket,
      async merge(object: string, lines: string): Promise<{ local: MergeReport; s3: MergeReport }> {
        const reports: MergeReport[] = []
        for (const { store, table, landing } of places) {
          const put = await store.put(`${landing}/${object}`, gzipSync(lines, { level: 1 }), { kind: 'create' })
          expect(put.kind).toBe('ok')
          const { stdout } = await lastwrite('merge', table, '--landing', landing, '--json')
          reports.push(JSON.parse(stdout))
        }
        expect(await dataFiles(s3, places[1]!.table)).toEqual(await dataFiles(local, places[0]!.table))
        return { local: reports[0]!, s3: reports[1]! }
      },
    }
  }

  it('gives the same files as in a local folder, merge after merge', async () => {
    const { merge } = await twins('small', ORDERS_DEFINITION)
    let sequence = 100
    for (const round of [1, 2, 3, 4]) {
      const lines = Array.from({ length: 400 }, (_, i) => {
        const pk = `order-${(i * 7 * round) % 500}`
        const item = { status: { S: `round ${round}` }, items: { N: String(i) }, total: { N: `${i}.5` } }
        return changeLine({ sequence: String(sequence++), pk, ...(i % 11 !== 0 && { item }) })
      })
      const reports = await merge(`${round}.gz`, lines.join(''))
      const { lines: counts, rows, files } = reports.local
      expect(reports.s3).toMatchObject({ lines: counts, rows, files, exitCode: 0 })
    }
  })

  it('has the server copy what stays of a file, and uploads little more than what changed', async () => {
    const definition = {
      table: 'orders',
      source: '123456789012/eu-west-1',
      key: ['pk'],
      columns: { pk: 'string', status: 'string' },
    }
    const { merge } = await twins('large', JSON.stringify(definition))
    let sequence = 100
    // Nothing compresses hashes: a row group is well over the 5 MiB that S3 wants of a part.
    const change = (row: number) => {
      const status = createHash('sha512').update(`${sequence} ${row}`).digest('base64')
      return changeLine({ sequence: String(sequence++), pk: `order-${1e6 + row}`, item: { status: { S: status } } })
    }
    const all = Array.from({ length: 2 * ROW_GROUP_ROWS }, (_, row) => change(row))
    await merge('all.gz', all.join(''))
    const few = Array.from({ length: 100 }, (_, i) => change(ROW_GROUP_ROWS + 20_000 + i))
    const { s3: tick } = await merge('few.gz', few.join(''))
    expect(tick.rowGroups).toEqual({ copied: 1, encoded: 1 })
    expect(tick.requests.copyPart).toBeGreaterThan(0)
    expect(tick.bytes.copied).toBeGreaterThan(5 * MIB)
    // The two row groups are of about one size.
    const groupBytes = (tick.bytes.copied + tick.bytes.written) / 2
    expect(tick.bytes.written).toBeLessThan(1.3 * groupBytes + MIB)
    expect(tick.bytes.read).toBeLessThan(groupBytes + MIB)
  })

  it('asks the server 10 times at most where 1,000 objects have landed and there is nothing to do', async () => {
    const bucket = await server.newBucket()
    space.write('idle.json', ORDERS_DEFINITION)
    await lastwrite('init', `${bucket}/orders`, '--definition', 'idle.json', '--quiet')
    const commits = 20
    for (let commit = 0; commit < commits; commit++) {
      const objects = Array.from({ length: 1000 / commits }, (_, i) => commit * (1000 / commits) + i)
      await Promise.all(
        objects.map((object) => {
          const line = changeLine({
            sequence: String(100 + object),
            pk: `order-${object}`,
            item: { items: { N: '1' } },
          })
          const path = `${bucket}/landing/${String(object).padStart(4, '0')}.gz`
          return s3.put(path, gzipSync(line), { kind: 'create' })
        }),
      )
      const table = await openTable(`${bucket}/orders`, nodeEnvironment(s3))
      const { objects: merged } = await mergeLanding(table, [`${bucket}/landing/`])
      expect(merged.merged).toBe(objects.length)
    }
    const store = server.openStore()
    const table = await openTable(`${bucket}/orders`, nodeEnvironment(store))
    const report = await mergeLanding(table, [`${bucket}/landing/`])
    expect(report).toMatchObject({ snapshot: null, objects: { listed: 1000, alreadyMerged: 1000 } })
    const requests = store.traffic!.requests
    expect(requests).toMatchObject({ put: 0, delete: 0, copyPart: 0 })
    expect(requests.get + requests.list).toBeLessThanOrEqual(10)
  })

  it('begins its listing behind the hours that are closed', async () => {
    const bucket = await server.newBucket()
    space.write('hours.json', ORDERS_DEFINITION)
    await lastwrite('init', `${bucket}/orders`, '--definition', 'hours.json', '--quiet')
    const [closed, open] = [1050, 50]
    const hourMs = 3600 * 1000
    const objects = Array.from({ length: closed + open }, (_, i) => {
      const agoMs = (i < closed ? 50 + (i % 280) : i % 47) * hourMs
      const hour = new Date(Date.now() - agoMs).toISOString().slice(0, 13).replaceAll(/[-T]/g, '/')
      return { path: `${bucket}/landing/${hour}/${i}`, pk: `order-${i}` }
    })
    const line = (pk: string) => Buffer.from(changeLine({ sequence: '100', pk, item: { items: { N: '1' } } }))
    await Promise.all(objects.map(({ path, pk }) => s3.put(path, line(pk), { kind: 'create' })))
    const merge = async () => {
      const store = server.openStore()
      const table = await openTable(`${bucket}/orders`, nodeEnvironment(store))
      return { ...(await mergeLanding(table, [`${bucket}/landing/`])), lists: store.traffic!.requests.list }
    }
    const whole = await merge()
    expect(whole.objects).toMatchObject({ listed: closed + open, openSince: null, merged: closed + open })
    const idle = await merge()
    expect(idle).toMatchObject({ snapshot: null, objects: { listed: open, alreadyMerged: open } })
    // Three of the table's metadata: when it is opened, before and after the listing.
    expect(idle.lists).toBe(3 + 1)
  })

  it('answers SQL from a table in a bucket', async () => {
    const bucket = await server.newBucket()
    space.write('asked.json', ORDERS_DEFINITION)
    await lastwrite('init', `${bucket}/orders`, '--definition', 'asked.json', '--quiet')
    const query = 'select pk, items from orders order by pk'
    const ask = async (...words: string[]) => (await lastwrite('sql', `${bucket}/orders`, ...words)).stdout
    expect(JSON.parse(await ask(query, '--json'))).toEqual([])
    const lines = [...'abc'].map((pk, i) => changeLine({ sequence: `${100 + i}`, pk, item: { items: { N: `${i}` } } }))
    await s3.put(`${bucket}/landing/1`, Buffer.from(lines.join('')), { kind: 'create' })
    await lastwrite('merge', `${bucket}/orders`, '--landing', `${bucket}/landing`, '--quiet')
    const rows = [...'abc'].map((pk, items) => ({ pk, items }))
    expect(JSON.parse(await ask(query, '--json'))).toEqual(rows)
    expect(JSON.parse(await ask(query, '--json', '--endpoint', server.endpoint))).toEqual(rows)
    mkdirSync(join(space.folder, 'tmp'))
    const environment = { ...server.environment, TMPDIR: join(space.folder, 'tmp') }
    await runProcess(process.execPath, [LASTWRITE, 'sql', `${bucket}/orders`, query], space.folder, environment)
    expect(readdirSync(environment.TMPDIR).filter((name) => name !== 'node-compile-cache')).toEqual([])
    const listed = await s3.list(`${bucket}/orders/data/`)
    if (listed.kind !== 'ok') throw new Error(listed.kind)
    const path = listed.objects[0]!.path
    await s3.put(path, Buffer.from('PAR1'.padEnd(listed.objects[0]!.objectBytes)), { kind: 'overwrite' })
    const damaged = await runProcess(
      process.execPath,
      [LASTWRITE, 'sql', `${bucket}/orders`, query],
      space.folder,
      server.environment,
    )
    expect(damaged).toMatchObject({ code: 21, stderr: expect.stringContaining(path) })
    await s3.delete(path)
    const gone = await runProcess(
      process.execPath,
      [LASTWRITE, 'sql', `${bucket}/orders`, query],
      space.folder,
      server.environment,
    )
    expect(gone).toMatchObject({ code: 21, stderr: expect.stringContaining(path) })
  })

  it('says what is wrong with a bucket that does not exist', async () => {
    space.write('none.json', ORDERS_DEFINITION)
    const words = ['init', 's3://lastwrite-no-such-bucket/orders', '--definition', 'none.json']
    const { code, stderr } = await runProcess(process.execPath, [LASTWRITE, ...words], space.folder, server.environment)
    expect(code).toBe(20)
    expect(stderr).toMatch(/s3:\/\/lastwrite-no-such-bucket\/orders.*there is no such bucket/)
  })
})

/** Every data file below a table, by its partition: threads number files as they finish, and commits have random names. */
async function dataFiles(store: ObjectStore, table: string): Promise<string[]> {
  const listed = await store.list(`${table}/data/`)
  if (listed.kind !== 'ok') throw new Error(listed.kind)
  const files = listed.objects.map(async ({ path }) => {
    const got = await store.get(path)
    if (got.kind !== 'ok') throw new Error(`${path}: ${got.kind}`)
    const [, partition] = /\/data\/(.*?)[^/]*\.parquet$/.exec(path)!
    return `${partition} ${createHash('sha256').update(got.bytes).digest('hex')}`
  })
  return (await Promise.all(files)).sort()
}
