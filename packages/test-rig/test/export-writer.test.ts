import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { type ExportContent, writeExport } from '../src/export-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastwrite-export-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Reads an export back by its manifests alone, checking what they say. */
function readExport(manifestSummary: string) {
  const checked = (path: string) => {
    const bytes = readFileSync(join(folder, path))
    expect(readFileSync(join(folder, path.replace('.json', '.md5')), 'utf8')).toBe(md5(bytes))
    return bytes.toString('utf8')
  }
  const summary = JSON.parse(checked(manifestSummary))
  const files = lines(checked(summary.manifestFilesS3Key))
  const content = files.flatMap((file) => {
    const bytes = readFileSync(join(folder, file.dataFileS3Key))
    expect(file.md5Checksum).toBe(md5(bytes))
    const of = lines(gunzipSync(bytes).toString('utf8'))
    expect(of).toHaveLength(file.itemCount)
    return of
  })
  expect(content).toHaveLength(summary.itemCount)
  return { summary, content }
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64')
const lines = (text: string) => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

describe('an export', () => {
  const items = Array.from({ length: 100 }, (_, i) => ({ pk: { S: `ü#${i}` }, n: { N: String(i) } }))

  it('of a table holds each item once, and its manifests say where, with checksums', async () => {
    const content: ExportContent = { type: 'full', items, timeMs: Date.UTC(2026, 10, 22, 9) }
    const written = await writeExport(content, { folder, prefix: 'exports/orders' })
    const { summary, content: found } = readExport(written.manifestSummary)
    expect(summary).toMatchObject({
      exportTime: '2026-11-22T09:00:00.000Z',
      exportType: 'FULL_EXPORT',
      outputFormat: 'DYNAMODB_JSON',
    })
    expect(found.map(({ Item }) => Item).sort((a, b) => a.n.N - b.n.N)).toEqual(items)
    expect(written.dataFiles.every((name) => name.startsWith('exports/orders/AWSDynamoDB/'))).toBe(true)
  })

  it('of an empty table has data files without a line', async () => {
    const { manifestSummary } = await writeExport({ type: 'full', items: [], timeMs: 1 }, { folder, files: 2 })
    expect(readExport(manifestSummary)).toMatchObject({ summary: { itemCount: 0 }, content: [] })
  })

  it('of changes holds both images and the time of the last write', async () => {
    const changes = [
      { writtenMicros: 1_700_000_000_000_001, keys: { pk: { S: 'a' } }, newImage: items[0]! },
      { writtenMicros: 1_700_000_000_000_002, keys: { pk: { S: 'b' } }, oldImage: items[1]! },
    ]
    const written = await writeExport({ type: 'incremental', changes, fromMs: 0, toMs: 1e12 }, { folder, files: 1 })
    const { summary, content } = readExport(written.manifestSummary)
    expect(summary).toMatchObject({ exportType: 'INCREMENTAL_EXPORT', outputView: 'NEW_AND_OLD_IMAGES' })
    expect(content).toEqual([
      {
        Metadata: { WriteTimestampMicros: { N: '1700000000000001' } },
        Keys: { pk: { S: 'a' } },
        NewImage: items[0],
      },
      {
        Metadata: { WriteTimestampMicros: { N: '1700000000000002' } },
        Keys: { pk: { S: 'b' } },
        OldImage: items[1],
      },
    ])
  })
})
