import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyOrder, type KeptBytes } from '../src/parquet/copy-order.ts'
import type { ObjectPart } from '../src/store/object-store.ts'
import { planParts } from '../src/store/s3/part-plan.ts'

const MAGIC = 4
/** Of a part. */
const MIN = 5
const LIMITS = { partBytesMin: MIN, uploadBytesMax: 1000, copyBytesMax: 1000 }

/** The row groups of a file behind each other, by their sizes; those of changed ones are encoded. */
function groupsOf(sizes: readonly number[], changed: readonly boolean[]): (KeptBytes | null)[] {
  let start = MAGIC
  return sizes.map((size, i) => {
    start += size
    return changed[i] ? null : { path: 'old', start: start - size, end: start }
  })
}

/** What S3 is sent of a file in this order, but for its footer. */
function bytesSent(groups: readonly (KeptBytes | null)[], sizes: readonly number[], order: readonly number[]): number {
  const isAtFront = groups[order[0]!]?.start === MAGIC
  const parts = order.map((i, at): ObjectPart => {
    const group = groups[i]
    if (group === null || group === undefined) return { kind: 'bytes', bytes: new Uint8Array(sizes[i]!) }
    const { path: from, start, end } = group
    return { kind: 'copy', from, etag: '1', start: isAtFront && at === 0 ? 0 : start, end }
  })
  const magic: ObjectPart[] = isAtFront ? [] : [{ kind: 'bytes', bytes: new Uint8Array(MAGIC) }]
  const footer: ObjectPart = { kind: 'bytes', bytes: new Uint8Array(1) }
  const planned = planParts([...magic, ...parts, footer], LIMITS)
  return planned.reduce((sum, part) => sum + (part.kind === 'upload' ? part.bytes : 0), 0) - 1
}

describe('the order of row groups for a store that copies', () => {
  it('puts the stretch at the front of its file first, then others that can be copied, then what has to be sent', () => {
    // Group 4 lies alone between two that are encoded.
    const changed = Array.from({ length: 10 }, (_, i) => i === 3 || i === 5)
    const groups = groupsOf(Array(10).fill(3), changed)
    expect(copyOrder(groups, MIN, MAGIC)).toEqual([0, 1, 2, 6, 7, 8, 9, 4, 3, 5])
  })

  it('puts what has to be sent first, with the magic, where nothing at the front of a file can be copied', () => {
    const groups = groupsOf([6, 6, 6], [true, false, false])
    expect(copyOrder(groups, MIN, MAGIC)).toEqual([0, 1, 2])
    expect(copyOrder(groupsOf([3, 6, 6], [false, true, false]), MIN, MAGIC)).toEqual([0, 1, 2])
  })

  it('has no more sent than what changed, short stretches, and what fills them up to a part', () => {
    const group = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.boolean())
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 12 }), (drawn) => {
        const [sizes, changed] = [drawn.map(([size]) => size), drawn.map(([, isChanged]) => isChanged)]
        const groups = groupsOf(sizes, changed)
        const order = copyOrder(groups, MIN, MAGIC)
        expect(order.toSorted((a, b) => a - b)).toEqual([...groups.keys()])
        const encoded = sizes.reduce((sum, size, i) => sum + (changed[i] ? size : 0), 0)
        const short = stretchLengths(groups).filter((length) => length < MIN)
        const least = encoded + short.reduce((sum, length) => sum + length, 0)
        const sent = bytesSent(groups, sizes, order)
        const isFrontCopied = !changed[0] && stretchLengths(groups)[0]! >= MIN
        // Bytes at the front that are too few for a part take from a stretch; one that is left too short by that is sent whole.
        const fill = isFrontCopied ? 0 : Math.max(0, MIN - least - MAGIC)
        expect(sent).toBeLessThanOrEqual(least + (isFrontCopied ? 0 : MAGIC) + (fill === 0 ? 0 : fill + MIN - 1))
      }),
      { numRuns: 500 },
    )
  })
})

function stretchLengths(groups: readonly (KeptBytes | null)[]): number[] {
  const lengths: number[] = []
  for (const [i, group] of groups.entries()) {
    if (group === null) continue
    if (groups[i - 1]) lengths.push(lengths.pop()! + group.end - group.start)
    else lengths.push(group.end - group.start)
  }
  return lengths
}
