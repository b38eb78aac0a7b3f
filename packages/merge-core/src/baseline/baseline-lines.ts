// Baseline rows as lines that can be folded: each is a put, or a removal, of the baseline's one version.

import { type ByteStrings, ownMemory, type TakeMemory, takeWords } from '../change/byte-strings.ts'
import type { LandedLines } from '../change/lines.ts'
import { REMOVE } from '../change/scanned-lines.ts'
import type { ObjectReader } from '../store/object-store.ts'
import type { TableDefinition } from '../table-definition.ts'
import type { BaselineRows, PlaceRange } from './baseline-rows.ts'
import { type Run, readRun } from './runs.ts'

/** Plain data. */
export interface ReadRunTask {
  readonly definition: TableDefinition
  readonly run: Run
  readonly ranges: readonly PlaceRange[]
  /** Of all rows; those that have a rank have it in place of the version (distinct-rows.ts). */
  readonly version: Uint8Array
  /** Epoch seconds; NaN: before all that is known. */
  readonly at: number
}

export async function readRunLines(store: ObjectReader, task: ReadRunTask): Promise<LandedLines> {
  const rows = await readRun(store, task.definition, task.run, task.ranges)
  return linesOf(rows, task)
}

function linesOf(
  { count, keys, partition, partitions, operation, rank, columns }: BaselineRows,
  { definition, version, at }: ReadRunTask,
): LandedLines {
  const isRemoval = (row: number) => operation !== null && operation[row] === REMOVE
  return {
    count,
    lineNumber: new Uint32Array(count),
    operation: operation ?? new Uint8Array(count),
    keys,
    versions: rank ?? repeated(version, count),
    at: new Float64Array(count).fill(at),
    accepted: new Uint8Array(count),
    partition,
    // Where a removal finds no row, no matter which partition it is looked for in.
    oldPartition: partition.map((number, row) => (isRemoval(row) ? number : -1)),
    partitions,
    item: Int32Array.from({ length: count }, (_, row) => (isRemoval(row) ? -1 : row)),
    columns: columns.slice(definition.keyColumns),
  }
}

/** `count` times the same bytes. */
export function repeated(bytes: Uint8Array, count: number, take: TakeMemory = ownMemory): ByteStrings {
  const all = take(count * bytes.length)
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at)
  const starts = takeWords(count + 1, take)
  for (let i = 0; i <= count; i++) starts[i] = i * bytes.length
  return { starts, bytes: all }
}
