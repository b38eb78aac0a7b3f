import type { ObjectStore } from './object-store.ts'

/** Bytes that went through a store. */
export interface Traffic {
  read: number
  written: number
  /** By parts that the store copied itself. */
  copied: number
}

/** The same store, which counts what goes through it. */
export function meteredStore(store: ObjectStore): { store: ObjectStore; traffic: Traffic } {
  const traffic = { read: 0, written: 0, copied: 0 }
  return {
    traffic,
    store: {
      async get(path, options) {
        const result = await store.get(path, options)
        if (result.kind === 'ok') traffic.read += result.bytes.length
        return result
      },
      async put(path, content, mode) {
        const result = await store.put(path, content, mode)
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
      list: (prefix) => store.list(prefix),
      delete: (path) => store.delete(path),
    },
  }
}
