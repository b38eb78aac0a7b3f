// The protected state as it was with one snapshot: one small file, named by the snapshot's summary. Properties hold the newest state
// only; a rollback finds the one of its target here.

import { DamagedObjectError, InputError } from '../errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { createObject, readObject } from '../store/stored-object.ts'
import { parseStateFiles, type StateFile } from './state-file.ts'

export interface ProtectedState {
  readonly tombstones: readonly StateFile[]
  readonly ledger: readonly StateFile[]
  /** Epoch seconds. */
  readonly watermark: number | null
  readonly floor: number | null
}

const FORMAT = 1

export async function writeStateLists(store: ObjectStore, path: string, state: ProtectedState): Promise<void> {
  const { tombstones, ledger, watermark, floor } = state
  await createObject(store, path, Buffer.from(JSON.stringify({ format: FORMAT, tombstones, ledger, watermark, floor })))
}

/** @throws DamagedObjectError where the file is missing or is not what it must be; InputError where a later version wrote it */
export async function readStateLists(store: ObjectStore, path: string): Promise<ProtectedState> {
  const text = Buffer.from(await readObject(store, path)).toString()
  let lists: { readonly [name: string]: unknown }
  try {
    lists = (JSON.parse(text) ?? {}) as typeof lists
  } catch (cause) {
    throw new DamagedObjectError(path, 'is no JSON; roll back to another snapshot', { cause })
  }
  if (!Number.isSafeInteger(lists.format))
    throw new DamagedObjectError(path, 'names no format; roll back to another snapshot')
  if ((lists.format as number) > FORMAT) {
    throw new InputError(
      `${path}: written in format ${lists.format}, this version reads up to ${FORMAT}; use a newer lastwrite`,
    )
  }
  const files = (name: string) => parseStateFiles(JSON.stringify(lists[name]), name, path)
  const seconds = (name: string): number | null => {
    const value = lists[name] ?? null
    if (value === null || Number.isSafeInteger(value)) return value as number | null
    throw new DamagedObjectError(
      path,
      `${name} is ${JSON.stringify(value)}, not whole seconds; roll back to another snapshot`,
    )
  }
  return {
    tombstones: files('tombstones'),
    ledger: files('ledger'),
    watermark: seconds('watermark'),
    floor: seconds('floor'),
  }
}
