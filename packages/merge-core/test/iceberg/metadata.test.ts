import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DamagedObjectError, InputError } from '../../src/errors.ts'
import {
  currentSnapshot,
  descendsFrom,
  newTableMetadata,
  parseTableMetadata,
  type Snapshot,
  type TableMetadata,
  writeTableMetadata,
} from '../../src/iceberg/metadata.ts'
import { fieldsOf, nestedFieldNames, partitionTypes, type Schema } from '../../src/iceberg/schema.ts'

const sample = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name))
const SAMPLES = ['v4.metadata.json', 'v4.bucketday.metadata.json']
const compact = (text: string) => text.replace(/\n\s*/g, '').replaceAll('": ', '":')

describe('table metadata', () => {
  it.each(SAMPLES)('%s is written as it was read', (name) => {
    const metadata = parseTableMetadata(name, sample(name))
    expect(writeTableMetadata(metadata)).toBe(compact(sample(name).toString()))
  })

  it('keeps ids of 64 bits and what it does not know, digit by digit', () => {
    const foreign = `{"a-float":1.0,"big":12345678901234567890,"list":[9007199254740993,6402641109626634000],"__proto__":{"x":-0.50}}`
    const text = compact(sample(SAMPLES[0]!).toString()).replace('{', `{"foreign":${foreign},`)
    const metadata = parseTableMetadata('m', Buffer.from(text))
    expect(metadata['current-snapshot-id']).toBe(3034479037785002862n)
    expect(currentSnapshot(metadata)!['parent-snapshot-id']).toBe(6402641109626634331n)
    expect(writeTableMetadata(metadata)).toBe(text)
  })

  it('is read from gzip', () => {
    const plain = parseTableMetadata('m', sample(SAMPLES[0]!))
    expect(parseTableMetadata('m', zlib.gzipSync(sample(SAMPLES[0]!)))).toEqual(plain)
  })

  it.each([null, -1, undefined])('says empty as current snapshot %s', (id) => {
    const json = JSON.parse(sample(SAMPLES[0]!).toString())
    json['current-snapshot-id'] = id
    expect(currentSnapshot(parseTableMetadata('m', Buffer.from(JSON.stringify(json))))).toBeNull()
  })

  it.each([
    ['location', 5],
    ['last-sequence-number', '2'],
    ['current-schema-id', 9],
    ['default-spec-id', 9],
    ['schemas', [{ 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'int' }] }]],
    ['properties', { a: 1 }],
    ['current-snapshot-id', 12],
    ['snapshots', [{ 'snapshot-id': 'x' }]],
    ['refs', { main: null }],
  ])('names its path and the place where %s is %j', (name, value) => {
    const json = JSON.parse(sample(SAMPLES[0]!).toString())
    const text = JSON.stringify({ ...json, [name]: value })
    const parse = () => parseTableMetadata('file:///t/v1.metadata.json', Buffer.from(text))
    expect(parse).toThrow(DamagedObjectError)
    expect(parse).toThrow(new RegExp(`^file:///t/v1\\.metadata\\.json: table metadata: ${name}`))
  })

  it('of another format version is refused with what to do', () => {
    const json = JSON.parse(sample(SAMPLES[0]!).toString())
    const parse = () => parseTableMetadata('m', Buffer.from(JSON.stringify({ ...json, 'format-version': 3 })))
    expect(parse).toThrow(InputError)
  })

  it('is refused or read, never worse, wherever a byte is changed', () => {
    const bytes = sample(SAMPLES[1]!)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 32, max: 126 }), (at, byte) => {
        const damaged = Buffer.from(bytes)
        damaged[at] = byte
        try {
          parseTableMetadata('m', damaged)
        } catch (error) {
          expect(error instanceof DamagedObjectError || error instanceof InputError).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('nested without end is refused', () => {
    const text = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    expect(() => parseTableMetadata('m', Buffer.from(text))).toThrow(DamagedObjectError)
  })
})

describe('schemas', () => {
  const schema: Schema = {
    type: 'struct',
    'schema-id': 0,
    fields: [
      { id: 1, name: 'id', required: true, type: 'long' },
      { id: 2, name: 'amount', required: false, type: 'decimal(12,2)' },
      {
        id: 3,
        name: 'inner',
        required: false,
        type: { type: 'struct', fields: [{ id: 4, name: 'at', required: false, type: 'timestamptz' }] },
      },
      { id: 5, name: 'later', required: false, type: 'timestamp_ns' },
    ],
  }

  it('tell primitive fields from others', () => {
    expect(fieldsOf(schema).map((field) => [field.name, field.type.kind])).toEqual([
      ['id', 'long'],
      ['amount', 'decimal'],
    ])
    expect(nestedFieldNames(schema)).toEqual(['inner', 'later'])
  })

  it('give partition values their types, those of nested and dropped columns too', () => {
    const field = (transform: string, source: number) => {
      return { name: transform, transform, 'source-id': source, 'field-id': 1000 + source }
    }
    const spec = { 'spec-id': 0, fields: [field('bucket[4]', 2), field('day', 4), field('identity', 1)] }
    const withoutId = { ...schema, fields: schema.fields.slice(1) }
    expect(partitionTypes(spec, [withoutId, schema]).map((type) => type.kind)).toEqual(['int', 'date', 'long'])
    expect(() => partitionTypes(spec, [withoutId])).toThrow(InputError)
    expect(partitionTypes({ 'spec-id': 1, fields: [field('void', 99)] }, [schema]).length).toBe(1)
  })
})

describe('main descends from', () => {
  const chain = (...ids: [id: bigint, parent: bigint | null][]): TableMetadata => {
    const snapshots = ids.map(([id, parent], i): Snapshot => {
      return {
        'snapshot-id': id,
        ...(parent !== null && { 'parent-snapshot-id': parent }),
        'sequence-number': Number(id),
        'timestamp-ms': i,
        'manifest-list': '',
        summary: {},
      }
    })
    const schema: Schema = { type: 'struct', 'schema-id': 0, fields: [] }
    const empty = newTableMetadata({ uuid: 'u', location: 'memory://t', schema, properties: {}, nowMs: 0 })
    return { ...empty, snapshots, 'current-snapshot-id': ids.at(-1)?.[0] ?? -1n }
  }

  it('itself and its ancestors', () => {
    const metadata = chain([1n, null], [2n, 1n], [3n, 2n])
    expect([1, 2, 3].map((id) => descendsFrom(metadata, BigInt(id), id))).toEqual([true, true, true])
  })

  it('no snapshot beside its chain, and nothing where the table is empty', () => {
    const metadata = chain([1n, null], [2n, 1n], [3n, 1n])
    expect(descendsFrom(metadata, 2n, 2)).toBe(false)
    expect(descendsFrom(chain(), 2n, 2)).toBe(false)
  })

  it('an expired snapshot if the oldest ancestor that is left is younger', () => {
    const metadata = chain([5n, 4n], [6n, 5n])
    expect(descendsFrom(metadata, 4n, 4)).toBe(true)
    expect(descendsFrom(metadata, 2n, 2)).toBe(true)
    expect(descendsFrom(metadata, 7n, 7)).toBe(false)
  })
})
