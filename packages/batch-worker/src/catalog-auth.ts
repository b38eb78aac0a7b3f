// Who asks a REST catalog. Secrets come by environment variables alone: other users of a machine can read its command lines.

import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { InputError, type RestAuth, type RestRequest } from '@lastwrite/merge-core'

export interface AuthOptions {
  /** AWS signing name of a catalog whose requests are signed, such as `s3tables` or `glue`. */
  readonly catalogSigning?: string
  readonly region?: string
}

/** Amazon's own catalogs. */
const AMAZON = /^(glue|s3tables)\.([a-z0-9-]+)\.(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)$/

/** @throws InputError for a credential that is not `id:secret`, or a signature without a region */
export async function catalogAuth(uri: string, options: AuthOptions, variables: NodeJS.ProcessEnv): Promise<RestAuth> {
  const amazon = AMAZON.exec(new URL(uri).hostname)
  const service = options.catalogSigning ?? amazon?.[1]
  if (service !== undefined) {
    const region = options.region ?? amazon?.[2] ?? variables.AWS_REGION ?? variables.AWS_DEFAULT_REGION
    if (region === undefined) throw new InputError(`${uri}: its requests are signed for a region; give --region`)
    return { kind: 'signed', sign: await requestSigner(service, region) }
  }
  const token = variables.LASTWRITE_CATALOG_TOKEN
  if (token) return { kind: 'token', token }
  const credential = variables.LASTWRITE_CATALOG_CREDENTIAL
  if (!credential) return { kind: 'none' }
  const colon = credential.indexOf(':')
  if (colon < 0) throw new InputError('LASTWRITE_CATALOG_CREDENTIAL: write the id, a colon and the secret')
  const { LASTWRITE_CATALOG_SCOPE: scope, LASTWRITE_CATALOG_TOKEN_URI: tokenUri } = variables
  return {
    kind: 'client-credentials',
    clientId: credential.slice(0, colon),
    clientSecret: credential.slice(colon + 1),
    ...(scope && { scope }),
    ...(tokenUri && { tokenUri }),
  }
}

type Sign = (request: RestRequest) => Promise<Readonly<Record<string, string>>>

async function requestSigner(service: string, region: string): Promise<Sign> {
  const [{ SignatureV4 }, { defaultProvider }] = await Promise.all([
    import('@smithy/signature-v4'),
    import('@aws-sdk/credential-provider-node'),
  ])
  const signer = new SignatureV4({ service, region, sha256: Sha256, credentials: defaultProvider() })
  return async ({ method, url, headers, body }) => {
    const { protocol, hostname, port, host, pathname, searchParams } = new URL(url)
    const request = {
      method,
      protocol,
      hostname,
      ...(port !== '' && { port: Number(port) }),
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: { ...headers, host },
      ...(body !== null && { body }),
    }
    const signed = await signer.sign(request).catch((cause: Error) => {
      throw new InputError(`${hostname}: its requests are signed (${cause.message}); give AWS credentials`, { cause })
    })
    // fetch names the host itself.
    const { host: _, ...sent } = signed.headers
    return sent
  }
}

type Data = string | ArrayBuffer | ArrayBufferView

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** SHA-256, or with a secret its HMAC, as the signer asks for it. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: Data) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret))
  }

  update(data: Data): void {
    this.#hash.update(bytesOf(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
}
