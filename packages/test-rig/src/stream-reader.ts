// The stream of a table in DynamoDB Local, as an event source reads it: real shards and iterators, rewritten records.

import type { DynamoDBRecord } from 'aws-lambda'
import type { DynamoDBLocal } from './dynamodb-local.ts'
import type { Shard, StreamReader } from './event-source.ts'
import type { WriteLog } from './write-log.ts'

const RECORDS_MAX = 1000

interface DescribedShard {
  readonly ShardId: string
  readonly ParentShardId?: string
}

/**
 * @param streamArn of the stream in DynamoDB Local
 * @param arn what records are to say of their stream
 */
export function streamReader(dynamodb: DynamoDBLocal, streamArn: string, arn: string, log: WriteLog): StreamReader {
  const shards = new Map<string, Shard>()
  return {
    arn,
    async shards() {
      const { StreamDescription } = await dynamodb.call<{ StreamDescription: { Shards: DescribedShard[] } }>(
        'DescribeStream',
        { StreamArn: streamArn },
      )
      for (const shard of StreamDescription.Shards) {
        if (!shards.has(shard.ShardId)) shards.set(shard.ShardId, await openShard(shard))
      }
      return [...shards.values()]
    },
  }

  async function openShard({ ShardId, ParentShardId }: DescribedShard): Promise<Shard> {
    const { ShardIterator } = await dynamodb.call<{ ShardIterator: string }>('GetShardIterator', {
      StreamArn: streamArn,
      ShardId,
      ShardIteratorType: 'TRIM_HORIZON',
    })
    let next: string | undefined = ShardIterator
    return {
      id: ShardId,
      parent: ParentShardId ?? null,
      async read() {
        if (next === undefined) return { records: [], closed: true }
        const got: { Records: DynamoDBRecord[]; NextShardIterator?: string } = await dynamodb.call('GetRecords', {
          ShardIterator: next,
          Limit: RECORDS_MAX,
        })
        next = got.NextShardIterator
        const records: DynamoDBRecord[] = []
        for (const record of got.Records) records.push(await log.rewrite(record, arn))
        return { records, closed: next === undefined }
      },
    }
  }
}
