// A store on a very bad day: three of four calls go wrong, each in a way that is drawn.
//
// Reads and deletes are tried again as the S3 store does it, so that a caller sees what is left then. Writes go out once.

import type { Failure, ObjectStore } from '../src/store/object-store.ts'

export const CHAOS_SHARES = { error: 0.25, throttled: 0.3, late: 0.15, corrupt: 0.01, lost: 0.05 } as const
export type ChaosFault = keyof typeof CHAOS_SHARES

/** As the S3 store has it. */
const ATTEMPTS_MAX = 8
/** What is late comes when so many others had their turn. */
const TURNS_MAX = 30

/** What goes wrong with a call, if anything does. */
export function drawFault(random: () => number): ChaosFault | null {
  let left = random()
  for (const [fault, share] of Object.entries(CHAOS_SHARES)) {
    left -= share
    if (left < 0) return fault as ChaosFault
  }
  return null
}

export interface ChaosStore extends ObjectStore {
  /** Resolves when all that was sent has acted, also what nobody waits for any more. */
  settled(): Promise<void>
}

export function chaosStore(store: ObjectStore, random: () => number): ChaosStore {
  const underWay = new Set<Promise<unknown>>()

  async function attempt<T extends { readonly kind: string }>(act: () => Promise<T>): Promise<T | Failure> {
    const fault = drawFault(random)
    switch (fault) {
      case 'error':
        return unknown('reset before it acted')
      case 'throttled':
        return { kind: 'throttled', cause: new Error('slow down') }
      case 'late': {
        const acting = turns(Math.ceil(random() * TURNS_MAX)).then(act)
        underWay.add(acting)
        acting.finally(() => underWay.delete(acting))
        // Half of those who sent it have given up by then.
        return random() < 0.5 ? acting : unknown('no answer in time')
      }
      case 'lost':
        await act()
        return unknown('the answer was lost')
      case 'corrupt': {
        const result = await act()
        return 'bytes' in result ? { kind: 'corrupt', cause: new Error('another checksum') } : result
      }
      default:
        return act()
    }
  }

  async function again<T extends { readonly kind: string }>(act: () => Promise<T>): Promise<T | Failure> {
    for (let number = 1; ; number++) {
      const result = await attempt(act)
      // What is corrupt is told, though the S3 store would try again: that something comes of it is what is to be seen.
      const mayPass = result.kind === 'unknown' || result.kind === 'throttled'
      if (!mayPass || number === ATTEMPTS_MAX) return result
    }
  }

  return {
    get: (path, options) => again(() => store.get(path, options)),
    list: (...asked) => again(() => store.list(...asked)),
    delete: (path) => again(() => store.delete(path)),
    put(path, content, mode) {
      // Taken at the call: what acts late must not see what became of the caller's buffers.
      const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
      const taken = parts.map((part) => (part.kind === 'bytes' ? { ...part, bytes: part.bytes.slice() } : part))
      return attempt(() => store.put(path, taken, mode))
    },
    async settled() {
      await Promise.allSettled(underWay)
    },
  }
}

const unknown = (what: string): Failure => ({ kind: 'unknown', cause: new Error(what) })

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
