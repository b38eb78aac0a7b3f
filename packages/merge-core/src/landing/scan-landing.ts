// Landing objects: what their lines say.

import { createHash } from 'node:crypto'
import { inflateObject } from '../change/inflate-object.ts'
import { partitionOfItem } from '../change/partition.ts'
import { type ScanOptions, scanObject } from '../change/scan-object.ts'
import type { ItemLocation, ScannedLines, ScannedObject } from '../change/scanned-lines.ts'
import { TryAgainError } from '../errors.ts'
import type { ListedObject, ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { TableDefinition } from '../table-definition.ts'
import { mayReadItem } from './item-buckets.ts'

export interface ScannedLanding {
  readonly object: ListedObject
  /** As it was read; the tag of a listing may be older. */
  readonly etag: string
  readonly scanned: ScannedObject
  /** Rows of `scanned.lines` whose item lies elsewhere and could not be had, with what went wrong. */
  readonly itemsUnavailable: ReadonlyMap<number, string>
}

/** The object could not be read: not for want of trying again, or it is gone. */
export interface SkippedLanding {
  readonly object: ListedObject
  readonly reason: string
  readonly cause: 'denied' | 'missing' | 'again'
}

export async function scanLanding(
  store: ObjectReader,
  object: ListedObject,
  definition: TableDefinition,
  options: Pick<ScanOptions, 'parsesItems'> = {},
): Promise<ScannedLanding | SkippedLanding> {
  const got = await store.get(object.path)
  if (got.kind !== 'ok') {
    if (got.kind === 'missing')
      return { object, reason: `${object.path}: was deleted after it was listed`, cause: 'missing' }
    const { message } = failureError(object.path, 'reading', got)
    return { object, reason: message, cause: got.kind === 'denied' ? 'denied' : 'again' }
  }
  const scanned = scanObject(await inflateObject(got.bytes), definition, options)
  return { object, etag: got.etag, ...(await fetchItems(store, object, scanned, definition)) }
}

/** Brings items that lie in objects of their own into the text, as if the lines had carried them. */
async function fetchItems(
  store: ObjectReader,
  object: ListedObject,
  scanned: ScannedObject,
  definition: TableDefinition,
) {
  const { lines } = scanned
  const itemsUnavailable = new Map<number, string>()
  if (lines.itemAt.size === 0) return { scanned, itemsUnavailable }
  const itemStart = lines.itemStart.slice()
  const itemEnd = lines.itemEnd.slice()
  const partition = lines.partition.slice()
  const partitions = [...lines.partitions]
  const texts = [lines.text]
  let textBytes = lines.text.length
  for (const [row, location] of lines.itemAt) {
    const item = mayReadItem(location.bucket, object.path, definition)
      ? await fetchItem(store, location)
      : `itemAt s3://${location.bucket}/${location.key}: items are not read from that bucket; name it with --item-bucket if it is yours, and replay the line`
    if (typeof item === 'string') {
      itemsUnavailable.set(row, item)
      continue
    }
    if (!definition.partitionedByKey) {
      const tuple = partitionOfItem(definition, item)
      if (tuple === null) {
        itemsUnavailable.set(row, `itemAt s3://${location.bucket}/${location.key}: is no item in DynamoDB JSON`)
        continue
      }
      partition[row] = partitions.push(tuple) - 1
    }
    itemStart[row] = textBytes
    textBytes += item.length
    itemEnd[row] = textBytes
    texts.push(item)
  }
  const whole: ScannedLines = {
    ...lines,
    text: Buffer.concat(texts, textBytes),
    itemStart,
    itemEnd,
    partition,
    partitions,
  }
  return { scanned: { ...scanned, lines: whole }, itemsUnavailable }
}

async function fetchItem(store: ObjectReader, at: ItemLocation): Promise<Uint8Array | string> {
  const path = `s3://${at.bucket}/${at.key}`
  const got = await store.get(path)
  if (got.kind === 'throttled' || got.kind === 'unknown') {
    throw new TryAgainError(
      `${path}: the item of an oversize change could not be read (${got.cause.message}); run again`,
      { cause: got.cause },
    )
  }
  if (got.kind !== 'ok') return `itemAt ${path}: ${got.kind}; restore the object and replay the quarantined line`
  if (got.bytes.length !== at.bytes) return `itemAt ${path}: ${got.bytes.length} bytes, the line says ${at.bytes}`
  const sha256 = createHash('sha256').update(got.bytes).digest('hex')
  return sha256 === at.sha256 ? got.bytes : `itemAt ${path}: SHA-256 is ${sha256}, the line says ${at.sha256}`
}
