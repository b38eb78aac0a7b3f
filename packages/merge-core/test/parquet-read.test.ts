// Reads what other writers wrote. The values are compared with values.json, which the scripts in golden/ drew before any file was
// written: nothing here comes from a Parquet reader.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Column, isPresent } from '../src/columns/column.ts'
import type { NameMapping } from '../src/parquet/read-footer.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { readRowGroup } from '../src/parquet/read-row-group.ts'
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

describe('files of other writers', () => {
  it('are all listed with their columns', () => {
    const stored = readdirSync(golden).filter((name) => name.endsWith('.parquet'))
    expect(files.map(([name]) => name).toSorted()).toEqual(stored.toSorted())
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
