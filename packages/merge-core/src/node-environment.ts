// The one place where time and randomness of the machine come in. Everything else takes them from its Environment.

import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Environment } from './environment.ts'
import type { ObjectStore } from './store/object-store.ts'

/** The environment of an ordinary Node process. */
export function nodeEnvironment(store: ObjectStore): Environment {
  return {
    store,
    nowMs: Date.now,
    random: Math.random,
    uuid: randomUUID,
    sleep: (ms) => setTimeout(ms),
    peakMemoryBytes: () => process.resourceUsage().maxRSS * 1024,
  }
}
