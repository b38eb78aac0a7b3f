// A folder of the local file system as an object store.
//
// Nobody sees half an object: bytes go to a temporary file beside the name, and one system call gives it the name.
//   create     link(2), which fails where the name exists
//   replace    a claim on the version to be replaced, then rename(2) (see replaceFile)
//   overwrite  rename(2)
// A stored file is never written to, so a file that is open stays one version whatever becomes of its name. Temporary files
// and claims of a process that died stay behind; they are never listed and stand in nobody's way.

import { type BigIntStats, closeSync, constants, type Dirent, fstatSync, openSync } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, readlink, rename, stat, symlink, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { InputError } from '../errors.ts'
import { resolveRange } from './byte-range.ts'
import {
  codeOf,
  etagOf,
  fileOf,
  HIDDEN_NAME,
  ignoreMissing,
  MISSING_CODES,
  parseFileLocation,
  readFully,
  statFile,
  writtenInPlace,
} from './local-file.ts'
import { removeTemporary, streamTemporary, type TemporaryFile, writeTemporary } from './local-parts.ts'
import { byLocation, parseLocation, parseObjectLocation } from './location.ts'
import type {
  ByteStream,
  DeleteResult,
  Failure,
  GetResult,
  ListedObject,
  ListResult,
  ObjectPart,
  ObjectStore,
  PutMode,
  PutResult,
} from './object-store.ts'

export interface LocalStoreOptions {
  /**
   * Whether `ok` means on the disk (the file and its folder are synced) and not only in the page cache. Without, a power cut or a
   * crash of the kernel may take back what was written last, in any order; a crash of this process may not. Default true.
   */
  readonly durable?: boolean
}

/**
 * Objects as files. Locations are `file:///lake/x`, `file:/lake/x` or `/lake/x`; a listing returns the form that it was asked
 * with. The tag is the file's inode, modification time and size.
 * @throws InputError for a location that is not one of these or that no file can have
 */
export function localStore(options: LocalStoreOptions = {}): ObjectStore {
  const durable = options.durable ?? true
  return {
    get: (path, getOptions = {}) => orFailure(() => getFile(path, getOptions)),
    put: (path, content, mode) => orFailure(() => putFile(path, content, mode, durable)),
    createFrom: (path, stream) => orFailure(() => createFile(path, stream, durable)),
    list: (prefix, { after } = {}) => orFailure(() => listFiles(prefix, after)),
    delete: (path) => orFailure(() => deleteFile(path)),
  }
}

/** Opens, looks and closes at once: a call that goes by way of another thread takes ten times as long, and only reading is worth it. */
async function getFile(path: string, options: Parameters<ObjectStore['get']>[1] & {}): Promise<GetResult> {
  const file = openSync(fileOf(path), 'r')
  try {
    const before = fstatSync(file, { bigint: true })
    if (!before.isFile()) return { kind: 'missing' }
    const etag = etagOf(before)
    if (options.etag !== undefined && options.etag !== etag) return { kind: 'conflict' }
    const objectBytes = Number(before.size)
    const range = resolveRange(path, options.range, objectBytes)
    if (range.kind !== 'ok') return range
    const bytes = options.into?.subarray(0, range.end - range.start) ?? new Uint8Array(range.end - range.start)
    const read = await readFully(file, bytes, range.start)
    if (read < bytes.length || etagOf(fstatSync(file, { bigint: true })) !== etag) return writtenInPlace(path)
    return { kind: 'ok', bytes, etag, objectBytes }
  } finally {
    closeSync(file)
  }
}

async function putFile(
  path: string,
  content: Uint8Array | readonly ObjectPart[],
  mode: PutMode,
  durable: boolean,
): Promise<PutResult> {
  const file = fileOf(path)
  const current = mode.kind === 'create' ? null : await statFile(file)
  if (mode.kind === 'replace') {
    if (current === null) return { kind: 'missing' }
    if (etagOf(current) !== mode.etag) return { kind: 'conflict' }
  }
  const folder = dirname(file)
  await makeFolder(folder, durable)
  const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
  return writeTemporary(folder, parts, durable, async (temporary) => {
    if (current !== null) await datedAfter(temporary.handle, current)
    return publish(temporary, file, mode, durable)
  })
}

async function createFile(path: string, stream: ByteStream, durable: boolean): Promise<PutResult> {
  const file = fileOf(path)
  const folder = dirname(file)
  await makeFolder(folder, durable)
  return streamTemporary(folder, stream, durable, (temporary) => publish(temporary, file, { kind: 'create' }, durable))
}

async function publish(temporary: TemporaryFile, file: string, mode: PutMode, durable: boolean): Promise<PutResult> {
  if (durable) await temporary.handle.sync()
  const written = await temporary.handle.stat({ bigint: true })
  const failure = await giveName(temporary, file, mode)
  if (failure !== null) return failure
  if (durable) await syncFolder(dirname(file))
  return { kind: 'ok', etag: etagOf(written), objectBytes: Number(written.size) }
}

async function giveName(temporary: TemporaryFile, file: string, mode: PutMode): Promise<Failure | null> {
  switch (mode.kind) {
    case 'create':
      return (await linkFile(temporary, file)) ? null : { kind: 'conflict' }
    case 'replace':
      return replaceFile(temporary.name, file, mode.etag)
    case 'overwrite':
      await rename(temporary.name, file)
      return null
  }
}

/**
 * The kernel's clock ticks every few milliseconds and inodes are used again: two versions of an object could get one tag. So a
 * version is always dated later than the one that it replaces. (2 µs: the call takes seconds as a double.)
 */
async function datedAfter(temporary: FileHandle, current: BigIntStats): Promise<void> {
  if ((await temporary.stat({ bigint: true })).mtimeNs > current.mtimeNs) return
  const seconds = Number(current.mtimeNs / 1000n + 2n) / 1e6
  await temporary.utimes(seconds, seconds)
}

async function linkFile(temporary: TemporaryFile, file: string): Promise<boolean> {
  try {
    await link(temporary.name, file)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    // A network file system that sent the call twice says EEXIST to its own success; the second name then shows in the count.
    return (await temporary.handle.stat()).nlink > 1
  }
}

/**
 * Renames over `file` only if it is the version `etag`, though rename(2) has no condition. Whoever wants to replace a version
 * first claims it. Its claims are numbered; a number is taken by symlink(2), which fails where it exists and holds the
 * claimant's host and process; the next number may be taken only if the holder of this one is dead, which it stays. So at most
 * one living process holds a claim on a version. It looks again whether that version still stands (nobody else can end it
 * now), renames, and lets go. The claims of the dead stay: those above them rest on them.
 */
async function replaceFile(temporary: string, file: string, etag: string): Promise<Failure | null> {
  const claim = await claimVersion(dirname(file), etag)
  if (claim === null) return { kind: 'conflict' }
  try {
    const current = await statFile(file)
    if (current === null) return { kind: 'missing' }
    if (etagOf(current) !== etag) return { kind: 'conflict' }
    await rename(temporary, file)
    return null
  } finally {
    await removeTemporary(claim)
  }
}

async function claimVersion(folder: string, etag: string): Promise<string | null> {
  for (let number = 0; ; number++) {
    const claim = `${folder}/.lastwrite-replace-${etag}-${number}.tmp`
    if (await takeClaim(claim)) return claim
    if (await isHolderAlive(claim)) return null
  }
}

async function takeClaim(claim: string): Promise<boolean> {
  try {
    await symlink(`${hostname()}:${process.pid}`, claim)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function isHolderAlive(claim: string): Promise<boolean> {
  const holder = await readlink(claim).catch(() => '')
  const [host, pid] = holder.split(':')
  if (host !== hostname() || pid === undefined) return true
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

async function listFiles(prefix: string, after: string | undefined): Promise<ListResult> {
  const { scheme, path } = parseFileLocation(prefix, parseLocation)
  const objects: ListedObject[] = []
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  await listFolder(scheme, folder, path.slice(folder.length), objects)
  const wanted = after === undefined ? objects : objects.filter((object) => byLocation(object, { path: after }) > 0)
  return { kind: 'ok', objects: wanted.sort(byLocation) }
}

async function listFolder(scheme: string, folder: string, start: string, into: ListedObject[]): Promise<void> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    return ignoreMissing(error)
  }
  const folders: string[] = []
  await Promise.all(
    entries.map(async (entry) => {
      if (!entry.name.startsWith(start) || HIDDEN_NAME.test(entry.name)) return
      const name = folder + entry.name
      if (entry.isDirectory()) {
        folders.push(`${name}/`)
        return
      }
      const found = await stat(name, { bigint: true }).catch(ignoreMissing)
      if (found === undefined) {
        // readdir replaces bytes that are no UTF-8, and no call can then name the file: better stopped than left out.
        if (entry.name.includes('\ufffd')) throw new InputError(`${name}: its name is not UTF-8; rename it`)
        return
      }
      if (found.isDirectory()) folders.push(`${name}/`)
      if (!found.isFile()) return
      const path = scheme + name
      parseObjectLocation(path)
      into.push({ path, etag: etagOf(found), objectBytes: Number(found.size), modifiedMs: Number(found.mtimeMs) })
    }),
  )
  for (const inner of folders) await listFolder(scheme, inner, '', into)
}

async function deleteFile(path: string): Promise<DeleteResult> {
  await unlink(fileOf(path)).catch(ignoreMissing)
  return { kind: 'ok' }
}

async function makeFolder(folder: string, durable: boolean): Promise<void> {
  const first = await mkdir(folder, { recursive: true }).catch((error) => {
    if (!['EEXIST', 'ENOTDIR'].includes(codeOf(error))) throw error
    throw new InputError(`${folder}: a file stands where a folder must be; name the object otherwise`, { cause: error })
  })
  if (first === undefined || !durable) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const DENIED_CODES = new Set(['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ELOOP', 'ENOTSUP', 'EOPNOTSUPP'])
const THROTTLED_CODES = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY'])

/** Sorts the errors of the file system into the outcome classes; those that are none of its own are thrown on. */
async function orFailure<T>(act: () => Promise<T>): Promise<T | Failure> {
  try {
    return await act()
  } catch (error) {
    const code = codeOf(error)
    if (!(error instanceof Error) || !('syscall' in error)) throw error
    if (MISSING_CODES.has(code)) return { kind: 'missing' }
    if (DENIED_CODES.has(code)) return { kind: 'denied', cause: error }
    if (THROTTLED_CODES.has(code)) return { kind: 'throttled', cause: error }
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return {
        kind: 'unknown',
        cause: new Error(`no space left for it; free some: ${error.message}`, { cause: error }),
      }
    }
    return { kind: 'unknown', cause: error }
  }
}
