// What the S3 store makes of answers that real servers give rarely or never: a server here gives them at will.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import type { ObjectPart, ObjectStore } from '../src/store/object-store.ts'
import { type S3StoreSettings, s3Store } from '../src/store/s3.ts'
import { createObject } from '../src/store/stored-object.ts'

const PATH = 's3://lake/data/a.parquet'
const CREATE = { kind: 'create' } as const
const IDLE_MS = 300
/** For a server that gives no answer: one that does is slow where the machine is busy. */
const IMPATIENT = { idleMsMax: IDLE_MS, callMsMax: 10 * IDLE_MS }
const ATTEMPTS = 8
const letters = new TextEncoder().encode('abcdefghij')

type Respond = (response: ServerResponse, request: IncomingMessage) => void

const answer =
  (status: number, body: string | Uint8Array = '', headers: Record<string, string> = {}): Respond =>
  (response) =>
    response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body)
const error = (status: number, code: string): Respond => answer(status, `<Error><Code>${code}</Code></Error>`)
const object = answer(200, letters, { etag: '"1"' })
const reset: Respond = (response) => response.socket!.resetAndDestroy()
const stall: Respond = () => {}
const cut: Respond = (response) => {
  response.writeHead(200, { 'content-length': '10', etag: '"1"' }).write(letters.subarray(0, 5))
  setTimeout(() => response.socket!.destroy(), 10)
}
const stallInside: Respond = (response) => {
  response.writeHead(200, { 'content-length': '10', etag: '"1"' }).write(letters.subarray(0, 5))
}

let server: Server
/** Method, query and headers of each request. */
let requests: IncomingMessage[] = []
let respond: Respond
beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request)
    request.resume().on('end', () => respond(response, request))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  requests = []
})

function open(settings: Partial<S3StoreSettings> = {}): ObjectStore {
  const { port } = server.address() as { port: number }
  return s3Store({
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    random: () => 0,
    ...settings,
  })
}

/** Answers in turn; the last one from then on. */
function answers(...each: readonly Respond[]): void {
  respond = (response, request) => each[Math.min(requests.length, each.length) - 1]!(response, request)
}

describe('a conditional put to S3', () => {
  it.each([
    ['412 PreconditionFailed', error(412, 'PreconditionFailed'), 'conflict'],
    ['409 ConditionalRequestConflict', error(409, 'ConditionalRequestConflict'), 'conflict'],
    ['403 AccessDenied', error(403, 'AccessDenied'), 'denied'],
    ['403 without a body', answer(403), 'denied'],
    ['503 SlowDown', error(503, 'SlowDown'), 'throttled'],
    ['429 without a body', answer(429), 'throttled'],
    ['500 InternalError', error(500, 'InternalError'), 'unknown'],
    ['200 without an ETag', answer(200), 'unknown'],
    ['502 of a proxy', answer(502, '<html>Bad Gateway</html>'), 'unknown'],
    ['400 RequestTimeout', error(400, 'RequestTimeout'), 'unknown'],
    ['a reset connection', reset, 'unknown'],
    ['no answer', stall, 'unknown'],
  ])('that meets %s goes out once', async (_, given, kind) => {
    answers(given)
    const store = open(given === stall ? IMPATIENT : {})
    expect((await store.put(PATH, letters, CREATE)).kind).toBe(kind)
    expect(requests).toHaveLength(1)
    expect(requests[0]!.headers).toMatchObject({ 'if-none-match': '*' })
  })
})

describe('an object created on S3', () => {
  it('is sent again while the server throttles, later each time', async () => {
    const waits: number[] = []
    const random = () => {
      waits.push(performance.now())
      return 1
    }
    answers(error(503, 'SlowDown'), error(503, 'SlowDown'), error(503, 'SlowDown'), answer(200, '', { etag: '"1"' }))
    await createObject(open({ random }), PATH, letters)
    expect(requests).toHaveLength(4)
    // On a busy machine a wait may be longer than asked for, never shorter.
    expect(waits[1]! - waits[0]!).toBeGreaterThan(95)
    expect(waits[2]! - waits[1]!).toBeGreaterThan(190)
  })
})

describe('a read from S3', () => {
  it.each([
    ['404 NoSuchKey', error(404, 'NoSuchKey'), 'missing'],
    ['412 PreconditionFailed', error(412, 'PreconditionFailed'), 'conflict'],
    ['403 AccessDenied', error(403, 'AccessDenied'), 'denied'],
  ])('that meets %s is not tried again', async (_, given, kind) => {
    answers(given)
    expect((await open().get(PATH)).kind).toBe(kind)
    expect(requests).toHaveLength(1)
  })

  it.each([
    ['503 SlowDown', error(503, 'SlowDown'), 'throttled'],
    ['500 InternalError', error(500, 'InternalError'), 'unknown'],
    ['InternalError inside an answer of 200', error(200, 'InternalError'), 'unknown'],
    ['a reset connection', reset, 'unknown'],
    ['an answer that is cut', cut, 'unknown'],
    ['another checksum', answer(200, letters, { etag: '"1"', 'x-amz-checksum-crc32': 'AAAAAA==' }), 'corrupt'],
  ])('that meets %s is tried again, and at last says so', async (_, given, kind) => {
    const store = open()
    answers(given, given, object)
    expect(await store.get(PATH)).toEqual({ kind: 'ok', bytes: letters, etag: '1', objectBytes: 10 })
    expect(requests).toHaveLength(3)
    answers(given)
    expect((await store.get(PATH)).kind).toBe(kind)
    expect(requests).toHaveLength(3 + ATTEMPTS)
    expect(store.traffic!.requests.get).toBe(3 + ATTEMPTS)
  })

  it.each([
    ['before the answer', stall],
    ['inside the body', stallInside],
  ])('is given up where nothing comes %s, and tried again until its deadline', async (_, given) => {
    const store = open(IMPATIENT)
    answers(given, object)
    expect((await store.get(PATH)).kind).toBe('ok')
    answers(given)
    const startMs = performance.now()
    expect(await store.get(PATH)).toMatchObject({ kind: 'unknown', cause: { message: /nothing came|took too long/ } })
    expect(performance.now() - startMs).toBeLessThan(20 * IDLE_MS)
  })

  it('is corrupt where the server sends another range than was asked for', async () => {
    answers(answer(206, letters, { etag: '"1"', 'content-range': 'bytes 0-9/100' }))
    expect((await open().get(PATH, { range: { start: 0, end: 5 } })).kind).toBe('corrupt')
    answers(answer(206, letters, { etag: '"1"', 'content-range': 'bytes 0-9/100' }))
    expect((await open().get(PATH, { range: { start: 0, end: 20 } })).kind).toBe('corrupt')
  })

  it('names the tag of the version that it is pinned to', async () => {
    answers(object)
    await open().get(PATH, { etag: '1', range: { suffix: 10 } })
    expect(requests[0]!.headers).toMatchObject({ 'if-match': '"1"', range: 'bytes=-10' })
  })
})

describe('an object made of parts', () => {
  const parts: ObjectPart[] = [
    { kind: 'copy', from: 's3://lake/data/é+1.parquet', etag: '1', start: 0, end: 6 * 1024 * 1024 },
    { kind: 'bytes', bytes: letters },
  ]
  const objectBytes = 6 * 1024 * 1024 + letters.length
  const completed = answer(200, '<CompleteMultipartUploadResult><ETag>"2"</ETag></CompleteMultipartUploadResult>')

  /** An object of one byte's value. */
  const rangeOf =
    (value: number): Respond =>
    (response, request) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!
      const body = Buffer.alloc(Number(end) + 1 - Number(start), value)
      answer(206, body, { etag: '"1"', 'content-range': `bytes ${start}-${end}/${objectBytes}` })(response, request)
    }
  const zeros = rangeOf(0)

  /** A server that does all, but for what is given. */
  const upload = (given: {
    readonly copy?: Respond[]
    readonly complete?: Respond
    readonly head?: Respond
    readonly part?: Respond
    readonly read?: Respond
  }): Respond => {
    const copies = [...(given.copy ?? [])]
    const copied = answer(200, '<CopyPartResult><ETag>"c"</ETag></CopyPartResult>')
    return (response, request) => {
      const { method, url = '' } = request
      if (method === 'POST' && url.includes('uploads')) {
        const begun = '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>'
        return answer(200, begun)(response, request)
      }
      if (method === 'POST') return (given.complete ?? completed)(response, request)
      if (method === 'HEAD') {
        const head = answer(200, '', { etag: '"2"', 'content-length': String(objectBytes) })
        return (given.head ?? head)(response, request)
      }
      if (method === 'GET') return (given.read ?? zeros)(response, request)
      if (method === 'DELETE') return answer(204)(response, request)
      if (request.headers['x-amz-copy-source'] !== undefined) return (copies.shift() ?? copied)(response, request)
      return (given.part ?? answer(200, '', { etag: '"p"' }))(response, request)
    }
  }
  const sent = () => requests.map(({ method, url = '' }) => `${method} ${url.replace(/^[^?]*\??/, '')}`)
  const isAborted = () => sent().some((request) => request.startsWith('DELETE'))

  it('copies pinned to the version that it knows, and looks at the length of what came of it', async () => {
    respond = upload({})
    expect(await open().put(PATH, parts, CREATE)).toEqual({ kind: 'ok', etag: '2', objectBytes })
    const copy = requests.find(({ headers }) => headers['x-amz-copy-source'] !== undefined)!
    expect(copy.headers).toMatchObject({
      'x-amz-copy-source': 'lake/data/%C3%A9%2B1.parquet',
      'x-amz-copy-source-if-match': '"1"',
      'x-amz-copy-source-range': `bytes=0-${6 * 1024 * 1024 - 1}`,
    })
    const complete = requests.find(({ method, url }) => method === 'POST' && url!.includes('uploadId'))!
    expect(complete.headers).toMatchObject({ 'if-none-match': '*' })
    expect(isAborted()).toBe(false)
  })

  it('is corrupt where its length is not that of its parts', async () => {
    respond = upload({ head: answer(200, '', { etag: '"2"', 'content-length': '17' }) })
    expect((await open().put(PATH, parts, CREATE)).kind).toBe('corrupt')
  })

  it('is corrupt where a copied part begins with other bytes than its source', async () => {
    const shifted: Respond = (response, request) =>
      (request.url!.startsWith('/lake/data/a.parquet') ? rangeOf(1) : zeros)(response, request)
    respond = upload({ read: shifted })
    const put = await open().put(PATH, parts, CREATE)
    expect(put).toMatchObject({
      kind: 'corrupt',
      cause: { message: expect.stringMatching(/other bytes at 0 than .*é\+1/) },
    })
    const reads = requests.filter(({ method }) => method === 'GET')
    expect(reads.map(({ headers }) => [headers['if-match'], headers.range])).toEqual([
      ['"2"', 'bytes=0-63'],
      ['"1"', 'bytes=0-63'],
    ])
  })

  it('goes on after a copy that was throttled inside an answer of 200', async () => {
    respond = upload({ copy: [error(200, 'SlowDown'), error(200, 'InternalError')] })
    expect((await open().put(PATH, parts, CREATE)).kind).toBe('ok')
  })

  it.each([
    ['PreconditionFailed inside an answer of 200', error(200, 'PreconditionFailed'), 'conflict'],
    ['InternalError inside an answer of 200', error(200, 'InternalError'), 'unknown'],
    ['412 PreconditionFailed', error(412, 'PreconditionFailed'), 'conflict'],
    ['409 ConditionalRequestConflict', error(409, 'ConditionalRequestConflict'), 'conflict'],
    ['404 NoSuchUpload', error(404, 'NoSuchUpload'), 'unknown'],
    ['a reset connection', reset, 'unknown'],
  ])('is completed once, and abandoned after %s', async (_, complete, kind) => {
    respond = upload({ complete })
    expect((await open().put(PATH, parts, CREATE)).kind).toBe(kind)
    expect(sent().filter((request) => request.startsWith('POST uploadId'))).toHaveLength(1)
    expect(isAborted()).toBe(true)
  })

  it.each([
    ['another version', error(412, 'PreconditionFailed'), 'conflict'],
    ['gone', error(404, 'NoSuchKey'), 'missing'],
    ['too short', error(416, 'InvalidRange'), 'corrupt'],
    ['not to be read', error(403, 'AccessDenied'), 'denied'],
  ])('is abandoned where the source of a copy is %s', async (_, copy, kind) => {
    respond = upload({ copy: [copy] })
    expect((await open().put(PATH, parts, CREATE)).kind).toBe(kind)
    expect(isAborted()).toBe(true)
    expect(sent().some((request) => request.startsWith('POST uploadId'))).toBe(false)
  })

  it('of bytes alone, too many for one request, is abandoned when a part fails, and completed once', async () => {
    const large = [{ kind: 'bytes' as const, bytes: new Uint8Array(21 * 1024 * 1024) }]
    respond = upload({})
    expect((await open().put(PATH, large, CREATE)).kind).toBe('ok')
    expect(sent().filter((request) => request.includes('partNumber'))).toHaveLength(3)
    requests = []
    respond = upload({ part: error(403, 'AccessDenied') })
    expect((await open().put(PATH, large, CREATE)).kind).toBe('denied')
    expect(isAborted()).toBe(true)
    requests = []
    respond = upload({ complete: error(200, 'InternalError') })
    expect((await open().put(PATH, large, CREATE)).kind).toBe('unknown')
    expect(sent().filter((request) => request.startsWith('POST uploadId'))).toHaveLength(1)
  })

  it('names the owner of the buckets in every request, where one is given', async () => {
    respond = upload({})
    await open({ expectedBucketOwner: '123456789012' }).put(PATH, parts, CREATE)
    for (const { headers } of requests) expect(headers['x-amz-expected-bucket-owner']).toBe('123456789012')
    expect(requests.map(({ headers }) => headers['x-amz-source-expected-bucket-owner'])).toContain('123456789012')
  })
})

describe('a list on S3', () => {
  const page = (more: string, ...keys: string[]) =>
    answer(
      200,
      `<ListBucketResult>${more}${keys.map((key) => `<Contents><Key>${key}</Key><ETag>"1"</ETag><Size>1</Size></Contents>`).join('')}</ListBucketResult>`,
    )
  const more = '<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>'

  it('goes on page by page, each tried again where it fails, without the objects that stand for folders', async () => {
    answers(error(500, 'InternalError'), page(more, 'data/', 'data/a'), error(503, 'SlowDown'), page('', 'data/b'))
    const listed = await open().list('s3://lake/data/')
    expect(listed.kind === 'ok' && listed.objects.map(({ path }) => path)).toEqual([
      's3://lake/data/a',
      's3://lake/data/b',
    ])
    expect(requests.at(-1)!.url).toContain('continuation-token=next')
  })
})

describe('settings that do not fit', () => {
  it.each([
    ['NoSuchBucket', error(404, 'NoSuchBucket'), /no such bucket/],
    ['InvalidBucketName', error(400, 'InvalidBucketName'), /3 to 63/],
    ['AuthorizationHeaderMalformed', error(400, 'AuthorizationHeaderMalformed'), /--region/],
  ])('are said to the operator: %s', async (_, given, message) => {
    answers(given)
    const listing = open().list('s3://lake/data/')
    await expect(listing).rejects.toThrow(InputError)
    await expect(listing).rejects.toThrow(message)
  })

  it.each(['file:///lake/a', 's3://lake', '/lake/a', 's3:///a'])('are locations such as %s', async (path) => {
    await expect(open().get(path)).rejects.toThrow(InputError)
  })
})
