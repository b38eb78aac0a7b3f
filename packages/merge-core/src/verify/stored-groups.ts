// The rows of a snapshot, one row group at a time: keys first, and the other columns where they are asked for.

import type { ByteStrings } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'
import { type Column, isPresent } from '../columns/column.ts'
import { DamagedObjectError } from '../errors.ts'
import type { StoredFile } from '../files/locate.ts'
import { openFile, readColumns } from '../files/open-file.ts'
import { readPositionDeletes } from '../files/position-deletes.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { storeLocation } from '../store/stored-object.ts'

export interface StoredGroup {
  readonly keyColumns: readonly Column[]
  readonly keys: ByteStrings
  /** Rows that nobody deleted by position. */
  readonly live: readonly number[]
  readonly read: (fields: readonly Field[]) => Promise<Column[]>
}

/** @throws DamagedObjectError where a row lacks a part of its key */
export async function* storedGroups(
  store: ObjectReader,
  stored: StoredFile,
  keyFields: readonly Field[],
): AsyncGenerator<StoredGroup> {
  const file = await openFile(store, stored)
  const deleted = await readPositionDeletes(store, stored)
  let firstRow = 0
  for (const [group, { numRows }] of file.footer.rowGroups.entries()) {
    const keyColumns = await readColumns(file, group, keyFields)
    const rows = Array.from({ length: numRows }, (_, row) => row)
    const bad = rows.find((row) => !keyColumns.every(({ validity }) => isPresent(validity, row)))
    if (bad !== undefined) {
      const path = storeLocation(stored.file.path)
      throw new DamagedObjectError(path, `row ${firstRow + bad} has no key; delete it with the engine that wrote it`)
    }
    const start = firstRow
    yield {
      keyColumns,
      keys: encodeKeys(
        keyColumns,
        keyFields.map(({ type }) => type),
      ),
      live: deleted.size === 0 ? rows : rows.filter((row) => !deleted.has(start + row)),
      read: (fields) => readColumns(file, group, fields),
    }
    firstRow += numRows
  }
}
