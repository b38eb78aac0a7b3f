// A process that lands and merges, over and over, in the race of race.test.ts.

import { type MergeReport, mergeLanding, nodeEnvironment, openTable } from '@lastwrite/merge-core'
import { s3Store } from '@lastwrite/merge-core/store/s3'

export interface RacerTask {
  readonly endpoint: string
  readonly table: string
  /** Landed one by one, a merge after each. */
  readonly objects: readonly { readonly path: string; readonly bytes: Uint8Array }[]
  readonly landing: readonly string[]
}

process.once('message', async ({ endpoint, table, objects, landing }: RacerTask) => {
  const store = s3Store({ endpoint, random: Math.random })
  const reports: MergeReport[] = []
  for (const { path, bytes } of objects) {
    const { kind } = await store.put(path, bytes, { kind: 'create' })
    if (kind !== 'ok') throw new Error(`${path}: ${kind}`)
    reports.push(await mergeLanding(await openTable(table, nodeEnvironment(store)), landing))
  }
  process.send!(reports, () => process.disconnect())
})
