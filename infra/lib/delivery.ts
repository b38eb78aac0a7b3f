// From the forwarder to landing objects: a Firehose stream that writes what it is given, as it is.
//
// The records are whole lines that end in a newline, so nothing is appended, taken apart or looked into on the way. An object lies under
// the hour in which its oldest record came.

import { Aws, type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose'
import { LogGroup, LogStream, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { grant, RIGHTS, type Scope } from './rights.ts'

export interface DeliveryProps {
  readonly scope: Scope
  /** How long a record waits for others of its object. Firehose takes 0 to 900 seconds. */
  readonly buffering: Duration
}

const BUFFER_MIB = 64
const HOUR = '!{timestamp:yyyy/MM/dd/HH}/'

export class Delivery extends Construct {
  readonly streamName: string
  readonly streamArn: string
  readonly buffering: Duration

  constructor(scope: Construct, id: string, { scope: rights, buffering }: DeliveryProps) {
    super(scope, id)
    this.buffering = buffering
    const { landing, errors } = rights.places
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('firehose.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    })
    grant(role, RIGHTS.delivery, rights)
    const logs = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const logStream = new LogStream(this, 'LogStream', { logGroup: logs, removalPolicy: RemovalPolicy.DESTROY })
    logs.grantWrite(role)
    const stream = new CfnDeliveryStream(this, 'Stream', {
      deliveryStreamType: 'DirectPut',
      deliveryStreamEncryptionConfigurationInput: { keyType: 'AWS_OWNED_CMK' },
      extendedS3DestinationConfiguration: {
        bucketArn: landing.bucket.bucketArn,
        roleArn: role.roleArn,
        compressionFormat: 'GZIP',
        prefix: landing.prefix + HOUR,
        errorOutputPrefix: `${errors.prefix}!{firehose:error-output-type}/${HOUR}`,
        bufferingHints: { intervalInSeconds: buffering.toSeconds(), sizeInMBs: BUFFER_MIB },
        ...(rights.key !== undefined && {
          encryptionConfiguration: { kmsEncryptionConfig: { awskmsKeyArn: rights.key.keyArn } },
        }),
        cloudWatchLoggingOptions: {
          enabled: true,
          logGroupName: logs.logGroupName,
          logStreamName: logStream.logStreamName,
        },
      },
    })
    // Firehose tries its role when it is made.
    stream.node.addDependency(role)
    this.streamName = stream.ref
    this.streamArn = stream.attrArn
  }

  /** Age of the oldest record that is not in S3 yet. */
  metricFreshness(): Metric {
    return new Metric({
      namespace: 'AWS/Firehose',
      metricName: 'DeliveryToS3.DataFreshness',
      dimensionsMap: { DeliveryStreamName: this.streamName },
      statistic: 'Maximum',
      region: Stack.of(this).region,
    })
  }
}
