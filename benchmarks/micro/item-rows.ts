// Rows like those of a table of DynamoDB items, as columns in memory: seeded, sorted by key.
//
// 12 columns: a key, texts of 8 and of 10,000 values, 24 random hex digits, three integers, two doubles, a wide decimal, a time in
// milliseconds and a JSON text of about 60 bytes.

import type { BytesColumn, Column } from '../../packages/merge-core/src/columns/column.ts'
import type { Field } from '../../packages/merge-core/src/primitive-type.ts'

export const ITEM_FIELDS: readonly Field[] = [
  { id: 1, name: 'pk', type: { kind: 'string' }, required: true },
  { id: 2, name: 'status', type: { kind: 'string' }, required: false },
  { id: 3, name: 'city', type: { kind: 'string' }, required: false },
  { id: 4, name: 'token', type: { kind: 'string' }, required: false },
  { id: 5, name: 'revision', type: { kind: 'long' }, required: false },
  { id: 6, name: 'points', type: { kind: 'long' }, required: false },
  { id: 7, name: 'serial', type: { kind: 'long' }, required: false },
  { id: 8, name: 'price', type: { kind: 'double' }, required: false },
  { id: 9, name: 'weight', type: { kind: 'double' }, required: false },
  { id: 10, name: 'balance', type: { kind: 'decimal', precision: 38, scale: 9 }, required: false },
  { id: 11, name: 'changed_at', type: { kind: 'timestamptz' }, required: false },
  { id: 12, name: 'details', type: { kind: 'string' }, required: false },
]

const FIRST_TIME_MS = 1_760_000_000_000

/** `rows` rows from row number `first` on. */
export function itemColumns(first: number, rows: number): Column[] {
  const random = randomFrom(first + 1)
  const below = (limit: number) => Math.floor(random() * limit)
  return [
    text(rows, (row) => `user#${String(first + row).padStart(12, '0')}`),
    text(rows, () => `status-${below(8)}`),
    text(rows, () => `city of ${below(10_000)}`),
    text(rows, () => `${hex(below(2 ** 32))}${hex(below(2 ** 32))}${hex(below(2 ** 32))}`),
    longs(rows, () => below(50)),
    longs(rows, () => below(1_000_000)),
    longs(rows, (row) => (first + row) * 10 + below(10)),
    doubles(rows, () => below(100_000) / 100),
    doubles(rows, () => random() * 1000),
    decimals(rows, () => below(2 ** 45)),
    longs(rows, (row) => (FIRST_TIME_MS + (first + row) * 40 + below(600_000)) * 1000),
    text(rows, () => `{"source":"app-${below(40)}","attempt":${below(9)},"reference":"${hex(below(2 ** 32))}"}`),
  ]
}

/** mulberry32: uniform in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

function text(rows: number, valueAt: (row: number) => string): BytesColumn {
  const pieces = Array.from({ length: rows }, (_, row) => Buffer.from(valueAt(row)))
  const starts = new Uint32Array(rows + 1)
  for (const [row, piece] of pieces.entries()) starts[row + 1] = starts[row]! + 4 + piece.length
  const bytes = new Uint8Array(starts[rows]!)
  const view = new DataView(bytes.buffer)
  for (const [row, piece] of pieces.entries()) {
    view.setUint32(starts[row]!, piece.length, true)
    bytes.set(piece, starts[row]! + 4)
  }
  return { kind: 'bytes', rows, validity: null, starts, bytes }
}

function longs(rows: number, valueAt: (row: number) => number): Column {
  const data = BigInt64Array.from({ length: rows }, (_, row) => BigInt(valueAt(row)))
  return { kind: 'int64', rows, validity: null, data }
}

function doubles(rows: number, valueAt: () => number): Column {
  return { kind: 'double', rows, validity: null, data: Float64Array.from({ length: rows }, valueAt) }
}

function decimals(rows: number, valueAt: () => number): Column {
  const data = new Uint8Array(rows * 16)
  const view = new DataView(data.buffer)
  for (let row = 0; row < rows; row++) view.setBigInt64(row * 16 + 8, BigInt(valueAt()))
  return { kind: 'fixed', rows, validity: null, width: 16, data }
}
