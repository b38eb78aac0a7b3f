// The two sides of a comparison: an export's items and a snapshot's rows, both as typed columns of the table's definition.

import { exportRows } from '../baseline/export-rows.ts'
import type { ByteStrings } from '../change/byte-strings.ts'
import type { PlainColumn } from '../columns/column.ts'
import type { ExportFile, ExportManifest } from '../export/manifest.ts'
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

export async function* exportItems(
  { store, definition, manifest }: Comparison,
  file: ExportFile,
): AsyncGenerator<ExportItems> {
  const { keyColumns } = definition
  for await (const { rows } of exportRows(store, manifest.kind, file, definition)) {
    const { count, keys, columns } = rows
    yield { count, keys, keyColumns: columns.slice(0, keyColumns), values: columns.slice(keyColumns) }
  }
}
