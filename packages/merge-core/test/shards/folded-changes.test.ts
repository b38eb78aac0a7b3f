import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { valuesOf } from '../../src/columns/values.ts'
import { INSERTED, type IncomingChanges, MARKED } from '../../src/files/incoming.ts'
import { groupBatch, taskChanges } from '../../src/fold-batch.ts'
import { loadState, mergeLanding, type PartitionValue } from '../../src/index.ts'
import { listLanding } from '../../src/landing/list-landing.ts'
import { type LandedObject as ReadObject, readLanding } from '../../src/landing/read-landing.ts'
import { incomingChanges, type TaskChanges } from '../../src/landing/task-changes.ts'
import { routeBatch } from '../../src/merge-batch.ts'
import type { Field } from '../../src/primitive-type.ts'
import { encodeFoldedChanges, foldedFields, readFoldedChanges, sliceChanges } from '../../src/shards/folded-changes.ts'
import { encodeOutcomes, readOutcomes } from '../../src/shards/outcomes-file.ts'
import { memoryStore } from '../../src/store/memory.ts'
import type { ObjectPart } from '../../src/store/object-store.ts'
import { tableLayoutOf } from '../../src/stored-files.ts'
import { changeSet, type LandedObject, type TableSpec } from '../change-sets.ts'
import { handTable, line, objectOf } from '../hand-changes.ts'
import { readParquet } from '../read-rows.ts'
import { createTestTable, environmentOver, LANDING, land } from '../table-run.ts'

const PATH = 'memory://lake/staging/changes.parquet'
const LAST = 'memory://landing/last/'

/** What a merge of the last objects into a table that the others were merged into would do. */
async function folded(spec: TableSpec, merges: readonly (readonly LandedObject[])[]) {
  const store = memoryStore()
  const table = await createTestTable(spec, environmentOver(store))
  for (const objects of merges.slice(0, -1)) {
    await land(store, objects)
    await mergeLanding(table, [LANDING])
  }
  await land(store, merges.at(-1)!, LAST)
  const state = await loadState(table)
  const read: ReadObject[] = []
  for (const object of await listLanding(store, [LAST])) {
    const landed = await readLanding(store, object, state.definition)
    if (!('reason' in landed)) read.push(landed)
  }
  const batch = await groupBatch(store, state.definition, read)
  const excluded = new Uint8Array(batch.lines.count)
  const routed = await routeBatch(table, state, batch, excluded, { timed: (_, work) => work() })
  const { count } = routed.folded.fold.changes
  const changes = (from = 0, to = count): TaskChanges => taskChanges(batch, routed.folded, from, to)
  return { store, layout: tableLayoutOf(state), count, changes }
}

/** A Buffer is bytes like others. */
function plain(value: PartitionValue): PartitionValue {
  return value instanceof Uint8Array ? Uint8Array.from(value) : value
}

/** Everything that a merge takes from changes, as values. */
function told({ keys, versions, expiryVersions, columns, ...changes }: IncomingChanges, fields: readonly Field[]) {
  const texts = ({ starts, bytes }: IncomingChanges['keys']) =>
    Array.from(starts.subarray(1), (end, i) => Buffer.from(bytes.subarray(starts[i]!, end)).toString('hex'))
  return {
    ...changes,
    ...{ keys: texts(keys), versions: texts(versions), expiryVersions: texts(expiryVersions) },
    columns: columns.map((column, index) => valuesOf(column, fields[index]!.type).map(plain)),
  }
}

function bytesOf(parts: readonly ObjectPart[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (part.kind === 'bytes' ? part.bytes : Buffer.alloc(0))))
}

describe('folded changes in a file', () => {
  it('are what they were before, all of them and any range, of any table', async () => {
    const property = fc.asyncProperty(fc.gen(), fc.nat(), fc.nat(), async (g, a, b) => {
      const { table: spec, merges } = changeSet(g)
      const { store, layout, count, changes } = await folded(spec, merges)
      store.plant(PATH, bytesOf(encodeFoldedChanges(layout, changes()).parts))
      const read = await readFoldedChanges(store, PATH, layout, count)
      expect(told(read, layout.fields)).toEqual(told(incomingChanges(changes(), layout.fields), layout.fields))
      const [from, to] = [a % (count + 1), b % (count + 1)].sort((x, y) => x - y) as [number, number]
      expect(told(sliceChanges(read, from, to), layout.fields)).toEqual(
        told(incomingChanges(changes(from, to), layout.fields), layout.fields),
      )
    })
    await fc.assert(property, { numRuns: 60 })
  })

  it('are rows that others can read: key, version and operation of each, and the items of puts', async () => {
    const spec = handTable(['identity(region)'])
    const before = ['a', 'b'].map((pk) => line(spec, { pk, sequence: 1, to: 'A' }))
    const lines = [
      line(spec, { pk: 'c', sequence: 2, to: 'A', note: 'put' }),
      line(spec, { pk: 'b', sequence: 3, from: 'A', to: 'B', note: 'moved' }),
      line(spec, { pk: 'a', sequence: 4, from: 'A' }),
    ]
    const { layout, changes } = await folded(spec, [[objectOf('1', before)], [objectOf('2', lines)]])
    const rows = await readParquet(bytesOf(encodeFoldedChanges(layout, changes()).parts))
    const stands = { _stream: '2026-11-22T08:00:00.000', _extra: null }
    const never = { _expiry_stream: null, _expiry_sequence: null, _expiry_at: null }
    const nothing = { region: null, note: null, _updated_at: null }
    const at = (second: number) => ({ _updated_at: BigInt(1_795_334_400 + second) * 1_000_000n })
    const put = { _operation: 'put', ...stands, ...never }
    expect(rows).toEqual([
      { ...nothing, ...stands, ...never, pk: 'a', _sequence: '014', _operation: 'remove', _change: 0 },
      { ...nothing, ...stands, ...never, pk: 'b', _sequence: '013', _operation: 'remove-from-partition', _change: 1 },
      { pk: 'c', region: 'A', note: 'put', ...at(2), ...put, _sequence: '012', _change: 2 },
      { pk: 'b', region: 'B', note: 'moved', ...at(3), ...put, _sequence: '013', _change: 3 },
    ])
  })

  it('keep apart from columns of the table that have their names, in any case', () => {
    const named = (id: number, name: string): Field => ({ id, name, type: { kind: 'string' }, required: id === 1 })
    const fields = foldedFields({ fields: [named(1, '_change'), named(7, '_Operation')], keyColumns: 1 })
    expect(fields.map(({ id, name }) => [id, name])).toEqual([
      [1, '_change'],
      [7, '_Operation'],
      [8, '__operation'],
      [9, '_expiry_stream'],
      [10, '_expiry_sequence'],
      [11, '_expiry_at'],
      [12, '__change'],
    ])
  })

  it('are refused where rows are missing, and where the file is gone', async () => {
    const spec = handTable(['bucket(pk, 2)'])
    const lines = [line(spec, { pk: 'c', sequence: 2, to: 'A' })]
    const { store, layout, changes } = await folded(spec, [[objectOf('1', lines)]])
    await expect(readFoldedChanges(store, PATH, layout, 1)).rejects.toThrow(/no such object; .*plan again/)
    store.plant(PATH, bytesOf(encodeFoldedChanges(layout, changes()).parts))
    await expect(readFoldedChanges(store, PATH, layout, 2)).rejects.toThrow(`${PATH}: 1 rows, not 2; plan again`)
  })
})

describe('outcomes in a file', () => {
  it('are what they were before', async () => {
    const store = memoryStore()
    const outcomes = Uint8Array.from({ length: 1000 }, (_, change) => change % (MARKED + 1))
    store.plant(PATH, bytesOf(encodeOutcomes(outcomes).parts))
    expect(await readOutcomes(store, PATH, 1000)).toEqual(outcomes)
  })

  it('are refused where one is none', async () => {
    const store = memoryStore()
    store.plant(PATH, bytesOf(encodeOutcomes(Uint8Array.of(INSERTED, MARKED + 1)).parts))
    await expect(readOutcomes(store, PATH, 2)).rejects.toThrow(`outcome ${MARKED + 1} is none`)
  })
})
