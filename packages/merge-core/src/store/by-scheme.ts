// One store for locations of several kinds: landing objects and oversize items may lie elsewhere than the table.

import { InputError } from '../errors.ts'
import { meteredStore } from './metered.ts'
import type { ObjectStore } from './object-store.ts'
import { addTraffic, noTraffic, type Traffic } from './traffic.ts'

/** Opens the store of a scheme; called once, when the first location of it is met. */
export type OpenStore = () => Promise<ObjectStore>

/**
 * Sends each call to the store of its location's scheme (`file`, `s3`); a plain path is a file.
 * @throws InputError from its calls for a location of another scheme
 */
export function storeByScheme(openers: Readonly<Record<string, OpenStore>>): ObjectStore {
  const opened = new Map<string, Promise<ObjectStore>>()
  const counted: Readonly<Traffic>[] = []

  async function storeOf(location: string): Promise<ObjectStore> {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(location)?.[1] ?? 'file'
    const known = opened.get(scheme)
    if (known !== undefined) return known
    const open = Object.hasOwn(openers, scheme) ? openers[scheme] : undefined
    if (open === undefined) {
      const schemes = Object.keys(openers).join(', ')
      throw new InputError(`location ${JSON.stringify(location)}: no store for "${scheme}:", only for ${schemes}`)
    }
    const opening = open().then((store) => {
      const metered = meteredStore(store)
      counted.push(metered.traffic)
      return metered.store
    })
    opened.set(scheme, opening)
    return opening
  }

  return {
    get traffic() {
      return counted.reduce((sum, traffic) => addTraffic(sum, traffic), noTraffic())
    },
    unproven: async (location) => (await (await storeOf(location)).unproven?.(location)) ?? null,
    get: async (path, options) => (await storeOf(path)).get(path, options),
    put: async (path, content, mode, options) => (await storeOf(path)).put(path, content, mode, options),
    createFrom: async (path, stream) => (await (await storeOf(path)).createFrom?.(path, stream)) ?? null,
    list: async (prefix, options) => (await storeOf(prefix)).list(prefix, options),
    delete: async (path) => (await storeOf(path)).delete(path),
    abandonUploads: async (prefix, options) =>
      (await (await storeOf(prefix)).abandonUploads?.(prefix, options)) ?? { kind: 'ok', uploads: 0 },
  }
}
