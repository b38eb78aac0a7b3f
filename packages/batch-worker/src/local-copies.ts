// Stored objects as files of a folder of their own, for a program that reads files: `s3://bucket/key` becomes `<folder>/bucket/key`.

import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DamagedObjectError, type Environment, InputError, TryAgainError } from '@lastwrite/merge-core'

const AT_ONCE = 4
const RANGE_BYTES = 16 * 1024 * 1024

/** Makes the folder, which goes with the process at the latest. Nobody else may read it. */
export function newCopiesFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-sql-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function copyOf(folder: string, location: string): string {
  return join(folder, location.slice('s3://'.length))
}

/** @throws what says whether to run again, to get the right, or to restore an object */
export async function copyObjects(
  { store }: Pick<Environment, 'store'>,
  locations: readonly string[],
  folder: string,
): Promise<void> {
  const left = locations.values()
  const lane = async () => {
    for (const location of left) await copyObject(store, location, copyOf(folder, location))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

async function copyObject(store: Environment['store'], location: string, path: string): Promise<void> {
  const { etag, objectBytes } = await read(store, location, { range: { suffix: 1 } })
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'wx', 0o600)
  try {
    for (let start = 0; start < objectBytes; start += RANGE_BYTES) {
      const end = Math.min(start + RANGE_BYTES, objectBytes)
      const { bytes } = await read(store, location, { range: { start, end }, etag })
      await file.write(bytes, 0, bytes.length, start)
    }
  } finally {
    await file.close()
  }
}

async function read(store: Environment['store'], location: string, options: Parameters<typeof store.get>[1]) {
  const got = await store.get(location, options)
  switch (got.kind) {
    case 'ok':
      return got
    case 'missing':
      throw new DamagedObjectError(location, 'is named by the table and does not exist; restore it or roll back')
    case 'denied':
      throw new InputError(`${location}: reading was denied (${got.cause.message}); grant the right and run again`)
    default:
      throw new TryAgainError(`${location}: reading failed, ${got.kind}; run again`)
  }
}
