// State files: immutable Parquet files beside the table (tombstones, ledger), named by a property that changes with a snapshot.
//
// They are written whole under a name that was never used. A file that vanishes while a run reads it was superseded by another
// writer and cleaned away: reload and run again. Small files are merged into larger ones, so a list holds few.

import type { Column } from '../columns/column.ts'
import { concat } from '../columns/gather.ts'
import { DamagedObjectError, TryAgainError } from '../errors.ts'
import { assembleFile } from '../parquet/assemble-file.ts'
import { type KeyRange, keyRangesEntry, keyRangesOf } from '../parquet/key-ranges.ts'
import { type Footer, readFooter } from '../parquet/read-footer.ts'
import { readRowGroup } from '../parquet/read-row-group.ts'
import { type EncodedRowGroup, encodeRowGroup } from '../parquet/write-row-group.ts'
import type { Field } from '../primitive-type.ts'
import { type ByteSource, storeSource } from '../store/byte-source.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { createObject, failureError } from '../store/stored-object.ts'

/** Where state files are written. */
export interface StateFolder {
  readonly store: ObjectStore
  /** Absolute location, without a slash at its end. */
  readonly location: string
  /** A part of a file name that was never used before. */
  readonly newName: () => string
}

/** An entry of the table's properties `lastwrite.tombstones` and `lastwrite.ledger`. */
export interface StateFile {
  readonly path: string
  readonly bytes: number
  readonly rows: number
}

export interface OpenStateFile {
  readonly file: StateFile
  readonly source: ByteSource
  readonly footer: Footer
}

/** More files than this are merged. */
const FILES_MAX = 8
/** A file of up to this size is brought by one request. */
const WHOLE_BYTES_MAX = 1024 * 1024
/** A merge takes in a file of up to so many times the rows that it has anyway: each row is rewritten a logarithm of times. */
const MERGE_RATIO = 2

/** The property's text. */
export function formatStateFiles(files: readonly StateFile[]): string {
  return JSON.stringify(files.map(({ path, bytes, rows }) => ({ path, bytes, rows })))
}

/** @throws DamagedObjectError naming `metadataPath` where the text is no such list */
export function parseStateFiles(text: string | undefined, property: string, metadataPath: string): StateFile[] {
  if (text === undefined) return []
  const damaged = (what: string) =>
    new DamagedObjectError(metadataPath, `property ${property} ${what}; roll back to a snapshot before it was changed`)
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    throw damaged(`is no JSON (${(cause as Error).message})`)
  }
  if (!Array.isArray(list)) throw damaged('is no list')
  return list.map((entry) => {
    const { path, bytes, rows } = (entry ?? {}) as StateFile
    if (typeof path === 'string' && isCount(bytes) && isCount(rows)) return { path, bytes, rows }
    throw damaged(`has the entry ${JSON.stringify(entry)}, which lacks path, bytes or rows`)
  })
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** @throws TryAgainError where the file vanished or changed while it was read; DamagedObjectError where it is not the file that the table names */
export async function openStateFile(store: ObjectStore, file: StateFile): Promise<OpenStateFile> {
  const source = await storeSource(store, file.path, {
    ...(file.bytes <= WHOLE_BYTES_MAX && { tailBytes: file.bytes }),
    errorOf: (path, failure) =>
      failure.kind === 'missing' || failure.kind === 'conflict'
        ? new TryAgainError(
            `${path}: vanished while it was read, another writer superseded it; reload the table and run again`,
          )
        : failureError(path, 'reading', failure),
  })
  const footer = await readFooter(source)
  if (source.bytes === file.bytes && footer.numRows === file.rows) return { file, source, footer }
  throw new DamagedObjectError(
    file.path,
    `${source.bytes} bytes and ${footer.numRows} rows, where the table names ${file.bytes} bytes and ${file.rows} rows; restore it or roll back`,
  )
}

/** The columns of `fields` of a state file: whole, or those row groups whose range of keys is wanted, as far as the footer tells ranges. */
export async function readStateFile(
  store: ObjectStore,
  file: StateFile,
  fields: readonly Field[],
  isWanted?: (range: KeyRange) => boolean,
): Promise<Column[]> {
  const { source, footer } = await openStateFile(store, file)
  const ranges = isWanted === undefined ? null : keyRangesOf(footer)
  const groups: Column[][] = []
  for (let group = 0; group < footer.rowGroups.length; group++) {
    if (ranges === null || isWanted!(ranges[group]!)) groups.push(await readRowGroup(source, footer, group, fields))
  }
  const columnOf = (field: Field, at: number) =>
    concat(
      field.type,
      groups.map((group) => group[at]!),
    )
  return fields.map(columnOf)
}

/** Collects the row groups of one state file, encoded, in order. */
export interface StateFileWriter {
  readonly rows: number
  /** `range`: first and last key of the group, where the file is one of keys. */
  add(columns: readonly Column[], range?: KeyRange): void
  /** Writes the file, unless there is nothing to write. */
  finish(): Promise<StateFile | null>
}

/** @param kind the sub-folder, `tombstones` or `ledger` */
export function stateFileWriter(
  folder: StateFolder,
  kind: string,
  fields: readonly Field[],
  keyColumns: number,
): StateFileWriter {
  const groups: EncodedRowGroup[] = []
  const ranges: KeyRange[] = []
  let rows = 0
  return {
    get rows() {
      return rows
    },
    add(columns, range) {
      if (columns[0]!.rows === 0) return
      groups.push(encodeRowGroup(fields, columns, { codec: 'zstd', level: 1, keyColumns }))
      if (range !== undefined) ranges.push(range)
      rows += columns[0]!.rows
    },
    async finish() {
      if (groups.length === 0) return null
      const keyValueMetadata = ranges.length === 0 ? [] : [keyRangesEntry(ranges)]
      const file = assembleFile(fields, groups, { keyColumns: 0, keyValueMetadata })
      const path = `${folder.location}/${kind}/${folder.newName()}.parquet`
      await createObject(folder.store, path, file.parts)
      return { path, bytes: file.fileBytes, rows }
    },
  }
}

/**
 * The files to merge with `newRows` rows that come on top, so that at most `filesMax` stay: the smallest ones, and larger ones as long
 * as they do not outweigh what is merged. None where the list is short enough.
 */
export function filesToMerge(files: readonly StateFile[], newRows: number, filesMax = FILES_MAX): StateFile[] {
  if (files.length + 1 <= filesMax) return []
  const bySize = [...files].sort((a, b) => a.rows - b.rows)
  let merged = files.length + 1 - filesMax
  let rows = bySize.slice(0, merged).reduce((sum, file) => sum + file.rows, newRows)
  while (merged < bySize.length && bySize[merged]!.rows <= MERGE_RATIO * rows) rows += bySize[merged++]!.rows
  return bySize.slice(0, merged)
}
