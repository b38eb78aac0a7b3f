// Columns: how the values of a field lie in memory, from the bytes of a line to the bytes of a page.
//
// Every column has `rows` values. `validity` is Arrow's bitmap (bit i of byte i >> 3, least significant first, 1 = present,
// bits past the last row are 0), or null where nothing is null. Data at a null row is 0 (fixed width) or empty (bytes).
//
//   field type                          kind        data
//   boolean                             'boolean'   Uint8Array, one byte a row, 0 or 1
//   int, date (days)                    'int32'     Int32Array
//   long, time/timestamp(tz) (µs),      'int64'     BigInt64Array
//   decimal of at most 18 digits                    (unscaled)
//   float                               'float'     Float32Array
//   double                              'double'    Float64Array
//   string, binary                      'bytes'     Parquet's PLAIN layout, see BytesColumn
//   decimal beyond 18 digits            'fixed'     16 bytes a row, big-endian two's complement (unscaled)
//   uuid, fixed[n]                      'fixed'     n bytes a row
//   any of these                        'dictionary'  indices into a column of distinct values without nulls
//
// Columns are written once by whoever builds them and never changed afterwards.

export type Validity = Uint8Array | null

export interface BooleanColumn {
  readonly kind: 'boolean'
  readonly rows: number
  readonly validity: Validity
  readonly data: Uint8Array
}

export interface Int32Column {
  readonly kind: 'int32'
  readonly rows: number
  readonly validity: Validity
  readonly data: Int32Array
}

export interface Int64Column {
  readonly kind: 'int64'
  readonly rows: number
  readonly validity: Validity
  readonly data: BigInt64Array
}

export interface FloatColumn {
  readonly kind: 'float'
  readonly rows: number
  readonly validity: Validity
  readonly data: Float32Array
}

export interface DoubleColumn {
  readonly kind: 'double'
  readonly rows: number
  readonly validity: Validity
  readonly data: Float64Array
}

/**
 * Values of any length in Parquet's PLAIN layout: four bytes of length (little-endian), then the bytes, row after row, nothing for a
 * null. Row i lies at starts[i] … starts[i + 1] of `bytes` (its value at starts[i] + 4); a null row has starts[i] = starts[i + 1].
 * `starts` has rows + 1 entries. A run of rows is one stretch of memory, and encoding a page is one copy.
 */
export interface BytesColumn {
  readonly kind: 'bytes'
  readonly rows: number
  readonly validity: Validity
  readonly starts: Uint32Array
  readonly bytes: Uint8Array
}

export interface FixedColumn {
  readonly kind: 'fixed'
  readonly rows: number
  readonly validity: Validity
  /** Bytes a row. */
  readonly width: number
  readonly data: Uint8Array
}

/** Row i holds dictionary value indices[i]; the index of a null row is 0. */
export interface DictionaryColumn {
  readonly kind: 'dictionary'
  readonly rows: number
  readonly validity: Validity
  readonly indices: Uint32Array
  readonly dictionary: PlainColumn
}

export type PlainColumn =
  | BooleanColumn
  | Int32Column
  | Int64Column
  | FloatColumn
  | DoubleColumn
  | BytesColumn
  | FixedColumn
export type Column = PlainColumn | DictionaryColumn

export function isPresent(validity: Validity, row: number): boolean {
  return validity === null || ((validity[row >> 3]! >> (row & 7)) & 1) === 1
}

/** How many of the first `rows` rows are null. */
export function nullCount(validity: Validity, rows: number): number {
  if (validity === null) return 0
  let present = 0
  for (let byte = 0; byte < (rows + 7) >> 3; byte++) {
    let bits = validity[byte]!
    while (bits !== 0) {
      bits &= bits - 1
      present++
    }
  }
  return rows - present
}
