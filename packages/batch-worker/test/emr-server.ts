// EMR Serverless as far as a merge asks it: StartJobRun, GetJobRun and CancelJobRun over HTTP, where a job is a process on this machine.
//
// Source: Amazon EMR Serverless API Reference; the text of a failed job as its users report it.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

export const APPLICATION = '00f5e6lbdkjr0a15'
export const ROLE = 'arn:aws:iam::123456789012:role/lastwrite-spark'

/** What StartJobRun is sent. */
interface StartRequest {
  readonly clientToken: string
  readonly executionRoleArn: string
  readonly executionTimeoutMinutes?: number
  readonly jobDriver: { readonly sparkSubmit: { readonly entryPoint: string; readonly entryPointArguments: string[] } }
}

interface Job {
  readonly request: StartRequest
  readonly child: ChildProcess
  state: 'SCHEDULED' | 'RUNNING' | 'SUCCESS' | 'FAILED' | 'CANCELLED'
  stateDetails: string
}

export interface EmrServer {
  /** Environment variables that lead the SDK here. */
  readonly environment: Readonly<Record<string, string>>
  /** In the order of their start. */
  readonly jobs: readonly Readonly<Job>[]
  /** The next calls are answered with this, whatever they ask for; a call that starts a job has started it. */
  failNext(...status: number[]): void
  /** Of all jobs, by somebody else. */
  cancel(): void
  stop(): Promise<void>
}

/** @param submit the command that runs a job: the script and its arguments are its last words */
export async function startEmrServerless(
  submit: readonly [string, ...string[]],
  application = APPLICATION,
): Promise<EmrServer> {
  const jobs = new Map<string, Job>()
  const failures: number[] = []

  const server = createServer(async (request, response) => {
    const [status, answer] = await answerTo(request)
    const code = failures.shift() ?? status
    response.writeHead(code, { 'content-type': 'application/json', 'x-amzn-errortype': ERRORS[code] ?? '' })
    response.end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function answerTo(request: IncomingMessage): Promise<[number, object]> {
    const [, named, id] = /^\/applications\/([0-9a-z]{1,64})\/jobruns(?:\/([0-9a-z]{1,64}))?$/.exec(request.url!)!
    if (!request.headers.authorization!.includes('/emr-serverless/aws4_request'))
      return [403, { message: 'not signed' }]
    if (named !== application) return [404, { message: `Application ${named} does not exist` }]
    if (request.method === 'POST') return [200, start((await json(request)) as StartRequest)]
    const job = jobs.get(id!)
    if (job === undefined) return [404, { message: `Job run ${id} does not exist` }]
    const names = { applicationId: application, jobRunId: id! }
    if (request.method === 'DELETE') {
      cancel(job)
      return [200, names]
    }
    const { state, stateDetails } = job
    return [200, { jobRun: { ...names, state, stateDetails, jobDriver: job.request.jobDriver } }]
  }

  function start(request: StartRequest): object {
    const standing = [...jobs].find(([, job]) => job.request.clientToken === request.clientToken)
    const jobRunId = standing?.[0] ?? `00f${randomBytes(6).toString('hex')}`
    if (standing === undefined) jobs.set(jobRunId, run(request))
    return {
      applicationId: application,
      jobRunId,
      arn: `arn:aws:emr-serverless:::/applications/${application}/jobruns/${jobRunId}`,
    }
  }

  function run(request: StartRequest): Job {
    const { entryPoint, entryPointArguments } = request.jobDriver.sparkSubmit
    const [program, ...words] = submit
    const child = spawn(program, [...words, entryPoint, ...entryPointArguments], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const job: Job = { request, child, state: 'SCHEDULED', stateDetails: '' }
    let last = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      last = (last + text).slice(-1000)
    })
    child.on('spawn', () => {
      if (job.state === 'SCHEDULED') job.state = 'RUNNING'
    })
    child.on('close', (code) => {
      if (code === 0) return end(job, 'SUCCESS', '')
      const what = 'Job failed, please check complete logs in configured logging destination.'
      end(job, 'FAILED', `${what} ExitCode: ${code}. Last few exceptions: ${last}`)
    })
    return job
  }

  return {
    environment: {
      AWS_ENDPOINT_URL_EMR_SERVERLESS: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'testsecret',
    },
    get jobs() {
      return [...jobs.values()]
    },
    failNext: (...status) => void failures.push(...status),
    cancel: () => [...jobs.values()].forEach(cancel),
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function cancel(job: Job): void {
  end(job, 'CANCELLED', 'Job was cancelled')
  if (job.child.exitCode === null) process.kill(-job.child.pid!, 'SIGKILL')
}

/** The first end of a job stands. */
function end(job: Job, state: 'SUCCESS' | 'FAILED' | 'CANCELLED', details: string): void {
  if (job.state !== 'SCHEDULED' && job.state !== 'RUNNING') return
  job.state = state
  job.stateDetails = details
}

const ERRORS: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
}
