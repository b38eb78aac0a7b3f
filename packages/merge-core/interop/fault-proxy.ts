// An HTTP proxy before an S3 server that knows which call a request is, and breaks those that a test names.
//
// Requests are passed on with the Host that they were signed for, so the server sees signatures as they are. Bodies are held whole.

import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export type WireOperation =
  | 'get'
  | 'range'
  | 'list'
  | 'put-create'
  | 'put-replace'
  | 'put-overwrite'
  | 'upload-part-copy'
  | 'complete'
  | 'complete-overwrite'
  | 'other'

export interface WireRequest {
  readonly operation: WireOperation
  /** Of the object, or the prefix of a list: `s3://bucket/key`. */
  readonly path: string
}

/** What a request meets. */
export type WireFault =
  /** An answer that the server did not give; it sees nothing of the request. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  | { readonly kind: 'reset-before' }
  /** The server acts, the answer is lost. */
  | { readonly kind: 'reset-after' }
  /** Of a request that carries an object the server gets half; of others half of the answer comes, and the end. */
  | { readonly kind: 'truncated' }
  /** The server acts; of the answer half comes at most, and then nothing, for ever. */
  | { readonly kind: 'stalled' }
  /** The request reaches the server so late, whoever waits by then. */
  | { readonly kind: 'late'; readonly ms: number }
  /** One bit of the answer's body is another. */
  | { readonly kind: 'flipped' }

export interface S3FaultProxy {
  readonly endpoint: string
  /** Asks `faultOf` about each request below a location, `s3://bucket/folder`. */
  watch(folder: string, faultOf: (request: WireRequest) => WireFault | null): void
  /** Resolves when every request that came below a location has been passed on, also those whose sender has given up. */
  settled(folder: string): Promise<void>
  stop(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export async function startS3FaultProxy(upstream: string): Promise<S3FaultProxy> {
  const { hostname, port: upstreamPort } = new URL(upstream)
  const agent = new Agent({ keepAlive: true })
  const watched = new Map<
    string,
    { faultOf: (request: WireRequest) => WireFault | null; underWay: Set<Promise<void>> }
  >()

  const server = createServer((request, response) => {
    const asked = wireRequest(request)
    const watch = watched.get(folderOf(asked.path))
    const handled = handle(request, response, asked, watch?.faultOf(asked) ?? null).catch(() => {
      request.socket.destroy()
    })
    watch?.underWay.add(handled)
    handled.finally(() => watch?.underWay.delete(handled))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    { operation }: WireRequest,
    fault: WireFault | null,
  ): Promise<void> {
    const { socket } = request
    if (fault?.kind === 'reset-before') return void socket.resetAndDestroy()
    const body = await buffer(request)
    switch (fault?.kind) {
      case 'answer':
        return send(response, errorAnswer(fault.status, fault.code))
      case 'late':
        await sleep(fault.ms)
        break
      case 'truncated':
        if (!operation.startsWith('put-')) break
        await passOnHalf(request, body)
        return void socket.destroy()
    }
    const answer = await passOn(request, body)
    const half = answer.body.subarray(0, answer.body.length >> 1)
    switch (fault?.kind) {
      case 'reset-after':
        return void socket.resetAndDestroy()
      case 'truncated':
        response.writeHead(answer.status, answer.headers).write(half, () => socket.destroy())
        return
      case 'stalled':
        if (half.length > 0) response.writeHead(answer.status, answer.headers).write(half)
        return
      case 'flipped':
        answer.body[half.length]! ^= 0x10
    }
    send(response, answer)
  }

  function upstreamRequest({ method, url, headers: { expect: _, connection: __, ...headers } }: IncomingMessage) {
    return sendRequest({ host: hostname, port: upstreamPort, method, path: url, headers, agent })
  }

  async function passOn(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const passed = upstreamRequest(request).end(body)
    const [answer] = (await once(passed, 'response')) as [IncomingMessage]
    return { status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) }
  }

  async function passOnHalf(request: IncomingMessage, body: Buffer): Promise<void> {
    const passed = upstreamRequest(request).on('error', () => {})
    await new Promise<void>((resolve) => passed.write(body.subarray(0, body.length >> 1), () => resolve()))
    passed.destroy()
  }

  return {
    endpoint: `http://127.0.0.1:${port}`,
    watch: (folder, faultOf) => watched.set(folder, { faultOf, underWay: new Set() }),
    async settled(folder) {
      await Promise.all(watched.get(folder)?.underWay ?? [])
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}

function errorAnswer(status: number, code: string): Answer {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  )
  return { status, headers: { 'content-type': 'application/xml', 'content-length': String(body.length) }, body }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body)
}

function wireRequest({ method, url = '', headers }: IncomingMessage): WireRequest {
  const { pathname, searchParams } = new URL(url, 'http://proxy')
  const [, bucket, ...key] = pathname.split('/').map(decodeURIComponent)
  const at = (name: string) => `s3://${bucket}/${name}`
  const written = (create: WireOperation, overwrite: WireOperation): WireOperation => {
    if (headers['if-none-match'] !== undefined) return create
    return headers['if-match'] === undefined ? overwrite : 'put-replace'
  }
  const operation = (): WireOperation => {
    if (method === 'GET') return headers.range === undefined ? 'get' : 'range'
    if (method === 'POST' && searchParams.has('uploadId')) return written('complete', 'complete-overwrite')
    if (method !== 'PUT') return 'other'
    if (headers['x-amz-copy-source'] !== undefined) return 'upload-part-copy'
    return searchParams.has('partNumber') ? 'other' : written('put-create', 'put-overwrite')
  }
  if (searchParams.has('list-type')) return { operation: 'list', path: at(searchParams.get('prefix') ?? '') }
  return { operation: operation(), path: at(key.join('/')) }
}

/** `s3://bucket/folder` of `s3://bucket/folder/…`. */
function folderOf(path: string): string {
  return path.split('/').slice(0, 4).join('/')
}
