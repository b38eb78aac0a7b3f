import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeKeyPart } from '../src/change/key-order.ts'
import { parseItems } from '../src/change/parse-items.ts'
import { partitionOfItem } from '../src/change/partition.ts'
import type { Column } from '../src/columns/column.ts'
import { parseTableDefinition, type TableDefinition } from '../src/table-definition.ts'

const TYPES = {
  string: 'string',
  number: 'number',
  long: 'long',
  int: 'int',
  double: 'double',
  boolean: 'boolean',
  small: 'decimal(12,2)',
  wide: 'decimal(38,9)',
  iso: 'timestamptz',
  seconds: 'timestamptz(s)',
  millis: 'timestamptz(ms)',
  micros: 'timestamptz(us)',
  date: 'date',
  binary: 'binary',
  json: 'json',
} as const
type Name = keyof typeof TYPES

function define(columns: object, overrides: object = {}): TableDefinition {
  const fixed = { table: 'orders', source: '123456789012/eu-west-1', key: ['pk'] }
  return parseTableDefinition(JSON.stringify({ ...fixed, columns: { pk: 'string', ...columns }, ...overrides }))
}
const definition = define(TYPES)

function parseTexts(texts: readonly string[], of = definition) {
  const bytes = texts.map((text) => Buffer.from(text))
  return parseItems(
    {
      count: bytes.length,
      texts: bytes,
      text: bytes.map((_, index) => index),
      start: bytes.map(() => 0),
      end: bytes.map((item) => item.length),
    },
    of,
  )
}

/** A row's value: text of bytes, integers as bigint. */
function cell(column: Column, row: number): unknown {
  if (column.validity !== null && ((column.validity[row >> 3]! >> (row & 7)) & 1) === 0) return null
  switch (column.kind) {
    case 'bytes': {
      const value = Buffer.from(column.bytes.subarray(column.starts[row]! + 4, column.starts[row + 1]))
      expect(Buffer.from(column.bytes).readUInt32LE(column.starts[row])).toBe(value.length)
      return value.toString()
    }
    case 'fixed':
      return BigInt.asIntN(
        128,
        BigInt(`0x${Buffer.from(column.data.subarray(row * 16, row * 16 + 16)).toString('hex')}`),
      )
    case 'boolean':
      return column.data[row] === 1
    case 'double':
      return column.data[row]
    case 'int32':
    case 'int64':
      return BigInt(column.data[row]!)
    default:
      throw new Error(column.kind)
  }
}

/** What one attribute alone becomes: its column's value and `_extra`. */
function parsed(name: Name, value: unknown): { value: unknown; extra: string | null; misfits: object } {
  // The second row is read by what the first one taught.
  const text = JSON.stringify({ pk: { S: 'a' }, [name]: value })
  const { columns, misfits, failed } = parseTexts([text, text, JSON.stringify(JSON.parse(text), null, 2)])
  expect(failed).toEqual([])
  const column = columns[1 + Object.keys(TYPES).indexOf(name)]!
  const extra = columns.at(-1)!
  for (const row of [1, 2]) expect([cell(column, row), cell(extra, row)]).toEqual([cell(column, 0), cell(extra, 0)])
  const counts = Object.fromEntries([...misfits].map(([what, count]) => [what, count / 3]))
  return { value: cell(column, 0), extra: cell(extra, 0) as string | null, misfits: counts }
}

describe('a value of a declared type', () => {
  it.each<[Name, unknown, unknown]>([
    ['string', { S: '' }, ''],
    ['string', { S: 'é"\n\u{1f600}' }, 'é"\n\u{1f600}'],
    ['number', { N: '1.0' }, '1'],
    ['number', { N: '-0.5' }, '-0.5'],
    ['number', { N: '12345678901234567890123456789012345678' }, '1.2345678901234567890123456789012345678E+37'],
    ['number', { N: '1E-130' }, '1E-130'],
    ['number', { N: '9.99E125' }, '9.99E+125'],
    ['long', { N: '9223372036854775807' }, 2n ** 63n - 1n],
    ['long', { N: '-9223372036854775808' }, -(2n ** 63n)],
    ['long', { N: '1.5E1' }, 15n],
    ['long', { N: '999999999999999' }, 999999999999999n],
    ['long', { N: '-4294967296' }, -4294967296n],
    ['int', { N: '-2147483648' }, -2147483648n],
    ['int', { N: '2147483647.0' }, 2147483647n],
    ['double', { N: '0.1' }, 0.1],
    ['double', { N: '-0' }, 0],
    ['double', { N: '1E125' }, 1e125],
    ['double', { N: '9007199254740993' }, 9007199254740992],
    ['boolean', { BOOL: false }, false],
    ['boolean', { BOOL: true }, true],
    ['small', { N: '-1234567890.12' }, -123456789012n],
    ['small', { N: '9999999999.99' }, 999999999999n],
    ['wide', { N: '12345678901234567890123456789.123456789' }, 12345678901234567890123456789123456789n],
    ['wide', { N: '-0.000000001' }, -1n],
    ['wide', { N: '-5' }, -5000000000n],
    ['iso', { S: '2026-11-22T08:00:00Z' }, 1795334400000000n],
    ['iso', { S: '2026-11-22T08:00+05:30' }, 1795314600000000n],
    ['iso', { S: '1969-12-31T23:59:59.9-0000' }, -100000n],
    ['iso', { S: '0001-01-01T00:00:00.000001Z' }, -62135596799999999n],
    ['iso', { S: '9999-12-31T23:59:59.999999Z' }, 253402300799999999n],
    ['iso', { S: '2024-02-29T00:00:00Z' }, 1709164800000000n],
    ['seconds', { N: '1795334400.123456' }, 1795334400123456n],
    ['millis', { N: '1795334400123' }, 1795334400123000n],
    ['micros', { N: '-1' }, -1n],
    ['date', { S: '1970-01-01' }, 0n],
    ['date', { S: '2000-02-29' }, 11016n],
    ['date', { S: '1969-12-31' }, -1n],
    ['binary', { B: 'YWI=' }, 'ab'],
    ['binary', { B: '' }, ''],
    ['json', { M: { b: { NS: ['10', '9'] }, a: { L: [] } } }, '{"a":[],"b":[9,10]}'],
    ['json', { S: 'x' }, '"x"'],
    ['json', { M: {} }, '{}'],
  ])('%s %j', (name, value, expected) =>
    expect(parsed(name, value)).toEqual({ value: expected, extra: null, misfits: {} }),
  )

  it.each<[Name, unknown, string]>([
    ['string', { N: '1' }, 'N'],
    ['string', { S: '\ud800' }, 'S'],
    ['number', { N: '1E126' }, 'N'],
    ['number', { S: '1' }, 'S'],
    ['long', { N: '9223372036854775808' }, 'N'],
    ['long', { N: '0.5' }, 'N'],
    ['long', { N: '' }, 'N'],
    ['int', { N: '2147483648' }, 'N'],
    ['double', { N: 'NaN' }, 'N'],
    ['double', { N: '1'.repeat(39) }, 'N'],
    ['boolean', { S: 'true' }, 'S'],
    ['small', { N: '0.001' }, 'N'],
    ['small', { N: '10000000000' }, 'N'],
    ['iso', { S: '2026-11-22T08:00:00' }, 'S'],
    ['iso', { S: '2026-11-22 08:00:00Z' }, 'S'],
    ['iso', { S: '2026-11-22T08:00:00.1234567Z' }, 'S'],
    ['iso', { S: '2026-02-29T08:00:00Z' }, 'S'],
    ['iso', { S: '2026-11-22T24:00:00Z' }, 'S'],
    ['iso', { S: '0001-01-01T00:00:00+00:01' }, 'S'],
    ['seconds', { N: '1795334400123' }, 'N'],
    ['seconds', { N: '0.0000001' }, 'N'],
    ['date', { S: '2026-13-01' }, 'S'],
    ['date', { S: '2026-11-22T00:00:00Z' }, 'S'],
    ['binary', { B: 'YWI' }, 'B'],
    ['binary', { B: 'YWJ=' }, 'B'],
    ['binary', { SS: ['a'] }, 'SS'],
    ['json', { M: { a: { N: 'x' } } }, 'M'],
    ['long', 5, '?'],
    ['long', { N: 5 }, 'N'],
    ['long', { N: '5', S: 'x' }, '?'],
    ['boolean', { BOOL: 'true' }, 'BOOL'],
    ['json', { X: 1 }, '?'],
  ])('%s does not fit %j', (name, value, tag) => {
    expect(parsed(name, value)).toEqual({
      value: null,
      extra: JSON.stringify({ [name]: value }),
      misfits: { [`${name}:${tag}`]: 1 },
    })
  })

  it('is null for NULL, which _extra keeps, and for an absent one, which it does not', () => {
    for (const name of Object.keys(TYPES) as Name[]) {
      expect(parsed(name, { NULL: true })).toEqual({ value: null, extra: `{"${name}":{"NULL":true}}`, misfits: {} })
    }
    expect(cell(parseTexts(['{}']).columns.at(-1)!, 0)).toBeNull()
  })
})

describe('_extra', () => {
  const extraOf = (text: string) => cell(parseTexts([text]).columns.at(-1)!, 0)

  it('holds what is not declared, sorted by name, in one form', () => {
    expect(
      extraOf('{"z":{"N":"1.0"},"a":{"SS":["y","x"]},"pk":{"S":"k"},"\uff5e":{"L":[]},"\ud83d\ude00":{"S":""}}'),
    ).toBe('{"a":{"SS":["x","y"]},"z":{"N":"1"},"\uff5e":{"L":[]},"\ud83d\ude00":{"S":""}}')
  })

  it('takes any name for a name', () => {
    const names = '{"__proto__":{"S":"a"},"constructor":{"S":"b"},"":{"S":"c"},"\\u0000":{"S":"d"},"\\ud800":{"S":"e"}}'
    expect(extraOf(names)).toBe(
      '{"":{"S":"c"},"\\u0000":{"S":"d"},"__proto__":{"S":"a"},"constructor":{"S":"b"},"\\ud800":{"S":"e"}}',
    )
    expect(({} as Record<string, unknown>).S).toBeUndefined()
  })

  it('holds attributes named like the metadata columns, and none of old global tables', () => {
    expect(extraOf('{"_sequence":{"S":"x"},"_extra":{"N":"1"},"aws:rep:updatetime":{"N":"1"}}')).toBe(
      '{"_extra":{"N":"1"},"_sequence":{"S":"x"}}',
    )
  })

  it('tells NULL, absent and three kinds of empty apart', () => {
    expect(extraOf('{"a":{"NULL":true},"b":{"S":""},"c":{"L":[]},"d":{"M":{}}}')).toBe(
      '{"a":{"NULL":true},"b":{"S":""},"c":{"L":[]},"d":{"M":{}}}',
    )
  })
})

describe('an item', () => {
  it('gives of a repeated name the first, declared or not', () => {
    const text = '{"long":{"N":"1"},"long":{"N":"2"},"x":{"S":"a"},"\\u0078":{"S":"b"},"lon\\u0067":{"S":"c"}}'
    const { columns, misfits } = parseTexts([text, text])
    for (const row of [0, 1])
      expect([cell(columns[3]!, row), cell(columns.at(-1)!, row)]).toEqual([1n, '{"x":{"S":"a"}}'])
    expect(misfits.size).toBe(0)
  })

  it.each([
    '',
    '[]',
    '{',
    '{"a"}',
    '{"a":{"S":"x"}',
    '{"a":{"S":"x"}}}',
    '{"a":{"S":"x"},}',
    '{"long":{"N":"1"}x}',
    '{"string":{"S":"\n"}}',
    '{"a":{"S":"x"}},1',
    `{"a":${'['.repeat(999)}`,
  ])('that is no JSON fails alone and leaves nothing in its row: %j', (bad) => {
    const good = '{"string":{"S":"x"},"long":{"N":"7"},"other":{"S":"y"}}'
    const half = bad.startsWith('{"') ? `${good.slice(0, -1)},${bad.slice(1)}` : bad
    const { columns, failed } = parseTexts([good, half, good])
    expect(failed.map(({ row }) => row)).toEqual([1])
    const rows = [0, 1, 2].map((row) => [cell(columns[1]!, row), cell(columns[3]!, row), cell(columns.at(-1)!, row)])
    const whole = ['x', 7n, '{"other":{"S":"y"}}']
    expect(rows).toEqual([whole, [null, null, null], whole])
  })

  it('ends at its brace where members of the line follow', () => {
    const { columns, failed } = parseTexts(['{"long":{"N":"7"}},"old":{"long":{"N":"8"}} , "by":"x"'])
    expect([failed, cell(columns[3]!, 0), cell(columns.at(-1)!, 0)]).toEqual([[], 7n, null])
  })

  it('has its key from the line, not from itself', () => {
    const of = define({ sk: 'number' }, { key: ['pk', 'sk'] })
    const key = Buffer.concat([
      encodeKeyPart({ kind: 'string' }, 'k\0', false),
      encodeKeyPart({ kind: 'string' }, '1', true),
    ])
    const item = Buffer.from('{"sk":{"N":"1.0"},"pk":{"S":"other"}}')
    const { columns } = parseItems(
      {
        count: 1,
        texts: [item],
        text: [0],
        start: [0],
        end: [item.length],
        keys: { starts: Uint32Array.of(0, key.length), bytes: key },
      },
      of,
    )
    expect(columns.map((column) => cell(column, 0))).toEqual(['k\0', '1', null])
  })

  it('lies in the partition of its own attributes', () => {
    const of = define(
      { region: 'string', created: 'timestamptz' },
      { partition_by: ['identity(region)', 'day(created)'] },
    )
    const item = '{"pk":{"S":"a"},"region":{"S":"eu"},"created":{"S":"1970-01-03T00:00:00Z"}}'
    expect(partitionOfItem(of, Buffer.from(item))).toEqual(['eu', 2])
    expect(partitionOfItem(of, Buffer.from('{"pk":{"S":"a"},"region":{"N":"1"}}'))).toEqual([null, null])
  })
})

describe('any items', () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', 'x"\\\n'))
  const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,12})?(E[+-]?\d{1,2})?$/)
  const value = fc.oneof(
    fc.record({ S: texts }),
    fc.record({ N: fc.oneof(digits, fc.integer().map(String), fc.double({ noNaN: true }).map(String)) }),
    fc.record({ BOOL: fc.boolean() }),
    fc.constant({ NULL: true }),
    fc.record({ B: fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')) }),
  )
  const names = fc.constantFrom(
    'string',
    'number',
    'long',
    'int',
    'double',
    'boolean',
    'small',
    'wide',
    'binary',
    'other',
    'é',
  )
  const items = fc.array(fc.dictionary(names, value), { minLength: 1, maxLength: 8 })

  /** ± digits × 10^exponent as a fraction of BigInts times 10^400, from the text alone. */
  function scaled(text: string): bigint | null {
    const [mantissa, exponent = '0'] = text.toLowerCase().split('e')
    const [whole, fraction = ''] = mantissa!.replace('-', '').split('.')
    const magnitude = BigInt(whole + fraction) * 10n ** BigInt(400 + Number(exponent) - fraction.length)
    const significant = (whole + fraction).replace(/^0+|0+$/g, '')
    if (magnitude !== 0n && (significant.length > 38 || magnitude < 10n ** 270n || magnitude >= 10n ** 526n))
      return null
    return text.startsWith('-') ? -magnitude : magnitude
  }

  function fits(name: string, tag: string, raw: unknown): unknown {
    if (tag === 'S') return name === 'string' && (raw as string).isWellFormed() ? raw : undefined
    if (tag === 'BOOL') return name === 'boolean' ? raw : undefined
    if (tag === 'B') return name === 'binary' ? Buffer.from(raw as string, 'base64').toString() : undefined
    if (tag !== 'N' || !/^-?\d/.test(raw as string)) return undefined
    const exact = scaled(raw as string)
    if (exact === null) return undefined
    const integer = (scale: bigint) => (exact % 10n ** (400n - scale) === 0n ? exact / 10n ** (400n - scale) : null)
    const within = (number: bigint | null, low: bigint, high: bigint) =>
      number !== null && number >= low && number <= high ? number : undefined
    if (name === 'long') return within(integer(0n), -(2n ** 63n), 2n ** 63n - 1n)
    if (name === 'int') return within(integer(0n), -(2n ** 31n), 2n ** 31n - 1n)
    if (name === 'small') return within(integer(2n), 1n - 10n ** 12n, 10n ** 12n - 1n)
    if (name === 'wide') return within(integer(9n), 1n - 10n ** 38n, 10n ** 38n - 1n)
    return name === 'double' ? Number(raw) + 0 : undefined
  }

  it('become what a decoder of thirty lines makes of JSON.parse, in whatever order the attributes come', () => {
    fc.assert(
      fc.property(items, fc.boolean(), (list, spaces) => {
        const { columns, failed } = parseTexts(list.map((item) => JSON.stringify(item, null, spaces ? 1 : 0)))
        expect(failed).toEqual([])
        for (const [row, item] of list.entries()) {
          const extra = JSON.parse((cell(columns.at(-1)!, row) as string | null) ?? '{}')
          for (const [index, name] of Object.keys(TYPES).entries()) {
            if (name === 'number') continue
            const [tag, raw] = Object.entries(item[name] ?? {})[0] ?? ['', null]
            const expected = fits(name, tag, raw)
            expect([name, raw, cell(columns[1 + index]!, row)]).toEqual([name, raw, expected ?? null])
            expect([name, raw, Object.hasOwn(extra, name)]).toEqual([name, raw, tag !== '' && expected === undefined])
          }
          const number = Object.entries(item.number ?? {})[0]
          const text = cell(columns[2]!, row) as string | null
          if (number?.[0] === 'N' && text !== null) expect(scaled(text)).toBe(scaled(number[1] as string))
          for (const name of ['other', 'é']) {
            const [tag, raw] = Object.entries(item[name] ?? {})[0] ?? ['', null]
            if (tag !== '' && tag !== 'N') expect(extra[name]).toEqual({ [tag]: raw })
          }
        }
      }),
      { numRuns: 400 },
    )
  })

  it('give the nearest double, whatever the number of digits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(digits, fc.double({ noNaN: true, min: -1e20, max: 1e20 }).map(String)), { minLength: 1 }),
        (numbers) => {
          const { columns } = parseTexts(numbers.map((N) => JSON.stringify({ double: { N } })))
          const column = columns[5]!
          for (const [row, text] of numbers.entries()) {
            const expected = scaled(text) === null ? null : Number(text) + 0
            expect([text, cell(column, row)]).toEqual([text, expected])
          }
        },
      ),
    )
  })

  it('are all learned or looked up by name, thousands of names too', () => {
    const list = Array.from({ length: 3 }, (_, i) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: 6000 }, (_, k) => [`a${k * (i + 1)}`, { S: String(k) }]))),
    )
    const extra = parseTexts([...list, ...list]).columns.at(-1)!
    for (const [row, text] of [...list, ...list].entries())
      expect(JSON.parse(cell(extra, row) as string)).toEqual(JSON.parse(text))
  })
})
