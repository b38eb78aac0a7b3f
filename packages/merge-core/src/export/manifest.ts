// What a DynamoDB export to S3 consists of: manifest-summary.json, and manifest-files.json that it names, each beside its checksum.
//
// The format: Amazon DynamoDB Developer Guide, "DynamoDB table export output format". The guide calls the files beside the manifests
// `.checksum`, the service names them `.md5`; either does. An export may have been copied elsewhere since: data files are found from
// where the manifests lie, never from the bucket that these name.

import { createHash } from 'node:crypto'
import { DamagedObjectError, InputError } from '../errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'

export interface ExportManifest {
  /** The folder of the manifests, `…/AWSDynamoDB/<export id>`, without a slash at its end. */
  readonly location: string
  readonly kind: 'full' | 'incremental'
  readonly table: string
  /** `<account>/<region>` */
  readonly source: string
  /** The export is of the table as it was then, in epoch milliseconds. */
  readonly timeMs: number
  /** Where an incremental one begins. */
  readonly fromMs: number | null
  /** Of all files. */
  readonly items: number
  readonly files: readonly ExportFile[]
}

export interface ExportFile {
  readonly path: string
  /** Of the object as it is stored, in base64. */
  readonly md5: string
  /** Lines: items, or changes of an incremental export. */
  readonly items: number
}

const SUMMARY = 'manifest-summary.json'
const FILES = 'manifest-files.json'
const CHECKSUM_ENDINGS = ['.md5', '.checksum']

/**
 * @param prefix the export's folder, or one above it with no other export below
 * @throws InputError where there is no export, several, or one that cannot be read; DamagedObjectError where a manifest is not what its
 *   checksum or its form says
 */
export async function readManifest(store: ObjectStore, prefix: string): Promise<ExportManifest> {
  const location = await findExport(store, prefix.replace(/\/+$/, ''))
  const summaryPath = `${location}/${SUMMARY}`
  const summary = parseObject(summaryPath, await readChecked(store, summaryPath))
  const { outputFormat } = summary
  if (outputFormat !== 'DYNAMODB_JSON') {
    throw new InputError(
      `${summaryPath}: "outputFormat" is ${JSON.stringify(outputFormat)}; export the table as DYNAMODB_JSON`,
    )
  }
  const folderKey = textOf(summaryPath, summary, 'manifestFilesS3Key').replace(`/${FILES}`, '')
  const filesPath = `${location}/${FILES}`
  const lines = (await readChecked(store, filesPath)).split('\n').filter((line) => line !== '')
  const files = lines.map((line) => exportFile(filesPath, parseObject(filesPath, line), location, folderKey))
  const items = countOf(summaryPath, summary, 'itemCount')
  const listed = files.reduce((sum, file) => sum + file.items, 0)
  if (listed !== items) {
    throw new DamagedObjectError(filesPath, `its files hold ${listed} items, ${SUMMARY} says ${items}; copy it again`)
  }
  return { location, ...kindAndTimes(summaryPath, summary), ...tableOf(summaryPath, summary), items, files }
}

async function findExport(store: ObjectStore, folder: string): Promise<string> {
  const listed = await store.list(`${folder}/`)
  if (listed.kind !== 'ok') throw failureError(folder, 'listing', listed)
  const endings = (name: string) =>
    listed.objects.flatMap(({ path }) => (path.endsWith(`/${name}`) ? [path.slice(0, -name.length - 1)] : []))
  const found = endings(SUMMARY)
  if (found.includes(folder)) return folder
  if (found.length === 1) return found[0]!
  if (found.length > 1)
    throw new InputError(`${folder}: ${found.length} exports lie there, name one: ${found.join(', ')}`)
  const [started] = endings('_started')
  throw new InputError(
    started === undefined
      ? `${folder}: no export lies there: there is no ${SUMMARY}; give the prefix of an export`
      : `${started}: this export is not finished, or it failed: there is no ${SUMMARY} yet`,
  )
}

async function readChecked(store: ObjectStore, path: string): Promise<string> {
  const bytes = await read(store, path)
  if (bytes === null) throw new DamagedObjectError(path, 'is missing; copy the whole export')
  const expected = await readChecksum(store, path)
  const actual = createHash('md5').update(bytes).digest('base64')
  if (actual !== expected) {
    throw new DamagedObjectError(path, `its MD5 is ${actual}, the file beside it says ${expected}; copy it again`)
  }
  return Buffer.from(bytes).toString('utf8')
}

async function readChecksum(store: ObjectStore, path: string): Promise<string> {
  for (const ending of CHECKSUM_ENDINGS) {
    const bytes = await read(store, path.replace(/\.json$/, ending))
    if (bytes !== null) return Buffer.from(bytes).toString('latin1').trim()
  }
  throw new DamagedObjectError(
    path,
    `has no checksum beside it (${CHECKSUM_ENDINGS.join(', ')}); copy the whole export`,
  )
}

async function read(store: ObjectStore, path: string): Promise<Uint8Array | null> {
  const got = await store.get(path)
  if (got.kind === 'missing') return null
  if (got.kind !== 'ok') throw failureError(path, 'reading', got)
  return got.bytes
}

type Fields = Readonly<Record<string, unknown>>

function exportFile(filesPath: string, fields: Fields, location: string, folderKey: string): ExportFile {
  const key = textOf(filesPath, fields, 'dataFileS3Key')
  return {
    path: pathOfKey(filesPath, key, location, folderKey),
    md5: textOf(filesPath, fields, 'md5Checksum'),
    items: countOf(filesPath, fields, 'itemCount'),
  }
}

/** Full exports have their data below the manifests' folder, incremental ones share a folder beside it. */
function pathOfKey(filesPath: string, key: string, location: string, folderKey: string): string {
  if (key.startsWith(`${folderKey}/`)) return `${location}${key.slice(folderKey.length)}`
  const parentKey = folderKey.slice(0, folderKey.lastIndexOf('/') + 1)
  if (parentKey !== '' && key.startsWith(parentKey)) {
    return `${location.slice(0, location.lastIndexOf('/') + 1)}${key.slice(parentKey.length)}`
  }
  throw new DamagedObjectError(
    filesPath,
    `names the data file ${key}, which lies neither in ${folderKey} nor beside it`,
  )
}

function kindAndTimes(path: string, summary: Fields): Pick<ExportManifest, 'kind' | 'timeMs' | 'fromMs'> {
  const type = summary.exportType
  if (type === 'INCREMENTAL_EXPORT') {
    const fromMs = timeOf(path, summary, 'exportFromTime')
    return { kind: 'incremental', timeMs: timeOf(path, summary, 'exportToTime'), fromMs }
  }
  // Exports of before there were incremental ones do not say.
  if (type === undefined || type === 'FULL_EXPORT') {
    return { kind: 'full', timeMs: timeOf(path, summary, 'exportTime'), fromMs: null }
  }
  throw new InputError(`${path}: "exportType" is ${JSON.stringify(type)}, known are FULL_EXPORT and INCREMENTAL_EXPORT`)
}

function tableOf(path: string, summary: Fields): Pick<ExportManifest, 'table' | 'source'> {
  const arn = textOf(path, summary, 'tableArn')
  const match = /^arn:[^:]+:dynamodb:([^:]+):([^:]+):table\/([^/:]+)$/.exec(arn)
  if (match === null) throw new DamagedObjectError(path, `"tableArn" is ${JSON.stringify(arn)}, no ARN of a table`)
  return { table: match[3]!, source: `${match[2]}/${match[1]}` }
}

function parseObject(path: string, text: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DamagedObjectError(path, `is not JSON (${(cause as Error).message})`, { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new DamagedObjectError(path, 'does not hold a JSON object')
}

function textOf(path: string, fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value === 'string' && value !== '') return value
  throw new DamagedObjectError(path, `"${name}" is ${JSON.stringify(value)}, no text`)
}

function countOf(path: string, fields: Fields, name: string): number {
  const value = fields[name]
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new DamagedObjectError(path, `"${name}" is ${JSON.stringify(value)}, no count`)
}

function timeOf(path: string, fields: Fields, name: string): number {
  const text = textOf(path, fields, name)
  const ms = Date.parse(text)
  if (Number.isFinite(ms)) return ms
  throw new DamagedObjectError(path, `"${name}" is ${JSON.stringify(text)}, no time`)
}
