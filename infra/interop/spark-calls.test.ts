// A merge with the variables of the template has Spark do its work over S3, as EMR Serverless would start it, and the policies of the job's
// role are asked about each call that Spark makes.
//
// It is Hadoop's S3A with its plain committer, as Spark has it elsewhere than on EMR.

import { globSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LOCAL_SPARK } from '../../packages/batch-worker/interop/local-spark.ts'
import { startEmrServerless } from '../../packages/batch-worker/test/emr-server.ts'
import { changeLine } from '../../packages/batch-worker/test/orders.ts'
import { newWorkspace } from '../../packages/batch-worker/test/run-lastwrite.ts'
import { describeWith } from '../../packages/merge-core/interop/parts.ts'
import { startS3 } from '../../packages/merge-core/interop/s3-servers.ts'
import { s3aFolder } from '../../scripts/parts.ts'
import { deployed } from '../test/deployed.ts'
import { type Call, isAllowed, statementsOf } from '../test/policy.ts'
import { STAGE, stageTemplates } from '../test/synthesized.ts'
import { rightsOnS3, startRecording } from './recording-proxy.ts'

const STACKS = deployed(stageTemplates({ emrServerless: { vcpusMax: 16 } }), { Landing: 'landing', Tables: 'tables' })
const TABLE = 's3://tables/orders'

/** Of the merge's job. */
function variables(): Record<string, string> {
  const job = Object.entries(STACKS.ofType('AWS::Batch::JobDefinition')).find(([id]) => id.includes('JobMerge'))![1]
  const { Environment } = job.ContainerProperties as { Environment: { Name: string; Value: string }[] }
  return Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value]))
}

function s3a(endpoint: string): string[] {
  const settings = {
    's3.impl': 'org.apache.hadoop.fs.s3a.S3AFileSystem',
    's3a.endpoint': endpoint,
    's3a.endpoint.region': 'us-east-1',
    's3a.path.style.access': 'true',
    's3a.access.key': 'test',
    's3a.secret.key': 'testsecret',
    // So that each is seen.
    's3a.multiobjectdelete.enable': 'false',
  }
  const confs = Object.entries(settings).flatMap(([name, value]) => ['--conf', `spark.hadoop.fs.${name}=${value}`])
  return ['--driver-class-path', globSync(join(s3aFolder, '*.jar')).join(':'), ...confs]
}

/** Of a right as the proxy notes it; an ellipsis stands for a name. */
function callOf(right: string): Call {
  const [action, resource, prefix] = right.split(' ') as [string, string, string?]
  return { action, resource, ...(prefix !== undefined && { context: { 's3:prefix': prefix } }) }
}

describeWith('s3a', 'Spark over S3', () => {
  it('merges with the rights of its role', { timeout: 600_000 }, async () => {
    const s3 = await startS3('versitygw')
    const toS3 = await startRecording(s3.endpoint, rightsOnS3)
    const { LASTWRITE_LOG: _, ...ofJob } = variables()
    const emr = await startEmrServerless([...LOCAL_SPARK, ...s3a(toS3.endpoint)], ofJob.LASTWRITE_EMR_APPLICATION)
    const space = newWorkspace()
    const environment = {
      ...ofJob,
      ...emr.environment,
      // What this server calls the account of its buckets.
      LASTWRITE_BUCKET_OWNER: 'test',
      LASTWRITE_ENDPOINT: s3.endpoint,
      LASTWRITE_REGION: 'us-east-1',
    }
    const run = async (...words: string[]) => {
      const { code, stdout, stderr } = await space.lastwriteWith(environment, ...words)
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
      return stdout
    }
    const land = async (total: string) => {
      const created = { S: '2026-11-22T08:00:00Z' }
      const lines = ['a', 'b'].map((pk, i) =>
        changeLine({ sequence: `${total}000${i}`, pk, item: { total: { N: total }, created_at: created } }).replace(
          /}\n$/,
          `,"old":${JSON.stringify({ created_at: created })}}\n`,
        ),
      )
      await s3.openStore().put(`s3://landing/landing/orders/${total}`, Buffer.from(lines.join('')), { kind: 'create' })
    }
    try {
      for (const bucket of ['tables', 'landing']) await s3.newBucket(bucket)
      space.write('orders.table.json', STAGE.definition)
      await run('init', TABLE, '--definition', 'orders.table.json', '--state', 's3://tables/_lastwrite/orders')
      const needed = new Set<string>()
      for (const total of ['1', '2']) {
        await land(total)
        await run('merge', TABLE, '--engine', 'spark')
        for (const right of toS3.take()) needed.add(right)
      }
      expect(emr.jobs.map(({ state }) => state)).toEqual(['SUCCESS', 'SUCCESS'])
      const rows = JSON.parse(await run('sql', TABLE, 'select pk, total from orders order by pk', '--json'))
      expect(rows).toEqual(['a', 'b'].map((pk) => ({ pk, total: 2 })))

      expect(needed.size).toBeGreaterThan(0)
      expect([...needed].filter((right) => !isAllowed(callOf(right), statementsOf(STACKS, 'SparkRole')))).toEqual([])
    } finally {
      await emr.stop()
      await toS3.stop()
      await s3.stop()
      space.remove()
    }
  })
})
