// A plan for several processes, and where what belongs to it lies:
//
//   <folder>/plan.json                     written last: what it names stands
//   <folder>/changes/<plan>-<shard>.parquet  folded changes of a shard (folded-changes.ts)
//   <folder>/outcomes/<plan>-<shard>-….parquet
//   <folder>/results/<shard>.json          written last by whoever is first to end a shard (result-file.ts)
//
// All of it is created and never changed. The plan's id is that of its commit.

import type { ListedObject, ObjectReader } from '../store/object-store.ts'
import { FORMAT, JsonObject } from './json-object.ts'
import { stagingError } from './staged-file.ts'
import { parseTable, parseTasks, type TaskFile, type TaskTable, tableJson, tasksJson } from './task-file.ts'

export interface ShardPlan {
  /** Absolute location of plan.json. */
  readonly path: string
  readonly id: string
  /** How the planning process was told which table it is: a location, or an entry of a catalog. */
  readonly address: string
  /** Epoch milliseconds: no data file of the plan is older. */
  readonly plannedMs: number
  /** What the planning process might take: the one that commits reads the same landing objects. */
  readonly memoryBytes: number
  readonly landing: readonly Pick<ListedObject, 'path' | 'etag' | 'objectBytes'>[]
  readonly table: TaskTable
  /** At least one. A shard has tasks, unless there is nothing to do but to commit. */
  readonly shards: readonly TaskFile[]
}

export const PLAN_NAME = 'plan.json'

export function formatPlan({ path: _, landing, table, shards, ...plan }: ShardPlan): string {
  return JSON.stringify({
    format: FORMAT,
    ...plan,
    landing: landing.map(({ path, etag, objectBytes: bytes }) => ({ path, etag, bytes })),
    table: tableJson(table),
    shards: shards.map(tasksJson),
  })
}

/**
 * The plan at a location; null where there is none.
 * @throws DamagedObjectError where it is not what was written; InputError where it may not be read, or a later version wrote it
 */
export async function findPlan(store: ObjectReader, path: string): Promise<ShardPlan | null> {
  const got = await store.get(path)
  if (got.kind === 'missing') return null
  if (got.kind !== 'ok') throw stagingError(path, got)
  return parsePlan(path, JsonObject.read(path, got.bytes))
}

/** @throws InputError where there is none; as findPlan */
export async function readPlan(store: ObjectReader, path: string): Promise<ShardPlan> {
  const plan = await findPlan(store, path)
  if (plan === null) throw stagingError(path, { kind: 'missing' })
  return plan
}

function parsePlan(path: string, json: JsonObject): ShardPlan {
  const table = parseTable(path, json.object('table'))
  return {
    path,
    id: json.text('id'),
    address: json.text('address'),
    plannedMs: json.count('plannedMs'),
    memoryBytes: json.count('memoryBytes'),
    landing: json.objects('landing').map((object) => ({
      path: object.text('path'),
      etag: object.text('etag'),
      objectBytes: object.count('bytes'),
    })),
    table,
    shards: json.objects('shards').map((shard) => parseTasks(table, shard)),
  }
}

/** How many changes the file of a shard holds: its tasks' ranges ascend from 0, and may leave out some between them. */
export function changesOf({ tasks }: TaskFile): number {
  return tasks.at(-1)?.to ?? 0
}

export function folderOf({ path }: Pick<ShardPlan, 'path'>): string {
  return path.slice(0, path.lastIndexOf('/'))
}
