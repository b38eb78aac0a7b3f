import { open } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

let space: Workspace
let syncs: () => number
let tables = 0

beforeAll(() => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  space.write('landing/1', changeLine({ sequence: '1', pk: 'o#1', item: { status: { S: 'new' } } }))
})
afterAll(() => space.remove())

beforeEach(async () => {
  const handle = await open(import.meta.filename)
  const spy = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync')
  await handle.close()
  syncs = () => spy.mock.calls.length
})
afterEach(() => vi.restoreAllMocks())

it.each<[string, Record<string, string>, string[], boolean]>([
  ['unasked', {}, [], true],
  ['told so', { LASTWRITE_NO_FSYNC: '0' }, [], true],
  ['told not to', {}, ['--no-fsync'], false],
  ['told not to by the environment', { LASTWRITE_NO_FSYNC: '1' }, [], false],
])('waits for the disk or not: %s', async (_, environment, words, waits) => {
  const table = `./lake/orders-${tables++}`
  const init = ['init', table, '--definition', 'orders.table.json', ...words]
  const merge = ['merge', table, '--landing', 'landing', ...words]
  for (const command of [init, merge]) {
    const before = syncs()
    const { code, stderr } = await space.lastwriteWith(environment, ...command)
    expect([code, stderr]).toEqual([0, ''])
    expect(syncs() - before > 0, command[0]).toBe(waits)
  }
})
