// The jobs of AWS Batch beside the one that this process is: those that finish a plan, and those that do the same already.
//
// Neither guards anything: whatever runs beside or after each other, twice or in part, the table is the same. Jobs are submitted where
// there is work for them, and runs that would do another's work over again are saved.

import {
  BatchClient,
  type BatchServiceException,
  type JobStatus,
  type JobSummary,
  paginateListJobs,
  SubmitJobCommand,
  type SubmitJobRequest,
} from '@aws-sdk/client-batch'
import { InputError, type ShardPlan, TryAgainError } from '@lastwrite/merge-core'
import { callOptions, lacksSettings } from './aws-calls.ts'

/** Of an array job: the most that Batch takes. */
export const ARRAY_SIZE_MAX = 10_000

/** As its container is told. */
export interface OwnJob {
  readonly id: string
  readonly queue: string
}

export interface RunningJob {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly createdMs: number
  /** Name of the job definition. */
  readonly definition: string
}

export interface SubmitSettings {
  readonly queue: string
  /** Names or ARNs of job definitions, which take the parameter `plan`. */
  readonly shardJob: string
  readonly commitJob: string
  readonly region?: string
}

/** Ids of jobs. */
export interface SubmittedJobs {
  readonly shards: string
  readonly commit: string
}

/**
 * Submits the shards of a plan, as an array job where there are several, and a commit that starts when all of them have ended well.
 * @throws InputError where Batch refuses, TryAgainError where it cannot be reached; shards without a commit may stand then
 */
export async function submitPlan(
  { id, path, shards }: ShardPlan,
  { queue, shardJob, commitJob, region }: SubmitSettings,
): Promise<SubmittedJobs> {
  const client = clientIn(region)
  async function submit(jobName: string, jobDefinition: string, rest: Partial<SubmitJobRequest>): Promise<string> {
    const request = { jobName, jobQueue: queue, jobDefinition, parameters: { plan: path }, ...rest }
    try {
      const { jobId } = await client.send(new SubmitJobCommand(request), callOptions())
      return jobId!
    } catch (error) {
      throw errorOf(error, `submitting ${jobName} to ${queue}`)
    }
  }
  const size = shards.length
  const shardsId = await submit(`shards-${id}`, shardJob, size === 1 ? {} : { arrayProperties: { size } })
  const commitId = await submit(`commit-${id}`, commitJob, { dependsOn: [{ jobId: shardsId }] })
  return { shards: shardsId, commit: commitId }
}

/** In the order that a job goes through. One that waits for others, as a commit for its shards, is PENDING. */
const ACTIVE: readonly JobStatus[] = ['SUBMITTED', 'PENDING', 'RUNNABLE', 'STARTING', 'RUNNING']

/**
 * An active job of the queue that does what this one is about to: one of the same job definition that was created before, or the commit of
 * a plan. Null where there is none.
 * @param commitJob job definition of commits, where this job is to submit one
 * @throws InputError or TryAgainError where the queue does not tell
 */
export async function findRunning(
  { id, queue }: OwnJob,
  { region, commitJob }: { readonly region?: string; readonly commitJob?: string },
): Promise<RunningJob | null> {
  const active = await listActive(queue, region)
  const own = active.find((job) => job.id === id)
  if (own === undefined) throw new TryAgainError(`the queue ${queue} does not tell of ${id}, which this job is`)
  const isBefore = (job: RunningJob) =>
    job.createdMs < own.createdMs || (job.createdMs === own.createdMs && job.id < id)
  const commits = commitJob === undefined ? null : definitionName(commitJob)
  return (
    active.find((job) => (job.definition === own.definition && isBefore(job)) || job.definition === commits) ?? null
  )
}

/** Asked in their order, so that a job which moves on meanwhile is not missed. */
async function listActive(jobQueue: string, region: string | undefined): Promise<RunningJob[]> {
  const client = clientIn(region)
  const active: RunningJob[] = []
  try {
    for (const jobStatus of ACTIVE)
      for await (const { jobSummaryList = [] } of paginateListJobs({ client }, { jobQueue, jobStatus }, callOptions()))
        active.push(...jobSummaryList.map(runningJob))
  } catch (error) {
    throw errorOf(error, `listing the jobs of ${jobQueue}`)
  }
  return active
}

function runningJob({ jobId, jobName, status, createdAt = 0, jobDefinition = '' }: JobSummary): RunningJob {
  return {
    ...{ id: jobId!, name: jobName!, status: status!, createdMs: createdAt },
    definition: definitionName(jobDefinition),
  }
}

/** Without account and revision: it stays the same job when it is deployed again. */
function definitionName(definition: string): string {
  return definition.replace(/^.*job-definition\//, '').replace(/:\d+$/, '')
}

function clientIn(region: string | undefined): BatchClient {
  return new BatchClient(region === undefined ? {} : { region })
}

function errorOf(error: unknown, doing: string): Error {
  const { name, message, $metadata } = error as BatchServiceException
  const status = $metadata?.httpStatusCode
  if (!lacksSettings(error as Error) && (status === undefined || status === 429 || status >= 500))
    return new TryAgainError(`AWS Batch: ${doing} failed (${name}: ${message}); run again`, { cause: error })
  return new InputError(
    `AWS Batch: ${doing} was refused (${name}: ${message}); change what the message names and run again`,
    { cause: error },
  )
}
