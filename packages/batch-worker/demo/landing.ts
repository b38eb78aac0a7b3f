// Writes changes as Firehose would land them: gzip objects of newline-ended change lines under hour prefixes, out of order within
// and between objects, some lines twice, one object twice under two names, and one object days too late.
//
// Everything is drawn from one seed: the same publications give the same objects.

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { encodeChangeLine } from '@lastwrite/merge-core/change-lines'
import type { Change, Json, Publication } from './changes.ts'

const TABLE = 'compat'
const SOURCE = '123456789012/eu-west-1'
const STREAM = '2026-10-01T08:00:00.000'
const DELIVERY_STREAM = 'lastwrite-compat'
const LINES_AN_OBJECT = 4_000
/** A line stands at most about so many lines from its place in the stream. */
const SHUFFLED_LINES = 10_000
const TWICE_SHARE = 0.01

export interface Landed {
  readonly objects: number
  readonly lines: number
  /** Lines that stand in the landing area a second time. */
  readonly twice: number
  /** Lines of an earlier delivery that arrive only with this one. */
  readonly late: number
  readonly bytes: number
}

/**
 * Lands each delivery (the publications that arrive together) in `folder` when it is asked for. One object of the first delivery
 * arrives only with the last, after changes of the same items; in the end every change has arrived.
 */
export async function* landDeliveries(
  folder: string,
  deliveries: readonly (readonly Publication[])[],
): AsyncGenerator<Landed> {
  const random = seededRandom(20261124)
  let late: Change[] = []
  let objectNumber = 0
  for (const [i, publications] of deliveries.entries()) {
    const changes = publications.flatMap((publication) => publication.changes)
    const twice = new Set(changes.filter(() => random() < TWICE_SHARE))
    const objects = chunksOf(shuffleNearby(repeated(changes, twice), random), LINES_AN_OBJECT)
    if (i === 0) late = objects.splice(Math.floor(objects.length / 2), 1)[0]!
    const isLast = i === deliveries.length - 1
    if (isLast) objects.push(late)
    // A put that timed out had been accepted, and was sent again.
    const resent = objects[0]!
    const bytes = await writeObjects(folder, [...objects, resent], publications.at(-1)!.publishedAt, objectNumber)
    yield {
      objects: objects.length + 1,
      lines: objects.reduce((sum, object) => sum + object.length, resent.length),
      twice: twice.size + resent.length,
      late: isLast ? late.length : 0,
      bytes,
    }
    objectNumber += objects.length + 1
  }
}

/** Returns the bytes written. */
async function writeObjects(
  folder: string,
  objects: readonly (readonly Change[])[],
  arrivedAt: number,
  firstNumber: number,
): Promise<number> {
  let bytes = 0
  for (const [i, changes] of objects.entries()) {
    const file = join(folder, objectKey(arrivedAt + i * 60, firstNumber + i))
    const content = gzipSync(changes.map((change) => `${toChangeLine(change)}\n`).join(''), { level: 1 })
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
    bytes += content.length
  }
  return bytes
}

/** The name that Firehose gives: hour prefix, delivery stream, its version, the time of the oldest record, a UUID. */
function objectKey(seconds: number, number: number): string {
  const [year, month, day, hour, minute, second] = new Date(seconds * 1000).toISOString().split(/\D/)
  const id = createHash('sha256').update(`${DELIVERY_STREAM} ${number}`).digest('hex')
  const uuid = [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20, 32)].join('-')
  const name = [DELIVERY_STREAM, 1, year, month, day, hour, minute, second, uuid].join('-')
  return `${year}/${month}/${day}/${hour}/${name}.gz`
}

function toChangeLine({ operation, sequence, at, feature, browser, item }: Change): string {
  return encodeChangeLine({
    table: TABLE,
    source: SOURCE,
    stream: STREAM,
    sequence: String(sequence),
    operation,
    at,
    keys: toAttributes({ feature, browser }),
    ...(item === null ? {} : { item: toAttributes(item) }),
  })
}

type AttributeValue = { readonly [tag: string]: unknown }

function toAttributes(values: { readonly [name: string]: Json | undefined }): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {}
  for (const [name, value] of Object.entries(values)) if (value !== undefined) attributes[name] = toAttribute(value)
  return attributes
}

function toAttribute(value: Json): AttributeValue {
  if (value === null) return { NULL: true }
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'number') return { N: String(value) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (Array.isArray(value)) return { L: value.map(toAttribute) }
  return { M: toAttributes(value as { readonly [name: string]: Json | undefined }) }
}

function repeated<T>(all: readonly T[], twice: ReadonlySet<T>): T[] {
  return all.flatMap((one) => (twice.has(one) ? [one, one] : [one]))
}

function shuffleNearby<T>(all: readonly T[], random: () => number): T[] {
  const placed = all.map((one, i) => ({ one, place: i + random() * SHUFFLED_LINES }))
  return placed.sort((a, b) => a.place - b.place).map(({ one }) => one)
}

function chunksOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/** Mulberry32: uniform in [0, 1), the same row of numbers for a seed. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
