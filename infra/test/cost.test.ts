// What the model of the bill takes for granted of the stacks, held against their templates.

import { parseTableDefinition } from '@lastwrite/merge-core'
import { Duration } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import { expect, it } from 'vitest'
import { ASSUMED, monthlyBill } from '../../packages/batch-worker/src/cost-model.ts'
import { addStage } from '../lib/stage.ts'
import { deployed } from './deployed.ts'
import { IMAGE, STAGE, unbundledApp } from './synthesized.ts'

const GIB = 2 ** 30

/** Gives the resources of a type, or those whose ids have a word in them, of a stage that leaves all else to defaults. */
function resourcesOf(minutes: number) {
  const { definition, streamLabel, database } = STAGE
  const stage = { definition, streamLabel, database, from: 'empty', freshness: Duration.minutes(minutes) } as const
  const { storage, pipeline } = addStage(unbundledApp(), 'test', stage, ContainerImage.fromRegistry(IMAGE))
  const templates = { storage: Template.fromStack(storage), pipeline: Template.fromStack(pipeline) }
  const filled = deployed(templates, { Landing: 'landing', Tables: 'tables' })
  return (type: string, word = '') =>
    Object.entries(filled.ofType(`AWS::${type}`)).flatMap(([id, resource]) => (id.includes(word) ? [resource] : []))
}

it.each([1, 2, 5, 10, 25, 60, 90])(
  'merges and objects come as often as the model says: freshness %d min',
  (minutes) => {
    const resources = resourcesOf(minutes)
    const { everySeconds } = monthlyBill({
      ...{ writesPerSecond: 1, itemBytes: 1024, tableBytes: GIB, scatter: 1 },
      freshnessMinutes: minutes,
    }).merge
    const every = everySeconds === 60 ? '1 minute' : `${everySeconds / 60} minutes`
    expect(resources('Scheduler::Schedule', 'MergeSchedule')).toMatchObject([{ ScheduleExpression: `rate(${every})` }])
    const { firehoseSecondsMin, firehoseSecondsMax, firehoseObjectBytes } = ASSUMED
    const BufferingHints = {
      IntervalInSeconds: Math.min(firehoseSecondsMax, Math.max(firehoseSecondsMin, 30 * minutes)),
      SizeInMBs: firehoseObjectBytes / 2 ** 20,
    }
    expect(resources('KinesisFirehose::DeliveryStream')).toMatchObject([
      { ExtendedS3DestinationConfiguration: { BufferingHints } },
    ])
  },
)

it('workers, functions and what is kept are as the model says', () => {
  const resources = resourcesOf(10)
  const ResourceRequirements = [
    { Type: 'MEMORY', Value: String(ASSUMED.memoryGb * 1024) },
    { Type: 'VCPU', Value: String(ASSUMED.vcpus) },
  ]
  expect(resources('Batch::JobDefinition', 'JobMerge')).toMatchObject([
    { ContainerProperties: { ResourceRequirements } },
  ])
  expect(resources('Lambda::Function')).toMatchObject([{ MemorySize: ASSUMED.forwarderGb * 1024 }])
  expect(resources('Lambda::EventSourceMapping')).toMatchObject([
    {
      BatchSize: ASSUMED.forwarderBatchRecords,
      MaximumBatchingWindowInSeconds: ASSUMED.forwarderWindowSeconds,
      ParallelizationFactor: ASSUMED.forwardersPerShard,
    },
  ])
  expect(resources('CloudWatch::Alarm')).toHaveLength(ASSUMED.alarms)
  const { landingDays, keepSnapshotsHours } = parseTableDefinition(STAGE.definition)
  expect(landingDays).toBe(ASSUMED.landingDays)
  // Upkeep comes once a day, and then an older version is left.
  const NoncurrentDays = ASSUMED.supersededDays - keepSnapshotsHours / 24 - 0.5
  const rule = expect.objectContaining({ NoncurrentVersionExpiration: { NoncurrentDays } })
  expect(resources('S3::Bucket', 'Tables')).toMatchObject([
    { LifecycleConfiguration: { Rules: expect.arrayContaining([rule]) } },
  ])
})
