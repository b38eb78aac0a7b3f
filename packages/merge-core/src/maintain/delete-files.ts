import pMap from 'p-map'
import type { Environment } from '../environment.ts'
import type { Failure } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'
import type { FileKind, NamedFile } from './named-files.ts'

const DELETES_AT_ONCE = 16
const ATTEMPTS_MAX = 3
const BACKOFF_MS = 200

export type FileSums = Readonly<Partial<Record<FileKind, { readonly files: number; readonly bytes: number }>>>

/** By kind. Bytes of files of which nobody said how long they are count as none. */
export function sumsOf(files: Iterable<NamedFile>): FileSums {
  const sums: Partial<Record<FileKind, { files: number; bytes: number }>> = {}
  for (const { kind, bytes } of files) {
    sums[kind] ??= { files: 0, bytes: 0 }
    const sum = sums[kind]
    sum.files++
    sum.bytes += bytes ?? 0
  }
  return sums
}

/**
 * Deletes objects whose names are never used again, so that each can be asked for twice. All are tried before it
 * @throws TryAgainError, InputError for the first that could not be deleted
 */
export async function deleteFiles({ store, sleep, random }: Environment, paths: readonly string[]): Promise<void> {
  const failures = await pMap(paths, deleteFile, { concurrency: DELETES_AT_ONCE })
  for (const [i, failure] of failures.entries()) {
    if (failure !== null) throw failureError(paths[i]!, 'deleting', failure)
  }

  async function deleteFile(path: string): Promise<Failure | null> {
    for (let attempt = 1; ; attempt++) {
      const result = await store.delete(path)
      if (result.kind === 'ok' || result.kind === 'missing') return null
      if ((result.kind !== 'unknown' && result.kind !== 'throttled') || attempt === ATTEMPTS_MAX) return result
      await sleep(random() * BACKOFF_MS * 2 ** attempt)
    }
  }
}
