// The Lambda function: its settings, its clients, and what it tells about itself. forward.ts does the work.
//
// Logs and metrics hold numbers, sequence numbers and names of errors, nothing of an item: messages of a service may quote what they
// were sent.

import { Logger } from '@aws-lambda-powertools/logger'
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose'
import type { Context, DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda'
import { type ForwardCounts, forwardBatch } from './forward.ts'
import { itemStore, type StoreItem } from './oversize.ts'
import type { PutRecords } from './send-records.ts'
import { readSettings } from './settings.ts'

const SERVICE = 'lastwrite-forwarder'
const STORE_MS_MAX = 10_000

const settings = readSettings(process.env)
const logger = new Logger({ serviceName: SERVICE })
const metrics = new Metrics({ namespace: 'lastwrite', serviceName: SERVICE, logger })
// Attempts are counted and timed in send-records.ts.
const firehose = new FirehoseClient({ maxAttempts: 1 })

export async function handler(event: DynamoDBStreamEvent, context: Context): Promise<DynamoDBBatchResponse> {
  const { response, refused, counts } = await forwardBatch(event.Records, {
    ...settings,
    putRecords,
    storeItem,
    remainingMs: () => context.getRemainingTimeInMillis(),
    random: Math.random,
    onCallFailed: (error) => logger.warn('PutRecordBatch failed', errorFields(error)),
  })
  for (const refusal of refused) logger.error('a stream record cannot be forwarded', { ...refusal })
  publish(counts, event.Records[0])
  if (counts.failed > 0) logger.warn('not all was delivered', { ...counts, from: response.batchItemFailures[0] })
  return response
}

const putRecords: PutRecords = async (data, abortSignal) => {
  const command = new PutRecordBatchCommand({
    DeliveryStreamName: settings.deliveryStream,
    Records: data.map((Data) => ({ Data })),
  })
  const { RequestResponses = [] } = await firehose.send(command, { abortSignal })
  return RequestResponses.map((one) => one.ErrorCode === undefined)
}

let items: StoreItem | undefined

/** Few batches have an oversize item: the others do without the client of S3. */
const storeItem: StoreItem = async (change) => {
  if (items === undefined) {
    const { s3Store } = await import('@lastwrite/merge-core/store/s3')
    items = itemStore(s3Store({ random: Math.random, callMsMax: STORE_MS_MAX }), settings.oversize)
  }
  return items(change)
}

function publish(
  { records, failed, bytes, resent, oversize }: ForwardCounts,
  oldest: DynamoDBRecord | undefined,
): void {
  metrics.addMetric('Records', MetricUnit.Count, records)
  metrics.addMetric('Failed', MetricUnit.Count, failed)
  metrics.addMetric('Bytes', MetricUnit.Bytes, bytes)
  metrics.addMetric('Resent', MetricUnit.Count, resent)
  metrics.addMetric('Oversize', MetricUnit.Count, oversize)
  const at = oldest?.dynamodb?.ApproximateCreationDateTime
  if (at !== undefined) metrics.addMetric('OldestRecordAge', MetricUnit.Seconds, Math.max(0, Date.now() / 1000 - at))
  metrics.publishStoredMetrics()
}

function errorFields(error: unknown): Record<string, unknown> {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number; requestId?: string } }
  return { error: name, status: $metadata?.httpStatusCode, requestId: $metadata?.requestId }
}
