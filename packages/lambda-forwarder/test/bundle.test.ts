import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleForwarder } from '../../../scripts/bundle-forwarder.ts'
import { sequenceOf, streamRecord } from './stream-batch.ts'

const BUNDLE_BYTES_MAX = 400 * 1024
const CANARY = 'never-in-a-log'

const folder = mkdtempSync(join(tmpdir(), 'lastwrite-bundle-'))
beforeAll(() => bundleForwarder(folder))
afterAll(() => rmSync(folder, { recursive: true }))

interface Request {
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/**
 * Runs the bundle's handler once on an event, in a process of its own that reaches Firehose and S3 at `answer`. Its time is over when it
 * looked at the clock a few times.
 */
async function invoke(event: object, answer: (request: Request, response: ServerResponse) => void) {
  const requests: Request[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const target = String(request.headers['x-amz-target'] ?? `${request.method} ${request.url}`)
    requests.push({ target, headers: request.headers, body: Buffer.concat(chunks).toString() })
    answer(requests.at(-1)!, response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.on('listening', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(join(folder, 'event.json'), JSON.stringify(event))
  const program = `
    import { readFileSync } from 'node:fs'
    import { handler } from './handler.mjs'
    let looks = 0
    const context = { getRemainingTimeInMillis: () => (looks++ < 4 ? 60_000 : 0) }
    const response = await handler(JSON.parse(readFileSync('event.json', 'utf8')), context)
    console.error(JSON.stringify(response))`
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: folder,
      // What Lambda sets, and where to go instead of Amazon's servers. No NODE_PATH, no package in reach.
      env: {
        AWS_REGION: 'eu-west-1',
        AWS_ACCESS_KEY_ID: 'AKID',
        AWS_SECRET_ACCESS_KEY: 'secret',
        AWS_SESSION_TOKEN: 'token',
        AWS_ENDPOINT_URL_FIREHOSE: endpoint,
        AWS_ENDPOINT_URL_S3: endpoint,
        DELIVERY_STREAM: 'orders',
        OVERSIZE_LOCATION: 's3://bucket/oversize/',
      },
    })
    const said = stderr.trimEnd().split('\n')
    return { response: JSON.parse(said.pop()!), log: [...said, stdout].join('\n'), requests }
  } finally {
    server.close()
  }
}

const firehoseTakesAll = ({ target, body }: Request, response: ServerResponse) => {
  if (!target.startsWith('Firehose')) return response.writeHead(200, { ETag: '"tag"' }).end()
  const RequestResponses = JSON.parse(body).Records.map(() => ({ RecordId: 'id' }))
  return response.end(JSON.stringify({ FailedPutCount: 0, RequestResponses }))
}

const item = { pk: { S: CANARY }, secret: { S: CANARY } }

describe('the bundle', () => {
  it('is small', () => {
    const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    expect(bytes).toBeLessThan(BUNDLE_BYTES_MAX)
  })

  it('starts as Lambda starts it, with nothing beside it, and sends what it is given with the credentials of its role', async () => {
    const { response, requests, log } = await invoke({ Records: [streamRecord(0), streamRecord(1)] }, firehoseTakesAll)
    expect(response).toEqual({ batchItemFailures: [] })
    expect(requests).toHaveLength(1)
    const { target, headers, body } = requests[0]!
    expect(target).toBe('Firehose_20150804.PutRecordBatch')
    expect(headers).toMatchObject({ 'x-amz-security-token': 'token' })
    const { DeliveryStreamName, Records } = JSON.parse(body)
    expect(DeliveryStreamName).toBe('orders')
    const lines = Buffer.from(Records[0].Data, 'base64').toString().trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).sequence)).toEqual([sequenceOf(0), sequenceOf(1)])
    const metrics = JSON.parse(log.trim().split('\n').at(-1)!)
    expect(metrics).toMatchObject({ Records: 2, Failed: 0, Resent: 0, Oversize: 0, service: 'lastwrite-forwarder' })
    expect(metrics._aws.CloudWatchMetrics[0].Namespace).toBe('lastwrite')
    expect(metrics.OldestRecordAge).toBeGreaterThanOrEqual(0)
  })

  it('creates the object of an oversize item, and never overwrites one', async () => {
    const large = { pk: { S: 'k' }, text: { S: '\u0001'.repeat(200_000) } }
    const { response, requests } = await invoke({ Records: [streamRecord(0, { item: large })] }, firehoseTakesAll)
    expect(response).toEqual({ batchItemFailures: [] })
    const [put, send] = requests
    expect(put!.target).toMatch(new RegExp(`^PUT /bucket/oversize/2026/11/22/${sequenceOf(0)}-[0-9a-f]{64}\\.json`))
    expect(put!.headers['if-none-match']).toBe('*')
    expect(JSON.parse(send!.body).Records).toHaveLength(1)
  })

  it('logs nothing of an item, whatever goes wrong', async () => {
    const refused = { ...streamRecord(1, { item }), eventName: 'MODIFY' as const }
    const records = [streamRecord(0, { item }), { ...refused, dynamodb: { ...refused.dynamodb, NewImage: undefined } }]
    const { response, log } = await invoke({ Records: records }, (request, response) => {
      // A message may quote what was sent.
      response.writeHead(400, { 'x-amzn-errortype': 'InvalidArgumentException' })
      response.end(JSON.stringify({ message: `${CANARY} ${request.body}` }))
    })
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: sequenceOf(0) }] })
    expect(log).toContain('InvalidArgumentException')
    expect(log).toContain(sequenceOf(1))
    expect(log).not.toContain(CANARY)
    expect(log).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, -4))
  })
})
