// A data file of an export as typed rows, a block of lines at a time, however large it is.

import { InputError } from '../errors.ts'
import type { ExportFile, ExportManifest } from '../export/manifest.ts'
import { checkItems, exportBlocks } from '../export/read-export.ts'
import type { ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import { type ExportRows, readExportLines } from './export-lines.ts'

/**
 * @throws DamagedObjectError where the bytes are not those that the manifest says; InputError where the file is missing, or a line is none
 *   of an export of the table
 */
export async function* exportRows(
  store: ObjectReader,
  kind: ExportManifest['kind'],
  file: ExportFile,
  definition: TableDefinition,
): AsyncGenerator<ExportRows> {
  let items = 0
  for await (const { text, firstLine } of exportBlocks(store, file)) {
    const read = readExportLines(text, kind, definition)
    if ('message' in read) {
      throw new InputError(
        `${file.path} line ${firstLine + read.line - 1}: ${read.message}; is it an export of table ${definition.table} as its definition has it?`,
      )
    }
    items += read.rows.count
    yield read
  }
  checkItems(file, items)
}
