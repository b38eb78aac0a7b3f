// Locations as people type them, and as the library takes them: absolute and with their scheme.

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError } from '@lastwrite/merge-core'

/** `./lake/orders` → `file:///home/me/lake/orders`. Throws an InputError for a store that this program cannot reach. */
export function toLocation(text: string): string {
  if (text.startsWith('file:///') || /^s3:\/\/[^/]/.test(text)) return text
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]
  if (scheme !== undefined) {
    throw new InputError(
      `${text}: no store for "${scheme}:"; write a local folder, for example ./lake/orders, or s3://bucket/orders`,
    )
  }
  if (text === '') throw new InputError('the location is empty; write a local folder, for example ./lake/orders')
  return `file://${resolve(text)}`
}

/** `file:///home/me/lake/orders` → `/home/me/lake/orders`. Throws an InputError for what lies elsewhere. */
export function toPath(location: string): string {
  if (!location.startsWith('file://'))
    throw new InputError(`${location}: no local file; only those can be queried here`)
  return location.slice('file://'.length)
}

/** As {@link toPrefix}, of `--landing`. */
export function toLandingPrefix(text: string): Promise<string> {
  return toPrefix('landing', text)
}

/**
 * The location of the folder that an option names, with the slash that keeps a neighbour of longer name out. Throws an InputError where
 * there is none: a mistyped folder would otherwise look like one in which nothing lies.
 */
export async function toPrefix(option: string, text: string): Promise<string> {
  const location = toLocation(text)
  // S3 has no folders that could be missing: the merge warns where it finds no object.
  if (location.startsWith('s3://')) return withSlash(location)
  const found = await stat(toPath(location)).catch(() => null)
  if (found === null)
    throw new InputError(`${option} ${text}: no such folder; correct --${option}, or create the folder`)
  if (!found.isDirectory()) throw new InputError(`${option} ${text}: is a file; give the folder that it lies in`)
  return withSlash(location)
}

const withSlash = (location: string): string => (location.endsWith('/') ? location : `${location}/`)
