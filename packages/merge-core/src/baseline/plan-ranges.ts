// Cuts the places of sorted runs into ranges, and deals these out to commits.
//
// A range holds what a thread can merge at once. A commit takes one range of each of `threads` equal stretches of all places, so that its
// ranges lie far apart: each thread adds to files of its own. What no run holds lies in a range as well: ranges tile all places.

import { createHash } from 'node:crypto'
import { comparePlaces, type Place, type PlaceRange } from './baseline-rows.ts'
import { placeAt, type Run } from './runs.ts'

/** Plain data, also as JSON. One entry a commit: its ranges, ascending. */
export type RangePlan = readonly (readonly PlaceRange[])[]

/** The same for the same plan. */
export function planId(plan: RangePlan): string {
  return createHash('sha256').update(formatPlan(plan)).digest('hex').slice(0, 16)
}

export function planRanges(runs: readonly Run[], rangeBytes: number, threads: number): RangePlan {
  const ranges = rangesOf(cuts(runs, rangeBytes))
  const commits = Math.ceil(ranges.length / threads)
  return Array.from({ length: commits }, (_, commit) => ranges.filter((_, range) => range % commits === commit))
}

/** Where a range ends and the next begins: at the first place of a block. */
function cuts(runs: readonly Run[], rangeBytes: number): Place[] {
  const blocks = runs.flatMap((run) => {
    const rows = run.blocks.reduce((sum, block) => sum + block.rows, 0)
    return run.blocks.map((block) => ({
      place: placeAt(run, block.first),
      bytes: (run.memoryBytes * block.rows) / rows,
    }))
  })
  blocks.sort((a, b) => comparePlaces(a.place, b.place))
  const total = blocks.reduce((sum, { bytes }) => sum + bytes, 0)
  const even = total / Math.max(1, Math.ceil(total / rangeBytes))
  const found: Place[] = []
  let bytes = 0
  for (const block of blocks) {
    const last = found.at(-1)
    if (bytes >= even * (found.length + 1) && (last === undefined || comparePlaces(block.place, last) > 0))
      found.push(block.place)
    bytes += block.bytes
  }
  return found
}

function rangesOf(places: readonly Place[]): PlaceRange[] {
  return [null, ...places].map((from, i) => ({ from, to: places[i] ?? null }))
}

/** The plan as text, and back. */
export function formatPlan(plan: RangePlan): string {
  const place = (at: Place | null) => at && [at.partition, Buffer.from(at.key).toString('base64')]
  return JSON.stringify(plan.map((ranges) => ranges.map(({ from, to }) => [place(from), place(to)])))
}

export function parsePlan(text: string): RangePlan {
  const place = (at: [string, string] | null) => at && { partition: at[0], key: Buffer.from(at[1], 'base64') }
  const plan = JSON.parse(text) as [[string, string] | null, [string, string] | null][][]
  return plan.map((ranges) => ranges.map(([from, to]) => ({ from: place(from), to: place(to) })))
}
