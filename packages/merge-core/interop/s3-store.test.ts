// The contract of object stores, held by the S3 store against real servers.

import { afterAll, beforeAll } from 'vitest'
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
  })
}
