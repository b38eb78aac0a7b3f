// What Firehose and Lambda put under their error prefixes, written from their documentation and from objects seen in the wild.

import { gzipSync } from 'node:zlib'

export type FirehoseFailure = (typeof FIREHOSE_FAILURES)[number]

export const FIREHOSE_FAILURES = [
  'processing-failed',
  'processing-failed (guide)',
  'format-conversion-failed',
  'format-conversion-failed (before 2024)',
  'dynamic-partitioning-failed',
  'http-endpoint-failed',
  'splunk-failed',
  'AmazonOpenSearchService_failed',
  'iceberg-failed',
  'with capitals',
] as const

/** One line of an error object: what one record of a delivery stream held. */
export function firehoseError(failure: FirehoseFailure, data: string | Uint8Array): string {
  return JSON.stringify(fieldsOf(failure, Buffer.from(data).toString('base64')))
}

function fieldsOf(failure: FirehoseFailure, rawData: string): object {
  const times = { attemptsMade: 4, arrivalTimestamp: 1795334400374, attemptEndingTimestamp: 1795334649990 }
  const lambda = 'arn:aws:lambda:eu-west-1:123456789012:function:transform:$LATEST'
  switch (failure) {
    case 'processing-failed':
      return { rawData, errorCode: 'Lambda.FunctionError', errorMessage: 'x', ...times, lambdaARN: lambda }
    case 'processing-failed (guide)':
      return { ...times, errorCode: 'Lambda.InvokeAccessDenied', errorMessage: 'x', rawData, lambdaArn: lambda }
    case 'format-conversion-failed':
    case 'format-conversion-failed (before 2024)': {
      const [code, message] = failure.endsWith(')')
        ? ['lastErrorCode', 'lastErrorMessage']
        : ['ErrorCode', 'ErrorMessage']
      return {
        ...times,
        [code!]: 'DataFormatConversion.MalformedData',
        [message!]: 'x',
        rawData,
        sequenceNumber: '49543463076548007577105092703039560359975228518395012686',
        subSequenceNumber: 0,
        dataCatalogTable: { catalogId: null, databaseName: 'lake', tableName: 'orders', region: 'eu-west-1' },
      }
    }
    case 'dynamic-partitioning-failed':
      return { ...times, errorCode: 'DynamicPartitioning.MetadataExtractionFailed', errorMessage: 'x', rawData }
    case 'http-endpoint-failed':
    case 'splunk-failed':
      return { ...times, errorCode: 'Splunk.ServerError', errorMessage: 'x', rawData, EventId: '4954346307654.0' }
    case 'AmazonOpenSearchService_failed':
      return { ...times, errorCode: '400', rawData, esDocumentId: 'a', esIndexName: 'b', esTypeName: 'c' }
    case 'iceberg-failed':
      return { ...times, errorCode: 'Iceberg.NoSuchTable', errorMessage: 'x', rawData, errorType: 'user' }
    case 'with capitals':
      return { AttemptsMade: 4, ErrorCode: 'x', ErrorMessage: 'y', RawData: rawData }
  }
}

/** The object that Lambda's event source mapping puts into an S3 on-failure destination, with the records of the failed batch. */
export function lambdaFailure(records: readonly unknown[], changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    requestContext: {
      requestId: '316aa6d0-8154-xmpl-9af7-85d5f4a6bc81',
      functionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:forwarder',
      condition: 'RetryAttemptsExhausted',
      approximateInvokeCount: 3,
    },
    responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
    version: '1.0',
    timestamp: '2026-11-22T08:13:49.717Z',
    DDBStreamBatchInfo: {
      shardId: 'shardId-00000001573689847184-864758bb',
      startSequenceNumber: '800000000003126276362',
      endSequenceNumber: '800000000003126276369',
      approximateArrivalOfFirstRecord: '2026-11-22T08:13:19Z',
      approximateArrivalOfLastRecord: '2026-11-22T08:13:19Z',
      batchSize: records.length,
      streamArn: 'arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-11-22T08:00:00.000',
    },
    payload: JSON.stringify({ Records: records }),
    ...changes,
  })
}

export const gz = (...lines: readonly string[]): Uint8Array => gzipSync(lines.map((line) => `${line}\n`).join(''))
