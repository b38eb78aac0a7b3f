// What became of the tasks of a shard, as JSON: of each task either what a manifest says of its files, or the damaged file that it needs.
// The outcomes of all changes lie in a file beside it (outcomes-file.ts).

import { DamagedObjectError } from '../errors.ts'
import type { MergeResult } from '../files/merge-files.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { FORMAT, JsonObject } from './json-object.ts'
import { readOutcomes } from './outcomes-file.ts'
import { changesOf, folderOf, type ShardPlan } from './plan-file.ts'
import { stagingError } from './staged-file.ts'
import type { ShardTask } from './task-file.ts'

export type TaskOutcome = MergeResult | DamagedObjectError

export function resultPath(plan: Pick<ShardPlan, 'path'>, shard: number): string {
  return `${folderOf(plan)}/results/${shard}.json`
}

/** @param outcomes location of their file */
export function formatResult(plan: ShardPlan, shard: number, outcomes: string, done: readonly TaskOutcome[]): string {
  return JSON.stringify({
    format: FORMAT,
    plan: plan.id,
    shard,
    outcomes,
    tasks: plan.shards[shard]!.tasks.map(({ id }, index) => ({ id, ...outcomeJson(done[index]!) })),
  })
}

function outcomeJson(done: TaskOutcome): object {
  if (done instanceof DamagedObjectError) return { damaged: { path: done.path, message: done.detail } }
  const { removed, added, outcomes: _, ...counts } = done
  return { removed: removed.map(({ path }) => path), added: added.map(fileJson), counts }
}

function fileJson({ path, records, fileBytes, splitOffsets, sortOrderId, ...maps }: DataFile): object {
  const { columnBytes, valueCounts, nullCounts, lowerBounds, upperBounds } = maps
  const base64 = (bounds: DataFile['lowerBounds']) =>
    Array.from(bounds, ([id, bytes]) => [id, Buffer.from(bytes).toString('base64')])
  return {
    ...{ path, records, fileBytes, splitOffsets, sortOrderId },
    columnBytes: [...columnBytes],
    valueCounts: [...valueCounts],
    nullCounts: [...nullCounts],
    lowerBounds: base64(lowerBounds),
    upperBounds: base64(upperBounds),
  }
}

/**
 * What became of each task of a shard, in their order.
 * @throws DamagedObjectError where a file is not what was written, InputError where it is gone
 */
export async function readResult(store: ObjectReader, plan: ShardPlan, shard: number): Promise<TaskOutcome[]> {
  const path = resultPath(plan, shard)
  const got = await store.get(path)
  if (got.kind !== 'ok') throw stagingError(path, got)
  const json = JsonObject.read(path, got.bytes)
  const planned = plan.shards[shard]!
  const tasks = json.objects('tasks')
  const isOfPlan = json.text('plan') === plan.id && tasks.length === planned.tasks.length
  if (!isOfPlan) throw new DamagedObjectError(path, `is no result of shard ${shard} of plan ${plan.id}; plan again`)
  const outcomes = await readOutcomes(store, json.text('outcomes'), changesOf(planned))
  return tasks.map((task, index) => parseOutcome(planned.tasks[index]!, task, outcomes))
}

function parseOutcome(task: ShardTask, json: JsonObject, outcomes: Uint8Array): TaskOutcome {
  if (json.has('damaged')) {
    const damaged = json.object('damaged')
    return new DamagedObjectError(damaged.text('path'), damaged.text('message'))
  }
  const counts = json.object('counts')
  return {
    removed: json.texts('removed').map((path) => ({ path })),
    added: json.objects('added').map((file) => parseFile(task, file)),
    outcomes: outcomes.subarray(task.from, task.to),
    rowGroupsCopied: counts.count('rowGroupsCopied'),
    rowGroupsEncoded: counts.count('rowGroupsEncoded'),
    chunksCopied: counts.count('chunksCopied'),
    chunksEncoded: counts.count('chunksEncoded'),
    bytesEncoded: counts.count('bytesEncoded'),
  }
}

function parseFile({ partition }: ShardTask, json: JsonObject): DataFile {
  const numbers = (name: string) => new Map(json.list(name) as [number, number][])
  const bounds = (name: string) =>
    new Map(
      (json.list(name) as [number, string][]).map(([id, text]): [number, Uint8Array] => [
        id,
        Buffer.from(text, 'base64'),
      ]),
    )
  return {
    content: 0,
    path: json.text('path'),
    format: 'PARQUET',
    partition,
    records: json.count('records'),
    fileBytes: json.count('fileBytes'),
    columnBytes: numbers('columnBytes'),
    valueCounts: numbers('valueCounts'),
    nullCounts: numbers('nullCounts'),
    lowerBounds: bounds('lowerBounds'),
    upperBounds: bounds('upperBounds'),
    splitOffsets: json.list('splitOffsets') as number[],
    equalityIds: [],
    sortOrderId: json.count('sortOrderId'),
  }
}
