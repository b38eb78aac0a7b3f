import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const TABLE = './lake/orders'
const LANDING = ['--landing', './landing']

let space: Workspace
let snapshots: string[]

async function historyIds(): Promise<string[]> {
  const { stdout } = await space.lastwrite('history', TABLE, '--json')
  return [...stdout.matchAll(/"snapshot": (\d+)/g)].map((id) => id[1]!).reverse()
}

const json = async (...words: string[]) => JSON.parse((await space.lastwrite(...words, '--json')).stdout)
const keys = async () =>
  (await json('sql', TABLE, 'select pk from orders order by pk')).map(({ pk }: { pk: string }) => pk)

beforeAll(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', TABLE, '--definition', 'orders.table.json')
  for (const [sequence, pk, item] of [
    ['100000000000000000001', 'a', { status: { S: 'open' } }],
    ['100000000000000000002', 'b', { status: { S: 'open' } }],
    ['100000000000000000003', 'a', undefined],
  ] as const) {
    space.write(`landing/2026/11/24/08/${sequence}`, changeLine({ sequence, pk, ...(item && { item }) }))
    await space.lastwrite('merge', TABLE, ...LANDING)
  }
  snapshots = await historyIds()
})
afterAll(() => space.remove())

describe('maintenance from the command line', () => {
  it('says what expire would do, and does it; what was just in use stays on the disk', async () => {
    const words = ['expire', TABLE, '--keep-hours', '0', '--keep-snapshots', '2']
    expect(await json(...words, '--dry-run')).toMatchObject({ dryRun: true, snapshots: { kept: 2 }, deleted: {} })
    expect(await historyIds()).toEqual(snapshots)
    const { code, stdout } = await space.lastwrite(...words)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'orders: 1 snapshot expired, 2 kept\n' })
    expect(await historyIds()).toEqual(snapshots.slice(1))
    expect(await keys()).toEqual(['b'])
  })

  it('finds nothing to purge or to clean in a young table', async () => {
    const { code, stdout, stderr } = await space.lastwrite('maintain', TABLE, ...LANDING)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/0 snapshots expired, 2 kept.*0 tombstones purged, 1 kept.*0 objects deleted/s)
    expect(await json('purge', TABLE, ...LANDING)).toMatchObject({ snapshot: null, ledger: { dropped: 0, kept: 3 } })
    expect(await json('clean', TABLE, '--dry-run')).toMatchObject({ deleted: {}, paths: [] })
  })

  it('warns where nobody says what is still to be merged', async () => {
    const { code, stderr } = await space.lastwrite('maintain', TABLE, '--quiet')
    expect(code).toBe(0)
    expect(stderr).toMatch(/nothing was purged.*--landing/)
    expect((await space.lastwrite('purge', TABLE)).code).toBe(20)
    space.write('elsewhere/1', '')
    const other = await space.lastwrite('purge', TABLE, '--landing', './elsewhere')
    expect(other.code).toBe(20)
    expect(other.stderr).toMatch(/lies under none of/)
  })

  it('says how much the history holds', async () => {
    expect(await json('inspect', TABLE)).toMatchObject({ superseded: { files: 1 } })
    expect((await space.lastwrite('inspect', TABLE)).stdout).toMatch(/^superseded {2,}1 file, /m)
  })

  it('rolls back and merges again what was merged since', async () => {
    const before = await historyIds()
    const said = await json('rollback', TABLE, '--to', before[0]!, '--reapply', '--dry-run')
    expect(said).toMatchObject({ snapshot: null, objects: { mergedSince: 1, gone: [] } })
    const { code, stdout } = await space.lastwrite('rollback', TABLE, '--to', before[0]!, '--reapply')
    expect(code).toBe(0)
    expect(stdout).toMatch(/1 object merged since, to be merged again/)
    expect(await keys()).toEqual(['a', 'b'])
    expect(await json('merge', TABLE, ...LANDING)).toMatchObject({ objects: { merged: 1 } })
    expect(await keys()).toEqual(['b'])
  })

  it('rolls back and leaves out what was merged since', async () => {
    const [first] = await historyIds()
    const environment = { LASTWRITE_TO: first!, LASTWRITE_SKIP: '1', LASTWRITE_REAPPLY: '0' }
    expect((await space.lastwriteWith(environment, 'rollback', TABLE)).code).toBe(0)
    expect(await json('merge', TABLE, ...LANDING)).toMatchObject({ snapshot: null })
    expect(await keys()).toEqual(['a', 'b'])
  })

  it.each([
    [['--to', '1'], /--reapply or --skip/],
    [['--to', '1', '--reapply', '--skip'], /--skip/],
    [['--reapply'], /--to/],
    [['--to', '1', '--skip'], /no snapshot 1.*lastwrite history/],
  ])('refuses a rollback with %j', async (words, message) => {
    const { code, stdout, stderr } = await space.lastwrite('rollback', TABLE, ...words)
    expect({ code, stdout }).toEqual({ code: 20, stdout: '' })
    expect(stderr).toMatch(message)
  })
})
