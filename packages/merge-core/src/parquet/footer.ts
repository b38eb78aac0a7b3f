// The structs of a Parquet file's footer, page headers and page indexes (parquet.thrift of Apache Parquet 2.12).
//
// Names are those of parquet.thrift in camel case. Enumerations stay numbers, so that a value of a later version passes through a
// rewritten footer unchanged. What is unknown to parquet.thrift as given here is dropped on decoding.

import { crc32 } from 'node:zlib'
import { malformed } from './malformed.ts'
import { decodeStruct, encodeStruct, list, struct } from './thrift.ts'

export const PhysicalType = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  INT96: 3,
  FLOAT: 4,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_LEN_BYTE_ARRAY: 7,
} as const

export const Repetition = { REQUIRED: 0, OPTIONAL: 1, REPEATED: 2 } as const

export const ConvertedType = {
  UTF8: 0,
  MAP: 1,
  MAP_KEY_VALUE: 2,
  LIST: 3,
  ENUM: 4,
  DECIMAL: 5,
  DATE: 6,
  TIME_MILLIS: 7,
  TIME_MICROS: 8,
  TIMESTAMP_MILLIS: 9,
  TIMESTAMP_MICROS: 10,
  UINT_8: 11,
  UINT_16: 12,
  UINT_32: 13,
  UINT_64: 14,
  INT_8: 15,
  INT_16: 16,
  INT_32: 17,
  INT_64: 18,
  JSON: 19,
  BSON: 20,
  INTERVAL: 21,
} as const

export const Encoding = {
  PLAIN: 0,
  PLAIN_DICTIONARY: 2,
  RLE: 3,
  BIT_PACKED: 4,
  DELTA_BINARY_PACKED: 5,
  DELTA_LENGTH_BYTE_ARRAY: 6,
  DELTA_BYTE_ARRAY: 7,
  RLE_DICTIONARY: 8,
  BYTE_STREAM_SPLIT: 9,
} as const

export const Codec = {
  UNCOMPRESSED: 0,
  SNAPPY: 1,
  GZIP: 2,
  LZO: 3,
  BROTLI: 4,
  LZ4: 5,
  ZSTD: 6,
  LZ4_RAW: 7,
} as const

export const PageType = { DATA_PAGE: 0, INDEX_PAGE: 1, DICTIONARY_PAGE: 2, DATA_PAGE_V2: 3 } as const

export const BoundaryOrder = { UNORDERED: 0, ASCENDING: 1, DESCENDING: 2 } as const

/** The name of an enumeration's value, for messages. */
export function enumName(values: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(values).find((name) => values[name] === value) ?? `number ${value}`
}

export interface Empty {
  readonly [name: string]: never
}

export interface DecimalType {
  readonly scale: number
  readonly precision: number
}

/** One of the three is set. */
export interface TimeUnit {
  readonly MILLIS?: Empty | undefined
  readonly MICROS?: Empty | undefined
  readonly NANOS?: Empty | undefined
}

export interface TimeType {
  readonly isAdjustedToUTC: boolean
  readonly unit: TimeUnit
}

export interface IntegerType {
  readonly bitWidth: number
  readonly isSigned: boolean
}

export interface VariantType {
  readonly specificationVersion?: number | undefined
}

export interface GeometryType {
  readonly crs?: string | undefined
}

export interface GeographyType {
  readonly crs?: string | undefined
  readonly algorithm?: number | undefined
}

/** One of them is set (none: a type that this description does not know). */
export interface LogicalType {
  readonly STRING?: Empty | undefined
  readonly MAP?: Empty | undefined
  readonly LIST?: Empty | undefined
  readonly ENUM?: Empty | undefined
  readonly DECIMAL?: DecimalType | undefined
  readonly DATE?: Empty | undefined
  readonly TIME?: TimeType | undefined
  readonly TIMESTAMP?: TimeType | undefined
  readonly INTEGER?: IntegerType | undefined
  readonly UNKNOWN?: Empty | undefined
  readonly JSON?: Empty | undefined
  readonly BSON?: Empty | undefined
  readonly UUID?: Empty | undefined
  readonly FLOAT16?: Empty | undefined
  readonly VARIANT?: VariantType | undefined
  readonly GEOMETRY?: GeometryType | undefined
  readonly GEOGRAPHY?: GeographyType | undefined
}

export interface SchemaElement {
  /** A PhysicalType; absent on a group. */
  readonly type?: number | undefined
  /** Bytes of a FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength?: number | undefined
  /** A Repetition; absent on the root. */
  readonly repetitionType?: number | undefined
  readonly name: string
  readonly numChildren?: number | undefined
  readonly convertedType?: number | undefined
  readonly scale?: number | undefined
  readonly precision?: number | undefined
  readonly fieldId?: number | undefined
  readonly logicalType?: LogicalType | undefined
}

export interface Statistics {
  /** Deprecated bounds, by signed comparison of bytes: not to be trusted for strings. */
  readonly max?: Uint8Array | undefined
  readonly min?: Uint8Array | undefined
  readonly nullCount?: number | undefined
  readonly distinctCount?: number | undefined
  readonly maxValue?: Uint8Array | undefined
  readonly minValue?: Uint8Array | undefined
  readonly isMaxValueExact?: boolean | undefined
  readonly isMinValueExact?: boolean | undefined
}

export interface KeyValue {
  readonly key: string
  readonly value?: string | undefined
}

export interface PageEncodingStats {
  readonly pageType: number
  readonly encoding: number
  readonly count: number
}

export interface SizeStatistics {
  readonly unencodedByteArrayDataBytes?: number | undefined
  readonly repetitionLevelHistogram?: readonly number[] | undefined
  readonly definitionLevelHistogram?: readonly number[] | undefined
}

export interface ColumnMetaData {
  readonly type: number
  readonly encodings: readonly number[]
  readonly pathInSchema: readonly string[]
  readonly codec: number
  readonly numValues: number
  /** Both sizes count the page headers. */
  readonly totalUncompressedSize: number
  readonly totalCompressedSize: number
  readonly keyValueMetadata?: readonly KeyValue[] | undefined
  readonly dataPageOffset: number
  readonly indexPageOffset?: number | undefined
  /** 0 means none, as absence does. */
  readonly dictionaryPageOffset?: number | undefined
  readonly statistics?: Statistics | undefined
  readonly encodingStats?: readonly PageEncodingStats[] | undefined
  readonly bloomFilterOffset?: number | undefined
  readonly bloomFilterLength?: number | undefined
  readonly sizeStatistics?: SizeStatistics | undefined
}

export interface ColumnChunk {
  readonly filePath?: string | undefined
  readonly fileOffset: number
  readonly metaData?: ColumnMetaData | undefined
  readonly offsetIndexOffset?: number | undefined
  readonly offsetIndexLength?: number | undefined
  readonly columnIndexOffset?: number | undefined
  readonly columnIndexLength?: number | undefined
  /** Present on an encrypted column; its content is not read. */
  readonly cryptoMetadata?: Empty | undefined
  readonly encryptedColumnMetadata?: Uint8Array | undefined
}

export interface SortingColumn {
  readonly columnIdx: number
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export interface RowGroup {
  readonly columns: readonly ColumnChunk[]
  readonly totalByteSize: number
  readonly numRows: number
  readonly sortingColumns?: readonly SortingColumn[] | undefined
  readonly fileOffset?: number | undefined
  readonly totalCompressedSize?: number | undefined
  readonly ordinal?: number | undefined
}

/** One of them is set. */
export interface ColumnOrder {
  readonly TYPE_ORDER?: Empty | undefined
  readonly IEEE_754_TOTAL_ORDER?: Empty | undefined
}

export interface FileMetaData {
  readonly version: number
  /** The schema tree in depth-first order; the first element is the root. */
  readonly schema: readonly SchemaElement[]
  readonly numRows: number
  readonly rowGroups: readonly RowGroup[]
  readonly keyValueMetadata?: readonly KeyValue[] | undefined
  readonly createdBy?: string | undefined
  readonly columnOrders?: readonly ColumnOrder[] | undefined
  /** Present where columns are encrypted under a plain footer; its content is not read. */
  readonly encryptionAlgorithm?: Empty | undefined
  readonly footerSigningKeyMetadata?: Uint8Array | undefined
}

export interface DataPageHeader {
  readonly numValues: number
  readonly encoding: number
  readonly definitionLevelEncoding: number
  readonly repetitionLevelEncoding: number
  readonly statistics?: Statistics | undefined
}

export interface DictionaryPageHeader {
  readonly numValues: number
  readonly encoding: number
  readonly isSorted?: boolean | undefined
}

export interface DataPageHeaderV2 {
  readonly numValues: number
  readonly numNulls: number
  readonly numRows: number
  readonly encoding: number
  readonly definitionLevelsByteLength: number
  readonly repetitionLevelsByteLength: number
  /** Absent means true. */
  readonly isCompressed?: boolean | undefined
  readonly statistics?: Statistics | undefined
}

export interface PageHeader {
  readonly type: number
  readonly uncompressedPageSize: number
  readonly compressedPageSize: number
  /** CRC-32 of the page's bytes as stored (levels included), as a signed 32-bit number. */
  readonly crc?: number | undefined
  readonly dataPageHeader?: DataPageHeader | undefined
  readonly indexPageHeader?: Empty | undefined
  readonly dictionaryPageHeader?: DictionaryPageHeader | undefined
  readonly dataPageHeaderV2?: DataPageHeaderV2 | undefined
}

export interface PageLocation {
  /** Of the page's header in the file. */
  readonly offset: number
  /** Header included. */
  readonly compressedPageSize: number
  /** Within the row group. */
  readonly firstRowIndex: number
}

export interface OffsetIndex {
  readonly pageLocations: readonly PageLocation[]
  readonly unencodedByteArrayDataBytes?: readonly number[] | undefined
}

export interface ColumnIndex {
  readonly nullPages: readonly boolean[]
  readonly minValues: readonly Uint8Array[]
  readonly maxValues: readonly Uint8Array[]
  readonly boundaryOrder: number
  readonly nullCounts?: readonly number[] | undefined
  readonly repetitionLevelHistograms?: readonly number[] | undefined
  readonly definitionLevelHistograms?: readonly number[] | undefined
}

const empty = struct<Empty>('Empty', {})

const timeUnit = struct<TimeUnit>('TimeUnit', { MILLIS: [1, empty], MICROS: [2, empty], NANOS: [3, empty] })

const timeType = struct<TimeType>('TimeType', {
  isAdjustedToUTC: [1, 'bool', 'required'],
  unit: [2, timeUnit, 'required'],
})

const logicalType = struct<LogicalType>('LogicalType', {
  STRING: [1, empty],
  MAP: [2, empty],
  LIST: [3, empty],
  ENUM: [4, empty],
  DECIMAL: [
    5,
    struct<DecimalType>('DecimalType', { scale: [1, 'i32', 'required'], precision: [2, 'i32', 'required'] }),
  ],
  DATE: [6, empty],
  TIME: [7, timeType],
  TIMESTAMP: [8, timeType],
  INTEGER: [
    10,
    struct<IntegerType>('IntegerType', { bitWidth: [1, 'i8', 'required'], isSigned: [2, 'bool', 'required'] }),
  ],
  UNKNOWN: [11, empty],
  JSON: [12, empty],
  BSON: [13, empty],
  UUID: [14, empty],
  FLOAT16: [15, empty],
  VARIANT: [16, struct<VariantType>('VariantType', { specificationVersion: [1, 'i8'] })],
  GEOMETRY: [17, struct<GeometryType>('GeometryType', { crs: [1, 'string'] })],
  GEOGRAPHY: [18, struct<GeographyType>('GeographyType', { crs: [1, 'string'], algorithm: [2, 'i32'] })],
})

const schemaElement = struct<SchemaElement>('SchemaElement', {
  type: [1, 'i32'],
  typeLength: [2, 'i32'],
  repetitionType: [3, 'i32'],
  name: [4, 'string', 'required'],
  numChildren: [5, 'i32'],
  convertedType: [6, 'i32'],
  scale: [7, 'i32'],
  precision: [8, 'i32'],
  fieldId: [9, 'i32'],
  logicalType: [10, logicalType],
})

const statistics = struct<Statistics>('Statistics', {
  max: [1, 'binary'],
  min: [2, 'binary'],
  nullCount: [3, 'i64'],
  distinctCount: [4, 'i64'],
  maxValue: [5, 'binary'],
  minValue: [6, 'binary'],
  isMaxValueExact: [7, 'bool'],
  isMinValueExact: [8, 'bool'],
})

const keyValue = struct<KeyValue>('KeyValue', { key: [1, 'string', 'required'], value: [2, 'string'] })

const pageEncodingStats = struct<PageEncodingStats>('PageEncodingStats', {
  pageType: [1, 'i32', 'required'],
  encoding: [2, 'i32', 'required'],
  count: [3, 'i32', 'required'],
})

const sizeStatistics = struct<SizeStatistics>('SizeStatistics', {
  unencodedByteArrayDataBytes: [1, 'i64'],
  repetitionLevelHistogram: [2, list('i64')],
  definitionLevelHistogram: [3, list('i64')],
})

const columnMetaData = struct<ColumnMetaData>('ColumnMetaData', {
  type: [1, 'i32', 'required'],
  encodings: [2, list('i32'), 'required'],
  pathInSchema: [3, list('string'), 'required'],
  codec: [4, 'i32', 'required'],
  numValues: [5, 'i64', 'required'],
  totalUncompressedSize: [6, 'i64', 'required'],
  totalCompressedSize: [7, 'i64', 'required'],
  keyValueMetadata: [8, list(keyValue)],
  dataPageOffset: [9, 'i64', 'required'],
  indexPageOffset: [10, 'i64'],
  dictionaryPageOffset: [11, 'i64'],
  statistics: [12, statistics],
  encodingStats: [13, list(pageEncodingStats)],
  bloomFilterOffset: [14, 'i64'],
  bloomFilterLength: [15, 'i32'],
  sizeStatistics: [16, sizeStatistics],
})

const columnChunk = struct<ColumnChunk>('ColumnChunk', {
  filePath: [1, 'string'],
  fileOffset: [2, 'i64', 'required'],
  metaData: [3, columnMetaData],
  offsetIndexOffset: [4, 'i64'],
  offsetIndexLength: [5, 'i32'],
  columnIndexOffset: [6, 'i64'],
  columnIndexLength: [7, 'i32'],
  cryptoMetadata: [8, empty],
  encryptedColumnMetadata: [9, 'binary'],
})

const sortingColumn = struct<SortingColumn>('SortingColumn', {
  columnIdx: [1, 'i32', 'required'],
  descending: [2, 'bool', 'required'],
  nullsFirst: [3, 'bool', 'required'],
})

const rowGroup = struct<RowGroup>('RowGroup', {
  columns: [1, list(columnChunk), 'required'],
  totalByteSize: [2, 'i64', 'required'],
  numRows: [3, 'i64', 'required'],
  sortingColumns: [4, list(sortingColumn)],
  fileOffset: [5, 'i64'],
  totalCompressedSize: [6, 'i64'],
  ordinal: [7, 'i16'],
})

const fileMetaData = struct<FileMetaData>('FileMetaData', {
  version: [1, 'i32', 'required'],
  schema: [2, list(schemaElement), 'required'],
  numRows: [3, 'i64', 'required'],
  rowGroups: [4, list(rowGroup), 'required'],
  keyValueMetadata: [5, list(keyValue)],
  createdBy: [6, 'string'],
  columnOrders: [
    7,
    list(struct<ColumnOrder>('ColumnOrder', { TYPE_ORDER: [1, empty], IEEE_754_TOTAL_ORDER: [2, empty] })),
  ],
  encryptionAlgorithm: [8, empty],
  footerSigningKeyMetadata: [9, 'binary'],
})

const pageHeader = struct<PageHeader>('PageHeader', {
  type: [1, 'i32', 'required'],
  uncompressedPageSize: [2, 'i32', 'required'],
  compressedPageSize: [3, 'i32', 'required'],
  crc: [4, 'i32'],
  dataPageHeader: [
    5,
    struct<DataPageHeader>('DataPageHeader', {
      numValues: [1, 'i32', 'required'],
      encoding: [2, 'i32', 'required'],
      definitionLevelEncoding: [3, 'i32', 'required'],
      repetitionLevelEncoding: [4, 'i32', 'required'],
      statistics: [5, statistics],
    }),
  ],
  indexPageHeader: [6, empty],
  dictionaryPageHeader: [
    7,
    struct<DictionaryPageHeader>('DictionaryPageHeader', {
      numValues: [1, 'i32', 'required'],
      encoding: [2, 'i32', 'required'],
      isSorted: [3, 'bool'],
    }),
  ],
  dataPageHeaderV2: [
    8,
    struct<DataPageHeaderV2>('DataPageHeaderV2', {
      numValues: [1, 'i32', 'required'],
      numNulls: [2, 'i32', 'required'],
      numRows: [3, 'i32', 'required'],
      encoding: [4, 'i32', 'required'],
      definitionLevelsByteLength: [5, 'i32', 'required'],
      repetitionLevelsByteLength: [6, 'i32', 'required'],
      isCompressed: [7, 'bool'],
      statistics: [8, statistics],
    }),
  ],
})

const offsetIndex = struct<OffsetIndex>('OffsetIndex', {
  pageLocations: [
    1,
    list(
      struct<PageLocation>('PageLocation', {
        offset: [1, 'i64', 'required'],
        compressedPageSize: [2, 'i32', 'required'],
        firstRowIndex: [3, 'i64', 'required'],
      }),
    ),
    'required',
  ],
  unencodedByteArrayDataBytes: [2, list('i64')],
})

const columnIndex = struct<ColumnIndex>('ColumnIndex', {
  nullPages: [1, list('bool'), 'required'],
  minValues: [2, list('binary'), 'required'],
  maxValues: [3, list('binary'), 'required'],
  boundaryOrder: [4, 'i32', 'required'],
  nullCounts: [5, list('i64')],
  repetitionLevelHistograms: [6, list('i64')],
  definitionLevelHistograms: [7, list('i64')],
})

// Parquet has checksums for pages, none for the footer, where one flipped bit makes a column another one. Footers of ours carry their
// own CRC-32 as an entry of the key-value metadata: eight hexadecimal digits that count as zeros in the sum.
const SEAL_KEY = 'lastwrite.footer-crc32'
const UNSEALED = '00000000'
const SEALED_WRITER = 'lastwrite '

/**
 * Reads the thrift bytes of a footer (without length and magic). Binary values are views of `bytes`. The seal of a footer of ours is
 * checked and taken off. Throws MalformedError.
 */
export function decodeFileMetaData(bytes: Uint8Array): FileMetaData {
  const { value, end } = decodeStruct(fileMetaData, bytes)
  if (end !== bytes.length) malformed(`its ${bytes.length} bytes end at ${end}`)
  const seal = value.keyValueMetadata?.find((entry) => entry.key === SEAL_KEY)
  if (isOurs(value, bytes) && seal?.value !== sealOf(bytes)) malformed(`does not match its ${SEAL_KEY}`)
  // Other writers hand on the entries of a file that they rewrite, ours among them.
  if (seal === undefined) return value
  return { ...value, keyValueMetadata: value.keyValueMetadata!.filter((entry) => entry !== seal) }
}

// A flipped bit can hide the writer's name behind another field id.
function isOurs({ createdBy }: FileMetaData, bytes: Uint8Array): boolean {
  if (createdBy !== undefined) return createdBy.startsWith(SEALED_WRITER)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(`${SEALED_WRITER}version`)
}

/** The thrift bytes of a footer, sealed with their checksum. */
export function encodeFileMetaData(metadata: FileMetaData): Uint8Array {
  const keyValueMetadata = [...(metadata.keyValueMetadata ?? []), { key: SEAL_KEY, value: UNSEALED }]
  const bytes = encodeStruct(fileMetaData, { ...metadata, keyValueMetadata })
  new TextEncoder().encodeInto(sealOf(bytes), bytes.subarray(sealDigitsAt(bytes)))
  return bytes
}

function sealOf(bytes: Uint8Array): string {
  const at = sealDigitsAt(bytes)
  const sum = crc32(bytes.subarray(at + UNSEALED.length), crc32(UNSEALED, crc32(bytes.subarray(0, at))))
  return sum.toString(16).padStart(UNSEALED.length, '0')
}

// The digits follow the key, the head of the value's field and its length, a byte each.
function sealDigitsAt(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer.lastIndexOf(SEAL_KEY) + SEAL_KEY.length + 2
}

/** Reads the page header that starts at `start`; `end` is where the page's bytes begin. Throws MalformedError. */
export function decodePageHeader(
  bytes: Uint8Array,
  start: number,
): { readonly value: PageHeader; readonly end: number } {
  return decodeStruct(pageHeader, bytes, start)
}

export function encodePageHeader(header: PageHeader): Uint8Array {
  return encodeStruct(pageHeader, header)
}

export function decodeOffsetIndex(bytes: Uint8Array): OffsetIndex {
  return decodeStruct(offsetIndex, bytes).value
}

export function encodeOffsetIndex(index: OffsetIndex): Uint8Array {
  return encodeStruct(offsetIndex, index)
}

export function decodeColumnIndex(bytes: Uint8Array): ColumnIndex {
  return decodeStruct(columnIndex, bytes).value
}

export function encodeColumnIndex(index: ColumnIndex): Uint8Array {
  return encodeStruct(columnIndex, index)
}
