// A column of a known number of rows while its values come in, in ascending order of rows, some rows left out (null).

import type { BytesColumn, Column } from '../columns/column.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { PrimitiveType } from '../primitive-type.ts'
import { ByteSink } from './byte-sink.ts'

type Kind = Exclude<Column['kind'], 'dictionary' | 'float'>

export function builderKind(type: PrimitiveType): Kind {
  switch (type.kind) {
    case 'boolean':
      return 'boolean'
    case 'int':
    case 'date':
      return 'int32'
    case 'double':
      return 'double'
    case 'string':
    case 'binary':
      return 'bytes'
    case 'decimal':
      return type.precision <= 18 ? 'int64' : 'fixed'
    default:
      return 'int64'
  }
}

const FIXED_BYTES = 16
const TWO_TO_32 = 0x100000000

/**
 * Every builder has the same fields, whatever its kind, so that the hot loop sees one shape; those of other kinds are empty.
 * What writes a row calls `mark` (fixed width) or `begin` and `end` (bytes).
 */
export class ColumnBuilder {
  readonly kind: Kind
  readonly rows: number
  readonly validity: Uint8Array
  present = 0
  readonly booleans: Uint8Array
  readonly ints: Int32Array
  /** int64 as low and high halves. */
  readonly halves: Int32Array
  readonly doubles: Float64Array
  readonly fixed: Uint8Array
  readonly starts: Uint32Array
  readonly sink: ByteSink
  /** starts[0 … begun) are written. */
  begun = 0

  constructor(kind: Kind, rows: number) {
    this.kind = kind
    this.rows = rows
    this.validity = new Uint8Array((rows + 7) >> 3)
    this.booleans = new Uint8Array(kind === 'boolean' ? rows : 0)
    this.ints = new Int32Array(kind === 'int32' ? rows : 0)
    this.halves = new Int32Array(kind === 'int64' ? rows * 2 : 0)
    this.doubles = new Float64Array(kind === 'double' ? rows : 0)
    this.fixed = new Uint8Array(kind === 'fixed' ? rows * FIXED_BYTES : 0)
    this.starts = new Uint32Array(kind === 'bytes' ? rows + 1 : 0)
    this.sink = new ByteSink(kind === 'bytes' ? rows * 20 : 0)
  }

  mark(row: number): void {
    this.validity[row >> 3]! |= 1 << (row & 7)
    this.present++
  }

  /** Room for a value of at most `bytesMax` bytes, which goes to sink.bytes from sink.length + 4 on. */
  begin(row: number, bytesMax: number): void {
    const { sink, starts } = this
    while (this.begun <= row) starts[this.begun++] = sink.length
    if (sink.length + bytesMax > 0xffffffff - 4) throw new Error(`a column of ${row} rows takes more than 4 GiB`)
    sink.reserve(bytesMax + 4)
  }

  /** The value that ends at `end` of sink.bytes is the row's. */
  end(row: number, end: number): void {
    const { sink } = this
    const { bytes, length } = sink
    const valueBytes = end - length - 4
    bytes[length] = valueBytes
    bytes[length + 1] = valueBytes >>> 8
    bytes[length + 2] = valueBytes >>> 16
    bytes[length + 3] = valueBytes >>> 24
    sink.length = end
    this.mark(row)
  }

  /** An integer of at most 53 bits. */
  setSafeInteger(row: number, value: number): void {
    const high = Math.floor(value / TWO_TO_32)
    if (this.kind === 'int64') {
      this.halves[2 * row] = value - high * TWO_TO_32
      this.halves[2 * row + 1] = high
    } else if (this.kind === 'int32') {
      this.ints[row] = value
    } else {
      this.setFixed(row, value - high * TWO_TO_32, high)
    }
    this.mark(row)
  }

  private setFixed(row: number, low: number, high: number): void {
    const { fixed } = this
    const at = row * FIXED_BYTES
    if (high < 0) fixed.fill(0xff, at, at + 8)
    fixed[at + 8] = high >>> 24
    fixed[at + 9] = high >>> 16
    fixed[at + 10] = high >>> 8
    fixed[at + 11] = high
    fixed[at + 12] = low >>> 24
    fixed[at + 13] = low >>> 16
    fixed[at + 14] = low >>> 8
    fixed[at + 15] = low
  }

  /** Any value of the column's type: exact, and slow. */
  set(row: number, value: Exclude<PartitionValue, null>): void {
    switch (this.kind) {
      case 'boolean':
        this.booleans[row] = value === true ? 1 : 0
        break
      case 'int32':
        this.ints[row] = value as number
        break
      case 'double':
        this.doubles[row] = value as number
        break
      case 'int64': {
        // A declared int, where another writer widened its column.
        const long = typeof value === 'number' ? BigInt(value) : (value as bigint)
        this.halves[2 * row] = Number(BigInt.asIntN(32, long))
        this.halves[2 * row + 1] = Number(BigInt.asIntN(32, long >> 32n))
        break
      }
      case 'fixed': {
        let rest = value as bigint
        for (let i = FIXED_BYTES - 1; i >= 0; i--) {
          this.fixed[row * FIXED_BYTES + i] = Number(rest & 0xffn)
          rest >>= 8n
        }
        break
      }
      case 'bytes': {
        const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array)
        this.begin(row, bytes.length)
        this.sink.bytes.set(bytes, this.sink.length + 4)
        this.end(row, this.sink.length + 4 + bytes.length)
        return
      }
    }
    this.mark(row)
  }

  /** Makes the row null, which was the last one written if it was written at all. */
  undo(row: number): void {
    if (((this.validity[row >> 3]! >> (row & 7)) & 1) === 0) return
    this.validity[row >> 3]! &= ~(1 << (row & 7))
    this.present--
    switch (this.kind) {
      case 'boolean':
        this.booleans[row] = 0
        break
      case 'int32':
        this.ints[row] = 0
        break
      case 'double':
        this.doubles[row] = 0
        break
      case 'int64':
        this.halves.fill(0, 2 * row, 2 * row + 2)
        break
      case 'fixed':
        this.fixed.fill(0, row * FIXED_BYTES, (row + 1) * FIXED_BYTES)
        break
      case 'bytes':
        this.sink.length = this.starts[row]!
    }
  }

  /** The column. The builder must not be used afterwards. */
  finish(): Column {
    const { kind, rows } = this
    const validity = this.present === rows ? null : this.validity
    switch (kind) {
      case 'boolean':
        return { kind, rows, validity, data: this.booleans }
      case 'int32':
        return { kind, rows, validity, data: this.ints }
      case 'int64':
        return { kind, rows, validity, data: new BigInt64Array(this.halves.buffer as ArrayBuffer) }
      case 'double':
        return { kind, rows, validity, data: this.doubles }
      case 'fixed':
        return { kind, rows, validity, width: FIXED_BYTES, data: this.fixed }
      case 'bytes':
        return this.finishBytes(validity)
    }
  }

  private finishBytes(validity: Uint8Array | null): BytesColumn {
    const { rows, starts, sink } = this
    while (this.begun <= rows) starts[this.begun++] = sink.length
    return { kind: 'bytes', rows, validity, starts, bytes: sink.bytes.subarray(0, sink.length) }
  }
}
