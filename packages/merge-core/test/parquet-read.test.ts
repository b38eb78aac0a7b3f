// Reads what other writers wrote. The values are compared with values.json, which the scripts in golden/ drew before any file was
// written: nothing here comes from a Parquet reader.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Column, isPresent } from '../src/columns/column.ts'
import { splitPages } from '../src/parquet/decode/pages.ts'
import { Codec, Encoding, enumName, PhysicalType } from '../src/parquet/footer.ts'
import type { NameMapping } from '../src/parquet/read-footer.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { chunkRange, readRowGroup } from '../src/parquet/read-row-group.ts'
import { type Field, type PrimitiveType, parsePrimitiveType } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'

interface GoldenColumn {
  readonly type: string
  readonly id: number | null
  readonly values: readonly (string | null)[]
}

interface GoldenFile {
  /** Name in the file, name in values.json. */
  readonly columns: readonly (readonly [string, string])[]
  readonly fieldIds: boolean
  readonly rows?: number
}

const golden = new URL('golden/', import.meta.url)
const readJson = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, golden), 'utf8')) as T
const values = readJson<Record<string, GoldenColumn>>('values.json')
const writers = ['pyarrow', 'duckdb', 'spark', 'hyparquet-writer', 'parquetjs-lite']
const files = writers.flatMap((writer) => Object.entries(readJson<Record<string, GoldenFile>>(`${writer}.json`)))

function openGolden(file: string) {
  return bytesSource(file, readFileSync(new URL(file, golden)))
}

function goldenFields(file: GoldenFile): { fields: Field[]; names: NameMapping | undefined } {
  const fields = file.columns.map(([name, golden], i) => {
    const type = parsePrimitiveType(values[golden]!.type)!
    return { id: file.fieldIds ? values[golden]!.id! : 1000 + i, name, type, required: false }
  })
  return { fields, names: file.fieldIds ? undefined : new Map(fields.map((field) => [field.id, [field.name]])) }
}

async function readTexts(file: string, fields: readonly Field[], names?: NameMapping): Promise<(string | null)[][]> {
  const source = openGolden(file)
  const footer = await readFooter(source)
  const texts: (string | null)[][] = fields.map(() => [])
  for (let group = 0; group < footer.rowGroups.length; group++) {
    const columns = await readRowGroup(source, footer, group, fields, names)
    columns.forEach((column, i) => {
      for (let row = 0; row < column.rows; row++) texts[i]!.push(textOf(column, row, fields[i]!.type))
    })
  }
  return texts
}

// The text forms of values.json, from the memory layout that columns/column.ts describes.
function textOf(column: Column, row: number, type: PrimitiveType): string | null {
  if (!isPresent(column.validity, row)) return null
  switch (column.kind) {
    case 'dictionary':
      return textOf(column.dictionary, column.indices[row]!, type)
    case 'boolean':
      return column.data[row] === 1 ? 'true' : 'false'
    case 'int32':
    case 'int64':
      return String(column.data[row])
    case 'float':
      return hex(column.data.slice(row, row + 1).buffer, true)
    case 'double':
      return hex(column.data.slice(row, row + 1).buffer, true)
    case 'bytes': {
      const bytes = column.bytes.subarray(column.starts[row]! + 4, column.starts[row + 1]!)
      return type.kind === 'string' ? new TextDecoder().decode(bytes) : Buffer.from(bytes).toString('hex')
    }
    case 'fixed': {
      const bytes = column.data.subarray(row * column.width, (row + 1) * column.width)
      const digits = Buffer.from(bytes).toString('hex')
      return type.kind === 'decimal' ? String(BigInt.asIntN(128, BigInt(`0x${digits}`))) : digits
    }
  }
}

function hex(buffer: ArrayBufferLike, reverse: boolean): string {
  const bytes = Buffer.from(buffer)
  return (reverse ? bytes.reverse() : bytes).toString('hex')
}

/** Every page of a file as "writer's codec, page version, physical type in encoding". */
async function pageKinds(file: string): Promise<string[]> {
  const bytes = readFileSync(new URL(file, golden))
  const footer = await readFooter(bytesSource(file, bytes))
  return footer.rowGroups.flatMap((group) =>
    group.columns.flatMap(({ metaData }, i) => {
      if (footer.leaves[i]!.nested || group.numRows === 0) return []
      const { start, end } = chunkRange(metaData!)
      const type = enumName(PhysicalType, metaData!.type)
      return splitPages(bytes.subarray(start, end), group.numRows).data.map(({ header }) => {
        const version = header.dataPageHeader === undefined ? 2 : 1
        const { encoding } = (header.dataPageHeader ?? header.dataPageHeaderV2)!
        return `${enumName(Codec, metaData!.codec)} v${version} ${type} ${enumName(Encoding, encoding)}`
      })
    }),
  )
}

describe('files of other writers', () => {
  it('have every codec, page version, physical type and encoding that is read', async () => {
    const kinds = new Set((await Promise.all(files.map(([name]) => pageKinds(name)))).flat())
    const has = (part: string) => [...kinds].some((kind) => ` ${kind} `.includes(` ${part} `))
    const codecs = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW']
    const parts = [
      ...codecs.flatMap((codec) => (codec === 'BROTLI' ? [`${codec} v1`] : [`${codec} v1`, `${codec} v2`])),
      'BOOLEAN PLAIN',
      'BOOLEAN RLE',
      'INT32 PLAIN_DICTIONARY',
      ...['INT32', 'INT64'].flatMap((type) =>
        ['PLAIN', 'RLE_DICTIONARY', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'].map((e) => `${type} ${e}`),
      ),
      'INT96 RLE_DICTIONARY',
      ...['FLOAT', 'DOUBLE'].flatMap((type) =>
        ['PLAIN', 'RLE_DICTIONARY', 'BYTE_STREAM_SPLIT'].map((e) => `${type} ${e}`),
      ),
      ...['PLAIN', 'RLE_DICTIONARY', 'PLAIN_DICTIONARY', 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY'].map(
        (e) => `BYTE_ARRAY ${e}`,
      ),
      ...['PLAIN', 'RLE_DICTIONARY', 'DELTA_BYTE_ARRAY', 'BYTE_STREAM_SPLIT'].map((e) => `FIXED_LEN_BYTE_ARRAY ${e}`),
    ]
    expect(parts.filter((part) => !has(part))).toEqual([])
  })

  it('are all listed with their columns', () => {
    const stored = readdirSync(golden).filter((name) => name.endsWith('.parquet'))
    expect(files.map(([name]) => name).toSorted()).toEqual(stored.toSorted())
  })

  it('have a column whose dictionary was given up midway', async () => {
    const kinds = new Set(await pageKinds('pyarrow-zstd-v1-fallback.parquet'))
    expect([...kinds].filter((kind) => kind.includes('BYTE_ARRAY')).toSorted()).toEqual([
      'ZSTD v1 BYTE_ARRAY PLAIN',
      'ZSTD v1 BYTE_ARRAY RLE_DICTIONARY',
      'ZSTD v1 FIXED_LEN_BYTE_ARRAY PLAIN',
      'ZSTD v1 FIXED_LEN_BYTE_ARRAY RLE_DICTIONARY',
    ])
  })

  it.each(files)('%s holds the values that were drawn', async (name, file) => {
    const { fields, names } = goldenFields(file)
    const texts = await readTexts(name, fields, names)
    const rows = file.rows ?? values.key!.values.length
    file.columns.forEach(([column, golden], i) => {
      expect(texts[i], `${name}, ${column}`).toEqual(values[golden]!.values.slice(0, rows))
    })
  })
})
