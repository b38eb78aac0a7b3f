// What a manifest says of a data file, by the file's footer.

import type { DataFile } from '../iceberg/manifest.ts'
import { encodeSingleValue } from '../iceberg/single-value.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { FileMetaData } from '../parquet/footer.ts'
import { fileStatistics } from '../parquet/statistics.ts'
import type { TableLayout } from './merge-context.ts'

export function dataFileOf(
  { fields, sortOrderId }: Pick<TableLayout, 'fields'> & Pick<DataFile, 'sortOrderId'>,
  partition: readonly PartitionValue[],
  file: Pick<DataFile, 'path' | 'records' | 'fileBytes' | 'splitOffsets'> & { readonly footer: FileMetaData },
): DataFile {
  const statistics = fileStatistics(file.footer, fields)
  const columnBytes = new Map<number, number>()
  const valueCounts = new Map<number, number>()
  const nullCounts = new Map<number, number>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  for (const field of fields) {
    const column = statistics.get(field.id)!
    columnBytes.set(field.id, column.columnBytes)
    valueCounts.set(field.id, column.values)
    if (column.nulls !== null) nullCounts.set(field.id, column.nulls)
    if (column.lower !== null) lowerBounds.set(field.id, encodeSingleValue(field.type, column.lower))
    if (column.upper !== null) upperBounds.set(field.id, encodeSingleValue(field.type, column.upper))
  }
  return {
    content: 0,
    path: file.path,
    format: 'PARQUET',
    partition: [...partition],
    records: file.records,
    fileBytes: file.fileBytes,
    columnBytes,
    valueCounts,
    nullCounts,
    lowerBounds,
    upperBounds,
    splitOffsets: file.splitOffsets,
    equalityIds: [],
    sortOrderId,
  }
}
