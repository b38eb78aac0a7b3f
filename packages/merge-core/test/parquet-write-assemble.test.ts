// Files put together from encoded and kept row groups hold the rows of their groups, and break no rule that engines rely on.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { columnOf } from '../src/columns/values.ts'
import { type AssembledFile, assembleFile, checkFooter, type KeptRowGroup } from '../src/parquet/assemble-file.ts'
import {
  decodeColumnIndex,
  decodeFileMetaData,
  decodeOffsetIndex,
  decodePageHeader,
  type FileMetaData,
  type RowGroup,
} from '../src/parquet/footer.ts'
import { type EncodedRowGroup, encodeRowGroup } from '../src/parquet/write-row-group.ts'
import type { Field } from '../src/primitive-type.ts'
import { bytesOf, duckdb, readDuckdb, readHyparquet, readOurs } from './parquet-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'parquet-assemble-'))
afterAll(() => rmSync(folder, { recursive: true }))

const fields: Field[] = [
  { id: 1, name: 'pk', type: { kind: 'string' }, required: true },
  { id: 2, name: 'sk', type: { kind: 'long' }, required: true },
  { id: 3, name: 'city', type: { kind: 'string' }, required: false },
]
const OPTIONS = { codec: 'zstd', keyColumns: 2, pageRows: 8 } as const

/** Twenty rows from number `first` on, all in one pk for each hundred; `city` names their source. */
function groupAt(first: number, source: string): EncodedRowGroup {
  const numbers = Array.from({ length: 20 }, (_, i) => first + i)
  const columns = [
    columnOf(
      fields[0]!.type,
      numbers.map((n) => `pk ${String(Math.floor(n / 100)).padStart(3, '0')}`),
    ),
    columnOf(fields[1]!.type, numbers.map(BigInt)),
    columnOf(
      fields[2]!.type,
      numbers.map((n) => (n % 5 === 0 ? null : `${source} ${n % 3}`)),
    ),
  ]
  return encodeRowGroup(fields, columns, OPTIONS)
}

function textsAt(firsts: readonly (readonly [number, string])[]): (string | null)[][] {
  const rows = firsts.flatMap(([first, source]) => Array.from({ length: 20 }, (_, i) => [first + i, source] as const))
  return [
    rows.map(([n]) => `pk ${String(Math.floor(n / 100)).padStart(3, '0')}`),
    rows.map(([n]) => String(n)),
    rows.map(([n, source]) => (n % 5 === 0 ? null : `${source} ${n % 3}`)),
  ]
}

interface Stored {
  readonly bytes: Uint8Array
  readonly kept: readonly KeptRowGroup[]
}

/** A file as others see it: its groups with what its footer and its indexes say, decoded from its bytes. */
function store(path: string, file: AssembledFile, files: ReadonlyMap<string, Uint8Array> = new Map()): Stored {
  const bytes = bytesOf(file, files)
  const footerBytes = new DataView(bytes.buffer).getUint32(bytes.length - 8, true)
  const footer = decodeFileMetaData(bytes.subarray(bytes.length - 8 - footerBytes, bytes.length - 8))
  const at = (offset: number | undefined, length: number | undefined) => bytes.subarray(offset!, offset! + length!)
  const kept = footer.rowGroups.map((rowGroup) => ({
    path,
    etag: `tag of ${path}`,
    schema: footer.schema,
    rowGroup,
    columnIndexes: rowGroup.columns.map((c) => decodeColumnIndex(at(c.columnIndexOffset, c.columnIndexLength))),
    offsetIndexes: rowGroup.columns.map((c) => decodeOffsetIndex(at(c.offsetIndexOffset, c.offsetIndexLength))),
  }))
  return { bytes, kept }
}

const old = store(
  'old',
  assembleFile(
    fields,
    [0, 20, 40, 60, 110].map((first) => groupAt(first, 'old')),
    OPTIONS,
  ),
)
const other = store(
  'other',
  assembleFile(
    fields,
    [80, 130].map((first) => groupAt(first, 'other')),
    OPTIONS,
  ),
)
const files = new Map([
  ['old', old.bytes],
  ['other', other.bytes],
])

async function expectRows(file: AssembledFile, firsts: readonly (readonly [number, string])[]): Promise<void> {
  const bytes = bytesOf(file, files)
  const path = join(folder, 'file.parquet')
  writeFileSync(path, bytes)
  const texts = textsAt(firsts)
  expect(bytes.length).toBe(file.fileBytes)
  expect(file.rows).toBe(texts[0]!.length)
  expect(await readOurs(fields, bytes)).toEqual(texts)
  expect(await readHyparquet(fields, bytes)).toEqual(texts)
  expect(await readDuckdb(fields, path)).toEqual(texts)
  // By bounds of groups and pages.
  for (const n of texts[1]!) {
    const found = await (await duckdb()).runAndReadAll(`SELECT city FROM read_parquet('${path}') WHERE sk = ${n}`)
    expect(found.getRowsJson()).toEqual([[texts[2]![texts[1]!.indexOf(n)]]])
  }
}

/** Every page location leads to a page with its checksum, and every column index bounds as many pages. */
function expectIndexesPoint(file: AssembledFile): void {
  const { bytes, kept } = store('new', file, files)
  for (const { rowGroup, columnIndexes, offsetIndexes } of kept) {
    for (const [column, { metaData }] of rowGroup.columns.entries()) {
      const pages = offsetIndexes[column]!.pageLocations
      expect(columnIndexes[column]!.nullPages.length).toBe(pages.length)
      expect(pages[0]!.offset).toBe(metaData!.dataPageOffset)
      let values = 0
      for (const { offset, compressedPageSize, firstRowIndex } of pages) {
        const { value: header, end } = decodePageHeader(bytes, offset)
        expect(end - offset + header.compressedPageSize).toBe(compressedPageSize)
        expect(crc32(bytes.subarray(end, offset + compressedPageSize)) | 0).toBe(header.crc)
        expect(firstRowIndex).toBe(values)
        values += header.dataPageHeader!.numValues
      }
      expect(values).toBe(metaData!.numValues)
    }
  }
}

describe('a file of kept and encoded groups', () => {
  it('holds all rows, listed in key order whatever their physical order', async () => {
    const groups = [old.kept[3]!, groupAt(20, 'new'), other.kept[0]!, old.kept[0]!, old.kept[4]!, groupAt(40, 'new')]
    const file = assembleFile(fields, groups, OPTIONS)
    await expectRows(file, [
      [0, 'old'],
      [20, 'new'],
      [40, 'new'],
      [60, 'old'],
      [80, 'other'],
      [110, 'old'],
    ])
    expectIndexesPoint(file)
    expect(file.footer.rowGroups.map(({ ordinal }) => ordinal)).toEqual([0, 1, 2, 3, 4, 5])
    expect(file.splitOffsets).toEqual(
      file.footer.rowGroups.map(({ fileOffset }) => fileOffset).toSorted((a, b) => a! - b!),
    )
  })

  it('holds all rows in any physical order', async () => {
    const all: [number, string, () => EncodedRowGroup | KeptRowGroup][] = [
      [0, 'old', () => old.kept[0]!],
      [20, 'new', () => groupAt(20, 'new')],
      [40, 'old', () => old.kept[2]!],
      [60, 'new', () => groupAt(60, 'new')],
      [80, 'other', () => other.kept[0]!],
      [110, 'old', () => old.kept[4]!],
    ]
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1 })
    const layout = fc.constantFrom({}, { copyBytesMin: 1 }, { copyBytesMin: 1500 }, { copyBytesMin: 1e6 })
    await fc.assert(
      fc.asyncProperty(order, fc.constantFrom(0, 1000), layout, async (order, gapBytesMax, layout) => {
        const file = assembleFile(
          fields,
          order.map((i) => all[i]![2]()),
          { ...OPTIONS, gapBytesMax, ...layout },
        )
        const texts = textsAt(order.toSorted().map((i) => [all[i]![0], all[i]![1]] as const))
        const bytes = bytesOf(file, files)
        expect(await readOurs(fields, bytes)).toEqual(texts)
        expect(await readHyparquet(fields, bytes)).toEqual(texts)
        expectIndexesPoint(file)
      }),
      { numRuns: 40 },
    )
  })

  it('can be kept in turn', async () => {
    const middle = assembleFile(fields, [old.kept[2]!, groupAt(20, 'new'), old.kept[0]!], OPTIONS)
    const stored = store('middle', middle, files)
    const file = assembleFile(fields, [groupAt(0, 'newer'), ...stored.kept.slice(1)], OPTIONS)
    const bytes = bytesOf(file, new Map([['middle', stored.bytes]]))
    expect(await readOurs(fields, bytes)).toEqual(
      textsAt([
        [0, 'newer'],
        [20, 'new'],
        [40, 'old'],
      ]),
    )
  })

  it('lists groups as given where the key is none of its business', () => {
    const file = assembleFile(fields, [groupAt(0, 'new'), old.kept[1]!], { keyColumns: 0 })
    expect(file.footer.rowGroups.map(({ sortingColumns }) => sortingColumns?.length)).toEqual([2, 2])
  })

  it('lays groups together that are copied, where asked to, and lists all as given', async () => {
    const groups = [groupAt(0, 'new'), old.kept[1]!, groupAt(40, 'new'), old.kept[3]!]
    const file = assembleFile(fields, groups, { keyColumns: 0, copyBytesMin: 1 })
    expect(file.parts.map(({ kind }) => kind)).toEqual(['bytes', 'bytes', 'bytes', 'copy', 'copy', 'bytes'])
    const starts = file.footer.rowGroups.map(({ fileOffset }) => fileOffset!)
    expect(starts.toSorted((a, b) => a - b)).toEqual([0, 2, 1, 3].map((group) => starts[group]))
    expect(file.splitOffsets).toEqual(starts.toSorted((a, b) => a - b))
    const lists = textsAt([
      [0, 'new'],
      [20, 'old'],
      [40, 'new'],
      [60, 'old'],
    ])
    expect(await readOurs(fields, bytesOf(file, files))).toEqual(lists)
  })

  it('names no sorting columns where a kept group is not known to be sorted', () => {
    const { sortingColumns: _, ...unsorted } = old.kept[1]!.rowGroup
    const file = assembleFile(fields, [groupAt(0, 'new'), { ...old.kept[1]!, rowGroup: unsorted }], OPTIONS)
    expect(file.footer.rowGroups.map(({ sortingColumns }) => sortingColumns)).toEqual([undefined, undefined])
  })

  it('takes groups of a file without indexes', async () => {
    const bare = old.kept.map((group) => ({ ...group, columnIndexes: [], offsetIndexes: [] }))
    await expectRows(assembleFile(fields, [groupAt(20, 'new'), bare[0]!], OPTIONS), [
      [0, 'old'],
      [20, 'new'],
    ])
  })

  it('of no groups at all is a file without rows', async () => {
    const file = assembleFile(fields, [], OPTIONS)
    expect([file.rows, file.splitOffsets]).toEqual([0, []])
    expect(await readOurs(fields, bytesOf(file))).toEqual([[], [], []])
  })
})

describe('parts', () => {
  const kinds = ({ parts }: AssembledFile) => parts.map(({ kind }) => kind)

  it('copy neighbours of one file as one stretch, from its first byte where they begin the file', () => {
    const file = assembleFile(fields, [old.kept[0]!, old.kept[1]!, old.kept[2]!, groupAt(60, 'new')], OPTIONS)
    expect(kinds(file)).toEqual(['copy', 'bytes', 'bytes'])
    expect(file.parts[0]).toMatchObject({ from: 'old', etag: 'tag of old', start: 0 })
    expect(file.deadBytes).toBe(0)
  })

  it('copy over a gap only where it is allowed, and count it as dead', () => {
    const groups = [old.kept[0]!, old.kept[2]!]
    expect(kinds(assembleFile(fields, groups, OPTIONS))).toEqual(['copy', 'copy', 'bytes'])
    const file = assembleFile(fields, groups, { ...OPTIONS, gapBytesMax: 10_000 })
    expect(kinds(file)).toEqual(['copy', 'bytes'])
    const gap = old.kept[1]!.rowGroup.totalCompressedSize!
    expect(file.deadBytes).toBe(gap)
    expect(file.footer.keyValueMetadata).toEqual([{ key: 'lastwrite.dead-bytes', value: String(gap) }])
  })

  it('keep a bloom filter that lies in the copied bytes, moved, and drop one that does not', () => {
    const withBloom = (bloomFilterOffset: number): KeptRowGroup => {
      const [first, ...rest] = old.kept[1]!.rowGroup.columns
      const metaData = { ...first!.metaData!, bloomFilterOffset, bloomFilterLength: 10 }
      return { ...old.kept[1]!, rowGroup: { ...old.kept[1]!.rowGroup, columns: [{ ...first!, metaData }, ...rest] } }
    }
    const start = old.kept[1]!.rowGroup.fileOffset!
    const offsetIn = (group: KeptRowGroup) =>
      assembleFile(fields, [group], OPTIONS).footer.rowGroups[0]!.columns[0]!.metaData!.bloomFilterOffset
    expect(offsetIn(withBloom(start + 5))).toBe(4 + 5)
    expect(offsetIn(withBloom(old.bytes.length - 100))).toBeUndefined()
  })

  it('are refused where a kept group lies in another layout', () => {
    const optionalKey = fields.map((field, i) => (i === 1 ? { ...field, required: false } : field))
    expect(() => assembleFile(optionalKey, [old.kept[0]!], OPTIONS)).toThrow(/old has another layout/)
    const wider = fields.map((field, i): Field => (i === 1 ? { ...field, type: { kind: 'timestamptz' } } : field))
    expect(() => assembleFile(wider, [old.kept[0]!], OPTIONS)).toThrow(/another layout/)
  })

  it('take a renamed column along', async () => {
    const renamed = fields.map((field, i) => (i === 2 ? { ...field, name: 'town' } : field))
    const bytes = bytesOf(assembleFile(renamed, [old.kept[0]!], OPTIONS), files)
    expect(await readOurs(renamed, bytes)).toEqual(textsAt([[0, 'old']]))
    expect(await readHyparquet(renamed, bytes)).toEqual(textsAt([[0, 'old']]))
  })
})

describe('groups kept from before the columns changed', () => {
  const town: Field = { id: 4, name: 'town', type: { kind: 'decimal', precision: 25, scale: 0 }, required: false }
  const nulls = (rows: number) => Array.from({ length: rows }, () => null)

  it('hold nulls in a column that was added since, wherever it stands', async () => {
    const added = [fields[0]!, fields[1]!, town, fields[2]!]
    const file = assembleFile(added, [old.kept[1]!, old.kept[0]!], OPTIONS)
    const [pk, sk, city] = textsAt([
      [0, 'old'],
      [20, 'old'],
    ])
    const bytes = bytesOf(file, files)
    const path = join(folder, 'added.parquet')
    writeFileSync(path, bytes)
    const texts = [pk, sk, nulls(40), city]
    expect(await readOurs(added, bytes)).toEqual(texts)
    expect(await readHyparquet(added, bytes)).toEqual(texts)
    expect(await readDuckdb(added, path)).toEqual(texts)
    expectIndexesPoint(file)
    expect(file.parts.map(({ kind }) => kind)).toEqual(['bytes', 'copy', 'copy', 'bytes', 'bytes', 'bytes'])
  })

  it('lose a column that was dropped since; its bytes are dead', async () => {
    const without = [fields[0]!, fields[2]!]
    const file = assembleFile(without, [old.kept[0]!], { keyColumns: 1 })
    const [pk, , city] = textsAt([[0, 'old']])
    expect(await readOurs(without, bytesOf(file, files))).toEqual([pk, city])
    expect(await readHyparquet(without, bytesOf(file, files))).toEqual([pk, city])
    expect(file.deadBytes).toBe(old.kept[0]!.rowGroup.columns[1]!.metaData!.totalCompressedSize)
  })

  it('are refused where the added column is required', () => {
    expect(() => assembleFile([...fields, { ...town, required: true }], [old.kept[0]!], OPTIONS)).toThrow(
      /another layout/,
    )
  })
})

describe('the footer is refused, before anything is stored, where', () => {
  const { footer, fileBytes } = assembleFile(fields, [groupAt(0, 'a'), groupAt(20, 'b')], OPTIONS)
  const broken = (change: (group: RowGroup) => Partial<RowGroup>): FileMetaData => ({
    ...footer,
    rowGroups: footer.rowGroups.map((group, i) => (i === 1 ? { ...group, ...change(group) } : group)),
  })

  it('nothing is broken: it is not', () => {
    expect(() => checkFooter(footer, fields, fileBytes)).not.toThrow()
  })

  it('L1: the first column does not come first in its group', () => {
    const swapped = broken(({ columns: [first, second, third] }) => ({
      columns: [
        {
          ...first!,
          metaData: {
            ...first!.metaData!,
            dataPageOffset: third!.metaData!.dataPageOffset + 1,
            dictionaryPageOffset: undefined,
          },
        },
        second!,
        third!,
      ],
    }))
    expect(() => checkFooter(swapped, fields, fileBytes)).toThrow(/first column's chunk starts at/)
  })

  it('L1: the middle of a group lies behind the end of the file', () => {
    expect(() => checkFooter(footer, fields, footer.rowGroups[1]!.fileOffset! + 10)).toThrow(
      /behind the end of the file/,
    )
  })

  it('L2: the size of a group is not that of its chunks', () => {
    const wrong = broken(({ totalCompressedSize }) => ({ totalCompressedSize: totalCompressedSize! + 1 }))
    expect(() => checkFooter(wrong, fields, fileBytes)).toThrow(/total_compressed_size/)
    expect(() =>
      checkFooter(
        broken(() => ({ totalCompressedSize: undefined })),
        fields,
        fileBytes,
      ),
    ).not.toThrow()
  })

  it('L3: file_offset is not where the group starts', () => {
    expect(() =>
      checkFooter(
        broken(({ fileOffset }) => ({ fileOffset: fileOffset! - 4 })),
        fields,
        fileBytes,
      ),
    ).toThrow(/file_offset/)
  })

  it('L4: groups that name sorting columns are not in key order', () => {
    const reversed = { ...footer, rowGroups: footer.rowGroups.toReversed() }
    expect(() => checkFooter(reversed, fields, fileBytes)).toThrow(/does not follow the group before it by key/)
    expect(() => assembleFile(fields, [groupAt(20, 'b'), groupAt(0, 'a')], { keyColumns: 0 })).toThrow(/by key/)
    const unsorted = reversed.rowGroups.map((group) => ({ ...group, sortingColumns: undefined }))
    expect(() => checkFooter({ ...footer, rowGroups: unsorted }, fields, fileBytes)).not.toThrow()
  })

  it('L4: groups overlap', () => {
    expect(() => assembleFile(fields, [groupAt(0, 'a'), groupAt(10, 'b')], OPTIONS)).toThrow(/by key/)
  })
})
