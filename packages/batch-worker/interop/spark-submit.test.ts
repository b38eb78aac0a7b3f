// `lastwrite merge` with a Spark that it starts itself, by spark-submit, as its users have it.

import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from '../../merge-core/interop/parts.ts'
import { changeLine, ORDERS_DEFINITION } from '../test/orders.ts'
import { newWorkspace, type Workspace } from '../test/run-lastwrite.ts'
import { LOCAL_SPARK } from './local-spark.ts'

const SPARK_SUBMIT = LOCAL_SPARK.join(' ')
const REGIONS = ['eu', 'us', 'ap']

describeWith('spark', 'a merge that starts Spark', () => {
  let space: Workspace
  let landed = 0
  beforeAll(async () => {
    space = newWorkspace()
    const definition = { ...JSON.parse(ORDERS_DEFINITION), partition_by: ['identity(status)'] }
    space.write('orders.table.json', JSON.stringify(definition))
    await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
  })
  afterAll(() => space.remove())

  const land = (regions: readonly string[], items: number) => {
    const lines = regions.flatMap((status) =>
      Array.from({ length: 50 }, (_, i) => {
        const item = { status: { S: status }, items: { N: String(items) } }
        return changeLine({ sequence: `${landed + 1}000${i}`, pk: `${status}-${i}`, item }).replace(
          /}\n$/,
          `,"old":${JSON.stringify({ status: { S: status } })}}\n`,
        )
      }),
    )
    space.write(`landing/${landed++}`, lines.join(''))
  }
  const merge = (...words: string[]) =>
    space.lastwrite('merge', 'lake/orders', '--landing', 'landing', '--json', ...words)
  const sums = async () => {
    const query = 'select status, count(*) as n, sum(items)::integer as items from t group by all order by status'
    return JSON.parse((await space.lastwrite('sql', 'lake/orders', query, '--json')).stdout)
  }
  const snapshots = async () => JSON.parse((await space.lastwrite('history', 'lake/orders', '--json')).stdout).length

  it('has Spark write a partition, and then Spark and Node one snapshot of three', { timeout: 600_000 }, async () => {
    land(['eu'], 1)
    const first = await merge('--engine', 'spark', '--spark-submit', SPARK_SUBMIT)
    expect(first).toMatchObject({ code: 0 })
    expect(JSON.parse(first.stdout).engines).toMatchObject([{ engine: 'spark', partitions: 1, why: 'asked for' }])
    land(['us', 'ap'], 2)
    expect(await merge('--engine', 'node')).toMatchObject({ code: 0 })

    land(REGIONS, 3)
    const mixed = await merge('--engine', 'auto', '--memory', '0.001KiB', '--spark-submit', SPARK_SUBMIT)
    expect(mixed).toMatchObject({ code: 0 })
    const report = JSON.parse(mixed.stdout)
    expect(report.engines).toMatchObject([
      { engine: 'spark', partitions: 1 },
      { engine: 'node', partitions: 2 },
    ])
    expect(report.commits).toHaveLength(1)
    expect(report.rows).toEqual({ inserted: 0, replaced: 150, removed: 0 })
    expect(report.lines).toMatchObject({ read: 150, applied: 150 })
    expect(await sums()).toEqual(REGIONS.toSorted().map((status) => ({ status, n: 50, items: 150 })))
  })

  it('ends with exit code 10 where the JVM is killed, and is done by the next run', { timeout: 600_000 }, async () => {
    const before = [await snapshots(), await sums()]
    land(REGIONS, 4)
    space.write('killed.sh', `#!/bin/bash\n${SPARK_SUBMIT} "$@" &\nsleep 4; kill -9 $!; wait $!\n`)
    chmodSync(join(space.folder, 'killed.sh'), 0o755)
    const killed = await merge('--engine', 'spark', '--spark-submit', './killed.sh')
    expect(killed.code).toBe(10)
    expect(killed.stderr).toContain('./killed.sh: ended with exit code 137')
    expect([await snapshots(), await sums()]).toEqual(before)
    expect(await merge('--engine', 'node')).toMatchObject({ code: 0 })
    expect(await sums()).toEqual(REGIONS.toSorted().map((status) => ({ status, n: 50, items: 200 })))
  })
})
