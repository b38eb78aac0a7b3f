import { writeJson } from '../iceberg/json.ts'
import type { Table } from '../table.ts'

/** Beside the table, under the name of the report's commit. For people alone: the commit stands whether it is written or not. */
export async function storeReport(
  { environment }: Table,
  stateFolder: string,
  commitId: string,
  report: object,
): Promise<void> {
  await environment.store.put(`${stateFolder}/reports/${commitId}.json`, Buffer.from(writeJson(report)), {
    kind: 'create',
  })
}
