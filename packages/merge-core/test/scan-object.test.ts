import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inflateObject } from '../src/change/inflate-object.ts'
import { keyText } from '../src/change/key-order.ts'
import { parseItems } from '../src/change/parse-items.ts'
import { scanObject } from '../src/change/scan-object.ts'
import type { ScannedObject } from '../src/change/scanned-lines.ts'
import { splitVersion } from '../src/change/version.ts'
import { parseTableDefinition, type TableDefinition } from '../src/table-definition.ts'

const SOURCE = '123456789012/eu-west-1'
const STREAM = '2026-11-22T08:00:00.000'
const ARN = `arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/${STREAM}`

function define(overrides: object = {}): TableDefinition {
  const columns = { pk: 'string', region: 'string', n: 'long' }
  return parseTableDefinition(JSON.stringify({ table: 'orders', source: SOURCE, key: ['pk'], columns, ...overrides }))
}
const byKey = define({ partition_by: ['bucket(pk, 4)'] })
const byRegion = define({ partition_by: ['identity(region)'] })

const BASE = {
  format: 'lastwrite/1',
  table: 'orders',
  source: SOURCE,
  stream: STREAM,
  sequence: '400000000024465870661',
  operation: 'modify',
  at: 1795334400,
  keys: { pk: { S: 'u#1' } },
  item: { pk: { S: 'u#1' }, region: { S: 'eu' }, n: { N: '5' } },
}

function lineOf(overrides: object = {}): string {
  return JSON.stringify({ ...BASE, ...overrides })
}

function scan(text: string | Uint8Array, definition = byKey): ScannedObject {
  return scanObject({ text: Buffer.from(text as string), broken: null }, definition)
}

async function scanGzip(bytes: Uint8Array): Promise<ScannedObject> {
  return scanObject(await inflateObject(bytes), byKey)
}

/** What a scan and the parsing of its items say, as plain values. Two scans that agree on it are the same to a merge. */
function meaning(scanned: ScannedObject, definition: TableDefinition) {
  const { lines } = scanned
  const types = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
  const parse = (puts: readonly number[]) =>
    parseItems(
      {
        count: puts.length,
        texts: [lines.text],
        text: puts.map(() => 0),
        start: puts.map((row) => lines.itemStart[row]!),
        end: puts.map((row) => lines.itemEnd[row]!),
      },
      definition,
    )
  const puts = [...lines.operation.keys()].filter((row) => lines.itemEnd[row]! > 0)
  const failed = new Set(parse(puts).failed.map(({ row }) => puts[row]!))
  const { columns } = parse(puts.filter((row) => !failed.has(row)))
  const rows = [...lines.operation.keys()]
    .filter((row) => !failed.has(row))
    .map((row) => ({
      line: lines.lineNumber[row],
      operation: lines.operation[row],
      at: lines.at[row],
      key: keyText(lines.keys.bytes.subarray(lines.keys.starts[row], lines.keys.starts[row + 1]), types),
      version: splitVersion(lines.versions.bytes, lines.versions.starts[row]!, lines.versions.starts[row + 1]!),
      accepted: lines.accepted[row],
      partition: lines.partitions[lines.partition[row]!],
      oldPartition: lines.partitions[lines.oldPartition[row]!],
    }))
  const bad = [...scanned.quarantined.map(({ line }) => line), ...[...failed].map((row) => lines.lineNumber[row]!)]
  return { rows, bad: bad.sort((a, b) => a - b), otherTable: scanned.otherTable, columns }
}

/** Why the only line of an object is quarantined. */
function reasonOf(line: string, definition = byKey): string | undefined {
  const scanned = scan(line, definition)
  expect(scanned.linesRead).toBe(1)
  return scanned.quarantined[0]?.reason
}

describe('a landing object', () => {
  it('may have blank lines, carriage returns and no last newline', () => {
    const scanned = scan(`\n${lineOf()}\r\n  \r\n\n${lineOf({ sequence: '7' })}`)
    expect([...scanned.lines.lineNumber]).toEqual([2, 5])
    expect(scanned).toMatchObject({ linesRead: 2, otherTable: 0, quarantined: [], broken: null })
    expect(scan('')).toMatchObject({ linesRead: 0, broken: null })
  })

  it('may be gzip of any number of members, cut anywhere', async () => {
    const text = Buffer.from([lineOf(), lineOf({ sequence: '5' }), lineOf({ operation: 'remove' })].join('\n'))
    const whole = meaning(scan(text), byKey)
    for (let cut = 0; cut <= text.length; cut += 7) {
      const members = [text.subarray(0, cut), Buffer.alloc(0), text.subarray(cut)].map((part) => gzipSync(part))
      const scanned = await scanGzip(Buffer.concat(members))
      expect(scanned.broken).toBeNull()
      expect(meaning(scanned, byKey)).toEqual(whole)
    }
  })

  it('keeps its readable lines where the gzip is cut, and never half a line', async () => {
    const lines = Array.from({ length: 20 }, (_, i) =>
      lineOf({ sequence: String(i), keys: { pk: { S: `k${i * 7919}` } } }),
    )
    const zipped = gzipSync(lines.join('\n'))
    const seen = new Set<number>()
    for (let cut = 2; cut < zipped.length; cut++) {
      const scanned = await scanGzip(zipped.subarray(0, cut))
      expect(scanned.broken).toMatch(/cut off/)
      expect(scanned.lines.count + scanned.quarantined.length).toBe(scanned.linesRead)
      expect(scanned.quarantined.every(({ reason }) => reason === 'invalid-json')).toBe(true)
      const text = Buffer.from(scanned.lines.text).toString()
      for (const [row, start] of scanned.lines.lineStart.entries()) {
        expect(text.slice(start, scanned.lines.lineEnd[row])).toBe(lines[row])
      }
      seen.add(scanned.lines.count)
    }
    expect(seen.size).toBeGreaterThan(3)
  })

  it('gives no line that was not written, whichever bit of a member is wrong', async () => {
    const written = [lineOf({ sequence: '1' }), lineOf({ sequence: '2' })]
    const [first, second] = written.map((line) => gzipSync(`${line}\n`)) as [Buffer, Buffer]
    let whole = 0
    for (let bit = 0; bit < second.length * 8; bit++) {
      const flipped = Buffer.from(second)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const { lines, broken } = await scanGzip(Buffer.concat([first, flipped]))
      const text = Buffer.from(lines.text).toString()
      const found = [...lines.lineStart].map((start, row) => text.slice(start, lines.lineEnd[row]))
      expect(found).toEqual(written.slice(0, found.length))
      expect(found.length).toBeGreaterThan(0)
      if (broken === null) whole++
      else expect(broken).toMatch(/gzip/)
    }
    // Time, hints and system in the header, and flags of fields that are not there, say nothing of the text.
    expect(whole).toBeLessThanOrEqual(7 * 8 + 3)
  })

  it('says so where something that is no gzip follows', async () => {
    const scanned = await scanGzip(Buffer.concat([gzipSync(lineOf()), Buffer.alloc(8)]))
    expect(scanned.broken).toMatch(/no gzip member/)
    expect(scanned.lines.count).toBe(1)
  })

  it('is broken beyond a bound of inflated bytes', async () => {
    const scanned = scanObject(await inflateObject(gzipSync(Buffer.alloc(1_000_000, 0x20)), 10_000), byKey)
    expect(scanned.broken).toMatch(/inflates to more than the 10000 bytes/)
    expect(scanned.linesRead).toBe(0)
  })
})

describe('a line', () => {
  const { format: _f, ...withoutFormat } = BASE
  it.each<[string, string, string | undefined]>([
    ['a good one', lineOf(), undefined],
    ['another format', lineOf({ format: 'lastwrite/2' }), 'unknown-format'],
    ['no format', JSON.stringify(withoutFormat), 'unknown-format'],
    ['an array', '[1]', 'unknown-format'],
    ['no JSON', lineOf().slice(0, -1), 'invalid-json'],
    ['two values', `${lineOf()} {}`, 'invalid-json'],
    ['a deep one', lineOf({ extra: JSON.parse('['.repeat(200) + ']'.repeat(200)) }), 'invalid-json'],
    ['no source', lineOf({ source: undefined }), 'missing-field'],
    ['another source', lineOf({ source: '1/us-east-1' }), 'foreign-stream'],
    ['no stream', lineOf({ stream: undefined }), 'missing-field'],
    ['a label of another width', lineOf({ stream: '2026-11-22T08:00:00Z' }), 'bad-version'],
    ['no sequence', lineOf({ sequence: undefined }), 'missing-field'],
    ['a sequence as a number', lineOf({ sequence: 5 }), 'missing-field'],
    ['an empty sequence', lineOf({ sequence: '' }), 'bad-version'],
    ['a long sequence', lineOf({ sequence: '1'.repeat(41) }), 'bad-version'],
    ['a hex sequence', lineOf({ sequence: '0x1' }), 'bad-version'],
    ['no operation', lineOf({ operation: undefined }), 'missing-field'],
    ['another operation', lineOf({ operation: 'MODIFY' }), 'missing-field'],
    ['no at', lineOf({ at: undefined }), 'missing-at'],
    ['an at of text', lineOf({ at: '2026' }), 'missing-at'],
    ['an at in milliseconds', lineOf({ at: 1795334400000 }), 'missing-at'],
    ['a fraction of a second', lineOf({ at: 1795334400.5 }), undefined],
    ['no keys', lineOf({ keys: undefined }), 'missing-field'],
    ['an empty key object', lineOf({ keys: {} }), 'bad-key'],
    ['a key of another type', lineOf({ keys: { pk: { N: '1' } } }), 'bad-key'],
    ['a key that is null', lineOf({ keys: { pk: { NULL: true } } }), 'bad-key'],
    ['a key too many', lineOf({ keys: { pk: { S: 'a' }, sk: { S: 'b' } } }), 'bad-key'],
    ['half a surrogate pair as key', lineOf({ keys: { pk: { S: '\ud800' } } }), 'bad-key'],
    ['no item', lineOf({ item: undefined }), 'missing-item'],
    ['an item that is null', lineOf({ item: null }), 'missing-item'],
    ['half an itemAt', lineOf({ item: undefined, itemAt: { bucket: 'b' } }), 'missing-item'],
    ['unknown fields', lineOf({ zone: [{ a: 1 }], __proto__: null }), undefined],
  ])('%s', (_about, line, reason) => expect(reasonOf(line)).toBe(reason))

  it('in bytes that are no UTF-8 is quarantined whole', () => {
    const bytes = Buffer.from(lineOf({ keys: { pk: { S: 'caf?' } } }))
    bytes[bytes.indexOf('?')] = 0xe9
    const scanned = scan(Buffer.concat([bytes, Buffer.from('\n')]))
    expect(scanned.quarantined).toMatchObject([{ line: 1, reason: 'invalid-json' }])
    expect(Buffer.from(scanned.quarantined[0]!.text)).toEqual(bytes)
  })

  it('beyond 16 MiB is quarantined, the next one is read', () => {
    const scanned = scan(`${lineOf({ extra: 'x'.repeat(16 * 1024 * 1024) })}\n${lineOf()}`)
    expect(scanned.quarantined).toMatchObject([{ line: 1, reason: 'line-too-long' }])
    expect([...scanned.lines.lineNumber]).toEqual([2])
  })

  it('of another table is counted, whatever else is wrong with it', () => {
    expect(scan(`${lineOf({ table: 'users', keys: 5 })}\n${lineOf()}`)).toMatchObject({
      linesRead: 2,
      otherTable: 1,
      quarantined: [],
    })
  })

  it('says where an oversize item is, and that it is accepted below the watermark', () => {
    const itemAt = { bucket: 'b', key: 'oversize/1', sha256: 'ab', bytes: 12 }
    const { lines } = scan(
      `${lineOf({ item: undefined, itemAt })}\n${lineOf({ accept: 'below-watermark', old: { a: { S: 'x' } } })}`,
    )
    expect([...lines.itemAt]).toEqual([[0, itemAt]])
    expect([...lines.accepted]).toEqual([0, 1])
  })
})

describe('a removal by TTL', () => {
  const keep = define({ on_ttl: 'keep' })
  const raw = (userIdentity: object) =>
    JSON.stringify({
      eventName: 'REMOVE',
      eventSourceARN: ARN,
      userIdentity,
      dynamodb: { Keys: { pk: { S: 'a' } }, SequenceNumber: '7', ApproximateCreationDateTime: 1795334400 },
    })
  it.each([
    ['a change line', lineOf({ operation: 'remove', by: 'ttl', item: undefined }), 2],
    ['a record', raw({ type: 'Service', principalId: 'dynamodb.amazonaws.com' }), 2],
    ['a record with capitals', raw({ Type: 'Service', PrincipalId: 'dynamodb.amazonaws.com' }), 2],
    ['a record of another service', raw({ type: 'Service', principalId: 'other.amazonaws.com' }), 1],
  ])('is an expiry where the table keeps such rows: %s', (_about, line, operation) => {
    expect([...scan(line, keep).lines.operation]).toEqual([operation])
    expect([...scan(line, byKey).lines.operation]).toEqual([1])
  })
})

describe('a raw stream record', () => {
  const record = (overrides: object = {}, dynamodb: object = {}) =>
    JSON.stringify({
      eventID: 'x',
      eventName: 'MODIFY',
      eventSourceARN: ARN,
      dynamodb: {
        Keys: BASE.keys,
        NewImage: BASE.item,
        OldImage: { pk: { S: 'u#1' } },
        SequenceNumber: BASE.sequence,
        ApproximateCreationDateTime: BASE.at,
        ...dynamodb,
      },
      ...overrides,
    })

  it('says the same as the change line', () => {
    expect(meaning(scan(record()), byKey)).toEqual(meaning(scan(lineOf()), byKey))
  })

  it('has a whole old image: what that lacks is null', () => {
    const { lines } = scan(record(), byRegion)
    expect(lines.partitions).toEqual([[null], ['eu']])
    expect([lines.partition[0], lines.oldPartition[0]]).toEqual([1, 0])
  })

  it.each<[string, string, string | undefined]>([
    ['no ARN', record({ eventSourceARN: 'orders' }), 'missing-field'],
    ['another account', record({ eventSourceARN: ARN.replace('123', '999') }), 'foreign-stream'],
    ['another event', record({ eventName: 'EXPIRE' }), 'missing-field'],
    ['no time', record({}, { ApproximateCreationDateTime: undefined }), 'missing-at'],
    ['no new image', record({}, { NewImage: undefined }), 'missing-item'],
    ['no sequence number', record({}, { SequenceNumber: undefined }), 'missing-field'],
    ['no old image, by key', record({}, { OldImage: undefined }), undefined],
  ])('%s', (_about, line, reason) => expect(reasonOf(line)).toBe(reason))

  it('without an old image is quarantined where partitions come from images', () => {
    expect(reasonOf(record({}, { OldImage: undefined }), byRegion)).toBe('missing-old-image')
  })

  it('of another table is counted', () => {
    expect(scan(record({ eventSourceARN: ARN.replace('orders', 'users') })).otherTable).toBe(1)
  })
})

describe('partitions by attributes that can change', () => {
  it.each<[string, object, string | undefined]>([
    ['an insert needs no old image', { operation: 'insert' }, undefined],
    ['a modify does', { operation: 'modify' }, 'missing-old-image'],
    ['a removal does', { operation: 'remove' }, 'missing-old-image'],
    ['it must name the attribute', { old: { other: { S: 'x' } } }, 'missing-old-image'],
    ['null is an absent attribute', { old: { region: null } }, undefined],
  ])('%s', (_about, overrides, reason) => expect(reasonOf(lineOf(overrides), byRegion)).toBe(reason))

  it('come from both images; what does not fit is the null partition', () => {
    const { lines } = scan(
      [
        lineOf({ old: { region: { S: 'us' } } }),
        lineOf({ old: { region: null }, item: { region: { N: '1' } } }),
        lineOf({ operation: 'remove', old: { region: { S: 'eu' } }, item: undefined }),
      ].join('\n'),
      byRegion,
    )
    const names = (column: Int32Array) => [...column].map((index) => lines.partitions[index]?.[0])
    expect(names(lines.partition)).toEqual(['eu', null, undefined])
    expect(names(lines.oldPartition)).toEqual(['us', null, 'eu'])
  })
})

describe('our own line, read by its head', () => {
  const warm = lineOf({ sequence: '1' })
  /** The same line in a form that the template does not know. */
  const slowly = (line: Uint8Array) => Buffer.concat([Buffer.from(' '), line])

  it.each([
    ['a put', lineOf({ sequence: '00042' })],
    ['a removal', lineOf({ operation: 'remove', item: undefined })],
    ['a put with old behind it', lineOf({ old: { region: { S: 'x' } } })],
    ['a put with accept behind it', lineOf({ accept: 'below-watermark', old: { a: { S: 'x' } } })],
    ['a key beyond ASCII', lineOf({ keys: { pk: { S: 'ключ\n"' } } })],
  ])('is the same as by the whole of JSON, whatever byte of it is changed: %s', (_about, line) => {
    for (let at = 0; at < line.length; at++) {
      for (const byte of [0x22, 0x35, 0x5c, 0x7d, 0xc3]) {
        const bytes = Buffer.from(line)
        if (at < bytes.length) bytes[at] = byte
        const fast = meaning(scan(Buffer.concat([Buffer.from(`${warm}\n`), bytes, Buffer.from('\n')])), byKey)
        const slow = meaning(scan(Buffer.concat([Buffer.from(`${warm}\n`), slowly(bytes), Buffer.from('\n')])), byKey)
        expect([at, byte, fast]).toEqual([at, byte, slow])
      }
    }
  })

  it('reads keys of two parts in either order, and of every type', () => {
    const number = fc.oneof(
      fc.integer().map(String),
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
      fc.constantFrom('1.0', '1e2', '007', '-0'),
    )
    for (const sk of ['number', 'long', 'int', 'decimal(20,2)'] as const) {
      const definition = define({ key: ['pk', 'sk'], columns: { pk: 'string', sk } })
      fc.assert(
        fc.property(fc.string({ unit: 'binary-ascii' }), number, fc.boolean(), (pk, n, swapped) => {
          const keys = swapped ? { sk: { N: n }, pk: { S: pk } } : { pk: { S: pk }, sk: { N: n } }
          const line = lineOf({ keys })
          const fast = meaning(
            scan(`${lineOf({ keys: { pk: { S: 'a' }, sk: { N: '1' } } })}\n${line}`, definition),
            definition,
          )
          const slow = meaning(
            scan(`${lineOf({ keys: { pk: { S: 'a' }, sk: { N: '1' } } })}\n ${line}`, definition),
            definition,
          )
          expect(fast).toEqual(slow)
        }),
        { numRuns: 60 },
      )
    }
  })
})
