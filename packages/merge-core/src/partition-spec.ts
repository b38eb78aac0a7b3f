// A definition's partitions as Iceberg's metadata writes them.

import type { PartitionSpec } from './iceberg/schema.ts'
import type { TableDefinition, Transform } from './table-definition.ts'

/** Where Iceberg begins to number partition fields. */
const FIRST_PARTITION_FIELD_ID = 1000

export function partitionSpecOf(definition: TableDefinition): PartitionSpec {
  return {
    'spec-id': 0,
    fields: definition.partitionBy.map((partition, i) => ({
      name: partition.name,
      transform: transformText(partition.transform),
      'source-id': definition.fields[partition.column]!.id,
      'field-id': FIRST_PARTITION_FIELD_ID + i,
    })),
  }
}

/** The transform as Iceberg's metadata writes it. */
export function transformText(transform: Transform): string {
  if (transform.kind === 'bucket') return `bucket[${transform.buckets}]`
  if (transform.kind === 'truncate') return `truncate[${transform.width}]`
  return transform.kind
}
