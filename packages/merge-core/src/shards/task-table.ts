// What tasks that leave their process say of their table.

import { defaultSpec } from '../iceberg/metadata.ts'
import { partitionPath } from '../iceberg/partition-path.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { nameMappingOf, tableLayoutOf } from '../stored-files.ts'
import { snapshotIdOf, type TableState } from '../table-state.ts'
import type { TaskTable } from './task-file.ts'

export function taskTableOf(state: TableState): TaskTable {
  return {
    location: state.location,
    snapshot: snapshotIdOf(state),
    metadata: state.loaded.metadataLocation,
    layout: tableLayoutOf(state),
    spec: defaultSpec(state.loaded.metadata),
    names: nameMappingOf(state),
  }
}

/** Where the data files of a partition are written, without a slash at its end. */
export function partitionFolder({ location, loaded }: TableState, partition: readonly PartitionValue[]): string {
  const path = partitionPath(defaultSpec(loaded.metadata), partition)
  return path === '' ? `${location}/data` : `${location}/data/${path}`
}
