// ScannedLines while they are being written: columns that grow a row at a time.

import type { PartitionValue } from '../iceberg/transform.ts'
import { ByteSink } from './byte-sink.ts'
import type { ItemLocation, ScannedLines } from './scanned-lines.ts'

/** The bytes of row `count`'s key and version are appended first; `add` makes the row, `dropPending` takes them back. */
export class LineColumns {
  count = 0
  readonly keys: ByteSink
  readonly versions: ByteSink
  readonly itemAt = new Map<number, ItemLocation>()
  lineNumber: Uint32Array
  lineStart: Uint32Array
  lineEnd: Uint32Array
  operation: Uint8Array
  at: Float64Array
  itemStart: Uint32Array
  itemEnd: Uint32Array
  partition: Int32Array
  oldPartition: Int32Array
  accepted: Uint8Array
  keyStarts: Uint32Array
  versionStarts: Uint32Array

  constructor(capacity: number) {
    this.keys = new ByteSink(capacity * 24)
    this.versions = new ByteSink(capacity * 48)
    this.lineNumber = new Uint32Array(capacity)
    this.lineStart = new Uint32Array(capacity)
    this.lineEnd = new Uint32Array(capacity)
    this.operation = new Uint8Array(capacity)
    this.at = new Float64Array(capacity)
    this.itemStart = new Uint32Array(capacity)
    this.itemEnd = new Uint32Array(capacity)
    this.partition = new Int32Array(capacity)
    this.oldPartition = new Int32Array(capacity)
    this.accepted = new Uint8Array(capacity)
    this.keyStarts = new Uint32Array(capacity + 1)
    this.versionStarts = new Uint32Array(capacity + 1)
  }

  add(lineNumber: number, lineStart: number, lineEnd: number, operation: number, at: number): number {
    const row = this.count
    if (row === this.lineNumber.length) this.grow()
    this.lineNumber[row] = lineNumber
    this.lineStart[row] = lineStart
    this.lineEnd[row] = lineEnd
    this.operation[row] = operation
    this.at[row] = at
    this.keyStarts[row + 1] = this.keys.length
    this.versionStarts[row + 1] = this.versions.length
    this.count = row + 1
    return row
  }

  dropPending(): void {
    this.keys.length = this.keyStarts[this.count]!
    this.versions.length = this.versionStarts[this.count]!
  }

  finish(text: Uint8Array, partitions: readonly (readonly PartitionValue[])[]): ScannedLines {
    const { count } = this
    return {
      count,
      text,
      lineNumber: this.lineNumber.slice(0, count),
      lineStart: this.lineStart.slice(0, count),
      lineEnd: this.lineEnd.slice(0, count),
      operation: this.operation.slice(0, count),
      keys: { starts: this.keyStarts.slice(0, count + 1), bytes: this.keys.bytes.slice(0, this.keys.length) },
      versions: {
        starts: this.versionStarts.slice(0, count + 1),
        bytes: this.versions.bytes.slice(0, this.versions.length),
      },
      at: this.at.slice(0, count),
      itemStart: this.itemStart.slice(0, count),
      itemEnd: this.itemEnd.slice(0, count),
      itemAt: this.itemAt,
      partition: this.partition.slice(0, count),
      oldPartition: this.oldPartition.slice(0, count),
      partitions,
      accepted: this.accepted.slice(0, count),
    }
  }

  private grow(): void {
    const capacity = this.lineNumber.length * 2 + 16
    const grown = <T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(column: T, length: number): T => {
      const larger = new (column.constructor as new (length: number) => T)(length)
      larger.set(column)
      return larger
    }
    this.lineNumber = grown(this.lineNumber, capacity)
    this.lineStart = grown(this.lineStart, capacity)
    this.lineEnd = grown(this.lineEnd, capacity)
    this.operation = grown(this.operation, capacity)
    this.at = grown(this.at, capacity)
    this.itemStart = grown(this.itemStart, capacity)
    this.itemEnd = grown(this.itemEnd, capacity)
    this.partition = grown(this.partition, capacity)
    this.oldPartition = grown(this.oldPartition, capacity)
    this.accepted = grown(this.accepted, capacity)
    this.keyStarts = grown(this.keyStarts, capacity + 1)
    this.versionStarts = grown(this.versionStarts, capacity + 1)
  }
}
