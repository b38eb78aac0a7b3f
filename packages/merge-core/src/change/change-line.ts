// A change line, the form that the forwarder writes (`"format":"lastwrite/1"`), read from its fields.

import type { TableDefinition } from '../table-definition.ts'
import { stringText } from './dynamodb-json.ts'
import type { FieldStretches } from './json-fields.ts'
import { OPEN_OBJECT, QUOTE } from './json-scan.ts'
import { excerpt, type LineOutcome, reject, secondsOf } from './line-parts.ts'

export const CHANGE_FORMAT = 'lastwrite/1'

export const CHANGE_LINE_FIELDS = [
  'format',
  'table',
  'source',
  'stream',
  'sequence',
  'operation',
  'at',
  'keys',
  'item',
  'itemAt',
  'old',
  'by',
  'accept',
] as const

type FieldName = (typeof CHANGE_LINE_FIELDS)[number]

const FIELD = Object.fromEntries(CHANGE_LINE_FIELDS.map((name, index) => [name, index])) as Record<FieldName, number>

/** `fields` begins with CHANGE_LINE_FIELDS, read from a line of `text`. */
export function readChangeLine(text: Uint8Array, fields: FieldStretches, definition: TableDefinition): LineOutcome {
  const stringOf = (name: FieldName) => stringField(text, fields, FIELD[name])
  const format = stringOf('format')
  if (format !== CHANGE_FORMAT) {
    return reject(
      'unknown-format',
      `"format" is ${JSON.stringify(excerpt(format ?? 'no string'))}, known is "${CHANGE_FORMAT}"`,
    )
  }
  const table = stringOf('table')
  if (table === null) return missing('table')
  if (table !== definition.table) return 'other-table'
  const source = stringOf('source')
  if (source === null) return missing('source')
  if (source !== definition.source) {
    return reject(
      'foreign-stream',
      `"source" is ${JSON.stringify(excerpt(source))}, the table's is "${definition.source}"`,
    )
  }
  const stream = stringOf('stream')
  if (stream === null) return missing('stream')
  const sequence = stringOf('sequence')
  if (sequence === null) return missing('sequence')
  const operation = stringOf('operation')
  if (operation === null) return missing('operation')
  if (operation !== 'insert' && operation !== 'modify' && operation !== 'remove') {
    return reject('missing-field', `"operation" is ${JSON.stringify(excerpt(operation))}, not insert, modify or remove`)
  }
  const at = fields.starts[FIELD.at]! < 0 ? null : secondsOf(rawText(text, fields, FIELD.at))
  if (at === null) return reject('missing-at', '"at" is missing or no number of epoch seconds')
  if (!isObject(text, fields, FIELD.keys)) return missing('keys')
  const itemStart = isObject(text, fields, FIELD.item) ? fields.starts[FIELD.item]! : -1
  const itemAtStart = isObject(text, fields, FIELD.itemAt) ? fields.starts[FIELD.itemAt]! : -1
  if (operation !== 'remove' && itemStart < 0 && itemAtStart < 0) {
    return reject('missing-item', `an ${operation} without an object "item" or "itemAt"`)
  }
  return {
    stream,
    sequence,
    operation,
    at,
    keysStart: fields.starts[FIELD.keys]!,
    keysEnd: fields.ends[FIELD.keys]!,
    itemStart,
    itemEnd: fields.ends[FIELD.item]!,
    itemAtStart,
    itemAtEnd: fields.ends[FIELD.itemAt]!,
    oldStart: isObject(text, fields, FIELD.old) ? fields.starts[FIELD.old]! : -1,
    oldEnd: fields.ends[FIELD.old]!,
    oldIsWhole: false,
    isTtl: stringOf('by') === 'ttl',
    // As it stands: a scan looks for it in these bytes.
    accepted: fields.starts[FIELD.accept]! >= 0 && rawText(text, fields, FIELD.accept) === '"below-watermark"',
  }
}

function missing(name: FieldName): LineOutcome {
  return reject('missing-field', `"${name}" is missing or of a wrong type`)
}

/** The text of a field that holds a string, else null. */
export function stringField(text: Uint8Array, fields: FieldStretches, field: number): string | null {
  const start = fields.starts[field]!
  return start >= 0 && text[start] === QUOTE ? stringText(text, start, fields.ends[field]!) : null
}

export function isObject(text: Uint8Array, fields: FieldStretches, field: number): boolean {
  const start = fields.starts[field]!
  return start >= 0 && text[start] === OPEN_OBJECT
}

/** The JSON of a field as it stands. */
export function rawText(text: Uint8Array, fields: FieldStretches, field: number): string {
  return Buffer.prototype.latin1Slice.call(text, fields.starts[field]!, fields.ends[field]!)
}
