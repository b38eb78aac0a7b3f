import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeLanding } from '../../src/merge.ts'
import { decodeEntry } from '../../src/replay/decode-entry.ts'
import { type ReplayOptions, replay } from '../../src/replay/replay.ts'
import type { Fault } from '../../src/store/memory.ts'
import { type HandChange, landedChange, line } from '../hand-changes.ts'
import { encodeLine, PLAIN_SPELLING } from '../landing-lines.ts'
import { DAY, type Lake, newLake } from '../maintain/lake.ts'
import { expectedRows } from '../model.ts'
import { currentMetadata, ledger, setProperties } from '../stored-table.ts'
import { inOrder, LANDING } from '../table-run.ts'
import { FIREHOSE_FAILURES, firehoseError, gz, lambdaFailure } from './error-objects.ts'

const ERRORS = 'memory://errors/orders/'

const change = (number: number, more: Partial<HandChange> = {}): HandChange => ({
  pk: `k${number % 5}`,
  sequence: 100 + number,
  to: 'A',
  ...more,
})

const removal = (number: number, more: Partial<HandChange> = {}): HandChange => ({
  pk: `k${number % 5}`,
  sequence: 100 + number,
  from: 'A',
  ...more,
})

const textOf = ({ spec }: Lake, ...changes: HandChange[]) => changes.map((each) => line(spec, each).text)

/** As Lambda delivers it. */
const recordOf = ({ spec }: Lake, each: HandChange): Record<string, unknown> =>
  JSON.parse(encodeLine(landedChange(spec, each), [], { ...PLAIN_SPELLING, form: 'stream-record' }))

async function replayed(lake: Lake, options: Partial<ReplayOptions> = {}) {
  return replay(await lake.open(), { landing: LANDING, errors: [ERRORS], ...options })
}

/** Lines of the objects that were landed, in their order. */
function linesOf(lake: Lake, paths: readonly string[]): string[] {
  const stored = lake.store.snapshot()
  return paths.flatMap((path) => gunzipSync(stored.get(path)!.bytes).toString().trimEnd().split('\n'))
}

const entriesOf = (lake: Lake, paths: readonly string[]) => linesOf(lake, paths).map((text) => JSON.parse(text))

/** What the table must hold if these changes, and no others, ever reached it. */
const model = ({ spec }: Lake, changes: readonly HandChange[]) =>
  inOrder(expectedRows(changes.map((each) => ({ change: line(spec, each).change!, commit: 0 }))))

/** What lies in the store, but for the table: merges are not to be repeated byte by byte. */
const outsideOfTheTable = ({ store }: Lake) =>
  [...store.snapshot()]
    .filter(([path]) => !path.startsWith('memory://lake/orders/'))
    .map(([path, { etag }]) => [path, etag])

describe('a replay', () => {
  it.each(FIREHOSE_FAILURES)('lands what Firehose put into %s, many lines in one record', async (failure) => {
    const lake = await newLake()
    const lines = textOf(lake, change(1), change(2), removal(3))
    lake.store.plant(
      `${ERRORS}${failure}/2026/11/22/08/orders-1`,
      gz(firehoseError(failure, `${lines[0]}\n${lines[1]}\n`), '', firehoseError(failure, lines[2]!)),
    )
    const report = await replayed(lake)
    expect(report).toMatchObject({
      objects: { read: 1, broken: [] },
      entries: { firehose: 2, unknown: 0 },
      lines: { landed: 3, undecodable: 0 },
      landing: { lines: 3, standing: [] },
      exitCode: 0,
    })
    expect(linesOf(lake, report.landing.created)).toEqual(lines)
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(model(lake, [change(1), change(2), removal(3)]))
  })

  it('passes the bytes of a record as they are, valid or not, and inflates compressed ones', async () => {
    const lake = await newLake()
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x0a, 0x20, 0x0a, 0x22])
    lake.store.plant(`${ERRORS}1`, gz(firehoseError('processing-failed', gzipSync(bytes))))
    const { landing } = await replayed(lake)
    const stored = lake.store.snapshot().get(landing.created[0]!)!.bytes
    expect([...gunzipSync(stored)]).toEqual([0x7b, 0xff, 0xfe, 0x0a, 0x22, 0x0a])
  })

  it('lands the stream records of a failed invocation, as they are, without those of other tables', async () => {
    const lake = await newLake({}, { partitionBy: ['identity(region)'] })
    const moved = change(1, { sequence: 107, from: 'A', to: 'B' })
    const records = [recordOf(lake, change(1)), recordOf(lake, moved)]
    const other = { ...records[0], eventSourceARN: String(records[0]!.eventSourceARN).replace('/orders/', '/others/') }
    lake.store.plant(`${ERRORS}aws/lambda/1`, Buffer.from(lambdaFailure([...records, other])))
    const report = await replayed(lake)
    expect(report).toMatchObject({ entries: { lambda: 1 }, lines: { landed: 2, otherTable: 1 }, exitCode: 0 })
    expect(linesOf(lake, report.landing.created).map((text) => JSON.parse(text))).toEqual(records)
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(model(lake, [change(1), moved]))
  })

  it.each<[string, (records: unknown[]) => string]>([
    ['an asynchronous invocation', (Records) => lambdaFailure([], { payload: undefined, requestPayload: { Records } })],
    ['a payload that is no text', (Records) => lambdaFailure([], { payload: { Records } })],
    ['a document laid out by lines', (records) => JSON.stringify(JSON.parse(lambdaFailure(records)), null, 2)],
  ])('reads %s', async (_what, write) => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}1`, Buffer.from(write([recordOf(lake, change(1)), recordOf(lake, change(2))])))
    expect(await replayed(lake)).toMatchObject({ entries: { lambda: 1 }, lines: { landed: 2 }, exitCode: 0 })
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(model(lake, [change(1), change(2)]))
  })

  it('lands lines that were quarantined, once the cause is mended', async () => {
    const lake = await newLake()
    const item = Buffer.from(JSON.stringify({ pk: { S: 'big' }, region: { S: 'A' }, note: { S: 'large' } }))
    const itemAt = {
      bucket: 'oversize',
      key: '1',
      bytes: item.length,
      sha256: createHash('sha256').update(item).digest('hex'),
    }
    const {
      item: _,
      byTtl: __,
      old: ___,
      ...rest
    } = landedChange(lake.spec, { pk: 'big', sequence: 7, to: 'A', note: 'large' })
    lake.store.plant(
      `${LANDING}1`,
      gz(JSON.stringify({ format: 'lastwrite/1', ...rest, itemAt }), ...textOf(lake, change(1))),
    )
    expect(await lake.mergeAgain()).toMatchObject({ lines: { applied: 1, quarantined: 1 } })
    await lake.store.put('s3://oversize/1', item, { kind: 'create' })
    const report = await replayed(lake, { errors: [], quarantine: true })
    expect(report).toMatchObject({ entries: { quarantine: 1 }, lines: { landed: 1 }, exitCode: 0 })
    expect(await mergeLanding(await lake.open(), [LANDING], { itemBuckets: ['oversize'] })).toMatchObject({
      lines: { read: 1, applied: 1 },
    })
    expect(await lake.rows()).toEqual(model(lake, [change(1), { pk: 'big', sequence: 7, to: 'A', note: 'large' }]))
  })

  it('leaves what is below the watermark in quarantine, and lands it marked where that is wanted, in either form', async () => {
    const lake = await newLake({}, { partitionBy: ['identity(region)'] })
    const now = lake.clock.ms / 1000
    await setProperties(lake.store, { 'lastwrite.watermark': String(now) })
    const changes = [change(1, { at: now - 5 }), change(2, { at: now - 4, from: 'B' })]
    lake.store.plant(
      `${LANDING}1`,
      gz(...textOf(lake, changes[0]!), JSON.stringify(recordOf(lake, changes[1]!)), 'bad'),
    )
    expect(await lake.mergeAgain()).toMatchObject({ lines: { read: 3, quarantined: 3 } })

    const report = await replayed(lake, { errors: [], quarantine: true })
    expect(report).toMatchObject({ entries: { quarantine: 3 }, lines: { landed: 1, heldBack: 2 }, exitCode: 0 })
    const accepting = await replayed(lake, { errors: [], quarantine: true, acceptBelowWatermark: true })
    expect(accepting).toMatchObject({ lines: { landed: 3, heldBack: 0 } })
    await lake.mergeAgain()
    expect(await lake.rows()).toEqual(model(lake, changes))
  })

  it('lands lines that stand under an error prefix as they would have landed', async () => {
    const lake = await newLake()
    const lines = [...textOf(lake, change(1)), JSON.stringify(recordOf(lake, change(2)))]
    lake.store.plant(`${ERRORS}1`, Buffer.from(lines.join('\n')))
    const { landing, entries } = await replayed(lake)
    expect(linesOf(lake, landing.created)).toEqual(lines)
    expect(entries).toMatchObject({ landed: 2 })
  })
})

describe('a second replay', () => {
  it('writes nothing, and merging it changes nothing', async () => {
    const lake = await newLake()
    const lines = textOf(lake, change(1), change(2), change(3))
    lake.store.plant(`${ERRORS}a`, gz(firehoseError('processing-failed', lines.join('\n')), 'what is this?'))
    lake.store.plant(`${ERRORS}b`, Buffer.from(lambdaFailure([recordOf(lake, change(4)), { kinesis: {} }])))
    const first = await replayed(lake, { quarantine: true })
    expect(first).toMatchObject({ lines: { landed: 4, undecodable: 2 }, exitCode: 20 })
    await lake.mergeAgain()
    const [before, rows] = [outsideOfTheTable(lake), await lake.rows()]

    const second = await replayed(lake)
    expect(second.landing).toMatchObject({ created: [], standing: first.landing.created })
    expect(second.undecodable).toMatchObject({ created: [], standing: first.undecodable.created })
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null })
    expect(outsideOfTheTable(lake)).toEqual(before)
    expect(await lake.rows()).toEqual(rows)
  })

  it('of the same failure under another name writes nothing either', async () => {
    const lake = await newLake()
    for (const name of ['a', 'b']) lake.store.plant(`${ERRORS}${name}`, gz(firehoseError('iceberg-failed', 'one\ntwo')))
    const report = await replayed(lake)
    expect(report.landing.created).toEqual(report.landing.standing)
    expect(report).toMatchObject({ lines: { landed: 4 } })
  })

  it('does not go round with lines that are quarantined again and again', async () => {
    const lake = await newLake()
    lake.store.plant(`${LANDING}1`, gz('bad', ...textOf(lake, change(1)), '{"worse":1}'))
    lake.store.plant(`${LANDING}2`, gz('no better'))
    lake.store.plant(`${ERRORS}1`, gz('undecodable'))
    await lake.mergeAgain()
    for (let round = 0; round < 2; round++) {
      await replayed(lake, { quarantine: true })
      await lake.mergeAgain()
    }
    const before = outsideOfTheTable(lake)
    const again = await replayed(lake, { quarantine: true })
    expect(again).toMatchObject({ landing: { created: [] }, undecodable: { created: [] } })
    expect(await lake.mergeAgain()).toMatchObject({ snapshot: null })
    expect(outsideOfTheTable(lake)).toEqual(before)
    expect(await ledger(lake.store)).toHaveLength(4)
  })

  it('ends what the first began, wherever that stopped', async () => {
    const lake = await newLake()
    const lines = textOf(lake, change(1), change(2))
    for (const name of ['a', 'b', 'c']) {
      lake.store.plant(`${ERRORS}${name}`, gz(firehoseError('processing-failed', `${lines.join('\n')}\n${name}`), 'x'))
    }
    const whole = lake.clone()
    await replayed(whole)
    for (let number = lake.store.calls + 1; ; number++) {
      const torn = lake.clone()
      const first = torn.store.calls + number - lake.store.calls
      torn.store.inject({ number: first, fault: { kind: 'crash', when: 'after' } })
      const crashed = await replayed(torn).then(
        () => false,
        () => true,
      )
      const recovered = torn.clone()
      await replayed(recovered)
      expect(outsideOfTheTable(recovered).map(([path]) => path)).toEqual(outsideOfTheTable(whole).map(([path]) => path))
      if (!crashed) break
    }
  })
})

describe('a replay whose store fails', () => {
  const cause = new Error('it failed')
  it.each<[string, Fault]>([
    ['is told of a conflict where nothing stands', { kind: 'fail', failure: { kind: 'conflict' } }],
    ['gets no answer and nothing was done', { kind: 'fail', failure: { kind: 'unknown', cause } }],
    ['gets no answer to what was done', { kind: 'lose-answer' }],
    ['is throttled', { kind: 'fail', failure: { kind: 'throttled', cause } }],
    ['is denied', { kind: 'fail', failure: { kind: 'denied', cause } }],
  ])('and %s, at any call, lands all or says that it did not', async (_what, fault) => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}a`, gz(firehoseError('processing-failed', 'one\ntwo'), 'bad'))
    lake.store.plant(`${ERRORS}b`, gz(firehoseError('processing-failed', 'three')))
    const outcomes: string[] = []
    for (let call = 1; ; call++) {
      const torn = lake.clone()
      const table = await torn.open()
      const first = torn.store.calls + call
      torn.store.inject({ number: first, fault })
      const outcome = await replay(table, { landing: LANDING, errors: [ERRORS] }).catch((error: Error) => error)
      if (outcome instanceof Error) {
        expect(outcome.name).toMatch(/^(TryAgain|Input|DamagedObject)Error$/)
        outcomes.push(outcome.name)
        continue
      }
      const { landing, undecodable } = outcome
      expect(linesOf(torn, [...landing.created, ...landing.standing]).sort()).toEqual(['one', 'three', 'two'])
      expect(entriesOf(torn, [...undecodable.created, ...undecodable.standing])).toMatchObject([{ text: 'bad' }])
      outcomes.push('landed')
      if (torn.store.calls < first) break
    }
    expect(outcomes).toContain('landed')
    expect(outcomes.length).toBeGreaterThan(6)
  })
})

/** A stream record with a key of a hundred thousand levels. */
const NESTED = JSON.stringify({
  eventName: 'INSERT',
  eventSourceARN: 'arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-11-22T08:00:00.000',
  dynamodb: { SequenceNumber: '1', ApproximateCreationDateTime: 1, NewImage: {}, Keys: { pk: 'here' } },
}).replace('"here"', `${'['.repeat(100_000)}${']'.repeat(100_000)}`)

describe('what a replay cannot decode', () => {
  const good = (lake: Lake) => firehoseError('processing-failed', textOf(lake, change(1))[0]!)

  it.each<[string, string, RegExp]>([
    ['no JSON', '{"rawData":', /is no JSON/],
    ['no object', '[1]', /is no JSON object/],
    ['of an unknown form', '{"a":1}', /is neither of Firehose nor of Lambda/],
    ['not base64', '{"rawData":"a$b="}', /"rawData" is not base64/],
    ['base64 that is cut', '{"rawData":"YWJj ZA"}', /"rawData" is not base64/],
    ['base64 of gzip that is cut', firehoseError('iceberg-failed', gzipSync('a line\n').subarray(0, 15)), /cut off/],
    ['a record of no stream', lambdaFailure([{ kinesis: {} }]), /no record of a DynamoDB stream/],
    ['a record without its ARN', lambdaFailure([{ dynamodb: {}, eventSourceARN: 'x' }]), /"eventSourceARN" is "x"/],
    ['a payload that is no JSON', lambdaFailure([], { payload: '{' }), /its payload holds no "Records"/],
    [
      'without its payload',
      lambdaFailure([], { payload: undefined }),
      /records 80+3126276362 to 80+3126276369 of shard/,
    ],
    ['records nested too deeply', lambdaFailure([], { payload: `{"Records":[${NESTED}]}` }), /nested too deeply/],
    [
      'a line below the watermark nested too deeply',
      JSON.stringify({ reason: 'below-watermark', object: '', line: 1, message: '', text: NESTED }),
      /nested too deeply/,
    ],
    ['deeply nested', `${'['.repeat(100_000)}`, /is no JSON/],
  ])('%s, is kept whole, and nothing else suffers', async (_what, bad, message) => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}1`, gz(good(lake), bad, good(lake)))
    const report = await replayed(lake, { acceptBelowWatermark: true })
    expect(report).toMatchObject({ lines: { landed: 2, undecodable: 1 }, exitCode: 20 })
    const [entry, ...others] = entriesOf(lake, report.undecodable.created)
    expect(others).toEqual([])
    expect(entry).toMatchObject({
      reason: 'undecodable',
      object: `${ERRORS}1`,
      line: 2,
      message: expect.stringMatching(message),
    })
    if (!bad.includes('dynamodb') && !bad.includes('kinesis')) expect(entry.text).toBe(bad)
    const folder = (await currentMetadata(lake.store)).properties['lastwrite.state']
    expect(report.undecodable.created[0]).toMatch(`${folder}/quarantine/undecodable-`)
  })

  it('is tried again with quarantine, and stays there under its name as long as nothing can be made of it', async () => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}1`, gz('bad', 'worse'))
    const [path] = (await replayed(lake)).undecodable.created
    // As if what is good now was unknown to the version before.
    const [first, ...rest] = entriesOf(lake, [path!])
    lake.store.plant(
      path!,
      gz(JSON.stringify({ ...first, text: good(lake) }), ...rest.map((entry) => JSON.stringify(entry))),
    )
    const again = await replayed(lake, { errors: [], quarantine: true })
    expect(again).toMatchObject({ entries: { firehose: 1, unknown: 1 }, lines: { landed: 1, undecodable: 1 } })
    expect(entriesOf(lake, again.undecodable.created)).toEqual(rest)
  })

  it.each<[string, (whole: Buffer) => Buffer]>([
    ['cut off', (whole) => whole.subarray(0, whole.length - 20)],
    ['damaged', (whole) => Buffer.from(whole.map((byte, at) => (at === whole.length >> 1 ? byte ^ 4 : byte)))],
    ['followed by something else', (whole) => Buffer.concat([whole, Buffer.from('behind')])],
  ])('a gzip object that is %s, is named, and nothing of it lands', async (_what, damage) => {
    const lake = await newLake()
    const lines = Array.from({ length: 200 }, (_, i) => firehoseError('processing-failed', `${Math.sin(i)}`))
    lake.store.plant(`${ERRORS}bad`, damage(Buffer.from(gz(...lines))))
    lake.store.plant(`${ERRORS}good`, gz(good(lake)))
    const report = await replayed(lake)
    expect(report).toMatchObject({ objects: { read: 2, broken: [{ object: `${ERRORS}bad` }] }, exitCode: 21 })
    expect(linesOf(lake, report.landing.created)).toEqual(textOf(lake, change(1)))
  })
})

describe('entries with bytes changed at random', () => {
  it('are decoded or kept, and never stop a replay', async () => {
    const lake = await newLake()
    const settings = { definition: (await lake.open()).definition, acceptBelowWatermark: true }
    const entry = { object: 'memory://a', line: 1, message: '' }
    const seeds = [
      ...FIREHOSE_FAILURES.map((failure) => firehoseError(failure, gzipSync(textOf(lake, change(1))[0]!))),
      lambdaFailure([recordOf(lake, change(1)), {}]),
      JSON.stringify({ reason: 'below-watermark', ...entry, text: textOf(lake, change(1))[0] }),
      JSON.stringify({ reason: 'below-watermark', ...entry, text: JSON.stringify(recordOf(lake, change(1))) }),
      JSON.stringify({ reason: 'undecodable', ...entry, base64: 'eyJyYXdEYXRhIjoiIn0=' }),
      ...textOf(lake, change(1)),
    ].map((text) => Buffer.from(text))
    const edits = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"{}[],:\\0')))), {
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...seeds), edits, fc.nat(), async (seed, changes, cut) => {
        const bytes = Buffer.from(seed)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const text = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
        const { lines, heldBack, otherTable, undecodable, kind } = await decodeEntry(text, settings)
        if (kind === 'unknown') expect(undecodable.flatMap(Object.values)).toContainEqual(text)
        if (kind === 'quarantine') expect(lines.length + heldBack + undecodable.length).toBe(1)
        if (kind === 'landed') expect({ lines, otherTable }).toEqual({ lines: [text], otherTable: 0 })
        for (const each of lines) expect(kind === 'firehose' && each.includes(0x0a)).toBe(false)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('a replay of much', () => {
  it('writes objects of bounded size, the same ones each time', async () => {
    const lake = await newLake()
    const record = Array.from({ length: 40 }, (_, i) => `${i}${'x'.repeat(20_000)}`).join('\n')
    const lines = Array.from({ length: 25 }, (_, i) => firehoseError('processing-failed', `${i}\n${record}`))
    lake.store.plant(`${ERRORS}1`, gz(...lines))
    const { landing } = await replayed(lake)
    expect(landing).toMatchObject({ lines: 25 * 41 })
    expect(landing.created).toHaveLength(3)
    const stored = lake.store.snapshot()
    for (const path of landing.created) expect(gunzipSync(stored.get(path)!.bytes).length).toBeLessThan(2 ** 23 + 1)
    expect(await replayed(lake)).toMatchObject({ landing: { created: [] } })
  })

  it('writes nothing in a dry run, and says what it would', async () => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}1`, gz(firehoseError('processing-failed', 'one'), 'bad'))
    const before = outsideOfTheTable(lake)
    const dry = await replayed(lake, { dryRun: true })
    expect(outsideOfTheTable(lake)).toEqual(before)
    expect(await replayed(lake)).toEqual({ ...dry, dryRun: false })
    expect(await replayed(lake, { dryRun: true })).toMatchObject({
      landing: { created: [] },
      undecodable: { created: [] },
    })
  })

  it('makes the table what the model says, whatever became of each change on its way', async () => {
    const ways = fc.constantFrom('landed', 'firehose', 'lambda', 'both')
    const changes = fc.array(fc.record({ key: fc.nat(6), isRemoval: fc.boolean(), way: ways, split: fc.nat(3) }), {
      maxLength: 40,
    })
    await fc.assert(
      fc.asyncProperty(changes, fc.integer(), async (drawn, shuffle) => {
        const lake = await newLake()
        const all = drawn.map(({ key, isRemoval }, i) =>
          (isRemoval ? removal : change)(0, { pk: `k${key}`, sequence: 100 + i }),
        )
        const on = (way: string, split: number) =>
          all.filter(
            (_, i) =>
              (drawn[i]!.way === way || (way !== 'landed' && drawn[i]!.way === 'both')) && drawn[i]!.split === split,
          )
        for (let split = 0; split < 4; split++) {
          const late = (shuffle >> split) % 2 === 0
          lake.store.plant(`${LANDING}${split}`, gz(...textOf(lake, ...on('landed', split))))
          if (late) await lake.mergeAgain()
          const lines = textOf(lake, ...on('firehose', split))
          const failure = FIREHOSE_FAILURES[Math.abs(shuffle + split) % FIREHOSE_FAILURES.length]!
          lake.store.plant(`${ERRORS}f${split}`, gz(firehoseError(failure, lines.reverse().join('\n'))))
          lake.store.plant(
            `${ERRORS}l${split}`,
            Buffer.from(lambdaFailure(on('lambda', split).map((each) => recordOf(lake, each)))),
          )
          if (late) await replayed(lake)
        }
        expect(await replayed(lake)).toMatchObject({ exitCode: 0, lines: { undecodable: 0 } })
        await lake.mergeAgain()
        expect(await lake.rows()).toEqual(model(lake, all))
      }),
      { numRuns: 30 },
    )
  })

  it('keeps what it could not decode as long as the landing area keeps its objects', async () => {
    const lake = await newLake()
    lake.store.plant(`${ERRORS}1`, gz('bad'))
    const { undecodable } = await replayed(lake)
    const { cleanTable } = await import('../../src/index.ts')
    lake.wait(13 * DAY)
    await cleanTable(await lake.open())
    expect(lake.store.snapshot().has(undecodable.created[0]!)).toBe(true)
    lake.wait(2 * DAY)
    await cleanTable(await lake.open())
    expect(lake.store.snapshot().has(undecodable.created[0]!)).toBe(false)
  })
})
