// Writes the parts of a new object into a temporary file.
//
// Where most of a file is to stand at the same place in the new one, the new one begins as a clone of it (Btrfs and XFS share the
// blocks, which costs nothing), and only the rest is written.

import { constants } from 'node:fs'
import { copyFile, type FileHandle, open, unlink } from 'node:fs/promises'
import { resolveRange } from './byte-range.ts'
import { CALL_BYTES_MAX, codeOf, etagOf, fileOf, readFully, statFile, writtenInPlace } from './local-file.ts'
import type { ByteStream, Failure, ObjectPart } from './object-store.ts'

/** While one lane reads the other writes. */
const COPY_LANES = 2
const COPY_BUFFER_BYTES = 1024 * 1024
/** A clone of shared blocks pays if this share of it stays where it is: to write over such blocks costs more than to write new ones. */
const SHARED_CLONE_MIN = 0.5
/** And one whose blocks the kernel copies, about 1.4 times as fast as we do, if this share does. */
const COPIED_CLONE_MIN = 0.75
/** Of larger objects the disk takes what has come while more comes, instead of all at the end. */
const SYNC_AT_END_BYTES_MAX = 8 * 1024 * 1024
/** Of a stream, as soon as they are written: the disk takes one while the next is made. */
const PIECE_SYNCED_MIN = 1024 * 1024
/** Of a clone: the file system does not share blocks, or not between these two. */
const CANNOT_SHARE_CODES = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'EXDEV', 'EINVAL'])

export interface TemporaryFile {
  readonly name: string
  readonly handle: FileHandle
}

/** A temporary file that began as a clone of a source. */
interface Begun extends TemporaryFile {
  readonly cloneOf: Source | null
}

/**
 * Calls `use` with a temporary file in `folder` that holds the parts, and removes it afterwards. Where `durable`, most of a large one
 * is on the disk by then; `use` has to sync the rest. A source that is gone, another version, too short or written to is a failure.
 */
export async function writeTemporary<T>(
  folder: string,
  parts: readonly ObjectPart[],
  durable: boolean,
  use: (temporary: TemporaryFile) => Promise<T | Failure>,
): Promise<T | Failure> {
  const layout = layOut(parts)
  const sources: Sources = new Map()
  let begun: Begun | null = null
  try {
    const unfit = await openSources(sources, layout)
    if (unfit !== null) return unfit
    begun = await beginTemporary(folder, findOriginal(layout, sources), durable)
    const writing = writeLayout(begun, layout, sources)
    const failure = await (durable && layout.bytes > SYNC_AT_END_BYTES_MAX
      ? syncedMeanwhile(begun.handle, writing)
      : writing)
    return failure ?? (await use(begun))
  } finally {
    for (const { handle } of sources.values()) await handle.close()
    if (begun !== null) {
      await begun.handle.close()
      await removeTemporary(begun.name)
    }
  }
}

/** As writeTemporary, of a stream's pieces: while one is written the next is made. */
export async function streamTemporary<T>(
  folder: string,
  stream: ByteStream,
  durable: boolean,
  use: (temporary: TemporaryFile) => Promise<T>,
): Promise<T> {
  const temporary = await beginTemporary(folder, null, durable)
  try {
    let end = 0
    let writing = Promise.resolve()
    for await (const piece of stream) {
      await writing
      writing = writePiece(temporary.handle, piece, end, durable)
      // Of one that fails while the next piece is made the failure shows when it is waited for.
      writing.catch(() => {})
      end += piece.length
    }
    await writing
    return await use(temporary)
  } finally {
    await temporary.handle.close()
    await removeTemporary(temporary.name)
  }
}

async function writePiece(target: FileHandle, piece: Uint8Array, at: number, durable: boolean): Promise<void> {
  await writeFully(target, piece, at)
  if (durable && piece.length >= PIECE_SYNCED_MIN) await target.datasync()
}

let temporaryFiles = 0

async function beginTemporary(folder: string, original: Original | null, durable: boolean): Promise<Begun> {
  for (;;) {
    const name = `${folder}/.lastwrite-${process.pid}-${temporaryFiles++}.tmp`
    try {
      if (original !== null && (await clone(original, name, durable))) {
        return { name, handle: await openClone(name), cloneOf: original.source }
      }
      return { name, handle: await open(name, 'wx'), cloneOf: null }
    } catch (error) {
      // Left behind by a dead process of the same id, or made by another thread of this one: take the next number.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
}

async function openClone(name: string): Promise<FileHandle> {
  try {
    return await open(name, 'r+')
  } catch (error) {
    await removeTemporary(name)
    throw error
  }
}

/** One that cannot be removed is in nobody's way, and what the put did stands. */
export async function removeTemporary(name: string): Promise<void> {
  await unlink(name).catch(() => {})
}

/**
 * Whether `name` is a clone of the source by now. Blocks are shared where the file system can. Where it cannot, the kernel may copy them;
 * but if the disk has to be waited for, our own copying is as fast, as the disk can write meanwhile.
 */
async function clone({ source, share }: Original, name: string, durable: boolean): Promise<boolean> {
  const mayCopy = !durable && share >= COPIED_CLONE_MIN
  const sharing = mayCopy ? constants.COPYFILE_FICLONE : constants.COPYFILE_FICLONE_FORCE
  try {
    await copyFile(fileOf(source.path), name, constants.COPYFILE_EXCL | sharing)
    return true
  } catch (error) {
    if (CANNOT_SHARE_CODES.has(codeOf(error))) return false
    throw error
  }
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
  readonly isWritable: boolean
}

type Sources = Map<string, Source>

async function openSources(sources: Sources, { parts }: Layout): Promise<Failure | null> {
  for (const { part } of parts) {
    const failure = part.kind === 'copy' ? await openSource(sources, part) : null
    if (failure !== null) return failure
  }
  return null
}

async function openSource(sources: Sources, part: CopyPart): Promise<Failure | null> {
  let source = sources.get(part.from)
  if (source === undefined) {
    const handle = await open(fileOf(part.from), 'r')
    const found = await handle.stat({ bigint: true })
    source = {
      path: part.from,
      handle,
      etag: etagOf(found),
      bytes: Number(found.size),
      isWritable: (found.mode & 0o200n) !== 0n,
    }
    sources.set(part.from, source)
    if (!found.isFile()) return { kind: 'missing' }
  }
  if (source.etag !== part.etag) return { kind: 'conflict' }
  const range = resolveRange(part.from, { start: part.start, end: part.end }, source.bytes)
  return range.kind === 'ok' ? null : range
}

/** A source of which a share (0 to 1) stands at the same place in the new object. */
interface Original {
  readonly source: Source
  readonly share: number
}

/** The source that the new object may begin as a clone of. */
function findOriginal({ parts }: Layout, sources: Sources): Original | null {
  let best: Original | null = null
  for (const source of sources.values()) {
    let bytes = 0
    for (const { part, at } of parts) {
      if (part.kind === 'copy' && isInPlace(part, at, source)) bytes += part.end - part.start
    }
    const share = bytes / source.bytes
    // A clone takes over the mode, too.
    if (share >= SHARED_CLONE_MIN && share > (best?.share ?? 0) && source.isWritable) best = { source, share }
  }
  return best
}

function isInPlace({ from, start }: CopyPart, at: number, source: Source | null): boolean {
  return from === source?.path && start === at
}

async function writeLayout(target: Begun, { parts, bytes }: Layout, sources: Sources): Promise<Failure | null> {
  const { handle, cloneOf } = target
  if (cloneOf !== null) {
    // It was cloned by name, as no call takes an open file: the name must still lead to the version that is open.
    const named = await statFile(fileOf(cloneOf.path))
    if (named === null) return { kind: 'missing' }
    if (etagOf(named) !== cloneOf.etag) return { kind: 'conflict' }
    if (cloneOf.bytes > bytes) await handle.truncate(bytes)
  }
  const rest = parts.filter(({ part, at }) => part.kind === 'bytes' || !isInPlace(part, at, cloneOf))
  return (await writePieces(handle, rest, sources)) ?? (await findChanged(sources))
}

interface Piece {
  readonly at: number
  readonly bytes: number
  /** Where the piece comes from: bytes at hand, or a source and the place in it. */
  readonly from: Uint8Array | { readonly source: Source; readonly position: number }
}

function* piecesOf(parts: readonly PlacedPart[], sources: Sources): Generator<Piece, void> {
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
  sources: Sources,
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
        if ((await readFully(from.source.handle.fd, piece, from.position)) < bytes) {
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

async function findChanged(sources: Sources): Promise<Failure | null> {
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
