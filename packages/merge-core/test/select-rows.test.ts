import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLEAR } from '../src/change/fold.ts'
import { EXPIRE, PUT, REMOVE } from '../src/change/scanned-lines.ts'
import { STORED } from '../src/columns/gather.ts'
import {
  ABSENT,
  INSERTED,
  type IncomingChanges,
  MARKED,
  REMOVED_ROW,
  REPLACED,
  STORED_IS_NEWER,
} from '../src/files/incoming.ts'
import { findRows, type RowSelection, selectRows } from '../src/files/select-rows.ts'
import { combinations, textStrings } from './byte-strings.ts'

/** A stored row or a change of it. Versions are single digits, '' for none; `mark` is the time it expired at. */
interface Row {
  readonly version: string
  readonly mark: bigint | null
}
interface Change {
  readonly operation: number
  readonly version: string
  /** Version of the removal by TTL that holds for the key. */
  readonly expiry: string
}
type Stored = ReadonlyMap<string, Row>
type Changes = ReadonlyMap<string, Change>

const UNTOUCHED = 99
const micros = (expiry: string) => (expiry === '' ? 0n : BigInt(expiry) * 1000n)

/** What becomes of a key: the row it has afterwards, or none, and the outcome of the change. */
function mergedKey(row: Row | undefined, change: Change, keepsExpired: boolean): [Row | undefined, number] {
  const { operation, version, expiry } = change
  const newer = row === undefined || version > row.version
  if (operation === PUT && newer) {
    const mark = keepsExpired && expiry > version ? micros(expiry) : null
    return [{ version, mark }, row === undefined ? INSERTED : REPLACED]
  }
  if (row === undefined) return [undefined, ABSENT]
  if (operation !== PUT && operation !== EXPIRE && newer) return [undefined, REMOVED_ROW]
  const marks = keepsExpired && expiry > row.version && row.mark !== micros(expiry)
  return marks ? [{ ...row, mark: micros(expiry) }, MARKED] : [row, STORED_IS_NEWER]
}

function incomingOf(changes: readonly (readonly [string, Change])[]): IncomingChanges {
  let rows = 0
  return {
    count: changes.length,
    operation: Uint8Array.from(changes, ([, { operation }]) => operation),
    keys: textStrings(changes.map(([key]) => key)),
    versions: textStrings(changes.map(([, { version }]) => version)),
    expiryVersions: textStrings(changes.map(([, { expiry }]) => expiry)),
    expiryMicros: BigInt64Array.from(changes, ([, { expiry }]) => micros(expiry)),
    row: Int32Array.from(changes, ([, { operation }]) => (operation === PUT ? rows++ : -1)),
    columns: [],
  }
}

/** Runs findRows and selectRows for the changes in [from, to). */
function select(
  stored: Stored,
  changes: readonly (readonly [string, Change])[],
  keepsExpired: boolean,
  from = 0,
  to = changes.length,
): { selected: RowSelection; outcomes: number[]; rows: Map<string, Row> } {
  const keys = [...stored.keys()]
  const incoming = incomingOf(changes)
  const found = findRows(textStrings(keys), incoming.keys, from, to)
  const matched = changes.slice(from, to).flatMap(([key]) => stored.get(key) ?? [])
  const outcomes = new Uint8Array(changes.length).fill(UNTOUCHED)
  const selected = selectRows(
    keys.length,
    found,
    textStrings(matched.map(({ version }) => version)),
    keepsExpired ? matched.map(({ mark }) => mark) : null,
    incoming,
    from,
    to,
    outcomes,
  )
  return { selected, outcomes: [...outcomes], rows: rowsOf(selected, stored, changes, keepsExpired) }
}

/** The rows that a selection stands for, in its order. Throws where its runs are not as short a list as they could be. */
function rowsOf(
  { selection, markedRows, markedMicros }: RowSelection,
  stored: Stored,
  changes: readonly (readonly [string, Change])[],
  keepsExpired: boolean,
): Map<string, Row> {
  if (selection === null) {
    if (markedRows.length > 0) throw new Error('rows are marked where none changes')
    return new Map(stored)
  }
  const puts = changes.filter(([, { operation }]) => operation === PUT)
  const rows: [string, Row][] = []
  let lastSide = -1
  let lastEnd = -1
  for (let run = 0; run < selection.runs; run++) {
    const side = selection.side[run]!
    const start = selection.start[run]!
    const end = start + selection.length[run]!
    if (end === start || (lastSide === side && lastEnd === start)) throw new Error(`run ${run} is none of its own`)
    lastSide = side
    lastEnd = end
    if (side === STORED) rows.push(...[...stored].slice(start, end))
    else {
      for (const [key, { version, expiry }] of puts.slice(start, end)) {
        rows.push([key, { version, mark: keepsExpired && expiry > version ? micros(expiry) : null }])
      }
    }
  }
  for (const [i, row] of markedRows.entries()) {
    if (i > 0 && row <= markedRows[i - 1]!) throw new Error('marked rows do not ascend')
    rows[row] = [rows[row]![0], { ...rows[row]![1], mark: markedMicros[i]! }]
  }
  if (rows.length !== selection.rows) throw new Error(`${rows.length} rows, the selection says ${selection.rows}`)
  return new Map(rows)
}

const written = (rows: Stored) => [...rows].map(([key, { version, mark }]) => `${key}${version}@${mark}`).join(' ')

/** Holds one case to the definition, and to a replay that changes nothing. */
function check(stored: Stored, changes: Changes, keepsExpired: boolean): void {
  const list = [...changes]
  const rows = new Map(stored)
  const outcomes: number[] = []
  for (const [key, change] of list) {
    const [row, outcome] = mergedKey(stored.get(key), change, keepsExpired)
    if (row === undefined) rows.delete(key)
    else rows.set(key, row)
    outcomes.push(outcome)
  }
  const expected = new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
  const actual = select(stored, list, keepsExpired)
  const replayed = select(expected, list, keepsExpired)
  const changed = outcomes.some((outcome) => outcome !== ABSENT && outcome !== STORED_IS_NEWER)
  const agrees =
    written(actual.rows) === written(expected) &&
    actual.outcomes.join() === outcomes.join() &&
    (actual.selected.selection !== null) === changed &&
    replayed.selected.selection === null &&
    replayed.outcomes.every((outcome) => outcome === ABSENT || outcome === STORED_IS_NEWER)
  if (agrees) return
  const about = `${written(stored)} | ${JSON.stringify(list)}`
  expect({ about, rows: written(actual.rows), outcomes: actual.outcomes, replay: replayed.outcomes }).toEqual({
    about,
    rows: written(expected),
    outcomes,
    replay: 'no change',
  })
}

/** Every pairing of stored rows and changes over the keys, each of which has one of the given rows and changes, or none. */
function checkEvery(
  keys: readonly string[],
  rows: readonly Row[],
  changes: readonly Change[],
  keepsExpired: boolean,
): number {
  let cases = 0
  const mapsOf = <T>(values: readonly T[]) =>
    [...combinations(keys.map(() => [undefined, ...values]))].map(
      (choice) =>
        new Map(choice.flatMap((value, i): [string, T][] => (value === undefined ? [] : [[keys[i]!, value]]))),
    )
  const changeSets = mapsOf(changes)
  for (const stored of mapsOf(rows)) {
    for (const incoming of changeSets) {
      check(stored, incoming, keepsExpired)
      cases++
    }
  }
  return cases
}

const VERSIONS = ['1', '2']
const unmarked = ['', '1', '2'].map((version) => ({ version, mark: null }))
const changesWith = (expiries: (operation: number, version: string) => readonly string[]): Change[] =>
  [PUT, REMOVE, CLEAR, EXPIRE].flatMap((operation) =>
    VERSIONS.flatMap((version) => expiries(operation, version).map((expiry) => ({ operation, version, expiry }))),
  )

describe('the rows of a row group and the changes routed to it', () => {
  it('agree with a merge key by key, for every choice of three keys without expiry', () => {
    const changes = changesWith((operation, version) => [operation === EXPIRE ? version : ''])
    expect(checkEvery(['a', 'b', 'c'], unmarked.slice(1), changes, false)).toBe(3 ** 3 * 9 ** 3)
  })

  it('agree with a merge key by key, for every choice of two keys with any expiry, on tables that keep it and others', () => {
    const rows = [...unmarked, { version: '1', mark: micros('2') }, { version: '2', mark: micros('3') }]
    const changes = changesWith((operation, version) => {
      if (operation === EXPIRE) return [version]
      return operation === CLEAR ? [''] : ['', '1', '2', '3']
    })
    for (const keepsExpired of [true, false]) {
      expect(checkEvery(['a', 'b'], rows, changes, keepsExpired)).toBe(6 ** 2 * 21 ** 2)
    }
  })

  it('agree with a merge key by key where there are many', () => {
    const key = fc.nat(60).map((n) => String(n).padStart(2, '0'))
    const version = fc.constantFrom('', '1', '2', '3')
    const row = fc.record({ version, mark: fc.constantFrom(null, 2000n, 3000n) })
    const change = fc.record({
      operation: fc.constantFrom(PUT, REMOVE, CLEAR, EXPIRE),
      version: fc.constantFrom('1', '2', '3'),
      expiry: version,
    })
    const sorted = <T>(value: fc.Arbitrary<T>) =>
      fc
        .uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 50 })
        .map((entries) => new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1))))
    fc.assert(fc.property(sorted(row), sorted(change), fc.boolean(), check), { numRuns: 300 })
  })

  it('takes and writes only the changes of the range it is given', () => {
    const stored = new Map(['a', 'c', 'e'].map((key) => [key, { version: '1', mark: null }]))
    const changes = ['a', 'b', 'c', 'd', 'e'].map((key): [string, Change] => [
      key,
      { operation: PUT, version: '2', expiry: '' },
    ])
    for (let from = 0; from <= 5; from++) {
      for (let to = from; to <= 5; to++) {
        const { outcomes, rows } = select(stored, changes, false, from, to)
        const expected = new Map<string, Row>(stored)
        for (const [key] of changes.slice(from, to)) expected.set(key, { version: '2', mark: null })
        expect([...rows].toSorted()).toEqual([...expected].toSorted())
        expect(outcomes).toEqual(
          changes.map(([key], i) => {
            if (i < from || i >= to) return UNTOUCHED
            return stored.has(key) ? REPLACED : INSERTED
          }),
        )
      }
    }
  })

  it('counts two changed rows side by side as one run, however many they are', () => {
    const stored = new Map(['b', 'd'].map((key) => [key, { version: '1', mark: null }]))
    const put = { operation: PUT, version: '2', expiry: '' }
    const { selected } = select(
      stored,
      [
        ['a', put],
        ['b', put],
        ['c', put],
        ['e', put],
      ],
      false,
    )
    expect(selected.selection).toMatchObject({ rows: 5, runs: 3 })
  })
})

describe('finding keys among stored ones', () => {
  const name = (n: number) => String.fromCharCode(0x40 + n)

  it('gives the row or the place between rows, for every two keys among up to 40 rows', () => {
    for (let rows = 0; rows <= 40; rows++) {
      // Stored keys are the odd numbers, so that each gap holds an even one.
      const stored = textStrings(Array.from({ length: rows }, (_, row) => name(2 * row + 1)))
      const expected = (n: number) => (n % 2 === 1 ? (n - 1) / 2 : ~(n / 2))
      for (let a = 0; a <= 2 * rows; a++) {
        for (let b = a; b <= 2 * rows; b++) {
          const found = findRows(stored, textStrings([name(a), name(b)]), 0, 2)
          if (found[0] !== expected(a) || found[1] !== expected(b)) {
            expect({ rows, a, b, found: [...found] }).toEqual({ rows, a, b, found: [expected(a), expected(b)] })
          }
        }
      }
    }
  })

  it('gives the same for any ascending keys among many rows, of which it takes a range', () => {
    const numbers = fc.uniqueArray(fc.nat(3000), { maxLength: 400 }).map((list) => list.toSorted((a, b) => a - b))
    const text = (n: number) => String(n).padStart(4, '0')
    fc.assert(
      fc.property(numbers, numbers, fc.nat(400), fc.nat(400), (stored, keys, a, b) => {
        const [from, to] = [Math.min(a, b, keys.length), Math.min(Math.max(a, b), keys.length)]
        const rowOf = new Map(stored.map((n, row) => [n, row]))
        const expected = keys.slice(from, to).map((n) => rowOf.get(n) ?? ~stored.filter((other) => other < n).length)
        expect([...findRows(textStrings(stored.map(text)), textStrings(keys.map(text)), from, to)]).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })
})
