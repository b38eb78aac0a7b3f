// Lambda's event source mapping for a DynamoDB stream, as its contract has it: what a function is called with, when it is called again,
// and what becomes of records that it never takes.
//
// Sources: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB", "Polling and batching streams", "Configuring partial
// batch response", "Retain discarded batches". Where the guide leaves open which of two things happens, the worse one does.
//
//   - Records of a key come in order: a shard is dealt out to `parallelization` lanes by key, and a lane waits for its batch.
//   - A shard is read only after its parent was read to its end and all of its records are done.
//   - Delivery is at least once. A batch that failed comes again from the lowest sequence number that the function reported; from its
//     start where it threw, ran out of time, or reported a number that is empty or not in the batch.
//   - `bisect` halves a batch that failed, which costs no retry.
//   - A batch that failed too often, or has become too old, goes whole to the on-failure destination, and its lane goes on.

import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda'
import { keyText } from './write-log.ts'

export interface Shard {
  readonly id: string
  readonly parent: string | null
  /** The next records in order; `closed` with the last of them, when the shard takes no more. */
  read(): Promise<{ readonly records: readonly DynamoDBRecord[]; readonly closed: boolean }>
}

export interface StreamReader {
  readonly arn: string
  /** All that are known by now. */
  shards(): Promise<readonly Shard[]>
}

export interface EventSourceSettings {
  /** Calls the function. A throw is an error of the function, its end by the timeout included. */
  readonly invoke: (event: DynamoDBStreamEvent) => Promise<DynamoDBBatchResponse | null | undefined>
  /** Keeps the invocation record of a batch that was given up. */
  readonly onFailure: (key: string, record: InvocationRecord) => Promise<void>
  readonly functionArn: string
  readonly batchSize: number
  readonly batchWindowMs: number
  readonly parallelization: number
  /** After the first attempt. */
  readonly retriesMax: number
  readonly recordAgeMsMax: number
  readonly bisect: boolean
  readonly retryDelayMs: number
  readonly nowMs: () => number
}

/** What lies at an S3 on-failure destination, one object a batch. */
export interface InvocationRecord {
  readonly requestContext: {
    readonly requestId: string
    readonly functionArn: string
    readonly condition: 'RetryAttemptsExhausted' | 'EventAgeExceeded'
    readonly approximateInvokeCount: number
  }
  readonly responseContext: {
    readonly statusCode: number
    readonly executedVersion: string
    readonly functionError: string | null
  }
  readonly version: '1.0'
  readonly timestamp: string
  readonly DDBStreamBatchInfo: {
    readonly shardId: string
    readonly startSequenceNumber: string
    readonly endSequenceNumber: string
    readonly approximateArrivalOfFirstRecord: string
    readonly approximateArrivalOfLastRecord: string
    readonly batchSize: number
    readonly streamArn: string
  }
  /** The whole event as JSON. S3 alone gets it. */
  readonly payload: string
}

export interface EventSource {
  /** Records of which the function, or the on-failure destination, has taken care. Throws where the stream can be read no more. */
  readonly done: number
  /** Calls of the function. */
  readonly invocations: number
  /** Calls that did not take all. */
  readonly failures: number
  /** Reads no more, and ends when all that was read is done. */
  stop(): Promise<void>
}

/** An invocation's payload is at most 6 MB. */
const PAYLOAD_BYTES_MAX = 6_000_000
const POLL_MS = 50

export function startEventSource(stream: StreamReader, settings: EventSourceSettings): EventSource {
  const { nowMs } = settings
  const counts = { done: 0, invocations: 0, failures: 0 }
  let stopped = false
  let failure: Error | null = null
  const running = readStream().catch((error) => {
    failure = error
  })
  return {
    get done() {
      if (failure !== null) throw failure
      return counts.done
    },
    get invocations() {
      return counts.invocations
    },
    get failures() {
      return counts.failures
    },
    async stop() {
      stopped = true
      await running
      if (failure !== null) throw failure
    },
  }

  async function readStream(): Promise<void> {
    const reading = new Map<string, Promise<void>>()
    const finished = new Set<string>()
    while (!stopped) {
      const shards = await stream.shards()
      const ids = shards.map((shard) => shard.id)
      for (const shard of shards) {
        // A parent that is no longer known was read long ago.
        const isReady = shard.parent === null || !ids.includes(shard.parent) || finished.has(shard.parent)
        if (isReady && !reading.has(shard.id)) {
          reading.set(
            shard.id,
            readShard(shard).then(() => void finished.add(shard.id)),
          )
        }
      }
      await Promise.race([sleep(POLL_MS), failed(reading.values())])
    }
    await Promise.all(reading.values())
  }

  /** Ends when all records of the shard are done. */
  async function readShard(shard: Shard): Promise<void> {
    const lanes = Array.from({ length: settings.parallelization }, () => startLane(shard.id))
    for (let closed = false; !closed && !stopped; ) {
      const read = await shard.read()
      for (const record of read.records) lanes[laneOf(record, lanes.length)]!.add(record)
      closed = read.closed
      if (read.records.length === 0 && !closed) await sleep(POLL_MS)
    }
    await Promise.all(lanes.map((lane) => lane.end()))
  }

  function startLane(shard: string) {
    const queue: { readonly record: DynamoDBRecord; readonly readMs: number }[] = []
    let ended = false
    let wake = () => {}
    const running = work()
    return {
      add(record: DynamoDBRecord): void {
        queue.push({ record, readMs: performance.now() })
        wake()
      },
      async end(): Promise<void> {
        ended = true
        wake()
        await running
      },
    }

    function takeBatch(): DynamoDBRecord[] {
      const batch: DynamoDBRecord[] = []
      let bytes = 0
      while (queue.length > 0 && batch.length < settings.batchSize) {
        bytes += JSON.stringify(queue[0]!.record).length
        if (bytes > PAYLOAD_BYTES_MAX && batch.length > 0) break
        batch.push(queue.shift()!.record)
      }
      return batch
    }

    async function work(): Promise<void> {
      for (;;) {
        const windowMs = queue.length === 0 ? Infinity : queue[0]!.readMs + settings.batchWindowMs - performance.now()
        if (ended && queue.length === 0) return
        if (!ended && queue.length < settings.batchSize && windowMs > 0) {
          const { promise, resolve } = Promise.withResolvers<void>()
          wake = resolve
          await (windowMs === Infinity ? promise : Promise.race([promise, sleep(windowMs)]))
          continue
        }
        await takeCareOf(takeBatch(), shard)
      }
    }
  }

  /** Ends when the function took all records, or they were given up. */
  async function takeCareOf(batch: readonly DynamoDBRecord[], shard: string): Promise<void> {
    const pending = [{ records: batch, attempts: 0 }]
    while (pending.length > 0) {
      const { records, attempts } = pending.shift()!
      if (isTooOld(records)) {
        await giveUp(records, shard, 'EventAgeExceeded', attempts)
        continue
      }
      const done = await invoke(records)
      counts.done += done
      const rest = records.slice(done)
      if (rest.length === 0) continue
      counts.failures++
      if (settings.bisect && rest.length > 1) {
        const cut = done > 0 ? rest.length : Math.ceil(rest.length / 2)
        const halves = [rest.slice(0, cut), rest.slice(cut)].filter((half) => half.length > 0)
        pending.unshift(...halves.map((half) => ({ records: half, attempts })))
      } else if (attempts >= settings.retriesMax) {
        await giveUp(rest, shard, 'RetryAttemptsExhausted', attempts + 1)
      } else {
        pending.unshift({ records: rest, attempts: attempts + 1 })
        await sleep(settings.retryDelayMs)
      }
    }
  }

  /** How many of the records, from the first on, the function took. */
  async function invoke(records: readonly DynamoDBRecord[]): Promise<number> {
    counts.invocations++
    try {
      // What the function gets went over a wire.
      const response = await settings.invoke(JSON.parse(JSON.stringify({ Records: records })))
      const positions = (response?.batchItemFailures ?? []).map(({ itemIdentifier }) =>
        records.findIndex((record) => record.dynamodb!.SequenceNumber === itemIdentifier),
      )
      return positions.reduce((low, one) => Math.max(0, Math.min(low, one)), records.length)
    } catch {
      return 0
    }
  }

  function isTooOld(records: readonly DynamoDBRecord[]): boolean {
    return nowMs() - arrivalMs(records[0]!) > settings.recordAgeMsMax
  }

  async function giveUp(
    records: readonly DynamoDBRecord[],
    shardId: string,
    condition: InvocationRecord['requestContext']['condition'],
    invocations: number,
  ): Promise<void> {
    const [first, last] = [records[0]!, records.at(-1)!]
    const timestamp = new Date(nowMs()).toISOString()
    const [day, time] = timestamp.slice(0, 19).split('T') as [string, string]
    const requestId = randomUUID()
    // The guide's form of an object's name, with the folder of the mapping.
    const folder = `aws/lambda/${randomUUID()}/${shardId}/${day.replaceAll('-', '/')}`
    await settings.onFailure(`${folder}/${day}T${time.replaceAll(':', '.')}-${requestId}`, {
      requestContext: {
        requestId,
        functionArn: settings.functionArn,
        condition,
        approximateInvokeCount: invocations,
      },
      responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: null },
      version: '1.0',
      timestamp,
      DDBStreamBatchInfo: {
        shardId,
        startSequenceNumber: first.dynamodb!.SequenceNumber!,
        endSequenceNumber: last.dynamodb!.SequenceNumber!,
        approximateArrivalOfFirstRecord: new Date(arrivalMs(first)).toISOString(),
        approximateArrivalOfLastRecord: new Date(arrivalMs(last)).toISOString(),
        batchSize: records.length,
        streamArn: stream.arn,
      },
      payload: JSON.stringify({ Records: records }),
    })
    counts.done += records.length
  }
}

/** Ends with the first that fails. */
function failed(all: Iterable<Promise<void>>): Promise<never> {
  return new Promise((_, reject) => {
    for (const one of all) one.catch(reject)
  })
}

function arrivalMs(record: DynamoDBRecord): number {
  return record.dynamodb!.ApproximateCreationDateTime! * 1000
}

/** The same for all records of a key. */
function laneOf(record: DynamoDBRecord, lanes: number): number {
  return createHash('md5').update(keyText(record.dynamodb!.Keys!)).digest().readUInt32BE() % lanes
}
