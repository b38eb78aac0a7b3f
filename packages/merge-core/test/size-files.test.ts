import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupUnits, isFull, joinsNeighbour, type Piece, splitRows } from '../src/files/size-files.ts'
import { sequences } from './byte-strings.ts'

const TARGET = 100

describe('rows split into row groups', () => {
  it('are all there, in even parts, and in one part up to one and a half of the target', () => {
    for (let target = 1; target <= 40; target++) {
      for (let rows = 0; rows <= 6 * target; rows++) {
        const parts = splitRows(rows, target)
        const least = Math.min(...parts)
        const most = Math.max(...parts)
        const about = `${rows} rows, target ${target}: ${parts}`
        expect(
          parts.reduce((sum, part) => sum + part, 0),
          about,
        ).toBe(rows)
        if (rows <= 1.5 * target) expect(parts, about).toHaveLength(1)
        else {
          expect(parts.length, about).toBeGreaterThan(1)
          expect(most, about).toBeLessThanOrEqual(target)
          expect(least, about).toBeGreaterThanOrEqual(Math.floor((2 / 3) * target))
          expect(most - least, about).toBeLessThanOrEqual(1)
        }
      }
    }
  })
})

interface Named extends Piece {
  readonly name: number
}
const isSmall = (rows: number) => rows < 25
const fits = (rows: number) => rows <= 150
const sum = (pieces: readonly Piece[]) => pieces.reduce((rows, piece) => rows + piece.rows, 0)

/** What is wrong with the units of these pieces, or nothing. */
function faultOf(pieces: readonly Named[]): string | null {
  const units = groupUnits(pieces, TARGET)
  const kept = pieces.filter(({ rows }) => rows > 0)
  if (units.flatMap((unit) => unit.pieces).some((piece, i) => piece !== kept[i])) return 'pieces out of place'
  if (units.reduce((count, unit) => count + unit.pieces.length, 0) !== kept.length) return 'pieces lost'
  for (const [i, { pieces: own, encode }] of units.entries()) {
    const rows = sum(own)
    if (encode !== own.some(({ changed }) => changed)) return `unit ${i} is copied or encoded without need`
    if (own.length > 1 && !fits(rows)) return `unit ${i} was joined beyond the bound`
    if (own.filter((piece) => !isSmall(piece.rows)).length > 1) return `unit ${i} joins what is not small`
    if (!encode || !isSmall(rows)) continue
    const next = units[i + 1]
    if (next !== undefined && fits(rows + sum(next.pieces))) return `unit ${i} is small and its next would fit`
    const before = units[i - 1]
    if (own[0]!.changed && before !== undefined && fits(rows + sum(before.pieces))) {
      return `unit ${i} is small and the one before it would fit`
    }
  }
  return null
}

describe('row groups', () => {
  const named = (pieces: readonly Piece[]): Named[] => pieces.map((piece, name) => ({ ...piece, name }))

  it('are joined where changed ones are small and a neighbour fits, and else left, for every four of them', () => {
    const each = [0, 1, 24, 25, 100, 125, 126, 149, 150, 151].flatMap((rows) => [
      { rows, changed: false },
      { rows, changed: true },
    ])
    for (const pieces of sequences(each, 4)) {
      const fault = faultOf(named(pieces))
      if (fault !== null) expect.fail(`${fault}: ${JSON.stringify(pieces)}`)
    }
  })

  it('are joined likewise where there are many', () => {
    const piece = fc.record({ rows: fc.oneof(fc.nat(30), fc.nat(160)), changed: fc.boolean() })
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => faultOf(named(pieces)) === null))
  })

  it('are never joined where none is changed, however small', () => {
    expect(groupUnits(named(Array(5).fill({ rows: 1, changed: false })), TARGET)).toHaveLength(5)
  })

  it('are joined by the handful where each is small', () => {
    const units = groupUnits(named(Array(40).fill({ rows: 10, changed: true })), TARGET)
    expect(units.map((unit) => unit.pieces.length)).toEqual([15, 15, 10])
  })
})

describe('two neighbouring files', () => {
  it('become one where one is below a quarter and both together stay within one and a half, whichever is first', () => {
    const cases: [number, number, boolean][] = [
      [24, 24, true],
      [24, 126, true],
      [24, 127, false],
      [25, 25, false],
      [0, 150, true],
      [0, 151, false],
      [100, 50, false],
    ]
    for (const [a, b, joins] of cases) {
      expect([joinsNeighbour(a, b, TARGET), joinsNeighbour(b, a, TARGET)], `${a} and ${b}`).toEqual([joins, joins])
    }
  })
})

describe('files of row groups', () => {
  it('hold all rows, reach the target but for the last, and none is small or far above the target', () => {
    const group = fc.record({ rows: fc.integer({ min: 1, max: 50 }), count: fc.integer({ min: 1, max: 200 }) })
    fc.assert(
      fc.property(group, fc.integer({ min: 1, max: 20 }), ({ rows, count }, bytesPerRow) => {
        const target = 1000
        const groupBytes = rows * bytesPerRow
        const files: number[] = []
        let open = 0
        for (let left = count - 1; left >= 0; left--) {
          open++
          if (!isFull(open * groupBytes, open * rows, left * rows, target)) continue
          files.push(open)
          open = 0
        }
        if (open > 0) files.push(open)
        expect(files.reduce((all, groups) => all + groups, 0)).toBe(count)
        for (const [i, groups] of files.entries()) {
          expect(groups * groupBytes).toBeLessThan(1.5 * (target + groupBytes))
          if (i < files.length - 1) expect(groups * groupBytes).toBeGreaterThanOrEqual(target)
          else if (i > 0) expect(groups * groupBytes).toBeGreaterThanOrEqual(0.5 * target)
        }
      }),
    )
  })

  it('close at the target where half of what they hold is still to come', () => {
    expect(isFull(1000, 10, 5, 1000)).toBe(true)
    expect(isFull(1000, 10, 4, 1000)).toBe(false)
    expect(isFull(999, 10, 5, 1000)).toBe(false)
  })
})
