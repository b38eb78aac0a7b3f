// A table of DynamoDB Local and the way from its stream to landing objects on S3: event source, forwarder, Firehose.

import type { S3Server } from '../../merge-core/interop/s3-servers.ts'
import { createObject } from '../../merge-core/src/store/stored-object.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import type { DynamoDBLocal } from '../src/dynamodb-local.ts'
import { type EventSource, type InvocationRecord, startEventSource } from '../src/event-source.ts'
import { type Faults, type FirehoseModel, startFirehose } from '../src/firehose-model.ts'
import { type LambdaFunction, lambdaFunction } from '../src/lambda-function.ts'
import { streamReader } from '../src/stream-reader.ts'
import { WRITE_ATTRIBUTE, type WriteLog, writeLog } from '../src/write-log.ts'

export interface CaptureSettings {
  readonly dynamodb: DynamoDBLocal
  readonly s3: S3Server
  /** Path of the forwarder's bundle. */
  readonly bundle: string
  readonly seed: number
  readonly tableName: string
  readonly passThrough: boolean
}

export interface Capture {
  readonly log: WriteLog
  readonly firehose: FirehoseModel
  readonly forwarder: LambdaFunction
  readonly source: EventSource
  /** `s3://bucket`; below it `landing/`, `errors/`, `on-failure/` and `oversize/`. */
  readonly bucket: string
  /** What the on-failure destination got. */
  readonly onFailure: readonly InvocationRecord[]
  /** From now on the function fails wherever the record of this write is among others. Stands for a defect of it. */
  poison(write: number): void
  stop(): Promise<void>
}

export const ACCOUNT = '123456789012'
export const REGION = 'eu-west-1'
const DELIVERY_STREAM = 'orders'

/** Of Firehose, as a rule. */
export const FAULTS: Faults = {
  failedRecords: 0.05,
  ambiguousCalls: 0.02,
  duplicateObjects: 0.05,
  lateObjects: 0.1,
  lateMsMax: 8_000,
  errorObjects: 0.01,
  unavailableCalls: 0.01,
}

/** Enough for a batch of large items on a busy machine, and less than Firehose is in trouble, so that batches come again. */
const TIMEOUT_MS = 10_000

export async function startCapture(settings: CaptureSettings): Promise<Capture> {
  const { dynamodb, s3, bundle, seed, tableName, passThrough } = settings
  const bucket = await s3.newBucket()
  const store = s3.openStore()
  const putObject = (key: string, content: Uint8Array) => createObject(store, `${bucket}/${key}`, content)
  const stream = await createTable(dynamodb, tableName)
  const log = writeLog(Date.now, randomFrom(seed))
  const firehose = await startFirehose({
    deliveryStream: DELIVERY_STREAM,
    prefix: 'landing/',
    errorPrefix: 'errors/!{firehose:error-output-type}/',
    bufferBytes: 256 * 1024,
    bufferMs: 1_000,
    putObject,
    nowMs: Date.now,
    random: randomFrom(seed + 1),
    faults: FAULTS,
  })
  const forwarder = lambdaFunction({
    bundle,
    timeoutMs: TIMEOUT_MS,
    environment: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_FIREHOSE: firehose.endpoint,
      DELIVERY_STREAM,
      OVERSIZE_LOCATION: `${bucket}/oversize/`,
      OLD_ATTRIBUTES: '["region"]',
      PASS_THROUGH: String(passThrough),
    },
  })
  const onFailure: InvocationRecord[] = []
  let poison: number | null = null
  const arn = `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/${tableName}/stream/${stream.label}`
  const source = startEventSource(streamReader(dynamodb, stream.arn, arn, log), {
    async invoke(event) {
      const writes = event.Records.map((record) => record.dynamodb?.NewImage?.[WRITE_ATTRIBUTE]?.N)
      if (poison !== null && writes.includes(String(poison))) throw new Error('poison')
      return forwarder.invoke(event)
    },
    async onFailure(key, record) {
      onFailure.push(record)
      await putObject(`on-failure/${key}`, Buffer.from(JSON.stringify(record)))
    },
    functionArn: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:forwarder`,
    batchSize: 1000,
    batchWindowMs: 200,
    parallelization: 2,
    retriesMax: 30,
    recordAgeMsMax: 24 * 3600 * 1000,
    bisect: true,
    retryDelayMs: 100,
    nowMs: Date.now,
  })
  return {
    log,
    firehose,
    forwarder,
    source,
    bucket,
    onFailure,
    poison(write) {
      poison = write
    },
    async stop() {
      await source.stop()
      await forwarder.stop()
      await firehose.stop()
      await dynamodb.call('DeleteTable', { TableName: tableName })
    },
  }
}

async function createTable(dynamodb: DynamoDBLocal, TableName: string): Promise<{ arn: string; label: string }> {
  const { TableDescription } = await dynamodb.call<{
    TableDescription: { LatestStreamArn: string; LatestStreamLabel: string }
  }>('CreateTable', {
    TableName,
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'N' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    BillingMode: 'PAY_PER_REQUEST',
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
  })
  return { arn: TableDescription.LatestStreamArn, label: TableDescription.LatestStreamLabel }
}
