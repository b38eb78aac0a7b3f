// Looks single keys up in the files of a partition.

import { type ByteStrings, compareAt } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'

import { isPresent } from '../columns/column.ts'
import { takeRows } from '../columns/gather.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { filesThatCanHold, type StoredFile } from './locate.ts'
import { type OpenFile, openFile, readColumns } from './open-file.ts'
import { readPositionDeletes } from './position-deletes.ts'

/** A stored row: row `row` of row group `group`. */
export interface FoundRow {
  readonly file: OpenFile
  readonly group: number
  readonly row: number
}

/** Every row of key `keys[key]` in these files: one, unless another engine wrote the key again. */
export async function findKey(
  store: ObjectReader,
  files: readonly StoredFile[],
  keyFields: readonly Field[],
  keys: ByteStrings,
  key: number,
): Promise<FoundRow[]> {
  const found: FoundRow[] = []
  for (const stored of filesThatCanHold(files, keyFields, keys, key)) {
    const file = await openFile(store, stored)
    const deleted = await readPositionDeletes(store, stored)
    let firstRow = 0
    for (const [group, { numRows }] of file.footer.rowGroups.entries()) {
      const range = file.keyRanges?.[group]
      if (range === undefined || isWithin(range.first, range.last, keys, key)) {
        const columns = await readColumns(file, group, keyFields)
        // Other engines may have left a part of a key null.
        const rows = Uint32Array.from({ length: numRows }, (_, row) => row).filter((row) =>
          columns.every(({ validity }) => isPresent(validity, row)),
        )
        const stored = encodeKeys(
          columns.map((column) => takeRows(column, rows)),
          keyFields.map((field) => field.type),
        )
        for (const [i, row] of rows.entries()) {
          if (compareAt(stored, i, keys, key) === 0 && !deleted.has(firstRow + row)) found.push({ file, group, row })
        }
      }
      firstRow += numRows
    }
  }
  return found
}

export async function holdsKey(
  store: ObjectReader,
  files: readonly StoredFile[],
  keyFields: readonly Field[],
  keys: ByteStrings,
  key: number,
): Promise<boolean> {
  return (await findKey(store, files, keyFields, keys, key)).length > 0
}

function isWithin(first: Uint8Array, last: Uint8Array, keys: ByteStrings, key: number): boolean {
  const bytes = keys.bytes.subarray(keys.starts[key]!, keys.starts[key + 1]!)
  return Buffer.compare(bytes, first) >= 0 && Buffer.compare(bytes, last) <= 0
}
