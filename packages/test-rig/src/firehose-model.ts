// Amazon Data Firehose with Direct PUT and an S3 destination: an HTTP server that takes PutRecordBatch as the AWS SDK sends it, and
// delivers gzip objects as the service does. Seeded; time comes from the test.
//
// Sources: Amazon Data Firehose API reference, PutRecordBatch; developer guide, "Quotas", "Data delivery", "Amazon S3 object name
// format", "Custom prefixes", "Handle data delivery failure". What is modelled and why it is needed:
//
//   limits      a call that breaks one is refused as a whole
//   failures    single records of a call fail, and the answer is 200
//   ambiguity   a call was taken, and its answer never comes
//   buffering   an object is cut by size or by the age of its oldest record
//   order       none, inside an object and between objects
//   repetition  an object is delivered twice, under two names
//   delay       an object appears late, under the name of the time when its oldest record came
//   errors      an object that cannot be delivered is written under the error prefix, its records in base64

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

export interface Faults {
  /** Share of records that fail in a call. */
  readonly failedRecords: number
  /** Share of calls that are taken and not answered. */
  readonly ambiguousCalls: number
  /** Share of objects that are delivered twice. */
  readonly duplicateObjects: number
  /** Share of objects that are delivered late, by up to `lateMsMax`. */
  readonly lateObjects: number
  readonly lateMsMax: number
  /** Share of objects that are written under the error prefix instead. */
  readonly errorObjects: number
  /** Share of calls that the service has no time for. */
  readonly unavailableCalls: number
}

export const NO_FAULTS: Faults = {
  failedRecords: 0,
  ambiguousCalls: 0,
  duplicateObjects: 0,
  lateObjects: 0,
  lateMsMax: 0,
  errorObjects: 0,
  unavailableCalls: 0,
}

export interface FirehoseSettings {
  readonly deliveryStream: string
  /** Before `YYYY/MM/DD/HH/`. */
  readonly prefix: string
  /** May hold `!{firehose:error-output-type}`. */
  readonly errorPrefix: string
  readonly bufferBytes: number
  readonly bufferMs: number
  readonly putObject: (key: string, content: Uint8Array) => Promise<void>
  /** Epoch milliseconds. */
  readonly nowMs: () => number
  readonly random: () => number
  readonly faults: Faults
}

export interface DeliveredObject {
  readonly key: string
  /** What the records hold, one after the other. */
  readonly content: string
  /** Under the error prefix. */
  readonly isError: boolean
  readonly deliveredMs: number
}

export interface FirehoseModel {
  readonly endpoint: string
  /** Faults from now on. */
  setFaults(faults: Partial<Faults>): void
  /** Delivers what is due at this time. */
  deliverDue(): Promise<void>
  /** Delivers all that was taken, due or not. */
  flush(): Promise<void>
  readonly delivered: readonly DeliveredObject[]
  readonly counts: {
    calls: number
    failedRecords: number
    ambiguousCalls: number
    duplicates: number
    late: number
    errors: number
  }
  stop(): Promise<void>
}

const RECORDS_MAX = 500
const CALL_BYTES_MAX = 4 * 1024 * 1024
const RECORD_BYTES_MAX = 1000 * 1024
const ERROR_TYPES = ['processing-failed', 'format-conversion-failed'] as const

interface PutRecordBatchInput {
  readonly DeliveryStreamName: string
  readonly Records: readonly { readonly Data: string }[]
}

type Answer = { readonly status: number; readonly body: object } | 'none'

interface TakenRecord {
  readonly data: Buffer
  readonly arrivedMs: number
}

interface PendingObject {
  readonly key: string
  readonly body: Buffer
  readonly content: string
  readonly isError: boolean
  readonly dueMs: number
}

export async function startFirehose(settings: FirehoseSettings): Promise<FirehoseModel> {
  const { nowMs, random } = settings
  let faults = settings.faults
  let buffer: TakenRecord[] = []
  let pending: PendingObject[] = []
  const delivered: DeliveredObject[] = []
  const counts = { calls: 0, failedRecords: 0, ambiguousCalls: 0, duplicates: 0, late: 0, errors: 0 }
  const happens = (share: number) => random() < share

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const isKnown = request.headers['x-amz-target'] === 'Firehose_20150804.PutRecordBatch'
    const answer = isKnown
      ? putRecordBatch(Buffer.concat(chunks).toString())
      : refusal('UnknownOperationException', 'the model knows PutRecordBatch')
    if (answer === 'none') return response.destroy()
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' })
    return response.end(JSON.stringify(answer.body))
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setFaults(changed) {
      faults = { ...faults, ...changed }
    },
    async deliverDue() {
      cutWhereDue()
      await deliver((object) => object.dueMs <= nowMs())
    },
    async flush() {
      if (buffer.length > 0) cut()
      await deliver(() => true)
    },
    delivered,
    counts,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  function putRecordBatch(body: string): Answer {
    counts.calls++
    const { DeliveryStreamName, Records } = JSON.parse(body) as PutRecordBatchInput
    if (DeliveryStreamName !== settings.deliveryStream) {
      return refusal('ResourceNotFoundException', `Firehose ${DeliveryStreamName} not found`)
    }
    const data = Records.map((record) => Buffer.from(record.Data, 'base64'))
    const wrong = limitBroken(data, body)
    if (wrong !== null) return refusal('InvalidArgumentException', wrong)
    if (happens(faults.unavailableCalls)) {
      counts.failedRecords += data.length
      return refusal('ServiceUnavailableException', 'Slow down.', 500)
    }
    const RequestResponses = data.map((one) => {
      if (happens(faults.failedRecords)) {
        counts.failedRecords++
        return { ErrorCode: 'ServiceUnavailableException', ErrorMessage: 'Slow down.' }
      }
      buffer.push({ data: one, arrivedMs: nowMs() })
      return { RecordId: uuid(random) }
    })
    cutWhereDue()
    if (happens(faults.ambiguousCalls)) {
      counts.ambiguousCalls++
      return 'none'
    }
    const FailedPutCount = RequestResponses.filter((one) => 'ErrorCode' in one).length
    return { status: 200, body: { FailedPutCount, Encrypted: false, RequestResponses } }
  }

  function cutWhereDue(): void {
    const bytes = buffer.reduce((sum, record) => sum + record.data.length, 0)
    const isOld = buffer.length > 0 && nowMs() - buffer[0]!.arrivedMs >= settings.bufferMs
    if (isOld || bytes >= settings.bufferBytes) cut()
  }

  /** Makes an object of the buffer. */
  function cut(): void {
    const records = shuffled(buffer, random)
    const oldestMs = Math.min(...buffer.map((record) => record.arrivedMs))
    buffer = []
    const isLate = happens(faults.lateObjects)
    if (isLate) counts.late++
    const dueMs = nowMs() + (isLate ? random() * faults.lateMsMax : 0)
    const content = Buffer.concat(records.map((record) => record.data)).toString()
    if (happens(faults.errorObjects)) {
      counts.errors++
      const type = ERROR_TYPES[Math.floor(random() * ERROR_TYPES.length)]!
      const prefix = settings.errorPrefix.replace('!{firehose:error-output-type}', type)
      const body = Buffer.from(records.map((record) => `${errorLine(type, record)}\n`).join(''))
      pending.push({ key: objectKey(prefix, oldestMs), body: gzipSync(body), content, isError: true, dueMs })
      return
    }
    const body = gzipSync(content, { level: 1 })
    const copies = happens(faults.duplicateObjects) ? 2 : 1
    counts.duplicates += copies - 1
    for (let copy = 0; copy < copies; copy++) {
      pending.push({
        key: objectKey(settings.prefix, oldestMs),
        body,
        content,
        isError: false,
        dueMs: dueMs + copy * random() * faults.lateMsMax,
      })
    }
  }

  async function deliver(isDue: (object: PendingObject) => boolean): Promise<void> {
    const due = shuffled(pending.filter(isDue), random)
    pending = pending.filter((object) => !due.includes(object))
    for (const { key, body, content, isError } of due) {
      await settings.putObject(key, body)
      delivered.push({ key, content, isError, deliveredMs: nowMs() })
    }
  }

  /** `<prefix>YYYY/MM/DD/HH/<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid>.gz`, by the arrival of its oldest record. */
  function objectKey(prefix: string, oldestMs: number): string {
    const [year, month, day, hour, minute, second] = new Date(oldestMs).toISOString().split(/\D/)
    const name = [settings.deliveryStream, 1, year, month, day, hour, minute, second, uuid(random)].join('-')
    return `${prefix}${year}/${month}/${day}/${hour}/${name}.gz`
  }

  function errorLine(type: (typeof ERROR_TYPES)[number], { data, arrivedMs }: TakenRecord): string {
    const rawData = data.toString('base64')
    const ends = { attemptsMade: 4, arrivalTimestamp: arrivedMs, attemptEndingTimestamp: nowMs() }
    return type === 'processing-failed'
      ? JSON.stringify({
          ...ends,
          errorCode: 'Lambda.FunctionError',
          errorMessage: 'The Lambda function was successfully invoked but it returned an error result.',
          rawData,
          lambdaArn: 'arn:aws:lambda:eu-west-1:123456789012:function:transform',
        })
      : JSON.stringify({
          ...ends,
          lastErrorCode: 'DataFormatConversion.MalformedData',
          lastErrorMessage: 'Data does not match the schema.',
          rawData,
          sequenceNumber: null,
          dataCatalogTable: null,
        })
  }
}

/** What a call does wrong, or null. */
function limitBroken(data: readonly Buffer[], body: string): string | null {
  const large = data.find((one) => one.length > RECORD_BYTES_MAX)
  if (data.length === 0 || data.length > RECORDS_MAX)
    return `a call has 1 to ${RECORDS_MAX} records, not ${data.length}`
  if (large !== undefined) return `a record has up to ${RECORD_BYTES_MAX} bytes, not ${large.length}`
  // The guide says "4 MiB for the entire request"; the body is the larger measure.
  if (body.length > CALL_BYTES_MAX + 64 * 1024) return `a call has up to ${CALL_BYTES_MAX} bytes, not ${body.length}`
  return null
}

function refusal(name: string, message: string, status = 400): Answer {
  return { status, body: { __type: name, message } }
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((one) => ({ one, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one)
}

function uuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
