import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TryAgainError } from '../../src/errors.ts'
import {
  addToLedger,
  dropFromLedger,
  type LedgerEntry,
  readLedger,
  readLedgerEntries,
} from '../../src/protected/ledger.ts'
import type { StateFile, StateFolder } from '../../src/protected/state-file.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import { meteredStore } from '../../src/store/metered.ts'

function folderOver(store: MemoryStore): StateFolder {
  let files = 0
  return { store, location: 'memory://lake/_lastwrite/orders-1', newName: () => `file-${files++}` }
}

const count = fc.nat(Number.MAX_SAFE_INTEGER)

const entry: fc.Arbitrary<LedgerEntry> = fc.record({
  object: fc.integer({ min: 0, max: 99 }).map((hour) => `s3://landing/orders/${hour}/é.gz`),
  etag: fc.constantFrom('"a"', '"b"', ''),
  bytes: count,
  lines: count,
  applied: count,
  superseded: count,
  stale: count,
  quarantined: count,
  otherTable: count,
  ttlKept: count,
  status: fc.constantFrom('merged', 'broken'),
  quarantine: fc.option(fc.constant('s3://lake/_lastwrite/orders-1/quarantine/c-1.ndjson.gz')),
  snapshot: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
})

const nameAndTag = ({ object, etag }: LedgerEntry): string => `${object} ${etag}`

const batches = fc.uniqueArray(entry, { selector: nameAndTag, maxLength: 60 }).chain((entries) =>
  fc.array(fc.nat(20), { minLength: entries.length, maxLength: entries.length }).map((batch) => {
    return Array.from({ length: 21 }, (_, at) => entries.filter((_entry, i) => batch[i] === at))
  }),
)

const entryOf = (object: string): LedgerEntry => ({
  object,
  etag: '"a"',
  bytes: 100,
  lines: 7,
  applied: 1,
  superseded: 2,
  stale: 1,
  quarantined: 1,
  otherTable: 1,
  ttlKept: 1,
  status: 'merged',
  quarantine: null,
  snapshot: 2n ** 62n,
})

const named = (...paths: string[]) => paths.map((path) => ({ path }))

async function entriesOf(store: MemoryStore, files: readonly StateFile[]): Promise<LedgerEntry[]> {
  return Array.fromAsync(readLedgerEntries(store, files))
}

function sorted(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return entries.toSorted((a, b) => (nameAndTag(a) < nameAndTag(b) ? -1 : 1))
}

async function fill(folder: StateFolder, lists: readonly (readonly LedgerEntry[])[]): Promise<StateFile[]> {
  let files: StateFile[] = []
  for (const list of lists) files = await addToLedger(folder, files, list)
  return files
}

describe('the ledger', () => {
  it('holds every entry that was added, in at most eight files', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (lists) => {
        const store = memoryStore()
        const files = await fill(folderOver(store), lists)
        expect(files.length).toBeLessThanOrEqual(5)
        expect(sorted(await entriesOf(store, files))).toEqual(sorted(lists.flat()))
        expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(lists.flat().length)
      }),
      { numRuns: 25 },
    )
  })

  it('knows an object by its name and tag together', async () => {
    const store = memoryStore()
    const files = await fill(folderOver(store), [[entryOf('s3://landing/1')], [entryOf('s3://landing/2')]])
    const ledger = await readLedger(store, files, named('s3://landing/1', 's3://landing/3'))
    expect(ledger.has('s3://landing/1', '"a"')).toBe(true)
    expect(ledger.has('s3://landing/1', '"b"')).toBe(false)
    expect(ledger.has('s3://landing/3', '"a"')).toBe(false)
  })

  it('reads a file once for all looks at the ledger that share a cache', async () => {
    const store = memoryStore()
    const folder = folderOver(store)
    const files = await fill(folder, [[entryOf('s3://landing/1')], [entryOf('s3://landing/2')]])
    const cache = new Map()
    const asked = named('s3://landing/1', 's3://landing/2', 's3://landing/3')
    await readLedger(store, files, asked, cache)
    const more = await addToLedger(folder, files, [entryOf('s3://landing/3')])
    const before = store.log.length
    const ledger = await readLedger(store, more.slice(1), asked, cache)
    const read = new Set(store.log.slice(before).map(({ path }) => path))
    expect([...read]).toEqual([more[2]!.path])
    expect([1, 2, 3].map((number) => ledger.has(`s3://landing/${number}`, '"a"'))).toEqual([false, true, true])
  })

  it('reads of a large file the stretches that can be about the objects in question', async () => {
    const store = memoryStore()
    // Names and tags as Firehose and S3 give them: nothing compresses them.
    const entries = Array.from({ length: 60_000 }, (_, i) => {
      const etag = createHash('md5').update(String(i)).digest('hex')
      return { ...entryOf(`s3://landing/orders/2027/02/${10 + Math.floor(i / 6000)}/08/orders-1-${etag}.gz`), etag }
    })
    const files = await fill(folderOver(store), [entries])
    const { store: metered, traffic } = meteredStore(store)
    const last = entries.slice(-6000)
    const ledger = await readLedger(
      metered,
      files,
      last.map(({ object: path }) => ({ path })),
    )
    expect(last.every(({ object, etag }) => ledger.has(object, etag))).toBe(true)
    expect(traffic.read).toBeLessThan(files[0]!.bytes / 2)
    expect(traffic.requests.get).toBeLessThanOrEqual(3)
  })

  it('drops entries and leaves files alone that lose none', async () => {
    const store = memoryStore()
    const folder = folderOver(store)
    const files = await fill(folder, [
      [entryOf('s3://landing/1'), entryOf('s3://landing/2')],
      [entryOf('s3://landing/3')],
      [entryOf('s3://landing/4')],
    ])
    const left = await dropFromLedger(folder, files, (one) => !/[24]$/.test(one.object))
    expect(left).toHaveLength(2)
    expect(left).toContain(files[1])
    expect((await entriesOf(store, left)).map((one) => one.object).sort()).toEqual(['s3://landing/1', 's3://landing/3'])
  })

  it('is empty without files, and unchanged by nothing', async () => {
    const store = memoryStore()
    expect((await readLedger(store, [], named('s3://landing/1'))).has('s3://landing/1', '"a"')).toBe(false)
    expect(await addToLedger(folderOver(store), [], [])).toEqual([])
    expect(store.calls).toBe(0)
  })

  it('asks for a reload where a file vanished', async () => {
    const store = memoryStore()
    const files = await fill(folderOver(store), [[entryOf('s3://landing/1')]])
    store.uproot(files[0]!.path)
    await expect(readLedger(store, files, named('s3://landing/1'))).rejects.toThrow(TryAgainError)
  })
})
