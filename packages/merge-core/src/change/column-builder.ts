// A column of a known number of rows while its values come in, in ascending order of rows, some rows left out (null).

import type { BytesColumn, Column, Validity } from '../columns/column.ts'
import { nullIfAllPresent } from '../columns/validity.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import type { PrimitiveType } from '../primitive-type.ts'

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
const TWO_TO_MINUS_32 = 1 / TWO_TO_32

const NO_BYTES = new Uint8Array(0)
const NO_INTS = new Int32Array(0)
const NO_DOUBLES = new Float64Array(0)
const NO_STARTS = new Uint32Array(0)
const NO_VIEW = new DataView(NO_BYTES.buffer)

/** Behind what is written of a column's bytes there is always so much room: a value may be written word by word. */
const SLACK_BYTES = 16
const BYTES_MAX = 0xffffffff
/** So many rows say how long those to come will be. */
const ROWS_TELLING = 100

/**
 * Every builder has the same fields, whatever its kind, so that the hot loop sees one shape; those of other kinds are empty.
 * What writes a row calls `mark` (fixed width) or `begin` and `end` (bytes). Rows grow by `reserveRows`.
 */
export class ColumnBuilder {
  readonly kind: Kind
  capacity: number
  validity: Uint8Array<ArrayBuffer>
  booleans: Uint8Array<ArrayBuffer>
  ints: Int32Array<ArrayBuffer>
  /** int64 as low and high halves. */
  halves: Int32Array<ArrayBuffer>
  doubles: Float64Array<ArrayBuffer>
  starts: Uint32Array<ArrayBuffer>
  /** starts[0 … begun) are written. */
  begun = 0
  /** The bytes of values of any length, bytes[0 … length), or of 16 bytes each. */
  bytes: Uint8Array<ArrayBuffer>
  /** Over `bytes`. */
  view: DataView
  length = 0

  constructor(kind: Kind, rows: number) {
    this.kind = kind
    this.capacity = rows
    this.validity = new Uint8Array((rows + 7) >> 3)
    this.booleans = kind === 'boolean' ? new Uint8Array(rows) : NO_BYTES
    this.ints = kind === 'int32' ? new Int32Array(rows) : NO_INTS
    this.halves = kind === 'int64' ? new Int32Array(rows * 2) : NO_INTS
    this.doubles = kind === 'double' ? new Float64Array(rows) : NO_DOUBLES
    this.starts = kind === 'bytes' ? new Uint32Array(rows + 1) : NO_STARTS
    this.bytes =
      kind === 'bytes' || kind === 'fixed' ? new Uint8Array(kind === 'bytes' ? 4096 : rows * FIXED_BYTES) : NO_BYTES
    this.view = this.bytes === NO_BYTES ? NO_VIEW : new DataView(this.bytes.buffer)
  }

  /** Makes room for rows 0 … rows − 1. */
  reserveRows(rows: number): void {
    if (rows <= this.capacity) return
    const { kind } = this
    const capacity = Math.max(rows, this.capacity * 2)
    this.capacity = capacity
    this.validity = extended(this.validity, (capacity + 7) >> 3)
    if (kind === 'boolean') this.booleans = extended(this.booleans, capacity)
    if (kind === 'int32') this.ints = extended(this.ints, capacity)
    if (kind === 'int64') this.halves = extended(this.halves, capacity * 2)
    if (kind === 'double') this.doubles = extended(this.doubles, capacity)
    if (kind === 'bytes') this.starts = extended(this.starts, capacity + 1)
    if (kind === 'fixed') this.setBytes(extended(this.bytes, capacity * FIXED_BYTES))
  }

  has(row: number): boolean {
    return ((this.validity[row >> 3]! >> (row & 7)) & 1) === 1
  }

  mark(row: number): void {
    this.validity[row >> 3]! |= 1 << (row & 7)
  }

  /** Where the row's value is to be written in `bytes`; there is room for a few bytes, more comes by `reserve`. */
  begin(row: number): number {
    while (this.begun <= row) this.starts[this.begun++] = this.length
    const start = this.length + 4
    this.reserve(start, 0)
    return start
  }

  /** Makes room for `more` bytes behind bytes[0 … written); `bytes` and `view` may be others afterwards. */
  reserve(written: number, more: number): void {
    const wanted = written + more + SLACK_BYTES
    if (wanted <= this.bytes.length) return
    if (wanted > BYTES_MAX) throw new Error(`the values of a column up to row ${this.begun - 1} take more than 4 GiB`)
    // The rows to come are taken to be like those that are there.
    const { begun, capacity } = this
    const expected = begun < ROWS_TELLING ? this.bytes.length * 2 : (wanted / begun) * (capacity + 1) * 1.02
    this.setBytes(extended(this.bytes, Math.min(Math.max(Math.ceil(expected), wanted), BYTES_MAX)))
  }

  private setBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }

  /** The value that ends at `end` of `bytes` is the row's. */
  end(row: number, end: number): void {
    this.view.setUint32(this.length, end - this.length - 4, true)
    this.length = end
    this.mark(row)
  }

  /** The row's value is source[start … end). */
  put(row: number, source: Uint8Array, start: number, end: number): void {
    const at = this.begin(row)
    this.reserve(at, end - start)
    this.bytes.set(source.subarray(start, end), at)
    this.end(row, at + end - start)
  }

  /** An integer of at most 53 bits. */
  setSafeInteger(row: number, value: number): void {
    const high = Math.floor(value * TWO_TO_MINUS_32)
    const low = value - high * TWO_TO_32
    if (this.kind === 'int64') {
      this.halves[2 * row] = low
      this.halves[2 * row + 1] = high
    } else if (this.kind === 'int32') {
      this.ints[row] = value
    } else {
      const at = row * FIXED_BYTES
      if (high < 0) this.bytes.fill(0xff, at, at + 8)
      this.view.setInt32(at + 8, high)
      this.view.setInt32(at + 12, low)
    }
    this.mark(row)
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
        const unscaled = value as bigint
        this.view.setBigInt64(row * FIXED_BYTES, unscaled >> 64n)
        this.view.setBigInt64(row * FIXED_BYTES + 8, unscaled)
        break
      }
      case 'bytes': {
        const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array)
        this.put(row, bytes, 0, bytes.length)
        return
      }
    }
    this.mark(row)
  }

  /** Makes the row null, which was the last one written if it was written at all. */
  undo(row: number): void {
    if (!this.has(row)) return
    this.validity[row >> 3]! &= ~(1 << (row & 7))
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
        this.bytes.fill(0, row * FIXED_BYTES, (row + 1) * FIXED_BYTES)
        break
      case 'bytes':
        this.length = this.starts[row]!
    }
  }

  /** The column of the first `rows` rows. The builder must not be used afterwards. */
  finish(rows: number): Column {
    const { kind } = this
    const validity = nullIfAllPresent(this.validity.subarray(0, (rows + 7) >> 3), rows)
    switch (kind) {
      case 'boolean':
        return { kind, rows, validity, data: trimmed(this.booleans, rows) }
      case 'int32':
        return { kind, rows, validity, data: trimmed(this.ints, rows) }
      case 'int64':
        return { kind, rows, validity, data: new BigInt64Array(trimmed(this.halves, 2 * rows).buffer, 0, rows) }
      case 'double':
        return { kind, rows, validity, data: trimmed(this.doubles, rows) }
      case 'fixed':
        return { kind, rows, validity, width: FIXED_BYTES, data: trimmed(this.bytes, rows * FIXED_BYTES) }
      case 'bytes':
        return this.finishBytes(rows, validity)
    }
  }

  private finishBytes(rows: number, validity: Validity): BytesColumn {
    const { starts, length } = this
    while (this.begun <= rows) starts[this.begun++] = length
    return { kind: 'bytes', rows, validity, starts: trimmed(starts, rows + 1), bytes: trimmed(this.bytes, length) }
  }
}

type Data = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>

/** The first `length` elements, in a buffer that is not much larger than they are. */
function trimmed<T extends Data>(column: T, length: number): T {
  return (length * 1.25 + 1024 < column.length ? column.slice(0, length) : column.subarray(0, length)) as T
}

function extended<T extends Data>(column: T, length: number): T {
  const larger = new (column.constructor as new (length: number) => T)(length)
  larger.set(column)
  return larger
}
