// Lines and objects that had no effect, kept whole with their reason.
//
// They are written before the commit whose ledger entries name them: a crash in between leaves a file that nothing names, never a
// line that nothing keeps.

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { QuarantinedLine } from '../change/scanned-lines.ts'
import type { ListedObject } from '../store/object-store.ts'
import { createObject, failureError } from '../store/stored-object.ts'
import type { StateFolder } from './state-file.ts'

/** What lies in quarantine of one landing object. */
export interface QuarantinedLines {
  /** The landing object's location. */
  readonly object: string
  readonly lines: readonly QuarantinedLine[]
}

/**
 * Writes one gzip file of JSON lines: `reason`, `object`, `line`, `message`, and `text`, the whole line (`base64` where it is not
 * UTF-8). Answers its location.
 * @param commit names the file together with an attempt-unique name
 */
export async function writeQuarantine(
  folder: StateFolder,
  commit: string,
  quarantined: readonly QuarantinedLines[],
): Promise<string> {
  const path = `${folder.location}/quarantine/${commit}-${folder.newName()}.ndjson.gz`
  const entries = quarantined.flatMap(({ object, lines }) => lines.map((line) => `${quarantineEntry(object, line)}\n`))
  await createObject(folder.store, path, gzipSync(entries.join('')))
  return path
}

/** One line of a quarantine file, without its newline. A replay has a reason of its own. */
export function quarantineEntry(
  object: string,
  { reason, line, message, text }: Omit<QuarantinedLine, 'reason'> & { readonly reason: string },
): string {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength)
  const whole = isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') }
  return JSON.stringify({ reason, object, line, message, ...whole })
}

/** Copies a landing object that could not be read to its end, inside the store. Answers the copy's location; a second copy is the first. */
export async function quarantineObject(folder: StateFolder, object: ListedObject): Promise<string> {
  const { path: from, etag, objectBytes: end } = object
  const path = quarantinedObject(folder.location, from, etag)
  const content = end === 0 ? new Uint8Array(0) : [{ kind: 'copy', from, etag, start: 0, end } as const]
  const result = await folder.store.put(path, content, { kind: 'create' })
  // The name stands for these very bytes: who was first made the same copy. (A source that changed is a conflict as well.)
  if (result.kind === 'ok' || (result.kind === 'conflict' && (await isThere(folder, path)))) return path
  throw failureError(from, 'copying to quarantine', result)
}

/** Where the copy of a landing object lies. */
export function quarantinedObject(folder: string, object: string, etag: string): string {
  const version = createHash('sha256').update(`${object}\0${etag}`).digest('hex').slice(0, 32)
  return `${folder}/quarantine/objects/${version}`
}

async function isThere(folder: StateFolder, path: string): Promise<boolean> {
  return (await folder.store.get(path, { range: { suffix: 1 } })).kind === 'ok'
}
