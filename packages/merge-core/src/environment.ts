import type { ObjectStore } from './store/object-store.ts'

/** What the library takes from outside: the stores, time and randomness. Tests pass their own and become repeatable. */
export interface Environment {
  readonly store: ObjectStore
  /** Epoch milliseconds. Names files and snapshots; never decides which change wins. */
  readonly nowMs: () => number
  /** Uniform in [0, 1): back-off jitter, snapshot ids. */
  readonly random: () => number
  /** A new UUID: commit ids, table ids, file names. */
  readonly uuid: () => string
  readonly sleep: (ms: number) => Promise<void>
  /** The most memory that the process has held so far (resident set); left out where nobody knows. */
  readonly peakMemoryBytes?: () => number
}
