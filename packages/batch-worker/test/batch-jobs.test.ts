// What runs in jobs of AWS Batch ask of it, and do by its answers. `interop/batch-array.test.ts` runs what is submitted.

import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BatchJob, type BatchModel, type JobStatus, QUEUE, refusal, startBatch } from './batch-model.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

let batch: BatchModel
let space: Workspace

beforeAll(async () => {
  batch = await startBatch()
})
afterAll(() => batch.stop())

beforeEach(async () => {
  batch.jobs.length = 0
  batch.refusals.clear()
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  space.write(
    'landing/1',
    changeLine({ sequence: '900000000000000000000', pk: 'o#1', item: { status: { S: 'open' } } }),
  )
  await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
})
afterEach(() => space.remove())

const job = (jobDefinition: string, status: JobStatus) => batch.add({ jobName: 'any', jobDefinition, status })

/** Runs a command as this job. */
const runAs = (own: BatchJob, ...words: string[]) => space.lastwriteWith(batch.environmentOf(own), ...words)

const mergeAs = async (own: BatchJob) => {
  const { code, stdout, stderr } = await runAs(
    own,
    ...['merge', 'lake/orders', '--landing', 'landing', '--skip-if-running', '--json'],
  )
  return { code, report: JSON.parse(stdout), stderr }
}
const MERGED = { code: 0, report: { lines: { applied: 1 } }, stderr: '' }

describe('merge --skip-if-running', () => {
  it.each<JobStatus>(['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING', 'RUNNING'])(
    'does nothing where an earlier job of its definition is %s',
    async (status) => {
      for (const _ of [1, 2, 3]) job('backfill:1', status)
      const { jobId } = job('merge:4', status)
      expect(await mergeAs(job('merge:5', 'RUNNING'))).toEqual({
        code: 0,
        report: { skipped: expect.objectContaining({ id: jobId, status }) },
        stderr: '',
      })
      expect((await space.lastwrite('history', 'lake/orders', '--json')).stdout.trim()).toBe('[]')
    },
  )

  it.each<[string, () => BatchJob]>([
    ['has ended', () => [job('merge', 'SUCCEEDED'), job('merge', 'FAILED'), job('merge', 'RUNNING')].at(-1)!],
    ['is of another definition', () => [job('merge-customers', 'RUNNING'), job('merge', 'RUNNING')].at(-1)!],
    ['came later', () => [job('merge', 'STARTING'), job('merge', 'RUNNABLE')].at(0)!],
  ])('merges where another job %s', async (_, prepare) => {
    expect(await mergeAs(prepare())).toMatchObject(MERGED)
  })

  it('merges where the queue does not tell, and says so', async () => {
    job('merge', 'RUNNING')
    batch.refusals.set('listjobs', refusal('AccessDeniedException', 403, 'not authorized to perform: batch:ListJobs'))
    const denied = await mergeAs(job('merge', 'RUNNING'))
    expect(denied).toMatchObject({
      ...MERGED,
      stderr: expect.stringMatching(/^warning: .*batch:ListJobs.*going ahead/),
    })
    batch.refusals.clear()
    const unknown = await mergeAs({ ...job('merge', 'SUCCEEDED'), jobId: 'unheard-of' })
    expect(unknown).toMatchObject({ code: 0, stderr: expect.stringContaining('does not tell of unheard-of') })
  })

  it('says in the log of a container what it left to whom', async () => {
    const { jobId } = job('merge', 'RUNNING')
    const own = job('merge', 'RUNNING')
    const words = ['merge', 'lake/orders', '--landing', 'landing', '--skip-if-running', '--log', 'json']
    const { code, stdout, stderr } = await runAs(own, ...words)
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(JSON.parse(stderr)).toMatchObject({
      ...{ command: 'merge', location: 'lake/orders', exitCode: 0 },
      skipped: { id: jobId },
      job: { id: own.jobId },
    })
  })

  it('is refused outside of a job, and for a shard', async () => {
    const words = ['merge', 'lake/orders', '--landing', 'landing', '--skip-if-running']
    expect(await space.lastwrite(...words)).toMatchObject({
      code: 20,
      stderr: expect.stringContaining('AWS_BATCH_JOB_ID'),
    })
    expect(await space.lastwrite('merge', '--shard', 'p', '--skip-if-running')).toMatchObject({ code: 20 })
  })
})

const SUBMIT = ['--shards', '2', '--submit', '--shard-job', 'shard:3', '--commit-job', 'commit']
const planAs = (own: BatchJob, ...words: string[]) =>
  runAs(own, 'plan', 'lake/orders', '--landing', 'landing', ...SUBMIT, ...words)

describe('plan --submit', () => {
  it('names the jobs by the plan, tells each where it lies, and says which they are', async () => {
    const { code, stdout } = await planAs(job('plan', 'RUNNING'), '--json')
    const { plan, jobs } = JSON.parse(stdout)
    const [, id] = /staging\/([\w-]+)\/plan.json$/.exec(plan)!
    expect(code).toBe(0)
    expect(batch.jobs.slice(1)).toMatchObject([
      { jobName: `shards-${id}`, jobDefinition: 'shard:3', jobQueue: QUEUE, parameters: { plan } },
      { jobName: `commit-${id}`, jobDefinition: 'commit', jobQueue: QUEUE, parameters: { plan } },
    ])
    expect(jobs).toEqual({ shards: batch.jobs[1]!.jobId, commit: batch.jobs[2]!.jobId })
  })

  it('submits nothing where there is nothing to merge', async () => {
    await space.lastwrite('merge', 'lake/orders', '--landing', 'landing')
    expect(await planAs(job('plan', 'RUNNING'))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing to do'),
    })
    expect(batch.jobs).toHaveLength(1)
  })

  it('leaves the objects to the commit that an earlier plan submitted', async () => {
    await planAs(job('plan', 'SUCCEEDED'))
    const before = batch.jobs.length
    const { code, stdout } = await planAs(job('plan', 'RUNNING'), '--skip-if-running', '--json')
    expect({ code, stdout: JSON.parse(stdout) }).toEqual({
      code: 0,
      stdout: {
        skipped: expect.objectContaining({ id: batch.jobs[2]!.jobId, definition: 'commit', status: 'PENDING' }),
      },
    })
    expect(batch.jobs).toHaveLength(before + 1)
  })

  it('plans again where the shards of an earlier plan have no commit', async () => {
    job('shard', 'PENDING')
    await planAs(job('plan', 'RUNNING'), '--skip-if-running')
    expect(batch.jobs.map(({ jobDefinition }) => jobDefinition)).toEqual(['shard', 'plan', 'shard:3', 'commit'])
  })

  it.each([
    ['ClientException', 404, 20, /was refused \(ClientException: no such queue\)/],
    ['ServerException', 500, 10, /failed \(ServerException: no such queue\); run again/],
  ])('ends as %s says, status %d, with exit code %d', async (name, status, expected, message) => {
    batch.refusals.set('submitjob', refusal(name, status, 'no such queue'))
    const { code, stderr } = await planAs(job('plan', 'RUNNING'))
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringMatching(message) })
  })

  it.each([
    [['--submit'], /--shards/],
    [['--submit', '--shards', '2', '--queue', 'lake'], /--shard-job and --commit-job/],
    [[...SUBMIT, '--queue', 'lake', '--shards', '10001'], /10,000 shards at most/],
  ])('is refused with %s', async (words, message) => {
    const { code, stderr } = await space.lastwrite('plan', 'lake/orders', '--landing', 'landing', ...words)
    expect({ code, stderr }).toEqual({ code: 20, stderr: expect.stringMatching(message) })
  })

  it('tells in the log of a container since when objects wait, and of nothing as merged', async () => {
    const anHourAgo = new Date(Date.now() - 3_600_000)
    utimesSync(join(space.folder, 'landing/1'), anHourAgo, anHourAgo)
    const { stderr } = await planAs(job('plan', 'RUNNING'), '--log', 'json')
    expect(JSON.parse(stderr)).toMatchObject({
      ...{
        Table: 'orders',
        LinesRead: 0,
        Commits: 0,
        OldestUnmergedAge: expect.toSatisfy((age: number) => age >= 3600 && age < 3700),
      },
      plan: { shards: 1, objectsLeft: 0, jobs: { commit: batch.jobs[2]!.jobId } },
    })
  })
})
