// The fault matrix on a whole merge: it is whole, or not there, it says what to do, and the next run completes it.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mergeLanding, openTable } from '../src/index.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import { arrivalsOf, type LandedObject } from '../test/change-sets.ts'
import { handTable, line, objectOf } from '../test/hand-changes.ts'
import { expectedRows } from '../test/model.ts'
import { snapshotIds } from '../test/named-by-table.ts'
import { rowsById } from '../test/read-rows.ts'
import { ledger } from '../test/stored-table.ts'
import {
  createTestTable,
  environmentOver,
  expectLedger,
  expectSortedAndDisjoint,
  inOrder,
  land,
  storedRows,
} from '../test/table-run.ts'
import { CELLS, type Cell, isOfParts, mergeExitCode, nameOf, openFaulty } from './fault-matrix.ts'
import { type S3FaultProxy, startS3FaultProxy } from './fault-proxy.ts'
import { describeWithServers, type S3Server, startS3 } from './s3-servers.ts'

/**
 * Left out: a merge here puts one object together of parts, so that `first` would be `every second` once more; and of a copy that is made
 * when it is sent again a merge sees nothing.
 */
function isNothingNew({ operation, pattern }: Cell): boolean {
  return (isOfParts({ operation }) && pattern === 'first') || (operation === 'upload-part-copy' && pattern !== 'all')
}

const cases = CELLS.map((cell, number) => ({ name: nameOf(cell), cell, number })).filter(
  ({ cell }) => !isNothingNew(cell),
)

describeWithServers(['versitygw'], 'a whole merge', () => {
  let server: S3Server
  let proxy: S3FaultProxy
  let clean: ObjectStore
  let bucket: string
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startS3FaultProxy(server.endpoint)
    clean = server.openStore()
    bucket = await server.newBucket()
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  const small = handTable([], { row_group_rows: 2 })
  const stand = objectOf('stand.ndjson', [
    line(small, { pk: 'a', sequence: 1, to: 'A' }),
    line(small, { pk: 'b', sequence: 1, to: 'A' }),
    line(small, { pk: 'c', sequence: 1, to: 'A' }),
    line(small, { pk: 'x', sequence: 1, from: 'A' }),
  ])
  const change = objectOf('change.ndjson', [
    line(small, { pk: 'b', sequence: 2, from: 'A', to: 'B' }),
    line(small, { pk: 'c', sequence: 2, from: 'A' }),
    line(small, { pk: 'd', sequence: 2, to: 'A' }),
  ])
  /** Its first row group is long enough to be copied, and is not touched. */
  const big = handTable([], { row_group_rows: 20 })
  const bigStand = objectOf(
    'stand.ndjson',
    Array.from({ length: 40 }, (_, i) => {
      const note = i < 20 ? randomBytes(300_000).toString('base64') : 'small'
      return line(big, { pk: `k${String(i).padStart(2, '0')}`, sequence: 1, to: 'A', note })
    }),
  )
  const bigChange = objectOf('change.ndjson', [line(big, { pk: 'k30', sequence: 2, from: 'A', to: 'B' })])

  it.concurrent.each(cases)('$name', async ({ cell, number }) => {
    const folder = `${bucket}/merge-${number}`
    const location = `${folder}/orders`
    const landing = `${folder}/landing/`
    const isBig = isOfParts(cell)
    const spec = isBig ? big : small
    const landed: LandedObject[] = isBig ? [bigStand, bigChange] : [stand, change]
    // Only the cells of the probe are to probe.
    const probes = cell.operation === 'put-replace'
    const unprobed = (store: ObjectStore): ObjectStore => ({ ...store, unproven: async () => null })
    const table = await createTestTable(spec, environmentOver(unprobed(clean), 1), location)
    await land(clean, landed.slice(0, 1), landing)
    await mergeLanding(table, [landing])
    await land(clean, landed.slice(1), landing)

    const { store, sent } = openFaulty(server, proxy, cell, folder)
    const faulty = environmentOver(probes ? store : unprobed(store), 2)
    const code = await openTable(location, faulty)
      .then((opened) => mergeLanding(opened, [landing]))
      .then(({ exitCode }) => exitCode, exitCodeOf)
    expect(sent.length).toBeGreaterThan(0)
    expect(code).toBe(mergeExitCode(cell))
    await proxy.settled(folder)

    const rows = async () => {
      const files = await storedRows(spec, clean, location)
      expectSortedAndDisjoint(spec, files)
      return inOrder(rowsById(spec, files))
    }
    const merged = (await ledger(clean, location)).map(({ object }) => object.slice(landing.length))
    if (code === 0) expect(merged).toHaveLength(2)
    const known = landed.filter(({ name }) => merged.includes(name))
    expect(await rows()).toEqual(inOrder(expectedRows(arrivalsOf([known]))))

    const again = await mergeLanding(await openTable(location, environmentOver(unprobed(clean), 3)), [landing])
    expect(again.exitCode).toBe(0)
    expect(await rows()).toEqual(inOrder(expectedRows(arrivalsOf([landed]))))
    await expectLedger(
      clean,
      landed.map(({ name }) => landing + name),
      location,
    )
    expect(await snapshotIds(clean, location)).toHaveLength(2)
  })
})

const EXIT_CODES: Readonly<Record<string, number>> = { TryAgainError: 10, InputError: 20, DamagedObjectError: 21 }

/** @throws the error where it is a defect */
function exitCodeOf(error: Error): number {
  const code = EXIT_CODES[error.name]
  if (code === undefined) throw error
  return code
}
