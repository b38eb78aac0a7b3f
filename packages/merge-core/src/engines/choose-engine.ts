// Which engine does the tasks of which partition: a choice by cost.
//
// This process does a partition of any size, since its tasks are clusters of files, one after the other. Another engine, which takes its
// time to start and writes every file whole, is the better one where
//
//   a task's files are another engine's and must be read whole, which takes more memory than a thread may have;
//   the whole plan takes longer than the deadline leaves: then the largest partitions go, until the rest is done in time.

/** What a partition's tasks must touch. */
export interface PartitionLoad {
  /** Of its data files that are read or written. */
  readonly fileBytes: number
  /** Of those of one task that are read whole, at most. */
  readonly wholeBytes: number
  /** Why the other engine cannot do it; null where it can. */
  readonly onlyHere: string | null
}

export interface EngineLimits {
  readonly use: 'auto' | 'always'
  /** Why the other engine cannot be started; null where it can. */
  readonly missing: string | null
  readonly memoryBytes: number
  readonly threads: number
  /** Until the deadline; null where there is none. */
  readonly secondsLeft: number | null
}

export interface EngineChoice {
  readonly engine: 'node' | 'spark'
  readonly why: string
}

/** A row in columns, with its gathered copy, for each byte that it takes in a file. */
const MEMORY_PER_FILE_BYTE = 6
/** Bytes of data files that one thread merges in a second, where changes touch every row group (docs/decisions/019-spark.md). */
const FILE_BYTES_PER_SECOND = 20 * 1024 * 1024
/** What is left of the deadline is for the commit, and for what the estimate does not know. */
const DEADLINE_SHARE = 0.7

/** One choice a partition, in their order. */
export function chooseEngines(loads: readonly PartitionLoad[], limits: EngineLimits): EngineChoice[] {
  const choices = loads.map((load) => chooseAlone(load, limits))
  if (limits.use === 'always' || limits.missing !== null || limits.secondsLeft === null) return choices
  const seconds = (load: PartitionLoad) => load.fileBytes / FILE_BYTES_PER_SECOND / limits.threads
  const secondsMax = limits.secondsLeft * DEADLINE_SHARE
  const here = [...loads.keys()].filter((index) => choices[index]!.engine === 'node')
  let secondsHere = here.reduce((sum, index) => sum + seconds(loads[index]!), 0)
  const why = `Node would take ${Math.round(secondsHere)} s for the plan, the deadline leaves ${Math.round(limits.secondsLeft)} s`
  for (const index of here.sort((a, b) => loads[b]!.fileBytes - loads[a]!.fileBytes)) {
    if (secondsHere <= secondsMax) break
    if (loads[index]!.onlyHere !== null) continue
    secondsHere -= seconds(loads[index]!)
    choices[index] = { engine: 'spark', why }
  }
  return choices
}

function chooseAlone({ wholeBytes, onlyHere }: PartitionLoad, limits: EngineLimits): EngineChoice {
  const { use, missing, memoryBytes, threads } = limits
  if (onlyHere !== null) return { engine: 'node', why: onlyHere }
  if (use === 'always') return { engine: 'spark', why: 'asked for' }
  const wholeMemory = wholeBytes * MEMORY_PER_FILE_BYTE
  if (wholeMemory <= memoryBytes / threads) return { engine: 'node', why: 'fits memory and deadline' }
  const why = `files of another engine that overlap are read whole: ${mebibytes(wholeMemory)} for a thread, of ${mebibytes(memoryBytes)} for all`
  return missing === null ? { engine: 'spark', why } : { engine: 'node', why: `${why}; ${missing}` }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`
}
