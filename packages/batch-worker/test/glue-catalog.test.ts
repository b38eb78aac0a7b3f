// What goes to Glue and what becomes of its answers, by a server that records the one and lays out the other.

import { InputError, TryAgainError } from '@lastwrite/merge-core'
import { memoryStore } from '@lastwrite/merge-core/store/memory'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newTableMetadata } from '../../merge-core/src/iceberg/metadata.ts'
import {
  type Answer,
  type Asked,
  type ScriptedServer,
  scriptedServer,
} from '../../merge-core/test/iceberg/rest-server.ts'
import { glueCatalog } from '../src/glue-catalog.ts'

const LOCATION = 'memory://lake/shop/orders'
const METADATA = newTableMetadata({
  uuid: 'eaf74208-439c-4e8e-8472-e972bfc23721',
  location: LOCATION,
  schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'pk', required: true, type: 'string' }] },
  properties: {},
  nowMs: 1000,
})
const COLUMNS = [
  {
    Name: 'pk',
    Type: 'string',
    Parameters: { 'iceberg.field.id': '1', 'iceberg.field.optional': 'false', 'iceberg.field.current': 'true' },
  },
]

let server: ScriptedServer
/** The entry as Glue holds it; null where there is none. */
let entry: Record<string, unknown> | null
/** What happens to the next call of this operation: nothing is done, or it is done and the answer is another one. */
let next: { operation: string; acts: boolean; answer: Answer } | null

const operationOf = ({ headers }: Asked) => String(headers['x-amz-target']).replace('AWSGlue.', '')
const asked = (operation: string) =>
  server.asked.filter((each) => operationOf(each) === operation).map(({ body }) => JSON.parse(body))
const refusal = (name: string, status = 400): Answer => ({ status, body: { __type: name, Message: `${name} it is` } })

function act(operation: string, { TableInput, VersionId }: Record<string, unknown>): Answer {
  if (operation === 'GetDatabase') return { body: { Database: { Name: 'shop', LocationUri: 'memory://lake/shop/' } } }
  if (operation === 'GetTable') return entry === null ? refusal('EntityNotFoundException') : { body: { Table: entry } }
  if (operation === 'CreateTable' && entry !== null) return refusal('AlreadyExistsException')
  if (operation === 'UpdateTable' && VersionId !== entry?.VersionId) return refusal('ConcurrentModificationException')
  entry = { ...(TableInput as object), DatabaseName: 'shop', VersionId: String(Number(entry?.VersionId ?? -1) + 1) }
  return {}
}

beforeEach(async () => {
  entry = null
  next = null
  server = await scriptedServer((one) => {
    const operation = operationOf(one)
    if (next?.operation !== operation) return act(operation, JSON.parse(one.body))
    const { acts, answer } = next
    next = null
    if (acts) act(operation, JSON.parse(one.body))
    return answer
  })
})
afterEach(() => server.stop())

let uuids = 0
const store = memoryStore()
const catalog = () =>
  glueCatalog(
    {
      database: 'shop',
      table: 'orders',
      catalogId: '123456789012',
      client: {
        endpoint: server.uri,
        region: 'eu-west-1',
        credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
      },
    },
    { store, nowMs: () => 2000, uuid: () => `uuid-${uuids++}`, random: () => 0, sleep: async () => {} },
  )
const nextUuid = () => `uuid-${uuids}`
const SET = [{ action: 'set-properties', updates: { a: 'b' } }] as const

async function created() {
  const result = await catalog().create(METADATA)
  if (result.kind !== 'committed') throw new Error(result.kind)
  return result.table
}

describe('a table in Glue', () => {
  it('is created as Athena wants it', async () => {
    const metadataLocation = `${LOCATION}/metadata/00000-${nextUuid()}.metadata.json`
    expect(await catalog().load()).toBeNull()
    expect(await created()).toEqual({ metadata: METADATA, metadataLocation })
    expect(asked('CreateTable')).toEqual([
      {
        CatalogId: '123456789012',
        DatabaseName: 'shop',
        TableInput: {
          Name: 'orders',
          TableType: 'EXTERNAL_TABLE',
          Parameters: { table_type: 'ICEBERG', metadata_location: metadataLocation },
          StorageDescriptor: { Location: LOCATION, Columns: COLUMNS },
        },
      },
    ])
    expect(await catalog().load()).toEqual({ metadata: METADATA, metadataLocation })
    expect(await catalog().create(METADATA)).toEqual({ kind: 'conflict' })
  })

  it('moves by its version, without an archive, and keeps what others wrote into the entry', async () => {
    const base = await created()
    entry = {
      ...entry,
      Description: 'of the console',
      CreatedBy: 'arn:aws:iam::1:user/x',
      Retention: 7,
      Parameters: { ...(entry!.Parameters as object), owner: 'us' },
      VersionId: '41',
    }
    const metadataLocation = `${LOCATION}/metadata/00001-${nextUuid()}.metadata.json`
    const result = await catalog().commit(base, SET, [])
    expect(result).toMatchObject({
      kind: 'committed',
      table: {
        metadataLocation,
        metadata: { properties: { a: 'b' }, 'metadata-log': [{ 'metadata-file': base.metadataLocation }] },
      },
    })
    expect(asked('UpdateTable')).toEqual([
      {
        CatalogId: '123456789012',
        DatabaseName: 'shop',
        SkipArchive: true,
        VersionId: '41',
        TableInput: {
          Name: 'orders',
          Description: 'of the console',
          Retention: 7,
          TableType: 'EXTERNAL_TABLE',
          Parameters: {
            owner: 'us',
            table_type: 'ICEBERG',
            metadata_location: metadataLocation,
            previous_metadata_location: base.metadataLocation,
          },
          StorageDescriptor: { Location: LOCATION, Columns: COLUMNS },
        },
      },
    ])
    expect(await catalog().load()).toEqual(result.kind === 'committed' && result.table)
  })

  it('does not move where another moved it before, or its entry meanwhile', async () => {
    const base = await created()
    expect((await catalog().commit(base, SET, [])).kind).toBe('committed')
    expect(await catalog().commit(base, SET, [])).toEqual({ kind: 'conflict' })
    expect(asked('UpdateTable')).toHaveLength(1)
    const now = (await catalog().load())!
    expect(await catalog().commit(now, SET, [{ type: 'assert-table-uuid', uuid: 'another' }])).toEqual({
      kind: 'conflict',
    })
    next = { operation: 'UpdateTable', acts: false, answer: refusal('ConcurrentModificationException') }
    expect(await catalog().commit(now, SET, [])).toEqual({ kind: 'conflict' })
    expect(await catalog().load()).toEqual(now)
  })

  it.each([
    ['cut', 'cut'],
    ['500', refusal('InternalServiceException', 500)],
    ['a conflict with itself', refusal('ConcurrentModificationException')],
  ] as const)('has moved once where the answer was lost: %s', async (_, answer) => {
    const base = await created()
    next = { operation: 'UpdateTable', acts: true, answer }
    const result = await catalog().commit(base, SET, [])
    expect(result.kind).toBe('committed')
    expect(asked('UpdateTable')).toHaveLength(1)
    expect((await catalog().load())?.metadata.properties).toEqual({ a: 'b' })
  })

  it('is unknown where the answer was lost and nothing shows that it moved', async () => {
    const base = await created()
    next = { operation: 'UpdateTable', acts: false, answer: 'cut' }
    expect((await catalog().commit(base, SET, [])).kind).toBe('unknown')
    expect(await catalog().load()).toEqual(base)
  })

  it.each([
    ['AccessDeniedException', InputError, /grant the right/],
    ['EntityNotFoundException', InputError, /create the table again/],
    ['ThrottlingException', TryAgainError, /run again/],
  ] as const)('says what to do about %s', async (name, kind, message) => {
    const base = await created()
    next = { operation: 'UpdateTable', acts: false, answer: refusal(name) }
    const error = await catalog()
      .commit(base, SET, [])
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).message).toMatch(message)
    expect((error as Error).message).toMatch(/^glue:shop\.orders: committing/)
  })

  it('would lie in the folder of its database', async () => {
    expect(await catalog().newLocation!()).toBe('memory://lake/shop/orders')
    next = { operation: 'GetDatabase', acts: false, answer: { body: { Database: { Name: 'shop' } } } }
    expect(await catalog().newLocation!()).toBeNull()
    next = { operation: 'GetDatabase', acts: false, answer: refusal('EntityNotFoundException') }
    await expect(catalog().newLocation!()).rejects.toThrow(/there is no database shop; create it/)
  })

  it('is refused where it is no table of Iceberg', async () => {
    entry = { Name: 'orders', Parameters: { classification: 'parquet' }, VersionId: '0' }
    await expect(catalog().load()).rejects.toThrow(/no Iceberg table; choose another name/)
  })
})
