// What a merge reads of a file that no change applies to: the keys and versions of the row groups that can hold the changed keys.

import { describe, expect, it } from 'vitest'
import { PUT } from '../src/change/scanned-lines.ts'
import { encodeVersion, sequenceForm } from '../src/change/version.ts'
import { columnOf } from '../src/columns/values.ts'
import { STORED_IS_NEWER } from '../src/files/incoming.ts'
import { mergeFiles } from '../src/files/merge-files.ts'
import type { DataFile } from '../src/iceberg/manifest.ts'
import { assembleFile } from '../src/parquet/assemble-file.ts'
import { keyRangesEntry } from '../src/parquet/key-ranges.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { chunkRange, type FileRange } from '../src/parquet/read-row-group.ts'
import { encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { memoryStore } from '../src/store/memory.ts'
import type { ObjectReader } from '../src/store/object-store.ts'
import { textStrings } from './byte-strings.ts'
import { bytesOf } from './parquet-files.ts'
import { randomFrom } from './random-from.ts'

const text = { kind: 'string' } as const
/** Large columns lie between those that decide, so that a read of more than these shows. */
const fields: readonly Field[] = [
  { id: 1, name: 'pk', type: text, required: true },
  { id: 2, name: 'large 1', type: { kind: 'binary' }, required: false },
  { id: 3, name: '_stream', type: text, required: false },
  { id: 4, name: '_sequence', type: text, required: false },
  { id: 5, name: 'large 2', type: { kind: 'binary' }, required: false },
  { id: 6, name: '_expired_at', type: { kind: 'timestamptz' }, required: false },
  { id: 7, name: 'large 3', type: { kind: 'binary' }, required: false },
]
const PATH = 'memory://lake/orders/stored.parquet'
const ROWS = 100
const STREAM = '2026-11-22T08:00:00.000'
const keyText = (key: number) => `key ${String(key).padStart(4, '0')}`

function storedFile(): Uint8Array {
  const random = randomFrom(1)
  const largeValue = () => Uint8Array.from({ length: 4000 }, () => random() * 256)
  const groups = [0, 1, 2].map((group) => {
    const keys = Array.from({ length: ROWS }, (_, row) => keyText(2 * (group * ROWS + row)))
    const large = () =>
      columnOf(
        { kind: 'binary' },
        keys.map(() => largeValue()),
      )
    const columns = [
      columnOf(text, keys),
      large(),
      columnOf(
        text,
        keys.map(() => STREAM),
      ),
      columnOf(
        text,
        keys.map((_, row) => sequenceForm(String(row + 5))),
      ),
      large(),
      columnOf(
        { kind: 'timestamptz' },
        keys.map(() => null),
      ),
      large(),
    ]
    return encodeRowGroup(fields, columns, { codec: 'zstd', keyColumns: 1 })
  })
  const key = (number: number) => new TextEncoder().encode(keyText(number))
  const ranges = [0, 1, 2].map((group) => ({
    first: key(2 * group * ROWS),
    last: key(2 * (group * ROWS + ROWS - 1)),
  }))
  return bytesOf(assembleFile(fields, groups, { keyColumns: 0, keyValueMetadata: [keyRangesEntry(ranges)] }))
}

/** Puts of these keys, older than every stored row. */
function staleChanges(keys: readonly number[]) {
  const version = encodeVersion(STREAM, '4')
  return {
    count: keys.length,
    operation: new Uint8Array(keys.length).fill(PUT),
    keys: textStrings(keys.map(keyText)),
    versions: {
      starts: Uint32Array.from({ length: keys.length + 1 }, (_, i) => i * version.length),
      bytes: new Uint8Array(Buffer.concat(keys.map(() => version))),
    },
    expiryVersions: { starts: new Uint32Array(keys.length + 1), bytes: new Uint8Array(0) },
    expiryMicros: new BigInt64Array(keys.length),
    row: Int32Array.from(keys.keys()),
    columns: fields.map(({ type, required }, i) =>
      columnOf(
        type,
        keys.map((key) => (i === 0 || required ? keyText(key) : null)),
      ),
    ),
  }
}

describe('changes that are all stale', () => {
  it('read the keys and versions of their row groups, no other part of the file, and write nothing', async () => {
    const bytes = storedFile()
    const store = memoryStore({ objects: [[PATH, bytes]] })
    const ranges: FileRange[] = []
    const watched: ObjectReader = {
      get: (path, options) => {
        const range = options?.range
        if (range === undefined) throw new Error(`${path} was read whole`)
        if ('start' in range) ranges.push(range)
        return store.get(path, options)
      },
    }
    const keys = [20, 22, 198, 402, 598]
    const result = await mergeFiles(
      {
        fields,
        keyColumns: 1,
        streamColumn: 2,
        sequenceColumn: 3,
        expiredColumn: 5,
        fileBytes: 2 ** 27,
        rowGroupRows: ROWS,
        sortOrderId: 1,
        store: watched,
        createFile: () => Promise.reject(new Error('a file was written')),
      },
      [],
      [
        {
          file: { path: PATH, fileBytes: bytes.length } as DataFile,
          deletes: [],
          names: new Map(),
          constants: new Map(),
        },
      ],
      staleChanges(keys),
    )
    expect([...result.outcomes]).toEqual(keys.map(() => STORED_IS_NEWER))
    expect(result).toMatchObject({ added: [], removed: [], rowGroupsCopied: 0, rowGroupsEncoded: 0 })

    const { rowGroups } = await readFooter(bytesSource(PATH, bytes))
    const deciding = [0, 2].flatMap((group) =>
      [0, 2, 3, 5].map((column) => chunkRange(rowGroups[group]!.columns[column]!.metaData!)),
    )
    const isDeciding = (at: number) => deciding.some(({ start, end }) => at >= start && at < end)
    expect(ranges.length).toBeGreaterThan(0)
    for (const { start, end } of ranges) {
      for (let at = start; at < end; at++) if (!isDeciding(at)) expect.fail(`byte ${at} was read`)
    }
    for (const { start } of deciding) {
      expect(
        ranges.some((range) => range.start <= start && start < range.end),
        `byte ${start}`,
      ).toBe(true)
    }
  })
})
