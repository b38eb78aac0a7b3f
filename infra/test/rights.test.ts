// The policies of the stacks, asked about the calls that the programs were seen to make, and about those that nobody may make.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ACCOUNT, deployed, REGION } from './deployed.ts'
import { type Call, isAllowed, statementsOf } from './policy.ts'
import { FLEET, stageTemplates } from './synthesized.ts'

// With the option that has all jobs.
const stage = deployed(stageTemplates({ fleet: FLEET }), { Landing: 'landing', Tables: 'tables' })
const KEY = Object.keys(stage.ofType('AWS::KMS::Key'))[0]!

const GLUE = [
  `arn:aws:glue:${REGION}:${ACCOUNT}:catalog`,
  `arn:aws:glue:${REGION}:${ACCOUNT}:database/shop`,
  `arn:aws:glue:${REGION}:${ACCOUNT}:table/shop/orders`,
]
const BATCH = `arn:aws:batch:${REGION}:${ACCOUNT}:`
const DELIVERY = `arn:aws:firehose:${REGION}:${ACCOUNT}:deliverystream/`

const ROLES = {
  forwarder: 'ChangeCaptureRole',
  delivery: 'DeliveryRole',
  init: 'MergeJobInitRole',
  merge: 'MergeJobMergeRole',
  plan: 'MergeJobPlanRole',
  shard: 'MergeJobShardRole',
  commit: 'MergeJobCommitRole',
  maintain: 'MergeJobMaintainRole',
  backfill: 'MergeJobBackfillRole',
  replay: 'MergeJobReplayRole',
  bootstrap: 'BootstrapRole',
  reader: 'CatalogReaders',
} as const
type RoleName = keyof typeof ROLES

const may = (role: RoleName, call: Call): boolean => isAllowed(call, statementsOf(stage, ROLES[role]))

describe('every call that a program was seen to make is allowed', () => {
  const recorded = JSON.parse(readFileSync(new URL('recorded-calls.json', import.meta.url), 'utf8')) as Record<
    RoleName,
    string[]
  >
  for (const [role, rights] of Object.entries(recorded) as [RoleName, string[]][]) {
    it.each(rights)(`${role}: %s`, (right) => {
      for (const call of callsOf(right)) expect([call, may(role, call)]).toEqual([call, true])
    })
  }
})

describe('what else they need is allowed', () => {
  it.each<[RoleName, string, string]>([
    // What a day of age, a large file or a failure leads to, which a recording does not wait for.
    ['merge', 's3:AbortMultipartUpload', 'tables/orders/data/x'],
    ['plan', 's3:AbortMultipartUpload', 'tables/_lastwrite/orders/staging/x'],
    ['shard', 's3:AbortMultipartUpload', 'tables/orders/data/x'],
    ['commit', 's3:PutObject', 'tables/orders/data/x'],
    ['commit', 's3:PutObject', 'tables/_lastwrite/orders/tombstones/x'],
    ['maintain', 's3:DeleteObject', 'tables/orders/data/x'],
    ['maintain', 's3:DeleteObject', 'tables/orders/metadata/x'],
    ['maintain', 's3:DeleteObject', 'tables/_lastwrite/orders/tombstones/x'],
    ['maintain', 's3:AbortMultipartUpload', 'tables/orders/data/x'],
    ['maintain', 's3:PutObject', 'tables/orders/metadata/x'],
    ['forwarder', 's3:PutObject', 'landing/aws/lambda/x/shard/x'],
    ['delivery', 's3:PutObject', 'landing/landing/orders/2026/11/22/08/x'],
    ['delivery', 's3:PutObject', 'landing/errors/orders/processing-failed/x'],
    ['bootstrap', 's3:PutObject', 'landing/exports/orders/AWSDynamoDB/x'],
    ['reader', 's3:GetObject', 'tables/orders/data/x'],
    ['reader', 's3:PutObject', 'landing/athena-results/orders/x'],
  ])('%s: %s %s', (role, action, path) => {
    expect(may(role, { action, resource: `arn:aws:s3:::${path}` })).toBe(true)
  })

  it.each(['GetRecords', 'GetShardIterator', 'DescribeStream', 'ListStreams'])('forwarder: dynamodb:%s', (name) => {
    const resource = `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/orders/stream/2026-11-22T08:00:00.000`
    expect(may('forwarder', { action: `dynamodb:${name}`, resource })).toBe(true)
  })

  it('who reads may decrypt by the one key, who writes may encrypt by it', () => {
    const key = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${KEY}`
    for (const role of Object.keys(ROLES) as RoleName[]) {
      expect([role, may(role, { action: 'kms:Decrypt', resource: key })]).toEqual([role, true])
      expect([role, may(role, { action: 'kms:GenerateDataKey', resource: key })]).toEqual([role, true])
    }
  })
})

describe('what is dangerous is refused', () => {
  const programs = Object.keys(ROLES) as RoleName[]
  const refused = (roles: readonly RoleName[], action: string, resource: string, context?: Call['context']) => {
    for (const role of roles) {
      const call = { action, resource, ...(context !== undefined && { context }) }
      expect([role, call, may(role, call)]).toEqual([role, call, false])
    }
  }
  const but = (...left: RoleName[]) => programs.filter((name) => !left.includes(name))

  it('only upkeep deletes, and only what belongs to the table', () => {
    for (const path of ['orders/data/x', 'orders/metadata/x', '_lastwrite/orders/ledger/x'])
      refused(but('maintain'), 's3:DeleteObject', `arn:aws:s3:::tables/${path}`)
    for (const path of ['landing/orders/x', 'errors/orders/x', 'aws/lambda/x', 'oversize/orders/x', 'exports/orders/x'])
      refused(programs, 's3:DeleteObject', `arn:aws:s3:::landing/${path}`)
    refused(programs, 's3:DeleteObjectVersion', 'arn:aws:s3:::tables/orders/data/x')
    refused(programs, 's3:DeleteBucket', 'arn:aws:s3:::tables')
  })

  it('nobody but Firehose and a replay lands anything', () => {
    refused(but('delivery', 'replay'), 's3:PutObject', 'arn:aws:s3:::landing/landing/orders/x')
  })

  it('nobody reaches another table, its state or what lands for it', () => {
    for (const name of ['customers', 'orders2', 'orders_old']) {
      for (const action of ['s3:GetObject', 's3:PutObject', 's3:DeleteObject']) {
        for (const path of [`tables/${name}/data/x`, `tables/_lastwrite/${name}/x`, `landing/landing/${name}/x`])
          refused(programs, action, `arn:aws:s3:::${path}`)
      }
      refused(programs, 's3:ListBucket', 'arn:aws:s3:::tables', { 's3:prefix': `${name}/` })
      for (const action of ['glue:GetTable', 'glue:UpdateTable', 'glue:CreateTable', 'glue:DeleteTable'])
        refused(programs, action, `arn:aws:glue:${REGION}:${ACCOUNT}:table/shop/${name}`)
    }
  })

  it('nobody reaches another bucket, lists a whole one, or changes what guards them', () => {
    for (const action of ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket'])
      for (const path of ['other', 'other/orders/x', 'tables-of-others/orders/x'])
        refused(programs, action, `arn:aws:s3:::${path}`)
    for (const prefix of ['', 'l', 'landing/', 'o'])
      refused(but('forwarder'), 's3:ListBucket', 'arn:aws:s3:::landing', { 's3:prefix': prefix })
    for (const action of ['s3:PutBucketPolicy', 's3:PutLifecycleConfiguration', 's3:PutBucketVersioning'])
      for (const bucket of ['tables', 'landing']) refused(programs, action, `arn:aws:s3:::${bucket}`)
  })

  it('nobody takes the table out of the catalog, and only init makes it', () => {
    for (const resource of GLUE) {
      refused(programs, 'glue:DeleteTable', resource)
      refused(programs, 'glue:DeleteDatabase', resource)
      refused(but('init'), 'glue:CreateTable', resource)
      refused(but('merge', 'commit', 'maintain', 'backfill'), 'glue:UpdateTable', resource)
    }
  })

  it('a plan changes nothing of the table, and a shard nothing but data files', () => {
    for (const path of ['orders/metadata/x', '_lastwrite/orders/ledger/x', '_lastwrite/orders/tombstones/x'])
      refused(['plan', 'shard'], 's3:PutObject', `arn:aws:s3:::tables/${path}`)
    refused(['plan'], 's3:PutObject', 'arn:aws:s3:::tables/orders/data/x')
    for (const path of ['landing/orders/x', 'oversize/orders/x'])
      refused(['shard'], 's3:GetObject', `arn:aws:s3:::landing/${path}`)
  })

  it('a plan submits the shards and the commit of its table, and nothing else; a bootstrap what it waits for', () => {
    const definitions = Object.keys(stage.ofType('AWS::Batch::JobDefinition'))
    expect(definitions).toHaveLength(8)
    const submitters: Partial<Record<RoleName, RegExp>> = { plan: /Shard|Commit/, bootstrap: /Init|Backfill/ }
    for (const role of programs)
      for (const definition of definitions) {
        const call = { action: 'batch:SubmitJob', resource: `${BATCH}job-definition/${definition}` }
        expect([role, call, may(role, call)]).toEqual([role, call, submitters[role]?.test(definition) ?? false])
      }
    refused(programs, 'batch:SubmitJob', `${BATCH}job-definition/other`)
    refused(programs, 'batch:SubmitJob', `${BATCH}job-queue/other`)
    refused(but('plan', 'bootstrap'), 'batch:SubmitJob', BATCH + jobQueue())
    refused(but('bootstrap'), 'batch:TerminateJob', `${BATCH}job/x`)
    for (const action of ['batch:RegisterJobDefinition', 'batch:UpdateJobQueue'])
      refused(programs, action, `${BATCH}job-definition/other`)
  })

  it('who asks Athena changes nothing', () => {
    for (const path of [
      'tables/orders/data/x',
      'tables/orders/metadata/x',
      'tables/_lastwrite/orders/x',
      'landing/landing/orders/x',
    ])
      for (const action of ['s3:PutObject', 's3:DeleteObject']) refused(['reader'], action, `arn:aws:s3:::${path}`)
    refused(['reader'], 's3:GetObject', 'arn:aws:s3:::landing/landing/orders/x')
    refused(['reader'], 'athena:StartQueryExecution', `arn:aws:athena:${REGION}:${ACCOUNT}:workgroup/primary`)
  })

  it('nobody touches rights, other keys, other functions, or the data of the DynamoDB table', () => {
    for (const action of ['iam:PassRole', 'iam:CreateUser', 'iam:AttachRolePolicy', 'sts:AssumeRole'])
      refused(programs, action, `arn:aws:iam::${ACCOUNT}:role/admin`)
    for (const action of ['kms:Decrypt', 'kms:GenerateDataKey', 'kms:ScheduleKeyDeletion'])
      refused(programs, action, `arn:aws:kms:${REGION}:${ACCOUNT}:key/other`)
    refused(programs, 'kms:ScheduleKeyDeletion', `arn:aws:kms:${REGION}:${ACCOUNT}:key/${KEY}`)
    refused(programs, 'lambda:InvokeFunction', `arn:aws:lambda:${REGION}:${ACCOUNT}:function:other`)
    for (const action of ['dynamodb:GetItem', 'dynamodb:Scan', 'dynamodb:PutItem', 'dynamodb:DeleteTable'])
      refused(programs, action, `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/orders`)
    refused(programs, 'firehose:PutRecordBatch', `${DELIVERY}other`)
    refused(but('forwarder'), 'firehose:PutRecordBatch', `${DELIVERY}${deliveryStream()}`)
  })
})

function jobQueue(): string {
  return `job-queue/${Object.keys(stage.ofType('AWS::Batch::JobQueue'))[0]!}`
}

/** What a plan names when it submits: its queue, and what is to run there. */
function submissions(): string[] {
  const definitions = Object.keys(stage.ofType('AWS::Batch::JobDefinition'))
  return [jobQueue(), ...definitions.filter((id) => /Shard|Commit/.test(id)).map((id) => `job-definition/${id}`)]
}

function deliveryStream(): string {
  return Object.keys(stage.ofType('AWS::KinesisFirehose::DeliveryStream'))[0]!
}

/** Of a line of the recording: `s3:GetObject arn…`, `s3:ListBucket arn… prefix`, or an action of another service alone. */
function callsOf(right: string): Call[] {
  const [action, resource, prefix] = right.split(' ') as [string, string?, string?]
  if (action.startsWith('glue:'))
    return GLUE.filter((arn) => action !== 'glue:GetDatabase' || !arn.includes(':table/')).map((arn) => ({
      action,
      resource: arn,
    }))
  if (action === 'batch:ListJobs') return [{ action, resource: '*' }]
  if (action === 'batch:SubmitJob') return submissions().map((resource) => ({ action, resource: BATCH + resource }))
  if (action.startsWith('firehose:')) return [{ action, resource: DELIVERY + deliveryStream() }]
  return [{ action, resource: resource!, ...(prefix !== undefined && { context: { 's3:prefix': prefix } }) }]
}
