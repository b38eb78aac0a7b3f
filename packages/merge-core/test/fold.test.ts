import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ByteStrings } from '../src/change/byte-strings.ts'
import {
  CLEAR,
  DEFERRED,
  distinctKeys,
  EXPIRY_STANDS,
  type Fold,
  type FoldLimits,
  fold,
  groupByKey,
  isBelowWatermark,
  NO_EXPIRY,
  OPEN,
  OPEN_OUTDONE,
  QUARANTINED,
  STALE,
  SUPERSEDED,
  TTL_KEPT,
  tombstonesOf,
} from '../src/change/fold.ts'
import type { LandedLines, Lines } from '../src/change/lines.ts'
import { EXPIRE, PUT, REMOVE } from '../src/change/scanned-lines.ts'
import { EXPIRED, MOVED, NO_TOMBSTONE, REMOVED, type StandingTombstones } from '../src/change/tombstone.ts'
import { byteStrings, sequences, textStrings } from './byte-strings.ts'

// A line of a key. Where partitions come from the key, `to` is a put's and `from` a removal's one partition; else `from` is the
// partition of the old image, null where there was none. Partitions are single letters, versions small integers, 0 for none.
interface Line {
  readonly does: 'put' | 'remove' | 'expire'
  readonly version: number
  readonly to: string | null
  readonly from: string | null
  readonly item: string
  readonly at: number
  readonly excluded: number
}
interface Standing {
  readonly kind: number
  readonly removal: number
  readonly expired: number
}
interface Case {
  readonly lines: readonly Line[]
  readonly standing: Standing
}
/** What a fold makes of the lines of one key, written so that equal results are equal texts. */
interface Result {
  /** Of each line, what it is and its class; in no order. */
  readonly classes: string
  /** Of each partition its change, with the line that it comes from. */
  readonly changes: string
  readonly tombstones: string
  readonly conflicts: number
}

const NOTHING_STANDS: Standing = { kind: NO_TOMBSTONE, removal: 0, expired: 0 }
const NO_LIMITS = { floor: null, watermark: null }
const BY_KEY: FoldLimits = { ...NO_LIMITS, partitionedByKey: true }
const BY_OTHERS: FoldLimits = { ...NO_LIMITS, partitionedByKey: false }
const AT = 1_000_000

const CLASS_NAMES = new Map([
  [OPEN, 'open'],
  [OPEN_OUTDONE, 'outdone'],
  [SUPERSEDED, 'superseded'],
  [STALE, 'stale'],
  [TTL_KEPT, 'ttl-kept'],
  [QUARANTINED, 'quarantined'],
  [DEFERRED, 'deferred'],
])
const OPERATION_NAMES = new Map([
  [PUT, 'put'],
  [REMOVE, 'remove'],
  [CLEAR, 'clear'],
  [EXPIRE, 'expire'],
])

const texts = new WeakMap<Line, string>()
function textOf(line: Line): string {
  const known = texts.get(line)
  if (known !== undefined) return known
  const { does, version, to, from, item, at, excluded } = line
  const text = `${does} ${item} ${from}>${to} v${version} @${at}${excluded === 0 ? '' : ` not ${excluded}`}`
  texts.set(line, text)
  return text
}

/** The fold of one key's lines as semantics.md tells it, sections 1, 3, 5 and 6. */
function define(
  { lines, standing }: Case,
  { floor, watermark, partitionedByKey }: Omit<FoldLimits, 'excluded'>,
): Result {
  const classes = new Map<Line, string>()
  const takesPart: Line[] = []
  // The same line twice is two lines.
  const each = lines.map((line) => ({ ...line }))
  for (const line of each) {
    if (line.excluded !== 0) classes.set(line, CLASS_NAMES.get(line.excluded)!)
    else if (floor !== null && line.at < floor) classes.set(line, 'stale')
    else takesPart.push(line)
  }

  // Equal versions are the same change: a removal wins over a put, then the greater item, then the greater old partition.
  // Where two lines differ in their time alone the later one is told of, and that is no conflict.
  const rank = (line: Line) => [{ remove: '2', expire: '1', put: '0' }[line.does], line.item, line.from ?? ''].join('|')
  let conflicts = 0
  const ofKey: Line[] = []
  for (const equal of Map.groupBy(takesPart, ({ version }) => version).values()) {
    const best = equal.reduce((a, b) => (rank(b) > rank(a) || (rank(b) === rank(a) && b.at > a.at) ? b : a))
    for (const line of equal) if (line !== best) classes.set(line, 'superseded')
    conflicts += equal.filter((line) => rank(line) !== rank(best)).length
    ofKey.push(best)
  }

  const isMove = (line: Line) => !partitionedByKey && line.does === 'put' && line.from !== null && line.from !== line.to
  const isTooEarly = ({ at }: Line) => watermark !== null && at <= watermark + 3600
  const highest = (of: readonly Line[]) =>
    of.reduce<Line | null>((a, b) => (a === null || b.version > a.version ? b : a), null)
  const bar = highest(ofKey.filter((line) => isMove(line) || (line.does === 'remove' && !isTooEarly(line))))
  const expiry = highest(ofKey.filter(({ does }) => does === 'expire'))

  /** Where a line's removal applies: at a removal's or a move's old partition. */
  const clears = (line: Line) => (line.does === 'remove' || isMove(line) ? line.from : null)
  const isStale = (line: Line) =>
    standing.kind !== NO_TOMBSTONE &&
    (line.version < standing.removal ||
      (line.version === standing.removal && (standing.kind === REMOVED || line.does === 'remove')))
  const standingPuts: Line[] = []
  for (const line of ofKey.filter(({ does }) => does === 'put')) {
    const lost =
      (bar !== null && bar.version > line.version) ||
      ofKey.some(
        (other) =>
          other.version > line.version && ((other.does === 'put' && other.to === line.to) || clears(other) === line.to),
      )
    classes.set(line, lost ? 'superseded' : isStale(line) ? 'stale' : 'open')
    if (!lost && !isStale(line)) standingPuts.push(line)
  }
  const clearing = ofKey.filter(
    (line) => clears(line) !== null && !(partitionedByKey && line.does === 'remove' && isStale(line)),
  )
  for (const line of ofKey.filter(({ does }) => does === 'remove')) {
    const above = (other: Line) => other.version > line.version
    const lost = partitionedByKey
      ? ofKey.some((other) => above(other) && other.does !== 'expire')
      : standingPuts.some((other) => above(other) && other.to === line.from) ||
        clearing.some((other) => above(other) && clears(other) === line.from)
    if (lost) classes.set(line, 'superseded')
    else if (!clearing.includes(line)) classes.set(line, 'stale')
    else classes.set(line, bar !== null && above(bar) ? 'outdone' : 'open')
  }

  const raisesExpiry = expiry !== null && expiry.version > standing.expired
  for (const line of ofKey.filter(({ does }) => does === 'expire')) {
    classes.set(line, line !== expiry ? 'superseded' : raisesExpiry ? 'ttl-kept' : 'stale')
  }
  const mark = raisesExpiry ? ` expires v${expiry.version}` : standing.expired > 0 ? ' expires, as stands' : ''
  const changes = new Map<string, { version: number; text: string }>()
  const add = (partition: string, line: Line, text: string) => {
    const other = changes.get(partition)
    if (other === undefined || other.version < line.version) changes.set(partition, { version: line.version, text })
  }
  for (const line of standingPuts) add(line.to!, line, `put by ${textOf(line)}${mark}`)
  for (const line of clearing) {
    if (line.does === 'remove') add(line.from!, line, `remove by ${textOf(line)}${mark}`)
    else add(line.from!, line, `clear by ${textOf(line)}`)
  }
  if (raisesExpiry && changes.size === 0) add(expiry.from!, expiry, `expire by ${textOf(expiry)}${mark}`)

  return {
    classes: each
      .map((line) => `${textOf(line)}: ${classes.get(line)}`)
      .sort()
      .join(', '),
    changes: [...changes]
      .map(([partition, { text }]) => `${partition}: ${text}`)
      .sort()
      .join(', '),
    tombstones: [
      ...(bar !== null && bar.version > standing.removal ? [textOf(bar)] : []),
      ...(raisesExpiry ? [textOf(expiry)] : []),
    ].join(', '),
    conflicts,
  }
}

interface Folded {
  readonly lines: Lines
  readonly fold: Fold
  readonly results: Result[]
}

/** Lines of an object of which the fold asks for nothing but the versions. */
function landedVersions(versions: ByteStrings): LandedLines {
  return { versions } as LandedLines
}

/** Folds all cases at once, each as a key of its own, its lines strewn between those of the others. Conflicts are not by key. */
function foldAll(cases: readonly Case[], limits: FoldLimits): Folded {
  const strewn: { line: Line; key: number }[] = []
  const longest = Math.max(...cases.map(({ lines }) => lines.length))
  for (let i = 0; i < longest; i++) {
    for (const [key, { lines }] of cases.entries()) if (i < lines.length) strewn.push({ line: lines[i]!, key })
  }
  const names = [...new Set(strewn.flatMap(({ line }) => [line.to, line.from]))].filter((name) => name !== null)
  const numberOf = (name: string | null) => (name === null ? -1 : names.indexOf(name))
  const versionBytes = (versions: readonly number[]) =>
    textStrings(versions.map((version) => (version === 0 ? '' : String.fromCharCode(version))))
  const lines: Lines = {
    count: strewn.length,
    objects: [landedVersions(versionBytes(strewn.map(({ line }) => line.version)))],
    object: new Uint32Array(strewn.length),
    row: Uint32Array.from(strewn.keys()),
    operation: Uint8Array.from(strewn, ({ line }) => ({ put: PUT, remove: REMOVE, expire: EXPIRE })[line.does]),
    keys: byteStrings(strewn.map(({ key }) => Uint8Array.of(key >> 16, key >> 8, key))),
    at: Float64Array.from(strewn, ({ line }) => line.at),
    accepted: new Uint8Array(strewn.length),
    partition: Int32Array.from(strewn, ({ line }) =>
      numberOf(limits.partitionedByKey ? (line.to ?? line.from) : line.to),
    ),
    oldPartition: Int32Array.from(strewn, ({ line }) => (limits.partitionedByKey ? -1 : numberOf(line.from))),
    partitions: names.map((name) => [name]),
  }
  const groups = groupByKey(lines)
  const { starts, bytes } = distinctKeys(lines, groups)
  const keyOfGroup = Array.from(starts.subarray(0, -1), (start) => Buffer.from(bytes).readUIntBE(start, 3))
  const standing = keyOfGroup.map((key) => cases[key]!.standing)
  const folded = fold(
    lines,
    groups,
    {
      removalKind: Uint8Array.from(standing, ({ kind }) => kind),
      removalVersions: versionBytes(standing.map(({ removal }) => removal)),
      removalAt: new Float64Array(standing.length),
      expiredVersions: versionBytes(standing.map(({ expired }) => expired)),
      expiredAt: new Float64Array(standing.length),
    } satisfies StandingTombstones,
    limits,
    Uint8Array.from(strewn, ({ line }) => line.excluded),
    (a, b) => Buffer.compare(Buffer.from(strewn[a]!.line.item), Buffer.from(strewn[b]!.line.item)),
  )

  const classes: string[][] = cases.map(() => [])
  const changes: string[][] = cases.map(() => [])
  const tombstones: string[][] = cases.map(() => [])
  for (const [i, { line, key }] of strewn.entries()) {
    classes[key]!.push(`${textOf(line)}: ${CLASS_NAMES.get(folded.lineClass[i]!)}`)
  }
  let before = -1
  for (let i = 0; i < folded.changes.count; i++) {
    const { operation, key, partition, line, expiry } = folded.changes
    const place = partition[i]! * cases.length + key[i]!
    if (place <= before) throw new Error(`change ${i} does not sort after the one before it`)
    before = place
    const mark =
      expiry[i] === NO_EXPIRY
        ? ''
        : expiry[i] === EXPIRY_STANDS
          ? ' expires, as stands'
          : ` expires v${strewn[expiry[i]!]!.line.version}`
    const by = textOf(strewn[line[i]!]!.line)
    changes[keyOfGroup[key[i]!]!]!.push(
      `${names[partition[i]!]}: ${OPERATION_NAMES.get(operation[i]!)} by ${by}${mark}`,
    )
  }
  let keyBefore = 0
  for (const line of folded.tombstoneLines) {
    const { key } = strewn[line]!
    if (key < keyBefore) throw new Error('lines that raise tombstones are not in key order')
    keyBefore = key
    tombstones[key]!.push(textOf(strewn[line]!.line))
  }
  const results = cases.map((_, key) => ({
    classes: classes[key]!.sort().join(', '),
    changes: changes[key]!.sort().join(', '),
    tombstones: tombstones[key]!.join(', '),
    conflicts: 0,
  }))
  return { lines, fold: folded, results }
}

/** Holds each case to the definition. */
function check(cases: readonly Case[], limits: FoldLimits): void {
  const { fold, results } = foldAll(cases, limits)
  let conflicts = 0
  /** By lines in one order of their own: whatever order they come in, one result is right. */
  const known = new Map<string, Result>()
  for (const [key, one] of cases.entries()) {
    const about = `${Object.values(one.standing)} | ${one.lines.map(textOf).sort()}`
    const expected = known.get(about) ?? define(one, limits)
    known.set(about, expected)
    conflicts += expected.conflicts
    const actual = results[key]!
    const agrees =
      actual.classes === expected.classes &&
      actual.changes === expected.changes &&
      actual.tombstones === expected.tombstones
    if (!agrees) expect({ about, ...actual }).toEqual({ about, ...expected, conflicts: 0 })
  }
  expect(fold.conflicts).toBe(conflicts)
}

const put = (to: string, version: number, from: string | null = null, item = `item of ${to}`): Line => ({
  does: 'put',
  version,
  to,
  from,
  item,
  at: AT,
  excluded: 0,
})
const remove = (from: string, version: number): Line => ({
  does: 'remove',
  version,
  to: null,
  from,
  item: '',
  at: AT,
  excluded: 0,
})
const expire = (from: string, version: number): Line => ({ ...remove(from, version), does: 'expire' })

const VERSIONS = [1, 2, 3]
const tombstones = (kind: number) => VERSIONS.map((removal) => ({ ...NOTHING_STANDS, kind, removal }))

describe('the fold of the lines of a key', () => {
  it('is what the semantics say, for every sequence of up to three lines where partitions come from other attributes', () => {
    const lines = VERSIONS.flatMap((version) => [
      put('A', version, 'A'),
      put('B', version),
      put('B', version, 'A'),
      put('A', version, 'B'),
      remove('A', version),
      remove('B', version),
    ])
    for (const standing of [NOTHING_STANDS, ...tombstones(REMOVED), ...tombstones(MOVED)]) {
      check(
        [...sequences(lines, 3)].map((sequence) => ({ lines: sequence, standing })),
        BY_OTHERS,
      )
    }
  })

  it('is what the semantics say, for every sequence of up to three lines where the partition comes from the key', () => {
    const lines = VERSIONS.flatMap((version) => [
      put('A', version, null, 'one'),
      put('A', version, null, 'two'),
      remove('A', version),
      expire('A', version),
    ])
    for (const removal of [NOTHING_STANDS, ...tombstones(REMOVED)]) {
      for (const expired of [0, ...VERSIONS]) {
        const standing = { ...removal, expired }
        check(
          [...sequences(lines, 3)].map((sequence) => ({ lines: sequence, standing })),
          BY_KEY,
        )
      }
    }
  })

  const anyLine = fc.record({
    does: fc.constantFrom('put', 'remove', 'expire'),
    version: fc.integer({ min: 1, max: 6 }),
    to: fc.constantFrom('A', 'B', 'C'),
    from: fc.constantFrom('A', 'B', 'C', null),
    item: fc.constantFrom('one', 'two'),
    at: fc.constantFrom(AT - 1, AT, AT + 3600, AT + 3601, AT + 9000),
    excluded: fc.constantFrom(0, 0, 0, 0, 0, QUARANTINED, DEFERRED),
  })
  const anyStanding = fc.record({
    kind: fc.constantFrom(NO_TOMBSTONE, REMOVED, MOVED),
    removal: fc.integer({ min: 1, max: 6 }),
    expired: fc.integer({ min: 0, max: 6 }),
  })
  const limit = fc.constantFrom(null, AT, AT + 3601)

  it('is what the semantics say, for many lines, keys and partitions, with floor, watermark and lines left out', () => {
    const anyCase = fc.record({ lines: fc.array(anyLine, { maxLength: 9 }), standing: anyStanding })
    fc.assert(
      fc.property(
        fc.array(anyCase, { minLength: 1, maxLength: 4 }),
        limit,
        limit,
        fc.boolean(),
        (cases, floor, watermark, partitionedByKey) => {
          const fitting = cases.map(({ lines, standing }) => ({
            lines: lines.map((line) => fittingLine(line as Line, partitionedByKey)),
            standing: fittingStanding(standing, partitionedByKey),
          }))
          check(fitting, { floor, watermark, partitionedByKey })
        },
      ),
      { numRuns: 1500 },
    )
  })
})

const oneResult = (lines: readonly Line[], standing: Standing = NOTHING_STANDS, limits: FoldLimits = BY_OTHERS) => {
  const { fold, results } = foldAll([{ lines, standing }], limits)
  return { lineClass: [...fold.lineClass], changes: results[0]!.changes, tombstones: results[0]!.tombstones }
}
const at = (line: Line, seconds: number): Line => ({ ...line, at: seconds })

describe('a line that comes too early', () => {
  const floor = { ...BY_OTHERS, floor: AT }

  it('is stale below the floor, and takes part at the floor', () => {
    const early = oneResult([at(remove('A', 2), AT - 0.5), put('A', 1)], NOTHING_STANDS, floor)
    expect(early.lineClass).toEqual([STALE, OPEN])
    expect(early.tombstones).toBe('')
    const timely = oneResult([at(remove('A', 2), AT), put('A', 1)], NOTHING_STANDS, floor)
    expect(timely.lineClass).toEqual([OPEN, SUPERSEDED])
  })

  it('leaves no tombstone as a removal up to an hour above the watermark, and still removes', () => {
    const watermark = { ...BY_OTHERS, watermark: AT }
    const early = oneResult([at(remove('A', 2), AT + 3600), put('B', 1)], NOTHING_STANDS, watermark)
    expect(early.lineClass).toEqual([OPEN, OPEN])
    expect(early.tombstones).toBe('')
    expect(early.changes).toContain('A: remove by')
    const timely = oneResult([at(remove('A', 2), AT + 3600.5), put('B', 1)], NOTHING_STANDS, watermark)
    expect(timely.lineClass).toEqual([OPEN, SUPERSEDED])
    expect(timely.tombstones).toContain('remove')
  })

  it('is below the watermark up to an hour above it, and never where there is none', () => {
    expect([AT, AT + 3600, AT + 3600.001].map((seconds) => isBelowWatermark(seconds, AT))).toEqual([true, true, false])
    expect(isBelowWatermark(0, null)).toBe(false)
  })
})

describe('a line that is left out', () => {
  const out = (line: Line): Line => ({ ...line, excluded: QUARANTINED })

  it('has no effect: neither its put, nor the clearing of its old partition, nor its tombstone', () => {
    const { lineClass, changes, tombstones } = oneResult([out(put('B', 3, 'A')), put('A', 1), put('C', 2)])
    expect(lineClass).toEqual([QUARANTINED, OPEN, OPEN])
    expect(changes).not.toContain('B:')
    expect(changes).not.toContain('clear')
    expect(tombstones).toBe('')
  })

  it('leaves nothing of its key where it is the only one', () => {
    expect(oneResult([{ ...remove('A', 1), excluded: DEFERRED }])).toEqual({
      lineClass: [DEFERRED],
      changes: '',
      tombstones: '',
    })
  })
})

describe('lines of one key and version that differ', () => {
  const conflictsOf = (...lines: Line[]) => foldAll([{ lines, standing: NOTHING_STANDS }], BY_OTHERS).fold.conflicts

  it('are counted against the one that is taken, in whatever order they come', () => {
    const [one, two] = [put('A', 1, null, 'one'), put('A', 1, null, 'two')]
    expect([conflictsOf(one, one), conflictsOf(one, two), conflictsOf(remove('A', 1), remove('A', 1))]).toEqual([
      0, 1, 0,
    ])
    expect([conflictsOf(one, one, two), conflictsOf(one, two, one), conflictsOf(two, one, one)]).toEqual([2, 2, 2])
    expect([conflictsOf(two, one, two), conflictsOf(two, two, one)]).toEqual([1, 1])
  })

  it('prefer, of two that differ in nothing else, the one admitted below the watermark', () => {
    const { lines } = foldAll([{ lines: [put('A', 1), put('A', 1), put('A', 1)], standing: NOTHING_STANDS }], BY_OTHERS)
    for (const admitted of [0, 1, 2]) {
      const accepted = Uint8Array.from([0, 1, 2], (line) => (line === admitted ? 1 : 0))
      const { changes } = fold(
        { ...lines, accepted },
        groupByKey(lines),
        NONE_STANDING,
        BY_OTHERS,
        new Uint8Array(3),
        () => 0,
      )
      expect([...changes.line]).toEqual([admitted])
    }
  })

  it('are taken by what their partitions are, not by the number these have', () => {
    const folded = ['AB', 'BA'].map((order) => {
      const lines = [...order].map((partition) => remove(partition, 1))
      return oneResult(lines).changes
    })
    expect(folded).toEqual(['B: remove by remove  B>null v1 @1000000', 'B: remove by remove  B>null v1 @1000000'])
  })
})

const NONE_STANDING: StandingTombstones = {
  removalKind: Uint8Array.of(NO_TOMBSTONE),
  removalVersions: textStrings(['']),
  removalAt: new Float64Array(1),
  expiredVersions: textStrings(['']),
  expiredAt: new Float64Array(1),
}

const partsOf = ({ starts, bytes }: ByteStrings) =>
  Array.from(starts.subarray(1), (end, i) => Buffer.from(bytes.subarray(starts[i], end)).toString('hex'))

describe('the tombstones of a fold', () => {
  it('are those of the lines that raise them, in key order, but for those left without', () => {
    const cases = [[remove('A', 3)], [put('B', 2, 'A'), put('A', 1)], [put('A', 1)], [remove('A', 1)]]
    const { lines, fold } = foldAll(
      cases.map((of) => ({ lines: of.map((line, i) => at(line, AT + i + 0.5)), standing: NOTHING_STANDS })),
      BY_OTHERS,
    )
    const tombstones = tombstonesOf(lines, fold.tombstoneLines, () => false)
    expect(tombstones.count).toBe(3)
    expect(partsOf(tombstones.keys)).toEqual(['000000', '000001', '000003'])
    expect([...tombstones.kind]).toEqual([REMOVED, MOVED, REMOVED])
    expect(partsOf(tombstones.versions)).toEqual(['03', '02', '01'])
    expect([...tombstones.at]).toEqual([AT + 0.5, AT + 0.5, AT + 0.5])
    const first = fold.tombstoneLines[0]!
    expect([...tombstonesOf(lines, fold.tombstoneLines, (line) => line === first).kind]).toEqual([MOVED, REMOVED])
    expect(tombstonesOf(lines, fold.tombstoneLines, () => true).count).toBe(0)
  })

  it('keep a removal and an expiry of one key apart', () => {
    const { lines, fold } = foldAll([{ lines: [expire('A', 3), remove('A', 2)], standing: NOTHING_STANDS }], BY_KEY)
    expect([...tombstonesOf(lines, fold.tombstoneLines, () => false).kind]).toEqual([REMOVED, EXPIRED])
  })
})

/** The line as a table of this kind has it: one partition or several, an expiry on the one kind only, an item that says where it lies. */
function fittingLine(line: Line, partitionedByKey: boolean): Line {
  const does = line.does === 'expire' && !partitionedByKey ? 'remove' : line.does
  if (does === 'put') {
    return partitionedByKey ? { ...line, to: 'A', from: null } : { ...line, item: `${line.item} of ${line.to}` }
  }
  return { ...line, does, to: null, from: partitionedByKey ? 'A' : (line.from ?? 'A'), item: '' }
}

function fittingStanding({ kind, removal, expired }: Standing, partitionedByKey: boolean): Standing {
  return {
    kind: kind === MOVED && partitionedByKey ? REMOVED : kind,
    removal: kind === NO_TOMBSTONE ? 0 : removal,
    expired: partitionedByKey ? expired : 0,
  }
}
