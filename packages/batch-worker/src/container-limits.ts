// What a run takes where nobody says: of a container, the limits of its control group.

import { availableParallelism, totalmem } from 'node:os'

const MEMORY_BYTES = 512 * 1024 ** 2
/**
 * A run counts its changes and what its threads hold. Garbage that is not collected yet, and the system's cache of files, come on top:
 * merging two million scattered changes, with 1 GiB to take, had 1.4 GiB resident.
 */
const SHARE_OF_LIMIT = 1 / 2
/** With less a second thread fills the memory: two were killed at 1 GiB by those changes, and were not at 2 GiB. */
const LIMIT_BYTES_PER_THREAD = 1024 ** 3

/** The limit in bytes, of version 1 or 2 of control groups; null where there is none. */
export function memoryLimitBytes(): number | null {
  const limit = process.constrainedMemory()
  return limit > 0 && limit < totalmem() ? limit : null
}

export function defaultMemoryBytes(limit = memoryLimitBytes()): number {
  return limit === null ? MEMORY_BYTES : Math.floor(limit * SHARE_OF_LIMIT)
}

/** One for each processor that the control group lets it have, as far as there is memory for them. */
export function defaultThreads(limit = memoryLimitBytes(), processors = availableParallelism()): number {
  return limit === null ? processors : Math.min(processors, Math.max(1, Math.floor(limit / LIMIT_BYTES_PER_THREAD)))
}
