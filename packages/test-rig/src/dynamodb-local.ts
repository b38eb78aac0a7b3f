// DynamoDB Local, and calls to it in DynamoDB's own JSON: as on the wire, so that no value passes through a client's types.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { dynamodbLocalFolder } from '../../../scripts/parts.ts'
import { answering, freePort, runningProcess } from '../../merge-core/interop/s3-servers.ts'

export interface DynamoDBLocal {
  /** Calls an operation of DynamoDB or DynamoDB Streams: `call('PutItem', { TableName, Item })`. */
  call<Output>(operation: string, input: object): Promise<Output>
  stop(): Promise<void>
}

/** An answer that says no. */
export class DynamoDBError extends Error {
  /** `ConditionalCheckFailedException` */
  override readonly name: string

  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

const STREAM_OPERATIONS = new Set(['DescribeStream', 'GetShardIterator', 'GetRecords', 'ListStreams'])

const ATTEMPTS_MAX = 3

export async function startDynamoDBLocal(): Promise<DynamoDBLocal> {
  const port = await freePort()
  const jars = join(dynamodbLocalFolder, '*')
  // For minutes of life and few cores: the compiler that is quick to compile, and one thread that collects.
  const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx1g']
  const java = [...flags, `-Djava.library.path=${dynamodbLocalFolder}`, '-cp', jars]
  const server = ['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)]
  const child = spawn('java', [...java, 'software.amazon.dynamodb.services.local.main.ServerRunner', ...server], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const running = runningProcess(child)
  const url = `http://127.0.0.1:${port}`
  await answering(url, running)
  return {
    async call(operation, input) {
      const api = STREAM_OPERATIONS.has(operation) ? 'DynamoDBStreams_20120810' : 'DynamoDB_20120810'
      const answer = await post(url, `${api}.${operation}`, JSON.stringify(input))
      const text = await answer.text()
      const output = text === '' ? {} : JSON.parse(text)
      if (answer.ok) return output
      throw new DynamoDBError(String(output.__type).split('#').at(-1)!, output.message ?? output.Message ?? text)
    },
    stop: running.stop,
  }
}

/** A connection may be reset, above all one that was idle, and a lock may take too long (500). What the rig writes comes to the same when it is written twice. */
async function post(url: string, target: string, body: string): Promise<Response> {
  const headers = {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': target,
    // It wants to see one, and checks nothing.
    authorization:
      'AWS4-HMAC-SHA256 Credential=rig/20261122/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
  }
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await fetch(url, { method: 'POST', headers, body })
      if (answer.status !== 500 || attempt === ATTEMPTS_MAX) return answer
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error
    }
  }
}
