// Tasks as JSON: what a shard of a plan, or Spark, must know to merge files. Nothing else of the table is needed, neither its metadata nor
// its manifests.
//
//   { format, table: { location, snapshot, metadata, fields, layout, spec, names }, changes, tasks: [
//       { id, partition, folder, files: [{ path, bytes, rows, deletes }], from, to } ] }
//
// The changes [from, to) of a task lie in the file of folded changes at `changes` (folded-changes.ts). What the task writes are data files
// in `folder`, under names never used before.

import { tupleOf, tupleText } from '../change/lines.ts'
import { DamagedObjectError } from '../errors.ts'
import type { TableLayout } from '../files/merge-context.ts'
import type { InputFile } from '../files/open-file.ts'
import type { PartitionSpec } from '../iceberg/schema.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { NameMapping } from '../parquet/read-footer.ts'
import { type Field, formatPrimitiveType, parsePrimitiveType } from '../primitive-type.ts'
import { constantsOf } from '../stored-files.ts'
import { FORMAT, type JsonObject } from './json-object.ts'

/** What the tasks of a plan have in common: the table as it was when they were planned. */
export interface TaskTable {
  readonly location: string
  /** Null where the table was empty. */
  readonly snapshot: bigint | null
  /** The metadata file of that snapshot, for whoever wants to know more. */
  readonly metadata: string
  readonly layout: Omit<TableLayout, 'overruled'>
  readonly spec: PartitionSpec
  readonly names: NameMapping
}

export interface ShardTask {
  /** Says what the task's result depends on (task-identity.ts). */
  readonly id: string
  readonly partition: readonly PartitionValue[]
  /** Where the files of the partition lie, without a slash at its end. */
  readonly folder: string
  /** In order of their lower bounds; none in a partition without files. */
  readonly files: readonly (InputFile & { readonly rows: number })[]
  readonly from: number
  readonly to: number
}

/** Tasks whose changes lie in one file. */
export interface TaskFile {
  /** Absolute location of the file of folded changes. */
  readonly changes: string
  readonly tasks: readonly ShardTask[]
}

export function formatTaskFile(table: TaskTable, file: TaskFile): string {
  return JSON.stringify({ format: FORMAT, table: tableJson(table), ...tasksJson(file) })
}

export function tableJson({ location, snapshot, metadata, layout, spec, names }: TaskTable): object {
  const { fields, ...numbers } = layout
  return {
    location,
    snapshot: snapshot === null ? null : String(snapshot),
    metadata,
    fields: fields.map(({ id, name, type, required }) => ({ id, name, type: formatPrimitiveType(type), required })),
    layout: numbers,
    spec,
    names: Array.from(names, ([id, of]) => ({ 'field-id': id, names: of })),
  }
}

export function tasksJson({ changes, tasks }: TaskFile): object {
  return {
    changes,
    tasks: tasks.map(({ partition, files, ...task }) => ({
      ...task,
      partition: JSON.parse(tupleText(partition)),
      files: files.map(({ file, rows, deletes }) => ({
        path: file.path,
        bytes: file.fileBytes,
        rows,
        deletes: deletes.map(({ path }) => path),
      })),
    })),
  }
}

/** @throws DamagedObjectError naming `path` where the JSON is not what tableJson made */
export function parseTable(path: string, json: JsonObject): TaskTable {
  const layout = json.object('layout')
  const spec = json.object('spec')
  const snapshot = json.textOrNull('snapshot')
  return {
    location: json.text('location'),
    snapshot: snapshot === null ? null : BigInt(snapshot),
    metadata: json.text('metadata'),
    layout: {
      fields: json.objects('fields').map((field) => parseField(path, field)),
      keyColumns: layout.count('keyColumns'),
      streamColumn: layout.count('streamColumn'),
      sequenceColumn: layout.count('sequenceColumn'),
      expiredColumn: layout.count('expiredColumn'),
      fileBytes: layout.count('fileBytes'),
      rowGroupRows: layout.count('rowGroupRows'),
      sortOrderId: layout.count('sortOrderId'),
    },
    spec: {
      'spec-id': spec.count('spec-id'),
      fields: spec.objects('fields').map((field) => ({
        name: field.text('name'),
        transform: field.text('transform'),
        'source-id': field.count('source-id'),
        'field-id': field.count('field-id'),
      })),
    },
    names: new Map(json.objects('names').map((entry) => [entry.count('field-id'), entry.texts('names')])),
  }
}

function parseField(path: string, json: JsonObject): Field {
  const text = json.text('type')
  const type = parsePrimitiveType(text)
  if (type === null) throw new DamagedObjectError(path, `${text} is no type of a column; plan again`)
  return { id: json.count('id'), name: json.text('name'), type, required: json.flag('required') }
}

/** @throws DamagedObjectError where the JSON is not what tasksJson made */
export function parseTasks({ spec, names }: TaskTable, json: JsonObject): TaskFile {
  return {
    changes: json.text('changes'),
    tasks: json.objects('tasks').map((task): ShardTask => {
      const partition = tupleOf(JSON.stringify(task.list('partition')))
      const constants = constantsOf(spec, partition)
      return {
        id: task.text('id'),
        partition,
        folder: task.text('folder'),
        files: task.objects('files').map((file) => ({
          file: { path: file.text('path'), fileBytes: file.count('bytes') },
          rows: file.count('rows'),
          deletes: file.texts('deletes').map((path) => ({ path })),
          names,
          constants,
        })),
        from: task.count('from'),
        to: task.count('to'),
      }
    }),
  }
}
