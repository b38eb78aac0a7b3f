// The lines of a landing object in the order in which they are needed.
//
// A fold goes through the lines of all objects by key, and a task takes those of a partition by key: from each object every so many lines
// one, in no order of the object's. By partition and key they are taken one behind the other, and what one line needs is in the cache when
// the next is due. Of 80 objects of 25,000 lines that is worth twice what bringing them into this order costs; of five it is not.

import { takeStrings } from '../change/byte-strings.ts'
import type { LandedLines } from '../change/lines.ts'
import { orderByBytes } from '../change/order-keys.ts'
import { takeLanes, takeRows } from '../columns/gather.ts'
import { beginColumn, endColumns } from '../columns/memory.ts'

/** Lines by partition, those of one by key; in the memory of a column (beginColumn), to be copied out of it. */
export function inTaskOrder(lines: LandedLines): LandedLines {
  const rows = taskOrder(lines)
  beginColumn()
  try {
    return takeLines(lines, rows)
  } finally {
    endColumns()
  }
}

function taskOrder({ keys, partition, partitions, count }: LandedLines): Uint32Array {
  const byKey = orderByBytes(keys, (a, b) => a - b)
  /** Where the next line of a partition goes; lines of none go first. */
  const next = new Uint32Array(partitions.length + 2)
  for (let row = 0; row < count; row++) next[partition[row]! + 2]!++
  for (let at = 1; at < next.length; at++) next[at]! += next[at - 1]!
  const rows = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const row = byKey[i]!
    rows[next[partition[row]! + 1]!++] = row
  }
  return rows
}

/** The lines of these rows with their items, in their order; each row once at most. */
export function takeLines(lines: LandedLines, rows: Uint32Array): LandedLines {
  const item = takeInts(lines.item, rows)
  const taken = Uint32Array.from(item.filter((row) => row >= 0))
  let put = 0
  return {
    ...lines,
    count: rows.length,
    lineNumber: takeLanes(lines.lineNumber, 1, rows),
    operation: takeLanes(lines.operation, 1, rows),
    keys: takeStrings(lines.keys, rows),
    versions: takeStrings(lines.versions, rows),
    at: takeDoubles(lines.at, rows),
    accepted: takeLanes(lines.accepted, 1, rows),
    partition: takeInts(lines.partition, rows),
    oldPartition: takeInts(lines.oldPartition, rows),
    item: item.map((row) => (row < 0 ? row : put++)),
    columns: lines.columns.map((column) => takeRows(column, taken)),
  }
}

function takeInts({ buffer, byteOffset, length }: Int32Array, rows: Uint32Array): Int32Array {
  const taken = takeLanes(new Uint32Array(buffer, byteOffset, length), 1, rows)
  return new Int32Array(taken.buffer, taken.byteOffset, taken.length)
}

function takeDoubles({ buffer, byteOffset, length }: Float64Array, rows: Uint32Array): Float64Array {
  const taken = takeLanes(new BigUint64Array(buffer, byteOffset, length), 1, rows)
  return new Float64Array(taken.buffer, taken.byteOffset, taken.length)
}
