import { expect, it } from 'vitest'
import { mergeLanding, mergeShard, readPlan } from '../../src/index.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { handTable, line, objectOf } from '../hand-changes.ts'
import { createTestTable, environmentOver, LANDING, land } from '../table-run.ts'
import { merge, plan } from './shard-runs.ts'

const spec = handTable(['identity(region)'])
const regions = Array.from({ length: 8 }, (_, region) => `r${region}`)

/** The calls to the staging from call number `from` on. */
function staged(store: MemoryStore, from: number): { put: number; read: number } {
  const calls = store.log.slice(from).filter(({ path }) => path.includes('/staging/'))
  const put = calls.filter(({ operation }) => operation === 'put').length
  return { put, read: calls.length - put }
}

it('asks as little for each shard as docs/fleet.md says', async () => {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  const change = (sequence: number) => regions.map((to) => line(spec, { pk: `k${to}`, sequence, from: to, to }))
  await land(store, [objectOf('1.ndjson', change(1))])
  await mergeLanding(table, [LANDING])
  await land(store, [objectOf('2.ndjson', change(2))])

  let from = store.log.length
  const planned = (await plan(store, regions.length, 10))!
  expect(planned.shards).toHaveLength(regions.length)
  // The plan that is printed, and read again by whoever wrote it.
  expect(staged(store, from)).toEqual({ put: regions.length + 1, read: 1 })

  for (const shard of planned.shards.keys()) {
    from = store.log.length
    const { commit } = await merge(store, planned.path, shard, 20 + shard)
    const isLast = shard === regions.length - 1
    expect(commit !== null).toBe(isLast)
    expect(staged(store, from)).toEqual({ put: 2, read: isLast ? 4 + 1 + 2 * regions.length : 4 })
  }
})

it('asks once less for a shard that may not commit', async () => {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  await land(store, [objectOf('1.ndjson', [line(spec, { pk: 'k', sequence: 1, to: 'r' })])])
  const planned = (await plan(store, 1, 10))!
  const from = store.log.length
  await mergeShard(table, await readPlan(store, planned.path), 0, { commits: false })
  expect(staged(store, from)).toEqual({ put: 2, read: 3 })
})
