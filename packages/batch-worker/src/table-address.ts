// How people write where a table is: a location, or an entry of a catalog.

import { InputError } from '@lastwrite/merge-core'
import { toLocation } from './table-location.ts'

export type TableAddress =
  | { readonly kind: 'location'; readonly location: string }
  /** `uri` without `/v1`; the namespace's levels, outermost first. */
  | { readonly kind: 'rest'; readonly uri: string; readonly namespace: readonly string[]; readonly table: string }
  | { readonly kind: 'glue'; readonly database: string; readonly table: string }

/** `rest:https://catalog.example#shop.orders`, `glue:shop.orders`, or a location. @throws InputError where it is none of them */
export function parseTableAddress(text: string): TableAddress {
  if (text.startsWith('rest:')) return parseRest(text)
  if (text.startsWith('glue:')) return parseGlue(text)
  return { kind: 'location', location: toLocation(text) }
}

function parseRest(text: string): TableAddress {
  const hash = text.lastIndexOf('#')
  const uri = text.slice('rest:'.length, hash < 0 ? undefined : hash)
  const steps = hash < 0 ? [] : text.slice(hash + 1).split('.')
  if (!URL.canParse(uri) || !/^https?:/.test(uri) || steps.length < 2 || steps.includes('')) {
    throw new InputError(
      `${text}: write rest:<address>#<namespace>.<table>, for example rest:https://catalog.example/api#shop.orders`,
    )
  }
  return { kind: 'rest', uri, namespace: steps.slice(0, -1), table: steps.at(-1)! }
}

function parseGlue(text: string): TableAddress {
  const steps = text.slice('glue:'.length).split('.')
  if (steps.length !== 2 || steps.includes('')) {
    throw new InputError(`${text}: write glue:<database>.<table>, for example glue:shop.orders`)
  }
  return { kind: 'glue', database: steps[0]!, table: steps[1]! }
}
