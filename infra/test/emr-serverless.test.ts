// Spark on EMR Serverless, where a stage asks for it.

import { describe, expect, it } from 'vitest'
import { emrApplicationOption, emrRoleOption } from '../../packages/batch-worker/src/options.ts'
import { ACCOUNT, deployed, REGION } from './deployed.ts'
import { type Call, isAllowed, statementsOf } from './policy.ts'
import { FLEET, stageTemplates } from './synthesized.ts'

const BUCKETS = { Landing: 'landing', Tables: 'tables' }
const templates = stageTemplates({ emrServerless: { vcpusMax: 100 } })
const stage = deployed(templates, BUCKETS)
const without = deployed(stageTemplates(), BUCKETS)
const [id, ...others] = Object.keys(stage.ofType('AWS::EMRServerless::Application'))
const application = id!.toLowerCase()
const APPLICATION = `arn:aws:emr-serverless:${REGION}:${ACCOUNT}:/applications/${application}`
const ROLE = `arn:aws:iam::${ACCOUNT}:role/${Object.keys(stage.ofType('AWS::IAM::Role')).find((id) => id.includes('Spark'))}`

/** The variables of each job that are about EMR. */
function variables(of: typeof stage): Record<string, Record<string, string>> {
  const jobs = Object.entries(of.ofType('AWS::Batch::JobDefinition')).map(([id, job]) => {
    const { Environment } = job.ContainerProperties as { Environment: { Name: string; Value: string }[] }
    const own = Environment.filter(({ Name }) => Name.startsWith('LASTWRITE_EMR'))
    return [id, Object.fromEntries(own.map(({ Name, Value }) => [Name, Value]))] as const
  })
  return Object.fromEntries(jobs.filter(([, own]) => Object.keys(own).length > 0))
}

describe('Spark on EMR Serverless', () => {
  it('is not there unless a stage asks for it', () => {
    expect(without.ofType('AWS::EMRServerless::Application')).toEqual({})
    expect(variables(without)).toEqual({})
  })

  it('is one application that starts for a job, stops without one and does not grow without end', () => {
    expect(others).toEqual([])
    templates.pipeline.hasResourceProperties('AWS::EMRServerless::Application', {
      Type: 'SPARK',
      Architecture: 'ARM64',
      ReleaseLabel: 'emr-7.13.0',
      AutoStartConfiguration: { Enabled: true },
      AutoStopConfiguration: { Enabled: true, IdleTimeoutMinutes: 5 },
      MaximumCapacity: { Cpu: '100 vCPU', Memory: '400 GB' },
    })
    expect(() => stageTemplates({ emrServerless: { vcpusMax: 8 } })).toThrow(/vcpusMax is 8.*starts with 16/)
  })

  it('is refused beside a fleet, which would not use it', () => {
    expect(() => stageTemplates({ emrServerless: { vcpusMax: 16 }, fleet: FLEET })).toThrow(
      /choose fleet or emrServerless/,
    )
  })

  it('is what merges are told of, by the names of the options of the worker', () => {
    const names = [emrApplicationOption().envVar!, emrRoleOption().envVar!]
    expect(Object.entries(variables(stage))).toEqual([
      [expect.stringContaining('JobMerge'), { [names[0]!]: application, [names[1]!]: ROLE }],
    ])
  })
})

describe('the rights of Spark on EMR Serverless', () => {
  const may = (id: string, action: string, resource: string, context: Call['context'] = {}) =>
    isAllowed({ action, resource, context }, statementsOf(stage, id))
  const onS3 = (path: string) => `arn:aws:s3:::${path}`
  const PASSED = { 'iam:PassedToService': 'emr-serverless.amazonaws.com' }

  it('let a merge start jobs, ask for them and cancel them, and give them their role', () => {
    const merge = 'MergeJobMergeRole'
    expect(may(merge, 'emr-serverless:StartJobRun', APPLICATION)).toBe(true)
    for (const name of ['GetJobRun', 'CancelJobRun'])
      expect(may(merge, `emr-serverless:${name}`, `${APPLICATION}/jobruns/00f1`)).toBe(true)
    expect(may(merge, 'iam:PassRole', ROLE, PASSED)).toBe(true)
  })

  it('let a merge do nothing else there, and nobody else anything', () => {
    const merge = 'MergeJobMergeRole'
    for (const name of ['DeleteApplication', 'UpdateApplication', 'StopApplication', 'CreateApplication'])
      expect(may(merge, `emr-serverless:${name}`, APPLICATION)).toBe(false)
    expect(may(merge, 'emr-serverless:StartJobRun', `${APPLICATION}x`)).toBe(false)
    expect(may(merge, 'iam:PassRole', ROLE, { 'iam:PassedToService': 'ec2.amazonaws.com' })).toBe(false)
    expect(may(merge, 'iam:PassRole', `arn:aws:iam::${ACCOUNT}:role/admin`, PASSED)).toBe(false)
    for (const id of ['InitRole', 'MaintainRole', 'BackfillRole', 'ReplayRole', 'BootstrapRole', 'SparkRole']) {
      expect([id, may(id, 'emr-serverless:StartJobRun', APPLICATION)]).toEqual([id, false])
      expect([id, may(id, 'iam:PassRole', ROLE, PASSED)]).toEqual([id, false])
    }
  })

  it.each([
    ['s3:GetObject', 'tables/orders/data/x'],
    ['s3:GetObject', 'tables/_lastwrite/orders/staging/x/tasks.json'],
    ['s3:PutObject', 'tables/orders/data/p/x-1-00000/part-0.parquet'],
    ['s3:PutObject', 'tables/_lastwrite/orders/staging/x/result.json'],
    ['s3:DeleteObject', 'tables/orders/data/p/x-1-00000/_temporary/0/x'],
    ['s3:DeleteObject', 'tables/orders/data/p/x-1-00000/_temporary_$folder$'],
    ['s3:DeleteObject', 'tables/_lastwrite/orders/staging/x/x-00000/_temporary/0'],
  ])('let a job %s %s', (action, path) => {
    expect(may('SparkRole', action, onS3(path))).toBe(true)
  })

  it.each([
    ['s3:PutObject', 'tables/orders/metadata/v2.metadata.json'],
    ['s3:PutObject', 'tables/_lastwrite/orders/ledger/x'],
    ['s3:DeleteObject', 'tables/orders/data/p/part-0.parquet'],
    ['s3:DeleteObject', 'tables/_lastwrite/orders/staging/x/tasks.json'],
    ['s3:GetObject', 'landing/landing/orders/x'],
    ['s3:GetObject', 'tables/orders2/data/x'],
    ['s3:PutObject', 'tables/orders2/data/x'],
  ])('do not let a job %s %s', (action, path) => {
    expect(may('SparkRole', action, onS3(path))).toBe(false)
  })

  it('give a job no right to the catalog', () => {
    for (const action of ['glue:GetTable', 'glue:UpdateTable'])
      expect(may('SparkRole', action, `arn:aws:glue:${REGION}:${ACCOUNT}:table/shop/orders`)).toBe(false)
  })
})
