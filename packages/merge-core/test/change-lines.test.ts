import { describe, expect, it } from 'vitest'
import { type Change, changeOfStreamRecord, decodeChangeLine, encodeChangeLine } from '../src/change/change-lines.ts'
import { scanObject } from '../src/change/scan-object.ts'
import { parseTableDefinition } from '../src/table-definition.ts'

const change: Change = {
  table: 'orders',
  source: '123456789012/eu-west-1',
  stream: '2026-11-22T08:00:00.000',
  sequence: '400000000024465870661',
  operation: 'modify',
  at: 1795334400,
  keys: { pk: { S: 'u#1' } },
  item: { pk: { S: 'u#1' }, n: { N: '1.50' } },
}

const record = {
  eventName: 'MODIFY',
  eventSourceARN: `arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/${change.stream}`,
  dynamodb: {
    Keys: change.keys,
    NewImage: change.item,
    OldImage: { pk: { S: 'u#1' }, region: { S: 'eu' } },
    SequenceNumber: change.sequence,
    ApproximateCreationDateTime: change.at,
  },
}

describe('a change line', () => {
  it('is one line of JSON with the names of the format, the item last', () => {
    expect(encodeChangeLine({ ...change, old: { region: null } })).toBe(
      '{"format":"lastwrite/1","table":"orders","source":"123456789012/eu-west-1","stream":"2026-11-22T08:00:00.000",' +
        '"sequence":"400000000024465870661","operation":"modify","at":1795334400,"keys":{"pk":{"S":"u#1"}},' +
        '"old":{"region":null},"item":{"pk":{"S":"u#1"},"n":{"N":"1.50"}}}',
    )
  })

  it.each<[string, Partial<Change>]>([
    ['a modify', {}],
    ['an insert with a fraction of a second', { operation: 'insert', at: 1795334400.25 }],
    ['a move', { old: { region: null, day: { S: 'x' } } }],
    ['one that is accepted below the watermark', { accept: 'below-watermark' }],
  ])('says what the change says, read as an object and by a scan: %s', (_about, overrides) => {
    const whole = { ...change, ...overrides }
    const line = encodeChangeLine(whole)
    expect(line).not.toContain('\n')
    expect(decodeChangeLine(line)).toEqual(whole)
    expect(decodeChangeLine(Buffer.from(`${line}\n`))).toEqual(whole)
    const columns = { pk: 'string', n: 'number' }
    const definition = parseTableDefinition(
      JSON.stringify({ table: 'orders', source: change.source, key: ['pk'], columns }),
    )
    const { lines, quarantined } = scanObject(
      { text: Buffer.from(`${encodeChangeLine(change)}\n${line}`), broken: null },
      definition,
    )
    expect(quarantined).toEqual([])
    const text = Buffer.from(lines.text).toString('utf8', lines.itemStart[1], lines.itemEnd[1])
    expect([lines.at[1], lines.accepted[1], text]).toEqual([
      whole.at,
      whole.accept ? 1 : 0,
      JSON.stringify(change.item),
    ])
  })

  it('may say a removal by TTL, and where an oversize item lies', () => {
    const { item: _, ...rest } = change
    const removal: Change = { ...rest, operation: 'remove', by: 'ttl' }
    const oversize: Change = { ...rest, itemAt: { bucket: 'b', key: 'k', sha256: 'ab', bytes: 5 } }
    expect(decodeChangeLine(encodeChangeLine(removal))).toEqual(removal)
    expect(decodeChangeLine(encodeChangeLine(oversize))).toEqual(oversize)
  })

  it('takes no attribute name for a property of objects', () => {
    const line = encodeChangeLine(change).replace('"n":', '"__proto__":')
    const { item } = decodeChangeLine(line)
    expect(Object.getPrototypeOf(item)).toBeNull()
    expect(Object.keys(item!)).toEqual(['pk', '__proto__'])
    expect(encodeChangeLine(decodeChangeLine(line))).toBe(line)
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['another format', JSON.stringify({ ...change, format: 'lastwrite/2' })],
    ['no keys', JSON.stringify({ ...change, format: 'lastwrite/1', keys: undefined })],
    ['no item', JSON.stringify({ ...change, format: 'lastwrite/1', item: undefined })],
  ])('is refused: %s', (_about, line) => expect(() => decodeChangeLine(line)).toThrow(/change|insert|modify/))
})

describe('a stream record', () => {
  it('becomes a change, with the old values that are asked for', () => {
    expect(changeOfStreamRecord(record)).toEqual(change)
    const withOld = changeOfStreamRecord(record, { table: 'renamed', oldAttributes: ['region', 'day', 'constructor'] })
    expect(withOld).toEqual({ ...change, table: 'renamed', old: { region: { S: 'eu' }, day: null, constructor: null } })
  })

  it('of an insert has no old values', () => {
    const { OldImage: _, ...dynamodb } = record.dynamodb
    const insert = changeOfStreamRecord({ ...record, eventName: 'INSERT', dynamodb }, { oldAttributes: ['region'] })
    expect(insert).toEqual({ ...change, operation: 'insert' })
  })

  it.each([
    [{ type: 'Service', principalId: 'dynamodb.amazonaws.com' }, 'ttl'],
    [{ Type: 'Service', PrincipalId: 'dynamodb.amazonaws.com' }, 'ttl'],
    [{ type: 'User', principalId: 'dynamodb.amazonaws.com' }, undefined],
  ])('of a removal says whether TTL made it: %j', (userIdentity, by) => {
    const removal = changeOfStreamRecord({ ...record, eventName: 'REMOVE', userIdentity })
    expect([removal.operation, removal.by, removal.item]).toEqual(['remove', by, undefined])
  })

  it.each([
    ['no ARN', { ...record, eventSourceARN: undefined }, 'ARN'],
    ['another event', { ...record, eventName: 'X' }, 'eventName'],
    ['keys only', { ...record, dynamodb: { ...record.dynamodb, NewImage: undefined } }, 'view must hold new images'],
    ['no sequence number', { ...record, dynamodb: { ...record.dynamodb, SequenceNumber: undefined } }, '"sequence"'],
  ])('is refused: %s', (_about, wrong, message) => expect(() => changeOfStreamRecord(wrong)).toThrow(message))
})
