// The contract of object stores, held by the S3 store against real servers.

import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeObjectStore } from '../test/object-store-contract.ts'
import { describeWithServers, type S3Server, type ServerName, s3At, startS3 } from './s3-servers.ts'

describeServer('versitygw', () => startS3('versitygw'), ['versitygw'])
describeServer('ministack', () => startS3('ministack'), ['ministack'])

/** Any other: its credentials come from the usual variables. */
const { S3_TEST_ENDPOINT, AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
if (S3_TEST_ENDPOINT !== undefined) {
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY }
  describeServer(S3_TEST_ENDPOINT, async () => s3At(S3_TEST_ENDPOINT, credentials), [])
}

function describeServer(name: string, start: () => Promise<S3Server>, parts: readonly ServerName[]): void {
  describeWithServers(parts, `the S3 store on ${name}`, () => {
    let server: S3Server
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server.stop())
    const open = async () => ({ store: server.openStore(), root: `${await server.newBucket()}/contract` })
    describeObjectStore(name, open, { tagOf: 'content' })

    it('gives up uploads that were begun before a time, below a prefix', async () => {
      const { store, root } = await open()
      const bucket = root.slice('s3://'.length, root.lastIndexOf('/'))
      const { endpoint, credentials } = server
      const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true })
      for (const Key of ['contract/a', 'contract/b', 'other/a']) {
        await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
      }
      client.destroy()
      const hourMs = 3600 * 1000
      const abandon = (aheadMs: number, dryRun: boolean, prefix = `${root}/`) =>
        store.abandonUploads!(prefix, { begunBeforeMs: Date.now() + aheadMs, dryRun })
      expect(await abandon(-hourMs, false)).toEqual({ kind: 'ok', uploads: 0 })
      expect(await abandon(hourMs, true)).toEqual({ kind: 'ok', uploads: 2 })
      expect(await abandon(hourMs, false)).toEqual({ kind: 'ok', uploads: 2 })
      expect(await abandon(hourMs, false)).toEqual({ kind: 'ok', uploads: 0 })
      expect(await abandon(hourMs, true, `s3://${bucket}/`)).toEqual({ kind: 'ok', uploads: 1 })
    })
  })
}
