// Spark does what Node does: the same change sets merged into two tables, by one and by the other, leave the same rows in the same order.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClusterOptions, mergeLanding } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from '../../merge-core/interop/parts.ts'
import { type ChangeSet, changeSet } from '../../merge-core/test/change-sets.ts'
import { partitionText } from '../../merge-core/test/model-partitions.ts'
import { createTestTable, environmentOver, land, storedRows } from '../../merge-core/test/table-run.ts'
import { openSparkSession, type SparkSession } from './spark-session.ts'

// `LASTWRITE_SPARK_SETS` sets how many; a failure prints its seed, and `LASTWRITE_SEED=<seed>` runs the same sets again.
const sets = Number(process.env.LASTWRITE_SPARK_SETS ?? 300)
const seed = process.env.LASTWRITE_SEED
const runs = { numRuns: sets, ...(seed !== undefined && { seed: Number(seed) }) }

describeWith('spark', 'the same changes merged by Node and by Spark', () => {
  let spark: SparkSession
  beforeAll(() => {
    spark = openSparkSession()
  })
  afterAll(() => spark.close())

  it(`leave the same rows in the same order, ${sets} times`, { timeout: 1_800_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), (g) => expectSameTable(changeSet(g))),
      runs,
    )
    expect(spark.done).toBeGreaterThan(sets / 2)
  })

  /** All merges but the last are Node's for both. */
  async function expectSameTable({ table: spec, merges }: ChangeSet): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'lastwrite-parity-'))
    const mergeAll = async (name: string, cluster: ClusterOptions | null) => {
      const store = localStore({ durable: false })
      const [location, landing] = [`file://${folder}/${name}`, `file://${folder}/landing-${name}/`]
      const table = await createTestTable(spec, environmentOver(store), location)
      const reports = []
      for (const [number, objects] of merges.entries()) {
        await land(store, objects, landing)
        const isLast = number === merges.length - 1
        reports.push(await mergeLanding(table, [landing], isLast && cluster !== null ? { cluster } : {}))
      }
      const files = await storedRows(spec, store, location)
      const byPartition = Map.groupBy(files, ({ file }) => partitionText(file.partition))
      const { lines, rows, movedOut, exitCode } = reports.at(-1)!
      return {
        rows: new Map([...byPartition].map(([partition, of]) => [partition, of.flatMap((file) => file.rows)])),
        report: { lines, rows, movedOut, exitCode },
      }
    }
    try {
      const byNode = await mergeAll('node', null)
      const bySpark = await mergeAll('spark', { engine: spark, use: 'always' })
      expect(bySpark).toEqual(byNode)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
})
