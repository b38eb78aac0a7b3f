// The data files of a table as a merge and a reader want them: by partition, with the delete files that apply to each.

import { tupleText } from './change/lines.ts'
import { InputError } from './errors.ts'
import type { StoredFile } from './files/locate.ts'
import type { TableLayout } from './files/merge-context.ts'
import { defaultSpec, snapshotById } from './iceberg/metadata.ts'
import type { PartitionSpec } from './iceberg/schema.ts'
import { type LiveFile, type LiveFiles, liveFiles } from './iceberg/snapshot.ts'
import type { PartitionValue } from './iceberg/transform.ts'
import type { NameMapping } from './parquet/read-footer.ts'
import type { Table } from './table.ts'
import type { TableState } from './table-state.ts'

/** Iceberg's own property for files without field ids. */
export const NAME_MAPPING = 'schema.name-mapping.default'

export interface StoredFiles {
  readonly live: LiveFiles
  /** The live data files by partition (`tupleText` of its tuple), with the delete files that apply to each. */
  readonly byPartition: ReadonlyMap<string, readonly StoredFile[]>
}

/**
 * The files of a snapshot, by default the current one.
 * @throws InputError where there is no such snapshot, or it holds files that are not supported
 */
export async function loadFiles(table: Table, state: TableState, snapshot?: bigint): Promise<StoredFiles> {
  const { metadata } = state.loaded
  if (snapshot !== undefined && snapshotById(metadata, snapshot) === null) {
    throw new InputError(
      `${state.location}: there is no snapshot ${snapshot}; "lastwrite history" lists those that are kept`,
    )
  }
  const live = await liveFiles(table.environment.store, metadata, snapshot)
  const spec = defaultSpec(metadata)
  refuseUnsupported(live, spec)
  const names = nameMappingOf(state)
  const deletes = Map.groupBy(live.deleteFiles, ({ file }) => tupleText(file.partition))
  const stored = live.dataFiles.map((entry) => {
    const applying = (deletes.get(tupleText(entry.file.partition)) ?? []).filter((other) => applies(other, entry))
    return {
      file: entry.file,
      deletes: applying.map(({ file }) => file),
      names,
      constants: constantsOf(spec, entry.file.partition),
    }
  })
  return { live, byPartition: Map.groupBy(stored, ({ file }) => tupleText(file.partition)) }
}

function refuseUnsupported(live: LiveFiles, { 'spec-id': specId }: PartitionSpec): void {
  for (const path of live.equalityDeletes) {
    throw new InputError(
      `${path}: equality deletes are not supported; let the engine that wrote it rewrite its data files, then merge again`,
    )
  }
  for (const { file, specId: writtenUnder } of [...live.dataFiles, ...live.deleteFiles]) {
    if (file.format.toUpperCase() !== 'PARQUET') {
      throw new InputError(
        `${file.path}: an ${file.format} file, and only Parquet is read; set write.format.default to parquet, rewrite the file with the engine that wrote it, then merge again`,
      )
    }
    if (writtenUnder !== specId) {
      throw new InputError(
        `${file.path}: written under partition spec ${writtenUnder}, the table's is ${specId}; rewrite it under the table's spec`,
      )
    }
  }
}

/** The columns whose value is that of the partition, by field id: files of Hive tables leave them out. */
export function constantsOf(
  { fields }: PartitionSpec,
  partition: readonly PartitionValue[],
): Map<number, PartitionValue> {
  return new Map(
    fields.flatMap(({ transform, 'source-id': id }, i) =>
      transform === 'identity' ? [[id, partition[i]!] as const] : [],
    ),
  )
}

/** Whether position deletes may name rows of a data file of the same partition. */
function applies(deletes: LiveFile, { file, sequenceNumber }: LiveFile): boolean {
  const { referencedDataFile = file.path } = deletes.file
  return deletes.sequenceNumber >= sequenceNumber && referencedDataFile === file.path
}

/** Paths of the position delete files that apply to no data file once the removed ones are gone. */
export function idleDeletes(live: LiveFiles, removed: readonly string[]): string[] {
  if (live.deleteFiles.length === 0 || removed.length === 0) return []
  const going = new Set(removed)
  const staying = live.dataFiles.filter(({ file }) => !going.has(file.path))
  const byPartition = Map.groupBy(staying, ({ file }) => tupleText(file.partition))
  const isIdle = (deletes: LiveFile) =>
    !byPartition.get(tupleText(deletes.file.partition))?.some((file) => applies(deletes, file))
  return live.deleteFiles.filter(isIdle).map(({ file }) => file.path)
}

/** By which names the columns of files without field ids bind: the table's mapping, or the columns' own names. */
export function nameMappingOf({ location, fields, loaded }: TableState): NameMapping {
  const text = loaded.metadata.properties?.[NAME_MAPPING]
  if (text === undefined) return new Map(fields.map(({ id, name }) => [id, [name]]))
  try {
    const mapping = JSON.parse(text) as { 'field-id'?: number; names: string[] }[]
    return new Map(mapping.flatMap(({ 'field-id': id, names }) => (id === undefined ? [] : [[id, names] as const])))
  } catch (cause) {
    throw new InputError(`${location}: property ${NAME_MAPPING} is no name mapping; remove or mend it`, { cause })
  }
}

/** @param overrulesBefore epoch seconds: stored rows from before lose to any change */
export function tableLayoutOf(state: TableState, overrulesBefore: number | null = null): TableLayout {
  const { definition, fields } = state
  const position = (name: string) => {
    const field = definition.fields.findLast((each) => each.name === name)
    return field === undefined ? -1 : definition.fields.indexOf(field)
  }
  return {
    fields,
    keyColumns: definition.keyColumns,
    streamColumn: position('_stream'),
    sequenceColumn: position('_sequence'),
    expiredColumn: definition.onTtl === 'keep' ? position('_expired_at') : -1,

    fileBytes: definition.fileBytes,
    rowGroupRows: definition.rowGroupRows,
    sortOrderId: keyOrderId(state),
    ...(overrulesBefore !== null && {
      overruled: { column: position('_updated_at'), beforeMicros: BigInt(overrulesBefore) * 1_000_000n },
    }),
  }
}

/** The id of the order by key; 0, the order of no order, where the table has lost it. Others may have set another default for theirs. */
function keyOrderId({ loaded, definition, fields }: TableState): number {
  const keyIds = fields.slice(0, definition.keyColumns).map(({ id }) => id)
  const byKey = loaded.metadata['sort-orders'].find(
    (order) =>
      order.fields.length === keyIds.length &&
      order.fields.every(
        (field, i) => field.transform === 'identity' && field['source-id'] === keyIds[i] && field.direction === 'asc',
      ),
  )
  return byKey?.['order-id'] ?? 0
}
