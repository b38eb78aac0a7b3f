import { describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import { keyFromJson } from '../src/key-from-json.ts'
import { parseTableDefinition } from '../src/table-definition.ts'

function definitionOf(columns: Record<string, string>) {
  const definition = { table: 't', source: '123456789012/eu-west-1', key: Object.keys(columns), columns }
  return parseTableDefinition(JSON.stringify(definition))
}

describe('keyFromJson', () => {
  it.each([
    [{ pk: 'string' }, '{"pk":"u#1"}', { pk: 'u#1' }],
    [{ pk: 'string' }, '{"pk":{"S":"u#1"}}', { pk: 'u#1' }],
    [{ pk: 'string', sk: 'long' }, '{"sk":9007199254740993,"pk":"a"}', { pk: 'a', sk: 9007199254740993n }],
    [{ pk: 'number' }, '{"pk":1.0}', { pk: '1' }],
    [{ pk: 'number' }, '{"pk":{"N":"10E-1"}}', { pk: '1' }],
    [
      { pk: 'number' },
      '{"pk":"12345678901234567890123456789012345678"}',
      { pk: '1.2345678901234567890123456789012345678E+37' },
    ],
    [{ pk: 'decimal(10,2)' }, '{"pk":1.5}', { pk: 150n }],
    [{ pk: 'binary' }, '{"pk":"AQI="}', { pk: Uint8Array.of(1, 2) }],
  ])('for the columns %j reads %s', (columns, text, key) => {
    expect(keyFromJson(definitionOf(columns), text)).toEqual(key)
  })

  it.each([
    ['pk=1', /not valid JSON.*write \{"pk": "…", "sk": …\}/],
    ['["a",1]', /not an object/],
    ['{"pk":"a"}', /lacks sk/],
    ['{"pk":"a","sk":1,"x":2}', /x is not a key column/],
    ['{"pk":1,"sk":1}', /key column pk: \{"N":"1"\} is no value of its type string/],
    ['{"pk":"a","sk":1.5}', /key column sk: .*1\.5.*type long/],
    ['{"pk":"a","sk":null}', /key column sk: null/],
    ['{"pk":{"M":{}},"sk":1}', /key column pk/],
  ])('refuses %s', (text, message) => {
    const definition = definitionOf({ pk: 'string', sk: 'long' })
    expect(() => keyFromJson(definition, text)).toThrow(InputError)
    expect(() => keyFromJson(definition, text)).toThrow(message)
  })
})
