// A table on an S3 server that processes are killed over or race for, and what must be true of it afterwards.

import { expect } from 'vitest'
import type { ObjectStore } from '../../merge-core/src/store/object-store.ts'
import { arrivalsOf, type LandedObject } from '../../merge-core/test/change-sets.ts'
import { handTable, line, objectOf } from '../../merge-core/test/hand-changes.ts'
import { expectedRows } from '../../merge-core/test/model.ts'
import { namedByTable, storedMetadata } from '../../merge-core/test/named-by-table.ts'
import { readByHyparquet, readParquet, rowsById } from '../../merge-core/test/read-rows.ts'
import { avroRecords, currentFiles, readObject } from '../../merge-core/test/stored-table.ts'
import { expectLedger, expectSortedAndDisjoint, inOrder } from '../../merge-core/test/table-run.ts'

/** Small row groups, so that a merge has some to copy. */
export const spec = handTable(['bucket(pk, 2)'], { row_group_rows: 50 })

const KEYS = 200
const LINES = 20
const REGIONS = ['A', 'B', 'C']

/**
 * Landing objects of changes to the same few keys. Versions ascend by the object, and one in eight is taken from further back, so that
 * puts come late that a removal must beat.
 */
export function objectsFrom(random: () => number): (name: string) => LandedObject {
  const upTo = (count: number) => Math.floor(random() * count)
  let sequence = 10_000
  const late = new Set<number>()
  /** One that was passed over, each once: the ones in order are multiples of 8. */
  const lateSequence = (): number => {
    const drawn = sequence - 8 * upTo(500) - 1 - upTo(7)
    return late.has(drawn) ? lateSequence() : late.add(drawn) && drawn
  }
  return (name) => {
    const lines = Array.from({ length: LINES }, () => {
      const region = REGIONS[upTo(REGIONS.length)]!
      sequence += 8
      const change = { pk: `order-${upTo(KEYS)}`, sequence: upTo(8) === 0 ? lateSequence() : sequence, from: 'A' }
      return line(spec, upTo(5) === 0 ? change : { ...change, to: region, note: `${name} ${'note '.repeat(upTo(9))}` })
    })
    return objectOf(name, lines)
  }
}

/** The rows of the model, each file in order and apart from the others, and every object in the ledger once. */
export async function expectModel(
  store: ObjectStore,
  table: string,
  landing: string,
  landed: readonly LandedObject[],
): Promise<void> {
  const files = await readByHyparquet(spec, await currentFiles(store, table), (path) => readObject(store, path))
  expectSortedAndDisjoint(spec, files)
  expect(inOrder(rowsById(spec, files))).toEqual(inOrder(expectedRows(arrivalsOf([landed]))))
  await expectLedger(
    store,
    landed.map(({ name }) => landing + name),
    table,
  )
}

/** What lies below the table and its state folder, by whether the table names it. All that it names must be there, and be readable. */
export async function lookThrough(store: ObjectStore, table: string): Promise<{ named: string[]; leftOver: string[] }> {
  const { paths, stateFolder } = await namedByTable(store, table)
  const { properties, snapshots = [] } = await storedMetadata(store, table)
  const commits = [properties, ...snapshots.map(({ summary }) => summary)].map((each) => each['lastwrite.commit-id'])
  const beside = [`${table}/metadata/version-hint.text`, ...commits.map((id) => `${stateFolder}/reports/${id}.json`)]
  const stored = [...(await pathsBelow(store, `${table}/`)), ...(await pathsBelow(store, `${stateFolder}/`))]
  expect([...paths].filter((path) => !stored.includes(path))).toEqual([])
  for (const path of paths) await read(store, path)
  const isNamed = (path: string) => paths.has(path) || beside.includes(path)
  return { named: stored.filter(isNamed), leftOver: stored.filter((path) => !isNamed(path)) }
}

async function pathsBelow(store: ObjectStore, prefix: string): Promise<string[]> {
  const listed = await store.list(prefix)
  if (listed.kind !== 'ok') throw new Error(`${prefix}: ${listed.kind}`)
  return listed.objects.map(({ path }) => path)
}

async function read(store: ObjectStore, path: string): Promise<unknown> {
  if (path.endsWith('.avro')) return avroRecords(store, path)
  const bytes = await readObject(store, path)
  return path.endsWith('.parquet') ? readParquet(bytes) : JSON.parse(Buffer.from(bytes).toString())
}
