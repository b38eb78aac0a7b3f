// Landing objects written the way the forwarder, Lambda's on-failure destination and Firehose write them. An encoder for the
// tests alone: it shares nothing with the library's.

import { gzipSync } from 'node:zlib'
import type { AttributeValue } from './model-values.ts'

export type Image = Readonly<Record<string, AttributeValue>>

export interface LandedChange {
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  readonly stream: string
  /** As the stream spells it, leading zeros included. */
  readonly sequence: string
  readonly operation: 'insert' | 'modify' | 'remove'
  /** Epoch seconds. */
  readonly at: number
  readonly byTtl: boolean
  readonly keys: Image
  readonly item: Image | null
  /** The whole old image; null for an insert, or where the stream has none. */
  readonly old: Image | null
}

/** How one line is spelled. None of it changes what the line says. */
export interface Spelling {
  readonly form: 'change-line' | 'stream-record'
  readonly spaces: boolean
  readonly escapes: boolean
  /** Order of the names in the line's objects. */
  readonly order: number
  readonly extraFields: boolean
}

export const PLAIN_SPELLING: Spelling = {
  form: 'change-line',
  spaces: false,
  escapes: false,
  order: 0,
  extraFields: false,
}

/** One line, without its newline. `oldAttributes`: what the forwarder was told to keep of old images. */
export function encodeLine(change: LandedChange, oldAttributes: readonly string[], spelling: Spelling): string {
  const record =
    spelling.form === 'change-line' ? changeLine(change, oldAttributes, spelling) : streamRecord(change, spelling)
  const json = JSON.stringify(shuffled(record, spelling.order), null, spelling.spaces ? 1 : 0)
  const line = spelling.spaces ? json.replace(/\n\s*/g, ' ') : json
  return spelling.escapes ? line.replace(/[\u0080-\uffff]/g, unicodeEscape) : line
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function changeLine(change: LandedChange, oldAttributes: readonly string[], spelling: Spelling): object {
  const { item, old } = change
  return {
    format: 'lastwrite/1',
    table: change.table,
    source: change.source,
    stream: change.stream,
    sequence: change.sequence,
    operation: change.operation,
    at: change.at,
    keys: shuffled(change.keys, spelling.order),
    ...(item !== null && { item: shuffled(item, spelling.order) }),
    ...(old !== null && {
      old: Object.fromEntries(oldAttributes.map((name) => [name, Object.hasOwn(old, name) ? old[name] : null])),
    }),
    ...(change.byTtl && { by: 'ttl' }),
    ...(spelling.extraFields && { host: { S: '}' }, item2: { pk: { S: 'no' } } }),
  }
}

function streamRecord(change: LandedChange, spelling: Spelling): object {
  const [account, region] = change.source.split('/')
  const lower = spelling.order % 2 === 0
  return {
    eventID: 'c4ca4238a0b923820dcc509a6f75849b',
    eventName: change.operation.toUpperCase(),
    eventVersion: '1.1',
    eventSource: 'aws:dynamodb',
    awsRegion: region,
    dynamodb: shuffled(
      {
        ApproximateCreationDateTime: change.at,
        Keys: shuffled(change.keys, spelling.order),
        ...(change.item !== null && { NewImage: shuffled(change.item, spelling.order) }),
        ...(change.old !== null && { OldImage: shuffled(change.old, spelling.order + 1) }),
        SequenceNumber: change.sequence,
        SizeBytes: 26,
        StreamViewType: 'NEW_AND_OLD_IMAGES',
      },
      spelling.order,
    ),
    ...(change.byTtl && {
      userIdentity: lower
        ? { type: 'Service', principalId: 'dynamodb.amazonaws.com' }
        : { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' },
    }),
    eventSourceARN: `arn:aws:dynamodb:${region}:${account}:table/${change.table}/stream/${change.stream}`,
    ...(spelling.extraFields && { tableName: 'other' }),
  }
}

function shuffled<T extends object>(object: T, order: number): T {
  const entries = Object.entries(object)
  for (let i = entries.length - 1, seed = order; i > 0; i--) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    const j = order === 0 ? i : seed % (i + 1)
    ;[entries[i], entries[j]] = [entries[j]!, entries[i]!]
  }
  return Object.fromEntries(entries) as T
}

export interface Packing {
  readonly gzip: boolean
  /** Lines of each gzip member; what is left goes into a last one. */
  readonly memberLines: number
  readonly blankLines: boolean
  readonly lastNewline: boolean
}

export const PLAIN_PACKING: Packing = {
  gzip: false,
  memberLines: 1000,
  blankLines: false,
  lastNewline: true,
}

export function encodeObject(lines: readonly (string | Uint8Array)[], packing: Packing): Uint8Array {
  const ended = lines.map((line, i) => {
    const blank = packing.blankLines && i % 2 === 0 ? '\n' : ''
    const end = packing.lastNewline || i < lines.length - 1 ? '\n' : ''
    const bytes = typeof line === 'string' ? Buffer.from(line) : line
    return Buffer.concat([Buffer.from(blank), bytes, Buffer.from(end)])
  })
  if (!packing.gzip) return Buffer.concat(ended)
  const members: Uint8Array[] = []
  for (let from = 0; from < ended.length; from += packing.memberLines) {
    members.push(gzipSync(Buffer.concat(ended.slice(from, from + packing.memberLines)), { level: 1 }))
  }
  return members.length === 0 ? gzipSync('') : Buffer.concat(members)
}
