// The workload table of the benchmarks: 12 attributes, keys that ascend with time, values that look like an order's.

import { createHash } from 'node:crypto'

export const orders = {
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk'],
  columns: {
    pk: 'string',
    status: 'string',
    customer: 'string',
    token: 'string',
    quantity: 'long',
    cents: 'long',
    revision: 'long',
    weight: 'double',
    score: 'double',
    price: 'decimal(38,9)',
    created_at: 'timestamptz(ms)',
    note: 'string',
  },
  partition_by: ['bucket(pk, 8)'],
}

const STATUS = ['new', 'paid', 'packed', 'sent', 'delivered', 'returned', 'lost', 'void']
const FIRST_MS = 1_700_000_000_000
const FIRST_SEQUENCE = 400_000_000_000_000_000_000n

/** The item of order `order` at version `version`; both count from 0. */
export function orderItem(order: number, version: number): Record<string, { S: string } | { N: string }> {
  return { pk: { S: `user#${String(order).padStart(12, '0')}` }, ...attributes(order, version) }
}

/** A change line (about 480 bytes) for order `order`, of version `version`; both count from 0. */
export function orderLine(operation: 'insert' | 'modify' | 'remove', order: number, version: number): string {
  const item = orderItem(order, version)
  const change = {
    format: 'lastwrite/1',
    table: orders.table,
    source: orders.source,
    stream: '2026-11-22T08:00:00.000',
    sequence: String(FIRST_SEQUENCE + BigInt(version) * 1_000n),
    operation,
    at: 1_795_334_400 + Math.floor(version / 1000),
    keys: { pk: item.pk },
  }
  return JSON.stringify(operation === 'remove' ? change : { ...change, item })
}

function attributes(order: number, version: number): Record<string, { S: string } | { N: string }> {
  const hash = createHash('md5').update(`${order} ${version}`).digest('hex')
  const random = (at: number) => Number.parseInt(hash.slice(at, at + 8), 16)
  return {
    status: { S: STATUS[random(0) % STATUS.length]! },
    customer: { S: `customer-${random(4) % 10_000}` },
    token: { S: hash.slice(0, 24) },
    quantity: { N: String(random(8) % 100) },
    cents: { N: String(random(12) % 1_000_000) },
    revision: { N: String(version) },
    weight: { N: String((random(16) % 100_000) / 1000) },
    score: { N: String(random(20) / 2 ** 32) },
    price: { N: `${random(24) % 1_000_000}.${String(random(2) % 1_000_000_000).padStart(9, '0')}` },
    created_at: { N: String(FIRST_MS + order * 1000) },
    note: { S: `{"channel":"web","step":${random(6) % 10},"ref":"${hash.slice(4, 20)}"}` },
  }
}
