// The arguments and options that several commands share. Each option has an environment variable, for containers.

import { type Command, InvalidArgumentError, Option } from 'commander'
import { defaultMemoryBytes, defaultThreads } from './container-limits.ts'

export const TABLE_ARGUMENT =
  'the table: a folder such as ./lake/orders, s3://bucket/orders, rest:<catalog>#<namespace>.<table>, or glue:<database>.<table>'

export interface OutputOptions {
  readonly json?: true
  readonly quiet?: true
}

export function jsonOption(what: string): Option {
  return new Option('--json', `print ${what} as JSON on standard output`).env('LASTWRITE_JSON')
}

export function quietOption(): Option {
  return new Option('--quiet', 'print warnings and errors only').env('LASTWRITE_QUIET')
}

export interface StoreOptions {
  readonly endpoint?: string
  readonly region?: string
  readonly bucketOwner?: string
  readonly warehouse?: string
  readonly catalogSigning?: string
}

/** Adds what a command needs to reach a table on S3 or in a catalog. */
export function withStoreOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--endpoint <url>', "an S3 server other than Amazon's, such as http://127.0.0.1:7070").env(
        'LASTWRITE_ENDPOINT',
      ),
    )
    .addOption(new Option('--region <name>', "the buckets' region; else as AWS_REGION says").env('LASTWRITE_REGION'))
    .addOption(
      new Option('--bucket-owner <account>', 'refuse buckets of any other account').env('LASTWRITE_BUCKET_OWNER'),
    )
    .addOption(
      new Option('--warehouse <name>', 'which of the warehouses of a REST catalog: a name, a location or an ARN').env(
        'LASTWRITE_WAREHOUSE',
      ),
    )
    .addOption(
      new Option(
        '--catalog-signing <service>',
        "sign requests to a REST catalog for this AWS service; Amazon's own need not be told",
      ).env('LASTWRITE_CATALOG_SIGNING'),
    )
}

export function landingOption(): Option {
  return new Option(
    '--landing <prefix>',
    'folder where change lines land, or s3://bucket/landing/; may be given several times',
  )
    .env('LASTWRITE_LANDING')
    .argParser((prefix: string, before: readonly string[] | undefined) => [...(before ?? []), prefix])
    .makeOptionMandatory()
}

/** The prefixes of `--landing`; a variable holds several with commas between them. */
export function landingPrefixes(command: Command): string[] {
  const prefixes = (command.getOptionValue('landing') ?? []) as string[]
  if (command.getOptionValueSource('landing') !== 'env') return prefixes
  return prefixes.flatMap((text) => text.split(',')).filter((prefix) => prefix !== '')
}

export function shardsOption(): Option {
  return new Option('--shards <count>', 'write a plan for up to so many processes, each of which merges a shard')
    .env('LASTWRITE_SHARDS')
    .argParser((text) => parseCount(text, 1))
}

export function outOption(): Option {
  return new Option(
    '--out <prefix>',
    "folder for the plan, used for no other; by default one in the table's state folder",
  ).env('LASTWRITE_OUT')
}

export function shardOption(): Option {
  return new Option('--shard <plan>', 'merge a shard of this plan.json, and commit the plan where it is the last').env(
    'LASTWRITE_SHARD',
  )
}

export function indexOption(): Option {
  return new Option('--index <number>', 'which shard, from 0')
    .env('AWS_BATCH_JOB_ARRAY_INDEX')
    .argParser((text) => parseCount(text, 0))
    .default(0)
}

export function noCommitOption(): Option {
  return new Option('--no-commit', 'merge the shard alone, and leave the plan to `lastwrite commit`').env(
    'LASTWRITE_NO_COMMIT',
  )
}

export function submitOption(): Option {
  return new Option(
    '--submit',
    'where there is something to merge, submit the shards to AWS Batch, and a commit that waits for them',
  ).env('LASTWRITE_SUBMIT')
}

export function queueOption(): Option {
  return new Option('--queue <name>', 'which queue of AWS Batch; in a job its own').env('AWS_BATCH_JQ_NAME')
}

export function shardJobOption(): Option {
  return new Option(
    '--shard-job <definition>',
    'job definition, by name or ARN, that runs `lastwrite merge --shard Ref::plan --no-commit`',
  ).env('LASTWRITE_SHARD_JOB')
}

export function commitJobOption(): Option {
  return new Option(
    '--commit-job <definition>',
    'job definition, by name or ARN, that runs `lastwrite commit Ref::plan`',
  ).env('LASTWRITE_COMMIT_JOB')
}

export interface SkipOptions {
  readonly skipIfRunning?: true
}

export function skipIfRunningOption(): Option {
  return new Option(
    '--skip-if-running',
    'in a job of AWS Batch: do nothing where an earlier job of the same definition, or the commit of a plan, is under way in its queue',
  ).env('LASTWRITE_SKIP_IF_RUNNING')
}

export function itemBucketOption(): Option {
  return new Option(
    '--item-bucket <name>',
    "a bucket that oversize items may lie in, beside the landing object's and the table's; may be given several times",
  )
    .env('LASTWRITE_ITEM_BUCKET')
    .argParser((name: string, before: readonly string[] | undefined) => [...(before ?? []), ...name.split(',')])
}

export function allHoursOption(): Option {
  return new Option(
    '--all-hours',
    'list landing hours over two days old too; else that is done once a day, so what comes late into one may wait',
  ).env('LASTWRITE_ALL_HOURS')
}

export function snapshotOption(): Option {
  return new Option('--snapshot <id>', 'read this snapshot of the history, not the current one')
    .env('LASTWRITE_SNAPSHOT')
    .argParser(parseSnapshotId)
}

export function parseSnapshotId(text: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  throw new InvalidArgumentError('Write the number that `lastwrite history` shows.')
}

export function threadsOption(): Option {
  return new Option('--threads <count>', 'how many threads read and merge')
    .env('LASTWRITE_THREADS')
    .argParser(parseThreads)
    .default(defaultThreads(), 'one for each processor; of a container also at most one for each GiB')
}

function parseThreads(text: string): number {
  const threads = Number(text)
  if (Number.isInteger(threads) && threads >= 1 && threads <= 256) return threads
  throw new InvalidArgumentError('Write a whole number from 1 to 256.')
}

export function memoryOption(): Option {
  return new Option('--memory <size>', 'memory that the process may take: more changes than fit become several commits')
    .env('LASTWRITE_MEMORY')
    .argParser(parseByteSize)
    .default(defaultMemoryBytes(), '512MiB; half the limit of a container')
}

export interface EngineOptions {
  readonly engine: 'auto' | 'node' | 'spark'
  readonly sparkSubmit?: string
  readonly emrApplication?: string
  readonly emrRole?: string
}

export function engineOption(): Option {
  return new Option(
    '--engine <name>',
    'who merges: this process (node), Spark, or (auto) Spark for partitions that take more memory or time than there is',
  )
    .env('LASTWRITE_ENGINE')
    .choices(['auto', 'node', 'spark'])
    .default('auto')
}

export function sparkSubmitOption(): Option {
  return new Option(
    '--spark-submit <command>',
    'what starts a Spark job and waits for its end (default: "spark-submit --master local[*]")',
  ).env('LASTWRITE_SPARK_SUBMIT')
}

export function emrApplicationOption(): Option {
  return new Option('--emr-application <id>', 'an application of EMR Serverless that does what is for Spark')
    .env('LASTWRITE_EMR_APPLICATION')
    .conflicts('sparkSubmit')
}

export function emrRoleOption(): Option {
  return new Option('--emr-role <arn>', 'the role that its jobs read and write with').env('LASTWRITE_EMR_ROLE')
}

const UNITS = ['KiB', 'MiB', 'GiB']

export function parseByteSize(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?(KiB|MiB|GiB)$/.exec(text) ?? []
  if (digits === undefined || unit === undefined) {
    throw new InvalidArgumentError('Write a number and KiB, MiB or GiB, such as 512MiB.')
  }
  return Math.round(Number(digits) * 1024 ** (UNITS.indexOf(unit) + 1))
}

export interface LogOptions {
  readonly log: 'text' | 'json'
}

export function logOption(): Option {
  return new Option(
    '--log <form>',
    'how the run sums itself up: as text, or in a container as one line of JSON with metrics',
  )
    .env('LASTWRITE_LOG')
    .choices(['text', 'json'])
    .default('text')
}

export interface StopOptions {
  /** Milliseconds from the start. */
  readonly deadline?: number
}

export function deadlineOption(): Option {
  return new Option(
    '--deadline <time>',
    'end with exit code 10 after this time, such as 90s, 10m or 2h; commits made by then stand, one that has begun is finished',
  )
    .env('LASTWRITE_DEADLINE')
    .argParser(parseTime)
}

const TIME_UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }
/** Timers take no more. */
const TIME_MS_MAX = 2 ** 31 - 1

function parseTime(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([smh])$/.exec(text) ?? []
  const ms = Math.round(Number(digits) * (TIME_UNITS[unit ?? ''] ?? Number.NaN))
  if (ms > 0 && ms <= TIME_MS_MAX) return ms
  throw new InvalidArgumentError('Write a number and s, m or h, such as 10m; 24 days at most.')
}

export interface WriteOptions {
  /** False: do not wait for the disk. */
  readonly fsync: boolean
}

export function noFsyncOption(): Option {
  return new Option(
    '--no-fsync',
    'do not wait for the disk: a power cut may damage what was written last; a crash of the program does not',
  ).env('LASTWRITE_NO_FSYNC')
}

export function profileOption(): Option {
  return new Option('--profile <folder>', 'write a CPU profile of each thread there (.cpuprofile)').env(
    'LASTWRITE_PROFILE',
  )
}

export interface MaintenanceOptions extends OutputOptions, StoreOptions {
  readonly dryRun?: true
  readonly keepHours?: number
  readonly keepSnapshots?: number
}

export function dryRunOption(what: string): Option {
  return new Option('--dry-run', what).env('LASTWRITE_DRY_RUN')
}

export function keepHoursOption(): Option {
  return new Option(
    '--keep-hours <hours>',
    'keep snapshots that were superseded less long ago; else as keep_snapshots_hours of the definition says',
  )
    .env('LASTWRITE_KEEP_HOURS')
    .argParser((text) => parseCount(text, 0))
}

export function keepSnapshotsOption(): Option {
  return new Option('--keep-snapshots <count>', 'keep at least so many of each branch, however old (default: 1)')
    .env('LASTWRITE_KEEP_SNAPSHOTS')
    .argParser((text) => parseCount(text, 1))
}

function parseCount(text: string, min: number): number {
  const count = Number(text)
  if (/^\d{1,9}$/.test(text) && count >= min) return count
  throw new InvalidArgumentError(`Write a whole number from ${min}.`)
}

/** Which snapshots to keep, as far as the command line says it. */
export function retentionOf({ keepHours, keepSnapshots }: MaintenanceOptions): {
  readonly keepHours?: number
  readonly keepCount?: number
} {
  return {
    ...(keepHours !== undefined && { keepHours }),
    ...(keepSnapshots !== undefined && { keepCount: keepSnapshots }),
  }
}

export function example(...lines: string[]): string {
  return `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}\n`
}

const FLAG_VARIABLES = [
  'LASTWRITE_JSON',
  'LASTWRITE_QUIET',
  'LASTWRITE_DRY_RUN',
  'LASTWRITE_ALL_HOURS',
  'LASTWRITE_NO_FSYNC',
  'LASTWRITE_REAPPLY',
  'LASTWRITE_SKIP',
  'LASTWRITE_NOW',
  'LASTWRITE_QUARANTINE',
  'LASTWRITE_ACCEPT_BELOW_WATERMARK',
  'LASTWRITE_NO_COMMIT',
  'LASTWRITE_SUBMIT',
  'LASTWRITE_SKIP_IF_RUNNING',
]

/** Commander takes a flag for given wherever its variable is set, but `LASTWRITE_JSON=0` says no. */
export function dropFlagsThatAreOff(environment: NodeJS.ProcessEnv): void {
  for (const name of FLAG_VARIABLES) if (/^(|0|false|no|off)$/i.test(environment[name] ?? '')) delete environment[name]
}
