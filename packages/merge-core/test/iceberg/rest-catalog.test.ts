import { afterEach, describe, expect, it } from 'vitest'
import { DamagedObjectError, InputError, TryAgainError } from '../../src/errors.ts'
import { advanceMain, type LoadedTable } from '../../src/iceberg/catalog.ts'
import { newTableMetadata, type Snapshot } from '../../src/iceberg/metadata.ts'
import { type RestCatalog, type RestCatalogSettings, restCatalog } from '../../src/iceberg/rest-catalog.ts'
import { type Answer, type Asked, type ScriptedServer, scriptedServer } from './rest-server.ts'

const TABLE = '/v1/namespaces/shop/tables/orders'
const LOCATION = 's3://lake/shop/orders'
const METADATA = newTableMetadata({
  uuid: 'eaf74208-439c-4e8e-8472-e972bfc23721',
  location: LOCATION,
  schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'pk', required: true, type: 'string' }] },
  sortOrder: {
    'order-id': 1,
    fields: [{ transform: 'identity', 'source-id': 1, direction: 'asc', 'null-order': 'nulls-first' }],
  },
  properties: { a: 'b' },
  nowMs: 1000,
})
const JSON_METADATA = { ...METADATA, 'current-snapshot-id': -1 }
const loaded = (version = 1, more: object = {}) => ({
  body: { 'metadata-location': `${LOCATION}/metadata/${version}.metadata.json`, metadata: JSON_METADATA, ...more },
})
const BASE: LoadedTable = { metadata: METADATA, metadataLocation: `${LOCATION}/metadata/1.metadata.json` }

let server: ScriptedServer
let clock = 1_000_000
afterEach(() => server.stop())

/** A catalog before a server that answers so; without an answer it says that all is well. */
async function catalogBefore(
  answerTo: (asked: Asked) => Answer | undefined,
  settings: Partial<RestCatalogSettings> = {},
): Promise<RestCatalog> {
  server = await scriptedServer(
    (asked) => answerTo(asked) ?? (asked.path.startsWith('/v1/config') ? { body: {} } : loaded()),
  )
  return restCatalog(
    { uri: server.uri, namespace: ['shop'], table: 'orders', auth: { kind: 'none' }, ...settings },
    { nowMs: () => clock, random: () => 0.5, sleep: async () => {} },
  )
}

const isCommit = ({ method, path }: Asked) => method === 'POST' && path === TABLE
const isLoad = ({ method, path }: Asked) => method === 'GET' && path === TABLE
const commits = () => server.asked.filter(isCommit)
const paths = () => server.asked.map(({ method, path }) => `${method} ${path}`)

const snapshot: Snapshot = {
  'sequence-number': 1,
  'snapshot-id': 2n ** 63n - 1n,
  'timestamp-ms': 2000,
  summary: { operation: 'append' },
  'manifest-list': `${LOCATION}/metadata/snap.avro`,
  'schema-id': 0,
}
const commit = (catalog: RestCatalog) =>
  catalog.commit(BASE, advanceMain(snapshot), [
    { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 2n ** 62n + 1n },
  ])

describe('a REST catalog', () => {
  it('asks for the configuration first, once, and goes where it says', async () => {
    const catalog = await catalogBefore(
      ({ path }) =>
        path.startsWith('/v1/config')
          ? {
              body: {
                defaults: { prefix: 'default' },
                overrides: { prefix: 'arn%3Aaws', uri: `${server.uri}/there/` },
              },
            }
          : undefined,
      { namespace: ['shop', 'of é'], table: 'a/b', warehouse: 's3://lake/', prefix: 'given' },
    )
    await Promise.all([catalog.load(), catalog.load()])
    expect(paths().sort()).toEqual([
      'GET /there/v1/arn%3Aaws/namespaces/shop%1Fof%20%C3%A9/tables/a%2Fb',
      'GET /there/v1/arn%3Aaws/namespaces/shop%1Fof%20%C3%A9/tables/a%2Fb',
      'GET /v1/config?warehouse=s3%3A%2F%2Flake%2F',
    ])
  })

  it.each([
    [{ overrides: { prefix: 'theirs' }, defaults: { prefix: 'default' } }, 'given', 'theirs/'],
    [{ defaults: { prefix: 'default' } }, 'given', 'given/'],
    [{ defaults: { prefix: 'default' } }, undefined, 'default/'],
    [{}, undefined, ''],
  ])('takes the prefix of %j over %s', async (body, prefix, expected) => {
    const catalog = await catalogBefore(({ path }) => (path === '/v1/config' ? { body } : undefined), {
      ...(prefix !== undefined && { prefix }),
    })
    await catalog.load()
    expect(paths()[1]).toBe(`GET /v1/${expected}namespaces/shop/tables/orders`)
  })

  it('loads the table, and none where there is none', async () => {
    let there = true
    const catalog = await catalogBefore((asked) => (isLoad(asked) && !there ? { status: 404 } : undefined))
    expect(await catalog.load()).toEqual(BASE)
    there = false
    expect(await catalog.load()).toBeNull()
  })

  it('names what is no catalog, and what is no metadata', async () => {
    const none = await catalogBefore(() => ({ status: 404 }))
    await expect(none.load()).rejects.toThrow(InputError)
    await expect(none.load()).rejects.toThrow(/no Iceberg REST catalog answers .*correct the address or the warehouse/)
    await server.stop()
    const odd = await catalogBefore((asked) =>
      isLoad(asked) ? { body: { metadata: { 'format-version': 2 } } } : undefined,
    )
    await expect(odd.load()).rejects.toThrow(DamagedObjectError)
  })

  it('sends requirements and updates as they stand, every id digit by digit', async () => {
    const catalog = await catalogBefore(() => undefined)
    expect(await commit(catalog)).toEqual({ kind: 'committed', table: BASE })
    const [{ body, headers }] = commits() as [Asked]
    expect(headers['content-type']).toBe('application/json')
    expect(body).toContain('"snapshot-id":4611686018427387905')
    expect(body.match(/"snapshot-id":9223372036854775807/g)).toHaveLength(2)
    expect(JSON.parse(body)).toMatchObject({
      identifier: { namespace: ['shop'], name: 'orders' },
      requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main' }],
      updates: [
        { action: 'add-snapshot', snapshot: { 'sequence-number': 1, 'timestamp-ms': 2000 } },
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch' },
      ],
    })
  })

  const OUTCOMES: readonly (readonly [what: string, answer: Answer, kind: string])[] = [
    ['409', { status: 409 }, 'conflict'],
    ['500', { status: 500 }, 'unknown'],
    ['502', { status: 502 }, 'unknown'],
    ['503', { status: 503 }, 'unknown'],
    ['504', { status: 504 }, 'unknown'],
    ['a cut connection', 'cut', 'unknown'],
    ['silence', 'hang', 'unknown'],
    ['half of an answer', '{"metadata-location": "s3:', 'unknown'],
  ]
  it.each(OUTCOMES)('sends a commit once and takes %s for what it is', async (_, answer, kind) => {
    const patience = answer === 'hang' ? { callMsMax: 1000 } : {}
    const catalog = await catalogBefore((asked) => (isCommit(asked) ? answer : undefined), patience)
    expect((await commit(catalog)).kind).toBe(kind)
    expect(commits()).toHaveLength(1)
  })

  it('takes a 400 for a lost race where the table has moved, and for a mistake where it has not', async () => {
    const said = {
      error: { message: 'Cannot add snapshot with sequence number 1', type: 'ValidationException', code: 400 },
    }
    let version = 2
    const catalog = await catalogBefore((asked) => (isCommit(asked) ? { status: 400, body: said } : loaded(version)))
    expect(await commit(catalog)).toEqual({ kind: 'conflict' })
    version = 1
    await expect(commit(catalog)).rejects.toThrow(/committing was refused .*ValidationException: Cannot add snapshot/)
  })

  it.each([
    [403, /grant the right/],
    [404, /create the namespace, or correct the name/],
  ])('says what to do about %i', async (status, remedy) => {
    const catalog = await catalogBefore((asked) => (isCommit(asked) ? { status } : undefined))
    await expect(commit(catalog)).rejects.toThrow(InputError)
    await expect(commit(catalog)).rejects.toThrow(remedy)
  })

  it('sends again what the server was too busy for, and gives up in the end', async () => {
    let busy = 3
    const catalog = await catalogBefore((asked) => (isCommit(asked) && busy-- > 0 ? { status: 429 } : undefined))
    expect((await commit(catalog)).kind).toBe('committed')
    expect(commits()).toHaveLength(4)
    busy = Number.POSITIVE_INFINITY
    await expect(commit(catalog)).rejects.toThrow(TryAgainError)
  })

  it('reads again after lost answers, and gives up in the end', async () => {
    const losses: Answer[] = [{ status: 503 }, 'cut', '{"metadata":']
    const catalog = await catalogBefore((asked) => (isLoad(asked) ? losses.shift() : undefined))
    expect(await catalog.load()).toEqual(BASE)
    expect(server.asked.filter(isLoad)).toHaveLength(4)
    losses.push(...Array.from({ length: 10 }, () => 'cut' as const))
    await expect(catalog.load()).rejects.toThrow(TryAgainError)
  })
})

describe('a new table in a REST catalog', () => {
  const TABLES = '/v1/namespaces/shop/tables'
  const isCreate = ({ method, path }: Asked) => method === 'POST' && path === TABLES

  it('is created at once, with its columns, order and properties, and learns the order of no order', async () => {
    const keptOrders = METADATA['sort-orders'].filter((order) => order['order-id'] === 1)
    const catalog = await catalogBefore((asked) =>
      isCreate(asked) ? loaded(1, { metadata: { ...JSON_METADATA, 'sort-orders': keptOrders } }) : undefined,
    )
    expect(await catalog.create(METADATA)).toEqual({ kind: 'committed', table: BASE })
    expect(JSON.parse(server.asked.find(isCreate)!.body)).toEqual({
      name: 'orders',
      location: LOCATION,
      schema: METADATA.schemas[0],
      'partition-spec': { 'spec-id': 0, fields: [] },
      'write-order': METADATA['sort-orders'][1],
      'stage-create': false,
      properties: { a: 'b', 'format-version': '2' },
    })
    expect(JSON.parse(commits()[0]!.body).updates).toEqual([
      { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
    ])
  })

  it('lies where the catalog wants it, where it has no location of its own', async () => {
    const catalog = await catalogBefore(() => undefined)
    await catalog.create({ ...METADATA, location: '' })
    expect(JSON.parse(server.asked.find(isCreate)!.body)).not.toHaveProperty('location')
  })

  it.each([
    ['another wrote first', { status: 409 } as const, { kind: 'conflict' }],
    ['the answer was lost', 'cut' as const, { kind: 'unknown', cause: expect.any(Error) }],
  ])('is not taken for created where %s', async (_, answer, expected) => {
    const catalog = await catalogBefore((asked) => (isCreate(asked) ? answer : undefined))
    expect(await catalog.create(METADATA)).toEqual(expected)
  })

  it('is refused where the server made other columns or partitions of it', async () => {
    const [schema] = METADATA.schemas
    const renumbered = { ...schema, fields: [{ ...schema!.fields[0], id: 7 }] }
    const catalog = await catalogBefore((asked) =>
      isCreate(asked) ? loaded(1, { metadata: { ...JSON_METADATA, schemas: [renumbered] } }) : undefined,
    )
    await expect(catalog.create(METADATA)).rejects.toThrow(/another schema than it was given/)
  })

  it('names a namespace that is missing', async () => {
    const error = { message: 'Namespace does not exist: shop', type: 'NoSuchNamespaceException', code: 404 }
    const catalog = await catalogBefore((asked) => (isCreate(asked) ? { status: 404, body: { error } } : undefined))
    await expect(catalog.create(METADATA)).rejects.toThrow(/Namespace does not exist: shop.*create the namespace/)
  })

  it.each([
    [undefined, LOCATION],
    [{ status: 406 }, null],
    [{ status: 400 }, null],
  ] as const)('would lie where a staged creation says: %j', async (answer, expected) => {
    const catalog = await catalogBefore((asked) => (isCreate(asked) ? answer : undefined))
    expect(await catalog.newLocation()).toBe(expected)
    expect(JSON.parse(server.asked.find(isCreate)!.body)).toMatchObject({ name: 'orders', 'stage-create': true })
  })
})

describe('who asks a REST catalog', () => {
  const CREDENTIALS = { kind: 'client-credentials', clientId: 'me', clientSecret: 'of & mine' } as const
  const isExchange = ({ path }: Asked) => path === '/v1/oauth/tokens'
  const exchanges = () => server.asked.filter(isExchange)
  const bearers = () => server.asked.filter((asked) => !isExchange(asked)).map(({ headers }) => headers.authorization)

  it('has one token for all requests, until a minute before it runs out', async () => {
    let tokens = 0
    const catalog = await catalogBefore(
      (asked) => (isExchange(asked) ? { body: { access_token: `t${++tokens}`, expires_in: 3600 } } : undefined),
      { auth: CREDENTIALS },
    )
    await Promise.all([catalog.load(), catalog.load()])
    expect(bearers()).toEqual(['Bearer t1', 'Bearer t1', 'Bearer t1'])
    expect(Object.fromEntries(new URLSearchParams(exchanges()[0]!.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'me',
      client_secret: 'of & mine',
      scope: 'catalog',
    })
    clock += 3_539_000
    await catalog.load()
    expect(tokens).toBe(1)
    clock += 2_000
    await catalog.load()
    expect(bearers().at(-1)).toBe('Bearer t2')
  })

  it.each([401, 419])(
    'renews a token that the server calls outdated (%i), and sends a commit again with it',
    async (status) => {
      let tokens = 0
      const catalog = await catalogBefore(
        (asked) => {
          if (isExchange(asked)) return { body: { access_token: `t${++tokens}` } }
          return isCommit(asked) && asked.headers.authorization === 'Bearer t1' ? { status } : undefined
        },
        { auth: CREDENTIALS },
      )
      expect((await commit(catalog)).kind).toBe('committed')
      expect(commits().map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2'])
    },
  )

  it('is told of a wrong secret without showing it', async () => {
    const catalog = await catalogBefore(
      (asked) =>
        isExchange(asked)
          ? { status: 401, body: { error: 'invalid_client', error_description: 'bad secret' } }
          : undefined,
      { auth: CREDENTIALS },
    )
    const error = await catalog.load().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(InputError)
    expect((error as Error).message).toMatch(/no token for client me \(401 invalid_client: bad secret\)/)
    expect((error as Error).message).not.toContain('mine')
    expect(exchanges()).toHaveLength(1)
  })

  it('is refused with a token that the server does not know', async () => {
    const catalog = await catalogBefore(() => ({ status: 401 }), { auth: { kind: 'token', token: 'abc' } })
    await expect(catalog.load()).rejects.toThrow(/does not know who is asking .*give another token/)
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer abc'])
  })

  it('signs each request by itself', async () => {
    const signed: string[] = []
    const sign = async ({
      method,
      url,
      headers,
      body,
    }: {
      method: string
      url: string
      headers: object
      body: string | null
    }) => {
      signed.push(`${method} ${url} ${body === null ? '' : 'with a body'}`.trim())
      return { ...headers, authorization: `signature ${signed.length}` }
    }
    const catalog = await catalogBefore(() => undefined, { auth: { kind: 'signed', sign } })
    await catalog.load()
    await commit(catalog)
    expect(signed).toEqual([
      `GET ${server.uri}/v1/config`,
      `GET ${server.uri}${TABLE}`,
      `POST ${server.uri}${TABLE} with a body`,
    ])
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([
      'signature 1',
      'signature 2',
      'signature 3',
    ])
  })
})

describe('what a REST catalog lends', () => {
  const config = {
    's3.access-key-id': 'id',
    's3.secret-access-key': 'secret',
    's3.session-token': 'token',
    's3.endpoint': 'http://127.0.0.1:1',
    'client.region': 'eu-west-1',
    's3.path-style-access': 'true',
  }
  const keys = {
    accessKeyId: 'id',
    secretAccessKey: 'secret',
    sessionToken: 'token',
    endpoint: 'http://127.0.0.1:1',
    region: 'eu-west-1',
    pathStyle: true,
  }

  it('is asked for, and nothing where it lends nothing', async () => {
    const catalog = await catalogBefore(() => undefined)
    expect(await catalog.storage()).toEqual([])
    expect(server.asked.find(isLoad)!.headers['x-iceberg-access-delegation']).toBe('vended-credentials')
  })

  it('holds for the files of the table', async () => {
    const catalog = await catalogBefore((asked) => (isLoad(asked) ? loaded(1, { config }) : undefined))
    await catalog.load()
    expect(await catalog.storage()).toEqual([{ ...keys, prefix: `${LOCATION}/`, runsOutMs: null }])
    expect(server.asked.filter(isLoad)).toHaveLength(1)
    await commit(catalog)
    expect(await catalog.storage()).toHaveLength(1)
  })

  it('holds for each prefix that it names, and is renewed before it runs out', async () => {
    let loads = 0
    const lent = () => ({
      config: { 'client.region': 'us-east-1', 's3.session-token': 'of the other' },
      'storage-credentials': [
        {
          prefix: 's3://lake/shop/',
          config: { ...config, 's3.session-token-expires-at-ms': String(clock + 3_600_000) },
        },
        { prefix: 'gs://elsewhere', config: { 'gcs.oauth2.token': 'x' } },
      ],
    })
    const catalog = await catalogBefore((asked) => {
      if (!isLoad(asked)) return undefined
      loads++
      return loaded(1, lent())
    })
    const first = clock + 3_600_000
    expect(await catalog.storage()).toEqual([{ ...keys, prefix: 's3://lake/shop/', runsOutMs: first }])
    clock += 3_200_000
    await catalog.storage()
    expect(loads).toBe(1)
    clock += 200_000
    expect((await catalog.storage())[0]!.runsOutMs).toBe(clock + 3_600_000)
    expect(loads).toBe(2)
  })
})
