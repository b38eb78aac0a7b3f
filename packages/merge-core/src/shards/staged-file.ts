// Parquet files of a plan's staging, read whole.

import type { Column } from '../columns/column.ts'
import { concat } from '../columns/gather.ts'
import { DamagedObjectError, InputError } from '../errors.ts'
import { type Footer, readFooter } from '../parquet/read-footer.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import type { Field } from '../primitive-type.ts'
import { storeSource } from '../store/byte-source.ts'
import type { Failure, ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'

/**
 * One column a field, which binds by its id, or by its name in a file without ids.
 * @param rows how many there must be
 * @throws InputError where the file is gone; DamagedObjectError where it is not what was written
 */
export async function readStagedColumns(
  store: ObjectReader,
  path: string,
  fields: readonly Field[],
  rows: number,
): Promise<Column[]> {
  const source = await storeSource(store, path, { errorOf: stagingError })
  const footer: Footer = await readFooter(source)
  if (footer.numRows !== rows) throw new DamagedObjectError(path, `${footer.numRows} rows, not ${rows}; plan again`)
  const names = new Map(fields.map(({ id, name }) => [id, [name]]))
  const groups: Column[][] = []
  for (let group = 0; group < footer.rowGroups.length; group++)
    groups.push(await readRowGroup(source, footer, group, fields, names))
  return fields.map((field, at) =>
    concat(
      field.type,
      groups.map((group) => group[at]!),
    ),
  )
}

/** The error for a failed read of what a plan, or a shard, has written. */
export function stagingError(path: string, failure: Failure): Error {
  if (failure.kind !== 'missing') return failureError(path, 'reading', failure)
  return new InputError(
    `${path}: no such object; correct the plan's path, or plan again where the plan was cleaned away`,
  )
}
