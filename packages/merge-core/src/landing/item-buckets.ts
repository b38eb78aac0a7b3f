// Which buckets a change line may send a merge to. Lines come from strangers: where one says that its item lies is not where a merge
// reads with its own rights, unless the bucket is that of the line, that of the table, or one that the operator named.

import type { TableDefinition } from '../table-definition.ts'

/** @param names of buckets, or locations in them */
export function withItemBuckets(definition: TableDefinition, names: readonly string[]): TableDefinition {
  const buckets = names.map((name) => bucketOf(name) ?? name)
  return { ...definition, itemBuckets: [...new Set([...definition.itemBuckets, ...buckets])] }
}

/** @param landing location of the landing object that names the bucket */
export function mayReadItem(bucket: string, landing: string, { itemBuckets }: TableDefinition): boolean {
  return bucket === bucketOf(landing) || itemBuckets.includes(bucket)
}

function bucketOf(location: string): string | null {
  return /^s3:\/\/([^/]+)/.exec(location)?.[1] ?? null
}
