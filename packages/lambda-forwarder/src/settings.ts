// What the function is told by its environment.

import { InputError } from '@lastwrite/merge-core/change-lines'
import type { OversizeLocation } from './oversize.ts'

export interface Settings {
  readonly deliveryStream: string
  readonly oversize: OversizeLocation
  readonly oldAttributes: readonly string[]
  readonly passThrough: boolean
}

/** Throws InputError, naming the variable, for one that is missing or cannot be read. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const required = (name: string, what: string): string => {
    const value = environment[name]
    if (value === undefined || value === '') throw new InputError(`${name} is not set: it names ${what}`)
    return value
  }
  return {
    deliveryStream: required('DELIVERY_STREAM', 'the Firehose stream'),
    oversize: oversizeLocation(required('OVERSIZE_LOCATION', 'where oversize items go, s3://bucket/prefix')),
    oldAttributes: attributeNames(environment.OLD_ATTRIBUTES ?? '[]'),
    passThrough: flag('PASS_THROUGH', environment.PASS_THROUGH ?? 'false'),
  }
}

function oversizeLocation(text: string): OversizeLocation {
  const match = /^s3:\/\/([^/]+)(?:\/(.*?))?\/?$/.exec(text)
  if (match === null) throw new InputError(`OVERSIZE_LOCATION is ${JSON.stringify(text)}, not s3://bucket/prefix`)
  return { bucket: match[1]!, prefix: match[2] ? `${match[2]}/` : '' }
}

function attributeNames(text: string): readonly string[] {
  try {
    const names: unknown = JSON.parse(text)
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names
  } catch {
    // Said below.
  }
  throw new InputError(`OLD_ATTRIBUTES is ${text}, not a JSON list of attribute names: ["region"]`)
}

function flag(name: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InputError(`${name} is ${JSON.stringify(text)}, not true or false`)
  return text === 'true'
}
