// What becomes of a merge whose job on EMR Serverless does not do its part: the service over HTTP, with stand-ins for Spark that end as it
// may end. interop/emr-serverless.test.ts has Spark itself do the job.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { APPLICATION, type EmrServer, ROLE, startEmrServerless } from './emr-server.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { LASTWRITE, newWorkspace, type Workspace } from './run-lastwrite.ts'

let space: Workspace
let emr: EmrServer | undefined

beforeEach(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  space.write('landing/1', [...'abcd'].map((pk, i) => changeLine({ sequence: `4000${i}`, pk, item: {} })).join(''))
  await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
})
afterEach(async () => {
  await emr?.stop()
  emr = undefined
  space.remove()
})

const merge = (...words: string[]) =>
  space.lastwriteWith(emr?.environment ?? {}, 'merge', 'lake/orders', '--landing', 'landing', ...words)
const onEmr = ['--engine', 'spark', '--emr-application', APPLICATION, '--emr-role', ROLE]
const snapshots = async () => JSON.parse((await space.lastwrite('history', 'lake/orders', '--json')).stdout).length

/** The service, whose jobs do this. */
async function jobsThat(script: string): Promise<EmrServer> {
  space.write('submit', `#!/bin/sh\n${script}\n`)
  chmodSync(join(space.folder, 'submit'), 0o755)
  emr = await startEmrServerless([join(space.folder, 'submit')])
  return emr
}

it.each([
  ['fails', 'exit 1', 10, 'ExitCode: 1'],
  ['refuses the task', 'exit 20', 20, 'ExitCode: 20'],
])('ends with what the service tells of a job that %s, and leaves the table as it was', async (_, end, code, how) => {
  await jobsThat(`echo "no memory left" >&2; ${end}`)
  const merged = await merge(...onEmr)
  expect(merged.code).toBe(code)
  expect(merged.stderr).toContain(how)
  expect(merged.stderr).toContain('no memory left')
  expect(await snapshots()).toBe(0)
  expect((await merge()).code).toBe(0)
  expect(await snapshots()).toBe(1)
})

it('starts one job, though the answer of its start is lost', async () => {
  const service = await jobsThat('exit 1')
  service.failNext(500, 429)
  expect((await merge(...onEmr)).stderr).toContain('ended as FAILED')
  expect(service.jobs).toHaveLength(1)
})

it('gives a job the script of this version, the task files, the role and the time of the merge', async () => {
  const service = await jobsThat('exit 1')
  await merge(...onEmr, '--deadline', '50m')
  const [job] = service.jobs.map(({ request }) => request)
  const { executionRoleArn, executionTimeoutMinutes, jobDriver } = job!
  expect({ executionRoleArn, executionTimeoutMinutes }).toEqual({ executionRoleArn: ROLE, executionTimeoutMinutes: 50 })
  const { entryPoint, entryPointArguments } = jobDriver.sparkSubmit
  expect(readFileSync(new URL(entryPoint), 'utf8')).toBe(
    readFileSync(new URL('../spark/merge_task.py', import.meta.url), 'utf8'),
  )
  const TASK_FILE = /^file:\/\/\/.*\/_lastwrite\/.*\/staging\/[^/]+\/tasks\.json$/
  expect(entryPointArguments).toEqual([expect.stringMatching(TASK_FILE), expect.stringMatching(TASK_FILE)])
})

it('cancels the job where the process is told to end', async () => {
  const service = await jobsThat('sleep 600')
  const words = ['merge', 'lake/orders', '--landing', 'landing', ...onEmr]
  const child = spawn(process.execPath, [LASTWRITE, ...words], {
    cwd: space.folder,
    env: { ...process.env, ...service.environment },
  })
  await expect.poll(() => service.jobs.length, { timeout: 60_000 }).toBe(1)
  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([10, null])
  expect(service.jobs[0]!.state).toBe('CANCELLED')
  expect(await snapshots()).toBe(0)
})

it('cancels the job where the service does not tell of it any more', async () => {
  const service = await jobsThat('sleep 600')
  service.failNext(200, 403)
  const merged = await merge(...onEmr)
  expect(merged.code).toBe(20)
  expect(merged.stderr).toContain('AccessDeniedException')
  expect(service.jobs[0]!.state).toBe('CANCELLED')
})

it('is to be run again where somebody else cancels the job', async () => {
  const service = await jobsThat('sleep 600')
  const merged = merge(...onEmr)
  await expect.poll(() => service.jobs.length, { timeout: 60_000 }).toBe(1)
  service.cancel()
  expect(await merged).toMatchObject({ code: 10, stderr: expect.stringContaining('ended as CANCELLED') })
})

it('says how to go on where there is no such application, no role, or another way to Spark as well', async () => {
  await jobsThat('exit 0')
  const [none, noRole] = [await merge(...onEmr, '--emr-application', '00fnone'), await merge(...onEmr.slice(0, 4))]
  expect(none).toMatchObject({ code: 20, stderr: expect.stringMatching(/00fnone.*does not exist.*--emr-application/) })
  expect(noRole).toMatchObject({ code: 20, stderr: expect.stringContaining('--emr-role') })
  const both = await merge(...onEmr, '--spark-submit', 'spark-submit')
  expect(both).toMatchObject({ code: 20, stderr: expect.stringContaining('cannot be used with') })
})

it('refuses a job that says it is done and has written nothing', async () => {
  await jobsThat('exit 0')
  const merged = await merge(...onEmr)
  expect(merged.code).toBe(21)
  expect(merged.stderr).toContain('result.json')
})

it('asks for nothing where this process can do it all', async () => {
  const service = await jobsThat('exit 1')
  expect((await merge('--engine', 'auto', ...onEmr.slice(2))).code).toBe(0)
  expect(service.jobs).toEqual([])
})
