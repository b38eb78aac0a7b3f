// Writes a DynamoDB export to S3 as the service lays it out, full or incremental, into a folder that stands for a bucket.
//
// The format: Amazon DynamoDB Developer Guide, "DynamoDB table export output format" (S3DataExport.Output). The guide calls the files
// beside the manifests `.checksum`; the service names them `.md5`.

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { AttributeMap } from '@lastwrite/merge-core/change-lines'

/** A change as an incremental export tells it: the first old image and the last new one of a key in the window; neither for a passing one. */
export interface ExportedChange {
  /** When the last write came, epoch microseconds. */
  readonly writtenMicros: number
  readonly keys: AttributeMap
  readonly oldImage?: AttributeMap
  /** Missing: the key was removed. */
  readonly newImage?: AttributeMap
}

export type ExportContent =
  | {
      readonly type: 'full'
      readonly items: Iterable<AttributeMap> | AsyncIterable<AttributeMap>
      /** The point in time of which it is, epoch milliseconds. */
      readonly timeMs: number
    }
  | {
      readonly type: 'incremental'
      readonly changes: Iterable<ExportedChange> | AsyncIterable<ExportedChange>
      readonly fromMs: number
      readonly toMs: number
    }

export interface ExportSettings {
  /** Stands for the bucket. */
  readonly folder: string
  readonly bucket?: string
  /** Before `AWSDynamoDB/`. Default: none. */
  readonly prefix?: string
  readonly table?: string
  /** `<account>/<region>` */
  readonly source?: string
  /** Data files, among which the items are dealt out by a hash, as a table's partitions do. Default 4. */
  readonly files?: number
}

export interface WrittenExport {
  /** Prefix of this export inside the bucket: `<prefix>/AWSDynamoDB/<id>`. */
  readonly prefix: string
  /** Paths below the folder. */
  readonly manifestSummary: string
  readonly manifestFiles: string
  readonly dataFiles: readonly string[]
  readonly items: number
}

/** Lines wait in memory until so many characters are there; each batch is a gzip member of its own. */
const BATCH_CHARACTERS = 4 * 1024 * 1024

/** Writes the export; data files hold their lines in the order in which they came. */
export async function writeExport(content: ExportContent, settings: ExportSettings): Promise<WrittenExport> {
  const { folder, bucket = 'exports', prefix = '', table = 'orders', source = '123456789012/eu-west-1' } = settings
  const [account, region] = source.split('/')
  const tableArn = `arn:aws:dynamodb:${region}:${account}:table/${table}`
  const timeMs = content.type === 'full' ? content.timeMs : content.toMs
  const id = `${String(timeMs).padStart(14, '0')}-${hash('md5', `${tableArn} ${JSON.stringify(prefix)}`)
    .toString('hex')
    .slice(0, 8)}`
  const root = prefix === '' ? 'AWSDynamoDB' : `${prefix}/AWSDynamoDB`
  const own = `${root}/${id}`
  // Incremental exports of a prefix share one folder of data files.
  const dataFolder = content.type === 'full' ? `${own}/data` : `${root}/data`

  const names = Array.from({ length: settings.files ?? 4 }, (_, i) => `${dataFolder}/${dataFileName(`${id} ${i}`)}`)
  const files = names.map((name) => ({ name, items: 0, text: '', members: [] as Buffer[] }))
  let bytes = 0
  for await (const { place, line } of linesOf(content)) {
    const file = files[hash('md5', place).readUInt32BE() % files.length]!
    file.items++
    file.text += `${line}\n`
    bytes += line.length
    if (file.text.length > BATCH_CHARACTERS) flush(file)
  }

  const manifest: object[] = []
  for (const file of files) {
    if (file.text !== '' || file.members.length === 0) flush(file)
    const stored = Buffer.concat(file.members)
    await write(join(folder, file.name), stored)
    const md5 = hash('md5', stored)
    manifest.push({
      itemCount: file.items,
      md5Checksum: md5.toString('base64'),
      etag: `${hash('md5', md5).toString('hex')}-1`,
      dataFileS3Key: file.name,
    })
  }
  const items = files.reduce((sum, file) => sum + file.items, 0)
  const manifestFiles = `${own}/manifest-files.json`
  const manifestSummary = `${own}/manifest-summary.json`
  const started = new Date(timeMs + 60_000).toISOString()
  await write(join(folder, own, '_started'), '')
  await writeWithChecksum(join(folder, manifestFiles), manifest.map((file) => `${JSON.stringify(file)}\n`).join(''))
  await writeWithChecksum(
    join(folder, manifestSummary),
    JSON.stringify({
      version: content.type === 'full' ? '2020-06-30' : '2023-08-01',
      exportArn: `${tableArn}/export/${id}`,
      startTime: started,
      endTime: new Date(timeMs + 360_000).toISOString(),
      tableArn,
      tableId: '12345a12-abcd-123a-ab12-1234abc12345',
      ...(content.type === 'full'
        ? { exportTime: iso(content.timeMs) }
        : { exportFromTime: iso(content.fromMs), exportToTime: iso(content.toMs) }),
      s3Bucket: bucket,
      s3Prefix: prefix === '' ? null : prefix,
      s3SseAlgorithm: 'AES256',
      s3SseKmsKeyId: null,
      manifestFilesS3Key: manifestFiles,
      billedSizeBytes: bytes,
      itemCount: items,
      outputFormat: 'DYNAMODB_JSON',
      ...(content.type === 'incremental' && { outputView: 'NEW_AND_OLD_IMAGES' }),
      exportType: content.type === 'full' ? 'FULL_EXPORT' : 'INCREMENTAL_EXPORT',
    }),
  )
  return { prefix: own, manifestSummary, manifestFiles, dataFiles: names, items }
}

/** Each line, and what decides in which data file it stands: no matter which, but the same for the same content. */
async function* linesOf(content: ExportContent): AsyncGenerator<{ place: string; line: string }> {
  if (content.type === 'full') {
    for await (const item of content.items) {
      const line = JSON.stringify({ Item: item })
      yield { place: line, line }
    }
    return
  }
  for await (const { writtenMicros, keys, oldImage, newImage } of content.changes) {
    const Metadata = { WriteTimestampMicros: { N: String(writtenMicros) } }
    yield {
      place: JSON.stringify(keys),
      line: JSON.stringify({ Metadata, Keys: keys, OldImage: oldImage, NewImage: newImage }),
    }
  }
}

function flush(file: { text: string; members: Buffer[] }): void {
  file.members.push(gzipSync(file.text, { level: 1 }))
  file.text = ''
}

/** 26 lower-case letters and digits. */
function dataFileName(seed: string): string {
  return `${BigInt(`0x${hash('sha256', seed).toString('hex')}`)
    .toString(36)
    .slice(0, 26)}.json.gz`
}

async function writeWithChecksum(path: string, text: string): Promise<void> {
  await write(path, text)
  await write(path.replace(/\.json$/, '.md5'), hash('md5', text).toString('base64'))
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function hash(algorithm: 'md5' | 'sha256', data: string | Uint8Array): Buffer {
  return createHash(algorithm).update(data).digest()
}
