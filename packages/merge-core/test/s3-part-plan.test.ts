import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ObjectPart } from '../src/store/object-store.ts'
import { planParts, type UploadedPart } from '../src/store/s3/part-plan.ts'

/** In bytes, as S3's are in MiB. */
const LIMITS = { partBytesMin: 5, uploadBytesMax: 10, copyBytesMax: 20 }

const SOURCES: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  ['a', 'b'].map((name, source) => [name, Uint8Array.from({ length: 100 }, (_, i) => source * 100 + i)]),
)

const part: fc.Arbitrary<ObjectPart> = fc.oneof(
  fc.uint8Array({ maxLength: 25 }).map((bytes) => ({ kind: 'bytes' as const, bytes })),
  fc
    .tuple(fc.constantFrom('a', 'b'), fc.nat(100), fc.nat(100))
    .map(([from, x, y]) => ({ kind: 'copy' as const, from, etag: '1', start: Math.min(x, y), end: Math.max(x, y) })),
)

function bytesOf(part: ObjectPart): Uint8Array {
  return part.kind === 'bytes' ? part.bytes : SOURCES[part.from]!.subarray(part.start, part.end)
}

function content(planned: readonly UploadedPart[]): Uint8Array {
  return Buffer.concat(planned.flatMap((each) => (each.kind === 'copy' ? [each] : each.pieces)).map(bytesOf))
}

const lengthOf = (planned: UploadedPart): number =>
  planned.kind === 'copy' ? planned.end - planned.start : planned.bytes

/** By every way to cut the object at any byte into parts of either kind. */
function fewestUploaded(parts: readonly ObjectPart[]): number {
  /** Where each byte comes from; null for one at hand. */
  const sources = parts.flatMap((each) =>
    Array.from({ length: bytesOf(each).length }, (_, i) =>
      each.kind === 'copy' ? `${each.from} ${each.start + i}` : null,
    ),
  )
  const isOneStretch = (start: number, end: number) => {
    const [from, at] = sources[start]?.split(' ') ?? []
    return sources.slice(start, end).every((source, i) => from !== undefined && source === `${from} ${Number(at) + i}`)
  }
  const fewest = [0]
  for (let end = 1; end <= sources.length; end++) {
    fewest[end] = Number.POSITIVE_INFINITY
    for (let start = Math.max(0, end - LIMITS.copyBytesMax); start < end; start++) {
      const length = end - start
      const canCopy = length >= LIMITS.partBytesMin && isOneStretch(start, end)
      const canUpload = length <= LIMITS.uploadBytesMax && (length >= LIMITS.partBytesMin || end === sources.length)
      if (canCopy) fewest[end] = Math.min(fewest[end]!, fewest[start]!)
      if (canUpload) fewest[end] = Math.min(fewest[end]!, fewest[start]! + length)
    }
  }
  return fewest.at(-1)!
}

const bytes = (length: number): ObjectPart => ({ kind: 'bytes', bytes: new Uint8Array(length) })
const copy = (start: number, end: number): ObjectPart => ({ kind: 'copy', from: 'a', etag: '1', start, end })

describe('the parts of an upload', () => {
  it('are what was asked for, each within the limits of S3', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const planned = planParts(parts, LIMITS)
        expect(Buffer.compare(content(planned), Buffer.concat(parts.map(bytesOf)))).toBe(0)
        for (const [index, each] of planned.entries()) {
          expect(lengthOf(each)).toBeGreaterThan(0)
          if (index < planned.length - 1) expect(lengthOf(each)).toBeGreaterThanOrEqual(LIMITS.partBytesMin)
          expect(lengthOf(each)).toBeLessThanOrEqual(each.kind === 'copy' ? LIMITS.copyBytesMax : LIMITS.uploadBytesMax)
        }
      }),
    )
  })

  it('upload as few bytes as S3 allows, in any row of stretches and bytes', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
        const planned = planParts(parts, LIMITS)
        const uploaded = planned.reduce((sum, each) => sum + (each.kind === 'upload' ? each.bytes : 0), 0)
        expect(uploaded).toBe(fewestUploaded(parts))
      }),
      { numRuns: 2000 },
    )
  })

  it('copy a stretch that is long enough whole, and what follows it in its object with it', () => {
    expect(planParts([copy(0, 3), copy(3, 12)], LIMITS)).toEqual([copy(0, 12)])
    expect(planParts([copy(0, 12), copy(20, 40)], LIMITS)).toEqual([copy(0, 12), copy(20, 40)])
  })

  it('take the beginning of a stretch to fill up bytes that are too few', () => {
    const [first, second] = planParts([bytes(2), copy(0, 20)], LIMITS)
    expect(first).toMatchObject({ kind: 'upload', bytes: 5 })
    expect(second).toEqual(copy(3, 20))
  })

  it('upload a stretch of which too little would be left', () => {
    expect(planParts([bytes(2), copy(0, 7)], LIMITS)).toMatchObject([{ kind: 'upload', bytes: 9 }])
    expect(planParts([copy(0, 4), bytes(1)], LIMITS)).toMatchObject([{ kind: 'upload', bytes: 5 }])
  })

  it('take the end of the stretch before where the one behind has nothing to spare', () => {
    expect(planParts([copy(0, 20), bytes(2), copy(30, 35)], LIMITS)).toMatchObject([
      copy(0, 17),
      { kind: 'upload', bytes: 5 },
      copy(30, 35),
    ])
  })

  it('leave a stretch to be uploaded where that lets a longer one be copied', () => {
    const parts = [copy(0, 5), bytes(1), copy(10, 20), bytes(1), copy(30, 36)]
    expect(planParts(parts, LIMITS)).toMatchObject([
      { kind: 'upload', bytes: 6 },
      copy(10, 16),
      { kind: 'upload', bytes: 5 },
      copy(30, 36),
    ])
    expect(fewestUploaded(parts)).toBe(11)
  })

  it('are none for nothing', () => {
    expect(planParts([], LIMITS)).toEqual([])
    expect(planParts([bytes(0), copy(7, 7)], LIMITS)).toEqual([])
  })
})
