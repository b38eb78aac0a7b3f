// A raw stream record, the form in which Lambda delivers changes (`eventName`, `eventSourceARN`, `dynamodb: {…}`), read from its fields.

import type { TableDefinition } from '../table-definition.ts'
import { isObject, rawText, stringField } from './change-line.ts'
import { type FieldStretches, fieldStretches, readFields } from './json-fields.ts'
import { excerpt, type LineOutcome, reject, secondsOf } from './line-parts.ts'

export const STREAM_RECORD_FIELDS = ['eventName', 'eventSourceARN', 'dynamodb', 'userIdentity'] as const

const EVENT_NAME = 0
const SOURCE_ARN = 1
const DYNAMODB = 2
const USER_IDENTITY = 3

const KEYS = 0
const NEW_IMAGE = 1
const OLD_IMAGE = 2
const SEQUENCE = 3
const AT = 4
const dynamodb = fieldStretches(['Keys', 'NewImage', 'OldImage', 'SequenceNumber', 'ApproximateCreationDateTime'])
const identity = fieldStretches(['type', 'Type', 'principalId', 'PrincipalId'])

export interface StreamArn {
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  /** The stream's label. */
  readonly stream: string
}

/** Null where the text is no ARN of a table's stream. */
export function parseStreamArn(arn: string): StreamArn | null {
  const match = /^arn:[^:]+:dynamodb:([^:]+):([^:]+):table\/([^/:]+)\/stream\/([^/]+)$/.exec(arn)
  if (match === null) return null
  return { table: match[3]!, source: `${match[2]}/${match[1]}`, stream: match[4]! }
}

const OPERATIONS = new Map<string | null, 'insert' | 'modify' | 'remove'>([
  ['INSERT', 'insert'],
  ['MODIFY', 'modify'],
  ['REMOVE', 'remove'],
])

export function operationOfEvent(eventName: string | null): 'insert' | 'modify' | 'remove' | undefined {
  return OPERATIONS.get(eventName)
}

/** The principal of removals by TTL (DynamoDB developer guide, "DynamoDB Streams and Time to Live"). */
export const TTL_PRINCIPAL = 'dynamodb.amazonaws.com'

/** `fields` holds STREAM_RECORD_FIELDS from index `first` on, read from a line of `text`. */
export function readStreamRecord(
  text: Uint8Array,
  fields: FieldStretches,
  first: number,
  definition: TableDefinition,
): LineOutcome {
  const arn = parseStreamArn(stringField(text, fields, first + SOURCE_ARN) ?? '')
  if (arn === null) return reject('missing-field', '"eventSourceARN" is missing or no ARN of a table\'s stream')
  if (arn.table !== definition.table) return 'other-table'
  if (arn.source !== definition.source) {
    return reject(
      'foreign-stream',
      `the stream is of ${excerpt(arn.source)}, the table's source is "${definition.source}"`,
    )
  }
  const operation = operationOfEvent(stringField(text, fields, first + EVENT_NAME))
  if (operation === undefined) return reject('missing-field', '"eventName" is not INSERT, MODIFY or REMOVE')
  if (!isObject(text, fields, first + DYNAMODB)) return reject('missing-field', '"dynamodb" is not an object')
  readFields(text, fields.starts[first + DYNAMODB]!, fields.ends[first + DYNAMODB]!, dynamodb)
  const sequence = stringField(text, dynamodb, SEQUENCE)
  if (sequence === null) return reject('missing-field', '"SequenceNumber" is missing or no string')
  const at = dynamodb.starts[AT]! < 0 ? null : secondsOf(rawText(text, dynamodb, AT))
  if (at === null) {
    return reject('missing-at', '"ApproximateCreationDateTime" is missing or no number of epoch seconds')
  }
  if (!isObject(text, dynamodb, KEYS)) return reject('missing-field', '"Keys" is not an object')
  const hasItem = isObject(text, dynamodb, NEW_IMAGE)
  if (operation !== 'remove' && !hasItem) {
    return reject('missing-item', `an ${operation} without "NewImage": the stream's view must hold new images`)
  }
  return {
    stream: arn.stream,
    sequence,
    operation,
    at,
    keysStart: dynamodb.starts[KEYS]!,
    keysEnd: dynamodb.ends[KEYS]!,
    itemStart: hasItem ? dynamodb.starts[NEW_IMAGE]! : -1,
    itemEnd: dynamodb.ends[NEW_IMAGE]!,
    itemAtStart: -1,
    itemAtEnd: -1,
    oldStart: isObject(text, dynamodb, OLD_IMAGE) ? dynamodb.starts[OLD_IMAGE]! : -1,
    oldEnd: dynamodb.ends[OLD_IMAGE]!,
    oldIsWhole: true,
    isTtl: operation === 'remove' && isTtl(text, fields, first + USER_IDENTITY),
    accepted: false,
  }
}

function isTtl(text: Uint8Array, fields: FieldStretches, field: number): boolean {
  if (!isObject(text, fields, field)) return false
  readFields(text, fields.starts[field]!, fields.ends[field]!, identity)
  const type = stringField(text, identity, 0) ?? stringField(text, identity, 1)
  const principal = stringField(text, identity, 2) ?? stringField(text, identity, 3)
  return type === 'Service' && principal === TTL_PRINCIPAL
}
