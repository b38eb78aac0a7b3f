// Sorted runs: baseline rows beside the table while they wait to be merged, each run a Parquet file in the order of places.
//
// A run holds what fits into memory at once; its blocks (row groups) are small, so that of a range of places little more is read than lies
// in it. Where each block begins and ends stands in the run's description, not in the file.

import { type ByteStrings, compareBytes, concatStrings } from '../change/byte-strings.ts'
import { encodeKeys } from '../change/key-order.ts'
import { tupleOf, tupleText } from '../change/lines.ts'
import { orderByBytes } from '../change/order-keys.ts'
import type { Column, Int32Column, PlainColumn } from '../columns/column.ts'
import { nullColumn } from '../columns/constant.ts'
import { concat, expandDictionary, sliceRows } from '../columns/gather.ts'
import { takeBytesFromAll } from '../columns/take-bytes.ts'
import { takeFromAll } from '../columns/take-from-all.ts'
import { TryAgainError } from '../errors.ts'
import { assembleFile } from '../parquet/assemble-file.ts'
import { readFooter } from '../parquet/read-footer.ts'
import { decodeRowGroup, planRowGroup, rangesOf, readRanges } from '../parquet/read-row-group.ts'
import { type EncodedRowGroup, encodeRowGroup } from '../parquet/write-row-group.ts'
import type { Field } from '../primitive-type.ts'
import { storeSource } from '../store/byte-source.ts'
import type { ObjectPart, ObjectReader } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { TableDefinition } from '../table-definition.ts'
import {
  type BaselineRows,
  baselineFields,
  baselineRows,
  comparePlaces,
  type Place,
  type PlaceRange,
} from './baseline-rows.ts'

/** Plain data, also as JSON. */
export interface Run {
  readonly path: string
  readonly bytes: number
  /** What its rows take in memory. */
  readonly memoryBytes: number
  /** `tupleText` of the partitions of its rows, ascending. */
  readonly partitions: readonly string[]
  readonly blocks: readonly Block[]
}

interface Block {
  readonly rows: number
  /** Number of the partition and base64 of the key of the first and of the last row. */
  readonly first: readonly [number, string]
  readonly last: readonly [number, string]
}

const BLOCK_ROWS = 4096
/** Stands for every partition where rows are ordered by key alone. */
const ANY_PARTITION = ''

/** What a run holds beside the columns of baselineFields. */
function runFields(definition: TableDefinition): { columns: Field[]; all: Field[] } {
  const columns = baselineFields(definition)
  const id = Math.max(...columns.map((field) => field.id))
  return {
    columns,
    all: [
      ...columns,
      { id: id + 1, name: '_partition', type: { kind: 'int' }, required: true },
      { id: id + 2, name: '_operation', type: { kind: 'int' }, required: false },
      { id: id + 3, name: '_rank', type: { kind: 'binary' }, required: false },
    ],
  }
}

/** Sorts the rows and writes them as one run. */
export async function writeRun(
  definition: TableDefinition,
  parts: readonly BaselineRows[],
  memoryBytes: number,
  orderedByKey: boolean,
  createFile: (parts: readonly ObjectPart[]) => Promise<string>,
): Promise<Run> {
  const { order, partOf, rowOf, partitionOf, partitions, keys } = placed(parts, orderedByKey)
  const { all } = runFields(definition)
  const groups: EncodedRowGroup[] = []
  const blocks: Block[] = []
  for (let start = 0; start < order.length; start += BLOCK_ROWS) {
    const rows = order.subarray(start, Math.min(order.length, start + BLOCK_ROWS))
    const of = rows.map((row) => partOf[row]!)
    const at = rows.map((row) => rowOf[row]!)
    const columns = all.slice(0, -3).map((_, i) =>
      takeFromAll(
        parts.map((part) => part.columns[i]!),
        of,
        at,
      ),
    )
    const partition: Int32Column = int32Column(Int32Array.from(rows, (row) => partitionOf[row]!))
    groups.push(
      encodeRowGroup(all, [...columns, partition, operationColumn(parts, of, at), rankColumn(parts, of, at)], {
        codec: 'zstd',
        level: 1,
        keyColumns: 0,
      }),
    )
    const placeOf = (row: number): [number, string] => [
      partitionOf[row]!,
      Buffer.from(keys.bytes.subarray(keys.starts[row]!, keys.starts[row + 1]!)).toString('base64'),
    ]
    blocks.push({ rows: rows.length, first: placeOf(rows[0]!), last: placeOf(rows[rows.length - 1]!) })
  }
  const file = assembleFile(all, groups, { keyColumns: 0 })
  return { path: await createFile(file.parts), bytes: file.fileBytes, memoryBytes, partitions, blocks }
}

/** All rows of the parts, numbered one part after the other, in the order of their places. */
function placed(parts: readonly BaselineRows[], orderedByKey: boolean) {
  const keys = concatStrings(parts.map((part) => part.keys))
  const count = keys.starts.length - 1
  const partOf = new Uint32Array(count)
  const rowOf = new Uint32Array(count)
  const partitionOf = new Int32Array(count)
  const texts = parts.map((part) => (orderedByKey ? [ANY_PARTITION] : part.partitions.map(tupleText)))
  const partitions = [...new Set(texts.flat())].sort((a, b) => (a < b ? -1 : 1))
  let row = 0
  for (const [index, part] of parts.entries()) {
    const numbers = texts[index]!.map((text) => partitions.indexOf(text))
    for (let i = 0; i < part.count; i++, row++) {
      partOf[row] = index
      rowOf[row] = i
      partitionOf[row] = orderedByKey ? 0 : numbers[part.partition[i]!]!
    }
  }
  const byKey = orderByBytes(keys, (a, b) => a - b)
  return { order: byNumber(byKey, partitionOf, partitions.length), partOf, rowOf, partitionOf, partitions, keys }
}

/** A stable order by ascending numbers below `numbers`. */
function byNumber(order: Uint32Array, numberOf: Int32Array, numbers: number): Uint32Array {
  const next = new Uint32Array(numbers + 1)
  for (const row of order) next[numberOf[row]! + 1]!++
  for (let number = 0; number < numbers; number++) next[number + 1]! += next[number]!
  const sorted = new Uint32Array(order.length)
  for (const row of order) sorted[next[numberOf[row]!]!++] = row
  return sorted
}

function int32Column(data: Int32Array): Int32Column {
  return { kind: 'int32', rows: data.length, validity: null, data }
}

function operationColumn(parts: readonly BaselineRows[], of: Uint32Array, at: Uint32Array): PlainColumn {
  if (parts[0]!.operation === null) return nullColumn({ kind: 'int' }, of.length)
  return int32Column(Int32Array.from(of, (part, i) => parts[part]!.operation![at[i]!]!))
}

function rankColumn(parts: readonly BaselineRows[], of: Uint32Array, at: Uint32Array): PlainColumn {
  if (parts[0]!.rank === null) return nullColumn({ kind: 'binary' }, of.length)
  const { starts, bytes } = takeBytesFromAll(
    parts.map((part) => part.rank!),
    of,
    at,
  )
  return plainBytes(starts, bytes)
}

/** Byte strings in the layout of a column: four bytes of length before each. */
function plainBytes(starts: Uint32Array, bytes: Uint8Array): PlainColumn {
  const rows = starts.length - 1
  const out = new Uint8Array(bytes.length + 4 * rows)
  const view = new DataView(out.buffer)
  const outStarts = starts.map((start, row) => start + 4 * row)
  for (let row = 0; row < rows; row++) {
    view.setUint32(outStarts[row]!, starts[row + 1]! - starts[row]!, true)
    out.set(bytes.subarray(starts[row]!, starts[row + 1]!), outStarts[row]! + 4)
  }
  return { kind: 'bytes', rows, validity: null, starts: outStarts, bytes: out }
}

/**
 * The rows of a run in any of the ranges, which ascend and do not overlap, in its order. Nothing is read but the blocks that they touch.
 */
export async function readRun(
  store: ObjectReader,
  definition: TableDefinition,
  run: Run,
  ranges: readonly PlaceRange[],
): Promise<BaselineRows> {
  const { columns: fields, all } = runFields(definition)
  const wanted = run.blocks.flatMap((block, group) => (isTouched(run, block, ranges) ? [group] : []))
  const types = fields.slice(0, definition.keyColumns).map((field) => field.type)
  const pieces: Column[][] = []
  if (wanted.length > 0) {
    const source = await storeSource(store, run.path, {
      errorOf: (path, failure) =>
        failure.kind === 'missing'
          ? new TryAgainError(`${path}: a sorted run was deleted while it was needed; run again`)
          : failureError(path, 'reading', failure),
    })
    const footer = await readFooter(source)
    const tasks = wanted.map((group) => planRowGroup(footer, group, all))
    const read = await readRanges(source, tasks.flatMap(rangesOf))
    for (const task of tasks) {
      const columns = decodeRowGroup(task, read)
      const places = placesOf(run, columns, types, fields.length)
      for (const range of ranges) {
        const from = range.from === null ? 0 : firstAtOrAbove(places, range.from)
        const to = range.to === null ? task.rows : firstAtOrAbove(places, range.to)
        if (from < to) pieces.push(columns.map((column) => sliceRows(column, from, to)))
      }
    }
  }
  const columns = all.map((field, i) =>
    expandDictionary(
      concat(
        field.type,
        pieces.map((piece) => piece[i]!),
      ),
    ),
  )
  const [partition, operation, rank] = columns.slice(fields.length)
  const own = columns.slice(0, fields.length)
  const more = {
    operation: operation!.validity === null ? Uint8Array.from((operation as Int32Column).data) : null,
    rank: rank!.validity === null ? withoutLengths(rank!) : null,
  }
  if (run.partitions[0] === ANY_PARTITION) return baselineRows(definition, own, more) as BaselineRows
  return {
    count: own[0]!.rows,
    columns: own,
    keys: encodeKeys(own.slice(0, types.length), types),
    partition: (partition as Int32Column).data,
    partitions: run.partitions.map(tupleOf),
    ...more,
  }
}

function isTouched(run: Run, { first, last }: Block, ranges: readonly PlaceRange[]): boolean {
  return ranges.some(
    ({ from, to }) =>
      (from === null || comparePlaces(placeAt(run, last), from) >= 0) &&
      (to === null || comparePlaces(placeAt(run, first), to) < 0),
  )
}

export function placeAt({ partitions }: Run, [partition, key]: readonly [number, string]): Place {
  return { partition: partitions[partition]!, key: Buffer.from(key, 'base64') }
}

interface Places {
  readonly partitions: readonly string[]
  readonly partition: Int32Array
  readonly keys: ByteStrings
}

function placesOf(
  { partitions }: Run,
  columns: readonly Column[],
  types: readonly Field['type'][],
  fields: number,
): Places {
  const partition = (expandDictionary(columns[fields]!) as Int32Column).data
  return { partitions, partition, keys: encodeKeys(columns.slice(0, types.length), types) }
}

function firstAtOrAbove({ partitions, partition, keys }: Places, place: Place): number {
  let low = 0
  let high = partition.length
  while (low < high) {
    const middle = (low + high) >> 1
    const text = partitions[partition[middle]!]!
    const isBelow =
      text === place.partition
        ? compareBytes(keys.bytes, keys.starts[middle]!, keys.starts[middle + 1]!, place.key, 0, place.key.length) < 0
        : text < place.partition
    if (isBelow) low = middle + 1
    else high = middle
  }
  return low
}

function withoutLengths(column: PlainColumn): ByteStrings {
  return encodeKeys([column], [{ kind: 'binary' }])
}
