// A DynamoDB export planted in a store, as the developer guide describes it ("DynamoDB table export output format").

import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { MemoryStore } from '../../src/store/memory.ts'

export interface PlantedExport {
  readonly location: string
  readonly dataFiles: readonly string[]
}

export const EXPORT_TIME_MS = Date.UTC(2026, 10, 24, 12)

/** Deals the lines out to `files` data files. `changes` go over the summary's own fields. */
export function plantExport(
  store: MemoryStore,
  lines: readonly object[],
  {
    files = 2,
    changes = {},
    at = 'memory://exports/AWSDynamoDB/01764000000000-abcd',
  }: { readonly files?: number; readonly changes?: Readonly<Record<string, unknown>>; readonly at?: string } = {},
): PlantedExport {
  const incremental = changes.exportType === 'INCREMENTAL_EXPORT'
  // Keys of the bucket that it was exported to, which need not be where it lies.
  const folderKey = 'of-old/AWSDynamoDB/01764000000000-abcd'
  const dataKey = incremental ? 'of-old/AWSDynamoDB/data' : `${folderKey}/data`
  const dataAt = incremental ? `${at.slice(0, at.lastIndexOf('/'))}/data` : `${at}/data`
  const dataFiles: string[] = []
  const manifest = Array.from({ length: files }, (_, file) => {
    const own = lines.filter((_line, i) => i % files === file)
    const bytes = gzipSync(own.map((line) => `${JSON.stringify(line)}\n`).join(''))
    store.plant(`${dataAt}/${file}.json.gz`, bytes)
    dataFiles.push(`${dataAt}/${file}.json.gz`)
    return { itemCount: own.length, md5Checksum: md5(bytes), etag: 'x-1', dataFileS3Key: `${dataKey}/${file}.json.gz` }
  })
  plantChecked(store, `${at}/manifest-files`, manifest.map((file) => `${JSON.stringify(file)}\n`).join(''))
  plantChecked(
    store,
    `${at}/manifest-summary`,
    JSON.stringify({
      version: '2020-06-30',
      tableArn: 'arn:aws:dynamodb:eu-west-1:123456789012:table/orders',
      exportTime: new Date(EXPORT_TIME_MS).toISOString(),
      manifestFilesS3Key: `${folderKey}/manifest-files.json`,
      itemCount: lines.length,
      outputFormat: 'DYNAMODB_JSON',
      exportType: 'FULL_EXPORT',
      ...changes,
    }),
  )
  return { location: at, dataFiles }
}

export function plantChecked(store: MemoryStore, path: string, text: string): void {
  store.plant(`${path}.json`, Buffer.from(text))
  store.plant(`${path}.md5`, Buffer.from(md5(Buffer.from(text))))
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}
