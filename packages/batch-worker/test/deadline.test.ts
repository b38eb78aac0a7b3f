import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

/** Parts of the paths of objects that never come. */
const neverComes = vi.hoisted(() => new Set<string>())

vi.mock('@lastwrite/merge-core/store/local', async (original) => {
  const { localStore } = await original<typeof import('@lastwrite/merge-core/store/local')>()
  return {
    localStore: (): ReturnType<typeof localStore> => {
      const store = localStore()
      return {
        ...store,
        get: (path, options) =>
          [...neverComes].some((part) => path.includes(part)) ? new Promise(() => {}) : store.get(path, options),
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
  neverComes.clear()
  space.remove()
})

it('ends a merge with 10 at its deadline, and the next one merges what was left', async () => {
  neverComes.add('/landing/2')
  const merge = (...more: string[]) => space.lastwrite('merge', table, '--landing', 'landing', ...more)
  const stopped = await merge('--deadline', '0.2s')
  expect(stopped).toEqual({
    code: 10,
    stdout: 'orders: nothing merged\n',
    stderr:
      'stopped at its deadline: a commit that has begun is finished; another signal ends it at once\n' +
      'warning: stopped at its deadline; 0 commits stand, what they did not take is left for the next run\n',
  })
  neverComes.clear()
  const { code, stdout } = await merge('--deadline', '10m', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout).lines).toMatchObject({ read: 2, applied: 2 })
})

it.each([
  ['maintain', '/ledger/', ['--landing', 'landing']],
  ['replay', '/errors/1', ['--landing', 'landing', '--errors', 'errors']],
] as const)('ends %s with 10 at its deadline', async (command, part, options) => {
  await space.lastwrite('merge', table, '--landing', 'landing')
  space.write('errors/1', '{}')
  neverComes.add(part)
  const { code, stderr } = await space.lastwriteWith({ LASTWRITE_DEADLINE: '0.2s' }, command, table, ...options)
  expect(code).toBe(10)
  expect(stderr).toMatch(
    /^lastwrite: stopped at its deadline; nothing half-done is visible, run the same command again$/m,
  )
})

it.each(['0s', '10', '25h30', '600h', 'soon'])('refuses %s as a deadline', async (deadline) => {
  const { code, stderr } = await space.lastwrite('merge', table, '--landing', 'landing', '--deadline', deadline)
  expect(code).toBe(20)
  expect(stderr).toContain('Write a number and s, m or h')
})
