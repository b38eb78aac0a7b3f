// Rows that other engines deleted by position (Iceberg v2 position delete files: `file_path`, `pos`).

import { valueAt } from '../columns/values.ts'
import { readFooter } from '../parquet/read-footer.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import type { Field } from '../primitive-type.ts'
import { storeSource } from '../store/byte-source.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { storeLocation } from '../store/stored-object.ts'
import type { InputFile } from './open-file.ts'

// Reserved field ids of the Iceberg table spec.
const DELETE_FIELDS: readonly Field[] = [
  { id: 2147483546, name: 'file_path', type: { kind: 'string' }, required: true },
  { id: 2147483545, name: 'pos', type: { kind: 'long' }, required: true },
]

/** The deleted rows of the file, counted from 0 over its row groups. */
export async function readPositionDeletes(store: ObjectReader, stored: InputFile): Promise<ReadonlySet<number>> {
  const rows = new Set<number>()
  const path = storeLocation(stored.file.path)
  for (const deletes of stored.deletes) {
    const source = await storeSource(store, storeLocation(deletes.path))
    const footer = await readFooter(source)
    for (let group = 0; group < footer.rowGroups.length; group++) {
      const [paths, positions] = await readRowGroup(source, footer, group, DELETE_FIELDS)
      for (let row = 0; row < paths!.rows; row++) {
        if (storeLocation(valueAt(paths!, { kind: 'string' }, row) as string) !== path) continue
        rows.add(Number(valueAt(positions!, { kind: 'long' }, row)))
      }
    }
  }
  return rows
}
