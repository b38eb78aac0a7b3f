// A plan and its shards as a fleet runs them: each step opens the table anew, as a process of its own does.

import {
  commitShards,
  type MergeReport,
  mergeShard,
  openTable,
  planShards,
  readPlan,
  type ShardMerged,
  type ShardPlan,
} from '../../src/index.ts'
import type { MemoryStore } from '../../src/store/memory.ts'
import { LOCATION } from '../stored-table.ts'
import { environmentOver, LANDING } from '../table-run.ts'

/** The plan of what has landed; null where there is nothing to merge. */
export async function plan(store: MemoryStore, shards: number, seed: number): Promise<ShardPlan | null> {
  const table = await openTable(LOCATION, environmentOver(store, seed))
  return (await planShards(table, [LANDING], { shards, address: LOCATION })).plan
}

export async function merge(store: MemoryStore, path: string, shard: number, seed: number): Promise<ShardMerged> {
  const table = await openTable(LOCATION, environmentOver(store, seed))
  return mergeShard(table, await readPlan(store, path), shard)
}

export async function commit(store: MemoryStore, path: string, seed: number): Promise<MergeReport> {
  const table = await openTable(LOCATION, environmentOver(store, seed))
  return commitShards(table, await readPlan(store, path))
}
