// The two sides of a comparison: an export's items and a snapshot's rows, both as typed columns of the table's definition.

import { readExportLines } from '../baseline/export-lines.ts'
import type { ByteStrings } from '../change/byte-strings.ts'
import type { PlainColumn } from '../columns/column.ts'
import { InputError } from '../errors.ts'
import type { ExportFile, ExportManifest } from '../export/manifest.ts'
import { checkItems, exportBlocks } from '../export/read-export.ts'
import type { StoredFile } from '../files/locate.ts'
import type { Field } from '../primitive-type.ts'
import type { StateFile } from '../protected/state-file.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'

export interface Comparison {
  readonly store: ObjectStore
  readonly definition: TableDefinition
  readonly manifest: ExportManifest
  readonly files: readonly StoredFile[]
  readonly tombstoneFiles: readonly StateFile[]
  readonly keyFields: readonly Field[]
  /** What must be equal: the declared columns that are no key, and `_extra`. */
  readonly valueFields: readonly Field[]
  readonly updatedAt: Field
  readonly stream: Field
  readonly sequence: Field
  /** Null where TTL removals are removals. */
  readonly expiredAt: Field | null
}

export interface ExportItems {
  readonly count: number
  readonly keys: ByteStrings
  readonly keyColumns: readonly PlainColumn[]
  /** One a value field. */
  readonly values: readonly PlainColumn[]
}

/** @throws InputError where a line is none of an export of the table; DamagedObjectError at the end of a file that is damaged */
export async function* exportItems(
  { store, definition, manifest }: Comparison,
  file: ExportFile,
): AsyncGenerator<ExportItems> {
  let items = 0
  for await (const { text, firstLine } of exportBlocks(store, file)) {
    const read = readExportLines(text, manifest.kind, definition)
    if ('message' in read) throw new InputError(`${file.path} line ${firstLine + read.line - 1}: ${read.message}`)
    const { count, keys, columns } = read.rows
    items += count
    const { keyColumns } = definition
    yield { count, keys, keyColumns: columns.slice(0, keyColumns), values: columns.slice(keyColumns) }
  }
  checkItems(file, items)
}
