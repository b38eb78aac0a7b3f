import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import { parseTableDefinition } from '../src/table-definition.ts'

const ORDERS = {
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk', 'sk'],
  columns: {
    status: 'string',
    sk: 'number',
    pk: 'string',
    total: 'decimal(12, 2)',
    created_at: 'timestamptz(ms)',
    region: { type: 'string', from: 'Region' },
    weight: 'double',
    lines: 'json',
  },
}

type Changes = Record<string, unknown>

function parse(changes: Changes) {
  return parseTableDefinition(JSON.stringify({ ...ORDERS, ...changes }))
}

function withColumns(columns: Changes): Changes {
  return { columns: { ...ORDERS.columns, ...columns } }
}

describe('parseTableDefinition', () => {
  it('puts the key columns first, in the order of the key, then the others as they are declared', () => {
    const { columns, keyColumns } = parse({})
    expect(columns.map((column) => column.name)).toEqual([
      ...['pk', 'sk', 'status', 'total', 'created_at', 'region', 'weight', 'lines'],
    ])
    expect(keyColumns).toBe(2)
    expect(columns[5]).toMatchObject({ name: 'region', attribute: 'Region' })
  })

  it('numbers the fields from 1, the metadata columns last and only the key required', () => {
    const { fields } = parse({ key: ['pk'], columns: { pk: 'string', n: 'number', at: 'timestamptz', tags: 'json' } })
    expect(fields.map((field) => [field.id, field.name, field.type.kind, field.required])).toEqual([
      [1, 'pk', 'string', true],
      [2, 'n', 'string', false],
      [3, 'at', 'timestamptz', false],
      [4, 'tags', 'string', false],
      [5, '_updated_at', 'timestamptz', false],
      [6, '_stream', 'string', false],
      [7, '_sequence', 'string', false],
      [8, '_extra', 'string', false],
    ])
  })

  it('adds _expired_at where rows that TTL removed are kept', () => {
    expect(parse({ on_ttl: 'keep' }).fields.at(-1)).toMatchObject({ name: '_expired_at', id: 13 })
    expect(parse({ on_ttl: 'remove' }).fields.at(-1)).toMatchObject({ name: '_extra', id: 12 })
  })

  it('takes the defaults for what is left out', () => {
    expect(parse({})).toMatchObject({
      ...{ partitionBy: [], partitionedByKey: true, landingDays: 14, tombstoneDays: 30, keepSnapshotsHours: 24 },
      ...{ onTtl: 'remove', fileBytes: 134217728, rowGroupRows: 100000 },
    })
  })

  it('reads every type', () => {
    const types = {
      ...{ a: 'string', b: 'number', c: 'long', d: 'int', e: 'double', f: 'boolean', g: 'decimal(38,0)', h: 'date' },
      ...{ i: 'timestamptz', j: 'timestamptz(s)', k: 'timestamptz(ms)', l: 'timestamptz(us)', m: 'binary', n: 'json' },
    }
    const { columns } = parse({ key: ['a'], columns: types })
    expect(columns.map((column) => column.type)).toEqual([
      ...['string', 'number', 'long', 'int', 'double', 'boolean'].map((kind) => ({ kind })),
      { kind: 'decimal', precision: 38, scale: 0 },
      { kind: 'date' },
      ...['iso', 's', 'ms', 'us'].map((unit) => ({ kind: 'timestamptz', unit })),
      { kind: 'binary' },
      { kind: 'json' },
    ])
  })

  it('names partition fields as Iceberg does and says whether an item can move', () => {
    const parsed = parse({
      partition_by: ['bucket(pk, 8)', 'truncate(pk, 4)', 'identity(region)', 'day(created_at)'],
    })
    expect(parsed.partitionBy).toEqual([
      { name: 'pk_bucket', transform: { kind: 'bucket', buckets: 8 }, column: 0 },
      { name: 'pk_trunc', transform: { kind: 'truncate', width: 4 }, column: 0 },
      { name: 'region', transform: { kind: 'identity' }, column: 5 },
      { name: 'created_at_day', transform: { kind: 'day' }, column: 4 },
    ])
    expect(parsed.partitionedByKey).toBe(false)
    expect(parse({ partition_by: ['bucket(pk, 8)', 'identity(sk)'] }).partitionedByKey).toBe(true)
  })

  it('partitions by a column whose name holds a comma and a bracket', () => {
    const parsed = parse({ ...withColumns({ 'a, (b)': 'string' }), partition_by: ['bucket(a, (b), 4)'] })
    expect(parsed.partitionBy[0]).toMatchObject({ name: 'a, (b)_bucket', transform: { kind: 'bucket', buckets: 4 } })
  })

  it('keeps the text that it was parsed from', () => {
    const text = `  ${JSON.stringify(ORDERS, null, 2)}\n`
    expect(parseTableDefinition(text).text).toBe(text)
  })

  it('takes names that are properties of every JavaScript object as plain names', () => {
    const columns = '{"pk":"string","__proto__":"long","constructor":"int"}'
    const parsed = parseTableDefinition(
      `{"table":"t","source":"123456789012/eu-west-1","key":["pk"],"columns":${columns}}`,
    )
    expect(parsed.columns.map((column) => column.name)).toEqual(['pk', '__proto__', 'constructor'])
  })

  it('refuses a name that stands twice, which JSON.parse would drop', () => {
    expect(() => parseTableDefinition('{"columns":{"a":"string","b":"\\"}","\\u0061":"long"}}')).toThrow(
      'definition: a stands twice in one object',
    )
  })

  it('says where the text is not JSON', () => {
    expect(() => parseTableDefinition('{"table": orders}')).toThrow(/not valid JSON.*orders/)
    expect(() => parseTableDefinition('[]')).toThrow(InputError)
  })
})

/** What is wrong, and the words of the message that name the place and the remedy. */
const REFUSED_BY_BOTH: [Changes, RegExp][] = [
  [{ table: undefined }, /table is missing.*for example "orders"/],
  [{ table: 'a/b' }, /table: "a\/b".*DynamoDB table name/],
  [{ source: 'eu-west-1' }, /source: "eu-west-1".*12 digits/],
  [{ key: [] }, /key: \[\].*one or two/],
  [{ key: 'pk' }, /key: "pk".*write \["pk"\]/],
  [{ key: ['pk', 'pk'] }, /key.*twice/],
  [{ key: ['pk', 'sk', 'status'] }, /one or two/],
  [{ columns: ['pk'] }, /columns: \["pk"\].*not an object/],
  [{ partitionBy: [] }, /partitionBy: \[\].*did you mean "partition_by"/],
  [{ tombstonedays: 40 }, /did you mean "tombstone_days"/],
  [{ colour: 1 }, /colour: 1.*write one of table, source/],
  [withColumns({ x: 'sting' }), /columns\.x: "sting".*did you mean "string"/],
  [withColumns({ x: 'string(3)' }), /columns\.x: "string\(3\)" is not a type/],
  [withColumns({ x: 'decimal(39,2)' }), /columns\.x.*1 to 38 digits/],
  [withColumns({ x: 'decimal(0,0)' }), /1 to 38 digits/],
  [withColumns({ x: 'decimal' }), /decimal\(12,2\)/],
  [withColumns({ x: 'timestamptz(m)' }), /columns\.x.*unknown unit.*timestamptz\(ms\)/],
  [withColumns({ x: 3 }), /columns\.x: 3 is not a type/],
  [withColumns({ x: { from: 'y' } }), /columns\.x\.type is missing/],
  [withColumns({ x: { type: 'string', form: 'y' } }), /columns\.x\.form: "y".*did you mean "from"/],
  [withColumns({ x: { type: 'string', from: '' } }), /columns\.x\.from: ""/],
  [withColumns({ '': 'string' }), /empty name/],
  ...['_updated_at', '_stream', '_sequence', '_extra', '_expired_at', '_STREAM', '_pos', '_Partition'].map(
    (name): [Changes, RegExp] => [
      withColumns({ [name]: 'string' }),
      new RegExp(`columns\\.${name}.*metadata column.*"item${name}".*"from": "${name}"`),
    ],
  ),
  [{ partition_by: 'bucket(pk, 8)' }, /partition_by: .*not a list/],
  [{ partition_by: ['region'] }, /partition_by\[0\]: "region".*write "identity\(region\)"/],
  [{ partition_by: ['days(created_at)'] }, /unknown transform "days".*did you mean "day"/],
  [{ partition_by: ['bucket(pk)'] }, /number of buckets/],
  [{ partition_by: ['bucket(pk, 0)'] }, /number of buckets/],
  [{ partition_by: ['truncate(pk, x)'] }, /width/],
  [{ on_ttl: 'delete' }, /on_ttl: "delete"/],
  [{ landing_days: 0 }, /landing_days: 0.*1 to 365/],
  [{ keep_snapshots_hours: '24' }, /keep_snapshots_hours: "24".*whole number/],
  [{ file_bytes: 1.5 }, /file_bytes: 1.5/],
  [{ row_group_rows: 2 ** 31 }, /row_group_rows/],
]

/** Rules between properties: no JSON Schema can say them. */
const REFUSED_BY_THE_PARSER: [Changes, RegExp][] = [
  [{ key: ['id'] }, /key\[0\]: "id" is not a column; add it to "columns"/],
  [{ key: ['Region'] }, /key\[0\]: "Region".*write the column's name "region"/],
  [{ key: ['weight'] }, /key\[0\]: "weight".*type double.*columns\.weight as one of string, number/],
  [{ key: ['created_at'] }, /type timestamptz, under which two keys could become one/],
  [{ key: ['lines'] }, /type json/],
  [withColumns({ PK: 'string' }), /columns\.PK: .*collides with columns\.pk.*columns\.<name>\.from.*"from": "PK"/],
  [withColumns({ area: { type: 'string', from: 'Region' } }), /columns\.area.*"Region" that columns\.region has/],
  [withColumns({ ' x': 'string' }), /blanks around it/],
  [withColumns({ x: 'decimal(4,5)' }), /columns\.x/],
  [withColumns({ ['ü'.repeat(128)]: 'string' }), /more than 255 bytes/],
  [{ partition_by: ['bucket(id, 8)'] }, /names "id", which is not a column/],
  [{ partition_by: ['bucket(weight, 8)'] }, /column of type double by bucket; bucket takes string/],
  [{ partition_by: ['identity(lines)'] }, /column of type json by identity/],
  [{ partition_by: ['truncate(sk, 2)'] }, /column of type number by truncate/],
  [{ partition_by: ['day(status)'] }, /column of type string by day; day takes timestamptz, date/],
  [{ ...withColumns({ d: 'date' }), partition_by: ['hour(d)'] }, /column of type date by hour/],
  [{ partition_by: ['bucket(pk, 2147483648)'] }, /number of buckets from 1 to 2147483647/],
  [{ partition_by: ['day(created_at)', 'hour(created_at)'] }, /partition_by\[1\].*same as the field "created_at_day"/],
  [{ ...withColumns({ pk_bucket: 'int' }), partition_by: ['bucket(pk, 8)'] }, /"pk_bucket", which is the name of a co/],
  [{ landing_days: 15 }, /tombstone_days: 30 is less than 2 × landing_days \+ 2 = 32.*"tombstone_days": 32/],
  [{ tombstone_days: 29 }, /tombstone_days: 29/],
  [{ on_ttl: 'keep', partition_by: ['bucket(pk, 8)', 'identity(region)'] }, /on_ttl: "keep".*\(region\)/],
]

const ACCEPTED_BY_BOTH: Changes[] = [
  {},
  { $schema: './table-definition.schema.json' },
  { key: ['pk'] },
  { landing_days: 1, tombstone_days: 4 },
  { landing_days: 20, tombstone_days: 42 },
  { on_ttl: 'keep', partition_by: ['bucket(pk, 8)', 'identity(sk)'] },
  { partition_by: [' bucket( pk , 16 ) ', 'month(created_at)'] },
  { keep_snapshots_hours: 1, file_bytes: 1, row_group_rows: 1 },
  withColumns({ 'Grüße 𝄞': 'date', x: { type: 'binary' }, _own: 'int', y: 'decimal( 38 , 38 )' }),
]

describe('what a definition may say', () => {
  const schema = JSON.parse(readFileSync(new URL('../table-definition.schema.json', import.meta.url), 'utf8'))
  const validate = new Ajv2020().compile(schema)
  const valid = (changes: Changes) => validate(JSON.parse(JSON.stringify({ ...ORDERS, ...changes })))

  it.each(ACCEPTED_BY_BOTH)('the parser and the JSON Schema accept %j', (changes) => {
    expect(() => parse(changes)).not.toThrow()
    expect(valid(changes)).toBe(true)
  })

  it.each(REFUSED_BY_BOTH)('the parser and the JSON Schema refuse %j', (changes, message) => {
    expect(() => parse(changes)).toThrow(InputError)
    expect(() => parse(changes)).toThrow(message)
    expect(valid(changes)).toBe(false)
  })

  it.each(REFUSED_BY_THE_PARSER)('the parser refuses %j', (changes, message) => {
    expect(() => parse(changes)).toThrow(InputError)
    expect(() => parse(changes)).toThrow(message)
  })
})
