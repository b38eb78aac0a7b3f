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

const JOB = { LASTWRITE_LOG: 'json', AWS_BATCH_JOB_ID: 'job-1', AWS_BATCH_JOB_ATTEMPT: '2' }

/** A run in a job, and the line that it logs. */
async function runInJob(...words: string[]): Promise<{ code: number | null; stdout: string; summary: unknown }> {
  const { code, stdout, stderr } = await space.lastwriteWith(JOB, ...words)
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
  expect(lines).toHaveLength(1)
  return { code, stdout, summary: JSON.parse(lines[0]!) }
}

const mergeInJob = () =>
  space.lastwriteWith({ ...JOB, AWS_BATCH_JOB_ARRAY_INDEX: '7' }, ...['merge', 'lake/orders', '--landing', 'landing'])

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

it('says of a shard what became of it, and of the last one what it committed', async () => {
  await space.lastwrite(...['plan', 'lake/orders', '--landing', 'landing', '--shards', '1', '--out', 'plans/1'])
  const shard = await runInJob('merge', '--shard', 'plans/1/plan.json', '--index', '0')
  expect(shard).toMatchObject({
    code: 0,
    stdout: '',
    summary: {
      exitCode: 0,
      Table: 'orders',
      Commits: 1,
      job: { id: 'job-1', attempt: 2 },
      shard: { shard: 0, shards: 1, isMerged: true, damaged: 0 },
    },
  })
  const spare = await runInJob('merge', '--shard', 'plans/1/plan.json', '--index', '1')
  expect(spare.summary).toMatchObject({ exitCode: 0, job: { id: 'job-1' }, shard: { shard: 1, isMerged: false } })
  const commit = await runInJob('commit', 'plans/1/plan.json')
  expect(commit).toMatchObject({ code: 0, stdout: '', summary: { exitCode: 0, Table: 'orders', Commits: 0 } })
})

it.each([
  { command: 'merge', words: ['lake/absent', '--landing', 'landing'], location: 'lake/absent' },
  { command: 'merge', words: ['--shard', 'plans/absent.json', '--index', '0'], location: 'plans/absent.json' },
  { command: 'commit', words: ['plans/absent.json'], location: 'plans/absent.json' },
])('logs how $command of $location failed', async ({ command, words, location }) => {
  const { code, summary } = await runInJob(command, ...words)
  expect(code).toBe(20)
  expect(summary).toEqual({
    command,
    location,
    exitCode: 20,
    error: 'InputError',
    job: { id: 'job-1', attempt: 2, index: null },
  })
})

it('logs that a run which was refused for now is to be tried again', async () => {
  await space.lastwrite(...['plan', 'lake/orders', '--landing', 'landing', '--shards', '1', '--out', 'plans/1'])
  const { code, summary } = await runInJob('commit', 'plans/1/plan.json')
  expect({ code, summary }).toMatchObject({ code: 10, summary: { exitCode: 10, error: 'TryAgainError' } })
})
