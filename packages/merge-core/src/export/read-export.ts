// The data files of a DynamoDB export, streamed: memory is bounded by a block of lines, whatever a file's size.
//
// A file's checksum and its count of items are known at its end: whoever takes lines before must not let them take effect until then.

import { createHash } from 'node:crypto'
import { DamagedObjectError, InputError } from '../errors.ts'
import { storeSource } from '../store/byte-source.ts'
import { type LineBlock, lineBlocks } from '../store/line-blocks.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { ExportFile } from './manifest.ts'

/** An item of 400 KB takes at most six bytes of JSON a byte, twice in a line with both images. */
const LINE_BYTES_MAX = 16 * 1024 * 1024
const AGAIN = 'copy the export again, or make a new one'

/**
 * The lines of a data file, unread.
 * @throws InputError where it is missing; DamagedObjectError, at its end, where its checksum is not the manifest's
 */
export async function* exportBlocks(store: ObjectReader, file: ExportFile): AsyncGenerator<LineBlock> {
  const source = await storeSource(store, file.path, {
    errorOf: (path, failure) =>
      failure.kind === 'missing'
        ? new InputError(`${path}: the manifest of the export names it, and it is not there; copy the whole export`)
        : failureError(path, 'reading', failure),
  })
  const md5 = createHash('md5')
  yield* lineBlocks(source, { lineBytesMax: LINE_BYTES_MAX, onBytes: (bytes) => md5.update(bytes) })
  const actual = md5.digest('base64')
  if (actual !== file.md5) {
    throw new DamagedObjectError(file.path, `its MD5 is ${actual}, the manifest says ${file.md5}; ${AGAIN}`)
  }
}

/** @throws DamagedObjectError where the file holds more lines, or fewer, than its manifest says */
export function checkItems(file: ExportFile, items: number): void {
  if (items === file.items) return
  throw new DamagedObjectError(file.path, `${items} items, the manifest says ${file.items}; ${AGAIN}`)
}
