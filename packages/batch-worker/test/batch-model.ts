// AWS Batch as far as its answers go: it takes jobs, within the limits of its API, and tells of them. Whoever holds it runs them.
//
// Source: AWS Batch API Reference, "SubmitJob", "ListJobs"; AWS Batch User Guide, "Job states".

import { type Answer, type Asked, scriptedServer } from '../../merge-core/test/iceberg/rest-server.ts'

export type JobStatus = 'SUBMITTED' | 'PENDING' | 'RUNNABLE' | 'STARTING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED'

export interface BatchJob {
  readonly jobId: string
  readonly jobName: string
  readonly jobQueue: string
  readonly jobDefinition: string
  readonly createdAt: number
  readonly parameters: Readonly<Record<string, string>>
  /** Of an array job; null of any other. */
  readonly arraySize: number | null
  readonly dependsOn: readonly string[]
  status: JobStatus
}

type Call = 'submitjob' | 'listjobs'

export interface BatchModel {
  readonly uri: string
  /** In the order in which they came. */
  readonly jobs: BatchJob[]
  /** What is answered to a call instead of doing it. */
  readonly refusals: Map<Call, Answer>
  /** Adds a job that somebody else submitted. */
  add(job: Pick<BatchJob, 'jobName' | 'jobDefinition' | 'status'>): BatchJob
  /** What a process needs to be this job, and to reach this server. */
  environmentOf(job: BatchJob): Record<string, string>
  stop(): Promise<void>
}

interface SubmitRequest {
  readonly jobName: string
  readonly jobQueue: string
  readonly jobDefinition: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly arrayProperties?: { readonly size: number }
  readonly dependsOn?: readonly { readonly jobId: string }[]
}

interface ListRequest {
  readonly jobQueue: string
  readonly jobStatus?: JobStatus
  readonly nextToken?: string
}

export const QUEUE = 'lake'
const ARN = 'arn:aws:batch:eu-west-1:123456789012'
const PAGE = 2

export async function startBatch(): Promise<BatchModel> {
  const jobs: BatchJob[] = []
  const refusals: BatchModel['refusals'] = new Map()
  const server = await scriptedServer(answer)

  function answer({ method, path, headers, body }: Asked): Answer {
    const call = path.replace('/v1/', '') as Call
    if (method !== 'POST' || headers.authorization === undefined)
      return refusal('MissingAuthenticationTokenException', 403)
    if (refusals.has(call)) return refusals.get(call)!
    try {
      const request = JSON.parse(body)
      return { body: call === 'submitjob' ? submit(request) : list(request) }
    } catch (error) {
      return refusal('ClientException', 400, (error as Error).message)
    }
  }

  function submit(request: SubmitRequest): object {
    const { jobName, jobQueue, jobDefinition, parameters = {}, arrayProperties, dependsOn = [], ...rest } = request
    only(rest)
    must(/^[A-Za-z0-9][\w-]{0,127}$/.test(jobName), `jobName ${jobName}`)
    must(queueName(jobQueue) === QUEUE, `jobQueue ${jobQueue}`)
    must(/^[\w-]+(:\d+)?$/.test(nameOf(jobDefinition)), `jobDefinition ${jobDefinition}`)
    for (const value of Object.values(parameters)) must(typeof value === 'string', `parameter ${value}`)
    const arraySize = arrayProperties === undefined ? null : sizeOf(arrayProperties)
    must(dependsOn.length <= 20, `dependsOn ${dependsOn.length} jobs`)
    for (const { jobId, ...others } of dependsOn) {
      only(others)
      must(
        jobs.some((job) => job.jobId === jobId),
        `dependsOn ${jobId}`,
      )
    }
    const needed = dependsOn.map(({ jobId }) => jobId)
    const status = needed.length > 0 || arraySize !== null ? 'PENDING' : 'RUNNABLE'
    const { jobId } = push({ jobName, jobDefinition, status, parameters, arraySize, dependsOn: needed })
    return { jobArn: `${ARN}:job/${jobId}`, jobId, jobName }
  }

  function list({ jobQueue, jobStatus = 'RUNNING', nextToken, ...rest }: ListRequest): object {
    only(rest)
    must(queueName(jobQueue) === QUEUE, `jobQueue ${jobQueue}`)
    const from = Number(nextToken ?? 0)
    const found = jobs.filter(({ status }) => status === jobStatus)
    return {
      jobSummaryList: found.slice(from, from + PAGE).map(({ jobId, jobName, jobDefinition, createdAt, status }) => ({
        ...{ jobId, jobName, createdAt, status },
        jobDefinition: `${ARN}:job-definition/${nameOf(jobDefinition).replace(/^[\w-]+$/, '$&:1')}`,
      })),
      nextToken: from + PAGE < found.length ? String(from + PAGE) : null,
    }
  }

  function push(job: Omit<BatchJob, 'jobId' | 'jobQueue' | 'createdAt'>): BatchJob {
    const pushed = { ...job, jobId: `job-${jobs.length}`, jobQueue: QUEUE, createdAt: 1_795_334_400_000 + jobs.length }
    jobs.push(pushed)
    return pushed
  }

  return {
    uri: server.uri,
    jobs,
    refusals,
    add: (job) => push({ ...job, parameters: {}, arraySize: null, dependsOn: [] }),
    environmentOf: ({ jobId }) => ({
      AWS_BATCH_JOB_ID: jobId,
      AWS_BATCH_JOB_ATTEMPT: '1',
      AWS_BATCH_JQ_NAME: QUEUE,
      AWS_ENDPOINT_URL_BATCH: server.uri,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'testsecret',
      AWS_REGION: 'eu-west-1',
    }),
    stop: server.stop,
  }
}

export function refusal(name: string, status: number, message = name): Answer {
  return { status, body: { __type: name, message } }
}

function sizeOf({ size, ...others }: { readonly size: number }): number {
  only(others)
  must(Number.isInteger(size) && size >= 2 && size <= 10_000, `size ${size}`)
  return size
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not valid: ${what}`)
}

function only(rest: object): void {
  must(Object.keys(rest).length === 0, `members ${Object.keys(rest)}, which are not known here`)
}

const nameOf = (definition: string) => definition.replace(/^arn:.*:job-definition\//, '')
const queueName = (queue: string) => queue.replace(/^arn:.*:job-queue\//, '')
