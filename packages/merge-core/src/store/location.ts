// What may be the name of an object, the same for every store.

import { InputError } from '../errors.ts'

const LOCATION_BYTES_MAX = 1024
const COMPONENT_BYTES_MAX = 255

/** A location taken apart: `scheme` as written (`file://`, `file:`, `s3://`, or nothing), `path` what follows it. */
export interface Location {
  readonly scheme: string
  readonly path: string
}

/**
 * Takes a location apart and refuses what no store shall be asked for: relative steps, empty steps, control characters,
 * names that a file system or S3 would not hold.
 * @throws InputError naming the location and what is wrong with it
 */
export function parseLocation(location: string): Location {
  const refuse = (what: string): never => {
    throw new InputError(`location ${JSON.stringify(location)}: ${what}`)
  }
  if (Buffer.byteLength(location) > LOCATION_BYTES_MAX) refuse(`longer than ${LOCATION_BYTES_MAX} bytes; shorten it`)
  for (let i = 0; i < location.length; i++) {
    const unit = location.charCodeAt(i)
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) refuse(`a control character at position ${i}; rename it`)
  }
  if (!location.isWellFormed()) refuse('half of a surrogate pair; rename it')
  const scheme = /^[a-z][a-z0-9+.-]*:(\/\/)?/i.exec(location)?.[0] ?? ''
  const path = location.slice(scheme.length)
  if (path === '') refuse('no path; give an absolute location')
  if (scheme === '' && !path.startsWith('/')) refuse('not absolute; start it with / or a scheme')
  const steps = path.split('/')
  for (const [i, step] of steps.entries()) {
    if (step === '.' || step === '..') refuse(`the step "${step}"; write the location without it`)
    if (step === '' && i !== 0 && i !== steps.length - 1) refuse('two slashes in a row; write one')
    if (Buffer.byteLength(step) > COMPONENT_BYTES_MAX) refuse(`a step longer than ${COMPONENT_BYTES_MAX} bytes`)
  }
  return { scheme, path }
}

/** The location of one object: as {@link parseLocation}, and not that of a folder. */
export function parseObjectLocation(location: string): Location {
  const parsed = parseLocation(location)
  if (parsed.path.endsWith('/'))
    throw new InputError(`location ${JSON.stringify(location)}: names a folder, not an object`)
  return parsed
}

/** The order of listings: ascending bytes of the UTF-8 text (JavaScript's own order differs beyond the BMP). */
export function byLocation(a: { readonly path: string }, b: { readonly path: string }): number {
  return compareUtf8(a.path, b.path)
}

function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    // Surrogates stand for code points above every other unit.
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1
  }
  return a.length - b.length
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xe000
