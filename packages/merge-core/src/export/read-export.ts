// The data files of a DynamoDB export, streamed: memory is bounded by a block of lines, whatever a file's size.
//
//   full         {"Item":{…}}
//   incremental  {"Metadata":{"WriteTimestampMicros":{"N":"…"}},"Keys":{…},"OldImage":{…},"NewImage":{…}}
//
// A file's checksum and its count of items are known at its end: whoever takes lines before must not let them take effect until then.

import { createHash } from 'node:crypto'
import { type FieldStretches, fieldStretches, readFields } from '../change/json-fields.ts'
import { OPEN_OBJECT, skipSpace } from '../change/json-scan.ts'
import { DamagedObjectError, InputError } from '../errors.ts'
import { storeSource } from '../store/byte-source.ts'
import { type LineBlock, lineBlocks } from '../store/line-blocks.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { ExportFile, ExportManifest } from './manifest.ts'

/** The lines of a block, `count` of them. Stretches [start, end) of `text` hold one DynamoDB JSON object each; absent ones have start −1. */
export interface ExportLines {
  readonly count: number
  readonly text: Uint8Array
  /** The item as it is at the export's time. Absent where an incremental export says that it was removed. */
  readonly itemStart: Int32Array
  readonly itemEnd: Int32Array
  /** The key of an incremental export's line; absent in a full one, whose item holds it. */
  readonly keysStart: Int32Array
  readonly keysEnd: Int32Array
  /** What an incremental export says of the item at its beginning. */
  readonly oldStart: Int32Array
  readonly oldEnd: Int32Array
  /** Number of each line in the file, from 1. */
  readonly lineNumber: Int32Array
}

/** An item of 400 KB takes at most six bytes of JSON a byte, twice in a line with both images. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

const FIELD = { Item: 0, Keys: 1, NewImage: 2, OldImage: 3 }

/**
 * @throws DamagedObjectError where the file has another checksum or count than its manifest says, or a line is none of an export
 */
export async function* readExportFile(
  store: ObjectReader,
  kind: ExportManifest['kind'],
  file: ExportFile,
): AsyncGenerator<ExportLines> {
  let items = 0
  for await (const block of exportBlocks(store, file)) {
    const lines = linesOf(file.path, block, kind)
    items += lines.count
    yield lines
  }
  checkItems(file, items)
}

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

const AGAIN = 'copy the export again, or make a new one'

function linesOf(path: string, { text, firstLine }: LineBlock, kind: ExportManifest['kind']): ExportLines {
  const fields = fieldStretches(Object.keys(FIELD))
  const item = kind === 'full' ? FIELD.Item : FIELD.NewImage
  const rows: number[][] = []
  let number = firstLine
  for (let start = 0; start < text.length; number++) {
    const newline = text.indexOf(0x0a, start)
    const end = newline < 0 ? text.length : newline
    if (skipSpace(text, start, end) < end) {
      const needed = kind === 'full' ? FIELD.Item : FIELD.Keys
      if (!readFields(text, start, end, fields) || !isObject(text, fields, needed)) {
        throw new DamagedObjectError(path, `line ${number} is no line of a ${kind} export`)
      }
      rows.push([number, ...[item, FIELD.Keys, FIELD.OldImage].flatMap((field) => stretchOf(text, fields, field))])
    }
    start = end + 1
  }
  const column = (index: number) => Int32Array.from(rows, (row) => row[index]!)
  return {
    count: rows.length,
    text,
    lineNumber: column(0),
    itemStart: column(1),
    itemEnd: column(2),
    keysStart: column(3),
    keysEnd: column(4),
    oldStart: column(5),
    oldEnd: column(6),
  }
}

function isObject(text: Uint8Array, { starts }: FieldStretches, field: number): boolean {
  return starts[field]! >= 0 && text[starts[field]!] === OPEN_OBJECT
}

function stretchOf(text: Uint8Array, fields: FieldStretches, field: number): [number, number] {
  return isObject(text, fields, field) ? [fields.starts[field]!, fields.ends[field]!] : [-1, -1]
}
