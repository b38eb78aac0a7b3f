import { describe, expect, it } from 'vitest'
import { glueColumns, hiveType } from '../src/hive-columns.ts'

const column = (Name: string, Type: string, id: number, optional: boolean, current = true) => ({
  Name,
  Type,
  Parameters: {
    'iceberg.field.id': String(id),
    'iceberg.field.optional': String(optional),
    'iceberg.field.current': String(current),
  },
})

describe('columns in Glue', () => {
  // By Iceberg's IcebergToGlueConverter.
  it.each([
    ['boolean', 'boolean'],
    ['int', 'int'],
    ['long', 'bigint'],
    ['float', 'float'],
    ['double', 'double'],
    ['decimal(38, 9)', 'decimal(38,9)'],
    ['date', 'date'],
    ['time', 'string'],
    ['timestamp', 'timestamp'],
    ['timestamptz', 'timestamp'],
    ['string', 'string'],
    ['uuid', 'string'],
    ['binary', 'binary'],
    ['fixed[16]', 'binary'],
    [
      {
        type: 'struct',
        fields: [
          { id: 9, name: 'a', required: true, type: 'long' },
          { id: 10, name: 'b', required: false, type: { type: 'list', 'element-id': 11, element: 'timestamptz' } },
        ],
      },
      'struct<a:bigint,b:array<timestamp>>',
    ],
    [{ type: 'map', 'key-id': 1, key: 'string', 'value-id': 2, value: 'decimal(5, 2)' }, 'map<string,decimal(5,2)>'],
  ])('have the Hive type of %j', (type, expected) => {
    expect(hiveType(type)).toBe(expected)
  })

  const pk = { id: 1, name: 'pk', required: true, type: 'string' }
  const note = { id: 2, name: 'note', required: false, type: 'string', doc: 'n'.repeat(300) }
  const price = { id: 3, name: 'price', required: false, type: 'decimal(12, 2)' }

  it('are those of the schema, then those that only older schemas have', () => {
    expect(glueColumns({ fields: [pk, price] }, [{ fields: [pk, note] }, { fields: [pk, note, price] }])).toEqual([
      column('pk', 'string', 1, false),
      column('price', 'decimal(12,2)', 3, true),
      { ...column('note', 'string', 2, true, false), Comment: 'n'.repeat(255) },
    ])
  })

  it('keep what others added to them, and follow when the schema renames or widens them', () => {
    const standing = [
      {
        ...column('pk', 'string', 1, false),
        Comment: 'of the console',
        Parameters: { 'iceberg.field.id': '1', owner: 'us' },
      },
      column('cost', 'decimal(10,2)', 3, true),
    ]
    expect(glueColumns({ fields: [pk, price] }, [], standing)).toEqual([
      {
        ...column('pk', 'string', 1, false),
        Comment: 'of the console',
        Parameters: { ...column('pk', 'string', 1, false).Parameters, owner: 'us' },
      },
      column('price', 'decimal(12,2)', 3, true),
    ])
  })
})
