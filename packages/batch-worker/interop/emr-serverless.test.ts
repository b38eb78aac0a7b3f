// `lastwrite merge` whose Spark jobs run on EMR Serverless: the service over HTTP, and behind it the real Spark, as its jobs start it.

import { localStore } from '@lastwrite/merge-core/store/local'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { describeWith } from '../../merge-core/interop/parts.ts'
import { arrivalsOf, type ChangeSet, changeSet, commitsOf } from '../../merge-core/test/change-sets.ts'
import { expectedRows } from '../../merge-core/test/model.ts'
import { readByDuckDB, rowsById } from '../../merge-core/test/read-rows.ts'
import { currentFiles } from '../../merge-core/test/stored-table.ts'
import { inOrder } from '../../merge-core/test/table-run.ts'
import { APPLICATION, ROLE, startEmrServerless } from '../test/emr-server.ts'
import { newWorkspace } from '../test/run-lastwrite.ts'
import { LOCAL_SPARK } from './local-spark.ts'

/** Of a change set whose last merge inserts, replaces, moves and removes rows. */
const SEED = 2613

describeWith('spark', 'a merge by EMR Serverless', () => {
  it('leaves the table of the model', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), (g) => expectModel(changeSet(g))),
      { numRuns: 1, seed: SEED },
    )
  })

  async function expectModel({ table: spec, merges }: ChangeSet): Promise<void> {
    const space = newWorkspace()
    const emr = await startEmrServerless(LOCAL_SPARK)
    try {
      space.write('orders.table.json', spec.text)
      await space.lastwrite('init', 'lake/orders', '--definition', 'orders.table.json')
      const [last, ...before] = merges.toReversed()
      const merge = async (objects: typeof last, ...words: string[]) => {
        for (const { name, bytes } of objects!) space.write(`landing/${name}`, bytes)
        const command = ['merge', 'lake/orders', '--landing', 'landing', '--json', ...words]
        const merged = await space.lastwriteWith(emr.environment, ...command)
        expect(merged).toMatchObject({ code: 0 })
        return JSON.parse(merged.stdout)
      }
      for (const objects of before.toReversed()) await merge(objects, '--engine', 'node')
      const report = await merge(last, '--engine', 'spark', '--emr-application', APPLICATION, '--emr-role', ROLE)
      expect(report.engines).toMatchObject([{ engine: 'spark' }])
      expect(emr.jobs.map(({ state }) => state)).toEqual(['SUCCESS'])
      const { inserted, replaced, removed } = report.rows
      expect(Math.min(inserted, replaced, removed, report.movedOut)).toBeGreaterThan(0)

      const files = await currentFiles(localStore(), `file://${space.folder}/lake/orders`)
      const rows = await readByDuckDB(spec, files, (path) => path.slice('file://'.length))
      const commits = commitsOf({ merges, commitsEachObject: false })
      expect(inOrder(rowsById(spec, rows))).toEqual(inOrder(expectedRows(arrivalsOf(commits))))
    } finally {
      await emr.stop()
      space.remove()
    }
  }
})
