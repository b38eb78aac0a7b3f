// A folder of the local file system as an object store.
//
// Nobody sees half an object: bytes go to a temporary file beside the name, and one system call gives it the name.
//   create     link(2), which fails where the name exists
//   replace    a claim on the version to be replaced, then rename(2) (see replaceFile)
//   overwrite  rename(2)
// A stored file is never written to, so a file that is open stays one version whatever becomes of its name. Temporary files
// and claims of a process that died stay behind; they are never listed and stand in nobody's way.
//
// Stretches of other files: where most of a file is to stand at the same place in the new one, the kernel copies that file whole (on
// Btrfs and XFS it shares the blocks, so that this costs nothing), and only the rest goes through this process.

import { type BigIntStats, constants, type Dirent } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  stat,
  symlink,
  unlink,
} from 'node:fs/promises'
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

/** While one lane reads the other writes. */
const COPY_LANES = 2
const COPY_BUFFER_BYTES = 1024 * 1024
/** The kernel copies about 1.4 times as fast as we do: a copy of the whole pays if this share of it stays where it is. */
const WHOLE_COPY_SHARE = 0.75
/** Of larger objects the disk takes what has come while more comes, instead of all at the end. */
const SYNC_AT_END_BYTES_MAX = 8 * 1024 * 1024
/** One read or write call takes less than 2 GiB. */
const CALL_BYTES_MAX = 1024 * 1024 * 1024
/** Names that listings leave out: ours while a put is under way, and the checksum files that Hadoop lays beside its files. */
const HIDDEN_NAME = /^\..*\.(tmp|crc)$/

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
  durable: boolean,
): Promise<PutResult> {
  const file = fileOf(path)
  const current = mode.kind === 'create' ? null : await statFile(file)
  if (mode.kind === 'replace') {
    if (current === null) return { kind: 'missing' }
    if (etagOf(current) !== mode.etag) return { kind: 'conflict' }
  }
  await makeFolder(dirname(file), durable)
  const temporary = await openTemporary(dirname(file))
  try {
    const layout = layOut(content instanceof Uint8Array ? [{ kind: 'bytes', bytes: content }] : content)
    const writing = writeLayout(temporary, layout)
    const isLarge = durable && layout.bytes > SYNC_AT_END_BYTES_MAX
    const failure = await (isLarge ? syncedMeanwhile(temporary.handle, writing) : writing)
    if (failure !== null) return failure
    if (current !== null) await datedAfter(temporary.handle, current)
    if (durable) await temporary.handle.sync()
    const written = await temporary.handle.stat({ bigint: true })
    const done = { kind: 'ok' as const, etag: etagOf(written), objectBytes: Number(written.size) }

    if (mode.kind === 'create' && !(await linkFile(temporary, file))) return { kind: 'conflict' }
    if (mode.kind === 'overwrite') await rename(temporary.name, file)
    if (mode.kind === 'replace') {
      const failure = await replaceFile(temporary.name, file, mode.etag)
      if (failure !== null) return failure
    }
    if (durable) await syncFolder(dirname(file))
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

type CopyPart = ObjectPart & { readonly kind: 'copy' }

/** A part with its place in the new object. */
interface PlacedPart {
  readonly part: ObjectPart
  readonly at: number
}

interface Layout {
  readonly parts: readonly PlacedPart[]
  readonly bytes: number
}

function layOut(parts: readonly ObjectPart[]): Layout {
  const placed: PlacedPart[] = []
  let bytes = 0
  for (const part of parts) {
    placed.push({ part, at: bytes })
    bytes += part.kind === 'bytes' ? part.bytes.length : part.end - part.start
  }
  return { parts: placed, bytes }
}

/** A file that stretches come from, open at the version that they name. */
interface Source {
  readonly path: string
  readonly handle: FileHandle
  readonly etag: string
  readonly bytes: number
}

async function writeLayout(target: TemporaryFile, layout: Layout): Promise<Failure | null> {
  const sources = new Map<string, Source>()
  try {
    for (const { part } of layout.parts) {
      const failure = part.kind === 'copy' ? await openSource(sources, part) : null
      if (failure !== null) return failure
    }
    const whole = findWhole(layout, sources)
    if (whole !== null) {
      const failure = await copyWhole(target, whole, layout.bytes)
      if (failure !== null) return failure
    }
    const rest = layout.parts.filter(
      ({ part, at }) => !(part.kind === 'copy' && part.from === whole?.path && isInPlace(part, at)),
    )
    return (await writePieces(target.handle, rest, sources)) ?? (await findChanged(sources))
  } finally {
    for (const { handle } of sources.values()) await handle.close()
  }
}

async function openSource(sources: Map<string, Source>, part: CopyPart): Promise<Failure | null> {
  let source = sources.get(part.from)
  if (source === undefined) {
    const handle = await open(fileOf(part.from), 'r')
    const found = await handle.stat({ bigint: true }).catch(() => null)
    if (found === null || !found.isFile()) {
      await handle.close()
      return { kind: 'missing' }
    }
    source = { path: part.from, handle, etag: etagOf(found), bytes: Number(found.size) }
    sources.set(part.from, source)
  }
  if (source.etag !== part.etag) return { kind: 'conflict' }
  const range = resolveRange(part.from, { start: part.start, end: part.end }, source.bytes)
  return range.kind === 'ok' ? null : range
}

function isInPlace({ start }: CopyPart, at: number): boolean {
  return start === at
}

/** The source of which so much stands at the same place in the new object that it is best copied whole first. */
function findWhole({ parts }: Layout, sources: ReadonlyMap<string, Source>): Source | null {
  for (const source of sources.values()) {
    let bytes = 0
    for (const { part, at } of parts) {
      if (part.kind === 'copy' && part.from === source.path && isInPlace(part, at)) bytes += part.end - part.start
    }
    if (bytes > 0 && bytes >= WHOLE_COPY_SHARE * source.bytes) return source
  }
  return null
}

/** By name, as the call takes no open file: the name must lead to the version that is open, afterwards too. */
async function copyWhole(target: TemporaryFile, source: Source, bytes: number): Promise<Failure | null> {
  const file = fileOf(source.path)
  await copyFile(file, target.name)
  const named = await statFile(file)
  if (named === null) return { kind: 'missing' }
  if (etagOf(named) !== source.etag) return { kind: 'conflict' }
  if (source.bytes > bytes) await target.handle.truncate(bytes)
  return null
}

interface Piece {
  readonly at: number
  readonly bytes: number
  /** Where the piece comes from: bytes at hand, or a source and the place in it. */
  readonly from: Uint8Array | { readonly source: Source; readonly position: number }
}

function* piecesOf(parts: readonly PlacedPart[], sources: ReadonlyMap<string, Source>): Generator<Piece, void> {
  for (const { part, at } of parts) {
    if (part.kind === 'bytes') yield { at, bytes: part.bytes.length, from: part.bytes }
    else {
      const source = sources.get(part.from)!
      for (let position = part.start; position < part.end; position += COPY_BUFFER_BYTES) {
        const bytes = Math.min(COPY_BUFFER_BYTES, part.end - position)
        yield { at: at + position - part.start, bytes, from: { source, position } }
      }
    }
  }
}

async function writePieces(
  target: FileHandle,
  parts: readonly PlacedPart[],
  sources: ReadonlyMap<string, Source>,
): Promise<Failure | null> {
  const pieces = piecesOf(parts, sources)
  let failure: Failure | null = null
  const lane = async () => {
    let buffer: Uint8Array | null = null
    for (const { at, bytes, from } of pieces) {
      if (from instanceof Uint8Array) await writeFully(target, from, at)
      else {
        buffer ??= new Uint8Array(COPY_BUFFER_BYTES)
        const piece = buffer.subarray(0, bytes)
        if ((await readFully(from.source.handle, piece, from.position)) < bytes) {
          failure = writtenInPlace(from.source.path)
          // Leaving the loop ends the generator, and with it the other lane.
          return
        }
        await writeFully(target, piece, at)
      }
    }
  }
  await Promise.all(Array.from({ length: COPY_LANES }, lane))
  return failure
}

async function writeFully(target: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const length = Math.min(bytes.length - written, CALL_BYTES_MAX)
    written += (await target.write(bytes, written, length, at + written)).bytesWritten
  }
}

async function findChanged(sources: ReadonlyMap<string, Source>): Promise<Failure | null> {
  for (const { path, handle, etag } of sources.values()) {
    if (etagOf(await handle.stat({ bigint: true })) !== etag) return writtenInPlace(path)
  }
  return null
}

/** Has the disk write what has come so far while more comes. */
async function syncedMeanwhile<T>(target: FileHandle, writing: Promise<T>): Promise<T> {
  let isWriting = true
  const sync = async () => {
    while (isWriting) await target.datasync()
  }
  const written = writing.finally(() => {
    isWriting = false
  })
  const [result] = await Promise.all([written, sync()])
  return result
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
