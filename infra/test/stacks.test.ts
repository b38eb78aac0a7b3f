// What of the traps of the services (semantics, section 8) the stacks decide, by the number of the trap.

import { ATTEMPTS, EVALUATE_ON_EXIT } from '@lastwrite/batch-worker/evaluate-on-exit'
import { Stack } from 'aws-cdk-lib'
import { Match } from 'aws-cdk-lib/assertions'
import { AttributeType, StreamViewType, Table } from 'aws-cdk-lib/aws-dynamodb'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import { describe, expect, it } from 'vitest'
import { PipelineStack } from '../lib/pipeline-stack.ts'
import { StorageStack } from '../lib/storage-stack.ts'
import { streamByLabel, streamOf } from '../lib/table-stream.ts'
import { ACCOUNT, type Deployed, deployed, REGION } from './deployed.ts'
import { FLEET, IMAGE, STAGE, stageTemplates, unbundledApp } from './synthesized.ts'

const stage = stageTemplates()
const { storage, pipeline } = stage
const filled = deployed(stage, { Landing: 'landing', Tables: 'tables' })
const jobs = Object.values(filled.ofType('AWS::Batch::JobDefinition'))

describe('the traps that infrastructure decides', () => {
  it('1: the event source takes partial answers and sends batches again', () => {
    pipeline.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      StartingPosition: 'TRIM_HORIZON',
    })
  })

  it('3: retries are bounded, batches halved, and what is given up goes to a bucket', () => {
    pipeline.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 10,
      MaximumRecordAgeInSeconds: 6 * 3600,
      DestinationConfig: { OnFailure: { Destination: { 'Fn::ImportValue': Match.stringLikeRegexp('Landing.*Arn') } } },
    })
    const [mapping] = Object.values(filled.ofType('AWS::Lambda::EventSourceMapping'))
    expect(mapping!.DestinationConfig).toEqual({ OnFailure: { Destination: 'arn:aws:s3:::landing' } })
  })

  it('5: the function knows where oversize items go, and a job may read them', () => {
    const [fn] = Object.values(filled.ofType('AWS::Lambda::Function'))
    expect(fn!.Environment).toMatchObject({ Variables: { OVERSIZE_LOCATION: 's3://landing/oversize/orders/' } })
  })

  it('6 and 7: Firehose writes records as they are, with no delimiter of its own and no partitioning by content', () => {
    const [stream] = Object.values(filled.ofType('AWS::KinesisFirehose::DeliveryStream'))
    expect(stream).toMatchObject({ DeliveryStreamType: 'DirectPut' })
    const destination = stream!.ExtendedS3DestinationConfiguration as Record<string, unknown>
    expect(destination).toMatchObject({ CompressionFormat: 'GZIP' })
    for (const absent of [
      'ProcessingConfiguration',
      'DynamicPartitioningConfiguration',
      'DataFormatConversionConfiguration',
    ])
      expect(destination).not.toHaveProperty(absent)
  })

  it('8: landing objects lie under the hour of their arrival, nothing else under their prefix', () => {
    const [stream] = Object.values(filled.ofType('AWS::KinesisFirehose::DeliveryStream'))
    expect(stream!.ExtendedS3DestinationConfiguration).toMatchObject({
      Prefix: 'landing/orders/!{timestamp:yyyy/MM/dd/HH}/',
      ErrorOutputPrefix: 'errors/orders/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/',
    })
    expect(
      jobs
        .map(environmentOf)
        .map(({ LASTWRITE_LANDING }) => LASTWRITE_LANDING)
        .filter(Boolean),
    ).toEqual(Array(3).fill('s3://landing/landing/orders/'))
  })

  it('9: a replay finds what Firehose and Lambda set aside, and an alarm tells that Firehose lags', () => {
    const replay = jobs.map(environmentOf).find(({ LASTWRITE_ERRORS }) => LASTWRITE_ERRORS !== undefined)!
    const [mapping] = Object.keys(filled.ofType('AWS::Lambda::EventSourceMapping'))
    expect(replay.LASTWRITE_ERRORS).toBe(`s3://landing/errors/orders/,s3://landing/aws/lambda/${mapping}/`)
    pipeline.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'DeliveryToS3.DataFreshness' })
  })

  it('12: whoever reads where an object may be missing may list there, so that missing is not denied', () => {
    const policies = Object.values(filled.ofType('AWS::IAM::Policy'))
    const merge = policies.find(({ PolicyName }) => /MergeRole/.test(String(PolicyName)))!
    const { Statement } = merge.PolicyDocument as { Statement: { Action: string }[] }
    expect(Statement.filter(({ Action }) => Action === 's3:ListBucket')).toHaveLength(2)
  })

  it('17: jobs are started again by the rules of the worker, whose last one ends, and stop by themselves before they are stopped', () => {
    const rules = EVALUATE_ON_EXIT.map(({ action, onExitCode, onReason, onStatusReason }) => ({
      Action: action,
      ...(onExitCode !== undefined && { OnExitCode: onExitCode }),
      ...(onReason !== undefined && { OnReason: onReason }),
      ...(onStatusReason !== undefined && { OnStatusReason: onStatusReason }),
    }))
    expect(rules.at(-1)).toEqual({ Action: 'EXIT', OnReason: '*' })
    for (const job of jobs) {
      expect(job.RetryStrategy).toEqual({ Attempts: ATTEMPTS, EvaluateOnExit: rules })
      const minutes = Number(/^(\d+)m$/.exec(environmentOf(job).LASTWRITE_DEADLINE!)![1])
      const { AttemptDurationSeconds } = job.Timeout as { AttemptDurationSeconds: number }
      expect(AttemptDurationSeconds).toBeGreaterThanOrEqual(minutes * 60 + 60)
    }
  })

  it('18: the old values that tell which row moves come from the definition', () => {
    const [fn] = Object.values(filled.ofType('AWS::Lambda::Function'))
    expect(fn!.Environment).toMatchObject({ Variables: { OLD_ATTRIBUTES: '["created_at"]' } })
  })

  it('21: the stream and its forwarder come before the export, the table before both', () => {
    const [machine] = Object.values(filled.ofType('AWS::StepFunctions::StateMachine'))
    const { StartAt, States } = JSON.parse(machine!.DefinitionString as string) as {
      StartAt: string
      States: Record<string, { Next?: string; Choices?: { Next: string }[]; Catch?: { Next: string }[] }>
    }
    const order = [StartAt]
    for (let state = States[StartAt]; state !== undefined; state = States[order.at(-1)!]) {
      const next = state.Catch?.[0]?.Next ?? state.Choices?.[0]?.Next ?? state.Next
      if (next === undefined) break
      order.push(next)
    }
    expect(order).toEqual([
      'FindTable',
      'MakeTable',
      'TurnOnRecovery',
      'NameStream',
      'Export',
      'Wait',
      'LookAtExport',
      'IsExported',
      'Backfill',
      'Done',
    ])
    pipeline.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: Match.objectLike({ source: ['aws.cloudformation'] }),
    })
  })
})

it('a scheduled merge leaves what has landed to one that is under way', () => {
  const commands = jobs.map(({ ContainerProperties }) => (ContainerProperties as { Command: string[] }).Command)
  expect(commands).toContainEqual(['merge', 'glue:shop.orders', '--skip-if-running'])
})

describe('a fleet', () => {
  const large = deployed(stageTemplates({ fleet: FLEET }), { Landing: 'landing', Tables: 'tables' })
  const definitions = large.ofType('AWS::Batch::JobDefinition')
  const definition = (name: string) => Object.entries(definitions).find(([id]) => id.includes(`MergeJob${name}`))!
  const container = (name: string) => definition(name)[1].ContainerProperties as Record<string, unknown>
  const arnOf = (name: string) => `arn:aws:batch:${REGION}:${ACCOUNT}:job-definition/${definition(name)[0]}`

  it('is planned instead of merged, by a job that submits the shards and their commit', () => {
    const inputs = Object.values(large.ofType('AWS::Scheduler::Schedule'))
      .map(({ Target }) => JSON.parse((Target as { Input: string }).Input))
      .map(({ JobName, JobDefinition }) => [JobName, JobDefinition])
    expect(inputs).toEqual([
      ['plan', arnOf('Plan')],
      ['maintain', arnOf('Maintain')],
    ])
    expect(container('Plan').Command).toEqual(['plan', 'glue:shop.orders', '--submit', '--skip-if-running'])
    expect(environmentOf(definition('Plan')[1])).toMatchObject({
      LASTWRITE_SHARDS: '16',
      LASTWRITE_SHARD_JOB: arnOf('Shard'),
      LASTWRITE_COMMIT_JOB: arnOf('Commit'),
    })
  })

  it('has room for all shards beside the other jobs, and gives each what it is told to', () => {
    const cpus = (of: Deployed) =>
      Object.values(of.ofType('AWS::Batch::ComputeEnvironment')).map(
        ({ ComputeResources }) => (ComputeResources as { MaxvCpus: number }).MaxvCpus,
      )
    expect([cpus(filled), cpus(large)]).toEqual([[8], [40]])
    const memory = (name: string) =>
      (container(name).ResourceRequirements as { Type: string; Value: string }[]).find(({ Type }) => Type === 'MEMORY')
    expect(['Plan', 'Shard', 'Commit'].map((name) => memory(name)!.Value)).toEqual(['8192', '4096', '8192'])
  })

  it('retries and stops by itself as the other jobs do', () => {
    for (const name of ['Plan', 'Shard', 'Commit']) {
      const [, { RetryStrategy, Timeout }] = definition(name)
      expect({ RetryStrategy, Timeout }).toEqual({ RetryStrategy: jobs[0]!.RetryStrategy, Timeout: jobs[0]!.Timeout })
      expect(environmentOf(definition(name)[1]).LASTWRITE_DEADLINE).toBe('50m')
    }
  })

  it.each([0, 1, 2.5, 10_001])('of %d shards is refused when the template is made', (shards) => {
    expect(() => stageTemplates({ fleet: { shards } })).toThrow(/an array job has 2 to 10000 children/)
  })
})

describe('the buckets', () => {
  const buckets = Object.values(filled.ofType('AWS::S3::Bucket'))
  const rules = buckets.map(
    ({ LifecycleConfiguration }) => (LifecycleConfiguration as { Rules: Record<string, unknown>[] }).Rules,
  )

  it('let inbound prefixes expire after landing_days, and end uploads that nobody completed', () => {
    const expiring = rules
      .flat()
      .filter(({ ExpirationInDays }) => ExpirationInDays === 14)
      .map(({ Prefix }) => Prefix)
    expect(expiring.toSorted()).toEqual(['aws/lambda/', 'errors/', 'exports/', 'landing/', 'oversize/'])
    for (const of of rules)
      expect(of).toContainEqual(expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } }))
  })

  it('let nothing of a table expire but what was deleted', () => {
    const tables = rules.find((of) => of.some((rule) => 'NoncurrentVersionExpiration' in rule))!
    expect(tables.filter((rule) => 'ExpirationInDays' in rule)).toEqual([])
  })

  it('are shut to the public and to plain HTTP, and outlive their stack', () => {
    for (const { PublicAccessBlockConfiguration } of buckets)
      expect(Object.values(PublicAccessBlockConfiguration as object)).toEqual([true, true, true, true])
    storage.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Retain' })
    for (const { PolicyDocument } of Object.values(filled.ofType('AWS::S3::BucketPolicy')))
      expect(JSON.stringify(PolicyDocument)).toContain('{"Bool":{"aws:SecureTransport":"false"}}')
  })

  it('use one key of their own through bucket keys, where a stage wants it', () => {
    const encryption = ({ BucketEncryption }: Record<string, unknown>) => JSON.stringify(BucketEncryption)
    for (const bucket of buckets)
      expect(encryption(bucket)).toMatch(/"BucketKeyEnabled":true.*"SSEAlgorithm":"aws:kms"/)
    const plain = deployed(stageTemplates({ ownKey: false }), { Landing: 'landing', Tables: 'tables' })
    for (const bucket of Object.values(plain.ofType('AWS::S3::Bucket'))) expect(encryption(bucket)).toContain('AES256')
    expect(plain.ofType('AWS::KMS::Key')).toEqual({})
  })
})

describe('what contradicts itself is refused when the template is made', () => {
  /** The stacks of a table, whose stream has a view and whose definition differs from the example. */
  function build({
    viewType = StreamViewType.NEW_AND_OLD_IMAGES,
    ...changes
  }: {
    viewType?: StreamViewType
    [of: string]: unknown
  }) {
    const app = unbundledApp()
    const definition = { ...JSON.parse(STAGE.definition), ...changes }
    const stream = streamByLabel(JSON.parse(STAGE.definition), STAGE.streamLabel, viewType)
    const { storage } = new StorageStack(app, 'storage', { database: 'shop', landingDays: 14 })
    const image = ContainerImage.fromRegistry(IMAGE)
    return new PipelineStack(app, 'pipeline', { definition: JSON.stringify(definition), stream, storage, image })
  }

  it('a stream without old images, where an update can move an item', () => {
    expect(() => build({ viewType: StreamViewType.NEW_IMAGE })).toThrow(/partitioned by created_at.*NEW_AND_OLD_IMAGES/)
    expect(() => build({ viewType: StreamViewType.NEW_IMAGE, partition_by: ['bucket(pk, 8)'] })).not.toThrow()
  })
  it('a stream without new images', () => {
    expect(() => build({ viewType: StreamViewType.KEYS_ONLY })).toThrow(/KEYS_ONLY, which has no new images/)
  })
  it('a stream of another table', () => {
    expect(() => build({ table: 'customers' })).toThrow(/that of customers, the stream that of orders/)
  })
  it('inbound objects that expire before the definition says so', () => {
    expect(() => build({ landing_days: 20, tombstone_days: 60 })).toThrow(/landing_days is 20.*expire after 14/)
  })
  it('a definition that cannot be read', () => {
    expect(() => build({ key: ['nothing'] })).toThrow(/definition: key\[0\]/)
  })
  it('a stream label that is none', () => {
    expect(() => streamByLabel(JSON.parse(STAGE.definition), 'latest')).toThrow(/LatestStreamLabel/)
  })
})

describe('a table of the same app', () => {
  it('tells of its stream by itself, and is refused without one', () => {
    const stack = new Stack(unbundledApp(), 'tables')
    const partitionKey = { name: 'pk', type: AttributeType.STRING }
    const stream = StreamViewType.NEW_AND_OLD_IMAGES
    const orders = new Table(stack, 'Orders', { partitionKey, stream })
    expect(streamOf(orders)).toEqual({ tableArn: orders.tableArn, streamArn: orders.tableStreamArn, viewType: stream })
    expect(() => streamOf(new Table(stack, 'Silent', { partitionKey }))).toThrow(/tables\/Silent: no stream/)
  })
})

function environmentOf(job: Readonly<Record<string, unknown>>): Record<string, string> {
  const { Environment = [] } = job.ContainerProperties as { Environment?: { Name: string; Value: string }[] }
  return Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value]))
}
