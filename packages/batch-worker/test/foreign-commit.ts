// What other engines do to a table of ours: files that they wrote, added to it by a commit; columns that they add.

import { statSync } from 'node:fs'
import { type Field, loadState, nodeEnvironment, openTable } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { advanceMain } from '../../merge-core/src/iceberg/catalog.ts'
import type { DataFile } from '../../merge-core/src/iceberg/manifest.ts'
import { currentSchema } from '../../merge-core/src/iceberg/metadata.ts'
import { schemaOf } from '../../merge-core/src/iceberg/schema.ts'
import { liveFiles, newSnapshotId, prepareSnapshot } from '../../merge-core/src/iceberg/snapshot.ts'
import type { PartitionValue } from '../../merge-core/src/iceberg/transform.ts'

const store = localStore()
const environment = nodeEnvironment(store)

/** A data file, or a position delete file, of a table without partitions, or of the partition of these values. */
export function foreignFile(
  path: string,
  content: 'data' | 'deletes',
  records: number,
  partition: readonly PartitionValue[] = [],
): DataFile {
  return {
    content: content === 'data' ? 0 : 1,
    path,
    format: 'PARQUET',
    partition,
    records,
    fileBytes: statSync(path.replace(/^file:\/*/, '/')).size,
    columnBytes: new Map(),
    valueCounts: new Map(),
    nullCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
    splitOffsets: [],
    equalityIds: [],
    sortOrderId: null,
  }
}

export async function addForeignFiles(folder: string, added: readonly DataFile[]): Promise<void> {
  const table = await openTable(`file://${folder}`, environment)
  const { loaded } = await loadState(table)
  const snapshot = await prepareSnapshot({
    store,
    metadata: loaded.metadata,
    live: await liveFiles(store, loaded.metadata),
    removed: [],
    added,
    summary: {},
    snapshotId: newSnapshotId(loaded.metadata, environment.random),
    nowMs: environment.nowMs(),
    uuid: environment.uuid(),
  })
  const { kind } = await table.catalog.commit(loaded, advanceMain(snapshot), [])
  if (kind !== 'committed') throw new Error(`${folder}: ${kind}`)
}

/** Makes the table's columns what `change` makes of them, as `ALTER TABLE` does. */
export async function alterColumns(folder: string, change: (fields: readonly Field[]) => Field[]): Promise<void> {
  const table = await openTable(`file://${folder}`, environment)
  const { loaded, fields } = await loadState(table)
  const { metadata } = loaded
  const schema = {
    ...currentSchema(metadata),
    ...schemaOf(change(fields), metadata['current-schema-id'] + 1),
  }
  const { kind } = await table.catalog.commit(
    loaded,
    [
      { action: 'add-schema', schema, 'last-column-id': Math.max(...schema.fields.map((field) => field.id)) },
      { action: 'set-current-schema', 'schema-id': -1 },
    ],
    [],
  )
  if (kind !== 'committed') throw new Error(`${folder}: ${kind}`)
}
