// What a clustered tick sends to an S3 server and has from it, of a table whose row groups are just long enough to be copied alone.

import { createCipheriv } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { changeLine } from '../../batch-worker/test/orders.ts'
import {
  createTable,
  type MergeReport,
  mergeLanding,
  nodeEnvironment,
  parseTableDefinition,
  snapshotFiles,
  type Table,
} from '../src/index.ts'
import { storeByScheme } from '../src/store/by-scheme.ts'
import { memoryStore } from '../src/store/memory.ts'
import { describeWithServers, type S3Server, startS3 } from './s3-servers.ts'

const MIB = 1024 * 1024
/** Of 0.8 KiB; 2 GB are 2,700,000 of them. */
const ROWS = Number(process.env.LASTWRITE_TICK_ROWS ?? 126_000)
/** Where somebody says how large the table is to be: what was seen is printed. */
const isMeasured = process.env.LASTWRITE_TICK_ROWS !== undefined
/** Of the table. */
const BUILD_MS_MAX = isMeasured ? 3_600_000 : 300_000
/** Little over the 5 MiB that S3 wants of a part. */
const GROUP_ROWS = 7000
const FILE_GROUPS = 8
const NOTE_BYTES = 768
const LANDING_ROWS = 9 * GROUP_ROWS
/** Metadata, state files, and what is looked at of copies. */
const BESIDE_BYTES = 256 * 1024
/** Of a key and its version, as they are stored. */
const KEY_BYTES_MAX = 8
const FOOTER_BYTES_MAX = 64 * 1024

const DEFINITION = {
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk'],
  columns: { pk: 'string', note: 'string' },
  row_group_rows: GROUP_ROWS,
  file_bytes: FILE_GROUPS * GROUP_ROWS * NOTE_BYTES,
}
const LANDING = 'memory://landing/'

describeWithServers(['versitygw'], 'a clustered tick on versitygw', () => {
  let server: S3Server
  let table: Table
  let sequence = 100
  const landing = memoryStore()

  const mergeRows = async (from: number, to: number): Promise<MergeReport> => {
    const lines: string[] = []
    const notes = randomBytes((to - from) * NOTE_BYTES, sequence)
    for (let row = from; row < to; row++) {
      const note = notes.toString('base64', (row - from) * NOTE_BYTES, (row - from + 1) * NOTE_BYTES)
      const pk = String(row).padStart(8, '0')
      lines.push(changeLine({ sequence: String(sequence++), pk, item: { note: { S: note } } }))
    }
    const path = `${LANDING}${sequence}`
    landing.plant(path, Buffer.from(lines.join('')))
    const report = await mergeLanding(table, [LANDING])
    landing.uproot(path)
    return report
  }

  beforeAll(async () => {
    server = await startS3('versitygw')
    const store = storeByScheme({ s3: async () => server.openStore(), memory: async () => landing })
    const location = `${await server.newBucket()}/orders`
    table = await createTable(location, parseTableDefinition(JSON.stringify(DEFINITION)), nodeEnvironment(store))
    for (let row = 0; row < ROWS; row += LANDING_ROWS) await mergeRows(row, Math.min(ROWS, row + LANDING_ROWS))
  }, BUILD_MS_MAX)
  afterAll(() => server.stop())

  it('sends little more than the row groups that it changes, and reads little more, wherever these lie in a file', async () => {
    const groupBytes = (await dataBytes()) / (ROWS / GROUP_ROWS)
    for (let group = FILE_GROUPS; group < 2 * FILE_GROUPS; group++) {
      const first = group * GROUP_ROWS + 1000
      const { rows, rowGroups, bytes, requests, seconds } = await mergeRows(first, first + 1000)
      const changedBytes = rowGroups.encoded * groupBytes
      if (isMeasured) console.log(JSON.stringify({ group, changedBytes, rowGroups, bytes, requests, seconds }))
      expect(rows).toEqual({ inserted: 0, replaced: 1000, removed: 0 })
      expect(rowGroups.encoded).toBeLessThanOrEqual(2)
      expect(bytes.written).toBeLessThan(1.3 * changedBytes + MIB)
      const keyBytes = (rowGroups.copied + rowGroups.encoded) * GROUP_ROWS * KEY_BYTES_MAX
      const landed = 1000 * 2 * NOTE_BYTES
      expect(bytes.read).toBeLessThan(changedBytes + keyBytes + 3 * FOOTER_BYTES_MAX + landed + BESIDE_BYTES)
    }
  })

  async function dataBytes(): Promise<number> {
    const listed = await server.openStore().list(`${table.location}/data/`)
    if (listed.kind !== 'ok') throw new Error(listed.kind)
    const named = new Set((await snapshotFiles(table, {})).map(({ path }) => path))
    return listed.objects.reduce((sum, { path, objectBytes }) => sum + (named.has(path) ? objectBytes : 0), 0)
  }
})

/** Nothing compresses them. */
function randomBytes(length: number, seed: number): Buffer {
  const key = Buffer.alloc(16, String(seed))
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}
