import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeChangeLine } from '../src/change/change-lines.ts'
import { inflateObject } from '../src/change/inflate-object.ts'
import { type ParsedItems, parseItems } from '../src/change/parse-items.ts'
import { OBJECT_BYTES_MAX, scanObject } from '../src/change/scan-object.ts'
import type { ScannedObject } from '../src/change/scanned-lines.ts'
import type { Column } from '../src/columns/column.ts'
import { parseTableDefinition, type TableDefinition } from '../src/table-definition.ts'

// Lines of the common form are read by what is expected to stand in them. Here each line is read twice: among others that taught what
// to expect, and alone, in a form that is never expected. Both must say the same.

const SOURCE = '123456789012/eu-west-1'
const STREAM = '2026-11-22T08:00:00.000'
const TYPES = {
  text: 'string',
  'näme "q"': 'string',
  number: 'number',
  long: 'long',
  int: 'int',
  double: 'double',
  flag: 'boolean',
  small: 'decimal(12,2)',
  wide: 'decimal(38,9)',
  iso: 'timestamptz',
  millis: 'timestamptz(ms)',
  date: 'date',
  binary: 'binary',
  json: 'json',
}

function define(overrides: object): TableDefinition {
  return parseTableDefinition(
    JSON.stringify({ table: 'orders', source: SOURCE, key: ['pk'], columns: { pk: 'string', ...TYPES }, ...overrides }),
  )
}
const byKey = define({ partition_by: ['bucket(pk, 4)'] })
const byTwo = define({ key: ['pk', 'sk'], columns: { pk: 'string', sk: 'number', ...TYPES } })
const byImage = define({ partition_by: ['day(iso)', 'identity(text)'] })
const byMany = define({
  key: ['pk', 'sk'],
  columns: { pk: 'string', sk: 'number', ...TYPES },
  partition_by: [
    'bucket(pk, 3)',
    'identity(sk)',
    'year(iso)',
    'truncate(text, 2)',
    'truncate(int, 10)',
    'bucket(long, 3)',
    'identity(wide)',
    'truncate(small, 50)',
    'identity(flag)',
    'identity(date)',
    'bucket(binary, 5)',
  ],
})
const byMillis = define({ partition_by: ['hour(millis)'] })

interface LineSaid {
  readonly row: object | null
  readonly values: readonly unknown[] | null
}

function valueAt(column: Column, row: number): unknown {
  if (column.validity !== null && ((column.validity[row >> 3]! >> (row & 7)) & 1) === 0) return null
  if (column.kind === 'bytes') {
    return Buffer.from(column.bytes.subarray(column.starts[row]! + 4, column.starts[row + 1])).toString('latin1')
  }
  if (column.kind === 'fixed') return Buffer.from(column.data.subarray(row * 16, row * 16 + 16)).toString('hex')
  if (column.kind === 'dictionary') throw new Error('items give no dictionaries')
  return column.data[row]
}

/** What is known of row `row` of a scan, and of row `item` of its items. */
function said(scanned: ScannedObject, row: number, items: ParsedItems, item: number): LineSaid {
  const { lines } = scanned
  const stretch = ({ bytes, starts }: { bytes: Uint8Array; starts: Uint32Array }) =>
    Buffer.from(bytes.subarray(starts[row], starts[row + 1])).toString('latin1')
  return {
    row: {
      operation: lines.operation[row],
      at: lines.at[row],
      key: stretch(lines.keys),
      version: stretch(lines.versions),
      accepted: lines.accepted[row],
      partition: lines.partitions[lines.partition[row]!],
      oldPartition: lines.partitions[lines.oldPartition[row]!],
    },
    values: lines.itemEnd[row] === 0 ? null : items.columns.map((column) => valueAt(column, item)),
  }
}

/** The lines of a text, each read alone and behind a space, which no expectation allows for. */
function alone(
  text: Buffer,
  definition: TableDefinition,
): { lines: Map<number, LineSaid>; misfits: Map<string, number> } {
  const lines = new Map<number, LineSaid>()
  const misfits = new Map<string, number>()
  let start = 0
  for (let number = 1; start < text.length; number++) {
    const newline = text.indexOf(10, start)
    const end = newline < 0 ? text.length : newline
    const line = Buffer.concat([Buffer.from(' '), text.subarray(start, end)])
    const scanned = scanObject({ text: line, broken: null }, definition)
    start = end + 1
    if (scanned.quarantined.length > 0) lines.set(number, { row: null, values: null })
    if (scanned.lines.count === 0) continue
    const { itemStart, itemEnd } = scanned.lines
    const count = itemEnd[0]! > 0 ? 1 : 0
    const items = parseItems(
      { count, texts: [scanned.lines.text], text: [0], start: itemStart, end: itemEnd, keys: null },
      definition,
    )
    expect(items.failed).toEqual([])
    lines.set(number, said(scanned, 0, { ...items, columns: items.columns.slice(definition.keyColumns) }, 0))
    for (const [misfit, times] of items.misfits) misfits.set(misfit, (misfits.get(misfit) ?? 0) + times)
  }
  return { lines, misfits }
}

/** The lines of a text in one pass. */
function together(text: Buffer, definition: TableDefinition): ReturnType<typeof alone> {
  const scanned = scanObject({ text, broken: null }, definition, { parsesItems: true })
  const items = scanned.items!
  const own = { ...items, columns: items.columns.slice(definition.keyColumns) }
  const lines = new Map<number, LineSaid>()
  let item = 0
  for (const [row, number] of scanned.lines.lineNumber.entries()) {
    lines.set(number, said(scanned, row, own, item))
    if (scanned.lines.itemEnd[row]! > 0) item++
  }
  for (const column of own.columns) expect(column.rows).toBe(item)
  for (const { line } of scanned.quarantined) lines.set(line, { row: null, values: null })
  return { lines, misfits: items.misfits }
}

function expectSame(text: Buffer, definition: TableDefinition): void {
  const fast = together(text, definition)
  const slow = alone(text, definition)
  const byNumber = (lines: Map<number, LineSaid>) => [...lines].sort(([a], [b]) => a - b)
  expect(byNumber(fast.lines)).toEqual(byNumber(slow.lines))
  expect(new Map([...fast.misfits].sort())).toEqual(new Map([...slow.misfits].sort()))
}

const digits = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,12})?(E[+-]?\d{1,2})?$/),
  fc.stringMatching(/^-?\d{0,5}\.?\d{0,5}$/),
  fc.integer().map(String),
  fc.double({ noNaN: true }).map(String),
  fc.constantFrom('1795334400123', '2147483648', '-2147483648', '9007199254740993', '0', '-0', '007', '1.0'),
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.constantFrom('', 'x"\\\n', 'ключ', '\ud800', '\u0001', 'a'.repeat(300)),
)
const attribute = (...values: fc.Arbitrary<object>[]) =>
  fc.option(fc.oneof({ weight: 9, arbitrary: values[0]! }, ...values))
const S = (of: fc.Arbitrary<string>) => of.map((value) => ({ S: value }))
const N = digits.map((value) => ({ N: value }))
const odd = fc.constantFrom<object>({ NULL: true }, { SS: ['b', 'a'] }, { M: { a: { N: '1.0' } } }, { L: [] }, { X: 1 })
const moment = fc.constantFrom(
  '2026-11-22T08:00:00Z',
  '2026-11-22T08:00:00.123456+05:30',
  '1969-12-31T23:59:59.9Z',
  '2026',
)
const item = fc
  .record({
    text: attribute(S(text), odd),
    'näme "q"': attribute(S(text), odd),
    number: attribute(N, odd),
    long: attribute(N, S(text)),
    int: attribute(N, odd),
    double: attribute(N, odd),
    flag: attribute(
      fc.boolean().map((value) => ({ BOOL: value })),
      odd,
    ),
    small: attribute(N, odd),
    wide: attribute(N, odd),
    iso: attribute(S(moment), S(text), N),
    millis: attribute(N, odd),
    date: attribute(S(fc.constantFrom('2026-11-22', '1900-02-29')), S(text)),
    binary: attribute(
      fc.uint8Array().map((bytes) => ({ B: Buffer.from(bytes).toString('base64') })),
      odd,
    ),
    json: attribute(odd, S(text)),
    other: attribute(S(text), N),
    'aws:rep:time': attribute(N),
  })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null)))

const change = fc.record({
  pk: fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 12 }), text),
  sk: digits,
  item,
  old: item,
  operation: fc.constantFrom('insert' as const, 'modify' as const, 'modify' as const, 'remove' as const),
  sequence: fc.stringMatching(/^\d{1,40}$/),
  at: fc.oneof(fc.integer({ min: 0, max: 2_000_000_000 }), fc.constantFrom(1795334400.5, 0, 99_999_999_999)),
  accept: fc.boolean(),
})
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

function lineOf({ pk, sk, item, old, operation, sequence, at, accept }: Change, definition: TableDefinition): string {
  const keys = { pk: { S: pk }, ...(definition.keyColumns === 2 && { sk: { N: sk } }) }
  const names = definition.partitionedByKey
    ? []
    : definition.partitionBy.map(({ column }) => definition.columns[column]!)
  const images = Object.fromEntries(names.map(({ attribute: name }) => [name, old[name] ?? null]))
  return encodeChangeLine({
    table: 'orders',
    source: SOURCE,
    stream: STREAM,
    sequence,
    operation,
    at,
    keys,
    ...(operation !== 'remove' && { item: { ...keys, ...item } }),
    ...(operation !== 'insert' && names.length > 0 && { old: images as never }),
    ...(accept && pk.length > 8 && { accept: 'below-watermark' as const }),
  })
}

type EditKind = 'set' | 'insert' | 'append' | 'cut' | 'end' | 'repeat' | 'member' | 'space'

/** An edit of a line's bytes at a fraction of its length. */
type Edit = { readonly at: number; readonly kind: EditKind; readonly byte: number }
const edit: fc.Arbitrary<Edit> = fc.record({
  // Even, as fractions of the whole: doubles of fast-check are even in their exponents.
  at: fc.nat(9999).map((place) => place / 10_000),
  kind: fc.constantFrom<EditKind>('set', 'insert', 'append', 'cut', 'end', 'repeat', 'member', 'space'),
  byte: fc.oneof(fc.constantFrom(...Buffer.from('"\\{}[]:, \n\t0e-.u/')), fc.integer({ min: 0, max: 255 })),
})

function edited(line: Buffer, { at, kind, byte }: Edit): Buffer {
  const place = Math.min(Math.floor(at * line.length), line.length - 1)
  if (line.length === 0) return line
  const before = line.subarray(0, place)
  const behind = line.subarray(place + 1)
  switch (kind) {
    case 'set':
      return Buffer.concat([before, Buffer.of(byte), behind])
    case 'insert':
      return Buffer.concat([before, Buffer.of(byte), line.subarray(place)])
    case 'append':
      return Buffer.concat([line, Buffer.of(byte)])
    case 'member':
      return Buffer.from(withRepeatedMember(line.toString('latin1'), at, byte), 'latin1')
    case 'space':
      return Buffer.from(withSpace(line.toString('latin1'), place, ' \t\r\n'[byte & 3]!), 'latin1')
    case 'cut':
      return Buffer.concat([before, behind])
    case 'end':
      return Buffer.from(before)
    case 'repeat':
      return Buffer.concat([before, line.subarray(Math.max(0, place - byte), place), line.subarray(place)])
  }
}

/** The space behind a token near `place`. */
function withSpace(line: string, place: number, space: string): string {
  const behind = line.slice(place).search(/[,:{}]/)
  return behind < 0 ? line : line.slice(0, place + behind + 1) + space + line.slice(place + behind + 1)
}

/** A member of the line once more, behind another one. */
function withRepeatedMember(line: string, at: number, byte: number): string {
  const members = [...line.matchAll(/,"[^"\\]*":\{"[A-Z]+":"?[^"\\{}]*"?\}/g)]
  const from = members[Math.floor(at * members.length * 0.99)]
  const behind = members[byte % Math.max(members.length, 1)]
  if (from === undefined || behind === undefined) return line
  const place = behind.index + behind[0].length
  return line.slice(0, place) + from[0] + line.slice(place)
}

describe.each([
  ['partitioned by its key', byKey],
  ['with a key of two parts', byTwo],
  ['partitioned by two attributes', byImage],
  ['partitioned by an epoch number', byMillis],
  ['partitioned by a value of every type', byMany],
])('a line of a table %s', (_about, definition) => {
  it('says among others what it says alone', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), fc.boolean(), (changes, hasEnd) => {
        const lines = changes.map((each) => lineOf(each, definition))
        expectSame(Buffer.from(lines.join('\n') + (hasEnd ? '\n' : '')), definition)
      }),
      { numRuns: 80 },
    )
  })

  it('says so too where its bytes were edited', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(change, fc.array(edit, { maxLength: 2 })), { minLength: 1, maxLength: 12 }),
        (changes) => {
          const lines = changes.flatMap(([each, edits]) => {
            const line = Buffer.from(lineOf(each, definition))
            return [line, Buffer.from('\n'), edits.reduce(edited, line), Buffer.from('\n')]
          })
          expectSame(Buffer.concat(lines), definition)
        },
      ),
      { numRuns: 150 },
    )
  })
})

it.each([
  ['partitioned by its key', byKey],
  ['partitioned by two attributes', byImage],
])('a line of common values and white space anywhere says the same: of a table %s', (_about, definition) => {
  const line = lineOf(
    {
      pk: 'k',
      sk: '1',
      item: { text: { S: 'x' }, long: { N: '5' }, iso: { S: '2026-11-22T08:00:00Z' } },
      old: { text: { S: 'y' }, iso: { S: '2026-11-21T08:00:00Z' } },
      operation: 'modify',
      sequence: '7',
      at: 1795334400,
      accept: false,
    },
    definition,
  )
  for (let place = 0; place <= line.length; place++) {
    for (const space of ['\n', ' ', '\r']) {
      const altered = line.slice(0, place) + space + line.slice(place)
      expectSame(Buffer.from([line, line, altered, line].join('\n')), definition)
    }
  }
})

describe('a double of more digits than one holds', () => {
  function doublesOf(numbers: readonly string[]): Float64Array {
    const texts = numbers.map((N) => Buffer.from(`${JSON.stringify({ double: { N } })}\n`))
    let total = 0
    const ends = texts.map((each) => {
      total += each.length
      return total
    })
    const { columns } = parseItems(
      {
        count: texts.length,
        texts: [Buffer.concat(texts)],
        text: texts.map(() => 0),
        start: [0, ...ends],
        end: ends.map((end) => end - 1),
        keys: null,
      },
      byKey,
    )
    const column = columns.find(({ kind }) => kind === 'double')
    if (column?.kind !== 'double') throw new Error('no column of doubles')
    return column.data
  }

  it('is the nearest, also where that is decided by the last digit', () => {
    // Between 2^53 and 2^64 neighbours lie two and more apart: their middle is an integer.
    const middle = fc
      .tuple(
        fc.integer({ min: 53, max: 63 }),
        fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }),
        fc.integer({ min: -1, max: 1 }),
      )
      .map(([power, steps, beside]) => {
        const step = 2n ** BigInt(power - 52)
        return String(2n ** BigInt(power) + steps * step + step / 2n + BigInt(beside))
      })
    const long = fc
      .tuple(fc.stringMatching(/^[1-9]\d{14,20}$/), fc.nat(20), fc.boolean())
      .map(([all, point, isNegative]) => {
        const whole = all.slice(0, Math.max(1, all.length - point))
        const fraction = all.slice(whole.length)
        return (isNegative ? '-' : '') + (fraction === '' ? whole : `${whole}.${fraction}`)
      })
    const small = fc
      .tuple(fc.nat(6), fc.stringMatching(/^\d{9,17}$/))
      .map(([zeros, all]) => `0.${'0'.repeat(zeros)}${all}`)
    fc.assert(
      fc.property(fc.array(fc.oneof(middle, long, small), { minLength: 50, maxLength: 50 }), (numbers) => {
        expect([...doublesOf(numbers)]).toEqual(numbers.map((text) => Number(text) + 0))
      }),
      { numRuns: 200 },
    )
  })
})

describe('items parsed with their lines', () => {
  const puts = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      encodeChangeLine({
        table: 'orders',
        source: SOURCE,
        stream: STREAM,
        sequence: String(1000 + i),
        operation: 'insert',
        at: 1795334400,
        keys: { pk: { S: `k${i}` } },
        item: { pk: { S: `k${i}` }, text: { S: 'x'.repeat(i % 700) }, long: { N: String(i) } },
      }),
    )

  it('are what parsing them later gives, also where values outgrow what was made room for', () => {
    const object = { text: Buffer.from(`${puts(5000).join('\n')}\n`), broken: null }
    const { lines, items } = scanObject(object, byKey, { parsesItems: true })
    const later = parseItems(
      {
        count: lines.count,
        texts: [lines.text],
        text: new Uint8Array(lines.count),
        start: lines.itemStart,
        end: lines.itemEnd,
        keys: null,
      },
      byKey,
    )
    expect(items).toEqual(later)
  })

  it('are no lines where the object breaks off within them', async () => {
    const text = puts(3).join('\n')
    for (let cut = 1; cut < text.length; cut++) {
      const zipped = gzipSync(text.slice(0, cut))
      const broken = scanObject(await inflateObject(zipped.subarray(0, -8)), byKey, { parsesItems: true })
      expect(broken.broken).not.toBeNull()
      const whole = text.slice(0, cut).split('\n')
      expect(broken.lines.count).toBe(whole.filter((line) => line.endsWith('}}}')).length)
      expect(broken.items!.columns.at(-1)!.rows).toBe(broken.lines.count)
    }
  })

  it('are quarantined where they are larger than any item can be', () => {
    const [line] = puts(1)
    const long = (bytes: number) => line!.replace('"text":{"S":"', `"text":{"S":"${'y'.repeat(bytes)}`)
    const text = [line, long(OBJECT_BYTES_MAX), long(OBJECT_BYTES_MAX - 200), line].join('\n')
    for (const parsesItems of [true, false]) {
      const scanned = scanObject({ text: Buffer.from(text), broken: null }, byKey, { parsesItems })
      expect(scanned.quarantined).toMatchObject([
        { line: 2, reason: 'line-too-long', message: expect.stringContaining('the item has') },
      ])
      expect([...scanned.lines.lineNumber]).toEqual([1, 3, 4])
    }
  })
})
