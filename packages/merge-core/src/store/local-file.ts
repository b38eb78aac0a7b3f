// Files of the local file system as versions of objects: their names, their tags, their bytes, and what their errors mean.

import { type BigIntStats, read } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { InputError } from '../errors.ts'
import { type parseLocation, parseObjectLocation } from './location.ts'
import type { Failure } from './object-store.ts'

/** One read or write call takes less than 2 GiB. */
export const CALL_BYTES_MAX = 1024 * 1024 * 1024
/** Names that listings leave out: ours while a put is under way, and the checksum files that Hadoop lays beside its files. */
export const HIDDEN_NAME = /^\..*\.(tmp|crc)$/

/** The path that a location names. Throws an InputError where no object can have it. */
export function fileOf(location: string): string {
  const { path } = parseFileLocation(location, parseObjectLocation)
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (HIDDEN_NAME.test(name))
    throw new InputError(`location ${JSON.stringify(location)}: names of temporary files are not listed`)
  return path
}

export function parseFileLocation(location: string, parse: typeof parseLocation): ReturnType<typeof parseLocation> {
  const parsed = parse(location)
  if (!['', 'file:', 'file://'].includes(parsed.scheme) || !parsed.path.startsWith('/')) {
    throw new InputError(`location ${JSON.stringify(location)}: not of a local file; write file:///folder/name`)
  }
  return parsed
}

/** The tag of an object: a version's own. */
export function etagOf(file: BigIntStats): string {
  return `${file.ino.toString(36)}-${file.mtimeNs.toString(36)}-${file.size.toString(36)}`
}

/** Null where no file stands. */
export async function statFile(file: string): Promise<BigIntStats | null> {
  const found = await stat(file, { bigint: true }).catch(ignoreMissing)
  return found?.isFile() ? found : null
}

/** Only a foreign program writes into a file that stands. */
export function writtenInPlace(path: string): Failure {
  return { kind: 'corrupt', cause: new Error(`${path}: another program changed it while it was read`) }
}

const readPart = promisify(read)

/** Reads from an open descriptor and gives the bytes read: fewer than asked for only where the file ends. */
export async function readFully(file: number, into: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const length = Math.min(into.length - filled, CALL_BYTES_MAX)
    const { bytesRead } = await readPart(file, into, filled, length, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

export const MISSING_CODES = new Set(['ENOENT', 'ENOTDIR'])

export function ignoreMissing(error: unknown): void {
  if (!MISSING_CODES.has(codeOf(error))) throw error
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
