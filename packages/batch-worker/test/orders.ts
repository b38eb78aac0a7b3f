// A small table of orders and lines that change it.

export const ORDERS_DEFINITION = JSON.stringify({
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk'],
  columns: {
    pk: 'string',
    status: 'string',
    items: 'long',
    total: 'decimal(38,2)',
    created_at: 'timestamptz',
  },
  partition_by: ['bucket(pk, 2)'],
})

export interface OrderChange {
  readonly sequence: string
  readonly pk: string
  /** The attributes of the new image in DynamoDB JSON, without the key; left out for a removal. */
  readonly item?: Record<string, unknown>
  readonly table?: string
}

/** A change line with its newline. */
export function changeLine({ sequence, pk, item, table = 'orders' }: OrderChange): string {
  const keys = { pk: { S: pk } }
  return `${JSON.stringify({
    format: 'lastwrite/1',
    table,
    source: '123456789012/eu-west-1',
    stream: '2026-11-22T08:00:00.000',
    sequence,
    operation: item === undefined ? 'remove' : 'modify',
    at: 1795334400,
    keys,
    ...(item === undefined ? {} : { item: { ...keys, ...item } }),
  })}\n`
}
