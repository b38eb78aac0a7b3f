// How the parts of a new object become the parts of an S3 upload.
//
// S3 takes parts of at least 5 MiB, but for the last one. A stretch of a stored object that is so long is copied inside the store;
// shorter ones are read and uploaded with their neighbours. Bytes that alone are too few for a part before such a stretch are filled
// up with its beginning.

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
  const { partBytesMin, uploadBytesMax, copyBytesMax } = limits
  const planned: UploadedPart[] = []
  let pieces: ObjectPart[] = []
  let bytes = 0

  function collect(piece: ObjectPart): void {
    if (bytesOf(piece) === 0) return
    pieces.push(piece)
    bytes += bytesOf(piece)
    while (bytes > uploadBytesMax) {
      // What stays can become a part of its own.
      const taken = Math.min(uploadBytesMax, bytes - partBytesMin)
      const [before, after] = cutPieces(pieces, taken)
      planned.push({ kind: 'upload', pieces: before, bytes: taken })
      pieces = after
      bytes -= taken
    }
  }

  function flush(): void {
    if (bytes > 0) planned.push({ kind: 'upload', pieces, bytes })
    pieces = []
    bytes = 0
  }

  for (const part of joinStretches(parts)) {
    if (part.kind === 'bytes') {
      collect(part)
      continue
    }
    const missing = bytes === 0 ? 0 : Math.max(0, partBytesMin - bytes)
    if (bytesOf(part) < missing + partBytesMin) {
      collect(part)
      continue
    }
    collect({ ...part, end: part.start + missing })
    flush()
    planned.push(...cutCopy({ ...part, start: part.start + missing }, partBytesMin, copyBytesMax))
  }
  flush()
  const total = (of: readonly ObjectPart[]) => of.reduce((sum, part) => sum + bytesOf(part), 0)
  const plannedBytes = planned.reduce((sum, part) => sum + (part.kind === 'copy' ? bytesOf(part) : part.bytes), 0)
  invariant(plannedBytes === total(parts), `${plannedBytes} bytes planned of ${total(parts)}`)
  return planned
}

/** Stretches that follow each other in their object become one. */
function joinStretches(parts: readonly ObjectPart[]): ObjectPart[] {
  const joined: ObjectPart[] = []
  for (const part of parts) {
    const last = joined.at(-1)
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

function cutCopy(part: CopyPart, partBytesMin: number, copyBytesMax: number): CopyPart[] {
  const cut: CopyPart[] = []
  let { start } = part
  while (part.end - start > copyBytesMax) {
    const taken = Math.min(copyBytesMax, part.end - start - partBytesMin)
    cut.push({ ...part, start, end: start + taken })
    start += taken
  }
  return [...cut, { ...part, start }]
}
