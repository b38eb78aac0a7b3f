// How fields bind to stored columns, and which stored types a field's type takes.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Column } from '../src/columns/column.ts'
import { valuesOf } from '../src/columns/values.ts'
import { representationOf } from '../src/parquet/decode/represent.ts'
import { ConvertedType, PhysicalType, Repetition, type SchemaElement } from '../src/parquet/footer.ts'
import { bindField, readFooter, resolveSchema } from '../src/parquet/read-footer.ts'
import { decodeRowGroup, joinRanges, planRowGroup, readRowGroup } from '../src/parquet/read-row-group.ts'
import { type Field, parsePrimitiveType } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'

const golden = (file: string) => bytesSource(file, readFileSync(new URL(`golden/${file}`, import.meta.url)))
const field = (id: number, name: string, type: string, required = false): Field => ({
  id,
  name,
  type: parsePrimitiveType(type)!,
  required,
})

describe('a field', () => {
  const source = golden('pyarrow-zstd-v1-dictionary.parquet')

  it('binds by its id, whatever its name', async () => {
    const footer = await readFooter(source)
    const stored = footer.leaves.find((leaf) => leaf.name === 'key')!
    expect(bindField(footer, field(stored.fieldId!, 'renamed since', 'string'))).toBe(stored)
    expect(bindField(footer, field(999, 'key', 'string'))).toBeNull()
  })

  it('that the file does not have is null in every row, unless it is required', async () => {
    const footer = await readFooter(source)
    const [column] = await readRowGroup(source, footer, 1, [field(999, 'added', 'decimal(20, 2)')])
    expect(valuesOf(column!, parsePrimitiveType('decimal(20, 2)')!)).toEqual(Array(50).fill(null))
    await expect(readRowGroup(source, footer, 1, [field(999, 'added', 'long', true)])).rejects.toThrow(
      'pyarrow-zstd-v1-dictionary.parquet: column "added" (field id 999) is required, and the file does not have it',
    )
  })

  it('of a file without ids binds by the names that it had', async () => {
    const plain = golden('duckdb-snappy-v1.parquet')
    const footer = await readFooter(plain)
    expect(() => bindField(footer, field(1, 'key', 'string'))).toThrow(
      /has no field ids; give the table a name mapping/,
    )
    expect(bindField(footer, field(1, 'id', 'string'), new Map([[1, ['former', 'key']]]))!.name).toBe('key')
    expect(bindField(footer, field(2, 'id', 'string'), new Map([[1, ['key']]]))).toBeNull()
    const twice = new Map([[1, ['key', 'low']]])
    expect(() => bindField(footer, field(1, 'id', 'string'), twice)).toThrow(/is stored twice, as key and low/)
  })

  it('that is stored nested is refused by name; its neighbours are read', async () => {
    const nested = golden('pyarrow-zstd-v1-nested.parquet')
    const footer = await readFooter(nested)
    for (const name of ['list', 'struct', 'struct.a', 'list.list.element']) {
      expect(() => bindField(footer, field(1, 'it', 'int'), new Map([[1, [name]]]))).toThrow(
        `column "it" (field id 1) is stored nested, as ${name}`,
      )
    }
  })

  it('keeps the dictionary that the file has', async () => {
    const footer = await readFooter(source)
    const leaf = footer.leaves.find(({ name }) => name === 'low_n')!
    const [column] = await readRowGroup(source, footer, 0, [field(leaf.fieldId!, 'low', 'string')])
    expect(column).toMatchObject({ kind: 'dictionary', rows: 100, dictionary: { kind: 'bytes', rows: 4 } })
  })
})

describe('a widened type', () => {
  it.each([
    ['i32_n', 'int', 'long'],
    ['f32_n', 'float', 'double'],
    ['dec5_n', 'decimal(5, 2)', 'decimal(12, 2)'],
    ['dec5_n', 'decimal(5, 2)', 'decimal(38, 2)'],
    ['dec18_n', 'decimal(18, 0)', 'decimal(19, 0)'],
  ])('reads the values of %s, %s stored, as %s', async (name, narrow, wide) => {
    for (const file of [
      'pyarrow-zstd-v1-dictionary.parquet',
      'pyarrow-zstd-v2-plain.parquet',
      'spark-zstd-v2.parquet',
    ]) {
      const source = golden(file)
      const footer = await readFooter(source)
      const id = footer.leaves.find((leaf) => leaf.name === name)!.fieldId!
      const read = async (type: string) => {
        const [column] = await readRowGroup(source, footer, 0, [field(id, name, type)])
        return valuesOf(column!, parsePrimitiveType(type)!)
      }
      const toWide = (value: unknown) => (typeof value === 'number' && wide === 'long' ? BigInt(value) : value)
      expect(await read(wide)).toEqual((await read(narrow)).map(toWide))
    }
  })
})

describe('a stored type', () => {
  const integer = (bitWidth: number, isSigned: boolean) => ({ INTEGER: { bitWidth, isSigned } })
  const decimal = (precision: number, scale: number) => ({ DECIMAL: { precision, scale } })
  const moment = (isAdjustedToUTC: boolean, unit: object) => ({ TIMESTAMP: { isAdjustedToUTC, unit } })
  const element = (type: keyof typeof PhysicalType, more: Partial<SchemaElement> = {}): SchemaElement => ({
    name: 'c',
    type: PhysicalType[type],
    ...more,
  })

  it.each<[string, SchemaElement, string]>([
    ['an unsigned 32-bit integer as int', element('INT32', { logicalType: integer(32, false) }), 'int'],
    ['an unsigned 64-bit integer as long', element('INT64', { logicalType: integer(64, false) }), 'long'],
    ['a long as int', element('INT64'), 'int'],
    ['a double as float', element('DOUBLE'), 'float'],
    ['an int as double', element('INT32'), 'double'],
    ['a decimal of another scale', element('INT32', { logicalType: decimal(9, 3) }), 'decimal(9, 2)'],
    ['a decimal of more digits', element('INT64', { logicalType: decimal(12, 2) }), 'decimal(9, 2)'],
    ['an int as decimal', element('INT32'), 'decimal(9, 0)'],
    ['a decimal as int', element('INT32', { logicalType: decimal(9, 0) }), 'int'],
    [
      'a local timestamp as timestamptz',
      element('INT64', { logicalType: moment(false, { MICROS: {} }) }),
      'timestamptz',
    ],
    ['an instant as timestamp', element('INT64', { convertedType: ConvertedType.TIMESTAMP_MICROS }), 'timestamp'],
    ['a bare long as timestamp', element('INT64'), 'timestamp'],
    ['a date as int', element('INT32', { convertedType: ConvertedType.DATE }), 'int'],
    ['a string as binary', element('BYTE_ARRAY', { convertedType: ConvertedType.UTF8 }), 'binary'],
    ['a BSON as string', element('BYTE_ARRAY', { convertedType: ConvertedType.BSON }), 'string'],
    ['15 fixed bytes as uuid', element('FIXED_LEN_BYTE_ARRAY', { typeLength: 15 }), 'uuid'],
    ['an interval as fixed', element('FIXED_LEN_BYTE_ARRAY', { typeLength: 12, convertedType: 21 }), 'fixed[12]'],
    [
      'a half float as float',
      element('FIXED_LEN_BYTE_ARRAY', { typeLength: 2, logicalType: { FLOAT16: {} } }),
      'float',
    ],
    ['a type of a later version', element('BYTE_ARRAY', { logicalType: {} }), 'string'],
  ])('that says something else is refused by name: %s', (_, stored, type) => {
    expect(() => representationOf(stored, parsePrimitiveType(type)!)).toThrow(
      new RegExp(
        `^is stored as .*${Object.keys(PhysicalType)[stored.type!]}.* and cannot be read as ${type.replace(/[()[\]]/g, '\\$&')}$`,
      ),
    )
  })
})

describe('a schema', () => {
  it('is resolved to leaves with their levels', () => {
    const { leaves, nestedGroups } = resolveSchema([
      { name: 'root', numChildren: 3 },
      { name: 'a', type: PhysicalType.INT32, repetitionType: Repetition.REQUIRED, fieldId: 1 },
      { name: 'b', numChildren: 1, repetitionType: Repetition.OPTIONAL, fieldId: 2 },
      { name: 'list', numChildren: 1, repetitionType: Repetition.REPEATED },
      { name: 'element', type: PhysicalType.INT64, repetitionType: Repetition.OPTIONAL, fieldId: 3 },
      { name: 'c', type: PhysicalType.DOUBLE, repetitionType: Repetition.OPTIONAL, fieldId: -1 },
    ])
    const levels = leaves.map((leaf) => [
      leaf.name,
      leaf.fieldId,
      leaf.maxDefinitionLevel,
      leaf.maxRepetitionLevel,
      leaf.nested,
    ])
    expect(levels).toEqual([
      ['a', 1, 0, 0, false],
      ['b.list.element', 3, 3, 1, true],
      ['c', null, 1, 0, false],
    ])
    expect(nestedGroups).toEqual([
      { name: 'b', fieldId: 2 },
      { name: 'b.list', fieldId: null },
    ])
  })
})

describe('a planned row group', () => {
  it('can be sent to a thread with its bytes and is decoded there to the same columns', async () => {
    const source = golden('pyarrow-none-v2-dictionary.parquet')
    const footer = await readFooter(source)
    const fields = ['str_n', 'dec38', 'bool_n', 'low'].map((name) => {
      const { fieldId } = footer.leaves.find((leaf) => leaf.name === name)!
      return field(fieldId!, name, name === 'dec38' ? 'decimal(38, 9)' : name === 'bool_n' ? 'boolean' : 'string')
    })
    const task = planRowGroup(footer, 1, [...fields, field(999, 'added', 'date')])
    const ranges = joinRanges(task.chunks.flatMap(({ stored }) => (stored === null ? [] : [stored.range])))
    const read = await Promise.all(
      ranges.map(async ({ start, end }) => ({ start, bytes: await source.read(start, end) })),
    )
    const sent = structuredClone({ task, read })
    const columns = decodeRowGroup(sent.task, sent.read)
    const here = await readRowGroup(source, footer, 1, fields)
    const values = (read: Column[]) => fields.map(({ type }, i) => valuesOf(read[i]!, type))
    expect(values(columns)).toEqual(values(here))
    expect(columns[4]).toEqual({ kind: 'int32', rows: 50, validity: new Uint8Array(7), data: new Int32Array(50) })
  })
})

describe('ranges of a row group', () => {
  it('are joined where they overlap or are near', () => {
    const far = 10_000_000
    expect(
      joinRanges([
        { start: far, end: far + 10 },
        { start: 5, end: 20 },
        { start: 100, end: 200 },
        { start: 10, end: 50 },
      ]),
    ).toEqual([
      { start: 5, end: 200 },
      { start: far, end: far + 10 },
    ])
  })
})
