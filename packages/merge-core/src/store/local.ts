// A folder of the local file system as an object store.
//
// Nobody sees half an object: bytes go to a temporary file beside the name, and one system call gives it the name.
//   create     link(2), which fails where the name exists
//   replace    a claim on the version to be replaced, then rename(2) (see replaceFile)
//   overwrite  rename(2)
// A stored file is never written to, so a file that is open stays one version whatever becomes of its name. Temporary files
// and claims of a process that died stay behind; they are never listed and stand in nobody's way.

import { type BigIntStats, constants, type Dirent } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, readlink, rename, stat, symlink, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { InputError } from '../errors.ts'
import { resolveRange } from './byte-range.ts'
import { byLocation, parseLocation, parseObjectLocation } from './location.ts'
import type {
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

const COPY_BUFFER_BYTES = 4 * 1024 * 1024
/** One read or write call takes less than 2 GiB. */
const CALL_BYTES_MAX = 1024 * 1024 * 1024
/** Names that listings leave out: ours while a put is under way, and the checksum files that Hadoop lays beside its files. */
const HIDDEN_NAME = /^\..*\.(tmp|crc)$/

export interface LocalStoreOptions {
  /** Whether `ok` means on the disk (the file and its folder are synced) and not only in the page cache. Default true. */
  readonly fsync?: boolean
}

/**
 * Objects as files. Locations are `file:///lake/x`, `file:/lake/x` or `/lake/x`; a listing returns the form that it was asked
 * with. The tag is the file's inode, modification time and size.
 * @throws InputError for a location that is not one of these or that no file can have
 */
export function localStore(options: LocalStoreOptions = {}): ObjectStore {
  const fsync = options.fsync ?? true
  return {
    get: (path, getOptions = {}) => orFailure(() => getFile(path, getOptions)),
    put: (path, content, mode) => orFailure(() => putFile(path, content, mode, fsync)),
    list: (prefix) => orFailure(() => listFiles(prefix)),
    delete: (path) => orFailure(() => deleteFile(path)),
  }
}

async function getFile(path: string, options: Parameters<ObjectStore['get']>[1] & {}): Promise<GetResult> {
  const file = await open(fileOf(path), 'r')
  try {
    const before = await file.stat({ bigint: true })
    if (!before.isFile()) return { kind: 'missing' }
    const etag = etagOf(before)
    if (options.etag !== undefined && options.etag !== etag) return { kind: 'conflict' }
    const objectBytes = Number(before.size)
    const range = resolveRange(path, options.range, objectBytes)
    if (range.kind !== 'ok') return range
    const bytes = new Uint8Array(range.end - range.start)
    const read = await readFully(file, bytes, range.start)
    if (read < bytes.length || etagOf(await file.stat({ bigint: true })) !== etag) return writtenInPlace(path)
    return { kind: 'ok', bytes, etag, objectBytes }
  } finally {
    await file.close()
  }
}

/** Only a foreign program writes into a file that stands. */
function writtenInPlace(path: string): Failure {
  return { kind: 'corrupt', cause: new Error(`${path}: another program changed it while it was read`) }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const { bytesRead } = await file.read(
      into,
      filled,
      Math.min(into.length - filled, CALL_BYTES_MAX),
      position + filled,
    )
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

async function putFile(
  path: string,
  content: Uint8Array | readonly ObjectPart[],
  mode: PutMode,
  fsync: boolean,
): Promise<PutResult> {
  const file = fileOf(path)
  const current = mode.kind === 'create' ? null : await statFile(file)
  if (mode.kind === 'replace') {
    if (current === null) return { kind: 'missing' }
    if (etagOf(current) !== mode.etag) return { kind: 'conflict' }
  }
  await makeFolder(dirname(file), fsync)
  const temporary = await openTemporary(dirname(file))
  try {
    const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
    const failure = await writeParts(temporary.handle, parts)
    if (failure !== null) return failure
    if (current !== null) await datedAfter(temporary.handle, current)
    if (fsync) await temporary.handle.sync()
    const written = await temporary.handle.stat({ bigint: true })
    const done = { kind: 'ok' as const, etag: etagOf(written), objectBytes: Number(written.size) }

    if (mode.kind === 'create' && !(await linkFile(temporary, file))) return { kind: 'conflict' }
    if (mode.kind === 'overwrite') await rename(temporary.name, file)
    if (mode.kind === 'replace') {
      const failure = await replaceFile(temporary.name, file, mode.etag)
      if (failure !== null) return failure
    }
    if (fsync) await syncFolder(dirname(file))
    return done
  } finally {
    await temporary.handle.close()
    await removeTemporary(temporary.name)
  }
}

interface TemporaryFile {
  readonly name: string
  readonly handle: FileHandle
}

let temporaryFiles = 0

async function openTemporary(folder: string): Promise<TemporaryFile> {
  for (;;) {
    const name = `${folder}/.lastwrite-${process.pid}-${temporaryFiles++}.tmp`
    try {
      return { name, handle: await open(name, 'wx') }
    } catch (error) {
      // Left behind by a dead process of the same id, or made by another thread of this one: take the next number.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
}

/** One that cannot be removed is in nobody's way, and what the put did stands. */
async function removeTemporary(name: string): Promise<void> {
  await unlink(name).catch(() => {})
}

async function writeParts(target: FileHandle, parts: readonly ObjectPart[]): Promise<Failure | null> {
  for (const part of parts) {
    if (part.kind === 'bytes') await writeFully(target, part.bytes)
    else {
      const failure = await copyStretch(target, part)
      if (failure !== null) return failure
    }
  }
  return null
}

async function writeFully(target: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    written += (await target.write(bytes, written, Math.min(bytes.length - written, CALL_BYTES_MAX))).bytesWritten
  }
}

async function copyStretch(target: FileHandle, part: ObjectPart & { kind: 'copy' }): Promise<Failure | null> {
  const source = await open(fileOf(part.from), 'r')
  try {
    const before = await source.stat({ bigint: true })
    if (!before.isFile()) return { kind: 'missing' }
    if (etagOf(before) !== part.etag) return { kind: 'conflict' }
    const range = resolveRange(part.from, { start: part.start, end: part.end }, Number(before.size))
    if (range.kind !== 'ok') return range
    const buffer = new Uint8Array(Math.min(COPY_BUFFER_BYTES, range.end - range.start))
    for (let position = range.start; position < range.end; position += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.end - position))
      if ((await readFully(source, piece, position)) < piece.length) return writtenInPlace(part.from)
      await writeFully(target, piece)
    }
    return etagOf(await source.stat({ bigint: true })) === part.etag ? null : writtenInPlace(part.from)
  } finally {
    await source.close()
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

async function listFiles(prefix: string): Promise<ListResult> {
  const { scheme, path } = parseFileLocation(prefix, parseLocation)
  const objects: ListedObject[] = []
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  await listFolder(scheme, folder, path.slice(folder.length), objects)
  return { kind: 'ok', objects: objects.sort(byLocation) }
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

function fileOf(location: string): string {
  const { path } = parseFileLocation(location, parseObjectLocation)
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (HIDDEN_NAME.test(name))
    throw new InputError(`location ${JSON.stringify(location)}: names of temporary files are not listed`)
  return path
}

function parseFileLocation(location: string, parse: typeof parseLocation): ReturnType<typeof parseLocation> {
  const parsed = parse(location)
  if (!['', 'file:', 'file://'].includes(parsed.scheme) || !parsed.path.startsWith('/')) {
    throw new InputError(`location ${JSON.stringify(location)}: not of a local file; write file:///folder/name`)
  }
  return parsed
}

function etagOf(file: BigIntStats): string {
  return `${file.ino.toString(36)}-${file.mtimeNs.toString(36)}-${file.size.toString(36)}`
}

async function statFile(file: string): Promise<BigIntStats | null> {
  const found = await stat(file, { bigint: true }).catch(ignoreMissing)
  return found?.isFile() ? found : null
}

async function makeFolder(folder: string, fsync: boolean): Promise<void> {
  const first = await mkdir(folder, { recursive: true }).catch((error) => {
    if (!['EEXIST', 'ENOTDIR'].includes(codeOf(error))) throw error
    throw new InputError(`${folder}: a file stands where a folder must be; name the object otherwise`, { cause: error })
  })
  if (first === undefined || !fsync) return
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

function ignoreMissing(error: unknown): void {
  if (!MISSING_CODES.has(codeOf(error))) throw error
}

const MISSING_CODES = new Set(['ENOENT', 'ENOTDIR'])
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

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
