import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupByBytes } from '../src/change/order-keys.ts'
import { byteStrings, sequences } from './byte-strings.ts'

/** More strings than are compared one by one. */
const MANY = 49

const ascending = (a: number, b: number) => a - b
const descending = (a: number, b: number) => b - a

function check(strings: readonly Uint8Array[], tie: (a: number, b: number) => number = ascending): void {
  const expected = strings.map((_, i) => i).sort((a, b) => Buffer.compare(strings[a]!, strings[b]!) || tie(a, b))
  const isAnother = (place: number) =>
    place === 0 || Buffer.compare(strings[expected[place]!]!, strings[expected[place - 1]!]!) !== 0
  const expectedStarts = [...[...expected.keys()].filter(isAnother), expected.length]
  const { order, starts } = groupByBytes(byteStrings(strings), tie)
  if (order.join() === expected.join() && starts.join() === expectedStarts.join()) return
  const written = (indices: Iterable<number>) =>
    Array.from(indices, (i) => `${i}:${Buffer.from(strings[i]!).toString('hex')}`)
  expect(written(order)).toEqual(written(expected))
  expect([...starts]).toEqual(expectedStarts)
}

/** So many copies of the list, one after the other. */
const repeated = <T>(list: readonly T[], copies: number) => Array.from({ length: copies }, () => list).flat()

const ALPHABET = [0x00, 0x61, 0xff]
const stringsUpTo = (length: number) => [...sequences(ALPHABET, length)].map((bytes) => Uint8Array.from(bytes))

describe('the order of byte strings, and where another begins,', () => {
  it('is that of a comparison, for every list of up to three short strings', () => {
    for (const strings of sequences(stringsUpTo(2), 3)) check(strings)
  })

  it('is that of a comparison, for every such list repeated until it is many', () => {
    for (const strings of sequences(stringsUpTo(2), 3)) {
      if (strings.length > 0) check(repeated(strings, Math.ceil(MANY / strings.length)))
    }
  })

  it('is that of a comparison, for every pair of short strings behind a common beginning, with many strings around it', () => {
    const around = Array.from({ length: MANY - 2 }, () => Buffer.from('prefix-b'))
    for (const pair of sequences(stringsUpTo(2), 2)) {
      check([...around, ...pair.map((string) => Buffer.concat([Buffer.from('prefix-'), string]))])
    }
  })

  it('is that of a comparison at every count around the one from which strings are not compared any more', () => {
    const all = stringsUpTo(4).toReversed()
    for (let count = MANY - 3; count < MANY + 3; count++) check(all.slice(0, count))
    check(all)
  })

  it('leaves equal strings to the tie, whether few or many', () => {
    for (const copies of [1, 2, MANY, 2 * MANY]) {
      for (const tie of [ascending, descending]) {
        check(repeated([Buffer.from('same')], copies), tie)
        check(repeated([Buffer.alloc(0)], copies), tie)
        check(
          repeated(
            ['b', 'a', '', 'ab'].map((text) => Buffer.from(text)),
            copies,
          ),
          tie,
        )
      }
    }
  })

  it('holds for one string that is the beginning of the next', () => {
    for (const byte of [0x00, 0x61, 0xff]) {
      check(Array.from({ length: 300 }, (_, i) => new Uint8Array(300 - i).fill(byte)))
    }
  })

  it('holds for every value of a byte, at each of two places', () => {
    const values = Array.from({ length: 256 }, (_, i) => (i * 97) % 256)
    check(values.map((value) => Uint8Array.of(value)))
    check(values.flatMap((value) => [Uint8Array.of(7, value), Uint8Array.of(value, 7), Uint8Array.of(value)]))
  })

  it('holds for two strings that differ in one place, wherever it is, among strings of every byte at every place', () => {
    const places = 24
    const around = Array.from({ length: 256 }, (_, i) =>
      Uint8Array.from({ length: places }, (_, place) => (i * (2 * place + 1) + 37 * place) % 256),
    )
    for (let place = 0; place < places; place++) {
      check([
        ...around,
        new Uint8Array(places).fill(2, place, place + 1),
        new Uint8Array(places).fill(1, place, place + 1),
      ])
    }
  })

  it('holds for keys as they occur', () => {
    const hash = (i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 0
    const hex = (i: number) => hash(i).toString(16).padStart(8, '0')
    const uuids = Array.from({ length: 2000 }, (_, i) => {
      const digits = hex(i) + hex(i + 5000) + hex(i + 9000) + hex(i * 7)
      return Buffer.from(digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'))
    })
    check(uuids)
    check(uuids.map((uuid) => Buffer.concat([Buffer.from('customer#'), uuid, Buffer.from('#order')])))
    check(Array.from({ length: 2000 }, (_, i) => Buffer.from(`u#${hash(i) % 3000}`)))
  })

  it('holds where strings differ only behind a long common beginning, in several bundles', () => {
    const part = fc.array(fc.constantFrom(0x00, 0x01, 0x61, 0xff), { maxLength: 3 })
    const beginning = fc.tuple(fc.constantFrom(0x00, 0x61, 0xff), fc.integer({ min: 0, max: 40 }))
    const bundle = fc
      .tuple(beginning, fc.array(part, { maxLength: 120 }))
      .map(([[byte, length], ends]) => ends.map((end) => Uint8Array.from([...Array(length).fill(byte), ...end])))
    fc.assert(
      fc.property(fc.array(bundle, { maxLength: 4 }), fc.boolean(), (bundles, up) =>
        check(bundles.flat(), up ? ascending : descending),
      ),
      { numRuns: 150 },
    )
  })

  it('holds for any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 200 }), (strings) => check(strings)),
      { numRuns: 100 },
    )
  })
})
