// The chain of jobs that a plan submits, each as the process that its container would start, on a local table.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { localStore } from '../../merge-core/src/store/local.ts'
import type { LandedObject } from '../../merge-core/test/change-sets.ts'
import { snapshotIds } from '../../merge-core/test/named-by-table.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import { land } from '../../merge-core/test/table-run.ts'
import { type BatchJob, type BatchModel, startBatch } from '../test/batch-model.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'
import { expectModel, lookThrough, objectsFrom, spec } from './battered-table.ts'
import { endOf, startLastwrite } from './processes.ts'

const seed = Number(process.env.LASTWRITE_SEED ?? Date.now() % 1_000_000)
const store = localStore({ durable: false })

/** Commands of the job definitions. */
const DEFINITIONS: Readonly<Record<string, readonly string[]>> = {
  shard: ['merge', '--shard', 'Ref::plan', '--no-commit', '--memory', '256MiB', '--quiet'],
  commit: ['commit', 'Ref::plan', '--quiet'],
}

let batch: BatchModel
let space: Workspace
let table: string
let landing: string
let nextObject: (name: string) => LandedObject
let landed: LandedObject[]

beforeAll(async () => {
  batch = await startBatch()
})
afterAll(() => batch.stop())

beforeEach(async () => {
  space = newWorkspace()
  table = `file://${space.folder}/lake/orders`
  landing = `file://${space.folder}/landing/`
  nextObject = objectsFrom(randomFrom(seed))
  landed = []
  batch.jobs.length = 0
  space.write('orders.json', spec.text)
  mkdirSync(join(space.folder, 'landing'))
  expect(await endOf(run({}, 'init', table, '--definition', 'orders.json', '--quiet'))).toBe(0)
})
afterEach(() => space.remove())

const run = (environment: Record<string, string>, ...words: string[]) =>
  startLastwrite(space.folder, environment, words)

async function landMore(round: number): Promise<void> {
  const objects = [0, 1].map((number) => nextObject(`${round}-${number}.ndjson`))
  landed.push(...objects)
  await land(store, objects, landing)
}

/** Runs a plan as a job of its own, and gives the jobs that it submitted. */
async function runPlan(...words: string[]): Promise<BatchJob[]> {
  const job = batch.add({ jobName: 'plan', jobDefinition: 'plan', status: 'RUNNING' })
  const before = batch.jobs.length
  const given = ['--shards', '2', '--submit', '--shard-job', 'shard', '--commit-job', 'commit', '--skip-if-running']
  const plan = run(batch.environmentOf(job), 'plan', table, '--landing', landing, ...given, '--quiet', ...words)
  expect(await endOf(plan)).toBe(0)
  job.status = 'SUCCEEDED'
  return batch.jobs.slice(before)
}

/** Runs a job, each child of an array as a process of its own, beside each other. */
async function runJob(job: BatchJob): Promise<void> {
  const words = DEFINITIONS[job.jobDefinition]!.map((word) => (word === 'Ref::plan' ? job.parameters.plan! : word))
  const ofChild = (index: number) =>
    job.arraySize === null
      ? {}
      : { AWS_BATCH_JOB_ARRAY_INDEX: String(index), AWS_BATCH_JOB_ID: `${job.jobId}:${index}` }
  const children = Array.from({ length: job.arraySize ?? 1 }, (_, index) =>
    endOf(run({ ...batch.environmentOf(job), ...ofChild(index) }, ...words)),
  )
  expect(await Promise.all(children)).toEqual(children.map(() => 0))
  job.status = 'SUCCEEDED'
}

it(`a plan, the array that it submits and the commit after it make the table of the model (LASTWRITE_SEED=${seed})`, async () => {
  for (let round = 0; round < 3; round++) {
    await landMore(round)
    const [shards, commit, ...others] = await runPlan()
    expect(others).toEqual([])
    expect(shards).toMatchObject({ jobDefinition: 'shard', arraySize: 2, dependsOn: [] })
    expect(commit).toMatchObject({ jobDefinition: 'commit', arraySize: null, dependsOn: [shards!.jobId] })
    const before = await snapshotIds(store, table)
    await runJob(shards!)
    expect(await snapshotIds(store, table)).toEqual(before)
    await runJob(commit!)
    expect(await snapshotIds(store, table)).toHaveLength(before.length + 1)
    await expectModel(store, table, landing, landed)
    await lookThrough(store, table)
  }
  expect(await runPlan()).toEqual([])
})

it.each([
  ['by one plan', ['--out', 'plans/1']],
  ['by two plans of the same objects', []],
])('what is submitted twice, %s, is committed once', async (_, words) => {
  await landMore(0)
  const first = await runPlan(...words)
  // So that the second one does not leave it to the first.
  for (const job of first) job.status = 'SUCCEEDED'
  const second = await runPlan(...words)
  const plans = new Set([...first, ...second].map(({ parameters }) => parameters.plan))
  expect(plans.size).toBe(words.length > 0 ? 1 : 2)
  for (const job of [first[0]!, second[0]!, first[1]!, second[1]!]) await runJob(job)
  expect(await snapshotIds(store, table)).toHaveLength(1)
  await expectModel(store, table, landing, landed)
})

it('one shard is a plain job', async () => {
  await landMore(0)
  const [shard, commit] = await runPlan('--shards', '1')
  expect(shard).toMatchObject({ arraySize: null })
  await runJob(shard!)
  await runJob(commit!)
  await expectModel(store, table, landing, landed)
})
