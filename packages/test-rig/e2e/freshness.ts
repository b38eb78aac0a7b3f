// From a write's acknowledgement to the first commit after which a query sees it, or a later write of its key.

import type { DeliveredObject } from '../src/firehose-model.ts'
import type { LoggedChange } from '../src/write-log.ts'

/** A merge that took all objects that were there when it began. */
export interface MergeTimes {
  readonly startMs: number
  readonly endMs: number
}

/** Sequence numbers in change lines, or in stream records. */
export function sequencesOf(json: string): string[] {
  return Array.from(json.matchAll(/"(?:sequence|SequenceNumber)":"(\d+)"/g), (match) => match[1]!)
}

/** In milliseconds, ascending; of the changes that arrived by themselves, without a replay. */
export function freshnessMs(
  changes: readonly LoggedChange[],
  delivered: readonly DeliveredObject[],
  merges: readonly MergeTimes[],
): number[] {
  const visibleMs = new Map<string, number>()
  for (const { content, isError, deliveredMs } of delivered) {
    if (isError) continue
    const endMs = merges.find(({ startMs }) => startMs >= deliveredMs)?.endMs
    if (endMs === undefined) continue
    for (const sequence of sequencesOf(content)) {
      visibleMs.set(sequence, Math.min(endMs, visibleMs.get(sequence) ?? Infinity))
    }
  }
  const ages = changes.flatMap(({ sequence, timeMs }) => {
    const seen = visibleMs.get(sequence)
    return seen === undefined ? [] : [seen - timeMs]
  })
  return ages.sort((a, b) => a - b)
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
