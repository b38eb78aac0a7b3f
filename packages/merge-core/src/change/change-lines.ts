// Change lines for programs that write or read them one by one, as objects: the sub-path `@lastwrite/merge-core/change-lines`.
//
// Merging does not go this way: it reads landing objects by position (scan-object.ts). Attribute names are the users' data, so
// maps of attributes have no prototype: no name means anything to JavaScript.

import { InputError } from '../errors.ts'
import { CHANGE_FORMAT } from './change-line.ts'
import type { ItemLocation } from './scanned-lines.ts'
import { operationOfEvent, parseStreamArn, TTL_PRINCIPAL } from './stream-record.ts'

export { InputError }

/** A value in DynamoDB JSON: `{ S: 'x' }`, `{ N: '1' }`, `{ B: 'AQI=' }` (base64), `{ M: … }` … */
export type AttributeValue = { readonly [tag: string]: unknown }
/** Attributes by name. What this module returns has no prototype. */
export type AttributeMap = { readonly [attribute: string]: AttributeValue }

/** One change of one item, as a change line says it. */
export interface Change {
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  /** The stream's label, `2026-11-22T08:00:00.000`. */
  readonly stream: string
  /** The sequence number: decimal digits, as DynamoDB gives them. */
  readonly sequence: string
  readonly operation: 'insert' | 'modify' | 'remove'
  /** ApproximateCreationDateTime in epoch seconds. */
  readonly at: number
  readonly keys: AttributeMap
  /** The whole new image of an insert or modify. */
  readonly item?: AttributeMap
  /** Instead of `item`: where an oversize one lies. */
  readonly itemAt?: ItemLocation
  /** The old image's values of the attributes that the table is partitioned by; null for one that it lacked. */
  readonly old?: { readonly [attribute: string]: AttributeValue | null }
  /** The removal was made by TTL. */
  readonly by?: 'ttl'
  /** Admits a put that a merge would refuse as too old to know (`replay --accept-below-watermark`). */
  readonly accept?: 'below-watermark'
}

/** A record as Lambda delivers it from a table's stream; only what is read of it. */
export interface StreamRecord {
  readonly eventName?: string | undefined
  readonly eventSourceARN?: string | undefined
  readonly dynamodb?:
    | {
        readonly Keys?: unknown
        readonly NewImage?: unknown
        readonly OldImage?: unknown
        readonly SequenceNumber?: string | undefined
        readonly ApproximateCreationDateTime?: number | undefined
      }
    | undefined
  readonly userIdentity?: unknown
}

/**
 * The change as one line of JSON, without a newline. The item stands last, so that a scan need not look for its end.
 * Throws InputError where the change lacks a field or an insert or modify has neither `item` nor `itemAt`.
 */
export function encodeChangeLine(change: Change): string {
  const { table, source, stream, sequence, operation, at, by, accept, keys, itemAt, old, item } = change
  check(change)
  return JSON.stringify({
    format: CHANGE_FORMAT,
    table,
    source,
    stream,
    sequence,
    operation,
    at,
    by,
    accept,
    keys,
    old,
    itemAt,
    item: itemAt === undefined ? item : undefined,
  })
}

/**
 * Reads a change line (with or without its newline).
 * Throws InputError where it is not JSON, not of this format, or lacks a field.
 */
export function decodeChangeLine(line: Uint8Array | string): Change {
  const text = typeof line === 'string' ? line : decodeText(line)
  let fields: unknown
  try {
    fields = JSON.parse(text, withoutPrototype)
  } catch (cause) {
    throw new InputError(`a change line is not JSON: ${(cause as Error).message}`, { cause })
  }
  if (!isMap(fields)) throw new InputError('a change line is not a JSON object')
  const { format, table, source, stream, sequence, operation, at, keys, item, itemAt, old, by, accept } = fields
  if (format !== CHANGE_FORMAT) {
    throw new InputError(`a change line's "format" is ${JSON.stringify(format)}, known is "${CHANGE_FORMAT}"`)
  }
  const change = {
    table,
    source,
    stream,
    sequence,
    operation,
    at,
    keys,
    ...(isMap(item) && { item }),
    ...(isMap(itemAt) && { itemAt }),
    ...(isMap(old) && { old }),
    ...(by === 'ttl' && { by }),
    ...(accept === 'below-watermark' && { accept }),
  } as unknown as Change
  check(change)
  return change
}

/**
 * The change that a stream record tells. `table` overrides the name in the record's ARN (DynamoDB Local, renamed tables);
 * `oldAttributes` names what `old` shall hold of the old image: the attributes that the table is partitioned by.
 * Throws InputError where the record lacks what a change line needs.
 */
export function changeOfStreamRecord(
  record: StreamRecord,
  options: { readonly table?: string; readonly oldAttributes?: readonly string[] } = {},
): Change {
  const arn = parseStreamArn(record.eventSourceARN ?? '')
  if (arn === null) throw new InputError(`${JSON.stringify(record.eventSourceARN)} is no ARN of a table's stream`)
  const operation = operationOfEvent(record.eventName ?? null)
  if (operation === undefined) throw new InputError(`"eventName" is ${JSON.stringify(record.eventName)}`)
  const { Keys, NewImage, OldImage, SequenceNumber, ApproximateCreationDateTime } = record.dynamodb ?? {}
  const { oldAttributes = [] } = options
  const change = {
    table: options.table ?? arn.table,
    source: arn.source,
    stream: arn.stream,
    sequence: SequenceNumber,
    operation,
    at: ApproximateCreationDateTime,
    ...(operation === 'remove' && isTtl(record.userIdentity) && { by: 'ttl' }),
    keys: Keys,
    ...(oldAttributes.length > 0 && isMap(OldImage) && { old: pick(OldImage, oldAttributes) }),
    ...(operation !== 'remove' && isMap(NewImage) && { item: NewImage }),
  } as unknown as Change
  check(change)
  return change
}

function pick(image: Record<string, unknown>, attributes: readonly string[]): Record<string, unknown> {
  const picked: Record<string, unknown> = Object.create(null)
  for (const name of attributes) picked[name] = Object.hasOwn(image, name) ? image[name] : null
  return picked
}

/** Records by way of other tools write these names with capitals. */
function isTtl(identity: unknown): boolean {
  if (!isMap(identity)) return false
  const type = identity.type ?? identity.Type
  const principal = identity.principalId ?? identity.PrincipalId
  return type === 'Service' && principal === TTL_PRINCIPAL
}

function check(change: Change): void {
  for (const name of ['table', 'source', 'stream', 'sequence'] as const) {
    const value: unknown = change[name]
    if (typeof value !== 'string' || value === '') {
      throw new InputError(`a change's "${name}" is ${JSON.stringify(value)}, not a text`)
    }
  }
  const { operation, at, keys, item, itemAt } = change
  if (operation !== 'insert' && operation !== 'modify' && operation !== 'remove') {
    throw new InputError(`a change's "operation" is ${JSON.stringify(operation)}, not insert, modify or remove`)
  }
  if (!Number.isFinite(at) || at < 0) {
    throw new InputError(`a change's "at" is ${JSON.stringify(at)}, not a number of epoch seconds`)
  }
  if (!isMap(keys)) throw new InputError('a change has no "keys"')
  if (operation !== 'remove' && !isMap(item) && !isMap(itemAt)) {
    throw new InputError(
      `a change of operation "${operation}" has neither "item" nor "itemAt": the stream's view must hold new images`,
    )
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withoutPrototype(_name: string, value: unknown): unknown {
  return isMap(value) ? Object.setPrototypeOf(value, null) : value
}

function decodeText(line: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(line)
  } catch (cause) {
    throw new InputError('a change line is not UTF-8', { cause })
  }
}
