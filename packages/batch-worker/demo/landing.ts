// Writes changes as Firehose would land them: gzip objects of newline-ended change lines under hour prefixes, in no order, some
// lines twice, some a publication too late, and one whole object twice under two names.
//
// Everything is drawn from one seed: the same publications give the same objects.

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Change, Json, Publication } from './changes.ts'

const TABLE = 'compat'
const SOURCE = '123456789012/eu-west-1'
const STREAM = '2026-05-22T08:00:00.000'
const DELIVERY_STREAM = 'lastwrite-compat'
const LINES_AN_OBJECT = 8_000
const TWICE_SHARE = 0.01
const LATE_SHARE = 0.02

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
 * Lands each delivery (the publications that arrive together) in `folder` when it is asked for. Nothing of the last one is held
 * back, so in the end every change has arrived.
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
    const heldBack = changes.filter(() => i < deliveries.length - 1 && random() < LATE_SHARE)
    const arriving = [...late, ...without(changes, heldBack)]
    const twice = arriving.filter(() => random() < TWICE_SHARE)
    const lines = [...arriving, ...twice]
    shuffle(lines, random)
    const objects = chunksOf(lines, LINES_AN_OBJECT)
    // A put that timed out had been accepted, and was sent again.
    const resent = objects.slice(-1)
    const bytes = await writeObjects(folder, [...objects, ...resent], publications.at(-1)!.publishedAt, objectNumber)
    const resentLines = resent.reduce((sum, object) => sum + object.length, 0)
    yield {
      objects: objects.length + resent.length,
      lines: lines.length + resentLines,
      twice: twice.length + resentLines,
      late: late.length,
      bytes,
    }
    objectNumber += objects.length + resent.length
    late = heldBack
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
    const content = gzipSync(changes.map(toChangeLine).join(''), { level: 1 })
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

function toChangeLine(change: Change): string {
  const { operation, at, item } = change
  const keys = toAttributes({ feature: change.feature, browser: change.browser })
  const line = { format: 'lastwrite/1', table: TABLE, source: SOURCE, stream: STREAM, sequence: `${change.sequence}` }
  return `${JSON.stringify({ ...line, operation, at, keys, ...(item === null ? {} : { item: toAttributes(item) }) })}\n`
}

function toAttributes(values: { readonly [name: string]: Json | undefined }): Record<string, unknown> {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(values)) if (value !== undefined) attributes[name] = toAttribute(value)
  return attributes
}

function toAttribute(value: Json): Record<string, unknown> {
  if (value === null) return { NULL: true }
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'number') return { N: String(value) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (Array.isArray(value)) return { L: value.map(toAttribute) }
  return { M: toAttributes(value as { readonly [name: string]: Json | undefined }) }
}

function without<T>(all: readonly T[], some: readonly T[]): T[] {
  const left = new Set(some)
  return all.filter((one) => !left.has(one))
}

function chunksOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/** Fisher and Yates. */
function shuffle<T>(all: T[], random: () => number): void {
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
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
