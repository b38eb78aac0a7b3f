import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DamagedObjectError } from '../../src/errors.ts'
import { type AvroComplex, readAvroFile, writeAvroFile } from '../../src/iceberg/avro.ts'
import {
  ADDED,
  type BoundSpec,
  countEntries,
  type DataFile,
  DELETED,
  EXISTING,
  type ManifestEntry,
  type ManifestFile,
  readManifest,
  readManifestList,
  summarizePartitions,
  writeManifest,
  writeManifestList,
} from '../../src/iceberg/manifest.ts'
import type { Schema } from '../../src/iceberg/schema.ts'
import type { PrimitiveType } from '../../src/primitive-type.ts'

const sampleSchema = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8'))
const sync = new Uint8Array(16)
const schema: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 7, name: 'region', required: false, type: 'string' }],
}

const specOf = (...types: PrimitiveType[]): BoundSpec => {
  const fields = types.map((_, i) => ({
    name: `f${i}`,
    transform: 'identity',
    'source-id': 7 + i,
    'field-id': 1000 + i,
  }))
  return { spec: { 'spec-id': 3, fields }, types }
}
const byRegion: BoundSpec = {
  spec: { 'spec-id': 0, fields: [{ name: 'region', transform: 'identity', 'source-id': 7, 'field-id': 1000 }] },
  types: [{ kind: 'string' }],
}

const bareFile: DataFile = {
  content: 0,
  path: 'file:///t/data/a.parquet',
  format: 'PARQUET',
  partition: ['eu'],
  records: 10,
  fileBytes: 1355,
  columnBytes: new Map(),
  valueCounts: new Map(),
  nullCounts: new Map(),
  lowerBounds: new Map(),
  upperBounds: new Map(),
  splitOffsets: [],
  equalityIds: [],
  sortOrderId: null,
}
const fullFile: DataFile = {
  ...bareFile,
  records: 2 ** 40,
  columnBytes: new Map([[1, 2 ** 33]]),
  valueCounts: new Map([
    [1, 10],
    [2, 10],
  ]),
  nullCounts: new Map([[2, 3]]),
  nanCounts: new Map([[2, 1]]),
  lowerBounds: new Map([[1, Uint8Array.of(0)]]),
  upperBounds: new Map([
    [1, Uint8Array.of(255, 0)],
    [2, new Uint8Array(0)],
  ]),
  splitOffsets: [4, 2 ** 35],
  equalityIds: [1, 2],
  sortOrderId: 1,
  keyMetadata: Uint8Array.of(9),
}
const listed: ManifestFile = {
  path: 'file:///t/metadata/m0.avro',
  length: 100,
  specId: 3,
  content: 0,
  sequenceNumber: 8,
  minSequenceNumber: 4,
  addedSnapshotId: 9_007_199_254_740_993n,
  counts: null,
  partitions: null,
  keyMetadata: null,
}
const existing = (file: DataFile): ManifestEntry => {
  return { status: EXISTING, snapshotId: 2n ** 62n + 1n, sequenceNumber: 5, fileSequenceNumber: 4, file }
}

describe('manifests', () => {
  it('have the Avro schema that every engine accepts', () => {
    const file = writeManifest({ content: 0, spec: byRegion, schema, entries: [], sync })
    const written = readAvroFile('m', file)
    expect(written.schema).toEqual(sampleSchema('manifest_entry.region.avsc'))
    const texts = Object.fromEntries(
      Array.from(written.metadata, ([key, value]) => [key, Buffer.from(value).toString()]),
    )
    expect(texts).toMatchObject({ 'partition-spec-id': '0', 'format-version': '2', content: 'data' })
    expect(JSON.parse(texts.schema!)).toEqual(schema)
    expect(JSON.parse(texts['partition-spec']!)).toEqual(byRegion.spec.fields)
  })

  it('give back what was written, every statistic and 64-bit id', () => {
    const entries = [existing(fullFile), { ...existing(bareFile), status: DELETED } as const]
    const bytes = writeManifest({ content: 0, spec: byRegion, schema, entries, sync })
    expect(readManifest(bytes, listed, byRegion)).toEqual(entries)
  })

  it('give back delete files with the data file that they are about', () => {
    const file: DataFile = { ...bareFile, content: 1, referencedDataFile: 'file:///t/data/b.parquet' }
    const bytes = writeManifest({ content: 1, spec: byRegion, schema, entries: [existing(file)], sync })
    expect(readManifest(bytes, { ...listed, content: 1 }, byRegion)).toEqual([existing(file)])
  })

  it('leave the sequence numbers of added files to the commit', () => {
    const added: ManifestEntry = { ...existing(bareFile), status: ADDED }
    const bytes = writeManifest({ content: 0, spec: byRegion, schema, entries: [added], sync })
    const sequence = { sequenceNumber: listed.sequenceNumber, fileSequenceNumber: listed.sequenceNumber }
    expect(readManifest(bytes, listed, byRegion)).toEqual([{ ...added, ...sequence }])
  })

  it('hold partition values of every type', () => {
    const cases: [PrimitiveType, fc.Arbitrary<unknown>][] = [
      [{ kind: 'boolean' }, fc.boolean()],
      [{ kind: 'int' }, fc.integer()],
      [{ kind: 'date' }, fc.integer()],
      [{ kind: 'long' }, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
      [{ kind: 'time' }, fc.bigInt({ min: 0n, max: 86_399_999_999n })],
      [{ kind: 'timestamp' }, fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })],
      [{ kind: 'timestamptz' }, fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })],
      [{ kind: 'float' }, fc.float()],
      [{ kind: 'double' }, fc.double()],
      [{ kind: 'decimal', precision: 9, scale: 2 }, fc.bigInt({ min: -999_999_999n, max: 999_999_999n })],
      [{ kind: 'decimal', precision: 38, scale: 0 }, fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })],
      [{ kind: 'string' }, fc.string({ unit: 'grapheme' })],
      [{ kind: 'binary' }, fc.uint8Array()],
      [{ kind: 'uuid' }, fc.uint8Array({ minLength: 16, maxLength: 16 })],
      [{ kind: 'fixed', bytes: 3 }, fc.uint8Array({ minLength: 3, maxLength: 3 })],
    ]
    const spec = specOf(...cases.map(([type]) => type))
    fc.assert(
      fc.property(fc.tuple(...cases.map(([, value]) => fc.option(value))), (partition) => {
        const entry = existing({ ...bareFile, partition: partition as DataFile['partition'] })
        const bytes = writeManifest({ content: 0, spec, schema, entries: [entry], sync })
        expect(readManifest(bytes, listed, spec)).toEqual([entry])
      }),
    )
  })

  it('find fields by their ids, whatever their names and order', () => {
    const { schema: written, rows } = readAvroFile(
      'm',
      writeManifest({ content: 0, spec: byRegion, schema, entries: [existing(fullFile)], sync }),
    )
    const renamed = JSON.parse(JSON.stringify(written)) as { fields: { name: string; type: AvroComplex }[] }
    for (const [i, field] of renamed.fields.entries()) field.name = `x${i}`
    const foreign = { ...written, fields: renamed.fields.toReversed() } as unknown as AvroComplex
    const file = writeAvroFile({ schema: foreign, metadata: {}, rows: rows.map((row) => row.toReversed()), sync })
    expect(readManifest(file, listed, byRegion)).toEqual([existing(fullFile)])
  })

  it('name what is wrong and where', () => {
    const bytes = writeManifest({ content: 0, spec: byRegion, schema, entries: [existing(bareFile)], sync })
    const spec = { ...byRegion, types: [{ kind: 'int' }] as PrimitiveType[] }
    expect(() => readManifest(bytes, listed, spec)).toThrow(DamagedObjectError)
    expect(() => readManifest(bytes, listed, spec)).toThrow('file:///t/metadata/m0.avro: the field with id 1000 is eu')
  })
})

describe('manifest lists', () => {
  const counts = {
    addedFiles: 1,
    existingFiles: 2,
    deletedFiles: 3,
    addedRows: 2 ** 40,
    existingRows: 5,
    deletedRows: 6,
  }
  const partitions = [{ containsNull: true, containsNan: null, lowerBound: Uint8Array.of(1), upperBound: null }]
  const manifests = [
    { ...listed, counts, partitions, keyMetadata: Uint8Array.of(1) },
    { ...listed, content: 1 as const, counts },
  ]
  const bytes = writeManifestList({ snapshotId: 7n, parentSnapshotId: null, sequenceNumber: 8, manifests, sync })

  it('have the Avro schema that every engine accepts', () => {
    expect(readAvroFile('l', bytes).schema).toEqual(sampleSchema('manifest_list.avsc'))
  })

  it('give back what was written', () => {
    expect(readManifestList('l', bytes)).toEqual(manifests)
  })
})

describe('what a list says of a manifest', () => {
  it('counts files and rows by status', () => {
    const entries = [
      existing(bareFile),
      { ...existing({ ...bareFile, records: 3 }), status: ADDED } as const,
      { ...existing({ ...bareFile, records: 4 }), status: ADDED } as const,
      { ...existing({ ...bareFile, records: 5 }), status: DELETED } as const,
    ]
    expect(countEntries(entries)).toEqual({
      addedFiles: 2,
      existingFiles: 1,
      deletedFiles: 1,
      addedRows: 7,
      existingRows: 10,
      deletedRows: 5,
    })
  })

  it('bounds partition values, text by its bytes, NaN apart', () => {
    const types: PrimitiveType[] = [{ kind: 'string' }, { kind: 'double' }]
    const partitions = [
      ['\u{10000}', 2],
      ['\uffff', Number.NaN],
      [null, -1],
    ] as const
    const entries = partitions.map((partition) => existing({ ...bareFile, partition }))
    expect(summarizePartitions(entries, types)).toEqual([
      { containsNull: true, containsNan: false, lowerBound: bytesOf('efbfbf'), upperBound: bytesOf('f0908080') },
      {
        containsNull: false,
        containsNan: true,
        lowerBound: bytesOf('000000000000f0bf'),
        upperBound: bytesOf('0000000000000040'),
      },
    ])
  })
})

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}
