import { createHash, createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { catalogAuth } from '../src/catalog-auth.ts'

const URI = 'https://catalog.example/api'

describe('who asks a REST catalog', () => {
  it.each([
    [{}, { kind: 'none' }],
    [{ LASTWRITE_CATALOG_TOKEN: 'abc' }, { kind: 'token', token: 'abc' }],
    [
      { LASTWRITE_CATALOG_CREDENTIAL: 'me:of:mine' },
      { kind: 'client-credentials', clientId: 'me', clientSecret: 'of:mine' },
    ],
    [
      {
        LASTWRITE_CATALOG_CREDENTIAL: 'me:mine',
        LASTWRITE_CATALOG_SCOPE: 'PRINCIPAL_ROLE:ALL',
        LASTWRITE_CATALOG_TOKEN_URI: 'https://login.example/token',
      },
      {
        kind: 'client-credentials',
        clientId: 'me',
        clientSecret: 'mine',
        scope: 'PRINCIPAL_ROLE:ALL',
        tokenUri: 'https://login.example/token',
      },
    ],
  ])('comes from %j', async (variables, expected) => {
    expect(await catalogAuth(URI, {}, variables)).toEqual(expected)
  })

  it('is refused where it is half', async () => {
    await expect(catalogAuth(URI, {}, { LASTWRITE_CATALOG_CREDENTIAL: 'me' })).rejects.toThrow(
      /the id, a colon and the secret/,
    )
    await expect(catalogAuth(URI, { catalogSigning: 'execute-api' }, {})).rejects.toThrow(/give --region/)
  })
})

describe('a signed request', () => {
  const before = { ...process.env }
  beforeEach(() => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_SECRET_ACCESS_KEY: 'SECRET',
      AWS_SESSION_TOKEN: 'SESSION',
    })
  })
  afterEach(() => {
    process.env = { ...before }
  })

  const hex = (text: string) => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

  /** By "Create a signed AWS API request" of the IAM user guide. */
  function signatureOf(
    asked: { method: string; url: URL; headers: Record<string, string>; body: string },
    scope: string[],
  ) {
    const { method, url, headers, body } = asked
    const [, signedHeaders] = /SignedHeaders=([^,]+)/.exec(headers.authorization!)!
    const canonicalHeaders = signedHeaders!.split(';').map((name) => {
      return `${name}:${name === 'host' ? url.host : headers[name]!.trim()}\n`
    })
    const path = url.pathname.split('/').map(encodeURIComponent).join('/')
    const query = [...url.searchParams]
      .map((pair) => pair.map(encodeURIComponent).join('='))
      .sort()
      .join('&')
    const canonical = [method, path, query, canonicalHeaders.join(''), signedHeaders, hex(body)].join('\n')
    const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'), hex(canonical)].join('\n')
    const key = scope.reduce((key: string | Buffer, step) => hmac(key, step), 'AWS4SECRET')
    return hmac(key, text).toString('hex')
  }

  it.each([
    ['https://s3tables.eu-west-1.amazonaws.com/iceberg', {}, 's3tables', 'eu-west-1'],
    ['https://glue.us-east-1.amazonaws.com/iceberg', { region: 'us-west-2' }, 'glue', 'us-west-2'],
    [
      'https://catalog.example:8443',
      { catalogSigning: 'execute-api', region: 'eu-west-1' },
      'execute-api',
      'eu-west-1',
    ],
  ])('to %s has the signature of its every byte', async (uri, options, service, region) => {
    const auth = await catalogAuth(uri, options, {})
    if (auth.kind !== 'signed') throw new Error(auth.kind)
    const url = `${uri}/v1/arn%3Aaws%3As3tables/namespaces/shop%1Fof?warehouse=arn%3Aaws%20x&a=b`
    for (const body of [null, '{"é":1}']) {
      const method = body === null ? 'GET' : 'POST'
      const sent = await auth.sign({ method, url, headers: { Accept: 'application/json' }, body })
      const headers = Object.fromEntries(Object.entries(sent).map(([name, value]) => [name.toLowerCase(), value]))
      expect(headers).toMatchObject({ accept: 'application/json', 'x-amz-security-token': 'SESSION' })
      expect(headers).not.toHaveProperty('host')
      const scope = [headers['x-amz-date']!.slice(0, 8), region, service, 'aws4_request']
      expect(headers.authorization).toContain(`Credential=AKID/${scope.join('/')}`)
      const signature = signatureOf({ method, url: new URL(url), headers, body: body ?? '' }, scope)
      expect(headers.authorization).toMatch(new RegExp(`Signature=${signature}$`))
    }
  })
})
