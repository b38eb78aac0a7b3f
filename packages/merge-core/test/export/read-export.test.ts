import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readManifest } from '../../src/export/manifest.ts'
import { checkItems, exportBlocks } from '../../src/export/read-export.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { EXPORT_TIME_MS, plantChecked, plantExport } from './planted-export.ts'

const ITEMS = Array.from({ length: 50 }, (_, i) => ({ Item: { pk: { S: `ü#${i}` }, Keys: { N: String(i) } } }))

/** What every line says. */
async function readAll(store: MemoryStore, prefix: string): Promise<Record<string, unknown>[]> {
  const read: Record<string, unknown>[] = []
  for (const file of (await readManifest(store, prefix)).files) {
    const before = read.length
    for await (const { text } of exportBlocks(store, file)) {
      const lines = Buffer.from(text).toString().trimEnd().split('\n')
      read.push(...lines.map((line) => JSON.parse(line)))
    }
    checkItems(file, read.length - before)
  }
  return read
}

const INCREMENTAL = {
  exportType: 'INCREMENTAL_EXPORT',
  exportTime: undefined,
  exportFromTime: '2026-11-24T08:00:00Z',
  exportToTime: '2026-11-24T12:00:00Z',
}

describe('an export', () => {
  it('is found by its own folder or one above it, wherever it was copied to, and read whole', async () => {
    const store = memoryStore()
    const { location } = plantExport(store, ITEMS, { files: 3 })
    for (const prefix of [location, `${location}/`, 'memory://exports']) {
      expect(await readManifest(store, prefix)).toMatchObject({
        location,
        kind: 'full',
        table: 'orders',
        source: '123456789012/eu-west-1',
        timeMs: EXPORT_TIME_MS,
        items: 50,
      })
    }
    const items = await readAll(store, location)
    expect(items).toHaveLength(50)
    expect(items).toEqual(expect.arrayContaining(ITEMS))
  })

  it('of changes has its data beside its folder', async () => {
    const store = memoryStore()
    const lines = [{ Metadata: {}, Keys: { pk: { S: 'a' } }, NewImage: { pk: { S: 'a' } } }]
    const { location } = plantExport(store, lines, { files: 1, changes: INCREMENTAL })
    expect(await readManifest(store, location)).toMatchObject({ kind: 'incremental', timeMs: EXPORT_TIME_MS })
    expect(await readAll(store, location)).toEqual(lines)
  })

  it('that is not there, not finished, or one of several is refused by name', async () => {
    const store = memoryStore()
    await expect(readManifest(store, 'memory://exports')).rejects.toThrow(/no export lies there.*give the prefix/)
    store.plant('memory://exports/AWSDynamoDB/1/_started', Buffer.from(''))
    await expect(readManifest(store, 'memory://exports')).rejects.toThrow(/AWSDynamoDB\/1: this export is not finished/)
    plantExport(store, ITEMS, { at: 'memory://exports/AWSDynamoDB/a' })
    plantExport(store, ITEMS, { at: 'memory://exports/AWSDynamoDB/b' })
    await expect(readManifest(store, 'memory://exports')).rejects.toThrow(/2 exports.*AWSDynamoDB\/a, .*AWSDynamoDB\/b/)
  })

  it.each([
    ['in another format', { outputFormat: 'ION' }, /"outputFormat" is "ION"; export the table as DYNAMODB_JSON/],
    ['of another count', { itemCount: 51 }, /hold 50 items, manifest-summary.json says 51/],
    ['of an unknown type', { exportType: 'HALF_EXPORT' }, /"exportType" is "HALF_EXPORT"/],
    ['without a time', { exportTime: 'noon' }, /"exportTime" is "noon", no time/],
    ['of no table', { tableArn: 'arn:aws:s3:::x' }, /"tableArn" is "arn:aws:s3:::x"/],
    [
      'with data elsewhere',
      { manifestFilesS3Key: 'a/b/manifest-files.json' },
      /names the data file of-old.*neither in a\/b/,
    ],
  ])('%s is refused', async (_what, changes, message) => {
    const store = memoryStore()
    const { location } = plantExport(store, ITEMS, { changes })
    await expect(readManifest(store, location)).rejects.toThrow(message)
  })

  it('cannot reach out of its folder', async () => {
    const store = memoryStore()
    const { location } = plantExport(store, ITEMS, { files: 1 })
    const entry = { itemCount: 50, md5Checksum: 'x', dataFileS3Key: 'of-old/AWSDynamoDB/../../secret' }
    plantChecked(store, `${location}/manifest-files`, JSON.stringify(entry))
    await expect(readAll(store, location)).rejects.toThrow(/the step "\.\."/)
  })

  it('is refused where any byte of manifests or data is wrong', async () => {
    for (const path of ['manifest-summary.json', 'manifest-files.json', 'data/0.json.gz']) {
      const store = memoryStore()
      const { location } = plantExport(store, ITEMS)
      const got = await store.get(`${location}/${path}`)
      if (got.kind !== 'ok') throw new Error(got.kind)
      // In the middle of the text: of a gzip member that still inflates, all but the checksum may look right.
      const bytes = path.endsWith('gz')
        ? gzipSync(gunzipSync(got.bytes).toString().replace('#4"', '#5"'))
        : Buffer.from(Buffer.from(got.bytes).toString().replace('01764', '01765'))
      store.plant(`${location}/${path}`, bytes)
      await expect(readAll(store, location), path).rejects.toThrow(/its MD5 is .*, the (manifest|file beside it) says/)
    }
  })

  it('that lost a file, a line or a checksum is refused', async () => {
    const lost = async (path: string, content: Buffer | null) => {
      const store = memoryStore()
      const { location } = plantExport(store, ITEMS)
      await store.delete(`${location}/${path}`)
      if (content !== null) store.plant(`${location}/${path}`, content)
      return readAll(store, location)
    }
    await expect(lost('data/1.json.gz', null)).rejects.toThrow(/data\/1\.json\.gz/)
    await expect(lost('manifest-files.md5', null)).rejects.toThrow(/no checksum beside it/)
    await expect(lost('manifest-files.json', null)).rejects.toThrow(/manifest-files.json: is missing/)
    await expect(lost('data/1.json.gz', Buffer.from('{"Item":1}\n'))).rejects.toThrow(/its MD5 is/)
    await expect(lost('data/1.json.gz', gzipSync('{"Item":{}}\n').subarray(0, 20))).rejects.toThrow(
      /cannot be inflated/,
    )
  })
})
