// The programs run as the templates say: the commands and variables of the job definitions start the real worker, those of the function
// the real bundle. The rights that their calls need are what test/recorded-calls.json holds, which test/rights.test.ts replays.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BatchModel, startBatch } from '../../packages/batch-worker/test/batch-model.ts'
import { LASTWRITE, runProcess } from '../../packages/batch-worker/test/run-lastwrite.ts'
import { streamRecord } from '../../packages/lambda-forwarder/test/stream-batch.ts'
import {
  type CatalogServer,
  describeWithCatalogs,
  startGlue,
} from '../../packages/merge-core/interop/catalog-servers.ts'
import { type S3Server, startS3 } from '../../packages/merge-core/interop/s3-servers.ts'
import { writeExport } from '../../packages/test-rig/src/export-writer.ts'
import { NO_FAULTS, startFirehose } from '../../packages/test-rig/src/firehose-model.ts'
import { lambdaFunction } from '../../packages/test-rig/src/lambda-function.ts'
import { bundleForwarder } from '../../scripts/bundle-forwarder.ts'
import { ACCOUNT, deployed, REGION } from '../test/deployed.ts'
import { FLEET, stageTemplates } from '../test/synthesized.ts'
import { type RecordingProxy, rightsOnBatch, rightsOnS3, rightsOnTarget, startRecording } from './recording-proxy.ts'

const FIXTURE = new URL('../test/recorded-calls.json', import.meta.url)
const BUCKETS = { Landing: 'landing', Tables: 'tables' }
const ARNS_OF_JOBS = `arn:aws:batch:${REGION}:${ACCOUNT}:job-definition/`
const MINUTE = 60_000

const recorded = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Record<string, string[]>

describeWithCatalogs(['glue'], 'what the templates say', () => {
  // With the option that has all jobs.
  const stage = deployed(stageTemplates({ fleet: FLEET }), BUCKETS)
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-infra-'))
  let s3: S3Server
  let glue: CatalogServer
  let batch: BatchModel
  let toS3: RecordingProxy
  let toGlue: RecordingProxy
  let toBatch: RecordingProxy

  beforeAll(async () => {
    s3 = await startS3('versitygw')
    glue = await startGlue()
    batch = await startBatch()
    toS3 = await startRecording(s3.endpoint, rightsOnS3)
    toGlue = await startRecording(glue.uri, rightsOnTarget('glue'))
    toBatch = await startRecording(batch.uri, rightsOnBatch)
    for (const name of Object.values(BUCKETS)) await s3.newBucket(name)
    const [database] = Object.values(stage.ofType('AWS::Glue::Database'))
    await fetch(glue.uri, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AWSGlue.CreateDatabase',
        authorization:
          'AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/glue/aws4_request, SignedHeaders=host, Signature=0',
      },
      body: JSON.stringify({ DatabaseInput: database!.DatabaseInput }),
    })
  }, 5 * MINUTE)
  afterAll(async () => {
    for (const part of [toS3, toGlue, toBatch, s3, glue, batch]) await part.stop()
    rmSync(folder, { recursive: true })
  })

  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'testsecret', AWS_REGION: 'us-east-1' }

  /** Runs a job as Batch would, and gives the rights that it needed. */
  async function run(name: string, parameters: Readonly<Record<string, string>> = {}): Promise<string[]> {
    const jobDefinition = definitionOf(name)
    const own = batch.add({ jobName: name, jobDefinition, status: 'RUNNING' })
    const { Command, Environment } = stage.ofType('AWS::Batch::JobDefinition')[jobDefinition]!.ContainerProperties as {
      Command: string[]
      Environment: { Name: string; Value: string }[]
    }
    const words = Command.map((word) => word.replace(/^Ref::(\w+)$/, (_, parameter) => parameters[parameter]!))
    const { code, stderr } = await runProcess(process.execPath, [LASTWRITE, ...words], folder, {
      ...batch.environmentOf(own),
      ...credentials,
      ...Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value])),
      // What this server calls the account of its buckets.
      LASTWRITE_BUCKET_OWNER: credentials.AWS_ACCESS_KEY_ID,
      LASTWRITE_ENDPOINT: toS3.endpoint,
      AWS_ENDPOINT_URL_GLUE: toGlue.endpoint,
      AWS_ENDPOINT_URL_BATCH: toBatch.endpoint,
    })
    own.status = 'SUCCEEDED'
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    return [...toS3.take(), ...toGlue.take(), ...toBatch.take()]
  }

  function definitionOf(name: string): string {
    return Object.keys(stage.ofType('AWS::Batch::JobDefinition')).find((id) => id.includes(`Job${name}`))!
  }

  async function land(key: string, content: string | Uint8Array): Promise<void> {
    const put = await s3.openStore().put(`s3://landing/${key}`, Buffer.from(content), { kind: 'create' })
    expect(put.kind).toBe('ok')
  }

  it(
    'starts the function, the table and every job, with the rights that were recorded',
    async () => {
      const needed: Record<string, string[]> = {}

      const bundle = join(folder, 'bundle')
      await bundleForwarder(bundle)
      const [fn] = Object.values(stage.ofType('AWS::Lambda::Function'))
      const { Variables } = fn!.Environment as { Variables: Record<string, string> }
      const landed: { key: string; content: Uint8Array }[] = []
      const firehose = await startFirehose({
        deliveryStream: Variables.DELIVERY_STREAM!,
        prefix: 'landing/orders/',
        errorPrefix: 'errors/orders/',
        bufferBytes: 1e9,
        bufferMs: 1e9,
        nowMs: Date.now,
        random: Math.random,
        faults: NO_FAULTS,
        putObject: async (key, content) => void landed.push({ key, content }),
      })
      const toFirehose = await startRecording(firehose.endpoint, rightsOnTarget('firehose'))
      const forwarder = lambdaFunction({
        bundle: join(bundle, 'handler.mjs'),
        environment: {
          ...Variables,
          ...credentials,
          AWS_ENDPOINT_URL_FIREHOSE: toFirehose.endpoint,
          AWS_ENDPOINT_URL_S3: toS3.endpoint,
        },
        timeoutMs: MINUTE,
      })
      try {
        const large = { pk: { S: 'large' }, text: { S: '\u0001'.repeat(380_000) } }
        const records = [streamRecord(0), streamRecord(1), streamRecord(2, { item: large })]
        expect(await forwarder.invoke({ Records: records })).toEqual({ batchItemFailures: [] })
        needed.forwarder = [...toFirehose.take(), ...toS3.take()]
        await firehose.flush()
        const more = [streamRecord(3), streamRecord(4), streamRecord(5, { item: large })]
        expect(await forwarder.invoke({ Records: more })).toEqual({ batchItemFailures: [] })
        toS3.take()
        await firehose.flush()
      } finally {
        await forwarder.stop()
        await toFirehose.stop()
        await firehose.stop()
      }

      needed.init = await run('Init')
      const [first, second] = landed
      await land(first!.key, first!.content)
      const merge = new Set(await run('Merge'))
      await land('landing/orders/2026/11/22/09/bad', 'no line\n')
      for (const right of await run('Merge')) merge.add(right)
      needed.merge = [...merge].sort()

      await land(second!.key, second!.content)
      needed.plan = await run('Plan')
      const submitted = batch.jobs.filter(({ status }) => status !== 'SUCCEEDED')
      expect(submitted.map(({ jobDefinition }) => jobDefinition)).toEqual(
        ['Shard', 'Commit'].map((name) => ARNS_OF_JOBS + definitionOf(name)),
      )
      needed.shard = await run('Shard', submitted[0]!.parameters)
      needed.commit = await run('Commit', submitted[1]!.parameters)

      const { prefix } = await writeExport(
        { type: 'full', items: [{ pk: { S: 'old' } }], timeMs: Date.UTC(2026, 10, 22, 8) },
        { folder: join(folder, 'exports'), bucket: 'landing', prefix: 'exports/orders' },
      )
      for (const file of await readdir(join(folder, 'exports', prefix), { recursive: true, withFileTypes: true })) {
        if (!file.isFile()) continue
        const path = join(file.parentPath, file.name)
        await land(path.slice(join(folder, 'exports').length + 1), readFileSync(path))
      }
      needed.backfill = await run('Backfill', {
        export: `s3://landing/${prefix}`,
        stream: '2026-11-22T08:00:00.000',
      })

      const lines = gzipSync(first!.content).toString('base64')
      await land('errors/orders/processing-failed/2026/11/22/09/x', `${JSON.stringify({ rawData: lines })}\n`)
      needed.replay = await run('Replay')
      needed.maintain = await run('Maintain')

      if (process.env.LASTWRITE_RECORD === '1') {
        const { writeFileSync } = await import('node:fs')
        writeFileSync(FIXTURE, `${JSON.stringify(needed, null, 2)}\n`)
      } else expect(needed).toEqual(recorded)
    },
    3 * MINUTE,
  )
})
