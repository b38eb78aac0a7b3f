// From the table's stream to Firehose: the forwarder, and what Lambda does about batches that fail.
//
// An event source is at least once and keeps a shard's order, so a record that can never be forwarded would block its shard until the
// stream forgets the rest. Retries are bounded, a batch that fails is halved, and what is given up goes whole to S3, where
// `lastwrite replay` finds it.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { InputError, type TableDefinition } from '@lastwrite/merge-core'
import { AssetHashType, DockerImage, Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { StreamViewType } from 'aws-cdk-lib/aws-dynamodb'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import {
  Architecture,
  Code,
  EventSourceMapping,
  Function as LambdaFunction,
  MetricType,
  Runtime,
  StartingPosition,
} from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { Delivery } from './delivery.ts'
import { type Place, urlOf } from './places.ts'
import { allow, grant, RIGHTS, type Scope } from './rights.ts'
import type { TableStream } from './table-stream.ts'

export interface ChangeCaptureProps {
  readonly definition: TableDefinition
  readonly stream: TableStream
  readonly delivery: Delivery
  readonly scope: Scope
  /** Batches of one shard at a time, 1 to 10. Order between keys is of no use to a merge. Default: 2 */
  readonly parallelization?: number
}

/** A batch of small records is one call of Firehose; Lambda cuts batches at 6 MB by itself. */
const BATCH_RECORDS = 1_000
const WINDOW = Duration.seconds(5)
const TIMEOUT = Duration.minutes(1)
/** With halving enough to isolate a record among a thousand. */
const RETRIES = 10
/** A quarter of what the stream keeps: after it there is time to see what is wrong. */
const RECORD_AGE_MAX = Duration.hours(6)
const BUNDLER = fileURLToPath(new URL('../../scripts/bundle-forwarder.ts', import.meta.url))

export class ChangeCapture extends Construct {
  readonly forwarder: LambdaFunction
  readonly eventSource: EventSourceMapping
  /** Where Lambda puts what this stream's batches could not deliver. */
  readonly onFailure: Place

  constructor(scope: Construct, id: string, props: ChangeCaptureProps) {
    super(scope, id)
    const { definition, stream, delivery, scope: rights, parallelization = 2 } = props
    const { oversize, onFailure } = rights.places
    const oldAttributes = oldAttributesOf(definition)
    checkViewType(stream.viewType, oldAttributes)
    const logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    this.forwarder = new LambdaFunction(this, 'Forwarder', {
      description: `Sends the changes of ${definition.table} to Firehose`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'handler.handler',
      code: forwarderCode(),
      memorySize: 512,
      timeout: TIMEOUT,
      environment: {
        DELIVERY_STREAM: delivery.streamName,
        OVERSIZE_LOCATION: urlOf(oversize),
        OLD_ATTRIBUTES: JSON.stringify(oldAttributes),
      },
      logGroup,
      role,
    })
    grant(role, RIGHTS.forwarder, rights)
    for (const statement of [
      allow(['firehose:PutRecordBatch'], [delivery.streamArn]),
      allow(['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'], [stream.streamArn]),
      allow(['dynamodb:ListStreams'], [`${stream.tableArn}/stream/*`]),
    ]) {
      role.addToPrincipalPolicy(statement)
    }
    this.eventSource = new EventSourceMapping(this, 'EventSource', {
      target: this.forwarder,
      eventSourceArn: stream.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: BATCH_RECORDS,
      maxBatchingWindow: WINDOW,
      parallelizationFactor: parallelization,
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      retryAttempts: RETRIES,
      maxRecordAge: RECORD_AGE_MAX,
      // S3 gets the records themselves; a queue or a topic only their numbers.
      onFailure: { bind: () => ({ destination: onFailure.bucket.bucketArn }) },
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
    })
    this.onFailure = { ...onFailure, prefix: `${onFailure.prefix}${this.eventSource.eventSourceMappingId}/` }
    // Lambda tries the role's rights when the mapping is made.
    this.eventSource.node.addDependency(role)
  }

  /** Age of the last record of a batch, in milliseconds. */
  metricIteratorAge(): Metric {
    return this.forwarder.metric('IteratorAge', { statistic: 'Maximum' })
  }

  /** Records that were given up: set aside in S3, or dropped. */
  metricEvents(metricName: 'OnFailureDestinationDeliveredEventCount' | 'DroppedEventCount'): Metric {
    return new Metric({
      namespace: 'AWS/Lambda',
      metricName,
      dimensionsMap: { EventSourceMappingUUID: this.eventSource.eventSourceMappingId },
      statistic: 'Sum',
    })
  }
}

/** Attributes whose old values tell which row an update moved: those that partitions come from, unless they are keys. */
export function oldAttributesOf({ partitionBy, columns, keyColumns }: TableDefinition): string[] {
  const moving = partitionBy.filter(({ column }) => column >= keyColumns)
  return [...new Set(moving.map(({ column }) => columns[column]!.attribute))]
}

function checkViewType(viewType: StreamViewType, oldAttributes: readonly string[]): void {
  if (viewType === StreamViewType.NEW_AND_OLD_IMAGES) return
  if (viewType !== StreamViewType.NEW_IMAGE)
    throw new InputError(`the stream's view is ${viewType}, which has no new images: enable it with NEW_AND_OLD_IMAGES`)
  if (oldAttributes.length > 0) {
    throw new InputError(
      `the stream's view is NEW_IMAGE, but the table is partitioned by ${oldAttributes.join(', ')}, whose old values tell which row ` +
        'an update moves: enable the stream with NEW_AND_OLD_IMAGES, or partition by the key',
    )
  }
}

function forwarderCode(): Code {
  return Code.fromAsset(fileURLToPath(new URL('../../packages/lambda-forwarder', import.meta.url)), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: DockerImage.fromRegistry('unused: the bundle is made on this machine'),
      local: {
        tryBundle(folder) {
          execFileSync(process.execPath, [BUNDLER, folder], { stdio: ['ignore', 2, 2] })
          return true
        },
      },
    },
  })
}
