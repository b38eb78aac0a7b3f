// The lines of an export's data file, to typed rows.
//
//   full         {"Item":{…}}
//   incremental  {"Metadata":{…},"Keys":{…},"OldImage":{…},"NewImage":{…}}: the latest image in the window, none where the item was removed
//
// DynamoDB wrote them, so none may be bad: one that cannot be read says that this is no export of the table, and ends it.

import { stands, templateOf, viewOf } from '../change/byte-template.ts'
import { dropItem, type ItemParser, keepItem, makeItemParser, parseItem } from '../change/item-parser.ts'
import { fieldStretches, readFields } from '../change/json-fields.ts'
import { CLOSE_OBJECT, INVALID, skipSpace } from '../change/json-scan.ts'
import { finishItems } from '../change/parse-items.ts'
import { OBJECT_BYTES_MAX } from '../change/scan-object.ts'
import { PUT, REMOVE } from '../change/scanned-lines.ts'
import type { ExportManifest } from '../export/manifest.ts'
import type { TableDefinition } from '../table-definition.ts'
import { type BaselineRows, baselineRows } from './baseline-rows.ts'

export interface ExportRows {
  readonly rows: BaselineRows
  /** How many values did not fit, by `attribute:tag`. */
  readonly misfits: ReadonlyMap<string, number>
}

/** A line that no export of the table has. */
export interface BadLine {
  /** From 1, among the lines that were given. */
  readonly line: number
  readonly message: string
}

const NEWLINE = 0x0a
const ITEM_LINE = templateOf('{"Item":{')
const FULL_FIELDS = fieldStretches(['Item'])
const INCREMENTAL_FIELDS = fieldStretches(['Keys', 'NewImage'])
const [KEYS, NEW_IMAGE] = [0, 1]

/** Rows are in the order of the lines; blank ones are passed over. `text` ends with a newline, or with the file. */
export function readExportLines(
  text: Uint8Array,
  kind: ExportManifest['kind'],
  definition: TableDefinition,
): ExportRows | BadLine {
  const scan: Scan = {
    text: Buffer.from(text.buffer, text.byteOffset, text.length),
    view: viewOf(text),
    parser: makeItemParser(guessLines(text), definition.columns, 0),
  }
  const removed: number[] = []
  const lineOfRow: number[] = []
  let line = 0
  for (let start = 0; start < text.length; ) {
    line++
    let end = kind === 'full' ? readItemLine(scan, start) : 0
    if (end === 0) {
      end = lineEnd(scan.text, start)
      const isBlank = skipSpace(text, start, end) >= end
      const message = isBlank ? null : kind === 'full' ? readFullLine(scan, start, end) : readChange(scan, start, end)
      if (message === 'removed') removed.push(scan.parser.rows)
      else if (message !== null) return { line, message }
      start = end + 1
      if (isBlank) continue
    } else start = end + 1
    keepItem(scan.parser)
    lineOfRow.push(line)
  }
  const { columns, misfits } = finishItems(scan.parser, [])
  const operation = kind === 'full' ? null : new Uint8Array(lineOfRow.length).fill(PUT)
  for (const row of removed) operation![row] = REMOVE
  const rows = baselineRows(definition, columns, { operation, rank: null })
  if (!('row' in rows)) return { rows, misfits }
  const { name, attribute, type } = rows.column
  return {
    line: lineOfRow[rows.row]!,
    message: `the item's "${attribute}" is missing, or no value of key column ${name}, which is of type ${type.kind}`,
  }
}

interface Scan {
  readonly text: Buffer
  readonly view: DataView
  readonly parser: ItemParser
}

function guessLines(text: Uint8Array): number {
  const first = text.indexOf(NEWLINE)
  return first < 0 ? 1 : Math.ceil((text.length / (first + 1)) * 1.05) + 16
}

function lineEnd(text: Buffer, start: number): number {
  const newline = text.indexOf(NEWLINE, start)
  return newline < 0 ? text.length : newline
}

/** Where a line of a full export in exactly the form that DynamoDB writes ends, its item read; 0 (nothing read) for any other. */
function readItemLine({ text, view, parser }: Scan, start: number): number {
  if (!stands(view, start, text.length, ITEM_LINE)) return 0
  const itemStart = start + ITEM_LINE.length - 1
  const behind = parseItem(parser, text, view, itemStart, text.length, true)
  if (behind > 0 && text[behind] === CLOSE_OBJECT && text[behind + 1] === NEWLINE) return behind + 1
  dropItem(parser)
  return 0
}

/** What is wrong with the line; null where its item is read. */
function readFullLine(scan: Scan, start: number, end: number): string | null {
  if (!readFields(scan.text, start, end, FULL_FIELDS)) return notJson(scan, start, end)
  if (FULL_FIELDS.starts[0]! < 0) return `it has no "Item": ${excerpt(scan.text, start, end)}`
  return readImage(scan, FULL_FIELDS.starts[0]!, FULL_FIELDS.ends[0]!)
}

function readChange(scan: Scan, start: number, end: number): string | null | 'removed' {
  const { starts, ends } = INCREMENTAL_FIELDS
  if (!readFields(scan.text, start, end, INCREMENTAL_FIELDS)) return notJson(scan, start, end)
  if (starts[KEYS!]! < 0) return `it has no "Keys": ${excerpt(scan.text, start, end)}`
  if (starts[NEW_IMAGE!]! >= 0) return readImage(scan, starts[NEW_IMAGE!]!, ends[NEW_IMAGE!]!)
  return readImage(scan, starts[KEYS!]!, ends[KEYS!]!) ?? 'removed'
}

function readImage({ text, view, parser }: Scan, start: number, end: number): string | null {
  if (end - start > OBJECT_BYTES_MAX)
    return `its item has ${end - start} bytes of JSON, at most ${OBJECT_BYTES_MAX} are read`
  const behind = parseItem(parser, text, view, start, end, false)
  if (behind !== INVALID && behind === end) return null
  dropItem(parser)
  return `its item is no JSON object, or nested too deeply: ${excerpt(text, start, end)}`
}

function notJson({ text }: Scan, start: number, end: number): string {
  return `it is no JSON object in UTF-8: ${excerpt(text, start, end)}`
}

/** Without what items hold: a line's beginning says what kind of line it is. */
function excerpt(text: Buffer, start: number, end: number): string {
  return JSON.stringify(text.toString('utf8', start, Math.min(end, start + 24)))
}
