// The monthly bill of one table's pipeline as `infra` lays it out: a pure function of rates, sizes and prices.
//
// It is an estimate that leans to the dear side: on-demand prices, no free tier, one thread, all row groups of a touched file encoded.
// docs/cost.md says what it leaves out. A month has 730 hours.

import { METRICS } from './run-summary.ts'

export interface CostInputs {
  /** Changes of items a second, on average. */
  readonly writesPerSecond: number
  /** Of one change line before compression: the item as DynamoDB JSON, and some 300 bytes around it. */
  readonly itemBytes: number
  /** How old a change may be when readers see it. */
  readonly freshnessMinutes: number
  /** Of the current snapshot's data files. */
  readonly tableBytes: number
  /** Which share of the data files one merge's changes lie in: 0.01 where recent keys lie together, 1 for random keys. */
  readonly scatter: number
}

/** USD, without taxes, of one region at one date. */
export interface Prices {
  readonly region: string
  readonly date: string
  readonly streamReadPerMillion: number
  readonly lambdaPerMillionRequests: number
  readonly lambdaPerGbSecond: number
  readonly firehosePerGb: number
  readonly s3PerThousandPuts: number
  readonly s3PerThousandGets: number
  readonly s3PerGbMonth: number
  readonly fargatePerVcpuHour: number
  readonly fargatePerGbHour: number
  readonly cloudWatchPerAlarm: number
  readonly cloudWatchPerMetric: number
}

/** Public list prices of the first tier, arm64, as noted on this date: hold them against the price pages before a decision. */
export const PRICES: Prices = {
  region: 'eu-west-1',
  date: '2026-12-01',
  // Amazon DynamoDB pricing, "DynamoDB Streams": GetRecords calls of Lambda triggers are free.
  streamReadPerMillion: 0,
  lambdaPerMillionRequests: 0.2,
  lambdaPerGbSecond: 0.0000133334,
  // Direct PUT, a record up to the next 5 KB.
  firehosePerGb: 0.031,
  s3PerThousandPuts: 0.005,
  s3PerThousandGets: 0.0004,
  s3PerGbMonth: 0.023,
  fargatePerVcpuHour: 0.03238,
  fargatePerGbHour: 0.00356,
  cloudWatchPerAlarm: 0.1,
  cloudWatchPerMetric: 0.3,
}

/**
 * What the model takes for granted: defaults of `infra`, of the table definition and of the forwarder, and measured figures.
 * `infra/test/cost.test.ts` holds the former against the templates.
 */
export const ASSUMED = {
  /** Half of the freshness is Firehose's, half the schedule's. */
  firehoseSecondsMin: 60,
  firehoseSecondsMax: 900,
  firehoseObjectBytes: 64 * 2 ** 20,
  forwarderBatchRecords: 1000,
  forwarderWindowSeconds: 5,
  forwarderGb: 0.5,
  /** Batches at work side by side: two for each shard. */
  forwardersPerShard: 2,
  /** A partition of DynamoDB takes so many writes, and has a shard. */
  shardWritesPerSecond: 1000,
  /** 20 ms of a core for 1,000 records, of which 512 MB have a third; 50 ms for what any invocation takes. */
  forwarderSecondsPerRecord: 0.00006,
  forwarderSecondsPerCall: 0.05,
  recordBytes: 256 * 1024,
  billedBytes: 5 * 1024,
  /** Text of change lines, by gzip. */
  gzipRatio: 4,
  /** A change line to the row that it leaves in Parquet: 637 and 51 bytes in the workload of the benchmarks. */
  parquetRatio: 12,
  fileBytes: 128 * 2 ** 20,
  landingDays: 14,
  /** Kept for 24 hours, removed by a daily job, and an older version for 7 days. */
  supersededDays: 1 + 0.5 + 7,
  vcpus: 2,
  memoryGb: 4,
  /** Pulling the image, and Node. Fargate bills at least a minute. */
  jobStartSeconds: 45,
  jobSecondsMin: 60,
  secondsPerLineByte: 4e-9,
  secondsPerRow: 1.4e-6,
  storeBytesPerSecond: 50e6,
  alarms: 9,
  metrics: METRICS.length,
} as const

/** One line of the bill. */
interface Cost {
  readonly service: string
  readonly what: string
  readonly usd: number
}

export interface MonthlyBill {
  readonly region: string
  readonly pricesOf: string
  readonly costs: readonly Cost[]
  readonly usd: number
  /** What one merge does on average. */
  readonly merge: {
    readonly everySeconds: number
    readonly changes: number
    readonly filesRewritten: number
    readonly seconds: number
    readonly requests: MergeRequests
  }
  /** False where a merge takes longer than there is until the next. */
  readonly keepsUp: boolean
}

interface MergeRequests {
  readonly put: number
  readonly list: number
  readonly get: number
}

const GB = 2 ** 30
const MONTH_SECONDS = 730 * 3600
const DAY_SECONDS = 86_400
const UPLOAD_WHOLE_BYTES_MAX = 16 * 2 ** 20
const UPLOAD_PART_BYTES = 10 * 2 ** 20

/**
 * The requests of one merge to S3. Small files take one request each; a larger one is uploaded in parts, and read by at most a request a MiB.
 * The count of GET is an upper bound: it varies with how many state files have come since they were last written as one.
 */
export function mergeRequests(landingObjects: number, files: number, fileBytes: number): MergeRequests {
  const parts = fileBytes <= UPLOAD_WHOLE_BYTES_MAX ? 1 : Math.ceil(fileBytes / UPLOAD_PART_BYTES) + 2
  return { put: 7 + files * parts, list: 6, get: 20 + landingObjects + files * Math.ceil(fileBytes / 2 ** 20) }
}

/** What the pipeline costs in a month, in USD. Inputs are finite and above zero, `scatter` at most 1. */
export function monthlyBill(inputs: CostInputs, prices: Prices = PRICES): MonthlyBill {
  const { writesPerSecond, itemBytes, freshnessMinutes, tableBytes, scatter } = inputs
  const writes = writesPerSecond * MONTH_SECONDS
  const bytesPerSecond = writesPerSecond * itemBytes

  // A batch is sent when it is full, or when its window is over and it has a record.
  const shards = Math.ceil(writesPerSecond / ASSUMED.shardWritesPerSecond)
  const windows = (shards * ASSUMED.forwardersPerShard) / ASSUMED.forwarderWindowSeconds
  const callsPerSecond = Math.min(writesPerSecond, Math.max(windows, writesPerSecond / ASSUMED.forwarderBatchRecords))
  const calls = callsPerSecond * MONTH_SECONDS
  const lambdaGbSeconds =
    ASSUMED.forwarderGb * (calls * ASSUMED.forwarderSecondsPerCall + writes * ASSUMED.forwarderSecondsPerRecord)
  const firehoseGb = (calls * billedFirehoseBytes(bytesPerSecond / callsPerSecond)) / GB

  const half = freshnessMinutes * 30
  const buffer = Math.min(ASSUMED.firehoseSecondsMax, Math.max(ASSUMED.firehoseSecondsMin, half))
  const objectsPerSecond = Math.max(1 / buffer, bytesPerSecond / ASSUMED.firehoseObjectBytes)
  const landingBytes = (bytesPerSecond * DAY_SECONDS * ASSUMED.landingDays) / ASSUMED.gzipRatio

  const everySeconds = 60 * Math.max(1, Math.floor(half / 60))
  const merges = MONTH_SECONDS / everySeconds
  const changes = writesPerSecond * everySeconds
  const fileBytes = Math.min(ASSUMED.fileBytes, tableBytes)
  const filesRewritten = Math.min(Math.max(1, (scatter * tableBytes) / fileBytes), Math.max(1, changes))
  const rewrittenBytes = filesRewritten * fileBytes
  const requests = mergeRequests(objectsPerSecond * everySeconds, filesRewritten, fileBytes)
  const seconds =
    ASSUMED.jobStartSeconds +
    changes * itemBytes * ASSUMED.secondsPerLineByte +
    (rewrittenBytes / (itemBytes / ASSUMED.parquetRatio)) * ASSUMED.secondsPerRow +
    (2 * rewrittenBytes) / ASSUMED.storeBytesPerSecond
  const maintenanceSeconds = (MONTH_SECONDS / DAY_SECONDS) * ASSUMED.jobSecondsMin
  const jobHours = (merges * Math.max(ASSUMED.jobSecondsMin, seconds) + maintenanceSeconds) / 3600
  const supersededBytes = (rewrittenBytes * DAY_SECONDS * ASSUMED.supersededDays) / everySeconds

  const puts = merges * (requests.put + requests.list) + objectsPerSecond * MONTH_SECONDS
  const gets = merges * requests.get
  const storage = (bytes: number) => (bytes / GB) * prices.s3PerGbMonth
  const costs: Cost[] = [
    { service: 'DynamoDB', what: 'stream, read by Lambda', usd: (calls / 1e6) * prices.streamReadPerMillion },
    { service: 'Lambda', what: 'requests', usd: (calls / 1e6) * prices.lambdaPerMillionRequests },
    { service: 'Lambda', what: 'GB-seconds', usd: lambdaGbSeconds * prices.lambdaPerGbSecond },
    { service: 'Firehose', what: 'ingestion, up to 5 KB a record', usd: firehoseGb * prices.firehosePerGb },
    { service: 'S3', what: 'PUT and LIST', usd: (puts / 1000) * prices.s3PerThousandPuts },
    { service: 'S3', what: 'GET', usd: (gets / 1000) * prices.s3PerThousandGets },
    { service: 'S3', what: 'landing objects', usd: storage(landingBytes) },
    { service: 'S3', what: 'table', usd: storage(tableBytes) },
    { service: 'S3', what: 'superseded files', usd: storage(supersededBytes) },
    { service: 'Fargate', what: 'vCPU', usd: jobHours * ASSUMED.vcpus * prices.fargatePerVcpuHour },
    { service: 'Fargate', what: 'memory', usd: jobHours * ASSUMED.memoryGb * prices.fargatePerGbHour },
    {
      service: 'CloudWatch',
      what: 'alarms and metrics',
      usd: ASSUMED.alarms * prices.cloudWatchPerAlarm + ASSUMED.metrics * prices.cloudWatchPerMetric,
    },
  ]
  return {
    region: prices.region,
    pricesOf: prices.date,
    costs,
    usd: costs.reduce((sum, { usd }) => sum + usd, 0),
    merge: { everySeconds, changes, filesRewritten, seconds, requests },
    keepsUp: seconds <= everySeconds,
  }
}

/** What Firehose bills for the lines of one batch: records of up to 256 KiB, each up to the next 5 KB. */
export function billedFirehoseBytes(bytes: number): number {
  const whole = Math.floor(bytes / ASSUMED.recordBytes)
  const billed = (record: number) => Math.ceil(record / ASSUMED.billedBytes) * ASSUMED.billedBytes
  return whole * billed(ASSUMED.recordBytes) + billed(bytes - whole * ASSUMED.recordBytes)
}
