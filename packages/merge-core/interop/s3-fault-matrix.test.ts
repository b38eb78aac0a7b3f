// Each call to S3 broken in each way, on a real server behind a proxy: what the store says, and what comes of a merge.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
import {
  type CallOutcome,
  CELLS,
  type Cell,
  callOutcome,
  IMPATIENT,
  isSentOnce,
  isSilent,
  mergeExitCode,
  putStands,
  wireFault,
} from './fault-matrix.ts'
import { type FaultProxy, startFaultProxy, type WireFault, type WireRequest } from './fault-proxy.ts'
import { describeWithServers, type S3Server, startS3 } from './s3-servers.ts'

const MIB = 1024 * 1024
const ATTEMPTS_MAX = 8
/** Whatever happens a call has ended by then, on a busy machine too: its own deadline is a few seconds. */
const CALL_MS_MAX = 60_000
const CREATE = { kind: 'create' } as const
const nameOf = ({ operation, fault, pattern }: Cell): string => `${operation} × ${fault} × ${pattern}`
const cases = CELLS.map((cell, number) => ({ name: nameOf(cell), cell, number }))

describeWithServers(['versitygw'], 'the fault matrix', () => {
  let server: S3Server
  let proxy: FaultProxy
  let clean: ObjectStore
  let bucket: string
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startFaultProxy(server.endpoint)
    clean = server.openStore()
    bucket = await server.newBucket()
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  /** A store whose requests below the folder meet the cell's fault, and those of them that were of the cell's operation. */
  function openFaulty(cell: Cell, folder: string): { store: ObjectStore; sent: WireRequest[] } {
    const sent: WireRequest[] = []
    const counts = new Map<string, number>()
    const isHit = (path: string): boolean => {
      const before = counts.get(path) ?? 0
      counts.set(path, before + 1)
      if (cell.pattern === 'first') return sent.length === 1
      return cell.pattern === 'all' || before % 2 === 0
    }
    proxy.watch(folder, (request): WireFault | null => {
      if (request.operation !== cell.operation) return null
      sent.push(request)
      return isHit(request.path) ? wireFault(cell) : null
    })
    const patience = isSilent(cell) ? IMPATIENT : {}
    return { store: server.openStore({ endpoint: proxy.endpoint, random: () => 0, ...patience }), sent }
  }

  describe('one call', () => {
    const before = Buffer.from('what stood before'.repeat(1000))
    const after = Buffer.from('what is put'.repeat(1000))
    const large = randomBytes(6 * MIB)
    let largeTag: string
    beforeAll(async () => {
      largeTag = tagOf(await clean.put(`${bucket}/large`, large, CREATE))
    })

    it.concurrent.each(cases)('$name', async ({ cell, number }) => {
      const folder = `${bucket}/call-${number}`
      const path = `${folder}/object`
      const { operation } = cell
      const isCreate = operation !== 'put-replace' && isPut(operation)
      const etag = isCreate ? '' : tagOf(await clean.put(path, before, CREATE))
      const { store, sent } = openFaulty(cell, folder)
      const parts = [
        { kind: 'copy', from: `${bucket}/large`, etag: largeTag, start: 0, end: large.length } as const,
        { kind: 'bytes', bytes: after } as const,
      ]
      const calls: Record<Cell['operation'], () => Promise<{ kind: CallOutcome }>> = {
        get: () => store.get(path, { etag }),
        range: () => store.get(path, { etag, range: { start: 10, end: 2000 } }),
        list: () => store.list(`${folder}/`),
        'put-create': () => store.put(path, after, CREATE),
        'put-replace': () => store.put(path, after, { kind: 'replace', etag }),
        'upload-part-copy': () => store.put(path, parts, CREATE),
        complete: () => store.put(path, parts, CREATE),
      }
      const startMs = performance.now()
      const result = await calls[operation]().catch((error: Error) => {
        if (error.name !== 'InputError') throw error
        return { kind: 'settings' as const }
      })
      expect(performance.now() - startMs).toBeLessThan(CALL_MS_MAX)
      expect(result.kind).toBe(callOutcome(cell))
      if (result.kind === 'ok' && operation === 'get') expect(result).toMatchObject({ bytes: new Uint8Array(before) })
      if (result.kind === 'ok' && operation === 'range')
        expect(result).toMatchObject({ bytes: new Uint8Array(before.subarray(10, 2000)) })
      if (result.kind === 'ok' && operation === 'list') expect(result).toMatchObject({ objects: [{ path }] })
      expect(sent.length).toBeLessThanOrEqual(isSentOnce(cell) ? 1 : ATTEMPTS_MAX)

      await proxy.settled(folder)
      const stands = await clean.get(path)
      if (!isPut(operation)) return
      const put = isCreate && operation !== 'put-create' ? Buffer.concat([large, after]) : after
      const expected = putStands(cell) ? put : isCreate ? null : before
      expect(stands.kind).toBe(expected === null ? 'missing' : 'ok')
      if (stands.kind === 'ok') expect(Buffer.compare(stands.bytes, expected!)).toBe(0)
    })
  })

  describe('a whole merge', () => {
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
      const isBig = cell.operation === 'upload-part-copy' || cell.operation === 'complete'
      const spec = isBig ? big : small
      const landed: LandedObject[] = isBig ? [bigStand, bigChange] : [stand, change]
      // Only the cells of the probe are to probe.
      const probes = cell.operation === 'put-replace'
      const unprobed = (store: ObjectStore): ObjectStore => ({ ...store, unproven: async () => null })
      const table = await createTestTable(spec, environmentOver(unprobed(clean), 1), location)
      await land(clean, landed.slice(0, 1), landing)
      await mergeLanding(table, [landing])
      await land(clean, landed.slice(1), landing)

      const { store, sent } = openFaulty(cell, folder)
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
})

const EXIT_CODES: Readonly<Record<string, number>> = { TryAgainError: 10, InputError: 20, DamagedObjectError: 21 }

/** @throws the error where it is a defect */
function exitCodeOf(error: Error): number {
  const code = EXIT_CODES[error.name]
  if (code === undefined) throw error
  return code
}

function isPut(operation: Cell['operation']): boolean {
  return !['get', 'range', 'list'].includes(operation)
}

function tagOf(result: Awaited<ReturnType<ObjectStore['put']>>): string {
  if (result.kind !== 'ok') throw new Error(result.kind)
  return result.etag
}
