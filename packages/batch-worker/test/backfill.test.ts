import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ExportContent, writeExport } from '../../test-rig/src/export-writer.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { LASTWRITE, newWorkspace, type Workspace } from './run-lastwrite.ts'

const TABLE = './lake/orders'
const STREAM = '2026-11-22T08:00:00.000'
/** That of the change lines too. */
const TIME_MS = 1_795_334_400_000

let space: Workspace
let prefix: string

beforeEach(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', TABLE, '--definition', 'orders.table.json', '--no-fsync')
})
afterEach(() => space.remove())

async function exportItems(count: number, more: Partial<Extract<ExportContent, { type: 'full' }>> = {}) {
  const items = Array.from({ length: count }, (_, i) => ({
    pk: { S: `o#${String((i * 7919) % count).padStart(6, '0')}` },
    status: { S: i % 3 === 0 ? 'open' : 'paid' },
    total: { N: `${i}.25` },
    note: { S: `note of order ${i} `.repeat(20) },
  }))
  const written = await writeExport(
    { type: 'full', items, timeMs: TIME_MS, ...more },
    { folder: join(space.folder, 'exports') },
  )
  prefix = `exports/${written.prefix}`
  return written
}

const backfill = (...words: string[]) =>
  space.lastwrite('backfill', TABLE, '--export', prefix, '--stream', STREAM, '--no-fsync', ...words)
const json = async (...words: string[]) => JSON.parse((await space.lastwrite(...words, '--json')).stdout)

describe('backfill', () => {
  it('brings an export in, beside what the stream has brought, and verify finds the table equal to it', async () => {
    await exportItems(200)
    space.write('landing/1', changeLine({ sequence: '7', pk: 'o#000007', item: { status: { S: 'sent' } } }))
    await space.lastwrite('merge', TABLE, '--landing', './landing', '--no-fsync')
    const { code, stdout } = await backfill('--threads', '1')
    expect(code).toBe(0)
    expect(stdout).toMatch(/items +200 merged: 199 applied · 1 stale\n/)
    expect(stdout).toMatch(/commits +1 of 1\n/)
    expect(await json('sql', TABLE, 'select status, count(*)::int as n from orders group by all order by all')).toEqual(
      [
        { status: 'open', n: 66 },
        { status: 'paid', n: 133 },
        { status: 'sent', n: 1 },
      ],
    )
    const verified = await space.lastwrite('verify', TABLE, '--against', prefix, '--landing', './landing', '--now')
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect((await backfill()).stdout).toBe('orders: nothing to do, the table holds all 200 items or later ones\n')
  })

  it('goes on where a killed process was', { timeout: 120_000 }, async () => {
    await exportItems(60_000)
    const words = ['backfill', TABLE, '--export', prefix, '--stream', STREAM, '--memory', '192MiB', '--threads', '1']
    const child = spawn(process.execPath, [LASTWRITE, ...words], { cwd: space.folder, stdio: 'ignore' })
    const exited = once(child, 'exit')
    while (child.exitCode === null && !progressOf().done) await setTimeout(5)
    child.kill('SIGKILL')
    const [exitCode] = await exited
    const { done, total } = progressOf()
    expect(exitCode, 'it was killed between two commits').toBeNull()
    expect(done).toBeGreaterThan(0)
    const merged = await json('merge', TABLE, '--landing', space.folder)
    expect(merged.warnings.join()).toContain(`stands at ${done} of ${total} commits`)
    const report = await json(...words)
    expect(report.commits).toEqual({ made: total! - done!, before: done, total })
    const sums = 'select count(*)::int as n, count(distinct pk)::int as keys, sum(total)::double as total from orders'
    expect(await json('sql', TABLE, sums)).toEqual([
      { n: 60_000, keys: 60_000, total: (59_999 * 60_000) / 2 + 60_000 / 4 },
    ])
    expect(progressOf()).toEqual({})
  })

  it('adopts Parquet files, and the stream goes on from there', async () => {
    await space.lastwrite('init', './lake/old', '--definition', 'orders.table.json', '--no-fsync')
    await exportItems(20)
    await space.lastwrite('backfill', './lake/old', '--export', prefix, '--stream', 'none', '--no-fsync')
    const adopt = ['backfill', TABLE, '--parquet', './lake/old/data', '--no-fsync']
    const refused = await space.lastwrite(...adopt)
    expect(refused).toMatchObject({ code: 20, stdout: '' })
    expect(refused.stderr).toMatch(/the definition has no column .*_updated_at.*--without/)
    const without = '_updated_at,_stream,_sequence,_extra,pk_bucket'
    expect(await space.lastwrite(...adopt, '--without', without)).toMatchObject({ code: 0, stderr: '' })
    space.write('landing/1', changeLine({ sequence: '7', pk: 'o#000007' }))
    await space.lastwrite('merge', TABLE, '--landing', './landing', '--no-fsync')
    expect(await json('sql', TABLE, 'select count(*)::int as n, min(_stream) as s from orders')).toEqual([
      { n: 19, s: '' },
    ])
  })

  it('says what to do where it cannot begin', async () => {
    const { dataFiles } = await exportItems(10)
    expect(await space.lastwrite('backfill', TABLE)).toMatchObject({ code: 20 })
    expect((await space.lastwrite('backfill', TABLE, '--export', prefix)).stderr).toContain('--export needs --stream')
    expect((await space.lastwrite('backfill', TABLE, '--export', 'nowhere', '--stream', 'none')).stderr).toContain(
      'nowhere',
    )
    const [first, second] = dataFiles.map((file) => join(space.folder, 'exports', file))
    copyFileSync(second!, first!)
    const damaged = await backfill()
    expect(damaged).toMatchObject({ code: 21 })
    expect(damaged.stderr).toContain(dataFiles[0])
  })
})

/** What the table's property says of a backfill under way. */
function progressOf(): { done?: number; total?: number } {
  const folder = join(space.folder, TABLE, 'metadata')
  const versions = readdirSync(folder).flatMap((name) => /^v(\d+)\.metadata\.json$/.exec(name)?.[1] ?? [])
  const newest = Math.max(...versions.map(Number))
  const { properties } = JSON.parse(readFileSync(join(folder, `v${newest}.metadata.json`), 'utf8'))
  return JSON.parse(properties['lastwrite.backfill'] ?? '{}')
}
