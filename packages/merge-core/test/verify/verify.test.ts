import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backfillTable, mergeLanding } from '../../src/index.ts'
import { memoryStore } from '../../src/store/memory.ts'
import type { Difference } from '../../src/verify/name-differences.ts'
import { type VerifyOptions, verifyAgainstExport } from '../../src/verify/verify.ts'
import { type ChangeSet, changeSet, type LandedLine } from '../change-sets.ts'
import { EXPORT_TIME_MS, plantExport } from '../export/planted-export.ts'
import { type HandChange, line } from '../hand-changes.ts'
import { encodeObject, PLAIN_PACKING } from '../landing-lines.ts'
import { commitForeign, type Lake, newLake } from '../maintain/lake.ts'
import { isNewer } from '../model.ts'
import { gz } from '../replay/error-objects.ts'
import { currentFiles, setProperties } from '../stored-table.ts'
import { createTestTable, environmentOver, LANDING } from '../table-run.ts'

const T = EXPORT_TIME_MS / 1000
const BEFORE = T - 2

async function verify(lake: Lake, options: Partial<VerifyOptions> = {}) {
  const differences: Difference[] = []
  const report = await verifyAgainstExport(await lake.open(), {
    against: 'memory://exports/',
    landing: [LANDING],
    onDifference: (difference) => void differences.push(difference),
    ...options,
  })
  return { report, differences }
}

/** A table of what these changes make. */
async function lakeOf(changes: readonly HandChange[], ...settings: Parameters<typeof newLake>): Promise<Lake> {
  const lake = await newLake(...settings)
  lake.store.plant(
    `${LANDING}2026/11/24/11/1`,
    gz(...changes.map((each) => line(lake.spec, { at: BEFORE, ...each }).text)),
  )
  await lake.mergeAgain()
  return lake
}

const item = (pk: string, region: string, note: string) => ({
  Item: { pk: { S: pk }, region: { S: region }, note: { S: note } },
})

const put = (pk: string, sequence: number, more: Partial<HandChange> = {}): HandChange => ({
  pk,
  sequence,
  to: 'A',
  note: `${pk} as it is`,
  ...more,
})

const asItIs = (pk: string) => item(pk, 'A', `${pk} as it is`)

describe('a table', () => {
  it('that holds what the export holds is equal', async () => {
    const lake = await lakeOf([put('a', 1), put('b', 2), put('c', 3), { pk: 'c', sequence: 4, from: 'A' }])
    plantExport(lake.store, [asItIs('a'), asItIs('b')])
    const { report, differences } = await verify(lake)
    expect(report).toMatchObject({
      table: 'orders',
      snapshot: await lake.head(),
      at: '2026-11-24T12:00:00.000Z',
      items: 2,
      keys: { equal: 2, changedSince: 0, expired: 0, different: 0, onlyInExport: 0, onlyInTable: 0, repeated: 0 },
      equal: true,
      exitCode: 0,
    })
    expect(differences).toEqual([])
  })

  it('that differs has each difference named, with both versions', async () => {
    const lake = await lakeOf([put('a', 1), put('b', 2), put('c', 3)])
    plantExport(lake.store, [asItIs('a'), item('b', 'B', 'b as it was'), asItIs('d')])
    const { report, differences } = await verify(lake)
    expect(report).toMatchObject({ keys: { equal: 1, different: 1, onlyInExport: 1, onlyInTable: 1 }, exitCode: 21 })
    const byKey = [...differences].sort((x, y) => String(x.key.pk).localeCompare(String(y.key.pk)))
    const row = { region: 'A', _extra: null, _stream: '2026-11-22T08:00:00.000', _updated_at: BigInt(BEFORE * 1e6) }
    expect(byKey).toEqual([
      {
        kind: 'different',
        key: { pk: 'b' },
        columns: ['region', 'note'],
        export: { pk: 'b', region: 'B', note: 'b as it was', _extra: null },
        table: [{ pk: 'b', note: 'b as it is', ...row, _sequence: '012' }],
      },
      {
        kind: 'onlyInTable',
        key: { pk: 'c' },
        columns: [],
        export: null,
        table: [{ pk: 'c', note: 'c as it is', ...row, _sequence: '013' }],
      },
      {
        kind: 'onlyInExport',
        key: { pk: 'd' },
        columns: [],
        export: { pk: 'd', region: 'A', note: 'd as it is', _extra: null },
        table: [],
      },
    ])
  })

  it('may differ in keys of which a row or a tombstone is as late as the export', async () => {
    const late = { at: T - 1 }
    const lake = await lakeOf([
      put('put', 1, late),
      put('new', 2, late),
      put('removed', 3),
      { pk: 'removed', sequence: 4, from: 'A', ...late },
      put('early', 5, { note: 'no longer' }),
    ])
    plantExport(lake.store, [item('put', 'B', 'before'), asItIs('removed'), asItIs('early')])
    const { report, differences } = await verify(lake)
    expect(report).toMatchObject({ keys: { changedSince: 3, different: 1 } })
    expect(differences.map(({ key }) => key.pk)).toEqual(['early'])
  })

  it('that was filled from an export is held against it, and against no earlier one', async () => {
    const lake = await lakeOf([put('a', 1), put('b', 2)])
    const { location } = plantExport(lake.store, [asItIs('a'), item('b', 'B', 'from the export'), asItIs('c')])
    const source = {
      kind: 'export',
      prefix: location,
      stream: '2026-11-24T00:00:00.000',
      authoritative: false,
    } as const
    await backfillTable(await lake.open(), source)
    expect((await verify(lake)).report).toMatchObject({ keys: { equal: 3, changedSince: 0 }, equal: true })

    plantExport(lake.store, [asItIs('a'), item('b', 'C', 'altered')])
    expect((await verify(lake)).report).toMatchObject({ keys: { equal: 1, different: 1, onlyInTable: 1 } })

    const before = new Date(EXPORT_TIME_MS - 60_000).toISOString()
    plantExport(lake.store, [asItIs('a'), asItIs('b')], { changes: { exportTime: before } })
    expect((await verify(lake)).report).toMatchObject({ keys: { changedSince: 3 }, equal: true })
  })

  it('may keep rows that TTL removed', async () => {
    const lake = await lakeOf([put('a', 1), put('b', 2), { pk: 'a', sequence: 3, from: 'A', byTtl: true }], {
      on_ttl: 'keep',
    })
    plantExport(lake.store, [asItIs('b')])
    expect((await verify(lake)).report).toMatchObject({ keys: { equal: 1, expired: 1 }, equal: true })
  })

  it('of which a key stands in two partitions is not equal', async () => {
    const partitioned = { partitionBy: ['identity(region)'] }
    const lake = await lakeOf([put('a', 1)], {}, partitioned)
    // What moved it from B to C is late, so its row in A stays.
    lake.store.plant(
      `${LANDING}2026/11/24/11/2`,
      gz(line(lake.spec, put('a', 3, { from: 'B', to: 'C', at: BEFORE })).text),
    )
    await lake.mergeAgain()
    plantExport(lake.store, [item('a', 'C', 'a as it is')])
    const { report, differences } = await verify(lake)
    expect(report).toMatchObject({ keys: { repeated: 1 }, exitCode: 21 })
    expect(differences).toMatchObject([{ kind: 'repeated', key: { pk: 'a' }, table: [{}, {}] }])
  })

  it('without a row is equal to an export without an item', async () => {
    const lake = await newLake()
    plantExport(lake.store, [])
    expect((await verify(lake)).report).toMatchObject({ snapshot: null, items: 0, equal: true })
  })

  it('has as many differences named as are asked for, and all counted', async () => {
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`)
    const lake = await lakeOf(keys.map((pk, i) => put(pk, i + 1)))
    plantExport(lake.store, [])
    for (const keysAtOnce of [1000, 7]) {
      const { report, differences } = await verify(lake, { limit: 12, keysAtOnce })
      expect(report).toMatchObject({ keys: { onlyInTable: 30 } })
      expect(differences).toHaveLength(12)
      expect(new Set(differences.map(({ key }) => key.pk)).size).toBe(12)
    }
  })

  it('is not held to rows that another engine deleted by position', async () => {
    const lake = await lakeOf([put('a', 1), put('b', 2)])
    plantExport(lake.store, [asItIs('a'), asItIs('b')])
    const [file] = await currentFiles(lake.store)
    const before = await verify(lake)
    await commitForeign(lake, [file!.path], [])
    expect(before.report).toMatchObject({ equal: true })
    expect((await verify(lake)).report).toMatchObject({ keys: { onlyInExport: 2 } })
  })
})

describe('a comparison is refused', () => {
  it('with what is not a full export of this table', async () => {
    const lake = await lakeOf([put('a', 1)])
    for (const [changes, message] of [
      [
        { exportType: 'INCREMENTAL_EXPORT', exportFromTime: '2026-11-24T11:00Z', exportToTime: '2026-11-24T12:00Z' },
        /incremental/,
      ],
      [{ tableArn: 'arn:aws:dynamodb:eu-west-1:123456789012:table/others' }, /is of table others/],
      [{ tableArn: 'arn:aws:dynamodb:eu-west-1:999999999999:table/orders' }, /of 999999999999\/eu-west-1, this one/],
    ] as const) {
      plantExport(lake.store, [asItIs('a')], { changes })
      await expect(verify(lake)).rejects.toThrow(message)
    }
  })

  it('as long as what was written before the export may still land, unless nobody wants to wait', async () => {
    const lake = await lakeOf([put('a', 1)])
    plantExport(lake.store, [asItIs('a')])
    lake.clock.ms = EXPORT_TIME_MS + 25 * 3600 * 1000 - 1
    await expect(verify(lake)).rejects.toThrow(/may land until 2026-11-25T13:00:00\.000Z.*--now/)
    expect((await verify(lake, { now: true })).report).toMatchObject({ equal: true })
    lake.clock.ms++
    expect((await verify(lake)).report).toMatchObject({ equal: true })
  })

  it('while objects that may tell of changes before the export are not merged', async () => {
    const lake = await lakeOf([put('a', 1)])
    plantExport(lake.store, [asItIs('a')])
    for (const name of ['2026/11/25/13/late', 'replayed/x']) {
      lake.store.plant(LANDING + name, gz('a line'))
      await expect(verify(lake, { now: true })).rejects.toThrow(new RegExp(`not merged: 1, .*${name} the first`))
      lake.store.uproot(LANDING + name)
    }
    lake.store.plant(`${LANDING}2026/11/25/14/later`, gz('a line'))
    expect((await verify(lake)).report).toMatchObject({ equal: true })
  })

  it('with an export of before what the table still knows', async () => {
    const lake = await lakeOf([put('a', 1)])
    plantExport(lake.store, [asItIs('a')])
    const [other, third] = [lake.clone(), lake.clone()]
    await setProperties(lake.store, { 'lastwrite.watermark': String(T - 1) })
    await expect(verify(lake)).rejects.toThrow(/up to 2026-11-24T11:59:59\.000Z is remembered; make a new export/)
    await setProperties(other.store, { 'lastwrite.floor': String(T), 'lastwrite.watermark': String(T - 2) })
    expect((await verify(other)).report).toMatchObject({ equal: true })
    await setProperties(third.store, { 'lastwrite.floor': String(T + 1) })
    await expect(verify(third)).rejects.toThrow(/make a new export/)
  })

  it('with an export that holds a key twice, or an item that this table cannot have', async () => {
    const lake = await lakeOf([put('a', 1)])
    plantExport(lake.store, [asItIs('a'), asItIs('a')])
    await expect(verify(lake)).rejects.toThrow(/the export holds key "a" twice/)
    plantExport(lake.store, [{ Item: { pk: { N: '1' } } }], { files: 1 })
    await expect(verify(lake)).rejects.toThrow(/0\.json\.gz line 1: .*"pk" is missing, or no value of key column pk/)
  })
})

describe('of random tables', () => {
  it('each planted difference is named, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const set = changeSet(g)
        const lines = linesOf(set)
        const last = Math.max(0, ...lines.map(({ change }) => change!.at))
        const timeS = Math.ceil(last) + g(fc.constantFrom, 3, -100)
        const fates = new Map(
          [...latest(lines).keys()].map((key) => [
            key,
            g(() => fc.constantFrom('same', 'same', 'altered', 'lost', 'kept')),
          ]),
        )
        const landed = lines.filter(({ change }) => fates.get(change!.key) !== 'lost')

        const store = memoryStore()
        const table = await createTestTable(set.table, environmentOver(store))
        store.plant(
          `${LANDING}1`,
          encodeObject(
            landed.map(({ text }) => text),
            PLAIN_PACKING,
          ),
        )
        await mergeLanding(table, [LANDING])

        const items: object[] = []
        const expected: string[] = []
        const counts = {
          equal: 0,
          changedSince: 0,
          expired: 0,
          different: 0,
          onlyInExport: 0,
          onlyInTable: 0,
          repeated: 0,
        }
        for (const [key, of] of latest(lines)) {
          const fate = fates.get(key)!
          const isLate = fate !== 'lost' && of.some(({ change }) => Math.ceil(change!.at) >= timeS - 1)
          // Between whole seconds it depends on what kind of change it was.
          if (of.some(({ change }) => Math.ceil(change!.at) >= timeS - 1 !== change!.at >= timeS - 1)) return
          const { change, text } = of[0]!
          const isExpired = fate !== 'lost' && change!.operation === 'expire' && set.table.keepsExpired
          const isPut = change!.operation === 'put'
          if (isPut && fate !== 'kept')
            items.push({ Item: { ...imageOf(text), ...(fate === 'same' ? {} : { 'planted!': { S: key } }) } })
          if (isLate) counts.changedSince++
          else if (isExpired) counts.expired++
          else if (isPut) {
            counts[
              ({ same: 'equal', altered: 'different', lost: 'onlyInExport', kept: 'onlyInTable' } as const)[fate]
            ]++
            if (fate === 'altered' || fate === 'lost') expected.push(JSON.stringify({ 'planted!': { S: key } }))
            if (fate === 'kept') expected.push(`${change!.stream} ${change!.sequence}`)
          }
        }
        plantExport(store, items, { changes: { exportTime: new Date(timeS * 1000).toISOString() } })
        const named: string[] = []
        const report = await verifyAgainstExport(table, {
          against: 'memory://exports',
          landing: [LANDING],
          now: true,
          keysAtOnce: g(fc.constantFrom, 2, 1000),
          onDifference: ({ kind, export: exported, table: [row] }) => {
            const { 'planted!': planted } = exported === null ? {} : JSON.parse(String(exported._extra))
            named.push(
              kind === 'onlyInTable'
                ? `${row!._stream} ${String(row!._sequence).slice(2)}`
                : JSON.stringify({ 'planted!': planted }),
            )
          },
        })
        expect(report.keys).toEqual(counts)
        expect(named.sort()).toEqual(expected.sort())
      }),
      { numRuns: 100 },
    )
  })
})

function linesOf({ merges }: ChangeSet): LandedLine[] {
  return merges.flat().flatMap(({ lines }) => lines.filter(({ change }) => change !== null))
}

/** The lines of each key, the latest change first. */
function latest(lines: readonly LandedLine[]): Map<string, LandedLine[]> {
  const byKey = Map.groupBy(lines, ({ change }) => change!.key)
  for (const of of byKey.values()) of.sort((a, b) => (isNewer(a.change!, b.change!) ? -1 : 1))
  return byKey
}

function imageOf(text: string): object {
  const { item, dynamodb } = JSON.parse(text)
  return item ?? dynamodb.NewImage
}
