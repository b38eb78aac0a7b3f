import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type MergeReport, mergeLanding, openTable, type Table } from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import type { LandedLine, LandedObject, TableSpec } from './change-sets.ts'
import { type HandChange, handTable, landedChange, line, objectOf } from './hand-changes.ts'
import { encodeLine, PLAIN_SPELLING } from './landing-lines.ts'
import type { Cells } from './model.ts'
import { readParquet, rowsById } from './read-rows.ts'
import { currentFiles, currentMetadata, LOCATION, ledger, readObject } from './stored-table.ts'
import { createTestTable, environmentOver, LANDING, land, storedRows } from './table-run.ts'

const byKey = handTable(['bucket(pk, 4)'])
const byRegion = handTable(['identity(region)'])

const good: HandChange = { pk: 'good', sequence: 10, to: 'A' }

interface Bench {
  readonly spec: TableSpec
  readonly store: MemoryStore
  readonly table: Table
}

async function bench(spec: TableSpec = byKey): Promise<Bench> {
  const store = memoryStore()
  return { spec, store, table: await createTestTable(spec, environmentOver(store)) }
}

async function rows({ spec, store }: Bench): Promise<Cells[]> {
  return [...rowsById(spec, await storedRows(spec, store)).values()]
}

async function keysStored(of: Bench): Promise<(string | null)[]> {
  return (await rows(of)).map(({ pk }) => pk as string | null).sort()
}

/** Merges objects given as bytes, or as texts of lines. */
async function mergeBytes(
  of: Bench,
  objects: Readonly<Record<string, Uint8Array | readonly string[]>>,
): Promise<MergeReport> {
  const landed = Object.entries(objects).map(
    ([name, content]): LandedObject => ({
      name,
      bytes: content instanceof Uint8Array ? content : Buffer.from(`${content.join('\n')}\n`),
      lines: [],
    }),
  )
  await land(of.store, landed)
  return mergeLanding(of.table, [LANDING])
}

function expectSum({ lines: { read, ...classes } }: MergeReport): void {
  expect(Object.values(classes).reduce((sum, count) => sum + count, 0)).toBe(read)
}

interface QuarantineEntry {
  readonly reason: string
  readonly object: string
  readonly line: number
  readonly message: string
  readonly text?: string
  readonly base64?: string
}

/** The entries of all quarantine files that the ledger names. */
async function quarantine({ store }: Bench): Promise<QuarantineEntry[]> {
  const { properties } = await currentMetadata(store)
  const state = (properties['lastwrite.state'] as string).replace(/\/?$/, '/')
  const names = new Set((await ledger(store)).flatMap((entry) => (entry.quarantine === null ? [] : [entry.quarantine])))
  const objects = store.snapshot()
  return [...names].flatMap((name) => {
    const stored = objects.get(name) ?? objects.get(state + name) ?? objects.get(`${state}quarantine/${name}`)
    if (stored === undefined) throw new Error(`the ledger names ${name}, which is not there`)
    const lines = gunzipSync(stored.bytes).toString().split('\n')
    return lines.filter((text) => text !== '').map((text) => JSON.parse(text) as QuarantineEntry)
  })
}

/** A change line with some of its fields replaced, or dropped where the value is undefined. */
function altered(spec: TableSpec, change: HandChange, fields: Readonly<Record<string, unknown>>): string {
  const text = encodeLine(landedChange(spec, change), spec.partitionedByKey ? [] : ['region'], PLAIN_SPELLING)
  return JSON.stringify({ ...(JSON.parse(text) as object), ...fields })
}

const bad: HandChange = { pk: 'bad', sequence: 11, to: 'A' }
const textOf = (change: HandChange, spec = byKey) => line(spec, change).text

describe('a line that cannot be a change', () => {
  const item = { pk: { S: 'bad' } }
  it.each<[string, string]>([
    ['half of a line', textOf(bad).slice(0, 120)],
    ['two changes on one line', textOf(bad) + textOf(bad)],
    ['a bare word', 'null'],
    ['a number', '12'],
    ['a text', '"lastwrite/1"'],
    ['an array', `[${textOf(bad)}]`],
    ['an object without a format', altered(byKey, bad, { format: undefined })],
    ['an unknown format', altered(byKey, bad, { format: 'lastwrite/2' })],
    ['a format that is no text', altered(byKey, bad, { format: 1 })],
    ['no table', altered(byKey, bad, { table: undefined })],
    ['no source', altered(byKey, bad, { source: undefined })],
    ['another account', altered(byKey, bad, { source: '999999999999/eu-west-1' })],
    ['another region', altered(byKey, bad, { source: '123456789012/us-east-1' })],
    ['no stream', altered(byKey, bad, { stream: undefined })],
    ['a stream that is a number', altered(byKey, bad, { stream: 20261122 })],
    ['no sequence', altered(byKey, bad, { sequence: undefined })],
    ['a sequence that is a number', altered(byKey, bad, { sequence: 11 })],
    ['a sequence that is no number', altered(byKey, bad, { sequence: '40000000002446587066x' })],
    ['a sequence of 41 digits', altered(byKey, bad, { sequence: '1'.repeat(41) })],
    ['a negative sequence', altered(byKey, bad, { sequence: '-400000000024465870661' })],
    ['no operation', altered(byKey, bad, { operation: undefined })],
    ['an unknown operation', altered(byKey, bad, { operation: 'upsert' })],
    ['no time', altered(byKey, bad, { at: undefined })],
    ['a time that is null', altered(byKey, bad, { at: null })],
    ['a time that is a text', altered(byKey, bad, { at: 'yesterday' })],
    ['no keys', altered(byKey, bad, { keys: undefined })],
    ['keys that are an array', altered(byKey, bad, { keys: [] })],
    ['keys without the key', altered(byKey, bad, { keys: { id: { S: 'bad' } } })],
    ['a key of another type', altered(byKey, bad, { keys: { pk: { N: '1' } } })],
    ['a key that is null', altered(byKey, bad, { keys: { pk: null } })],
    ['a key that is bare', altered(byKey, bad, { keys: { pk: 'bad' } })],
    ['an insert without an item', altered(byKey, bad, { item: undefined })],
    ['a modify without an item', altered(byKey, bad, { item: undefined, operation: 'modify' })],
    ['an item that is a text', altered(byKey, bad, { item: 'x' })],
    ['an item that is an array', altered(byKey, bad, { item: [item] })],
    ['an item that is null', altered(byKey, bad, { item: null })],
    ['bytes that are no JSON', '\u0000\u0001\u0002'],
  ])('is quarantined whole, with its place, and the rest is merged: %s', async (_, text) => {
    const of = await bench()
    const report = await mergeBytes(of, { 'object.ndjson': [textOf(good), '', text] })
    expect(report).toMatchObject({
      exitCode: 0,
      lines: { read: 2, applied: 1, quarantined: 1, otherTable: 0 },
      objects: { merged: 1, broken: 0 },
    })
    expectSum(report)
    expect(report.warnings).not.toEqual([])
    expect(await keysStored(of)).toEqual(['good'])
    expect(await quarantine(of)).toMatchObject([{ object: `${LANDING}object.ndjson`, line: 3, text }])
  })

  it.each([['modify'], ['remove']])(
    'is quarantined where partitions need the old image and a %s lacks it',
    async (operation) => {
      const of = await bench(byRegion)
      const fields = operation === 'remove' ? { operation, item: undefined } : { operation }
      const report = await mergeBytes(of, {
        'object.ndjson': [
          textOf(good, byRegion),
          altered(byRegion, { ...bad, pk: 'good' }, { ...fields, old: undefined }),
          altered(byRegion, { ...bad, pk: 'good' }, { ...fields, old: {} }),
          altered(byRegion, { ...bad, pk: 'good' }, { ...fields, old: { note: { S: 'x' } } }),
          altered(byRegion, { ...bad, pk: 'good' }, { ...fields, old: null }),
        ],
      })
      expect(report).toMatchObject({ exitCode: 0, lines: { read: 5, applied: 1, quarantined: 4 }, movedOut: 0 })
      expect(await rows(of)).toMatchObject([{ pk: 'good', region: 'A', note: 'change 10' }])
      const reasons = (await quarantine(of)).map(({ reason }) => reason)
      expect(reasons).toEqual(Array(4).fill('missing-old-image'))
    },
  )

  it('keeps a place in the null partition apart from a missing old image', async () => {
    const of = await bench(byRegion)
    const inNull = altered(byRegion, { pk: 'k', sequence: 5, to: 'A' }, { item: { pk: { S: 'k' } } })
    await mergeBytes(of, { '1.ndjson': [inNull] })
    expect(await rows(of)).toMatchObject([{ pk: 'k', region: null }])
    const moved = altered(byRegion, { pk: 'k', sequence: 6, from: 'A', to: 'A' }, { old: { region: null } })
    const report = await mergeBytes(of, { '2.ndjson': [moved] })
    expect(report).toMatchObject({ lines: { applied: 1, quarantined: 0 }, movedOut: 1 })
    expect(await rows(of)).toMatchObject([{ pk: 'k', region: 'A' }])
  })

  it('is quarantined beyond 16 MiB, and the next line is merged', async () => {
    const of = await bench()
    const long = altered(byKey, bad, { item: { pk: { S: 'bad' }, note: { S: 'x'.repeat(17 * 1024 * 1024) } } })
    const report = await mergeBytes(of, { 'object.ndjson': gzipSync(`${long}\n${textOf(good)}\n`) })
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 2, applied: 1, quarantined: 1 } })
    expect(await keysStored(of)).toEqual(['good'])
  })
})

describe('a line of another table', () => {
  it('is counted, not quarantined', async () => {
    const of = await bench()
    const report = await mergeBytes(of, {
      'object.ndjson': [
        altered(byKey, bad, { table: 'order' }),
        textOf(good),
        altered(byKey, bad, { table: 'Orders' }),
      ],
    })
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 3, applied: 1, quarantined: 0, otherTable: 2 } })
    expect(await keysStored(of)).toEqual(['good'])
  })
})

describe('an item that fits no column', () => {
  it.each<[string, unknown]>([
    ['a value of two types', { S: 'x', N: '1' }],
    ['a value of no type', {}],
    ['a value of an unknown type', { X: 'x' }],
    ['a bare value', 'x'],
    ['null', null],
    ['a number that is none', { N: 'twelve' }],
    ['a number beyond 38 digits', { N: '1'.repeat(60) }],
    ['a number that is not text', { N: 12 }],
    ['binary that is no base64', { B: '***' }],
    ['a nest of 100 lists', JSON.parse(`${'{"L":['.repeat(100)}{"S":"x"}${']}'.repeat(100)}`)],
    ['a long name', { M: { ['n'.repeat(70_000)]: { S: 'x' } } }],
  ])('never stops the run nor the other attributes: %s', async (_, value) => {
    const of = await bench()
    const odd = { pk: { S: 'odd' }, region: { S: 'A' }, note: value, other: value }
    const report = await mergeBytes(of, {
      'object.ndjson': [
        altered(byKey, { ...good, pk: 'odd' }, { item: odd, keys: { pk: { S: 'odd' } } }),
        textOf(good),
      ],
    })
    expectSum(report)
    expect(report.exitCode).toBe(0)
    const stored = await rows(of)
    expect(stored).toContainEqual(expect.objectContaining({ pk: 'good' }))
    const oddRow = stored.find(({ pk }) => pk === 'odd')
    if (oddRow === undefined) expect(report.lines.quarantined).toBe(1)
    else expect(oddRow).toMatchObject({ region: 'A', note: null, _extra: expect.stringContaining('"note"') })
  })
})

describe('text that is no Unicode', () => {
  it.each<[string, Uint8Array]>([
    ['a byte that is no UTF-8', Buffer.from([0xff])],
    ['a sequence cut short', Buffer.from([0xe2, 0x82])],
    ['an overlong sequence', Buffer.from([0xc0, 0xaf])],
    ['half of a surrogate pair, escaped', Buffer.from('\\ud83d')],
    ['half of a surrogate pair in UTF-8', Buffer.from([0xed, 0xa0, 0xbd])],
  ])('gives no row that readers cannot read: %s', async (_, text) => {
    const of = await bench()
    const [before, after] = textOf({ ...bad, note: 'HERE' }).split('HERE') as [string, string]
    const odd = Buffer.concat([Buffer.from(before), text, Buffer.from(after)])
    const report = await mergeBytes(of, {
      'odd.ndjson': Buffer.concat([odd, Buffer.from('\n')]),
      'good.ndjson': [textOf(good)],
    })
    expect(report.exitCode).toBe(0)
    expectSum(report)
    // Throws at text that is not UTF-8.
    const decode = (stored: Uint8Array) => new TextDecoder('utf-8', { fatal: true }).decode(stored)
    for (const { path } of await currentFiles(of.store)) {
      expect(await readParquet(await readObject(of.store, path), decode)).not.toEqual([])
    }
    expect(await keysStored(of)).toContain('good')
  })
})

describe('a landing object', () => {
  it('cut in the middle of its gzip gives its readable lines, and is kept whole', async () => {
    const of = await bench()
    const filler = Array.from({ length: 400 }, (_, i) =>
      textOf({ pk: `k${i}`, sequence: 1000 + i * 7919, to: 'A', note: `${Math.sqrt(i)}` }),
    )
    const whole = gzipSync(`${filler.join('\n')}\n`)
    const cut = whole.subarray(0, whole.length >> 1)
    const report = await mergeBytes(of, { 'cut.ndjson.gz': cut, 'good.ndjson': [textOf(good)] })
    expect(report).toMatchObject({ exitCode: 0, objects: { broken: 1, merged: 1 } })
    expectSum(report)
    expect(report.warnings).not.toEqual([])
    const stored = await keysStored(of)
    expect(stored).toContain('good')
    expect(stored.length).toBeGreaterThan(20)
    expect(stored.length).toBeLessThan(401)
    expect(stored.filter((pk) => pk !== 'good').every((pk) => /^k\d+$/.test(pk as string))).toBe(true)

    const copies = [...of.store.snapshot()].filter(
      ([path]) => path.includes('/_lastwrite/') && path.includes('/quarantine/objects/'),
    )
    expect(copies.map(([, { bytes }]) => Buffer.from(bytes).equals(cut))).toEqual([true])
    expect(await quarantine(of)).toContainEqual(
      expect.objectContaining({
        reason: 'broken-object',
        object: `${LANDING}cut.ndjson.gz`,
        message: expect.stringContaining(copies[0]![0]),
      }),
    )
    const statuses = (await ledger(of.store)).map(({ object, status }) => [object.slice(LANDING.length), status])
    expect(statuses.sort()).toEqual([
      ['cut.ndjson.gz', 'broken'],
      ['good.ndjson', 'merged'],
    ])
    expect((await mergeLanding(of.table, [LANDING])).snapshot).toBeNull()
  })

  it.each<[string, Uint8Array]>([
    ['a gzip whose checksum is wrong', flipped(gzipSync(`${textOf(bad)}\n`), -8)],
    ['a gzip header and nothing else', gzipSync('').subarray(0, 10)],
    ['a good gzip member and garbage after it', Buffer.concat([gzipSync(`${textOf(bad)}\n`), Buffer.from('garbage')])],
    ['half of a plain line', Buffer.from(textOf(bad).slice(0, 90))],
    ['nothing but zeros', new Uint8Array(300)],
  ])('that is damaged harms no other: %s', async (_, bytes) => {
    const of = await bench()
    const report = await mergeBytes(of, { 'damaged.ndjson': bytes, 'good.ndjson': [textOf(good)] })
    expect(report.exitCode).toBe(0)
    expectSum(report)
    expect(report.objects.broken + report.lines.quarantined).toBeGreaterThan(0)
    expect(report.warnings).not.toEqual([])
    expect(await keysStored(of)).toContain('good')
    expect(await ledger(of.store)).toHaveLength(2)
  })

  it.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array(0)],
    ['an empty gzip', gzipSync('')],
    ['blank lines', Buffer.from('\n\n\n')],
    ['blank lines in gzip members', Buffer.concat([gzipSync('\n'), gzipSync('\n\n')])],
  ])('with no lines is merged: %s', async (_, bytes) => {
    const of = await bench()
    const report = await mergeBytes(of, { 'empty.ndjson': bytes, 'good.ndjson': [textOf(good)] })
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 }, objects: { merged: 2, broken: 0 } })
    expect((await mergeLanding(of.table, [LANDING])).snapshot).toBeNull()
  })

  it('whose lines are split between gzip members is one text', async () => {
    const of = await bench()
    const text = Buffer.from(`${textOf(good)}\n${textOf(bad)}`)
    const members = [text.subarray(0, 33), text.subarray(33, 300), text.subarray(300)].map((part) => gzipSync(part))
    const report = await mergeBytes(of, { 'members.gz': Buffer.concat(members) })
    expect(report).toMatchObject({ exitCode: 0, lines: { read: 2, applied: 2 }, objects: { merged: 1, broken: 0 } })
    expect(await keysStored(of)).toEqual(['bad', 'good'])
  })

  it('that may not be read is skipped, stays out of the ledger, and ends the run with 20 after the others are committed', async () => {
    const of = await bench()
    await land(of.store, [objectOf('denied.ndjson', [line(byKey, bad)]), objectOf('good.ndjson', [line(byKey, good)])])
    of.store.inject({
      operation: 'get',
      path: 'denied.ndjson',
      times: 100,
      fault: { kind: 'fail', failure: { kind: 'denied', cause: new Error('AccessDenied') } },
    })
    const report = await mergeLanding(of.table, [LANDING])
    expect(report).toMatchObject({ exitCode: 20, lines: { read: 1, applied: 1 }, objects: { merged: 1 } })
    expect(report.objects.skipped.map(({ object }) => object)).toEqual([`${LANDING}denied.ndjson`])
    expect(report.snapshot).not.toBeNull()
    expect(await keysStored(of)).toEqual(['good'])
    expect((await ledger(of.store)).map(({ object }) => object)).toEqual([`${LANDING}good.ndjson`])

    const allowed = of.store.clone()
    const table = await openTable(LOCATION, environmentOver(allowed, 2))
    expect(await mergeLanding(table, [LANDING])).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 } })
    expect(await keysStored({ ...of, table, store: allowed })).toEqual(['bad', 'good'])
  })

  it('that is gone when it is read is no reason to stop', async () => {
    const of = await bench()
    await land(of.store, [objectOf('gone.ndjson', [line(byKey, bad)]), objectOf('good.ndjson', [line(byKey, good)])])
    of.store.inject({
      operation: 'get',
      path: 'gone.ndjson',
      fault: { kind: 'run', before: () => of.store.uproot(`${LANDING}gone.ndjson`) },
    })
    await mergeLanding(of.table, [LANDING])
    expect(await keysStored(of)).toEqual(['good'])
    expect((await ledger(of.store)).map(({ object }) => object)).toEqual([`${LANDING}good.ndjson`])
  })
})

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const index = at < 0 ? copy.length + at : at
  copy[index] = (copy[index] as number) ^ 0xff
  return copy
}

describe('a data file that is damaged', () => {
  const stand: readonly LandedLine[] = ['A', 'B'].map((region) =>
    line(byRegion, { pk: `k${region}`, sequence: 1, to: region }),
  )
  const changes = [
    line(byRegion, { pk: 'kA', sequence: 2, from: 'A', to: 'A', note: 'new' }),
    line(byRegion, { pk: 'kB', sequence: 2, from: 'B', to: 'B', note: 'new' }),
  ]

  it.each<[string, (store: MemoryStore, path: string, bytes: Uint8Array) => void]>([
    [
      'its end is overwritten',
      (store, path, bytes) => store.plant(path, Buffer.concat([bytes.subarray(0, -8), Buffer.alloc(8, 7)])),
    ],
    ['it is cut short', (store, path, bytes) => store.plant(path, bytes.subarray(0, bytes.length >> 1))],
    ['it is empty', (store, path) => store.plant(path, new Uint8Array(0))],
    ['it is gone', (store, path) => store.uproot(path)],
    ['a byte of a page is wrong', (store, path, bytes) => store.plant(path, flipped(bytes, 40))],
  ])('is named with exit 21, its changes are deferred, the others merged: %s', async (_, damage) => {
    const of = await bench(byRegion)
    await land(of.store, [objectOf('stand.ndjson', stand)])
    await mergeLanding(of.table, [LANDING])
    const files = await currentFiles(of.store)
    const victim = files.find(({ partition }) => partition[0] === 'A')?.path as string
    const bytes = of.store.snapshot().get(victim)?.bytes as Uint8Array
    damage(of.store, victim, bytes)

    await land(of.store, [
      objectOf('a.ndjson', [changes[0] as LandedLine]),
      objectOf('b.ndjson', [changes[1] as LandedLine]),
    ])
    const report = await mergeLanding(of.table, [LANDING])
    expect(report).toMatchObject({ exitCode: 21, lines: { read: 2, applied: 1, deferred: 1 } })
    expect(report.damaged.map(({ path }) => path)).toEqual([victim])
    expectSum(report)
    const entries = (await ledger(of.store)).map(({ object }) => object.slice(LANDING.length)).sort()
    expect(entries).toEqual(['b.ndjson', 'stand.ndjson'])

    of.store.plant(victim, bytes)
    const repaired = await mergeLanding(of.table, [LANDING])
    expect(repaired).toMatchObject({ exitCode: 0, lines: { read: 1, applied: 1 } })
    expect((await rows(of)).map(({ note }) => note)).toEqual(['new', 'new'])
    expect(await ledger(of.store)).toHaveLength(3)
  })
})
