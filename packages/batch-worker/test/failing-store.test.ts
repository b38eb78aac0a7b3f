import { readFileSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { type MergeProgress, mergeLanding, planMerge } from '@lastwrite/merge-core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openTableAt } from '../src/open-table.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

/** What the store answers instead of an object, by the end of its path. Tests run as root, whom no file is denied. */
const failures = vi.hoisted(() => new Map<string, 'denied' | 'missing' | 'throttled'>())

vi.mock('@lastwrite/merge-core/store/local', async (original) => {
  const { localStore } = await original<typeof import('@lastwrite/merge-core/store/local')>()
  return {
    localStore: (): ReturnType<typeof localStore> => {
      const store = localStore()
      return {
        ...store,
        get: async (path, options) => {
          const kind = [...failures].find(([end]) => path.endsWith(end))?.[1]
          return kind === undefined ? store.get(path, options) : { kind, cause: new Error('as the test wants it') }
        },
      }
    },
  }
})

const table = 'lake/orders'
let space: Workspace

beforeEach(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', table, '--definition', 'orders.table.json')
  space.write('landing/1', changeLine({ sequence: '900000000000000000000', pk: 'a', item: {} }))
  space.write('landing/2', changeLine({ sequence: '900000000000000000001', pk: 'b', item: {} }))
})
afterEach(() => {
  failures.clear()
  space.remove()
})

const merge = (...more: string[]) => space.lastwrite('merge', table, '--landing', 'landing', ...more)

async function keysStored(): Promise<string[]> {
  const { stdout } = await space.lastwrite('sql', table, 'select pk from t order by pk', '--json')
  return JSON.parse(stdout).map(({ pk }: { pk: string }) => pk)
}

it.each([
  ['denied', 20],
  ['throttled', 10],
  ['missing', 0],
] as const)('skips a landing object that is %s, merges the others, and ends with %d', async (kind, code) => {
  failures.set('/landing/1', kind)
  const first = await merge('--json')
  expect(first.code).toBe(code)
  expect(first.stderr).toMatch(/^skipped: .*\/landing\/1: /m)
  expect(JSON.parse(first.stdout)).toMatchObject({
    exitCode: code,
    objects: { merged: 1, skipped: [{ object: `file://${join(space.folder, 'landing/1')}` }] },
  })
  expect(await keysStored()).toEqual(['b'])

  failures.clear()
  expect((await merge()).code).toBe(0)
  expect(await keysStored()).toEqual(['a', 'b'])
})

it('does not call it nothing to do where no landing object could be read', async () => {
  failures.set('/landing/1', 'denied').set('/landing/2', 'denied')
  const { code, stdout } = await merge()
  expect(code).toBe(20)
  expect(stdout).toBe('orders: nothing merged, 2 objects skipped\n')
})

it('ends with 20 where a landing folder cannot be listed', async () => {
  symlinkSync('loop', join(space.folder, 'landing/loop'))
  const { code, stdout, stderr } = await merge()
  expect({ code, stdout }).toEqual({ code: 20, stdout: '' })
  expect(stderr).toMatch(/^lastwrite: .*\/landing\/.*denied/)
})

it.each([
  ['denied', 20],
  ['throttled', 10],
  ['missing', 21],
] as const)("ends with %s's exit code, %d, where the metadata cannot be read", async (kind, code) => {
  await merge()
  failures.set('.avro', kind)
  for (const words of [
    ['merge', table, '--landing', 'landing2'],
    ['inspect', table],
    ['sql', table, 'select 1 from t'],
  ]) {
    space.write('landing2/1', changeLine({ sequence: '900000000000000000009', pk: 'c', item: {} }))
    const { code: ended, stderr } = await space.lastwrite(...words)
    expect([words[0], ended]).toEqual([words[0], code])
    expect(stderr).toMatch(/^lastwrite: \S*\.avro: /)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  }
})

it('names a data file that is cut, merges what does not need it, and later the rest', async () => {
  await merge()
  const { rows } = JSON.parse((await space.lastwrite('why', table, '--key', '{"pk":"a"}', '--json')).stdout)
  const path = rows[0].file.replace('file://', '')
  const whole = readFileSync(path)
  truncateSync(path, whole.length - 9)
  const changes = [...'abcdefgh'].map((pk, i) =>
    changeLine({ sequence: `100000000000000000000${i}`, pk, item: { status: { S: 'paid' } } }),
  )
  for (const [i, line] of changes.entries()) space.write(`landing/more-${i}`, line)

  const first = await merge('--json')
  const report = JSON.parse(first.stdout)
  expect(first.code).toBe(21)
  expect(report).toMatchObject({ exitCode: 21, damaged: [{ path: `file://${path}` }] })
  expect(report.damaged[0].message).not.toBe('')
  expect(first.stderr).toContain(`damaged: file://${path}: `)
  expect(report.lines.deferred).toBeGreaterThan(0)
  expect(report.lines.applied).toBeGreaterThan(0)
  expect(report.lines.applied + report.lines.deferred).toBe(8)

  const sql = await space.lastwrite('sql', table, 'select * from t')
  expect(sql.code).toBe(21)
  expect(sql.stderr).toContain(path)

  space.write(path.slice(space.folder.length), whole)
  expect((await merge()).code).toBe(0)
  expect(await keysStored()).toEqual([...'abcdefgh'])
})

it('tells of the steps of a plan and of a merge as they are done', async () => {
  const landing = [`file://${join(space.folder, 'landing')}/`]
  const told: MergeProgress[] = []
  const onProgress = (progress: MergeProgress) => told.push(progress)
  const opened = await openTableAt(join(space.folder, table))
  await planMerge(opened, landing, { onProgress })
  const scans = [1, 2].map((done) => ({ step: 'scan', done, total: 2, unit: 'objects' }))
  expect(told).toEqual(scans)
  await mergeLanding(opened, landing, { onProgress })
  const merges = told.slice(4, -1)
  expect(told).toEqual([...scans, ...scans, ...merges, { step: 'commit', attempt: 1 }])
  expect(merges.length).toBeGreaterThan(0)
  for (const [i, told] of merges.entries()) {
    expect(told).toEqual({ step: 'merge', done: i + 1, total: merges.length, unit: 'tasks' })
  }
})
