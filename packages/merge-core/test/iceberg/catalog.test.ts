import { describe, expect, it } from 'vitest'
import { advanceMain, applyUpdates } from '../../src/iceberg/catalog.ts'
import { currentSnapshot, newTableMetadata, type Snapshot, type TableMetadata } from '../../src/iceberg/metadata.ts'

const empty = newTableMetadata({
  uuid: 'u',
  location: 'memory://t',
  schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', required: true, type: 'int' }] },
  properties: { a: '1', b: '2' },
  nowMs: 100,
})

const snapshot = (id: number): Snapshot => {
  return {
    'snapshot-id': BigInt(id),
    'sequence-number': id,
    'timestamp-ms': 1000 + id,
    summary: {},
    'manifest-list': '',
  }
}
const grown = (count: number): TableMetadata => {
  let metadata = empty
  for (let id = 1; id <= count; id++) metadata = applyUpdates(metadata, advanceMain(snapshot(id)), 1000 + id)
  return metadata
}
const log = (metadata: TableMetadata) =>
  metadata['snapshot-log']!.map((entry) => [entry['snapshot-id'], entry['timestamp-ms']])

describe('updates of table metadata', () => {
  it('make a new snapshot main, with its sequence number and log entry', () => {
    const metadata = grown(2)
    expect(currentSnapshot(metadata)).toEqual(snapshot(2))
    expect(metadata.refs).toEqual({ main: { type: 'branch', 'snapshot-id': 2n } })
    expect(metadata['last-sequence-number']).toBe(2)
    expect(metadata['last-updated-ms']).toBe(1002)
    expect(log(metadata)).toEqual([
      [1n, 1001],
      [2n, 1002],
    ])
  })

  it('log a step back at the time that it happens', () => {
    const back = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': 1n } as const
    const metadata = applyUpdates(grown(2), [back], 5000)
    expect(currentSnapshot(metadata)).toEqual(snapshot(1))
    expect(log(metadata).at(-1)).toEqual([1n, 5000])
    expect(metadata['last-sequence-number']).toBe(2)
  })

  it('keep what a ref says beyond its snapshot', () => {
    const tag = { type: 'tag', 'snapshot-id': 1n, 'max-ref-age-ms': 5 } as const
    const metadata = applyUpdates(grown(2), [{ action: 'set-snapshot-ref', 'ref-name': 'audit', ...tag }], 5000)
    expect(metadata.refs!.audit).toEqual(tag)
    expect(log(metadata).length).toBe(2)
    expect(applyUpdates(metadata, [{ action: 'remove-snapshot-ref', 'ref-name': 'audit' }], 6000).refs).toEqual(
      grown(2).refs,
    )
  })

  it('remove snapshots with their log, statistics and refs, leaving no gap in the log', () => {
    const before = { ...grown(4), statistics: [{ 'snapshot-id': 2n }, { 'snapshot-id': 4n }] }
    const metadata = applyUpdates(before, [{ action: 'remove-snapshots', 'snapshot-ids': [2n] }], 5000)
    expect(metadata.snapshots!.map((each) => each['snapshot-id'])).toEqual([1n, 3n, 4n])
    expect(log(metadata)).toEqual([
      [3n, 1003],
      [4n, 1004],
    ])
    expect(metadata.statistics).toEqual([{ 'snapshot-id': 4n }])
    expect(() => applyUpdates(metadata, [{ action: 'remove-snapshots', 'snapshot-ids': [4n] }], 5000)).toThrow(
      'current snapshot',
    )
  })

  it('set and remove properties', () => {
    const updates = [
      { action: 'set-properties', updates: { b: '3', c: '4' } },
      { action: 'remove-properties', removals: ['a', 'z'] },
    ] as const
    expect(applyUpdates(empty, updates, 200).properties).toEqual({ b: '3', c: '4' })
  })

  it('add a schema and make it current', () => {
    const schema = { ...empty.schemas[0]!, 'schema-id': 1 }
    const updates = [
      { action: 'add-schema', schema, 'last-column-id': 4 },
      { action: 'set-current-schema', 'schema-id': -1 },
    ] as const
    const metadata = applyUpdates(empty, updates, 200)
    expect(metadata['current-schema-id']).toBe(1)
    expect(metadata['last-column-id']).toBe(4)
  })

  it('never bring the time of the last update behind the log', () => {
    const metadata = applyUpdates(grown(2), [{ action: 'set-properties', updates: {} }], 50)
    expect(metadata['last-updated-ms']).toBe(1002)
    expect(log(applyUpdates(metadata, advanceMain({ ...snapshot(3), 'timestamp-ms': 7 }), 60)).at(-1)).toEqual([
      3n,
      1002,
    ])
  })

  it('refuse a sequence number that does not ascend, and a snapshot twice', () => {
    expect(() => applyUpdates(grown(2), advanceMain({ ...snapshot(5), 'sequence-number': 2 }), 1)).toThrow('ascend')
    expect(() => applyUpdates(grown(2), advanceMain({ ...snapshot(2), 'sequence-number': 3 }), 1)).toThrow('once')
  })
})
