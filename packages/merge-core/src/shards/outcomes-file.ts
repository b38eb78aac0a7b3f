// What became of each change of a file of folded changes, in their order: one column `outcome` (files/incoming.ts).

import type { Int32Column } from '../columns/column.ts'
import { expandDictionary } from '../columns/gather.ts'
import { DamagedObjectError } from '../errors.ts'
import { MARKED } from '../files/incoming.ts'
import { type AssembledFile, assembleFile } from '../parquet/assemble-file.ts'
import { encodeRowGroup } from '../parquet/write-row-group.ts'
import type { Field } from '../primitive-type.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { readStagedColumns } from './staged-file.ts'

const FIELDS: readonly Field[] = [{ id: 1, name: 'outcome', type: { kind: 'int' }, required: true }]
const ROW_GROUP_ROWS = 1_000_000

export function encodeOutcomes(outcomes: Uint8Array): AssembledFile {
  const groups = Array.from({ length: Math.ceil(outcomes.length / ROW_GROUP_ROWS) }, (_, group) => {
    const data = Int32Array.from(outcomes.subarray(group * ROW_GROUP_ROWS, (group + 1) * ROW_GROUP_ROWS))
    const column: Int32Column = { kind: 'int32', rows: data.length, validity: null, data }
    return encodeRowGroup(FIELDS, [column], { codec: 'zstd', level: 1, keyColumns: 0 })
  })
  return assembleFile(FIELDS, groups, { keyColumns: 0 })
}

/**
 * @param count how many there must be
 * @throws InputError where the file is gone; DamagedObjectError where it is not what was written
 */
export async function readOutcomes(store: ObjectReader, path: string, count: number): Promise<Uint8Array> {
  const [column] = await readStagedColumns(store, path, FIELDS, count)
  const { data } = expandDictionary(column!) as Int32Column
  const unknown = data.find((outcome) => outcome < 0 || outcome > MARKED)
  if (unknown !== undefined) throw new DamagedObjectError(path, `outcome ${unknown} is none; plan again`)
  return Uint8Array.from(data)
}
