// One store for locations of one kind that are reached by different credentials: those lent for a table's files, and one's own.

import type { ObjectStore } from './object-store.ts'
import { addTraffic, noTraffic } from './traffic.ts'

export interface PrefixStore {
  /** With its scheme: `s3://bucket/orders/`. */
  readonly prefix: string
  readonly store: ObjectStore
}

/** Sends each call to the store of the longest prefix that its location starts with, else to `own`. `lent` is asked once. */
export function storeByPrefix(own: ObjectStore, lent: () => Promise<readonly PrefixStore[]>): ObjectStore {
  let opening: Promise<readonly PrefixStore[]> | null = null
  let opened: readonly PrefixStore[] = []

  async function storeOf(location: string): Promise<ObjectStore> {
    opening ??= lent().catch((error) => {
      opening = null
      throw error
    })
    opened = await opening
    const fitting = opened.filter(({ prefix }) => location.startsWith(prefix))
    return fitting.sort((a, b) => b.prefix.length - a.prefix.length)[0]?.store ?? own
  }

  return {
    get traffic() {
      const stores = [own, ...opened.map(({ store }) => store)]
      return stores.reduce((sum, store) => addTraffic(sum, store.traffic ?? noTraffic()), noTraffic())
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
