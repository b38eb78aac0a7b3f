export { type BackfillOptions, type BackfillProgressStep, backfillTable } from './backfill.ts'
export type { BackfillReport } from './backfill-report.ts'
export type { BackfillSource } from './backfill-source.ts'
export { commitShards } from './commit-shards.ts'
export type { ClusterEngine } from './engines/cluster-engine.ts'
export type { Environment } from './environment.ts'
export { DamagedObjectError, InputError, TryAgainError } from './errors.ts'
export type { LentStorage } from './iceberg/lent-storage.ts'
export { type RestCatalog, type RestCatalogSettings, restCatalog } from './iceberg/rest-catalog.ts'
export type { RestAuth, RestRequest } from './iceberg/rest-session.ts'
export type { PartitionValue } from './iceberg/transform.ts'
export { keyFromJson } from './key-from-json.ts'
export { type CleanReport, cleanTable } from './maintain/clean.ts'
export type { FileSums } from './maintain/delete-files.ts'
export { type ExpireOptions, type ExpireReport, expireSnapshots } from './maintain/expire.ts'
export { type MaintainReport, maintainTable } from './maintain/maintain.ts'
export { type PurgeReport, purgeTable } from './maintain/purge.ts'
export { type RollbackOptions, type RollbackReport, rollbackTable } from './maintain/rollback.ts'
export { type SupersededStorage, supersededStorage } from './maintain/superseded-storage.ts'
export { mergeLanding } from './merge.ts'
export type { ClusterOptions, MergeOptions, MergeProgress } from './merge-run.ts'
export { type MergeShardOptions, mergeShard, type ShardMerged } from './merge-shard.ts'
export { nodeEnvironment } from './node-environment.ts'
export type { NameMapping } from './parquet/read-footer.ts'
export { type MergePlan, planMerge } from './plan-merge.ts'
export { type PlanShardsOptions, planShards, type ShardsPlanned } from './plan-shards.ts'
export { type Field, formatPrimitiveType, type PrimitiveType } from './primitive-type.ts'
export type { StateFile } from './protected/state-file.ts'
export {
  explainKey,
  type HistoryEntry,
  type KeyExplanation,
  type ReadOptions,
  readBatches,
  readTable,
  type SnapshotFile,
  snapshotFiles,
  tableHistory,
} from './read-table.ts'
export { type ReplayOptions, type ReplayProgress, type ReplayReport, replay } from './replay/replay.ts'
export type { LineCounts, MergeReport } from './report.ts'
export { readPlan, type ShardPlan } from './shards/plan-file.ts'
export { nameMappingOf } from './stored-files.ts'
export { type CatalogEntry, createTable, openTable, type Placement, type Table } from './table.ts'
export { parseTableDefinition, type TableDefinition } from './table-definition.ts'
export { loadState, snapshotIdOf, type TableState } from './table-state.ts'
export type { Difference } from './verify/name-differences.ts'
export { type VerifyOptions, type VerifyProgress, type VerifyReport, verifyAgainstExport } from './verify/verify.ts'
