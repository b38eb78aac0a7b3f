import type { ObjectStore } from './object-store.ts'
import { addTraffic, noTraffic, type Traffic } from './traffic.ts'

export type { Traffic } from './traffic.ts'

/**
 * The same store, and what goes through it from here on. A store that counts itself is believed (a call of it may be several
 * requests, and what it was asked to copy it may have to read); of others each call is one request.
 */
export function meteredStore(store: ObjectStore): { readonly store: ObjectStore; readonly traffic: Readonly<Traffic> } {
  if (store.traffic !== undefined) return { store, traffic: trafficSince(store, store.traffic) }
  const traffic = noTraffic()
  return {
    traffic,
    store: {
      ...store,
      traffic,
      async get(path, options) {
        traffic.requests.get++
        const result = await store.get(path, options)
        if (result.kind === 'ok') traffic.read += result.bytes.length
        return result
      },
      async put(path, content, mode, options) {
        traffic.requests.put++
        const result = await store.put(path, content, mode, options)
        if (result.kind !== 'ok') return result
        if (content instanceof Uint8Array) traffic.written += content.length
        else {
          for (const part of content) {
            if (part.kind === 'bytes') traffic.written += part.bytes.length
            else traffic.copied += part.end - part.start
          }
        }
        return result
      },
      async createFrom(path, stream) {
        const result = (await store.createFrom?.(path, stream)) ?? null
        if (result !== null) traffic.requests.put++
        if (result?.kind === 'ok') traffic.written += result.objectBytes
        return result
      },
      list(prefix, options) {
        traffic.requests.list++
        return store.list(prefix, options)
      },
      delete(path) {
        traffic.requests.delete++
        return store.delete(path)
      },
    },
  }
}

/** At each look what was counted by then. */
function trafficSince(store: ObjectStore, start: Readonly<Traffic>): Readonly<Traffic> {
  const before = addTraffic(noTraffic(), start)
  const difference = () => addTraffic(addTraffic(noTraffic(), store.traffic!), before, -1)
  return {
    get read() {
      return difference().read
    },
    get written() {
      return difference().written
    },
    get copied() {
      return difference().copied
    },
    get requests() {
      return difference().requests
    },
  }
}
