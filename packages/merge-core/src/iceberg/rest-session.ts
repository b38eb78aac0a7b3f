// Talks to an Iceberg REST catalog (rest-catalog-open-api.yaml): its configuration, who is asking, and what may be sent twice.
//
//   reads     again with full jitter after a lost answer, a 5xx or a 429
//   writes    once: after a lost answer or a 5xx nobody knows whether they acted. Only what the server did not take up is sent again,
//             because it was asked too much (429) or the token had run out (401, 419)

import type { Environment } from '../environment.ts'
import { InputError, TryAgainError } from '../errors.ts'
import { parseJson, writeJson } from './json.ts'

export interface RestRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** Who is asking. */
export type RestAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** OAuth2: a token for an id and a secret, renewed before it runs out. `tokenUri`: default `<uri>/v1/oauth/tokens`. */
  | {
      readonly kind: 'client-credentials'
      readonly clientId: string
      readonly clientSecret: string
      readonly scope?: string
      readonly tokenUri?: string
    }
  /** Every request by itself, as Amazon's catalogs want it. Gives the headers to send. */
  | { readonly kind: 'signed'; readonly sign: (request: RestRequest) => Promise<Readonly<Record<string, string>>> }

export interface RestSettings {
  /** Without `/v1`: `https://catalog.example/api/catalog`. */
  readonly uri: string
  /** Which of the server's warehouses: a name, a location or an ARN, as the server wants it. */
  readonly warehouse?: string
  /** The step between `/v1` and `/namespaces`. Default: as the server's configuration says. */
  readonly prefix?: string
  readonly auth: RestAuth
  /** An attempt ends when it took so long. Default 60 s. */
  readonly callMsMax?: number
}

export type RestAnswer =
  | { readonly kind: 'ok'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** A read may be tried by a later run; a write may or may not have acted. */
  | { readonly kind: 'unknown'; readonly cause: Error }

export interface RestSession {
  /** `path` follows the prefix: `namespaces/db/tables/orders`. A body makes it a POST. */
  send(path: string, body?: object): Promise<RestAnswer>
}

const CALL_MS_MAX = 60_000
const ATTEMPTS_MAX = 6
const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 5_000
/** Of an answer: metadata with all its snapshots, and what the server adds. */
const ANSWER_BYTES_MAX = 1 << 28
const MESSAGE_LENGTH_MAX = 300
/** A token is renewed so long before it runs out. */
const TOKEN_MARGIN_MS = 60_000
const TOKEN_EXCHANGE = 'v1/oauth/tokens'
/** Servers that can lend credentials for the table's files do so only when asked. */
const DELEGATION = { 'X-Iceberg-Access-Delegation': 'vended-credentials' }

type TimeAndChance = Pick<Environment, 'nowMs' | 'random' | 'sleep'>

/** @throws from its calls InputError for a server that is none or refuses who is asking, TryAgainError where it gives no configuration */
export function restSession(settings: RestSettings, environment: TimeAndChance): RestSession {
  const { warehouse, auth, callMsMax = CALL_MS_MAX } = settings
  const uri = withoutSlashes(settings.uri)
  let base: Promise<string> | null = null
  let token: Promise<{ readonly value: string; readonly renewMs: number }> | null = null
  return { send }

  async function send(path: string, body?: object): Promise<RestAnswer> {
    base ??= configure().catch((error) => {
      base = null
      throw error
    })
    return call(`${await base}/${path}`, body)
  }

  /** The server says where it wants to be asked, and under which prefix. */
  async function configure(): Promise<string> {
    const query = warehouse === undefined ? '' : `?${new URLSearchParams({ warehouse })}`
    const answer = await call(`${uri}/v1/config${query}`)
    if (answer.kind === 'unknown') {
      throw new TryAgainError(`${uri}: the catalog gives no answer (${answer.cause.message}); run again`, {
        cause: answer.cause,
      })
    }
    if (answer.kind === 'refused') {
      const asked = warehouse === undefined ? '' : ` for warehouse ${warehouse}`
      throw new InputError(
        `${uri}: no Iceberg REST catalog answers${asked} (${answer.message}); correct the address or the warehouse`,
      )
    }
    const defaults = (answer.body.defaults ?? {}) as Record<string, unknown>
    const overrides = (answer.body.overrides ?? {}) as Record<string, unknown>
    const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
    const prefix = text(overrides.prefix) ?? settings.prefix ?? text(defaults.prefix)
    const root = withoutSlashes(text(overrides.uri) ?? uri)
    return prefix === undefined ? `${root}/v1` : `${root}/v1/${prefix}`
  }

  async function call(url: string, body?: object): Promise<RestAnswer> {
    const content = body === undefined ? null : writeJson(body)
    const method = content === null ? 'GET' : 'POST'
    const headers = {
      Accept: 'application/json',
      ...(content !== null && { 'Content-Type': 'application/json' }),
      ...DELEGATION,
    }
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      const answer = await callOnce({ method, url, headers, body: content })
      const isRefused = answer.kind === 'refused'
      if (isRefused && (answer.status === 401 || answer.status === 419) && canRenew() && !renewed) {
        token = null
        renewed = true
        continue
      }
      if (isRefused && (answer.status === 401 || answer.status === 419)) throw notLetIn(answer.message)
      const isThrottled = isRefused && answer.status === 429
      const mayPass = isThrottled || (answer.kind === 'unknown' && method === 'GET')
      if (mayPass && attempt < ATTEMPTS_MAX) {
        await environment.sleep(environment.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt))
        continue
      }
      if (isThrottled) throw new TryAgainError(`${uri}: the catalog is asked too much (${answer.message}); run again`)
      return answer
    }
  }

  async function callOnce(request: RestRequest): Promise<RestAnswer> {
    const headers = await authorized(request)
    return exchange({ ...request, headers })
  }

  async function exchange({ method, url, headers, body }: RestRequest): Promise<RestAnswer> {
    try {
      const signal = AbortSignal.timeout(callMsMax)
      const response = await fetch(url, { method, headers, body, signal })
      const text = await textOf(response)
      if (response.ok) return { kind: 'ok', body: objectIn(text) }
      const message = `${response.status} ${messageIn(text) || response.statusText}`
      if (response.status >= 500) return { kind: 'unknown', cause: new Error(message) }
      return { kind: 'refused', status: response.status, message }
    } catch (error) {
      return { kind: 'unknown', cause: reasonOf(error, callMsMax) }
    }
  }

  async function authorized(request: RestRequest): Promise<Readonly<Record<string, string>>> {
    switch (auth.kind) {
      case 'none':
        return request.headers
      case 'token':
        return { ...request.headers, Authorization: `Bearer ${auth.token}` }
      case 'client-credentials':
        return { ...request.headers, Authorization: `Bearer ${await currentToken()}` }
      case 'signed':
        return auth.sign(request)
    }
  }

  function canRenew(): boolean {
    return auth.kind === 'client-credentials'
  }

  async function currentToken(): Promise<string> {
    const known = token === null ? null : await token
    if (known !== null && environment.nowMs() < known.renewMs) return known.value
    const fresh = newToken()
    token = fresh
    fresh.catch(() => {
      if (token === fresh) token = null
    })
    return (await fresh).value
  }

  async function newToken(): Promise<{ value: string; renewMs: number }> {
    if (auth.kind !== 'client-credentials') throw new Error('only an id and a secret are exchanged for a token')
    const { clientId, clientSecret, scope = 'catalog' } = auth
    const url = auth.tokenUri ?? `${uri}/${TOKEN_EXCHANGE}`
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope }
    const headers = { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' }
    const body = String(new URLSearchParams(form))
    const askedMs = environment.nowMs()
    for (let attempt = 1; ; attempt++) {
      const answer = await exchange({ method: 'POST', url, headers, body })
      if (answer.kind === 'ok') return tokenIn(url, answer.body, askedMs)
      if (answer.kind === 'refused' && answer.status !== 429) {
        throw new InputError(
          `${url}: no token for client ${clientId} (${answer.message}); correct the id, the secret or the scope ${scope}`,
        )
      }
      if (attempt === ATTEMPTS_MAX) throw new TryAgainError(`${url}: no token (${whyOf(answer)}); run again`)
      await environment.sleep(environment.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt))
    }
  }

  function notLetIn(message: string): InputError {
    const remedy = {
      none: 'give a token, or an id and a secret',
      token: 'give another token',
      'client-credentials': "correct the client's id and secret, or grant it the right",
      signed: 'correct the AWS credentials, the region or the signing name',
    }[auth.kind]
    return new InputError(`${uri}: the catalog does not know who is asking (${message}); ${remedy}`)
  }
}

function tokenIn(url: string, body: Readonly<Record<string, unknown>>, askedMs: number) {
  const { access_token: value, expires_in: seconds } = body
  if (typeof value !== 'string') throw new InputError(`${url}: its answer holds no access_token; correct the address`)
  const lifeMs = typeof seconds === 'number' ? seconds * 1000 : Number.POSITIVE_INFINITY
  // Of a token that lives shorter than the margin, half.
  return { value, renewMs: askedMs + Math.max(lifeMs - TOKEN_MARGIN_MS, lifeMs / 2) }
}

const whyOf = (answer: RestAnswer & { kind: 'refused' | 'unknown' }): string =>
  answer.kind === 'refused' ? answer.message : answer.cause.message

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Throws where it is no JSON object: an answer cut short is as good as none. */
function objectIn(text: string): Readonly<Record<string, unknown>> {
  const value = text === '' ? {} : parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new Error('an answer that is no JSON object')
}

/** Of Iceberg's error form, of OAuth2's, or the text as it stands. */
function messageIn(text: string): string {
  const said = (() => {
    try {
      return objectIn(text)
    } catch {
      return {}
    }
  })()
  const { error, error_description: description } = said
  const { message, type } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const parts = [type, message, typeof error === 'string' ? error : undefined, description]
  const found = parts.filter((part) => typeof part === 'string' && part !== '')
  return (found.length > 0 ? found.join(': ') : text).slice(0, MESSAGE_LENGTH_MAX)
}

/** fetch says "fetch failed" and hides why. */
function reasonOf(error: unknown, callMsMax: number): Error {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return new Error(String(cause))
  if (cause.name === 'TimeoutError') return new Error(`no answer within ${callMsMax} ms`, { cause })
  return cause.message === '' ? new Error((cause as NodeJS.ErrnoException).code ?? cause.name, { cause }) : cause
}

const withoutSlashes = (text: string): string => text.replace(/\/+$/, '')
