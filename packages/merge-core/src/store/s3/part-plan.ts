// How the parts of a new object become the parts of an S3 upload, with as few bytes uploaded as S3 allows.
//
// S3 takes parts of at least 5 MiB, but for the last one, and copies no less. A stretch of a stored object is copied inside the store, or
// read and uploaded with its neighbours. What lies between two copied stretches is filled up to a part: with the end of the one before,
// as far as it can spare it, and the beginning of the one after. Which stretches are copied is a shortest path over them. All that a
// path leaves to the next step is what its last stretch can spare, so of two paths to a stretch the dearer one is followed only
// where it leaves more.

import { invariant } from '../../invariant.ts'
import type { ObjectPart } from '../object-store.ts'

type CopyPart = ObjectPart & { readonly kind: 'copy' }

export type UploadedPart =
  | CopyPart
  /** Bytes at hand, and stretches that have to be read first. */
  | { readonly kind: 'upload'; readonly pieces: readonly ObjectPart[]; readonly bytes: number }

export interface PartLimits {
  /** Of every part but the last. */
  readonly partBytesMin: number
  /** Of one upload: what is held in memory, and sent again when it fails. At least twice the minimum. */
  readonly uploadBytesMax: number
  /** Of one copy: longer ones are copied side by side. At least twice the minimum. */
  readonly copyBytesMax: number
}

const MIB = 1024 * 1024
/** Amazon S3 User Guide, "Amazon S3 multipart upload limits": parts of 5 MiB to 5 GiB, up to 10,000 of them. */
export const S3_LIMITS: PartLimits = { partBytesMin: 5 * MIB, uploadBytesMax: 10 * MIB, copyBytesMax: 256 * MIB }
export const S3_PARTS_MAX = 10_000

export function bytesOf(part: ObjectPart): number {
  return part.kind === 'bytes' ? part.bytes.length : part.end - part.start
}

/** The parts in order; together they are what `parts` are, each within the limits. Nothing for an empty object. */
export function planParts(parts: readonly ObjectPart[], limits: PartLimits = S3_LIMITS): UploadedPart[] {
  const joined = joinStretches(parts)
  const copied = chooseCopies(joined, limits.partBytesMin)
  const planned: UploadedPart[] = []
  let pieces: ObjectPart[] = []
  const upload = (): void => {
    planned.push(...cutUpload(pieces, limits))
    pieces = []
  }
  for (const [i, part] of joined.entries()) {
    const range = copied.get(i)
    if (part.kind === 'bytes' || range === undefined) {
      pieces.push(part)
      continue
    }
    if (range.from > 0) pieces.push(slicePart(part, 0, range.from))
    upload()
    planned.push(...cutCopy({ ...part, start: part.start + range.from, end: part.start + range.to }, limits))
    if (range.to < bytesOf(part)) pieces.push(slicePart(part, range.to, bytesOf(part)))
  }
  upload()
  const plannedBytes = planned.reduce((sum, part) => sum + (part.kind === 'copy' ? bytesOf(part) : part.bytes), 0)
  invariant(plannedBytes === sizeOf(parts), `${plannedBytes} bytes planned of ${sizeOf(parts)}`)
  return planned
}

function sizeOf(parts: readonly ObjectPart[]): number {
  return parts.reduce((sum, part) => sum + bytesOf(part), 0)
}

/** Enough to hold the header of the page that a kept row group begins with, and some of its data. */
const SEAM_BYTES = 64

/** Where copied parts begin, with so many bytes that tell whether they do. */
export function seamsOf(
  planned: readonly UploadedPart[],
): { readonly at: number; readonly part: CopyPart; readonly bytes: number }[] {
  let at = 0
  return planned.flatMap((part) => {
    const start = at
    at += part.kind === 'copy' ? bytesOf(part) : part.bytes
    return part.kind === 'copy' ? [{ at: start, part, bytes: Math.min(SEAM_BYTES, bytesOf(part)) }] : []
  })
}

/** Stretches that follow each other in their object become one; what is empty goes. */
function joinStretches(parts: readonly ObjectPart[]): ObjectPart[] {
  const joined: ObjectPart[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (bytesOf(part) === 0) continue
    if (
      part.kind === 'copy' &&
      last?.kind === 'copy' &&
      last.from === part.from &&
      last.etag === part.etag &&
      last.end === part.start
    ) {
      joined[joined.length - 1] = { ...last, end: part.end }
    } else joined.push(part)
  }
  return joined
}

/** A way to copy some of the stretches. */
interface Path {
  /** The last of them: an index of the parts. */
  readonly part: number
  readonly before: Path | null
  /** Bytes uploaded before it, those that it gives up included. */
  readonly uploaded: number
  /** What the one before gives up at its end, and this one at its beginning, so that what lies between makes a part. */
  readonly fromBefore: number
  readonly fromThis: number
  /** What this one can give up at its end. */
  readonly spare: number
}

/** What is copied of which part. */
function chooseCopies(
  parts: readonly ObjectPart[],
  partBytesMin: number,
): Map<number, { readonly from: number; readonly to: number }> {
  const paths: Path[] = []
  let best: Path | null = null
  let bestUploaded = sizeOf(parts)
  let start = 0
  const ends: number[] = []
  for (const [part, each] of parts.entries()) {
    const bytes = bytesOf(each)
    ends.push(start + bytes)
    if (each.kind === 'copy') {
      const reaching = [null, ...paths].flatMap((before): Path[] => {
        const between = start - (before === null ? 0 : ends[before.part]!)
        const missing = between === 0 ? 0 : Math.max(0, partBytesMin - between)
        const fromBefore = Math.min(missing, before?.spare ?? 0)
        const fromThis = missing - fromBefore
        const spare = bytes - fromThis - partBytesMin
        const uploaded = (before?.uploaded ?? 0) + between + missing
        return spare < 0 ? [] : [{ part, before, uploaded, fromBefore, fromThis, spare }]
      })
      paths.push(...worthwhile(reaching))
    }
    start += bytes
  }
  for (const path of paths) {
    const uploaded = path.uploaded + start - ends[path.part]!
    if (uploaded < bestUploaded) [best, bestUploaded] = [path, uploaded]
  }
  const copied = new Map<number, { readonly from: number; readonly to: number }>()
  let givenUp = 0
  for (let path = best; path !== null; path = path.before) {
    copied.set(path.part, { from: path.fromThis, to: bytesOf(parts[path.part]!) - givenUp })
    givenUp = path.fromBefore
  }
  return copied
}

/** Of paths to the same part those that upload least, and dearer ones that leave more to spare. */
function worthwhile(paths: readonly Path[]): Path[] {
  const kept: Path[] = []
  for (const path of paths.toSorted((a, b) => a.uploaded - b.uploaded || b.spare - a.spare)) {
    if (path.spare > (kept.at(-1)?.spare ?? -1)) kept.push(path)
  }
  return kept
}

function cutUpload(pieces: readonly ObjectPart[], { partBytesMin, uploadBytesMax }: PartLimits): UploadedPart[] {
  const cut: UploadedPart[] = []
  let bytes = sizeOf(pieces)
  while (bytes > 0) {
    // What stays can become a part of its own.
    const taken = bytes <= uploadBytesMax ? bytes : Math.min(uploadBytesMax, bytes - partBytesMin)
    const [before, after] = cutPieces(pieces, taken)
    cut.push({ kind: 'upload', pieces: before, bytes: taken })
    pieces = after
    bytes -= taken
  }
  return cut
}

function cutPieces(pieces: readonly ObjectPart[], at: number): [ObjectPart[], ObjectPart[]] {
  const before: ObjectPart[] = []
  const after: ObjectPart[] = []
  let start = 0
  for (const piece of pieces) {
    const cut = Math.min(Math.max(0, at - start), bytesOf(piece))
    if (cut > 0) before.push(slicePart(piece, 0, cut))
    if (cut < bytesOf(piece)) after.push(slicePart(piece, cut, bytesOf(piece)))
    start += bytesOf(piece)
  }
  return [before, after]
}

function slicePart(part: ObjectPart, from: number, to: number): ObjectPart {
  if (part.kind === 'bytes') return { ...part, bytes: part.bytes.subarray(from, to) }
  return { ...part, start: part.start + from, end: part.start + to }
}

function cutCopy(part: CopyPart, { partBytesMin, copyBytesMax }: PartLimits): CopyPart[] {
  const cut: CopyPart[] = []
  let { start } = part
  while (part.end - start > copyBytesMax) {
    const taken = Math.min(copyBytesMax, part.end - start - partBytesMin)
    cut.push({ ...part, start, end: start + taken })
    start += taken
  }
  return [...cut, { ...part, start }]
}
