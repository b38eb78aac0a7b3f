import { describe, expect, it } from 'vitest'
import { parseTableAddress } from '../src/table-address.ts'

describe('the address of a table', () => {
  it.each([
    ['rest:https://catalog.example/api#shop.orders', 'https://catalog.example/api', ['shop'], 'orders'],
    ['rest:http://127.0.0.1:8181#a.b.orders', 'http://127.0.0.1:8181', ['a', 'b'], 'orders'],
  ])('names an entry of a REST catalog: %s', (text, uri, namespace, table) => {
    expect(parseTableAddress(text)).toEqual({ kind: 'rest', uri, namespace, table })
  })

  it('names an entry of Glue', () => {
    expect(parseTableAddress('glue:shop.orders')).toEqual({ kind: 'glue', database: 'shop', table: 'orders' })
  })

  it.each(['s3://bucket/orders', 'file:///lake/orders'])('is a location: %s', (location) => {
    expect(parseTableAddress(location)).toEqual({ kind: 'location', location })
  })

  it.each([
    ['rest:https://catalog.example#orders', /write rest:<address>#<namespace>.<table>/],
    ['rest:catalog.example#shop.orders', /write rest:/],
    ['rest:https://catalog.example/shop/orders', /write rest:/],
    ['rest:https://catalog.example#shop..orders', /write rest:/],
    ['glue:orders', /write glue:<database>.<table>/],
    ['glue:a.b.c', /write glue:/],
    ['hive:shop.orders', /no store for "hive:"/],
  ])('is refused with what to write instead: %s', (text, message) => {
    expect(() => parseTableAddress(text)).toThrow(message)
  })
})
