import { Table, tableFromIPC, tableToIPC, type Vector } from 'apache-arrow'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toArrowBatch } from '../../src/columns/arrow.ts'
import { columnOf } from '../../src/columns/values.ts'
import type { PartitionValue } from '../../src/iceberg/transform.ts'
import { formatPrimitiveType, type PrimitiveType } from '../../src/primitive-type.ts'
import { dictionaryModel, modelColumn, TYPES } from './models.ts'

const TIMES = new Set(['date', 'time', 'timestamp', 'timestamptz'])

/** A vector's values as ours. Arrow gives times as milliseconds, rounded, so theirs are read below its getters. */
function valuesOfVector(vector: Vector, type: PrimitiveType): PartitionValue[] {
  const [data] = vector.data
  if (TIMES.has(type.kind)) {
    return Array.from({ length: vector.length }, (_, row) => (data!.getValid(row) ? data!.values[row] : null))
  }
  return Array.from(vector, (value) =>
    value !== null && type.kind === 'decimal' ? wordsToBigInt(value as Uint32Array) : value,
  )
}

function wordsToBigInt(words: Uint32Array): bigint {
  return BigInt.asIntN(
    128,
    words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n),
  )
}

describe.each(TYPES.map((type) => [formatPrimitiveType(type), type] as const))('Arrow columns of %s', (_, type) => {
  const field = { id: 7, name: 'value', type, required: false }

  it('hold the same values, also after a trip through IPC bytes', async () => {
    await fc.assert(
      fc.asyncProperty(modelColumn(type, 20), async ({ values, column }) => {
        fc.pre(!(TIMES.has(type.kind) && column.kind === 'dictionary'))
        const table = new Table(await toArrowBatch([field], [column]))
        expect(table.numRows).toBe(values.length)
        expect(valuesOfVector(table.getChildAt(0)!, type)).toEqual(values)
        // A table of no rows has no batch to write.
        if (values.length === 0) return
        const copy = tableFromIPC(tableToIPC(table, 'file'))
        expect(valuesOfVector(copy.getChildAt(0)!, type)).toEqual(values)
        expect(copy.schema.fields[0]!.metadata.get('PARQUET:field_id')).toBe('7')
      }),
      { numRuns: 40 },
    )
  })
})

it('shares the memory of fixed-width values, validity and indices', async () => {
  const long = columnOf({ kind: 'long' }, [1n, null, 3n])
  const names = columnOf({ kind: 'string' }, ['red', 'green'])
  const colour = dictionaryModel(names, ['red', 'green'], [1, 0, 1]).column
  const batch = await toArrowBatch(
    [
      { id: 1, name: 'n', type: { kind: 'long' }, required: false },
      { id: 2, name: 'colour', type: { kind: 'string' }, required: true },
    ],
    [long, colour],
  )
  const [n, c] = batch.data.children
  expect(long.kind === 'int64' && n!.values.buffer === long.data.buffer).toBe(true)
  expect(n!.nullBitmap.buffer).toBe(long.validity!.buffer)
  expect(colour.kind === 'dictionary' && c!.values.buffer === colour.indices.buffer).toBe(true)
  expect(batch.schema.fields.map(String)).toEqual(['n: Int64', 'colour: Dictionary<Uint32, Utf8>'])
})

it('gives instants as UTC', async () => {
  const instant = BigInt(Date.UTC(2026, 10, 22, 8)) * 1000n
  const field = { id: 1, name: 't', type: { kind: 'timestamptz' }, required: true } as const
  const table = new Table(await toArrowBatch([field], [columnOf(field.type, [instant])]))
  expect(table.getChildAt(0)!.get(0)).toBe(Date.UTC(2026, 10, 22, 8))
  expect(String(table.schema.fields[0]!.type)).toContain('UTC')
})
