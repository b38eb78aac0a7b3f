import { afterEach, beforeEach, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const CANARY = 'canary-4711'
let space: Workspace

beforeEach(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
  space.write(
    'landing/1',
    changeLine({ sequence: '900000000000000000000', pk: CANARY, item: { status: { S: CANARY } } }),
  )
  space.write('landing/2', `{"half of ${CANARY}`)
})
afterEach(() => space.remove())

const mergeInJob = () =>
  space.lastwriteWith(
    { LASTWRITE_LOG: 'json', AWS_BATCH_JOB_ID: 'job-1', AWS_BATCH_JOB_ATTEMPT: '2', AWS_BATCH_JOB_ARRAY_INDEX: '7' },
    ...['merge', 'lake/orders', '--landing', 'landing'],
  )

it('says in one line what became of a merge, with the metrics that it names', async () => {
  const { code, stdout, stderr } = await mergeInJob()
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  const summary = JSON.parse(stderr.trim().split('\n').at(-1)!)
  expect(summary).toMatchObject({
    Table: 'orders',
    LinesRead: 2,
    LinesQuarantined: 1,
    Commits: 1,
    OldestUnmergedAge: 0,
    exitCode: 0,
    job: { id: 'job-1', attempt: 2, index: 7 },
    lines: { read: 2, applied: 1, quarantined: 1 },
  })
  const [{ Namespace, Dimensions, Metrics }] = summary._aws.CloudWatchMetrics
  expect([Namespace, Dimensions]).toEqual(['lastwrite', [['Table']]])
  for (const { Name } of Metrics) expect(typeof summary[Name], Name).toBe('number')
})

it('logs nothing of an item or a key', async () => {
  const { stderr } = await mergeInJob()
  expect(stderr).not.toContain(CANARY)
})
