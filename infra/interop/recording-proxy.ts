// A proxy before S3, Glue and Batch that notes of each request which right it needs: the action, and on what.
//
// Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".

import { once } from 'node:events'
import { createServer, type IncomingMessage, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface RecordingProxy {
  readonly endpoint: string
  /** The rights that were needed since the last call, each once, as texts. */
  take(): string[]
  stop(): Promise<void>
}

type RightsOf = (request: IncomingMessage) => readonly string[]

export async function startRecording(upstream: string, rightsOf: RightsOf): Promise<RecordingProxy> {
  const { hostname, port } = new URL(upstream)
  let needed = new Set<string>()
  const server = createServer(async (request, response) => {
    for (const right of rightsOf(request)) needed.add(withoutNames(right))
    try {
      const {
        method,
        url: path,
        headers: { expect: _, connection: __, ...headers },
      } = request
      const body = await buffer(request)
      const passed = sendRequest({ host: hostname, port, method, path, headers }).end(body)
      const [answer] = (await once(passed, 'response')) as [IncomingMessage]
      response.writeHead(answer.statusCode!, answer.headers).end(await buffer(answer))
    } catch {
      request.socket.destroy()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = [...needed].sort()
      needed = new Set()
      return taken
    },
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export function rightsOnS3({ method, url = '', headers }: IncomingMessage): string[] {
  const { pathname, searchParams } = new URL(url, 'http://proxy')
  const [, bucket, ...steps] = pathname.split('/').map(decodeURIComponent)
  const key = steps.join('/')
  const object = `arn:aws:s3:::${bucket}/${key}`
  if (key === '') {
    const action = searchParams.has('uploads') ? 's3:ListBucketMultipartUploads' : 's3:ListBucket'
    return [`${action} arn:aws:s3:::${bucket} ${searchParams.get('prefix') ?? ''}`]
  }
  if (method === 'GET' || method === 'HEAD') return [`s3:GetObject ${object}`]
  if (method === 'DELETE')
    return [`${searchParams.has('uploadId') ? 's3:AbortMultipartUpload' : 's3:DeleteObject'} ${object}`]
  const source = headers['x-amz-copy-source']
  const put = `s3:PutObject ${object}`
  if (source === undefined) return [put]
  return [put, `s3:GetObject arn:aws:s3:::${decodeURIComponent(String(source)).replace(/^\//, '')}`]
}

export function rightsOnTarget(service: string): RightsOf {
  return ({ headers }) => [`${service}:${String(headers['x-amz-target']).split('.')[1]}`]
}

/** The path of a call is its name in small letters. */
export function rightsOnBatch({ url = '' }: IncomingMessage): string[] {
  return [`batch:${CALLS_OF_BATCH[url] ?? url}`]
}

const CALLS_OF_BATCH: Readonly<Record<string, string>> = { '/v1/listjobs': 'ListJobs', '/v1/submitjob': 'SubmitJob' }

/** Names of objects, and of folders that are numbers, differ from run to run; where they lie does not. */
function withoutNames(right: string): string {
  const folders = right.split('/').slice(0, -1)
  if (folders.length === 0) return right
  const name = right.endsWith('/') ? '' : '…'
  return [...folders.map((folder) => (CHANGING.test(folder) ? '…' : folder)), name].join('/')
}

const CHANGING = /^\d+(-[0-9a-f]+)?$|[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-/
