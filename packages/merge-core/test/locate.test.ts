import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeKeyPart } from '../src/change/key-order.ts'
import { PUT, REMOVE } from '../src/change/scanned-lines.ts'
import { filesThatCanHold, locate, type MergeTask, type RoutedKeys, type StoredFile } from '../src/files/locate.ts'
import type { Field } from '../src/primitive-type.ts'
import { byteStrings, combinations, sequences } from './byte-strings.ts'

// Keys are integers to these tests. A key of one part is its number as text, two digits; a key of two parts is its tens as text and
// its last digit as a long. A part of a file's bounds that is null is not known.
interface Bounds {
  readonly lower: readonly (number | null)[]
  readonly upper: readonly (number | null)[]
  readonly bytes: number
}
interface Change {
  readonly key: number
  readonly operation: number
}

const TARGET = 100
const GROUP_ROWS = 1_000
const ONE_PART: readonly Field[] = [{ id: 1, name: 'pk', type: { kind: 'string' }, required: true }]
const TWO_PARTS: readonly Field[] = [...ONE_PART, { id: 2, name: 'sk', type: { kind: 'long' }, required: true }]

const textOfFirst = (value: number) => String(value).padStart(2, '0')

function longBytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

function keyBytes(key: number, fields: readonly Field[]): Uint8Array {
  if (fields.length === 1) return Buffer.from(textOfFirst(key))
  const [first, second] = fields
  return Buffer.concat([
    encodeKeyPart(first!.type, textOfFirst(Math.floor(key / 10)), false),
    encodeKeyPart(second!.type, BigInt(key % 10), true),
  ])
}

function storedFile({ lower, upper, bytes }: Bounds, name: number): StoredFile {
  const asMap = (bounds: readonly (number | null)[]) =>
    new Map(
      bounds.flatMap((value, part): [number, Uint8Array][] => {
        if (value === null) return []
        return [[part + 1, part === 0 ? Buffer.from(textOfFirst(value)) : longBytes(value)]]
      }),
    )
  return {
    file: {
      content: 0,
      path: `file ${name}`,
      format: 'PARQUET',
      partition: [],
      records: 1,
      fileBytes: bytes,
      columnBytes: new Map(),
      valueCounts: new Map(),
      nullCounts: new Map(),
      lowerBounds: asMap(lower),
      upperBounds: asMap(upper),
      splitOffsets: [],
      equalityIds: [],
      sortOrderId: null,
    },
    deletes: [],
    names: new Map(),
    constants: new Map(),
  }
}

/** The keys of the changes lie in reverse order, and their places say so. */
function routedOf(changes: readonly Change[], fields: readonly Field[]): RoutedKeys {
  return {
    operation: Uint8Array.from(changes, ({ operation }) => operation),
    keys: byteStrings(changes.toReversed().map(({ key }) => keyBytes(key, fields))),
    key: Uint32Array.from(changes, (_, i) => changes.length - 1 - i),
  }
}

interface Interval {
  readonly lower: number
  readonly upper: number
}

/** The keys that bounds allow: where the first part has one value alone, the bounds of the second part count as well. */
function intervalOf({ lower, upper }: Bounds): Interval {
  if (lower.length === 1) return { lower: lower[0] ?? -Infinity, upper: upper[0] ?? Infinity }
  const one = lower[0] !== null && lower[0] === upper[0]
  return {
    lower: lower[0] === null ? -Infinity : lower[0]! * 10 + ((one ? lower[1] : null) ?? 0),
    upper: upper[0] === null ? Infinity : upper[0]! * 10 + ((one ? upper[1] : null) ?? 9),
  }
}

const within = ({ lower, upper }: Interval, key: number) => lower <= key && key <= upper
const meet = (a: Interval, b: Interval) => a.lower <= b.upper && b.lower <= a.upper

/** Files whose intervals meet, directly or by others, are one; in ascending order. */
function clustersOf(intervals: readonly Interval[]): number[][] {
  const clusters: number[][] = []
  for (const [file, interval] of intervals.entries()) {
    const met = clusters.filter((cluster) => cluster.some((other) => meet(intervals[other]!, interval)))
    for (const cluster of met) clusters.splice(clusters.indexOf(cluster), 1)
    clusters.push([...met.flat(), file])
  }
  const start = (cluster: readonly number[]) => Math.min(...cluster.map((file) => intervals[file]!.lower))
  return clusters.sort((a, b) => start(a) - start(b))
}

/** What is wrong with the tasks of these changes, or nothing. */
function faultOf(files: readonly Bounds[], changes: readonly Change[], fields: readonly Field[]): string | null {
  const stored = files.map(storedFile)
  const tasks = locate(stored, fields, routedOf(changes, fields), 0, changes.length, TARGET, GROUP_ROWS)
  const indexOf = (file: StoredFile) => stored.indexOf(file)
  const intervals = files.map(intervalOf)

  let next = 0
  for (const { from, to } of tasks) {
    if (from !== next || to <= from) return `tasks do not tile: [${from}, ${to}) after ${next}`
    next = to
  }
  if (next !== changes.length) return `changes from ${next} on have no task`
  const taken = tasks.flatMap((task) => task.files.map(indexOf))
  if (new Set(taken).size !== taken.length) return 'a file is in two tasks'

  for (const [i, task] of tasks.entries()) {
    const own = changes.slice(task.from, task.to)
    const ownFiles = task.files.map(indexOf)
    const mayHold = (key: number) => intervals.flatMap((interval, file) => (within(interval, key) ? [file] : []))
    const touches = own.some(({ key, operation }) => operation === PUT || mayHold(key).length > 0)
    if (task.touchesFiles !== touches) return `task ${i} touches files: ${task.touchesFiles}, by its changes ${touches}`
    if (!touches && ownFiles.length > 0) return `task ${i} names files that it does not touch`
    for (const { key } of own) {
      if (mayHold(key).some((file) => !ownFiles.includes(file))) return `a file that may hold ${key} is not in its task`
    }
    if (touches && files.length > 0 && ownFiles.length === 0 && !isWorthFilesOfItsOwn(own, files, intervals))
      return `task ${i} writes past the files there are`
    for (const [at, file] of ownFiles.entries()) {
      if (at > 0 && intervals[file]!.lower < intervals[ownFiles[at - 1]!]!.lower)
        return `files of task ${i} out of order`
    }
    // What it writes must stand apart from every other file.
    const hull = {
      lower: Math.min(...own.map(({ key }) => key), ...ownFiles.map((file) => intervals[file]!.lower)),
      upper: Math.max(...own.map(({ key }) => key), ...ownFiles.map((file) => intervals[file]!.upper)),
    }
    if (touches && intervals.some((interval, file) => !ownFiles.includes(file) && meet(interval, hull))) {
      return `task ${i} overlaps a file that it leaves`
    }
  }
  return faultOfJoins(files, tasks, clustersOf(intervals), indexOf)
}

/** Enough puts above all files, the last of which are not small. */
function isWorthFilesOfItsOwn(
  own: readonly Change[],
  files: readonly Bounds[],
  intervals: readonly Interval[],
): boolean {
  const bytes = clustersOf(intervals)
    .at(-1)!
    .reduce((sum, file) => sum + files[file]!.bytes, 0)
  const isAbove = own.every(({ key }) => intervals.every(({ upper }) => key > upper))
  return isAbove && bytes >= 0.25 * TARGET && own.filter(({ operation }) => operation === PUT).length >= GROUP_ROWS
}

/** A task has the files of one cluster, or of two neighbours that it may join. */
function faultOfJoins(
  files: readonly Bounds[],
  tasks: readonly MergeTask[],
  clusters: readonly (readonly number[])[],
  indexOf: (file: StoredFile) => number,
): string | null {
  const bytesOf = (cluster: number) => clusters[cluster]!.reduce((bytes, file) => bytes + files[file]!.bytes, 0)
  const fit = (a: number, b: number) =>
    (bytesOf(a) < 0.25 * TARGET || bytesOf(b) < 0.25 * TARGET) && bytesOf(a) + bytesOf(b) <= 1.5 * TARGET
  const clustersOfTask = tasks.map((task) => [
    ...new Set(task.files.map((file) => clusters.findIndex((cluster) => cluster.includes(indexOf(file))))),
  ])
  const inPairs = clustersOfTask.filter(({ length }) => length === 2).flat()
  for (const [i, own] of clustersOfTask.entries()) {
    const all = own.reduce((count, cluster) => count + clusters[cluster]!.length, 0)
    if (tasks[i]!.files.length !== all) return `task ${i} has part of a cluster`
    if (own.length > 2) return `task ${i} joins more than two neighbours`
    if (own.length === 2 && (own[1] !== own[0]! + 1 || !fit(own[0]!, own[1]!)))
      return `task ${i} joins what does not fit`
    if (own.length !== 1 || own[0] === 0) continue
    const before = own[0]! - 1
    if (fit(before, own[0]!) && !inPairs.includes(before)) return `task ${i} leaves a neighbour that would fit`
  }
  return null
}

function check(files: readonly Bounds[], changes: readonly Change[], fields: readonly Field[]): void {
  const fault = faultOf(files, changes, fields)
  if (fault !== null) expect.fail(`${fault}: ${JSON.stringify({ files, changes })}`)
}

/** Every one or two changes, in ascending order of their keys. */
function fewChanges(keys: readonly number[]): Change[][] {
  const each = keys.flatMap((key) => [PUT, REMOVE].map((operation) => ({ key, operation })))
  return [...sequences(each, 2)].filter(
    (changes) => changes.length === 1 || (changes[0] && changes[0].key < changes[1]!.key),
  )
}

describe('the tasks for the changes of a partition', () => {
  it('leave the last file alone where enough new keys come above it, unless it is small', () => {
    const puts = Array.from({ length: GROUP_ROWS + 5 }, (_, i) => ({ key: i, operation: PUT }))
    const tasksOf = (bytes: number, upper: number, operation = PUT) => {
      const files = [{ lower: [2], upper: [upper], bytes }]
      const changes = puts.map((put) => ({ ...put, operation: put.key > upper ? operation : PUT }))
      check(files, changes, ONE_PART)
      const routed = routedOf(changes, ONE_PART)
      return locate(files.map(storedFile), ONE_PART, routed, 0, changes.length, TARGET, GROUP_ROWS).map(
        (task) => [task.from, task.to, task.files.length] as const,
      )
    }
    const all = puts.length
    expect(tasksOf(TARGET, 4)).toEqual([
      [0, 5, 1],
      [5, all, 0],
    ])
    expect(tasksOf(TARGET, 5)).toEqual([[0, all, 1]])
    expect(tasksOf(0.2 * TARGET, 4)).toEqual([[0, all, 1]])
    expect(tasksOf(TARGET, 4, REMOVE)).toEqual([[0, all, 1]])
  })

  it('tile the changes and name all files that can hold their keys, for every two files around every two keys', () => {
    const bound = [null, 2, 4, 6]
    const files = bound.flatMap((lower) =>
      bound
        .filter((upper) => lower === null || upper === null || lower <= upper)
        .map((upper) => ({ lower: [lower], upper: [upper], bytes: 100 })),
    )
    const changes = fewChanges([1, 2, 3, 4, 5, 6, 7])
    for (const some of sequences(files, 2)) for (const list of changes) check(some, list, ONE_PART)
  })

  it('do so for every two files of two-part keys, whose second part bounds a key where the first is one', () => {
    const files = [
      ...combinations<number | null>([
        [null, 1, 2],
        [null, 1, 2],
        [null, 3],
        [null, 6],
      ]),
    ]
      .filter(([l1, u1]) => l1 !== 2 || u1 !== 1)
      .map(([l1, u1, l2, u2]): Bounds => ({ lower: [l1!, l2!], upper: [u1!, u2!], bytes: 100 }))
    const changes = [0, 10, 13, 14, 16, 17, 19, 20, 23, 26, 29, 30].flatMap((key) => [
      [{ key, operation: REMOVE }],
      [
        { key: key - (key % 10), operation: PUT },
        { key: key + 1, operation: REMOVE },
      ],
    ])
    for (const some of sequences(files, 2)) for (const list of changes) check(some, list, TWO_PARTS)
  })

  it('join small neighbours, for every row of files and every choice of what is written, removed in vain or left', () => {
    for (const sizes of sequences([10, 20, 140], 4)) {
      const files = sizes.map((bytes, i) => ({ lower: [10 * i + 2], upper: [10 * i + 5], bytes }))
      for (const choice of combinations(sizes.map(() => [PUT, REMOVE, null]))) {
        const changes = choice.flatMap((operation, i) => {
          if (operation === null) return []
          return [{ key: operation === PUT ? 10 * i + 3 : 10 * i + 7, operation }]
        })
        if (changes.length > 0) check(files, changes, ONE_PART)
      }
    }
  })

  const operation = fc.constantFrom(PUT, REMOVE)
  const changes = fc
    .uniqueArray(fc.record({ key: fc.nat(99), operation }), { selector: ({ key }) => key, minLength: 1, maxLength: 25 })
    .map((list) => list.sort((a, b) => a.key - b.key))
  const bytes = fc.constantFrom(5, 20, 60, 100, 140)
  const spread = (keys: readonly number[]) => ({ lower: Math.min(...keys), upper: Math.max(...keys) })
  const partsOf = (keys: readonly number[], parts: number) =>
    parts === 1
      ? [spread(keys)]
      : [spread(keys.map((key) => Math.floor(key / 10))), spread(keys.map((key) => key % 10))]
  const boundsOf = (keys: readonly number[], parts: number, size: number): Bounds => ({
    lower: partsOf(keys, parts).map(({ lower }) => lower),
    upper: partsOf(keys, parts).map(({ upper }) => upper),
    bytes: size,
  })

  it('hold for files of ours, in order and apart, with keys of one part and of two', () => {
    const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.nat(6), bytes), { maxLength: 12 })
    fc.assert(
      fc.property(runs, changes, fc.constantFrom(1, 2), (lengths, list, parts) => {
        let key = 0
        const files: Bounds[] = []
        for (const [length, gap, size] of lengths) {
          const keys = Array.from({ length }, () => key++).filter((one) => one < 100)
          if (keys.length > 0) files.push(boundsOf(keys, parts, size))
          key += gap
        }
        check(files, list, parts === 1 ? ONE_PART : TWO_PARTS)
      }),
      { numRuns: 400 },
    )
  })

  it('hold for files of other writers, in any order, that overlap or have no bounds', () => {
    const keys = fc.tuple(fc.nat(99), fc.nat(15)).map(([start, length]) => [start, Math.min(99, start + length)])
    const file = fc.record({ keys, bytes, unknown: fc.constantFrom('', '', '', 'lower', 'upper') })
    fc.assert(
      fc.property(fc.array(file, { maxLength: 8 }), changes, fc.constantFrom(1, 2), (some, list, parts) => {
        const files = some.map(({ keys, bytes: size, unknown }) => {
          const bounds = boundsOf(keys, parts, size)
          return unknown === '' ? bounds : { ...bounds, [unknown]: bounds.lower.map(() => null) }
        })
        check(files, list, parts === 1 ? ONE_PART : TWO_PARTS)
      }),
      { numRuns: 400 },
    )
  })

  it('take the range of the changes that they are given', () => {
    const changes = routedOf(
      [1, 2, 3, 4].map((key) => ({ key, operation: key === 2 ? REMOVE : PUT })),
      ONE_PART,
    )
    expect(locate([], ONE_PART, changes, 1, 2, TARGET, GROUP_ROWS)).toEqual([
      { files: [], from: 1, to: 2, touchesFiles: false, rowsNear: 0 },
    ])
    const file = storedFile({ lower: [2], upper: [3], bytes: 100 }, 0)
    expect(locate([file], ONE_PART, changes, 1, 3, TARGET, GROUP_ROWS)).toEqual([
      { files: [file], from: 1, to: 3, touchesFiles: true, rowsNear: file.file.records },
    ])
  })

  it('tell about how many stored rows lie near their changes', () => {
    const stored = storedFile({ lower: [10], upper: [90], bytes: 100 }, 0)
    const file = { ...stored, file: { ...stored.file, records: 80_000 } }
    const near = (...keys: number[]) => {
      const changes = routedOf(
        keys.map((key) => ({ key, operation: PUT })),
        ONE_PART,
      )
      return locate([file], ONE_PART, changes, 0, keys.length, TARGET, GROUP_ROWS)[0]!.rowsNear
    }
    expect(near(50)).toBe(GROUP_ROWS)
    expect(near(10, 90)).toBe(2 * GROUP_ROWS)
    expect(near(...Array.from({ length: 81 }, (_, i) => 10 + i))).toBeGreaterThan(8 * GROUP_ROWS)
    expect(near(80, 81, 82, 83, 84, 85, 86, 87, 88, 89)).toBeLessThan(3 * GROUP_ROWS)
  })

  it('keep files of one first part together, whichever of them a key would go to', () => {
    const files = [boundsOf([11, 12, 25], 2, 100), boundsOf([26, 31], 2, 100), boundsOf([41], 2, 100)].map(storedFile)
    const tasks = locate(
      files,
      TWO_PARTS,
      routedOf([{ key: 25, operation: REMOVE }], TWO_PARTS),
      0,
      1,
      TARGET,
      GROUP_ROWS,
    )
    expect(tasks.map((task) => task.files.map(({ file }) => file.path))).toEqual([['file 0', 'file 1']])
  })

  const TEXTS: readonly Field[] = [...ONE_PART, { id: 2, name: 'sk', type: { kind: 'string' }, required: true }]

  /** Whether the removal of a key touches the one file there is, whose bounds have these parts. */
  function touches(lower: readonly string[], upper: readonly string[], key: readonly string[]): boolean {
    const fields = TEXTS.slice(0, key.length)
    const asMap = (parts: readonly string[]) => new Map(parts.map((part, i) => [i + 1, Buffer.from(part)]))
    const stored = storedFile({ lower: [], upper: [], bytes: 100 }, 0)
    const file = { ...stored.file, lowerBounds: asMap(lower), upperBounds: asMap(upper) }
    const bytes = key.map((part, i) => encodeKeyPart({ kind: 'string' }, part, i === key.length - 1))
    const changes = {
      ...routedOf([{ key: 0, operation: REMOVE }], ONE_PART),
      keys: byteStrings([Buffer.concat(bytes)]),
    }
    return locate([{ ...stored, file }], fields, changes, 0, 1, TARGET, GROUP_ROWS)[0]!.touchesFiles
  }

  it('read a first part that holds zero bytes as the one value it is', () => {
    const bounds = ['a', 'a\0', 'a\0\0', 'b']
    expect(bounds.map((bound) => touches([bound], [bound], ['a\0', 'x']))).toEqual([false, true, false, false])
  })

  it('take the last part of an upper bound for the whole of it, and a first part for all keys that have it', () => {
    expect(['l', 'm', 'ma', 'n'].map((key) => touches(['a'], ['m'], [key]))).toEqual([true, true, false, false])
    expect(['l', 'm', 'ma', 'n'].map((key) => touches(['x', 'a'], ['x', 'm'], ['x', key]))).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(['w', 'x', 'xa', 'y'].map((first) => touches(['w', 'a'], ['x', 'm'], [first, 'z']))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})

describe('the files that can hold a key', () => {
  it('are those whose bounds allow it, all others left out', () => {
    const bound = [null, 1, 2]
    const files = [...combinations([bound, bound, bound, bound])]
      .filter(([l1, u1]) => l1 !== 2 || u1 !== 1)
      .map(([l1, u1, l2, u2]): Bounds => ({ lower: [l1!, l2!], upper: [u1!, u2!], bytes: 1 }))
    const stored = files.map(storedFile)
    for (let key = 0; key < 40; key++) {
      const expected = stored.filter((_, i) => within(intervalOf(files[i]!), key))
      const found = filesThatCanHold(stored, TWO_PARTS, byteStrings([keyBytes(key, TWO_PARTS)]), 0)
      expect(found.map(({ file }) => file.path)).toEqual(expected.map(({ file }) => file.path))
    }
  })
})
