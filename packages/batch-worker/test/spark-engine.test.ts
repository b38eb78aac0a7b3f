// What becomes of a merge whose Spark does not do its part: stand-ins for spark-submit that end as it may end.

import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cleanTable, nodeEnvironment, openTable } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const TASK_FILE = /^file:\/\/\/.*\/_lastwrite\/.*\/staging\/[^/]+\/tasks\.json$/
const DAY_MS = 24 * 3600 * 1000
let space: Workspace

beforeEach(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  space.write('landing/1', [...'abcd'].map((pk, i) => changeLine({ sequence: `4000${i}`, pk, item: {} })).join(''))
  await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
})
afterEach(() => space.remove())

const merge = (...words: string[]) => space.lastwrite('merge', 'lake/orders', '--landing', 'landing', ...words)
const snapshots = async () => JSON.parse((await space.lastwrite('history', 'lake/orders', '--json')).stdout).length

/** The command of a program that does this. */
function submitThat(script: string): string {
  space.write('submit', `#!/bin/sh\n${script}\n`)
  chmodSync(join(space.folder, 'submit'), 0o755)
  return './submit --master "a b"'
}

it.each([
  ['fails', 'echo starting; echo "no memory left" >&2; exit 1', 10, 'exit code 1'],
  ['is killed', 'echo "no memory left"; kill -9 $$', 10, 'SIGKILL'],
  ['refuses the task', 'echo "no memory left"; exit 20', 20, 'exit code 20'],
])('ends with the last lines of a Spark that %s, and leaves the table as it was', async (_, script, code, how) => {
  const merged = await merge('--engine', 'spark', '--spark-submit', submitThat(script))
  expect(merged.code).toBe(code)
  expect(merged.stderr).toContain(how)
  expect(merged.stderr).toContain('no memory left')
  expect(await snapshots()).toBe(0)
  expect((await merge()).code).toBe(0)
  expect(await snapshots()).toBe(1)
})

it('says how to go on where Spark is not there', async () => {
  const merged = await merge('--engine', 'spark', '--spark-submit', './no-such-program')
  expect(merged.code).toBe(20)
  expect(merged.stderr).toContain('./no-such-program: cannot be started')
  expect(merged.stderr).toContain('--spark-submit')
})

it('refuses a Spark that says it is done and has written nothing', async () => {
  const merged = await merge('--engine', 'spark', '--spark-submit', submitThat('exit 0'))
  expect(merged.code).toBe(21)
  expect(merged.stderr).toContain('result.json')
  expect(await snapshots()).toBe(0)
})

it('gives the program the job and the task files behind its own words', async () => {
  await merge('--engine', 'spark', '--spark-submit', submitThat('printf "%s\\n" "$@" > words; exit 1'))
  const words = readFileSync(join(space.folder, 'words'), 'utf8').split('\n').slice(0, -1)
  expect(words.slice(0, 2)).toEqual(['--master', 'a b'])
  expect(words[2]).toMatch(/\/spark\/merge_task\.py$/)
  expect(words.slice(3)).toEqual([expect.stringMatching(TASK_FILE), expect.stringMatching(TASK_FILE)])
})

it('ends Spark at the deadline of the merge', async () => {
  const merged = await merge('--engine', 'spark', '--deadline', '0.5s', '--spark-submit', submitThat('sleep 600'))
  expect(merged.code).toBe(10)
  expect(await snapshots()).toBe(0)
})

it('merges by itself where Spark may be chosen and is not there', async () => {
  const merged = await merge('--engine', 'auto', '--spark-submit', './no-such-program', '--json')
  expect(merged.code).toBe(0)
  expect(JSON.parse(merged.stdout).engines).toEqual([
    { engine: 'node', why: 'fits memory and deadline', partitions: 2, fileBytes: 0 },
  ])
})

it('lets clean take away what a Spark that failed has left', async () => {
  const script = 'for task in "$@"; do :; done; touch "$(dirname "$(echo "$task" | cut -c 8-)")/left"; exit 1'
  await merge('--engine', 'spark', '--spark-submit', submitThat(script))
  const environment = { ...nodeEnvironment(localStore()), nowMs: () => Date.now() + 3 * DAY_MS }
  const cleaned = await cleanTable(await openTable(`file://${join(space.folder, 'lake/orders')}`, environment))
  const staged = cleaned.paths.filter((path) => path.includes('/staging/'))
  expect(staged.map((path) => path.split('/').at(-1))).toEqual(
    expect.arrayContaining(['tasks.json', 'changes.parquet', 'left']),
  )
})
