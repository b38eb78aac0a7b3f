import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteSink } from '../src/change/byte-sink.ts'
import { canonicalItem, writePlainJson, writeTypedJson } from '../src/change/dynamodb-json.ts'
import { INVALID, skipSpace, skipValue } from '../src/change/json-scan.ts'
import { canonicalNumber, compareNumbers, parseNumber } from '../src/change/number-text.ts'

function plain(text: string): string | null {
  const bytes = Buffer.from(text)
  const out = new ByteSink(0)
  return writePlainJson(bytes, 0, bytes.length, out) ? Buffer.from(out.toBytes()).toString() : null
}

function typed(text: string): string {
  const bytes = Buffer.from(text)
  const out = new ByteSink(0)
  writeTypedJson(bytes, 0, bytes.length, out)
  return Buffer.from(out.toBytes()).toString()
}

function isValid(bytes: Buffer): boolean {
  const end = skipValue(bytes, 0, bytes.length)
  return end !== INVALID && skipSpace(bytes, end, bytes.length) === bytes.length
}

function isValidToNode(bytes: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('the scan of JSON', () => {
  it('calls valid what JSON.parse does, whatever byte of a text is changed', () => {
    const json = fc.json({ stringUnit: 'binary', depthSize: 'small' })
    fc.assert(
      fc.property(
        json,
        fc.boolean(),
        fc.nat(),
        fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[],:"\\ue0-. '))),
        (text, pretty, at, byte) => {
          const bytes = Buffer.from(pretty ? JSON.stringify(JSON.parse(text), null, 1) : text)
          expect(isValid(bytes)).toBe(true)
          bytes[at % bytes.length] = byte
          expect([bytes.toString(), isValid(bytes)]).toEqual([bytes.toString(), isValidToNode(bytes)])
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('refuses hand-made texts that are nearly JSON', () => {
    const texts = [
      '',
      ' ',
      '{',
      '[',
      '"',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '[1,]',
      '[,1]',
      '01',
      '-',
      '1.',
      '.5',
      '1e',
      '1e+',
      '+1',
      'tru',
      'nul',
      '"\\x"',
      '"\\u12g4"',
      '"\\u12',
      '"\n"',
      "'a'",
      '{1:2}',
      '1 2',
      '[1}',
      '{"a":1]',
      'NaN',
    ]
    expect(texts.filter((text) => isValid(Buffer.from(text)))).toEqual([])
  })

  it('reads 136 levels and no more, without recursing', () => {
    expect(isValid(Buffer.from('['.repeat(136) + ']'.repeat(136)))).toBe(true)
    expect(isValid(Buffer.from(`${'['.repeat(137)}1${']'.repeat(137)}`))).toBe(false)
    expect(isValid(Buffer.from('{"a":'.repeat(1_000_000)))).toBe(false)
  })
})

describe('canonical numbers', () => {
  it.each([
    ['1.0', '1'],
    ['10E-1', '1'],
    ['-0', '0'],
    ['0e99999999999999999999', '0'],
    ['+007.50', '7.5'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['0.0000001', '0.0000001'],
    ['0.00000012', '0.00000012'],
    ['0.00000001', '1E-8'],
    ['-12345e-12', '-1.2345E-8'],
    ['100000000000000000000', '100000000000000000000'],
    ['1e21', '1E+21'],
    ['1234e20', '1.234E+23'],
    ['99999999999999999999999999999999999999', '9.9999999999999999999999999999999999999E+37'],
    ['1E125', '1E+125'],
    ['9.9E125', '9.9E+125'],
    ['1E-130', '1E-130'],
  ])('%s is %s', (text, canonical) => expect(canonicalNumber(text)).toBe(canonical))

  it.each([
    '',
    '-',
    '.',
    'e5',
    '1e',
    'Infinity',
    'NaN',
    '0x10',
    '1_000',
    ' 1',
    '1 ',
    '1E126',
    '1E-131',
    '1e999999999999',
    '1'.repeat(39),
    '٣',
  ])('%j is none', (text) => expect(canonicalNumber(text)).toBeNull())

  const parts = fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 38n - 1n }), fc.integer({ min: -92, max: 87 }))

  it('are equal where the values are, and ordered as they are', () => {
    // An independent definition: both as integers of one scale.
    const scaled = ([negative, digits, exponent]: [boolean, bigint, number]) =>
      (negative ? -1n : 1n) * digits * 10n ** BigInt(exponent + 92)
    const textOf = ([negative, digits, exponent]: [boolean, bigint, number], shift: number) =>
      `${negative ? '-' : ''}${digits}${'0'.repeat(shift)}E${exponent - shift}`
    fc.assert(
      fc.property(parts, parts, fc.nat(5), (a, b, shift) => {
        const left = parseNumber(textOf(a, shift))!
        const right = parseNumber(textOf(b, 0))!
        const expected = scaled(a) < scaled(b) ? -1 : scaled(a) > scaled(b) ? 1 : 0
        expect(Math.sign(compareNumbers(left, right))).toBe(expected)
        expect(canonicalNumber(textOf(a, shift))).toBe(canonicalNumber(textOf(a, 0)))
        expect(Number(canonicalNumber(textOf(a, 0)))).toBeCloseTo(Number(textOf(a, 0)), -100)
      }),
    )
  })
})

describe('plain JSON', () => {
  it.each([
    ['{"S":""}', '""'],
    ['{"N":"1.0"}', '1'],
    ['{"N":"123456789012345678901234567890.12345678"}', '1.2345678901234567890123456789012345678E+29'],
    ['{"B":"AQI="}', '"AQI="'],
    ['{"BOOL":false}', 'false'],
    ['{"NULL":true}', 'null'],
    ['{"M":{}}', '{}'],
    ['{"L":[]}', '[]'],
    ['{"SS":["b","\\u0061","\ud83d\ude00","\uff5e"]}', '["a","b","\uff5e","\ud83d\ude00"]'],
    ['{"NS":["10","9","-1E2","1.5"]}', '[-100,1.5,9,10]'],
    ['{"BS":["/w==","AQ=="]}', '["AQ==","/w=="]'],
    [' { "M" : { "b" : { "L" : [ { "N" : "1" } , {"S":"x"} ] } , "a" : {"NULL":true} } } ', '{"a":null,"b":[1,"x"]}'],
    ['{"M":{"__proto__":{"N":"1"},"constructor":{"N":"2"}}}', '{"__proto__":1,"constructor":2}'],
    ['{"M":{"a":{"N":"1"},"\\u0061":{"N":"2"}}}', '{"a":1}'],
    ['{"S":"\\ud83d\\ude00 \\/ \\ud800 \\u0000 \\b"}', '"\ud83d\ude00 / \\ud800 \\u0000 \\b"'],
  ])('%s is %s', (text, expected) => expect(plain(text)).toBe(expected))

  it.each([
    '1',
    '"x"',
    'null',
    '[]',
    '{}',
    '{"S":1}',
    '{"N":1}',
    '{"N":"x"}',
    '{"X":"a"}',
    '{"S":"a","N":"1"}',
    '{"BOOL":"true"}',
    '{"NULL":false}',
    '{"B":"A"}',
    '{"B":"AQJ="}',
    '{"SS":[1]}',
    '{"NS":["a"]}',
    '{"M":[]}',
    '{"L":{}}',
    '{"M":{"a":1}}',
    '{"L":[{"S":1}]}',
  ])('%s is no DynamoDB JSON', (text) => expect(plain(text)).toBeNull())
})

describe('nested values', () => {
  type Nested = string | readonly Nested[] | { readonly [name: string]: Nested }
  const { nested } = fc.letrec<{ nested: Nested }>((tie) => ({
    nested: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.string({ unit: 'binary' }),
      fc.array(tie('nested')),
      fc.dictionary(fc.string({ unit: 'binary', maxLength: 3 }), tie('nested'), { noNullPrototype: true }),
    ),
  }))
  const tagged = (value: Nested): object => {
    if (typeof value === 'string') return { S: value }
    if (Array.isArray(value)) return { L: value.map(tagged) }
    return { M: Object.fromEntries(Object.entries(value).map(([name, each]) => [name, tagged(each)])) }
  }
  const sorted = (value: Nested): string => {
    if (typeof value === 'string') return JSON.stringify(value)
    if (Array.isArray(value)) return `[${value.map(sorted).join()}]`
    const entries = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${sorted(each)}`).join()}}`
  }

  it('are sorted on every level, with white space between their tokens or without', () => {
    fc.assert(
      fc.property(nested, fc.boolean(), (value, spaces) => {
        expect(plain(JSON.stringify(tagged(value), null, spaces ? 1 : 0))).toBe(sorted(value))
        expect(typed(JSON.stringify(tagged(value)))).toBe(typed(typed(JSON.stringify(tagged(value)))))
      }),
    )
  })

  it('take no longer for the levels that they lie in', () => {
    const long = JSON.stringify({ S: 'x'.repeat(1_000_000) })
    const seconds = (depth: number) => {
      const text = '{"M":{"a":'.repeat(depth) + long + '}}'.repeat(depth)
      const started = performance.now()
      expect(plain(text)).toHaveLength(1_000_002 + 6 * depth)
      return performance.now() - started
    }
    const fastest = (depth: number) => Math.min(...Array.from({ length: 7 }, () => seconds(depth)))
    expect(fastest(60)).toBeLessThan(10 * fastest(1) + 20)
  })
})

describe('DynamoDB JSON in its one form', () => {
  it('sorts what has no order and keeps what is none as it stands', () => {
    expect(typed('{"M":{"b":{"N":"1.0"},"a":{"SS":["y","x"]}}}')).toBe('{"M":{"a":{"SS":["x","y"]},"b":{"N":"1"}}}')
    expect(typed(' { "X" : [ 1 , "a b" ] } ')).toBe('{"X":[1,"a b"]}')
    expect(typed('{"M":{"a":{"S":5}, "b":{"N":"1.0"}}}')).toBe('{"M":{"a":{"S":5},"b":{"N":"1.0"}}}')
    expect(typed('{"B":"\\/w=="}')).toBe('{"B":"/w=="}')
  })

  it('gives the same bytes for the same item, and leaves out what stands behind it', () => {
    const one = canonicalItem(Buffer.from('{"b":{"N":"10E-1"},"a":{"NULL":true}},"old":{}'))
    expect(Buffer.from(one).toString()).toBe('{"a":{"NULL":true},"b":{"N":"1"}}')
    expect(canonicalItem(Buffer.from(' {"a":{"NULL":true}, "b":{"N":"1"}}'))).toEqual(one)
  })

  it('is a fixed point', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.record({ S: fc.string({ unit: 'binary' }) })),
        (item) => {
          const once = canonicalItem(Buffer.from(JSON.stringify(item)))
          expect(JSON.parse(Buffer.from(once).toString())).toEqual(item)
          expect(canonicalItem(once)).toEqual(once)
        },
      ),
    )
  })
})
