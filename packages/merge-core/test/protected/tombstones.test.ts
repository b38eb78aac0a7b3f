import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ByteStrings } from '../../src/change/byte-strings.ts'
import { encodeKeys } from '../../src/change/key-order.ts'

import { EXPIRED, MOVED, NO_TOMBSTONE, REMOVED, type Tombstones } from '../../src/change/tombstone.ts'
import { encodeVersion, splitVersion } from '../../src/change/version.ts'
import { columnOf } from '../../src/columns/values.ts'
import { DamagedObjectError, TryAgainError } from '../../src/errors.ts'
import type { PartitionValue } from '../../src/iceberg/transform.ts'
import type { Field, PrimitiveType } from '../../src/primitive-type.ts'
import type { StateFile, StateFolder } from '../../src/protected/state-file.ts'
import { addTombstones, lookUpTombstones, purgeTombstones } from '../../src/protected/tombstones.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'

type Key = readonly PartitionValue[]

interface Tombstone {
  readonly key: Key
  readonly kind: number
  readonly sequence: bigint
  readonly at: number
}

const STREAM = '2026-11-22T08:00:00.000'
const STRING_KEY = keyOf({ kind: 'string' })
const TEXT_AND_LONG = keyOf({ kind: 'string' }, { kind: 'long' })

function keyOf(...types: PrimitiveType[]): Field[] {
  return types.map((type, part) => ({ id: part + 1, name: `part${part}`, type, required: true }))
}

function folderOver(store: MemoryStore): StateFolder {
  let files = 0
  return { store, location: 'memory://lake/_lastwrite/orders-1', newName: () => `file-${files++}` }
}

function bytesOf(keys: readonly Key[], fields: readonly Field[]): ByteStrings {
  return encodeKeys(
    fields.map((field, part) =>
      columnOf(
        field.type,
        keys.map((key) => key[part]!),
      ),
    ),
    fields.map((field) => field.type),
  )
}

function textOf(keys: ByteStrings, at: number): string {
  return Buffer.from(keys.bytes.subarray(keys.starts[at]!, keys.starts[at + 1]!)).toString('hex')
}

/** The keys of a list, sorted, each once. */
function sortedKeys(keys: readonly Key[], fields: readonly Field[]): Key[] {
  const bytes = bytesOf(keys, fields)
  const byText = new Map(keys.map((key, at) => [textOf(bytes, at), key]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key)
}

/** As a fold gives them: sorted by key, at most one removal and one expiry a key. */
function toTombstones(list: readonly Tombstone[], fields: readonly Field[]): Tombstones {
  const distinct = new Map(list.map((one) => [`${String(one.kind === EXPIRED)} ${JSON.stringify(one.key, text)}`, one]))
  const order = sortedKeys(
    list.map((one) => one.key),
    fields,
  )
  const rank = new Map(order.map((key, at) => [JSON.stringify(key, text), at]))
  const rows = [...distinct.values()].sort(
    (a, b) => rank.get(JSON.stringify(a.key, text))! - rank.get(JSON.stringify(b.key, text))! || a.kind - b.kind,
  )
  return {
    count: rows.length,
    keys: bytesOf(
      rows.map((row) => row.key),
      fields,
    ),
    kind: Uint8Array.from(rows, (row) => row.kind),
    versions: joined(rows.map((row) => encodeVersion(STREAM, String(row.sequence)))),
    at: Float64Array.from(rows, (row) => row.at),
  }
}

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}

function joined(parts: readonly Uint8Array[]): ByteStrings {
  const starts = new Uint32Array(parts.length + 1)
  for (const [at, part] of parts.entries()) starts[at + 1] = starts[at]! + part.length
  return { starts, bytes: new Uint8Array(Buffer.concat(parts)) }
}

interface Standing {
  readonly removal: { readonly kind: number; readonly sequence: bigint; readonly at: number } | null
  readonly expired: { readonly sequence: bigint; readonly at: number } | null
}

async function lookUp(
  store: ObjectStore,
  files: readonly StateFile[],
  fields: readonly Field[],
  keys: readonly Key[],
): Promise<Standing[]> {
  const found = await lookUpTombstones(store, files, fields, bytesOf(keys, fields))
  return keys.map((_, at) => {
    const removal = sequenceAt(found.removalVersions, at)
    const expired = sequenceAt(found.expiredVersions, at)
    if (removal === null) expect(found.removalKind[at]).toBe(NO_TOMBSTONE)
    return {
      removal: removal === null ? null : { kind: found.removalKind[at]!, sequence: removal, at: found.removalAt[at]! },
      expired: expired === null ? null : { sequence: expired, at: found.expiredAt[at]! },
    }
  })
}

function sequenceAt(versions: ByteStrings, at: number): bigint | null {
  const version = splitVersion(versions.bytes, versions.starts[at]!, versions.starts[at + 1]!)
  return version === null ? null : BigInt(version.sequence.slice(2))
}

/** The definition: of all tombstones of a key, the highest removal or move and the highest expiry. */
function standingOf(all: readonly Tombstone[], key: Key): Standing {
  const own = all.filter((one) => JSON.stringify(one.key, text) === JSON.stringify(key, text))
  const highest = (list: readonly Tombstone[]) =>
    list.reduce<Tombstone | null>((best, one) => (best === null || one.sequence > best.sequence ? one : best), null)
  const removal = highest(own.filter((one) => one.kind !== EXPIRED))
  const expired = highest(own.filter((one) => one.kind === EXPIRED))
  return {
    removal: removal && { kind: removal.kind, sequence: removal.sequence, at: removal.at },
    expired: expired && { sequence: expired.sequence, at: expired.at },
  }
}

/** Sequence numbers are unique, as they are for one key. */
function batches(key: fc.Arbitrary<Key>): fc.Arbitrary<Tombstone[][]> {
  const one = fc.record({ key, kind: fc.constantFrom(REMOVED, MOVED, EXPIRED), at: fc.nat(2_000_000_000) })
  const batch = fc.array(one, { maxLength: 8 })
  return fc.array(batch, { minLength: 1, maxLength: 14 }).chain((lists) => {
    const count = lists.reduce((sum, list) => sum + list.length, 0)
    const sequences = fc.uniqueArray(fc.bigInt({ min: 1n, max: 10n ** 39n }), { minLength: count, maxLength: count })
    return sequences.map((numbers) => {
      let next = 0
      return lists.map((list) => {
        const numbered = list.map((item) => ({ ...item, sequence: numbers[next++]! }))
        // A fold gives a key once as removed or moved, once as expired.
        return [
          ...new Map(numbered.map((item) => [JSON.stringify([item.key, item.kind === EXPIRED], text), item])).values(),
        ]
      })
    })
  })
}

const keys = {
  text: fc.constantFrom('', 'a', 'a\0', 'a\0b', 'b', 'é', '\u{1F600}', '\uFFFF'),
  number: fc.constantFrom(-(2n ** 63n), -1n, 0n, 1n, 255n, 256n, 2n ** 63n - 1n),
}

describe.each([
  ['one part', STRING_KEY, keys.text.map((part): Key => [part])],
  ['two parts', TEXT_AND_LONG, fc.tuple(keys.text, keys.number)],
  ['two texts', keyOf({ kind: 'string' }, { kind: 'string' }), fc.tuple(keys.text, keys.text)],
  [
    'an int and a wide decimal',
    keyOf({ kind: 'int' }, { kind: 'decimal', precision: 38, scale: 0 }),
    fc.tuple(fc.integer({ min: -3, max: 3 }), keys.number),
  ],
] as const)('tombstones of keys of %s', (_, fields, key) => {
  it('stand with the highest version, however many files they came in', async () => {
    await fc.assert(
      fc.asyncProperty(batches(key), fc.array(key), async (lists, others) => {
        const store = memoryStore()
        const folder = folderOver(store)
        let files: StateFile[] = []
        for (const list of lists) files = await addTombstones(folder, files, fields, toTombstones(list, fields))
        const all = lists.flat()
        expect(files.length).toBeLessThanOrEqual(8)
        expect(files.reduce((sum, file) => sum + file.rows, 0)).toBeLessThanOrEqual(all.length)
        const asked = sortedKeys([...all.map((one) => one.key), ...others], fields)
        expect(await lookUp(store, files, fields, asked)).toEqual(asked.map((one) => standingOf(all, one)))
      }),
      { numRuns: 40 },
    )
  })

  it('go at or before the time of a purge, and no other', async () => {
    await fc.assert(
      fc.asyncProperty(batches(key), fc.nat(2_000_000_000), async (lists, atMax) => {
        const store = memoryStore()
        const folder = folderOver(store)
        const all = lists[0]!
        const files = await addTombstones(folder, [], fields, toTombstones(all, fields))
        const left = await purgeTombstones(folder, files, fields, atMax)
        const young = all.filter((one) => one.at > atMax)
        if (young.length === all.length) expect(left).toEqual(files)
        const asked = sortedKeys(
          all.map((one) => one.key),
          fields,
        )
        expect(await lookUp(store, left, fields, asked)).toEqual(asked.map((one) => standingOf(young, one)))
      }),
      { numRuns: 20 },
    )
  })
})

describe('a file of many tombstones', () => {
  const MANY = 100_000
  const name = (number: number) => `customer-${String(number).padStart(6, '0')}`

  async function manyTombstones() {
    const store = memoryStore()
    const list = Array.from(
      { length: MANY },
      (_, number): Tombstone => ({ key: [name(number)], kind: REMOVED, sequence: BigInt(number + 1), at: number }),
    )
    const files = await addTombstones(folderOver(store), [], STRING_KEY, toTombstones(list, STRING_KEY))
    return { store, files, list }
  }

  it('is read only where it can hold one of the keys', async () => {
    const { store, files } = await manyTombstones()
    let bytesRead = 0
    const metered: ObjectStore = {
      ...store,
      async get(path, options) {
        const result = await store.get(path, options)
        if (result.kind === 'ok') bytesRead += result.bytes.length
        return result
      },
    }
    const before = store.calls
    const asked = sortedKeys([[name(17)], [name(50_000)], ['customer-050000a'], ['zebra']], STRING_KEY)
    const found = await lookUp(metered, files, STRING_KEY, asked)
    expect(found.map((one) => one.removal?.sequence)).toEqual([18n, 50_001n, undefined, undefined])
    // The footer, and one read for each of two row groups of five.
    expect(store.calls - before).toBeLessThanOrEqual(3)
    expect(bytesRead).toBeLessThan(64 * 1024 + 0.5 * files[0]!.bytes)
  })

  it('stays as it is while small files come on top, and is merged when they outweigh it', async () => {
    const {
      store,
      files: [large],
    } = await manyTombstones()
    const folder = { ...folderOver(store), location: 'memory://lake/_lastwrite/orders-2' }
    let files = [large!]
    for (let batch = 0; batch < 40; batch++) {
      const list = [{ key: [`late-${batch}`], kind: REMOVED, sequence: BigInt(batch + 1), at: batch }]
      files = await addTombstones(folder, files, STRING_KEY, toTombstones(list, STRING_KEY))
      expect(files.length).toBeLessThanOrEqual(8)
      expect(files).toContain(large)
    }
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(MANY + 40)
  })
})

describe('a file of tombstones that', () => {
  const list: Tombstone[] = [{ key: ['a'], kind: REMOVED, sequence: 1n, at: 1 }]

  async function oneFile() {
    const store = memoryStore()
    const [file] = await addTombstones(folderOver(store), [], STRING_KEY, toTombstones(list, STRING_KEY))
    return { store, file: file! }
  }

  it('vanished means that the table must be reloaded', async () => {
    const { store, file } = await oneFile()
    store.uproot(file.path)
    await expect(lookUp(store, [file], STRING_KEY, [['a']])).rejects.toThrow(TryAgainError)
  })

  it('is cut is named as damaged', async () => {
    const { store, file } = await oneFile()
    const { bytes } = store.snapshot().get(file.path)!
    for (const length of [0, 3, 11, bytes.length >> 1, bytes.length - 1]) {
      store.plant(file.path, bytes.slice(0, length))
      const error = await lookUp(store, [file], STRING_KEY, [['a']]).catch((thrown) => thrown)
      expect(error).toBeInstanceOf(DamagedObjectError)
      expect(error.message).toContain(file.path)
    }
  })

  it('is another one than the table names is damaged', async () => {
    const { store, file } = await oneFile()
    for (const other of [
      { ...file, bytes: file.bytes + 1 },
      { ...file, rows: 2 },
    ]) {
      await expect(lookUp(store, [other], STRING_KEY, [['a']])).rejects.toThrow(DamagedObjectError)
    }
  })

  it('was written is never overwritten', async () => {
    const { store } = await oneFile()
    const others = toTombstones([{ ...list[0]!, key: ['other'] }], STRING_KEY)
    await expect(addTombstones(folderOver(store), [], STRING_KEY, others)).rejects.toThrow('file-0.parquet')
  })
})

it('keeps a time with a fraction until the whole second is over', async () => {
  const store = memoryStore()
  const folder = folderOver(store)
  const list = [{ key: ['a'], kind: MOVED, sequence: 5n, at: 1000.25 }]
  const files = await addTombstones(folder, [], STRING_KEY, toTombstones(list, STRING_KEY))
  expect(await purgeTombstones(folder, files, STRING_KEY, 1000)).toEqual(files)
  expect(await purgeTombstones(folder, files, STRING_KEY, 1001)).toEqual([])
})
